#include "model/decode.h"
#include "base/atomic.h"
#include "base/memory.h"
#include "model/config.h"
#include "tensor/safetensors.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct lm_decoding {
    lm_model *model;
    lm_graph *graph;
    lm_kv_cache *cache;
    bool *encoded; /* [rows] of a model with an encoder */
    /* the encoder's result for rows that were encoded last, until the second stack has read it: then its keys and values are
     * in the cache */
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
    d->encoded = lm_calloc((size_t)rows, sizeof *d->encoded);
    return d;
}

void lm_decoding_keep_as(lm_decoding *d, lm_dtype type)
{
    lm_kv_cache_keep_as(d->cache, type);
}

void lm_decoding_free(lm_decoding *d)
{
    if (!d)
        return;
    lm_graph_free(d->graph);
    lm_kv_cache_free(d->cache);
    free(d->encoded);
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
    if (!lm_kv_cache_select(d->cache, from, rows, st))
        return false;
    bool *encoded = lm_calloc((size_t)rows, sizeof *encoded);
    for (int i = 0; i < rows; i++)
        encoded[i] = from[i] >= 0 && d->encoded[from[i]];
    free(d->encoded);
    d->encoded = encoded;
    return true;
}

bool lm_decoding_shorten(lm_decoding *d, int row, int length, lm_status *st)
{
    if (d->model->arch.decoder_layers)
        return lm_fail(st, LM_FAILED, "a model of type \"%s\" has an encoder: tokens cannot be taken back", d->model->plugin->name);
    return lm_kv_cache_shorten(d->cache, row, length, st);
}

/* ------------------------------------------------------------------ a row in a file */

/* What tells this model from others: its configuration, and of each weight the first and the last bytes. */
static uint64_t digest_of(const lm_model *m)
{
    enum { ENOUGH = 4096 };
    lm_buf text = {0};
    lm_config_print(m->config, &text);
    lm_buf_printf(&text, "%d", (int)lm_params_activations(m->params));
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        size_t bytes = 0;
        lm_buf_puts(&text, p->name);
        bool stored = p->data && lm_tensor_bytes(p->dtype, &p->shape, &bytes);
        const char *data = stored ? p->data : (const char *)p->value;
        if (!stored)
            bytes = data ? p->elements * sizeof *p->value : 0;
        size_t some = bytes < ENOUGH ? bytes : ENOUGH;
        if (some) {
            lm_buf_append(&text, data, some);
            lm_buf_append(&text, data + bytes - some, some);
        }
    }
    uint64_t digest = XXH3_64bits(text.data, text.len);
    lm_buf_free(&text);
    return digest;
}

/* A part as it is described in the file: layer, number, heads, width of each, tokens, bits of a number, width of a state. */
enum { FORM = 7 };
static const struct {
    lm_dtype type;
    int bits;
} kept_types[] = {{LM_F32, 32}, {LM_F16, 16}, {LM_Q8_0, 8}};
enum { KEPT_TYPES = sizeof kept_types / sizeof *kept_types };

static void describe(const lm_kv_part *p, int32_t form[FORM])
{
    int bits = 0;
    for (int i = 0; i < KEPT_TYPES; i++)
        bits = kept_types[i].type == p->type ? kept_types[i].bits : bits;
    memcpy(form, (int32_t[FORM]){p->layer, p->number, p->kv_heads, p->dim, p->keys, bits, p->width}, FORM * sizeof *form);
}

static lm_safetensor tensor_of(const char *name, lm_dtype type, lm_shape shape, const void *data)
{
    lm_safetensor t = {.name = name, .dtype = type, .shape = shape, .data = data};
    lm_tensor_bytes(type, &shape, &t.bytes);
    return t;
}

bool lm_decoding_save(const lm_decoding *d, int row, const int32_t *ids, const char *path, lm_status *st)
{
    size_t count = lm_kv_cache_parts(d->cache);
    lm_safetensor *tensors = lm_calloc(count + 3, sizeof *tensors);
    lm_buf *bytes = lm_calloc(count + 1, sizeof *bytes);
    char(*names)[32] = lm_calloc(count + 1, sizeof *names);
    int32_t *forms = lm_calloc(count + 1, FORM * sizeof *forms);
    int64_t digest = (int64_t)digest_of(d->model);
    for (size_t i = 0; i < count; i++) {
        lm_kv_part p = lm_kv_cache_part(d->cache, i, row, &bytes[i]);
        describe(&p, forms + i * FORM);
        snprintf(names[i], sizeof names[i], "part.%zu", i);
        tensors[i] = tensor_of(names[i], LM_U8, (lm_shape){1, {(int64_t)p.size}}, p.bytes);
    }
    tensors[count] = tensor_of("forms", LM_I32, (lm_shape){2, {(int64_t)count, FORM}}, forms);
    tensors[count + 1] = tensor_of("ids", LM_I32, (lm_shape){1, {lm_decoding_length(d, row)}}, ids);
    tensors[count + 2] = tensor_of("model", LM_I64, (lm_shape){1, {1}}, &digest);
    lm_output_file *out = lm_output_file_open(path, st);
    if (out && lm_safetensors_write(lm_output_file_fd(out), lm_output_file_name(out), tensors, count + 3, st))
        lm_output_file_publish(out, st);
    else if (out)
        lm_output_file_discard(out, false);
    for (size_t i = 0; i < count; i++)
        lm_buf_free(&bytes[i]);
    free(bytes);
    free(names);
    free(forms);
    free(tensors);
    return lm_ok(st);
}

