#include "metrics/metrics.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ sums */

enum { UNIT_BITS = 60, LIMIT_BITS = 60 };

void lm_sum_add(lm_exact_sum *s, double x)
{
    s->count++;
    if (!(fabs(x) < ldexp(1, LIMIT_BITS))) /* NaN too */
        s->broken = true;
    else if (__builtin_add_overflow(s->units, (__int128)rint(ldexp(x, UNIT_BITS)), &s->units))
        s->broken = true;
}

double lm_sum_total(const lm_exact_sum *s)
{
    return s->broken ? NAN : ldexp((double)s->units, -UNIT_BITS);
}

double lm_sum_mean(const lm_exact_sum *s)
{
    return s->count ? lm_sum_total(s) / (double)s->count : 0;
}

double lm_perplexity(double mean_loss)
{
    return exp(mean_loss);
}

/* ------------------------------------------------------------------ classes */

static double ratio(double a, double b)
{
    return b != 0 ? a / b : 0;
}

static lm_prf prf_of(uint64_t hit, uint64_t truth, uint64_t chosen)
{
    return (lm_prf){.precision = ratio((double)hit, (double)chosen),
                    .recall = ratio((double)hit, (double)truth),
                    .f1 = ratio(2 * (double)hit, (double)truth + (double)chosen),
                    .support = truth};
}

/* Mean over classes: by support, or plain over those that occur. */
static lm_prf average(const uint64_t *hit, const uint64_t *truth, const uint64_t *chosen, int classes,
                      lm_average how)
{
    uint64_t hits = 0, truths = 0, choices = 0;
    double weights = 0;
    lm_prf mean = {0};
    for (int k = 0; k < classes; k++) {
        hits += hit[k];
        truths += truth[k];
        choices += chosen[k];
        if (how == LM_MICRO)
            continue;
        lm_prf one = prf_of(hit[k], truth[k], chosen[k]);
        double weight = how == LM_WEIGHTED ? (double)truth[k] : truth[k] || chosen[k];
        mean.precision += weight * one.precision;
        mean.recall += weight * one.recall;
        mean.f1 += weight * one.f1;
        weights += weight;
    }
    if (how == LM_MICRO)
        return prf_of(hits, truths, choices);
    return (lm_prf){ratio(mean.precision, weights), ratio(mean.recall, weights), ratio(mean.f1, weights),
                    truths};
}

lm_confusion *lm_confusion_new(int classes)
{
    lm_confusion *c = lm_calloc(1, sizeof *c);
    c->classes = classes;
    c->count = lm_calloc((size_t)classes * (size_t)classes, sizeof *c->count);
    return c;
}

void lm_confusion_free(lm_confusion *c)
{
    if (!c)
        return;
    free(c->count);
    free(c);
}

void lm_confusion_add(lm_confusion *c, int truth, int prediction)
{
    c->count[(size_t)truth * (size_t)c->classes + (size_t)prediction]++;
    c->rows++;
}

/* Marginals of class k: on the diagonal, in its row, in its column. */
static void marginals(const lm_confusion *c, int k, uint64_t *hit, uint64_t *truth, uint64_t *chosen)
{
    size_t n = (size_t)c->classes, at = (size_t)k;
    *hit = c->count[at * n + at];
    *truth = *chosen = 0;
    for (size_t i = 0; i < n; i++) {
        *truth += c->count[at * n + i];
        *chosen += c->count[i * n + at];
    }
}

double lm_confusion_accuracy(const lm_confusion *c)
{
    uint64_t hits = 0;
    for (size_t k = 0; k < (size_t)c->classes; k++)
        hits += c->count[k * (size_t)c->classes + k];
    return ratio((double)hits, (double)c->rows);
}

double lm_confusion_mcc(const lm_confusion *c)
{
    __int128 n = c->rows, hits = 0, both = 0, truths = 0, choices = 0;
    for (int k = 0; k < c->classes; k++) {
        uint64_t hit, truth, chosen;
        marginals(c, k, &hit, &truth, &chosen);
        hits += hit;
        both += (__int128)truth * chosen;
        truths += (__int128)truth * truth;
        choices += (__int128)chosen * chosen;
    }
    double covariance = (double)(hits * n - both);
    return ratio(covariance, sqrt((double)(n * n - truths)) * sqrt((double)(n * n - choices)));
}

lm_prf lm_confusion_class(const lm_confusion *c, int k)
{
    uint64_t hit, truth, chosen;
    marginals(c, k, &hit, &truth, &chosen);
    return prf_of(hit, truth, chosen);
}

lm_prf lm_confusion_average(const lm_confusion *c, lm_average how)
{
    size_t n = (size_t)c->classes;
    uint64_t *m = lm_calloc(3 * n, sizeof *m);
    for (size_t k = 0; k < n; k++)
        marginals(c, (int)k, &m[k], &m[n + k], &m[2 * n + k]);
    lm_prf mean = average(m, m + n, m + 2 * n, c->classes, how);
    free(m);
    return mean;
}

