#include "stored_models.h"

#include "unit.h"

#include "base/memory.h"
#include "model/gguf/gguf_model.h"
#include "model/weights.h"
#include "tensor/blocks.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ streams */

/* Tensors of a model in the making; what is allocated for them goes with the arena. */
typedef struct making {
    lm_arena *arena;
    lm_safetensor *tensors;
    size_t count, cap;
} making;

static void add(making *k, const char *name, const char *end, lm_dtype dtype, lm_shape shape, const void *data)
{
    LM_GROW(k->tensors, k->count, k->cap);
    lm_safetensor *t = &k->tensors[k->count++];
    char *full = lm_format("%s%s", name, end);
    *t = (lm_safetensor){.name = lm_arena_strndup(k->arena, full, strlen(full)), .dtype = dtype, .shape = shape, .data = data};
    ck_assert(lm_tensor_bytes(dtype, &shape, &t->bytes));
    free(full);
}

static lm_shape vector(size_t n)
{
    return (lm_shape){1, {(int64_t)n}};
}

static void add_blocks(making *k, const lm_weight *w, lm_dtype dtype, const float *x)
{
    size_t rows = (size_t)w->shape.size[0], columns = (size_t)w->shape.size[1], bytes;
    ck_assert(lm_tensor_bytes(dtype, &w->shape, &bytes));
    void *out = lm_arena_alloc(k->arena, bytes, 1);
    if (lm_quantises(dtype))
        lm_quantise(dtype, x, rows, columns, NULL, out);
    else
        ck_assert(lm_from_f32(dtype, x, rows * columns, out));
    add(k, w->name, "", dtype, w->shape, out);
}

static void add_four_bits(making *k, const char *name, lm_dtype type, bool nested, const lm_shape *shape, const float *x)
{
    enum { BLOCK = 64 };
    size_t n = (size_t)shape->size[0] * (size_t)shape->size[1], blocks = (n + BLOCK - 1) / BLOCK;
    uint8_t *codes = lm_arena_alloc(k->arena, (n + 1) / 2, 1), *scale_codes = lm_arena_alloc(k->arena, blocks, 1);
    float *absmax = lm_arena_alloc(k->arena, blocks, sizeof *absmax), offset = 0;
    size_t outer = (blocks + LM_BNB_NESTED - 1) / LM_BNB_NESTED;
    float *nested_absmax = lm_arena_alloc(k->arena, outer, sizeof *nested_absmax);
    lm_bnb_quantise(type, x, n, BLOCK, codes, absmax);
    if (nested)
        lm_bnb_nest(absmax, blocks, scale_codes, nested_absmax, &offset);
    char *more = nested ? lm_format(", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": %.17g", (double)offset)
                        : lm_strdup("");
    const char *quant_type = type == LM_NF4 ? "nf4" : "fp4";
    char *state = lm_format("{\"quant_type\": \"%s\", \"blocksize\": %d, \"dtype\": \"float32\", \"shape\": [%d, %d]%s}", quant_type,
                            BLOCK, (int)shape->size[0], (int)shape->size[1], more);
    add(k, name, "", LM_U8, (lm_shape){2, {(int64_t)(n + 1) / 2, 1}}, codes);
    add(k, name, ".absmax", nested ? LM_U8 : LM_F32, vector(blocks), nested ? (void *)scale_codes : absmax);
    add(k, name, ".quant_map", LM_F32, vector(16), type == LM_NF4 ? lm_nf4_values : lm_fp4_values);
    if (nested) {
        add(k, name, ".nested_absmax", LM_F32, vector(outer), nested_absmax);
        add(k, name, ".nested_quant_map", LM_F32, vector(256), lm_bnb_dynamic_map);
    }
    char *end = lm_format(".quant_state.bitsandbytes__%s", quant_type);
    add(k, name, end, LM_U8, vector(strlen(state)), lm_arena_strndup(k->arena, state, strlen(state)));
    free(end);
    free(state);
    free(more);
}

static void add_int8(making *k, const char *name, const lm_shape *shape, const float *x)
{
    size_t rows = (size_t)shape->size[0], columns = (size_t)shape->size[1];
    int8_t *q = lm_arena_alloc(k->arena, rows * columns, 1);
    float *most = lm_arena_alloc(k->arena, rows, sizeof *most);
    lm_bnb_int8(x, rows, columns, q, most);
    add(k, name, "", LM_I8, *shape, q);
    char *layer = lm_strndup(name, strlen(name) - strlen(".weight"));
    add(k, layer, ".SCB", LM_F32, vector(rows), most);
    free(layer);
}

/* The numbers of a weight, and across: those of the layer that bitsandbytes makes of a Conv1D. */
static float *numbers(making *k, const lm_weight *w, bool turn, lm_shape *shape)
{
    size_t rows = (size_t)w->shape.size[0], columns = (size_t)w->shape.size[1];
    float *x = lm_arena_alloc(k->arena, rows * columns, sizeof *x), *across = x;
    ck_assert(lm_weight_read(w, 0, (int64_t)rows, x));
    *shape = w->shape;
    if (turn) {
        across = lm_arena_alloc(k->arena, rows * columns, sizeof *x);
        *shape = (lm_shape){2, {(int64_t)columns, (int64_t)rows}};
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++)
                across[c * rows + r] = x[r * columns + c];
    }
    return across;
}

