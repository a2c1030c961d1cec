#include "metrics/ranking.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct ranked {
    float score;
    uint32_t row;
} ranked;

static int by_score(const void *p, const void *q)
{
    const ranked *a = p, *b = q;
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

uint32_t *lm_ranking_order(const float *score, size_t rows, int classes, int class)
{
    ranked *r = lm_malloc(rows + 1, sizeof *r);
    uint32_t *order = lm_malloc(rows + 1, sizeof *order);
    for (size_t i = 0; i < rows; i++) {
        float x = score[i * (size_t)classes + (size_t) class];
        r[i] = (ranked){isnan(x) ? -INFINITY : x, (uint32_t)i};
    }
    qsort(r, rows, sizeof *r, by_score);
    for (size_t i = 0; i < rows; i++)
        order[i] = r[i].row;
    free(r);
    return order;
}

/* Counts of one group of equal scores. */
typedef struct group {
    uint64_t of_class, others;
} group;

/* The group that ends (going down) or begins (going up) at *at, which moves past it. */
static group take_group(const lm_ranking *r, const uint32_t *times, size_t *at, bool up)
{
    group g = {0};
    float score = 0;
    for (bool first = true; up ? *at < r->rows : *at > 0; first = false) {
        size_t row = r->order[up ? *at : *at - 1];
        size_t cell = row * (size_t)r->classes + (size_t)r->class;
        float x = r->score[cell];
        if (!first && x != score)
            break;
        score = x;
        uint64_t n = lm_times(times, row);
        if (r->truth ? r->truth[row] == r->class : r->truths[cell])
            g.of_class += n;
        else
            g.others += n;
        *at += up ? 1 : (size_t)-1;
    }
    return g;
}

double lm_roc_auc(const lm_ranking *r, const uint32_t *times)
{
    __uint128_t twice = 0; /* twice the number of pairs in order */
    uint64_t below = 0, of_class = 0;
    for (size_t at = 0; at < r->rows;) {
        group g = take_group(r, times, &at, true);
        twice += (__uint128_t)g.of_class * (2 * below + g.others);
        below += g.others;
        of_class += g.of_class;
    }
    double pairs = (double)of_class * (double)below;
    return pairs > 0 ? (double)twice / 2 / pairs : NAN;
}

double lm_average_precision(const lm_ranking *r, const uint32_t *times)
{
    uint64_t found = 0, taken = 0;
    lm_exact_sum sum = {0};
    for (size_t at = r->rows; at > 0;) {
        group g = take_group(r, times, &at, false);
        found += g.of_class;
        taken += g.of_class + g.others;
        if (g.of_class)
            lm_sum_add_times(&sum, (double)found / (double)taken, g.of_class);
    }
    return found ? lm_sum_total(&sum) / (double)found : NAN;
}

double lm_brier(const lm_probabilities *x, const uint32_t *times)
{
    lm_exact_sum sum = {0};
    for (size_t i = 0; i < x->rows; i++) {
        const float *p = x->p + i * (size_t)x->classes;
        double error = 0;
        for (int k = 0; k < x->classes; k++) {
            double d = (double)p[k] - (k == x->truth[i]);
            error += d * d;
        }
        lm_sum_add_times(&sum, x->classes == 2 ? error / 2 : error, lm_times(times, i));
    }
    return lm_sum_mean(&sum);
}

double lm_expected_calibration_error(const lm_probabilities *x, const uint32_t *times)
{
    struct {
        uint64_t rows, right;
        lm_exact_sum confidence;
    } bin[LM_ECE_BINS] = {0};
    double error = 0;
    uint64_t rows = 0;
    for (size_t i = 0; i < x->rows; i++) {
        const float *p = x->p + i * (size_t)x->classes;
        uint64_t n = lm_times(times, i);
        int best = 0;
        for (int k = 1; k < x->classes; k++)
            best = p[k] > p[best] ? k : best;
        int b = (int)ceil((double)p[best] * LM_ECE_BINS) - 1;
        b = b < 0 ? 0 : b >= LM_ECE_BINS ? LM_ECE_BINS - 1 : b;
        bin[b].rows += n;
        bin[b].right += best == x->truth[i] ? n : 0;
        lm_sum_add_times(&bin[b].confidence, p[best], n);
        rows += n;
    }
    for (int b = 0; b < LM_ECE_BINS; b++)
        error += fabs((double)bin[b].right - lm_sum_total(&bin[b].confidence));
    return lm_ratio(error, (double)rows);
}
