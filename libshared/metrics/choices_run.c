/* How probable choices are: contexts are read once, and forked for the answers to them. */
#include "metrics/choices.h"

#include "base/memory.h"
#include "metrics/tally.h"
#include "model/decode.h"

#include <stdlib.h>

enum { LOGITS_BYTES = 64 << 20 }; /* that are made at once */

/* Tokens of rows that are to be read. */
typedef struct rows {
    int32_t *splits, *ids;
    size_t count;
} rows;

static rows rows_new(size_t count, size_t tokens)
{
    return (rows){lm_calloc(count + 1, sizeof(int32_t)), lm_malloc(tokens + 1, sizeof(int32_t)), count};
}

static void rows_free(rows *r)
{
    free(r->splits);
    free(r->ids);
}

static void put_row(rows *r, size_t at, const int32_t *ids, int n)
{
    if (n > 0)
        memcpy(r->ids + r->splits[at], ids, (size_t)n * sizeof *ids);
    r->splits[at + 1] = r->splits[at] + n;
}

/* What an encoder reads of each question. */
static bool encode_sources(lm_decoding *d, const lm_question *q, size_t n, lm_status *st)
{
    size_t tokens = 0;
    for (size_t i = 0; i < n; i++)
        tokens += (size_t)q[i].source_count;
    rows r = rows_new(n, tokens);
    int32_t *types = lm_calloc(tokens + 1, sizeof *types), *positions = lm_malloc(tokens + 1, sizeof *positions);
    for (size_t i = 0; i < n; i++) {
        put_row(&r, i, q[i].source, q[i].source_count);
        for (int t = 0; t < q[i].source_count; t++)
            positions[r.splits[i] + t] = t;
    }
    lm_batch batch = {.rows = (int)n, .tokens = (int)tokens, .row_splits = r.splits, .ids = r.ids, .types = types,
                      .positions = positions};
    bool ok = lm_decoding_encode(d, &batch, st);
    free(types);
    free(positions);
    rows_free(&r);
    return ok;
}

/* What all choices of a question begin with. Where an answer begins behind it, its first token is predicted. */
static bool read_shared(lm_decoding *d, lm_question *q, size_t n, lm_status *st)
{
    size_t tokens = 0;
    int columns = lm_decoding_columns(d);
    for (size_t i = 0; i < n; i++)
        tokens += (size_t)q[i].shared;
    if (tokens == 0)
        return true;
    rows r = rows_new(n, tokens);
    for (size_t i = 0; i < n; i++)
        put_row(&r, i, q[i].choices[0].ids, q[i].shared);
    const float *logits = lm_decoding_read(d, r.splits, r.ids, false, st);
    for (size_t i = 0; i < n && logits; i++) {
        if (q[i].shared == 0)
            continue;
        for (size_t k = 0; k < q[i].count; k++) {
            lm_choice *c = &q[i].choices[k];
            if (c->from == q[i].shared)
                c->logprob -= lm_nll(logits, columns, c->ids[c->from]);
        }
        logits += columns;
    }
    rows_free(&r);
    return lm_ok(st);
}

static bool fork_rows(lm_decoding *d, const lm_question *q, size_t n, size_t count, lm_status *st)
{
    int32_t *from = lm_malloc(count + 1, sizeof *from);
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t k = 0; k < q[i].count; k++)
            from[at++] = (int32_t)i;
    bool ok = lm_decoding_select(d, from, (int)count, st);
    free(from);
    return ok;
}

/* The tokens of each choice behind what is shared, but for the last, behind which nothing is predicted; `most` at a time. */
static bool read_rest(lm_decoding *d, lm_choice *const *choices, int *done, size_t count, int most, lm_status *st)
{
    int columns = lm_decoding_columns(d);
    rows r = rows_new(count, (size_t)most);
    bool more = true;
    while (more && lm_ok(st)) {
        int left = most;
        for (size_t i = 0; i < count; i++) {
            int n = choices[i]->count - 1 - done[i];
            n = n < left ? n : left;
            put_row(&r, i, choices[i]->ids + done[i], n);
            left -= n;
        }
        more = left < most;
        const float *logits = more ? lm_decoding_read(d, r.splits, r.ids, true, st) : NULL;
        for (size_t i = 0; i < count && logits; i++) {
            lm_choice *c = choices[i];
            for (int32_t t = r.splits[i]; t < r.splits[i + 1]; t++)
                if (++done[i] >= c->from)
                    c->logprob -= lm_nll(logits + (size_t)t * (size_t)columns, columns, c->ids[done[i]]);
        }
    }
    rows_free(&r);
    return lm_ok(st);
}

bool lm_choices_run(lm_model *m, lm_question *q, size_t n, lm_status *st)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        count += q[i].count;
    lm_decoding *d = lm_decoding_new(m, (int)n, st);
    lm_choice **choices = lm_malloc(count + 1, sizeof *choices);
    int *done = lm_malloc(count + 1, sizeof *done);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < q[i].count; k++, at++) {
            choices[at] = &q[i].choices[k];
            done[at] = q[i].shared;
        }
    if (d && (!m->arch.decoder_layers || encode_sources(d, q, n, st)) && read_shared(d, q, n, st) && fork_rows(d, q, n, count, st)) {
        size_t most = LOGITS_BYTES / sizeof(float) / (size_t)lm_decoding_columns(d);
        read_rest(d, choices, done, count, most ? (int)most : 1, st);
    }
    free(choices);
    free(done);
    lm_decoding_free(d);
    return lm_ok(st);
}
