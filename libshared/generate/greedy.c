#include "generate/greedy.h"
#include "base/memory.h"
#include "model/decode.h"

#include <math.h>
#include <stdlib.h>

void lm_continuation_free(lm_continuation *c)
{
    free(c->ids);
    *c = (lm_continuation){0};
}

/* -1: they are not numbers. */
static int32_t largest(const float *logits, int n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return n > 0 && isfinite(logits[best]) ? best : -1;
}

static bool is_stop(const lm_greedy_options *how, int32_t id)
{
    for (int i = 0; i < how->stop_count; i++)
        if (how->stop[i] == id)
            return true;
    return false;
}

/* The rows that go on: which they are, and what they read next. */
typedef struct live {
    int rows;
    int32_t *row;    /* [rows] of the prompts */
    int32_t *kept;   /* [rows] the same, as the rows of the step before are numbered */
    int32_t *next;   /* [rows] */
    int32_t *splits; /* [rows+1] */
} live;

static live live_new(int rows)
{
    size_t n = (size_t)rows + 1;
    live l = {.rows = rows,
              .row = lm_calloc(n, sizeof *l.row),
              .kept = lm_calloc(n, sizeof *l.kept),
              .next = lm_calloc(n, sizeof *l.next),
              .splits = lm_calloc(n, sizeof *l.splits)};
    for (int r = 0; r < rows; r++) {
        l.row[r] = r;
        l.splits[r + 1] = r + 1;
    }
    return l;
}

static void live_free(live *l)
{
    free(l->row);
    free(l->kept);
    free(l->next);
    free(l->splits);
}

/* Takes a token for each row, and leaves those that go on. */
static bool choose(live *l, const lm_decoding *d, const float *logits, const lm_greedy_options *how,
                   lm_continuation *out, lm_status *st)
{
    int columns = lm_decoding_columns(d), rows = 0;
    for (int i = 0; i < l->rows; i++) {
        lm_continuation *c = &out[l->row[i]];
        int32_t id = largest(logits + (size_t)i * (size_t)columns, columns);
        if (id < 0)
            return lm_fail(st, LM_FAILED, "row %d: the logits are not numbers: the model is damaged", (int)l->row[i]);
        LM_GROW(c->ids, c->count, c->cap);
        c->ids[c->count++] = id;
        c->stopped = is_stop(how, id);
        if (c->stopped || c->count >= how->max_new_tokens || lm_decoding_room(d, i) == 0)
            continue;
        l->row[rows] = l->row[i];
        l->kept[rows] = i;
        l->next[rows++] = id;
    }
    l->rows = rows;
    return true;
}

static bool go_on(lm_decoding *d, const float *logits, int rows, const lm_greedy_options *how, lm_continuation *out,
                  lm_status *st)
{
    live l = live_new(rows);
    while (logits && choose(&l, d, logits, how, out, st) && l.rows && lm_decoding_select(d, l.kept, l.rows, st))
        logits = lm_decoding_read(d, l.splits, l.next, false, st);
    live_free(&l);
    return lm_ok(st);
}

/* The logits behind the prompts: of the token that the second stack begins with, where there is one. */
static const float *begin(lm_decoding *d, const lm_model *m, const lm_batch *prompts, lm_status *st)
{
    for (int r = 0; r < prompts->rows; r++) {
        if (prompts->row_splits[r] == prompts->row_splits[r + 1]) {
            lm_fail(st, LM_FAILED, "row %d: there is nothing to go on from: begin with a token", r);
            return NULL;
        }
    }
    if (!m->arch.decoder_layers)
        return lm_decoding_read(d, prompts->row_splits, prompts->ids, false, st);
    live l = live_new(prompts->rows);
    for (int r = 0; r < prompts->rows; r++)
        l.next[r] = m->arch.decoder_start_id;
    const float *logits =
        lm_decoding_encode(d, prompts, st) ? lm_decoding_read(d, l.splits, l.next, false, st) : NULL;
    live_free(&l);
    return logits;
}

bool lm_greedy(lm_model *m, const lm_batch *prompts, const lm_greedy_options *how, lm_continuation *out, lm_status *st)
{
    if (prompts->rows == 0 || how->max_new_tokens < 1)
        return true;
    lm_decoding *d = lm_decoding_new(m, prompts->rows, st);
    const float *logits = d ? begin(d, m, prompts, st) : NULL;
    bool ok = logits && go_on(d, logits, prompts->rows, how, out, st);
    lm_decoding_free(d);
    return ok;
}
