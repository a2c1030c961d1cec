#include "model/decode.h"
#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct lm_decoding {
    lm_model *model;
    lm_graph *graph;
    lm_kv_cache *cache;
    bool encoded;
    /* the encoder's result, until the second stack has read it: then its keys and values are in the cache */
    float *memory;           /* [tokens, width] */
    int32_t *memory_splits;  /* [rows+1] */
};

lm_decoding *lm_decoding_new(lm_model *m, int rows, lm_status *st)
{
    if (!m->head->tokens || m->head->columns != LM_COLUMNS_VOCABULARY) {
        lm_fail(st, LM_FAILED, "%s: its head \"%s\" does not predict words: give a model that does",
                m->path ? m->path : m->plugin->name, m->head->name);
        return NULL;
    }
    if (!m->arch.causal && !m->arch.decoder_layers) {
        lm_fail(st, LM_FAILED, "%s: a model of type \"%s\" sees the words that follow: give a causal one",
                m->path ? m->path : m->plugin->name, m->plugin->name);
        return NULL;
    }
    lm_decoding *d = lm_calloc(1, sizeof *d);
    d->model = m;
    d->graph = lm_graph_new(m->params);
    d->cache = lm_kv_cache_new(rows);
    return d;
}

void lm_decoding_free(lm_decoding *d)
{
    if (!d)
        return;
    lm_graph_free(d->graph);
    lm_kv_cache_free(d->cache);
    free(d->memory);
    free(d->memory_splits);
    free(d);
}

int lm_decoding_rows(const lm_decoding *d)
{
    return lm_kv_cache_rows(d->cache);
}

int lm_decoding_length(const lm_decoding *d, int row)
{
    return lm_kv_cache_length(d->cache, row);
}

int lm_decoding_room(const lm_decoding *d, int row)
{
    int most = d->model->arch.max_length;
    return most ? most - lm_kv_cache_length(d->cache, row) : INT_MAX - lm_kv_cache_length(d->cache, row);
}

int lm_decoding_columns(const lm_decoding *d)
{
    return lm_model_token_columns(d->model);
}

size_t lm_decoding_bytes(const lm_decoding *d)
{
    return lm_kv_cache_bytes(d->cache);
}

bool lm_decoding_select(lm_decoding *d, const int32_t *from, int rows, lm_status *st)
{
    if (d->memory)
        return lm_fail(st, LM_FAILED, "rows are chosen before anything of them was read: this is a mistake in the program");
    return lm_kv_cache_select(d->cache, from, rows, st);
}

/* ------------------------------------------------------------------ a step */

/* Tokens that run at once, unless all their logits are wanted: so a long prompt takes no more memory than a short one. */
enum { TOKENS_AT_ONCE = 1024 };

/* Some of the tokens that follow, with their places in the rows. */
typedef struct piece {
    lm_batch batch;
    int32_t *splits, *ids, *types, *positions;
    int32_t *last; /* [last_count] the last token of each row that has any */
    int last_count;
} piece;

/* Of each row `size` tokens, or as many as there are, of those that `later` others follow. */
static piece piece_new(const lm_decoding *d, const int32_t *splits, const int32_t *ids, int size, int later)
{
    int rows = lm_decoding_rows(d);
    size_t tokens = (size_t)splits[rows] + 1;
    piece p = {.splits = lm_calloc((size_t)rows + 1, sizeof *p.splits),
               .ids = lm_calloc(tokens, sizeof *p.ids),
               .types = lm_calloc(tokens, sizeof *p.types),
               .positions = lm_calloc(tokens, sizeof *p.positions),
               .last = lm_calloc((size_t)rows + 1, sizeof *p.last)};
    int32_t n = 0;
    for (int r = 0; r < rows; r++) {
        int32_t end = splits[r + 1] - later, from = end - splits[r] > size ? end - size : splits[r];
        for (int32_t t = from; t < end; t++, n++) {
            p.ids[n] = ids[t];
            p.positions[n] = lm_decoding_length(d, r) + t - from;
        }
        if (n > p.splits[r])
            p.last[p.last_count++] = n - 1;
        p.splits[r + 1] = n;
    }
    p.batch = (lm_batch){.rows = rows, .tokens = n, .row_splits = p.splits, .ids = p.ids, .types = p.types,
                         .positions = p.positions};
    return p;
}

static void piece_free(piece *p)
{
    free(p->splits);
    free(p->ids);
    free(p->types);
    free(p->positions);
    free(p->last);
}

