#include "generate/fill_mask.h"
#include "base/memory.h"
#include "base/signals.h"
#include "generate/writing.h"
#include "metrics/packing.h"

#include <stdlib.h>

/* Requests that go through the model together. */
typedef struct group {
    const lm_request **requests;
    lm_tokens_row *rows; /* the same */
    int count;
    lm_packing packing;
    lm_batch batch;
    int32_t *masks; /* [mask_count] tokens of the batch that are masks, ascending */
    int mask_count;
} group;

bool lm_fills_masks(const lm_model *m)
{
    return m->head->tokens && m->head->columns == LM_COLUMNS_VOCABULARY && !m->arch.causal && !m->arch.decoder_layers;
}

static void group_free(group *g)
{
    free(g->requests);
    free(g->rows);
    lm_packing_free(&g->packing);
    free(g->masks);
}

/* As many as are there, `batch` at most. False: there are no more, or it failed. */
static bool take(group *g, const lm_model *m, int batch, const lm_generate_calls *calls, lm_status *st)
{
    const lm_request *r = NULL;
    g->requests = lm_malloc((size_t)batch, sizeof *g->requests);
    g->rows = lm_calloc((size_t)batch, sizeof *g->rows);
    while (g->count < batch && calls->next(calls->context, g->count == 0, &r, st) > 0 && r) {
        if (!lm_request_check(r, m, st))
            return false;
        g->rows[g->count] = (lm_tokens_row){.ids = r->ids, .len = (size_t)r->count};
        g->requests[g->count++] = r;
    }
    return lm_ok(st) && g->count > 0;
}

static bool find_masks(group *g, int32_t mask, lm_status *st)
{
    const lm_batch *b = &g->batch;
    g->masks = lm_malloc((size_t)b->tokens + 1, sizeof *g->masks);
    for (int r = 0; r < b->rows; r++) {
        int before = g->mask_count;
        for (int32_t t = b->row_splits[r]; t < b->row_splits[r + 1]; t++)
            if (b->ids[t] == mask)
                g->masks[g->mask_count++] = t;
        if (g->mask_count == before) {
            lm_fail(st, LM_FAILED, "there is no mask in it, which this model would fill: write the tokenizer's mask token");
            return lm_request_name(g->requests[r], st);
        }
    }
    return true;
}

/* The likeliest tokens of each mask: [mask_count][top]. */
static lm_token_logprob *look(lm_model *m, lm_graph *graph, const group *g, lm_sampler *sampler, int top, lm_status *st)
{
    if (!lm_model_check_batch(m, &g->batch, st))
        return NULL;
    lm_select select = {.token_logits = true, .tokens = g->masks, .count = g->mask_count};
    lm_graph_begin(graph, &g->batch, (lm_step){0});
    lm_outputs out = lm_model_forward(m, graph, &g->batch, &select);
    const float *logits = lm_tensor_read(graph, out.token_logits);
    if (!lm_graph_end(graph, st))
        return NULL;
    size_t columns = (size_t)lm_model_token_columns(m), n = (size_t)top;
    lm_token_logprob *found = lm_malloc((size_t)g->mask_count * n, sizeof *found);
    for (int i = 0; i < g->mask_count; i++)
        memcpy(found + (size_t)i * n, lm_sampler_report(sampler, logits + (size_t)i * columns, 0).top, n * sizeof *found);
    return found;
}

static bool hand_over(const group *g, const lm_token_logprob *found, int top, const lm_generate_calls *calls,
                      bool (*done)(void *context, const lm_filled *filled, lm_status *st), lm_status *st)
{
    int32_t *at = lm_malloc((size_t)g->mask_count, sizeof *at);
    bool ok = true;
    for (int i = 0, mask = 0; i < g->count && ok; i++) {
        lm_filled one = {.request = g->requests[i], .at = at, .top = found + (size_t)mask * (size_t)top};
        for (; mask < g->mask_count && g->masks[mask] < g->batch.row_splits[i + 1]; mask++)
            at[one.count++] = g->masks[mask] - g->batch.row_splits[i];
        ok = done(calls->context, &one, st);
    }
    free(at);
    return ok;
}

bool lm_fill_masks(lm_model *m, int32_t mask, int top, int batch, const lm_generate_calls *calls,
                   bool (*done)(void *context, const lm_filled *filled, lm_status *st), lm_status *st)
{
    lm_sampling how;
    lm_sampling_init(&how);
    how.top_logprobs = top;
    how.logprobs = true;
    lm_sampler *sampler = lm_sampler_new(&how, lm_model_token_columns(m), st);
    lm_graph *graph = sampler ? lm_graph_new(m->params) : NULL;
    for (bool more = graph != NULL; more;) {
        group g = {0};
        more = lm_signal_check(st) && take(&g, m, batch, calls, st) &&
               lm_packing_make(&g.packing, &m->arch, false, g.rows, g.count, &g.batch, st) && find_masks(&g, mask, st);
        lm_token_logprob *found = more ? look(m, graph, &g, sampler, top, st) : NULL;
        more = found && hand_over(&g, found, top, calls, done, st);
        free(found);
        group_free(&g);
    }
    if (graph)
        lm_graph_free(graph);
    lm_sampler_free(sampler);
    return lm_ok(st);
}
