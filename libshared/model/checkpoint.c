/* The tensors of a model's files, and the weights that they are. */
#include "base/memory.h"
#include "model/bitsandbytes.h"
#include "model/weights.h"
#include "stream/json_tree.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_MAX = 64 << 20, SHARDS_MAX = 4096 };

struct lm_checkpoint {
    lm_bundle *bundle;
    lm_safetensors **files;
    char **names; /* of the files, within the bundle */
    size_t count, cap;
    lm_weight *weights;
    size_t weight_count, weight_cap;
    lm_arena *arena; /* what weights point to that is in no file */
};

void lm_checkpoint_close(lm_checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        lm_safetensors_close(c->files[i]);
        free(c->names[i]);
    }
    free(c->files);
    free(c->names);
    free(c->weights);
    lm_arena_free(c->arena);
    lm_bundle_close(c->bundle);
    free(c);
}

/* ------------------------------------------------------------------ files */

static bool open_file(lm_checkpoint *c, const char *name, lm_status *st)
{
    lm_map map;
    char *where = lm_bundle_file(c->bundle, name);
    lm_safetensors *file =
        lm_bundle_map(c->bundle, name, &map, st) ? lm_safetensors_from_memory(map.bytes, map.size, where, st) : NULL;
    free(where);
    if (!file)
        return false;
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 4;
        c->files = lm_realloc(c->files, c->cap, sizeof *c->files);
        c->names = lm_realloc(c->names, c->cap, sizeof *c->names);
    }
    c->files[c->count] = file;
    c->names[c->count++] = lm_strdup(name);
    return true;
}

/* The shard that the index names for a tensor, opened once. NULL and a failed status. */
static const lm_safetensors *open_shard(lm_checkpoint *c, const char *index, const char *name, lm_status *st)
{
    for (size_t i = c->count; i-- > 0;) { /* the last one first: names that follow one another are mostly in one */
        if (strcmp(c->names[i], name) == 0)
            return c->files[i];
    }
    if (strchr(name, '/') || strcmp(name, "..") == 0 || !*name || c->count >= SHARDS_MAX)
        lm_fail(st, LM_FAILED, "%s: \"%s\" is no shard of this directory", index, name);
    else if (!lm_bundle_has(c->bundle, name))
        lm_fail(st, LM_FAILED, "%s: the shard %s is missing: fetch it, too", index, name);
    else if (open_file(c, name, st))
        return c->files[c->count - 1];
    return NULL;
}

/* The shards that the index names; each tensor has to be in the shard where the index puts it. */
static bool open_shards(lm_checkpoint *c, const char *name, lm_status *st)
{
    char *text, *index = lm_bundle_file(c->bundle, name);
    size_t n;
    json_t *root = NULL, *file;
    if (lm_bundle_read(c->bundle, name, INDEX_MAX, &text, &n, st)) {
        root = lm_json_parse((lm_str){text, n}, index, 0, st);
        free(text);
    }
    json_t *map = json_object_get(root, "weight_map");
    if (root && !json_is_object(map))
        lm_fail(st, LM_FAILED, "%s: weight_map is missing: it says which shard each tensor is in", index);
    else if (root && !json_object_size(map))
        lm_fail(st, LM_FAILED, "%s: weight_map is empty", index);
    const char *tensor;
    json_object_foreach(map, tensor, file) {
        if (!json_is_string(file)) {
            lm_fail(st, LM_FAILED, "%s: weight_map: \"%s\" names no file", index, tensor);
            break;
        }
        const lm_safetensors *shard = open_shard(c, index, json_string_value(file), st);
        if (shard && !lm_safetensors_find(shard, tensor))
            lm_fail(st, LM_FAILED, "%s: tensor \"%s\" is not in %s", index, tensor, json_string_value(file));
        if (!lm_ok(st))
            break;
    }
    json_decref(root);
    free(index);
    return lm_ok(st);
}