static bool fits(const lm_decoding *d, const lm_batch *batch, lm_status *st)
{
    if (d->model->arch.decoder_layers && !d->encoded)
        return lm_fail(st, LM_FAILED, "there is nothing encoded to answer to: this is a mistake in the program");
    for (int r = 0; r < batch->rows; r++) {
        int more = batch->row_splits[r + 1] - batch->row_splits[r];
        if (more > lm_decoding_room(d, r))
            return lm_fail(st, LM_FAILED, "row %d: %d tokens and %d more, and the model takes %d: give it fewer", r,
                           lm_decoding_length(d, r), more, lm_decoding_length(d, r) + lm_decoding_room(d, r));
    }
    return lm_model_check_batch(d->model, batch, st);
}

bool lm_decoding_encode(lm_decoding *d, const lm_batch *source, lm_status *st)
{
    lm_model *m = d->model;
    if (d->encoded || !m->arch.decoder_layers || source->rows != lm_decoding_rows(d))
        return lm_fail(st, LM_FAILED, "%d rows to encode, of %d: this is a mistake in the program", source->rows,
                       lm_decoding_rows(d));
    if (!lm_model_check_batch(m, source, st))
        return false;
    lm_graph_begin(d->graph, source, (lm_step){0});
    lm_tensor *x = lm_model_prefix(m, d->graph, source, lm_model_parts(m));
    const float *values = lm_tensor_read(d->graph, x);
    if (!lm_graph_end(d->graph, st))
        return false;
    size_t bytes = (size_t)x->rows * (size_t)x->width * sizeof *d->memory;
    size_t splits = ((size_t)source->rows + 1) * sizeof *d->memory_splits;
    d->memory = memcpy(lm_malloc(1, bytes + 1), values, bytes);
    d->memory_splits = memcpy(lm_malloc(1, splits), source->row_splits, splits);
    d->encoded = true;
    return true;
}

/* What the first stack gave: all of it for the first tokens, nothing more later on. */
static lm_batch source_of(lm_decoding *d)
{
    int rows = lm_decoding_rows(d);
    if (!d->memory) {
        free(d->memory_splits);
        d->memory_splits = lm_calloc((size_t)rows + 1, sizeof *d->memory_splits);
    }
    return (lm_batch){.rows = rows, .tokens = d->memory_splits[rows], .row_splits = d->memory_splits};
}

typedef enum wanted {
    NO_LOGITS,
    LAST_LOGITS,
    ALL_LOGITS
} wanted;

/* A step over p, whatever the model's stacks. *logits: those that are wanted. */
static bool run(lm_decoding *d, const piece *p, wanted want, const float **logits, lm_status *st)
{
    lm_model *m = d->model;
    lm_select select = {.token_logits = want != NO_LOGITS};
    lm_batch source = source_of(d);
    const lm_batch *batch = &p->batch;
    if (want == LAST_LOGITS) {
        select.tokens = p->last;
        select.count = p->last_count;
    }
    if (m->arch.decoder_layers) {
        batch = &source;
        select.target = &p->batch;
        select.prefix_parts = lm_model_parts(m);
    }
    lm_graph_begin(d->graph, batch, (lm_step){.cache = d->cache});
    if (m->arch.decoder_layers)
        select.prefix = lm_graph_input(d->graph, d->memory, source.tokens, m->arch.width, false);
    lm_outputs out = lm_model_forward(m, d->graph, batch, &select);
    *logits = out.token_logits ? lm_tensor_read(d->graph, out.token_logits) : NULL;
    if (!lm_graph_end(d->graph, st))
        return false;
    lm_kv_cache_advance(d->cache, p->splits);
    free(d->memory);
    d->memory = NULL;
    return true;
}

const float *lm_decoding_read(lm_decoding *d, const int32_t *splits, const int32_t *ids, bool every, lm_status *st)
{
    lm_batch whole = {.rows = lm_decoding_rows(d), .tokens = splits[lm_decoding_rows(d)], .row_splits = splits, .ids = ids};
    int most = 1, rows = 1;
    for (int r = 0; r < whole.rows; r++) {
        most = splits[r + 1] - splits[r] > most ? splits[r + 1] - splits[r] : most;
        rows += splits[r + 1] > splits[r];
    }
    int size = every ? most : (TOKENS_AT_ONCE + rows - 1) / rows;
    const float *logits = NULL;
    bool ok = fits(d, &whole, st);
    for (int later = (most - 1) / size * size; ok && later >= 0; later -= size) {
        piece p = piece_new(d, splits, ids, size, later);
        ok = run(d, &p, later ? NO_LOGITS : every ? ALL_LOGITS : LAST_LOGITS, &logits, st);
        piece_free(&p);
    }
    return ok ? logits : NULL;
}