char *stored_model(const char *dir, const char *from, const char *part, stored_kind how, lm_dtype dtype, bool conv1d)
{
    lm_status st = LM_STATUS_INIT;
    making k = {.arena = lm_arena_new(0)};
    lm_bundle *b = lm_bundle_open(from, &st);
    lm_checkpoint *c = lm_checkpoint_open(b, &st);
    assert_ok(&st);
    for (size_t i = 0; i < lm_checkpoint_weights(c); i++) {
        const lm_weight *w = lm_checkpoint_weight(c, i);
        lm_shape shape;
        if (w->shape.dims != 2 || !strstr(w->name, part)) {
            add(&k, w->name, "", w->dtype, w->shape, w->data);
            continue;
        }
        const float *x = numbers(&k, w, how != STORED_BLOCKS && conv1d, &shape);
        if (how == STORED_BLOCKS)
            add_blocks(&k, w, dtype, x);
        else if (how == STORED_INT8)
            add_int8(&k, w->name, &shape, x);
        else
            add_four_bits(&k, w->name, dtype, how == STORED_NESTED, &shape, x);
    }
    char *to = lm_format("%s/stored.lms", dir);
    lm_bundle_writer *out = lm_bundle_create(to, &(lm_bundle_options){0}, &st);
    ck_assert(out && lm_bundle_copy(out, b, "config.json", &st) && lm_bundle_put_tensors(out, k.tensors, k.count, 0, &st) &&
              lm_bundle_publish(out, &st));
    lm_checkpoint_close(c);
    lm_bundle_close(b);
    free(k.tensors);
    lm_arena_free(k.arena);
    return to;
}

/* ------------------------------------------------------------------ GGUF */

static bool to_file(void *context, const void *bytes, size_t n, lm_status *st)
{
    const int *fd = context;
    return write(*fd, bytes, n) == (ssize_t)n || lm_fail_errno(st, LM_FAILED, "x.gguf");
}

typedef struct there {
    lm_gguf_weight how;
    lm_shape shape;
    lm_dtype dtype;
    const lm_weight *from;
} there;

char *stored_gguf(const char *dir, const char *from, lm_dtype dtype)
{
    lm_status st = LM_STATUS_INIT;
    lm_bundle *b = lm_bundle_open(from, &st);
    lm_checkpoint *c = lm_checkpoint_open(b, &st);
    lm_config *config = lm_config_open(b, &st);
    lm_gguf_names *names = lm_gguf_names_new(config, true, &st);
    assert_ok(&st);
    char *to = lm_format("%s/model.gguf", dir);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    lm_gguf_writer *w = lm_gguf_writer_new(to);
    lm_gguf_describe(w, names, &(lm_gguf_description){.vocab_size = lm_config_int(config, "vocab_size", 0)}, &st);
    size_t n = lm_checkpoint_weights(c), count = 0, bytes;
    there *all = lm_calloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        there *t = &all[count];
        t->from = lm_checkpoint_weight(c, i);
        if (lm_gguf_place_of(names, t->from->name, &t->how) != LM_GGUF_STORED)
            continue;
        ck_assert(lm_gguf_shape_there(&t->how, &t->from->shape, &t->shape));
        t->dtype = t->shape.dims == 2 && lm_tensor_bytes(dtype, &t->shape, &bytes) ? dtype : LM_F32;
        lm_gguf_put_tensor(w, t->how.there, t->dtype, &t->shape);
        count++;
    }
    ck_assert(lm_gguf_write_header(w, to_file, &fd, &st));
    lm_gguf_extra_data(w, names, &st);
    assert_ok(&st);
    for (size_t i = 0; i < count; i++) {
        const there *t = &all[i];
        size_t elements, rows = t->shape.dims == 2 || t->how.heads ? (size_t)t->shape.size[0] : 1;
        ck_assert(lm_shape_elements(&t->shape, &elements) && lm_tensor_bytes(t->dtype, &t->shape, &bytes));
        float *x = lm_malloc(elements, sizeof *x);
        void *out = lm_malloc(bytes, 1);
        ck_assert(lm_gguf_rows_there(&t->how, &t->from->shape, t->from->dtype, t->from->data, 0, (int64_t)rows, x));
        if (lm_quantises(t->dtype))
            lm_quantise(t->dtype, x, rows, elements / rows, NULL, out);
        else
            ck_assert(lm_from_f32(t->dtype, x, elements, out));
        ck_assert(lm_gguf_write_data(w, out, bytes, &st));
        free(x);
        free(out);
    }
    ck_assert(lm_gguf_write_end(w, &st));
    close(fd);
    free(all);
    lm_gguf_writer_free(w);
    lm_gguf_names_free(names);
    lm_config_free(config);
    lm_checkpoint_close(c);
    lm_bundle_close(b);
    return to;
}