static bool open_checkpoint(lm_checkpoint *c, lm_status *st)
{
    static const char single[] = "model.safetensors", sharded[] = "model.safetensors.index.json";
    const lm_bundle *b = c->bundle;
    if (lm_bundle_gguf(b))
        return true;
    if (lm_bundle_is_stream(b) || lm_bundle_has(b, single))
        return lm_bundle_is_stream(b) || open_file(c, single, st);
    if (lm_bundle_has(b, sharded))
        return open_shards(c, sharded, st);
    if (lm_bundle_has(b, "pytorch_model.bin") || lm_bundle_has(b, "pytorch_model.bin.index.json"))
        return lm_fail(st, LM_FAILED,
                       "%s: pytorch_model.bin is a pickle, which can run any code and is never read: "
                       "convert it to model.safetensors",
                       lm_bundle_name(b));
    return lm_fail(st, LM_FAILED, "%s: no model.safetensors", lm_bundle_name(b));
}

const lm_safetensor *lm_checkpoint_next(const lm_checkpoint *c, lm_checkpoint_place *at)
{
    if (lm_bundle_is_stream(c->bundle))
        return at->tensor < lm_bundle_tensors(c->bundle) ? lm_bundle_tensor(c->bundle, at->tensor++) : NULL;
    while (at->file < c->count && at->tensor >= lm_safetensors_count(c->files[at->file])) {
        at->file++;
        at->tensor = 0;
    }
    return at->file < c->count ? lm_safetensors_at(c->files[at->file], at->tensor++) : NULL;
}

/* ------------------------------------------------------------------ weights */

static lm_weight *add_weight(lm_checkpoint *c)
{
    LM_GROW(c->weights, c->weight_count, c->weight_cap);
    lm_weight *w = &c->weights[c->weight_count++];
    memset(w, 0, sizeof *w);
    return w;
}

/* Whether rows of a matrix of this type are computed with, or read, as they are. */
static bool is_stored_matrix(lm_dtype t, const lm_shape *s)
{
    return (t == LM_F16 || t == LM_BF16 || lm_dtype_block(t) > 1) && s->dims == 2 && s->size[0] <= INT32_MAX &&
           s->size[1] <= INT32_MAX;
}

static lm_quantised *matrix(lm_checkpoint *c, lm_dtype type, const lm_shape *s, const void *data)
{
    lm_quantised *q = lm_arena_alloc(c->arena, 1, sizeof *q);
    *q = (lm_quantised){.type = type, .rows = (int)s->size[0], .columns = (int)s->size[1], .data = data};
    return q;
}

static void add_plain(lm_checkpoint *c, const lm_safetensor *t)
{
    lm_weight *w = add_weight(c);
    *w = (lm_weight){.name = t->name, .shape = t->shape, .dtype = t->dtype, .data = t->data, .bytes = t->bytes};
    if (is_stored_matrix(t->dtype, &t->shape))
        w->quantised = matrix(c, t->dtype, &t->shape, t->data);
}

bool lm_checkpoint_bring(lm_checkpoint *c, const lm_weight *of, lm_status *st)
{
    size_t i = of ? (size_t)(of - c->weights) : c->weight_count;
    if (!lm_bundle_comes(c->bundle))
        return true;
    if (!lm_bundle_bring(c->bundle, i, st) || !of)
        return lm_ok(st);
    lm_weight *w = &c->weights[i];
    w->data = lm_bundle_tensor(c->bundle, i)->data;
    if (w->quantised)
        w->quantised = matrix(c, w->dtype, &w->shape, w->data);
    return true;
}

static bool list_tensors(lm_checkpoint *c, lm_status *st)
{
    lm_checkpoint_place at = {0};
    lm_bitsandbytes *all = lm_bitsandbytes_new(c, c->arena);
    if (lm_bundle_comes(c->bundle) && lm_bitsandbytes_any(all))
        lm_bundle_gather(c->bundle, st);
    for (const lm_safetensor *t; lm_ok(st) && (t = lm_checkpoint_next(c, &at));) {
        lm_weight w = {0};
        switch (lm_bitsandbytes_take(all, t, &w, st)) {
        case LM_BITSANDBYTES_NONE:
            add_plain(c, t);
            break;
        case LM_BITSANDBYTES_WEIGHT:
            *add_weight(c) = w;
            break;
        case LM_BITSANDBYTES_PART:
            break;
        }
    }
    lm_bitsandbytes_free(all);
    return lm_ok(st) || lm_fail_prefix(st, lm_bundle_name(c->bundle));
}