lm_multi_label *lm_multi_label_new(int classes)
{
    lm_multi_label *m = lm_calloc(1, sizeof *m);
    size_t n = (size_t)classes;
    m->classes = classes;
    m->hit = lm_calloc(3 * n, sizeof *m->hit);
    m->truth = m->hit + n;
    m->chosen = m->truth + n;
    return m;
}

void lm_multi_label_free(lm_multi_label *m)
{
    if (!m)
        return;
    free(m->hit);
    free(m);
}

void lm_multi_label_add(lm_multi_label *m, const uint8_t *truth, const uint8_t *prediction)
{
    bool exact = true;
    for (int k = 0; k < m->classes; k++) {
        bool t = truth[k], p = prediction[k];
        m->hit[k] += t && p;
        m->truth[k] += t;
        m->chosen[k] += p;
        exact = exact && t == p;
    }
    m->exact += exact;
    m->rows++;
}

double lm_multi_label_accuracy(const lm_multi_label *m)
{
    return ratio((double)m->exact, (double)m->rows);
}

double lm_multi_label_hamming(const lm_multi_label *m)
{
    uint64_t wrong = 0;
    for (int k = 0; k < m->classes; k++)
        wrong += m->truth[k] + m->chosen[k] - 2 * m->hit[k];
    return ratio((double)wrong, (double)m->rows * m->classes);
}

lm_prf lm_multi_label_class(const lm_multi_label *m, int k)
{
    return prf_of(m->hit[k], m->truth[k], m->chosen[k]);
}

lm_prf lm_multi_label_average(const lm_multi_label *m, lm_average how)
{
    return average(m->hit, m->truth, m->chosen, m->classes, how);
}

/* ------------------------------------------------------------------ numbers */

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
static double dot(const double *x, const double *y, size_t n)
{
    int ex = exponent_of(x, n), ey = exponent_of(y, n);
    lm_exact_sum s = {0};
    for (size_t i = 0; i < n; i++)
        lm_sum_add(&s, ldexp(x[i], -ex) * ldexp(y[i], -ey));
    return ldexp(lm_sum_total(&s), ex + ey);
}

static double mean_of(const double *x, size_t n)
{
    int e = exponent_of(x, n);
    lm_exact_sum s = {0};
    for (size_t i = 0; i < n; i++)
        lm_sum_add(&s, ldexp(x[i], -e));
    return ldexp(lm_sum_mean(&s), e);
}

static double *differences(const double *x, const double *y, size_t n)
{
    double *d = lm_malloc(n, sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = x[i] - y[i];
    return d;
}

static double *centred(const double *x, size_t n)
{
    double mean = mean_of(x, n), *d = lm_malloc(n, sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = x[i] - mean;
    return d;
}

double lm_mean_squared_error(const double *truth, const double *prediction, size_t n)
{
    double *d = differences(truth, prediction, n), mse = n ? dot(d, d, n) / (double)n : 0;
    free(d);
    return mse;
}

double lm_mean_absolute_error(const double *truth, const double *prediction, size_t n)
{
    double *d = differences(truth, prediction, n);
    for (size_t i = 0; i < n; i++)
        d[i] = fabs(d[i]);
    double mae = mean_of(d, n);
    free(d);
    return mae;
}

double lm_r2(const double *truth, const double *prediction, size_t n)
{
    double *d = differences(truth, prediction, n), *c = centred(truth, n);
    double total = dot(c, c, n), r2 = total != 0 ? 1 - dot(d, d, n) / total : 0;
    free(d);
    free(c);
    return r2;
}

double lm_pearson(const double *x, const double *y, size_t n)
{
    double *a = centred(x, n), *b = centred(y, n);
    double r = ratio(dot(a, b, n), sqrt(dot(a, a, n)) * sqrt(dot(b, b, n)));
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
    return a->value < b->value ? -1 : a->value > b->value;
}

/* Ranks from 1; equal values share the mean of theirs. */
static double *ranks(const double *x, size_t n)
{
    ranked *r = lm_malloc(n, sizeof *r);
    double *rank = lm_malloc(n, sizeof *rank);
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        r[i] = (ranked){x[i], i};
        finite = finite && isfinite(x[i]);
    }
    if (n && finite)
        qsort(r, n, sizeof *r, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && r[end].value == r[i].value; end++)
            ;
        for (size_t k = i; k < end; k++)
            rank[r[k].index] = finite ? 0.5 * (double)(i + 1 + end) : NAN;
    }
    free(r);
    return rank;
}

double lm_spearman(const double *x, const double *y, size_t n)
{
    double *a = ranks(x, n), *b = ranks(y, n), r = lm_pearson(a, b, n);
    free(a);
    free(b);
    return r;
}
