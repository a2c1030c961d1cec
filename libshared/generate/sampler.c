#include "generate/sampler.h"
#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lm_sampler {
    const lm_sampling *how;
    int columns;
    int32_t *ids; /* [count] the tokens that are left, in their order whatever was taken out */
    float *logits;
    int count;
    double *probability; /* [count] of those, in the measure that weigh has last given them */
    float *scratch;      /* [columns] */
    uint64_t *heap;      /* [columns] */
    int32_t *seen;       /* [columns] how often a token came before; zeros between two calls */
    lm_token_logprob *top;
};

lm_sampler *lm_sampler_new(const lm_sampling *how, int columns, lm_status *st)
{
    if (!lm_sampling_check(how, columns, st))
        return NULL;
    size_t n = (size_t)columns + 1, top = (size_t)how->top_logprobs + 1;
    lm_sampler *s = lm_calloc(1, sizeof *s);
    s->how = how;
    s->columns = columns;
    s->ids = lm_malloc(n, sizeof *s->ids);
    s->logits = lm_malloc(n, sizeof *s->logits);
    s->probability = lm_malloc(n, sizeof *s->probability);
    s->scratch = lm_malloc(n, sizeof *s->scratch);
    s->heap = lm_malloc(n, sizeof *s->heap);
    s->seen = lm_calloc(n, sizeof *s->seen);
    s->top = lm_malloc(top < n ? top : n, sizeof *s->top);
    return s;
}

void lm_sampler_free(lm_sampler *s)
{
    if (!s)
        return;
    free(s->ids);
    free(s->logits);
    free(s->probability);
    free(s->scratch);
    free(s->heap);
    free(s->seen);
    free(s->top);
    free(s);
}

/* ------------------------------------------------------------------ likeliest first */

/* The i-th of some values as a number: the larger the value the smaller the number, and of equal ones the smaller i. */
static uint64_t key_of(float value, int i)
{
    uint32_t bits;
    value += 0.0f; /* -0 is 0 */
    memcpy(&bits, &value, sizeof bits);
    uint32_t descending = bits >> 31 ? bits : ~bits & 0x7fffffffu;
    return (uint64_t)descending << 32 | (uint32_t)i;
}

static int place_of(uint64_t key)
{
    return (int)(uint32_t)key;
}