/* A tensor of a GGUF file as a weight of the model. */
static bool add_there(lm_checkpoint *c, const lm_gguf_names *names, const lm_gguf_tensor *t, lm_status *st)
{
    const char *file = lm_gguf_name(lm_bundle_gguf(c->bundle));
    lm_weight *w = add_weight(c);
    w->name = lm_arena_strndup(c->arena, t->name.data, t->name.len);
    if (t->dtype == LM_DTYPE_COUNT)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" is of ggml's type %u, which is not read: quantise the model to one of "
                       "Q8_0, Q4_0, Q4_K and their like", file, w->name, (unsigned)t->type);
    w->dtype = t->dtype;
    w->data = t->data;
    w->bytes = t->bytes;
    w->shape = t->shape;
    lm_gguf_place place = lm_gguf_weight_of(names, t->name, &w->how);
    if (place != LM_GGUF_STORED) {
        c->weight_count -= place == LM_GGUF_OMITTED; /* the others keep their names, and nobody knows them */
        return true;
    }
    w->there = t;
    if (!lm_gguf_shape_here(&w->how, &t->shape, &w->shape)) {
        lm_buf shape = {0};
        lm_shape_print(&t->shape, &shape);
        lm_fail(st, LM_FAILED, "%s: tensor \"%s\" has the shape %s, which such a tensor cannot have", file, w->name,
                lm_buf_cstr(&shape));
        lm_buf_free(&shape);
        return false;
    }
    w->name = lm_arena_strndup(c->arena, w->how.here, strlen(w->how.here));
    if (is_stored_matrix(t->dtype, &t->shape) && !w->how.first_row && w->how.offset == 0) {
        lm_quantised *q = matrix(c, t->dtype, &t->shape, t->data);
        q->interleaved_heads = w->how.heads;
        w->quantised = q;
        w->transposed = w->how.transposed;
    }
    return true;
}

static bool list_gguf(lm_checkpoint *c, lm_status *st)
{
    const lm_gguf *f = lm_bundle_gguf(c->bundle);
    lm_config *config = lm_gguf_config(f, st);
    lm_gguf_names *names = config ? lm_gguf_names_new(config, true, st) : NULL;
    for (size_t i = 0; names && i < lm_gguf_tensors(f) && lm_ok(st); i++)
        add_there(c, names, lm_gguf_tensor_at(f, i), st);
    lm_gguf_names_free(names);
    lm_config_free(config);
    return lm_ok(st);
}

lm_checkpoint *lm_checkpoint_open(lm_bundle *b, lm_status *st)
{
    lm_checkpoint *c = lm_calloc(1, sizeof *c);
    c->bundle = lm_bundle_ref(b);
    c->arena = lm_arena_new(0);
    if (open_checkpoint(c, st) && (lm_bundle_gguf(b) ? list_gguf(c, st) : list_tensors(c, st)))
        return c;
    lm_checkpoint_close(c);
    return NULL;
}

const char *lm_checkpoint_name(const lm_checkpoint *c)
{
    return lm_bundle_name(c->bundle);
}

size_t lm_checkpoint_weights(const lm_checkpoint *c)
{
    return c->weight_count;
}

const lm_weight *lm_checkpoint_weight(const lm_checkpoint *c, size_t i)
{
    return &c->weights[i];
}

bool lm_weight_read(const lm_weight *w, int64_t first, int64_t n, float *out)
{
    if (w->there && w->shape.dims < 2 && w->how.heads) /* of which each number is a row there */
        first = 0, n = w->shape.size[0];
    if (w->there)
        return lm_gguf_rows_here(&w->how, &w->there->shape, w->dtype, w->data, first, n, out);
    if (w->quantised) {
        lm_quantised_expand(w->quantised, (int)first, (int)n, out);
        return true;
    }
    size_t elements, row;
    lm_shape one = w->shape;
    if (one.dims > 1)
        one.size[0] = 1;
    lm_shape_elements(&w->shape, &elements);
    lm_shape_elements(&one, &row);
    return lm_to_f32(w->dtype, (const char *)w->data + (size_t)first * row / (size_t)lm_dtype_block(w->dtype) *
                                                           lm_dtype_block_bytes(w->dtype), (size_t)n * row, out);
}
