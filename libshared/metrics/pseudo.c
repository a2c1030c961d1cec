#include "metrics/pseudo.h"
#include "base/memory.h"
#include "metrics/tally.h"

#include <limits.h>
#include <stdlib.h>

enum { LOGIT_TOKENS = 128 }; /* whose logits over the vocabulary exist at once */

static bool is_special(const lm_pseudo *p, int32_t id)
{
    for (int i = 0; i < p->special_count; i++) {
        if (p->special[i] == id)
            return true;
    }
    return false;
}

/* Copies of a row, in each of which another token is masked. */
typedef struct copies {
    lm_batch batch;
    int32_t *splits, *ids, *types, *positions;
    int32_t *masked; /* [rows] place of the masked token in the batch */
} copies;

static bool make_room(copies *c, size_t rows, size_t len, lm_status *st)
{
    size_t tokens;
    if (!lm_mul(rows, len, &tokens) || tokens > INT_MAX)
        return lm_fail(st, LM_FAILED, "logprobs: a row of %zu tokens is too long", len);
    c->splits = lm_try_malloc(rows + 1, sizeof *c->splits, "logprobs", st);
    c->masked = lm_try_malloc(rows, sizeof *c->masked, "logprobs", st);
    c->ids = lm_try_malloc(tokens, sizeof *c->ids, "logprobs", st);
    c->types = lm_try_malloc(tokens, sizeof *c->types, "logprobs", st);
    c->positions = lm_try_malloc(tokens, sizeof *c->positions, "logprobs", st);
    return lm_ok(st);
}

static void fill(copies *c, const lm_pseudo *p, const lm_tokens_row *row, const int32_t *which, int count)
{
    size_t at = 0;
    c->splits[0] = 0;
    for (int i = 0; i < count; i++) {
        for (size_t t = 0; t < row->len; t++, at++) {
            c->ids[at] = row->ids[t];
            c->types[at] = row->types ? row->types[t] : 0;
            c->positions[at] = (int32_t)t;
        }
        c->splits[i + 1] = (int32_t)at;
        c->masked[i] = c->splits[i] + which[i];
        c->ids[c->masked[i]] = p->mask_id;
    }
    c->batch = (lm_batch){count, (int)at, c->splits, c->ids, c->types, c->positions};
}

static bool run(const lm_pseudo *p, const copies *c, const lm_tokens_row *row, const int32_t *which,
                float *logprobs, lm_status *st)
{
    lm_select select = {.hidden = true};
    lm_graph_begin(p->graph, &c->batch, (lm_step){0});
    lm_outputs out = lm_model_forward(p->model, p->graph, &c->batch, &select);
    for (int from = 0; from < c->batch.rows; from += LOGIT_TOKENS) {
        int n = c->batch.rows - from < LOGIT_TOKENS ? c->batch.rows - from : LOGIT_TOKENS;
        lm_arena_mark mark = lm_graph_scope_open(p->graph);
        lm_tensor *t = lm_model_token_logits(p->model, p->graph, out.hidden, c->masked + from, n);
        const float *logits = lm_tensor_read(p->graph, t);
        for (int i = 0; i < n && t->rows == n; i++) {
            int32_t token = which[from + i];
            logprobs[token] =
                (float)-lm_nll(logits + (size_t)i * (size_t)t->width, t->width, row->ids[token]);
        }
        lm_arena_release(lm_graph_arena(p->graph), mark);
    }
    return lm_graph_end(p->graph, st);
}

bool lm_pseudo_logprobs(const lm_pseudo *p, const lm_tokens_row *row, float *logprobs, lm_status *st)
{
    size_t at_once = row->len ? (size_t)p->batch_tokens / row->len : 1;
    at_once = at_once < 1 ? 1 : at_once < row->len ? at_once : row->len;
    int32_t *which = lm_try_malloc(row->len, sizeof *which, "logprobs", st);
    size_t count = 0;
    for (size_t t = 0; which && t < row->len; t++) {
        if (!is_special(p, row->ids[t]))
            which[count++] = (int32_t)t;
    }
    copies c = {0};
    if (which && count && make_room(&c, at_once, row->len, st)) {
        for (size_t from = 0; from < count && lm_ok(st); from += at_once) {
            fill(&c, p, row, which + from, (int)(count - from < at_once ? count - from : at_once));
            run(p, &c, row, which + from, logprobs, st);
        }
    }
    free(which);
    free(c.splits);
    free(c.masked);
    free(c.ids);
    free(c.types);
    free(c.positions);
    return lm_ok(st);
}
