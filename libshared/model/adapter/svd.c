#include "model/adapter/svd.h"

#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* By Gram and Schmidt, twice, which is enough (Giraud et al. 2005). */
void lm_orthonormalise(double *q, int k, int n)
{
    for (int i = 0; i < k; i++) {
        double *row = q + (size_t)i * (size_t)n, was = sqrt(dot(row, row, n));
        for (int again = 0; again < 2; again++) {
            for (int j = 0; j < i; j++) {
                const double *other = q + (size_t)j * (size_t)n;
                double along = dot(row, other, n);
                for (int c = 0; c < n; c++)
                    row[c] -= along * other[c];
            }
        }
        double length = sqrt(dot(row, row, n));
        double scale = length > 1e-12 * was && length > 0 ? 1 / length : 0;
        for (int c = 0; c < n; c++)
            row[c] *= scale;
    }
}

static void rotate(double *x, double *y, int n, double c, double s)
{
    for (int i = 0; i < n; i++) {
        double one = x[i], two = y[i];
        x[i] = c * one - s * two;
        y[i] = s * one + c * two;
    }
}

/* Turns rows of b [k, n], and those of q [k, m] with them, until they are orthogonal to one another (one-sided Jacobi, Hestenes
 * 1958): their lengths are the singular values then. */
static void turn(double *b, int n, double *q, int m, int k)
{
    enum { SWEEPS = 40 };
    double worst = 1;
    for (int sweep = 0; sweep < SWEEPS && worst > 1e-12; sweep++) {
        worst = 0;
        for (int i = 0; i < k; i++) {
            for (int j = i + 1; j < k; j++) {
                double *x = b + (size_t)i * (size_t)n, *y = b + (size_t)j * (size_t)n;
                double xx = dot(x, x, n), yy = dot(y, y, n), xy = dot(x, y, n);
                if (xy == 0 || fabs(xy) <= 1e-14 * sqrt(xx * yy))
                    continue;
                worst = fmax(worst, fabs(xy) / sqrt(xx * yy));
                double zeta = (yy - xx) / (2 * xy);
                double t = copysign(1, zeta) / (fabs(zeta) + sqrt(1 + zeta * zeta)), c = 1 / sqrt(1 + t * t);
                rotate(x, y, n, c, c * t);
                rotate(q + (size_t)i * (size_t)m, q + (size_t)j * (size_t)m, m, c, c * t);
            }
        }
    }
}

typedef struct space {
    const float *w;
    int rows, columns, k;
    double *left, *right; /* [k, rows], [k, columns] */
    float *narrow;        /* the same as floats, for products: [k, the larger side], twice */
    double *lengths;      /* [k] */
} space;

static void to_float(const double *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)from[i];
}

static void to_double(const float *from, double *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

/* right = left w, or left = right w^T. */
static void multiply(space *s, bool rightward)
{
    size_t in = (size_t)(rightward ? s->rows : s->columns) * (size_t)s->k, out = (size_t)(rightward ? s->columns : s->rows) * (size_t)s->k;
    float *result = s->narrow + in;
    to_float(rightward ? s->left : s->right, s->narrow, in);
    if (rightward)
        lm_linear_backward_input(s->narrow, s->w, result, s->k, s->rows, s->columns, false);
    else
        lm_linear_forward(s->narrow, s->w, NULL, result, s->k, s->rows, s->columns);
    to_double(result, rightward ? s->right : s->left, out);
}

/* Whether the lengths of the rows of right, the estimates of the singular values, are those of before. */
static bool settled(space *s)
{
    double change = 0, largest = 0;
    for (int i = 0; i < s->k; i++) {
        double *row = s->right + (size_t)i * (size_t)s->columns, length = sqrt(dot(row, row, s->columns));
        change = fmax(change, fabs(length - s->lengths[i]));
        largest = fmax(largest, length);
        s->lengths[i] = length;
    }
    return change <= 1e-6 * largest;
}

static void iterate(space *s, int iterations, uint64_t seed)
{
    enum { MOST = 60 };
    lm_philox_key key = lm_random_key(seed, LM_FOR_INIT, 1);
    size_t n = (size_t)s->columns * (size_t)s->k;
    for (size_t i = 0; i < n; i++)
        s->right[i] = lm_random_normal(key, i, 0);
    for (int i = 0; i <= (iterations < 0 ? MOST : iterations); i++) {
        lm_orthonormalise(s->right, s->k, s->columns);
        multiply(s, false);
        lm_orthonormalise(s->left, s->k, s->rows);
        multiply(s, true);
        if (iterations < 0 && settled(s))
            break;
    }
    turn(s->right, s->columns, s->left, s->rows, s->k);
}

static int by_length(const void *a, const void *b)
{
    const double *x = a, *y = b; /* length, row */
    return x[0] != y[0] ? (x[0] < y[0]) - (x[0] > y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* The `rank` longest of the rows. */
static void give(const space *x, int rank, float *u, float *s, float *v)
{
    double(*order)[2] = lm_calloc((size_t)x->k, sizeof *order);
    for (int i = 0; i < x->k; i++) {
        const double *row = x->right + (size_t)i * (size_t)x->columns;
        order[i][0] = sqrt(dot(row, row, x->columns));
        order[i][1] = i;
    }
    qsort(order, (size_t)x->k, sizeof *order, by_length);
    for (int r = 0; r < rank; r++) {
        double length = order[r][0], most = 0;
        const double *left = x->left + (size_t)order[r][1] * (size_t)x->rows, *right = x->right + (size_t)order[r][1] * (size_t)x->columns;
        for (int c = 0; c < x->columns; c++)
            if (fabs(right[c]) > fabs(most))
                most = right[c];
        double sign = most < 0 ? -1 : 1;
        for (int c = 0; c < x->columns; c++)
            v[(size_t)c * (size_t)rank + (size_t)r] = length > 0 ? (float)(sign * right[c] / length) : 0;
        for (int c = 0; c < x->rows; c++)
            u[(size_t)c * (size_t)rank + (size_t)r] = (float)(sign * left[c]);
        s[r] = (float)length;
    }
    free(order);
}

bool lm_svd_truncated(const float *w, int rows, int columns, int rank, int iterations, uint64_t seed, float *u, float *s, float *v,
                      lm_status *st)
{
    int least = rows < columns ? rows : columns, more = 2 * rank + 8;
    space x = {.w = w, .rows = rows, .columns = columns, .k = more < least ? more : least};
    if (rank < 1 || rank > least)
        return lm_fail(st, LM_FAILED, "a matrix of %d rows and %d columns has no %d singular values", rows, columns, rank);
    size_t k = (size_t)x.k, sides = (size_t)rows + (size_t)columns;
    x.left = lm_calloc(k * sides, sizeof *x.left);
    x.right = x.left + k * (size_t)rows;
    x.narrow = lm_malloc(k * sides, sizeof *x.narrow);
    x.lengths = lm_calloc(k, sizeof *x.lengths);
    iterate(&x, iterations, seed);
    give(&x, rank, u, s, v);
    free(x.left);
    free(x.narrow);
    free(x.lengths);
    return true;
}