static void sink(uint64_t *heap, int n, int at)
{
    uint64_t key = heap[at];
    for (int child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (key <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = key;
}

/* Few of many are asked for, one by one: to sort all would cost more than they are worth. */
static void heap_fill(uint64_t *heap, const float *values, int n)
{
    for (int i = 0; i < n; i++)
        heap[i] = key_of(values[i], i);
    for (int i = n / 2; i-- > 0;)
        sink(heap, n, i);
}

static uint64_t heap_take(uint64_t *heap, int *n)
{
    uint64_t first = heap[0];
    heap[0] = heap[--*n];
    if (*n > 0)
        sink(heap, *n, 0);
    return first;
}

static int largest(const float *values, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

/* ------------------------------------------------------------------ filters */

/* Leaves the tokens whose key by `values` is at most `last`. */
static void keep_to(lm_sampler *s, const float *values, uint64_t last)
{
    int n = 0;
    for (int i = 0; i < s->count; i++) {
        if (key_of(values[i], i) > last)
            continue;
        s->ids[n] = s->ids[i];
        s->logits[n++] = s->logits[i];
    }
    s->count = n;
}

/* s->probability of what is left, that of the likeliest being 1; returns their sum. */
static double weigh(lm_sampler *s)
{
    float most = s->logits[largest(s->logits, s->count)];
    double sum = 0;
    for (int i = 0; i < s->count; i++)
        sum += s->probability[i] = (double)expf(s->logits[i] - most);
    return sum;
}

/* Leaves the first tokens by `values` that have `mass` together, in the measure of s->probability. */
static void keep_mass(lm_sampler *s, const float *values, double mass)
{
    uint64_t last;
    int n = s->count;
    heap_fill(s->heap, values, n);
    do {
        last = heap_take(s->heap, &n);
        mass -= s->probability[place_of(last)];
    } while (n > 0 && mass > 0);
    keep_to(s, values, last);
}

static void top_k(lm_sampler *s)
{
    if (s->how->top_k == 0 || s->how->top_k >= s->count)
        return;
    uint64_t last = 0;
    heap_fill(s->heap, s->logits, s->count);
    for (int n = s->count, k = 0; k < s->how->top_k; k++)
        last = heap_take(s->heap, &n);
    keep_to(s, s->logits, last);
}

static void top_p(lm_sampler *s)
{
    if (s->how->top_p < 1)
        keep_mass(s, s->logits, s->how->top_p * weigh(s));
}

static void keep_from(lm_sampler *s, double least)
{
    keep_to(s, s->logits, key_of((float)least, INT32_MAX));
}

static void min_p(lm_sampler *s)
{
    if (s->how->min_p > 0)
        keep_from(s, (double)s->logits[largest(s->logits, s->count)] + log(s->how->min_p));
}

static void typical(lm_sampler *s)
{
    if (s->how->typical >= 1)
        return;
    double sum = weigh(s), entropy = 0;
    for (int i = 0; i < s->count; i++)
        if (s->probability[i] > 0)
            entropy -= s->probability[i] / sum * log(s->probability[i] / sum);
    for (int i = 0; i < s->count; i++)
        s->scratch[i] = s->probability[i] > 0 ? -(float)fabs(entropy + log(s->probability[i] / sum)) : -INFINITY;
    keep_mass(s, s->scratch, s->how->typical * sum);
}

static void top_n_sigma(lm_sampler *s)
{
    if (s->how->top_n_sigma <= 0)
        return;
    double mean = 0, squares = 0;
    for (int i = 0; i < s->count; i++)
        mean += (double)s->logits[i];
    mean /= s->count;
    for (int i = 0; i < s->count; i++)
        squares += ((double)s->logits[i] - mean) * ((double)s->logits[i] - mean);
    keep_from(s, (double)s->logits[largest(s->logits, s->count)] - s->how->top_n_sigma * sqrt(squares / s->count));
}

static void temperature(lm_sampler *s)
{
    float by = (float)s->how->temperature;
    for (int i = 0; by > 0 && by != 1 && i < s->count; i++)
        s->logits[i] /= by;
}

/* The part of the history that counts. */
static int counted(const lm_sampler *s, const lm_sampler_step *step, const int32_t **ids)
{
    int64_t n = s->how->penalty_last;
    if (s->how->repetition == 1 && s->how->presence == 0 && s->how->frequency == 0)
        n = 0;
    if (n < 0 || n > step->history_count)
        n = step->history_count;
    *ids = step->history + (step->history_count - n);
    return (int)n;
}

static void penalties(lm_sampler *s, const lm_sampler_step *step)
{
    const int32_t *ids;
    int n = counted(s, step, &ids);
    float repetition = (float)s->how->repetition;
    for (int i = 0; i < n; i++)
        if (ids[i] >= 0 && ids[i] < s->columns)
            s->seen[ids[i]]++;
    for (int i = 0; n > 0 && i < s->count; i++) {
        float *x = &s->logits[i];
        int times = s->seen[s->ids[i]];
        if (times)
            *x = (*x > 0 ? *x / repetition : *x * repetition) - (float)(s->how->frequency * times + s->how->presence);
    }
    for (int i = 0; i < n; i++)
        if (ids[i] >= 0 && ids[i] < s->columns)
            s->seen[ids[i]] = 0;
}

static void filter(lm_sampler *s, lm_filter which, const lm_sampler_step *step)
{
    switch (which) {
    case LM_FILTER_PENALTIES: penalties(s, step); break;
    case LM_FILTER_TEMPERATURE: temperature(s); break;
    case LM_FILTER_TOP_K: top_k(s); break;
    case LM_FILTER_TOP_P: top_p(s); break;
    case LM_FILTER_MIN_P: min_p(s); break;
    case LM_FILTER_TYPICAL: typical(s); break;
    case LM_FILTER_TOP_N_SIGMA: top_n_sigma(s); break;
    }
}

/* ------------------------------------------------------------------ a step */

/* Logits that are numbers, or -inf where a model rules a token out. The likeliest; -1: they are not. */
static int likeliest(const float *logits, int n)
{
    bool numbers = n > 0;
    for (int i = 0; i < n; i++)
        numbers &= logits[i] < INFINITY;
    int best = numbers ? largest(logits, n) : -1;
    return best >= 0 && isfinite(logits[best]) ? best : -1;
}

/* All tokens that may come, with their biases, and less these. */
static bool begin(lm_sampler *s, const float *logits, float most, float loss, const lm_sampler_step *step, lm_status *st)
{
    for (int i = 0; i < s->columns; i++)
        s->scratch[i] = logits[i] - most - loss;
    for (int i = 0; i < s->how->bias_count; i++)
        s->scratch[s->how->bias[i].id] += s->how->bias[i].add;
    for (int i = 0; i < step->never_count; i++)
        if (step->never[i] >= 0 && step->never[i] < s->columns)
            s->scratch[step->never[i]] = -INFINITY;
    s->count = 0;
    for (int i = 0; i < s->columns; i++) {
        bool may = s->scratch[i] > -INFINITY && (!step->allowed || step->allowed[i / 64] >> (i % 64) & 1);
        s->ids[s->count] = i;
        s->logits[s->count] = s->scratch[i];
        s->count += may;
    }
    if (s->count)
        return true;
    return lm_fail(st, LM_FAILED, "no token may come next: allow more");
}

/* The likeliest token is the answer, and nothing moves it. */
static bool is_plain(const lm_sampler *s, const lm_sampler_step *step)
{
    const int32_t *ids;
    return s->how->temperature == 0 && !s->how->bias_count && !step->never_count && !step->allowed && !counted(s, step, &ids);
}

/* What is left of the logits once biases and filters had them. */
static bool choose_from(lm_sampler *s, const float *logits, const lm_sampler_step *step, lm_status *st)
{
    int first = likeliest(logits, s->columns);
    if (first < 0)
        return lm_fail(st, LM_FAILED, "the logits are not numbers: the model is damaged");
    if (is_plain(s, step)) {
        s->ids[0] = first;
        s->logits[0] = logits[first];
        s->count = 1;
        return true;
    }
    if (!begin(s, logits, 0, 0, step, st))
        return false;
    for (int i = 0; i < s->how->order_count; i++)
        if (s->how->temperature > 0 || s->how->order[i] == LM_FILTER_PENALTIES)
            filter(s, s->how->order[i], step);
    if (s->how->temperature > 0)
        return true;
    int best = largest(s->logits, s->count);
    s->ids[0] = s->ids[best];
    s->logits[0] = s->logits[best];
    s->count = 1;
    return true;
}

bool lm_sampler_candidates(lm_sampler *s, const float *logits, const lm_sampler_step *step, lm_candidates *out, lm_status *st)
{
    if (!choose_from(s, logits, step, st))
        return false;
    double sum = weigh(s);
    for (int i = 0; i < s->count; i++)
        s->probability[i] /= sum;
    *out = (lm_candidates){s->ids, s->probability, s->count};
    return true;
}

int32_t lm_candidates_draw(const lm_candidates *c, uint64_t word)
{
    double at = (double)(word >> 11) * 0x1p-53;
    int last = 0;
    for (int i = 0; i < c->count; i++) {
        if (c->probability[i] <= 0)
            continue;
        last = i;
        at -= c->probability[i];
        if (at < 0)
            break;
    }
    return c->ids[last];
}

/* A log-probability is taken from the largest logit, less its own: of small differences where it is near 0. */
static float loss_of_largest(const float *logits, int n)
{
    int32_t best = largest(logits, n);
    float loss;
    lm_cross_entropy_rows(logits, &best, 0, &loss, 1, n);
    return loss;
}

lm_choice lm_sampler_report(lm_sampler *s, const float *logits, int32_t id)
{
    int n = s->columns;
    float most = logits[largest(logits, n)], loss = loss_of_largest(logits, n);
    lm_choice out = {.id = id, .logprob = logits[id] - most - loss, .top = s->top};
    if (s->how->top_logprobs)
        heap_fill(s->heap, logits, n);
    while (out.top_count < s->how->top_logprobs && n > 0) {
        int likely = place_of(heap_take(s->heap, &n));
        s->top[out.top_count++] = (lm_token_logprob){likely, logits[likely] - most - loss};
    }
    return out;
}

bool lm_sampler_choose(lm_sampler *s, const float *logits, const lm_sampler_step *step, lm_choice *out, lm_status *st)
{
    lm_candidates c;
    if (!lm_sampler_candidates(s, logits, step, &c, st))
        return false;
    lm_philox_key key = lm_random_key(s->how->seed, LM_FOR_SAMPLING, step->sample);
    int32_t id = lm_candidates_draw(&c, lm_random_u64(key, step->record, step->position));
    *out = s->how->logprobs || s->how->top_logprobs ? lm_sampler_report(s, logits, id) : (lm_choice){.id = id};
    return true;
}

int lm_sampler_best(lm_sampler *s, const float *logits, const lm_sampler_step *step, int most, lm_token_logprob *out,
                    lm_status *st)
{
    int first = likeliest(logits, s->columns), count = 0;
    if (first < 0)
        return lm_fail(st, LM_FAILED, "the logits are not numbers: the model is damaged");
    if (!begin(s, logits, logits[first], loss_of_largest(logits, s->columns), step, st))
        return 0;
    if (memchr(s->how->order, LM_FILTER_PENALTIES, (size_t)s->how->order_count))
        penalties(s, step);
    heap_fill(s->heap, s->logits, s->count);
    for (int n = s->count; n > 0 && count < most; count++) {
        int at = place_of(heap_take(s->heap, &n));
        out[count] = (lm_token_logprob){s->ids[at], s->logits[at]};
    }
    return count;
}
