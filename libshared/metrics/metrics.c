#include "metrics/metrics.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ sums */

#define UNITS 0x1p60 /* in one; the unit is a power of two, so that scaling is exact */

void lm_sum_add_times(lm_exact_sum *s, double x, uint64_t times)
{
    __int128 units;
    s->count += times;
    if (times == 0)
        return;
    if (!(fabs(x) < 0x1p60)) /* NaN too */
        s->broken = true;
    else if (__builtin_mul_overflow((__int128)rint(x * UNITS), (__int128)times, &units) ||
             __builtin_add_overflow(s->units, units, &s->units))
        s->broken = true;
}

void lm_sum_add(lm_exact_sum *s, double x)
{
    lm_sum_add_times(s, x, 1);
}

double lm_sum_total(const lm_exact_sum *s)
{
    return s->broken ? NAN : (double)s->units / UNITS;
}

double lm_sum_mean(const lm_exact_sum *s)
{
    return s->count ? lm_sum_total(s) / (double)s->count : 0;
}

uint64_t lm_times_total(const uint32_t *times, size_t n)
{
    uint64_t total = times ? 0 : n;
    for (size_t i = 0; times && i < n; i++)
        total += times[i];
    return total;
}

double lm_ratio(double a, double b)
{
    return b != 0 ? a / b : 0;
}

double lm_perplexity(double mean_loss)
{
    return exp(mean_loss);
}

/* ------------------------------------------------------------------ classes */

lm_prf lm_prf_of(uint64_t hit, uint64_t truth, uint64_t chosen)
{
    return (lm_prf){.precision = lm_ratio((double)hit, (double)chosen),
                    .recall = lm_ratio((double)hit, (double)truth),
                    .f1 = lm_ratio(2 * (double)hit, (double)truth + (double)chosen),
                    .support = truth};
}

lm_prf lm_prf_average(const uint64_t *hit, const uint64_t *truth, const uint64_t *chosen, int classes,
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
        lm_prf one = lm_prf_of(hit[k], truth[k], chosen[k]);
        double weight = how == LM_WEIGHTED ? (double)truth[k] : truth[k] || chosen[k];
        mean.precision += weight * one.precision;
        mean.recall += weight * one.recall;
        mean.f1 += weight * one.f1;
        weights += weight;
    }
    if (how == LM_MICRO)
        return lm_prf_of(hits, truths, choices);
    return (lm_prf){lm_ratio(mean.precision, weights), lm_ratio(mean.recall, weights),
                    lm_ratio(mean.f1, weights), truths};
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

void lm_confusion_add_times(lm_confusion *c, int truth, int prediction, uint64_t times)
{
    c->count[(size_t)truth * (size_t)c->classes + (size_t)prediction] += times;
    c->rows += times;
}

void lm_confusion_add(lm_confusion *c, int truth, int prediction)
{
    lm_confusion_add_times(c, truth, prediction, 1);
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
    return lm_ratio((double)hits, (double)c->rows);
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
    return lm_ratio(covariance, sqrt((double)(n * n - truths)) * sqrt((double)(n * n - choices)));
}

lm_prf lm_confusion_class(const lm_confusion *c, int k)
{
    uint64_t hit, truth, chosen;
    marginals(c, k, &hit, &truth, &chosen);
    return lm_prf_of(hit, truth, chosen);
}

void lm_confusion_counts(const lm_confusion *c, uint64_t *hit, uint64_t *truth, uint64_t *chosen)
{
    for (int k = 0; k < c->classes; k++)
        marginals(c, k, &hit[k], &truth[k], &chosen[k]);
}

lm_prf lm_confusion_average(const lm_confusion *c, lm_average how)
{
    size_t n = (size_t)c->classes;
    uint64_t *m = lm_calloc(3 * n, sizeof *m);
    lm_confusion_counts(c, m, m + n, m + 2 * n);
    lm_prf mean = lm_prf_average(m, m + n, m + 2 * n, c->classes, how);
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

void lm_multi_label_add_times(lm_multi_label *m, const uint8_t *truth, const uint8_t *prediction,
                              uint64_t times)
{
    bool exact = true;
    for (int k = 0; k < m->classes; k++) {
        bool t = truth[k], p = prediction[k];
        m->hit[k] += t && p ? times : 0;
        m->truth[k] += t ? times : 0;
        m->chosen[k] += p ? times : 0;
        exact = exact && t == p;
    }
    m->exact += exact ? times : 0;
    m->rows += times;
}

void lm_multi_label_add(lm_multi_label *m, const uint8_t *truth, const uint8_t *prediction)
{
    lm_multi_label_add_times(m, truth, prediction, 1);
}

double lm_multi_label_accuracy(const lm_multi_label *m)
{
    return lm_ratio((double)m->exact, (double)m->rows);
}

double lm_multi_label_hamming(const lm_multi_label *m)
{
    uint64_t wrong = 0;
    for (int k = 0; k < m->classes; k++)
        wrong += m->truth[k] + m->chosen[k] - 2 * m->hit[k];
    return lm_ratio((double)wrong, (double)m->rows * m->classes);
}

lm_prf lm_multi_label_class(const lm_multi_label *m, int k)
{
    return lm_prf_of(m->hit[k], m->truth[k], m->chosen[k]);
}

lm_prf lm_multi_label_average(const lm_multi_label *m, lm_average how)
{
    return lm_prf_average(m->hit, m->truth, m->chosen, m->classes, how);
}
