/* Distributions that are compared one by one, and what is made of all. */
#include "metrics/divergence_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two distributions over the same things. */
typedef struct pair {
    double kl;
    bool same;           /* the most probable one is the same */
    double loss, reference_loss; /* of the right one */
} pair;

static double log_sum_exp(const float *x, int n, int *top)
{
    double sum = 0, most;
    *top = 0;
    for (int i = 1; i < n; i++)
        *top = x[i] > x[*top] ? i : *top;
    most = (double)x[*top];
    for (int i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

static pair compare(const float *p, const float *q, int columns, int32_t label)
{
    int top_p, top_q;
    double all_p = log_sum_exp(p, columns, &top_p), all_q = log_sum_exp(q, columns, &top_q), kl = 0;
    for (int i = 0; i < columns; i++) {
        double log_p = (double)p[i] - all_p, log_q = (double)q[i] - all_q;
        kl += exp(log_p) * (log_p - log_q);
    }
    return (pair){.kl = kl > 0 ? kl : 0,
                  .same = top_p == top_q,
                  .loss = label >= 0 ? all_q - (double)q[label] : 0,
                  .reference_loss = label >= 0 ? all_p - (double)p[label] : 0};
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* Of a decision for each column. */
static double compare_decisions(const float *p, const float *q, int columns, uint64_t *agreed)
{
    double kl = 0;
    for (int i = 0; i < columns; i++) {
        double a = (double)p[i], b = (double)q[i], yes = 1 / (1 + exp(-a));
        kl += yes * (softplus(-b) - softplus(-a)) + (1 - yes) * (softplus(b) - softplus(a));
        *agreed += (a > 0) == (b > 0);
    }
    return kl > 0 ? kl : 0;
}

void lm_divergence_sums_free(lm_divergence_sums *s)
{
    free(s->kl);
}

void lm_divergence_add(lm_divergence_sums *s, lm_measured kind, const float *p, const float *q, const int32_t *labels, int n, int columns)
{
    pair *pairs = lm_calloc((size_t)n + 1, sizeof *pairs);
    bool single = kind != LM_MEASURE_VALUES && kind != LM_MEASURE_MULTI_LABEL;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * (size_t)columns;
        if (single)
            pairs[i] = compare(p + at, q + at, columns, labels ? labels[i] : -1);
    }
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * (size_t)columns;
        for (int c = 0; kind == LM_MEASURE_VALUES && c < columns; c++)
            lm_sum_add(&s->difference2, pow((double)q[at + (size_t)c] - (double)p[at + (size_t)c], 2));
        if (kind == LM_MEASURE_VALUES)
            continue;
        if (kind == LM_MEASURE_MULTI_LABEL)
            pairs[i].kl = compare_decisions(p + at, q + at, columns, &s->agreed);
        else
            s->agreed += pairs[i].same;
        s->decided += single ? 1 : (uint64_t)columns;
        LM_GROW(s->kl, s->units, s->room);
        s->kl[s->units++] = (float)pairs[i].kl;
        if (!single || !labels || labels[i] < 0)
            continue;
        lm_sum_add(&s->loss, pairs[i].loss);
        lm_sum_add(&s->reference_loss, pairs[i].reference_loss);
        lm_sum_add(&s->delta2, pow(exp(-pairs[i].loss) - exp(-pairs[i].reference_loss), 2));
    }
    free(pairs);
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Linear between neighbours, as numpy has it. */
static double quantile(const float *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t i = (size_t)at;
    double low = (double)sorted[i], high = (double)sorted[i + 1 < n ? i + 1 : i];
    return low + (at - (double)i) * (high - low);
}

static void conclude_kl(lm_divergence_sums *s, lm_report *report)
{
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"kl_divergence_max", 1},      {"kl_divergence_p99.9", 0.999}, {"kl_divergence_p99", 0.99},
                  {"kl_divergence_p95", 0.95},   {"kl_divergence_p90", 0.9},     {"kl_divergence_median", 0.5}};
    lm_exact_sum sum = {0}, squares = {0};
    size_t n = s->units;
    for (size_t i = 0; i < n; i++)
        lm_sum_add(&sum, (double)s->kl[i]);
    double mean = lm_sum_mean(&sum);
    for (size_t i = 0; i < n; i++)
        lm_sum_add(&squares, ((double)s->kl[i] - mean) * ((double)s->kl[i] - mean));
    qsort(s->kl, n, sizeof *s->kl, ascending);
    lm_report_add(report, "kl_divergence", mean);
    lm_report_add(report, "kl_divergence_error", n > 1 ? sqrt(lm_sum_total(&squares) / (double)(n - 1) / (double)n) : 0);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        lm_report_add(report, shares[i].name, quantile(s->kl, n, shares[i].share));
    lm_report_add(report, "top1_agreement", lm_ratio((double)s->agreed, (double)s->decided));
}

void lm_divergence_conclude(lm_divergence_sums *s, lm_report *report)
{
    lm_report_count(report, "rows", s->rows);
    lm_report_count(report, "tokens", s->tokens);
    if (s->units) {
        lm_report_count(report, "compared", s->units);
        conclude_kl(s, report);
    }
    if (s->loss.count) {
        double own = lm_perplexity(lm_sum_mean(&s->loss)), was = lm_perplexity(lm_sum_mean(&s->reference_loss));
        lm_report_add(report, "perplexity", own);
        lm_report_add(report, "perplexity_reference", was);
        lm_report_add(report, "perplexity_ratio", own / was);
        lm_report_add(report, "rms_delta_p", sqrt(lm_sum_mean(&s->delta2)));
    }
    if (s->difference2.count)
        lm_report_add(report, "value_error", sqrt(lm_sum_mean(&s->difference2)));
}
