#include "train/guard.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const lm_guard_nan_actions[] = {"stop", "skip", NULL};
const char *const lm_guard_spike_actions[] = {"stop", "skip", "warn", NULL};

void lm_guard_begin(lm_guard *g, double score, int64_t window)
{
    *g = (lm_guard){.score = score, .window = window, .losses = lm_malloc((size_t)window, sizeof *g->losses)};
}

void lm_guard_end(lm_guard *g)
{
    free(g->losses);
    *g = (lm_guard){0};
}

/* Loss i of the window, the oldest first. */
static double loss_at(const lm_guard *g, int64_t i)
{
    int64_t oldest = g->count < g->window ? 0 : g->next;
    return g->losses[(oldest + i) % g->window];
}

/* Summed from the oldest on, so that a window that was read back gives the same bits. */
static void moments(const lm_guard *g, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < g->count; i++)
        sum += loss_at(g, i);
    *mean = sum / (double)g->count;
    for (int64_t i = 0; i < g->count; i++)
        squares += (loss_at(g, i) - *mean) * (loss_at(g, i) - *mean);
    *deviation = fmax(sqrt(squares / (double)g->count), fabs(*mean) / 100);
}

double lm_guard_score(const lm_guard *g, double loss)
{
    double mean, deviation;
    if (!(g->score > 0) || g->count < LM_SPIKE_LEAST)
        return 0;
    moments(g, &mean, &deviation);
    return deviation > 0 ? (loss - mean) / deviation : 0;
}

void lm_guard_add(lm_guard *g, double loss)
{
    double mean, deviation;
    if (!(g->score > 0))
        return;
    if (g->count >= LM_SPIKE_LEAST) {
        moments(g, &mean, &deviation);
        if (deviation > 0)
            loss = fmin(loss, mean + g->score * deviation);
    }
    g->losses[g->next] = loss;
    g->next = (g->next + 1) % g->window;
    g->count += g->count < g->window;
}

uint64_t lm_guard_skipped(const lm_guard *g)
{
    return g->not_finite + g->spikes + g->empty;
}

/* ------------------------------------------------------------------ checkpoints */

json_t *lm_guard_state(const lm_guard *g)
{
    json_t *losses = json_array();
    for (int64_t i = 0; i < g->count; i++)
        json_array_append_new(losses, json_real(loss_at(g, i)));
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "losses", losses, "not_finite", (json_int_t)g->not_finite, "spikes",
                     (json_int_t)g->spikes, "empty", (json_int_t)g->empty, "warned", (json_int_t)g->warned, "nan_in_a_row",
                     (json_int_t)g->nan_in_a_row);
}

static uint64_t count_of(const json_t *state, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(state, name));
    return n > 0 ? (uint64_t)n : 0;
}

void lm_guard_restore(lm_guard *g, const json_t *state)
{
    const json_t *losses = json_object_get(state, "losses");
    int64_t had = (int64_t)json_array_size(losses);
    g->count = g->next = 0;
    for (int64_t i = had > g->window ? had - g->window : 0; i < had; i++) { /* the window may have become another */
        double loss = json_number_value(json_array_get(losses, (size_t)i));
        g->losses[g->next] = isfinite(loss) ? loss : 0;
        g->next = (g->next + 1) % g->window;
        g->count++;
    }
    g->not_finite = count_of(state, "not_finite");
    g->spikes = count_of(state, "spikes");
    g->empty = count_of(state, "empty");
    g->warned = count_of(state, "warned");
    g->nan_in_a_row = count_of(state, "nan_in_a_row");
}