static const lm_safetensor *find_tensor(const lm_safetensors *f, const char *name, lm_dtype type, int dims)
{
    const lm_safetensor *t = lm_safetensors_find(f, name);
    return t && t->dtype == type && t->shape.dims == dims ? t : NULL;
}

/* The parts of a file, to be freed; NULL: it is not what lm_decoding_save writes. */
static lm_kv_part *parts_of(const lm_safetensors *f, const lm_safetensor *forms)
{
    size_t count = (size_t)forms->shape.size[0];
    lm_kv_part *parts = lm_calloc(count + 1, sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        int32_t form[FORM];
        snprintf(name, sizeof name, "part.%zu", i);
        memcpy(form, (const char *)forms->data + i * sizeof form, sizeof form);
        const lm_safetensor *t = find_tensor(f, name, LM_U8, 1);
        int type = 0;
        while (type < KEPT_TYPES && kept_types[type].bits != form[5])
            type++;
        if (!t || (type == KEPT_TYPES && !form[6]) || form[6] < 0) {
            free(parts);
            return NULL;
        }
        parts[i] = (lm_kv_part){.layer = form[0], .number = form[1], .kv_heads = form[2], .dim = form[3], .keys = form[4],
                                .type = kept_types[type < KEPT_TYPES ? type : 0].type, .width = form[6], .bytes = t->data,
                                .size = t->bytes};
    }
    return parts;
}

static int32_t *restore(lm_decoding *d, const lm_safetensors *f, int *count, lm_status *st)
{
    const lm_safetensor *forms = find_tensor(f, "forms", LM_I32, 2), *ids = find_tensor(f, "ids", LM_I32, 1),
                        *model = find_tensor(f, "model", LM_I64, 1);
    int64_t digest = 0;
    if (model && model->bytes == sizeof digest)
        memcpy(&digest, model->data, sizeof digest);
    lm_kv_part *parts = forms && ids && forms->shape.size[1] == FORM && ids->shape.size[0] > 0 && ids->shape.size[0] < INT32_MAX
                            ? parts_of(f, forms) : NULL;
    if (!parts) {
        lm_fail(st, LM_FAILED, "this is not what a decoder remembers of a row: remove it, or name another file");
        return NULL;
    }
    *count = (int)ids->shape.size[0];
    if (digest != (int64_t)digest_of(d->model))
        lm_fail(st, LM_FAILED, "another model, or the same with other --activations, has read it: remove it, or name another file");
    else if (*count >= lm_decoding_room(d, 0))
        lm_fail(st, LM_FAILED, "it has %d tokens, and the model takes %d: it is damaged", *count, lm_decoding_room(d, 0));
    else
        lm_kv_cache_restore(d->cache, *count, parts, (size_t)forms->shape.size[0], st);
    free(parts);
    if (!lm_ok(st))
        return NULL;
    int32_t *read = lm_malloc((size_t)*count, sizeof *read);
    memcpy(read, ids->data, (size_t)*count * sizeof *read);
    return read;
}

int32_t *lm_decoding_restore(lm_decoding *d, const char *path, int *count, lm_status *st)
{
    lm_safetensors *f = lm_safetensors_open(path, st);
    int32_t *ids = f ? restore(d, f, count, st) : NULL;
    if (f && !ids)
        lm_fail_prefix(st, path);
    lm_safetensors_close(f);
    return ids;
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
    for (int r = 0; r < batch->rows; r++) {
        int more = batch->row_splits[r + 1] - batch->row_splits[r];
        if (more && d->model->arch.decoder_layers && !d->encoded[r])
            return lm_fail(st, LM_FAILED, "row %d: there is nothing encoded to answer to: this is a mistake in the program", r);
        if (more > lm_decoding_room(d, r))
            return lm_fail(st, LM_FAILED, "row %d: %d tokens and %d more, and the model takes %d: give it fewer", r,
                           lm_decoding_length(d, r), more, lm_decoding_length(d, r) + lm_decoding_room(d, r));
    }
    return lm_model_check_batch(d->model, batch, st);
}

bool lm_decoding_encode(lm_decoding *d, const lm_batch *source, lm_status *st)
{
    lm_model *m = d->model;
    if (d->memory || !m->arch.decoder_layers || source->rows != lm_decoding_rows(d))
        return lm_fail(st, LM_FAILED, "%d rows to encode, of %d: this is a mistake in the program", source->rows,
                       lm_decoding_rows(d));
    for (int r = 0; r < source->rows; r++)
        if (source->row_splits[r + 1] > source->row_splits[r] && d->encoded[r])
            return lm_fail(st, LM_FAILED, "row %d is encoded already: this is a mistake in the program", r);
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
    free(d->memory_splits);
    d->memory_splits = memcpy(lm_malloc(1, splits), source->row_splits, splits);
    for (int r = 0; r < source->rows; r++)
        d->encoded[r] |= source->row_splits[r + 1] > source->row_splits[r];
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
