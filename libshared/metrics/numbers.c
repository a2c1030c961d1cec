/* Measures of predicted numbers. */
#include "base/memory.h"
#include "metrics/metrics.h"

#include <math.h>
#include <stdlib.h>

/* The power of two by which values are divided so that the largest is below 1. Dividing by it is exact, and
 * the fixed point of the sums then has room at both ends. */
static int exponent_of(const double *x, size_t n)
{
    double largest = 0;
    int e = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(x[i]));
    if (isfinite(largest))
        frexp(largest, &e);
    return e;
}

/* Sum of x[i] y[i]. */
static double dot(const double *x, const double *y, const uint32_t *times, size_t n)
{
    int ex = exponent_of(x, n), ey = exponent_of(y, n);
    lm_exact_sum s = {0};
    for (size_t i = 0; i < n; i++)
        lm_sum_add_times(&s, ldexp(x[i], -ex) * ldexp(y[i], -ey), lm_times(times, i));
    return ldexp(lm_sum_total(&s), ex + ey);
}

static double mean_of(const double *x, const uint32_t *times, size_t n)
{
    int e = exponent_of(x, n);
    lm_exact_sum s = {0};
    for (size_t i = 0; i < n; i++)
        lm_sum_add_times(&s, ldexp(x[i], -e), lm_times(times, i));
    return ldexp(lm_sum_mean(&s), e);
}

static double *differences(const double *x, const double *y, size_t n)
{
    double *d = lm_malloc(n, sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = x[i] - y[i];
    return d;
}

static double *centred(const double *x, const uint32_t *times, size_t n)
{
    double mean = mean_of(x, times, n), *d = lm_malloc(n, sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = x[i] - mean;
    return d;
}

double lm_mean_squared_error(const double *truth, const double *prediction, const uint32_t *times, size_t n)
{
    double *d = differences(truth, prediction, n);
    double mse = lm_ratio(dot(d, d, times, n), (double)lm_times_total(times, n));
    free(d);
    return mse;
}

double lm_mean_absolute_error(const double *truth, const double *prediction, const uint32_t *times, size_t n)
{
    double *d = differences(truth, prediction, n);
    for (size_t i = 0; i < n; i++)
        d[i] = fabs(d[i]);
    double mae = mean_of(d, times, n);
    free(d);
    return mae;
}

double lm_r2(const double *truth, const double *prediction, const uint32_t *times, size_t n)
{
    double *d = differences(truth, prediction, n), *c = centred(truth, times, n);
    double total = dot(c, c, times, n), r2 = total != 0 ? 1 - dot(d, d, times, n) / total : 0;
    free(d);
    free(c);
    return r2;
}

double lm_pearson(const double *x, const double *y, const uint32_t *times, size_t n)
{
    double *a = centred(x, times, n), *b = centred(y, times, n);
    double r = lm_ratio(dot(a, b, times, n), sqrt(dot(a, a, times, n)) * sqrt(dot(b, b, times, n)));
    free(a);
    free(b);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int by_value(const void *p, const void *q)
{
    const ranked *a = p, *b = q;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

size_t *lm_order(const double *x, size_t n)
{
    ranked *r = lm_malloc(n ? n : 1, sizeof *r);
    bool numbers = true; /* finite ones */
    for (size_t i = 0; i < n; i++) {
        r[i] = (ranked){x[i], i};
        numbers = numbers && isfinite(x[i]);
    }
    size_t *order = numbers ? lm_malloc(n ? n : 1, sizeof *order) : NULL;
    if (n && order)
        qsort(r, n, sizeof *r, by_value);
    for (size_t i = 0; i < n && order; i++)
        order[i] = r[i].index;
    free(r);
    return order;
}

/* Ranks from 1; equal values share the mean of theirs. NaN where the values have no order. */
static double *ranks(const double *x, const size_t *order, const uint32_t *times, size_t n)
{
    size_t *own = order ? NULL : lm_order(x, n);
    double *rank = lm_malloc(n ? n : 1, sizeof *rank), below = 0;
    order = order ? order : own;
    for (size_t i = 0, end; i < n; i = end) {
        double here = 0;
        for (end = i; end < n && (end == i || (order && x[order[end]] == x[order[i]])); end++)
            here += order ? (double)lm_times(times, order[end]) : 0;
        for (size_t k = i; k < end; k++)
            rank[order ? order[k] : k] = order ? below + 0.5 * (here + 1) : NAN;
        below += here;
    }
    free(own);
    return rank;
}

double lm_spearman(const double *x, const double *y, const size_t *x_order, const size_t *y_order,
                   const uint32_t *times, size_t n)
{
    double *a = ranks(x, x_order, times, n), *b = ranks(y, y_order, times, n);
    double r = lm_pearson(a, b, times, n);
    free(a);
    free(b);
    return r;
}
