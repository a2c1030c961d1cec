#include "model/bitsandbytes.h"
#include "base/memory.h"
#include "stream/json_tree.h"
#include "tensor/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lm_bitsandbytes {
    lm_arena *arena;
    const lm_safetensor **by_name;
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    const lm_safetensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

lm_bitsandbytes *lm_bitsandbytes_new(const lm_checkpoint *c, lm_arena *arena)
{
    lm_bitsandbytes *b = lm_calloc(1, sizeof *b);
    lm_checkpoint_place at = {0};
    size_t cap = 0;
    b->arena = arena;
    for (const lm_safetensor *t; (t = lm_checkpoint_next(c, &at));) {
        LM_GROW(b->by_name, b->count, cap);
        b->by_name[b->count++] = t;
    }
    if (b->count)
        qsort(b->by_name, b->count, sizeof *b->by_name, by_name);
    return b;
}

void lm_bitsandbytes_free(lm_bitsandbytes *b)
{
    free(b->by_name);
    free(b);
}

/* The tensor called by the first n bytes of `name` and `end`. */
static const lm_safetensor *find(const lm_bitsandbytes *b, const char *name, size_t n, const char *end)
{
    char *full = lm_format("%.*s%s", (int)n, name, end);
    const lm_safetensor key = {.name = full}, *want = &key;
    const lm_safetensor **at = b->count ? bsearch(&want, b->by_name, b->count, sizeof *b->by_name, by_name) : NULL;
    free(full);
    return at ? *at : NULL;
}

static const lm_safetensor *part(const lm_bitsandbytes *b, const lm_safetensor *of, const char *end)
{
    return find(b, of->name, strlen(of->name), end);
}

/* ------------------------------------------------------------------ which tensors belong together */

static const char *const states[] = {".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4"};

static const lm_safetensor *state_of(const lm_bitsandbytes *b, const char *name, size_t n, lm_dtype *type)
{
    const lm_safetensor *state = find(b, name, n, states[0]);
    *type = state ? LM_NF4 : LM_FP4;
    return state ? state : find(b, name, n, states[1]);
}

/* The bytes of `name` before one of the ends; 0 = it has none of them. */
static size_t before(const char *name, const char *const *ends, size_t count)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < count; i++) {
        size_t m = strlen(ends[i]);
        if (n > m && strcmp(name + n - m, ends[i]) == 0)
            return n - m;
    }
    return 0;
}

static bool is_int8(const lm_safetensor *weight)
{
    return weight && weight->dtype == LM_I8 && weight->shape.dims == 2;
}

static bool is_part(const lm_bitsandbytes *b, const char *name)
{
    static const char *const of_four[] = {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map",
                                          ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4"},
                      *const of_eight[] = {".SCB", ".weight_format"};
    lm_dtype type;
    size_t four = before(name, of_four, sizeof of_four / sizeof *of_four),
           eight = before(name, of_eight, sizeof of_eight / sizeof *of_eight);
    return (four && find(b, name, four, "") && state_of(b, name, four, &type)) ||
           (eight && is_int8(find(b, name, eight, ".weight")));
}

bool lm_bitsandbytes_any(const lm_bitsandbytes *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (is_part(b, b->by_name[i]->name))
            return true;
    return false;
}

/* ------------------------------------------------------------------ numbers beside the codes */

/* A tensor of `want` numbers as float32, where it is if it can be. */
static const float *floats(const lm_bitsandbytes *b, const lm_safetensor *t, const lm_safetensor *of, const char *what, size_t want,
                           lm_status *st)
{
    size_t n = 0;
    if (!t || !lm_shape_elements(&t->shape, &n) || n != want) {
        lm_fail(st, LM_FAILED, "%s: its %s are %zu numbers, and %zu are needed: the file is damaged", of->name, what, n, want);
        return NULL;
    }
    if (t->dtype == LM_F32 && (uintptr_t)t->data % sizeof(float) == 0)
        return t->data;
    float *copy = lm_arena_alloc(b->arena, n, sizeof *copy);
    if (lm_to_f32(t->dtype, t->data, n, copy))
        return copy;
    lm_fail(st, LM_FAILED, "%s: dtype %s is not one that scales can have", t->name, lm_dtype_name(t->dtype));
    return NULL;
}

/* Whether a code book is the one of its type, which is written down with more or fewer digits. */
static bool same_values(const float *a, const float *b)
{
    bool same = true;
    for (int i = 0; i < 16; i++)
        same = same && fabsf(a[i] - b[i]) <= 1e-6f;
    return same;
}

/* ------------------------------------------------------------------ 4 bits */

typedef struct state {
    int64_t rows, columns, block, nested_block;
    double offset;
    bool nested;
} state;

static bool read_state(const lm_safetensor *t, state *out, lm_status *st)
{
    json_t *all = lm_json_parse((lm_str){t->data, t->bytes}, t->name, 0, st);
    const json_t *shape = json_object_get(all, "shape"), *block = json_object_get(all, "blocksize"),
                 *nested = json_object_get(all, "nested_blocksize"), *offset = json_object_get(all, "nested_offset");
    if (!all)
        return false;
    *out = (state){.rows = json_integer_value(json_array_get(shape, 0)), .columns = json_integer_value(json_array_get(shape, 1)),
                   .block = json_integer_value(block), .nested_block = json_integer_value(nested),
                   .offset = json_number_value(offset), .nested = nested != NULL};
    bool good = json_array_size(shape) == 2 && out->rows > 0 && out->rows <= INT32_MAX && out->columns > 0 &&
                out->columns <= INT32_MAX && out->block > 0 && out->block <= 1 << 16 && !(out->block & (out->block - 1)) &&
                (!nested || (out->nested_block == LM_BNB_NESTED && json_is_number(offset) && isfinite(out->offset)));
    json_decref(all);
    return good || lm_fail(st, LM_FAILED, "%s: no shape of a matrix and block sizes that bitsandbytes has: the file is damaged",
                           t->name);
}

/* The scales of the blocks: absmax, or its codes, which have scales themselves. */
static bool read_scales(const lm_bitsandbytes *b, const lm_safetensor *t, const state *s, lm_quantised *q, lm_status *st)
{
    const lm_safetensor *absmax = part(b, t, ".absmax");
    size_t blocks = ((size_t)s->rows * (size_t)s->columns + (size_t)s->block - 1) / (size_t)s->block;
    if (!s->nested)
        return (q->scale = floats(b, absmax, t, "scales (absmax)", blocks, st)) != NULL;
    if (!absmax || absmax->dtype != LM_U8 || absmax->bytes != blocks)
        return lm_fail(st, LM_FAILED, "%s: its scales (absmax) are no %zu codes: the file is damaged", t->name, blocks);
    q->nested.code = absmax->data;
    q->nested.block = (int)s->nested_block;
    q->nested.offset = (float)s->offset;
    q->nested.map = floats(b, part(b, t, ".nested_quant_map"), t, "values of nested_quant_map", 256, st);
    if (q->nested.map)
        q->nested.scale = floats(b, part(b, t, ".nested_absmax"), t, "scales (nested_absmax)",
                                 (blocks + LM_BNB_NESTED - 1) / LM_BNB_NESTED, st);
    return lm_ok(st);
}

static bool take_four(lm_bitsandbytes *b, const lm_safetensor *t, const lm_safetensor *told, lm_dtype type, lm_weight *out,
                      lm_status *st)
{
    state s;
    if (!read_state(told, &s, st))
        return false;
    size_t elements = (size_t)s.rows * (size_t)s.columns;
    if (t->bytes != (elements + 1) / 2)
        return lm_fail(st, LM_FAILED, "%s: %zu bytes are not %lld x %lld numbers of 4 bits: the file is damaged", t->name, t->bytes,
                       (long long)s.rows, (long long)s.columns);
    const lm_safetensor *map = part(b, t, ".quant_map");
    const float *values = floats(b, map, t, "values of quant_map", 16, st);
    if (values && !same_values(values, type == LM_NF4 ? lm_nf4_values : lm_fp4_values))
        lm_fail(st, LM_FAILED, "%s: not the values of %s: only these are computed with", map->name, lm_dtype_name(type));
    lm_quantised *q = lm_arena_alloc(b->arena, 1, sizeof *q);
    *q = (lm_quantised){.type = type, .rows = (int)s.rows, .columns = (int)s.columns, .data = t->data, .block = (int)s.block};
    if (!lm_ok(st) || !read_scales(b, t, &s, q, st))
        return false;
    *out = (lm_weight){.name = t->name, .shape = {2, {s.rows, s.columns}}, .dtype = type, .data = t->data,
                       .bytes = lm_quantised_bytes(q), .quantised = q};
    return true;
}

/* ------------------------------------------------------------------ 8 bits */

/* How rows lie in memory: 0 is row after row; other ways are for processors of graphics. */
static bool is_by_rows(const lm_safetensor *format)
{
    if (!format)
        return true;
    for (size_t i = 0; i < format->bytes; i++)
        if (((const char *)format->data)[i])
            return false;
    return true;
}

static bool take_eight(lm_bitsandbytes *b, const lm_safetensor *t, size_t n, lm_weight *out, lm_status *st)
{
    if (t->shape.size[0] > INT32_MAX || t->shape.size[1] > INT32_MAX)
        return lm_fail(st, LM_FAILED, "%s: too large a matrix", t->name);
    if (!is_by_rows(find(b, t->name, n, ".weight_format")))
        return lm_fail(st, LM_FAILED, "%s: not stored row by row: save the model anew, with a bitsandbytes of today", t->name);
    size_t rows = (size_t)t->shape.size[0];
    const float *most = floats(b, find(b, t->name, n, ".SCB"), t, "scales (SCB)", rows, st);
    if (!most)
        return false;
    float *scale = lm_arena_alloc(b->arena, rows, sizeof *scale);
    for (size_t r = 0; r < rows; r++)
        scale[r] = most[r] / 127;
    lm_quantised *q = lm_arena_alloc(b->arena, 1, sizeof *q);
    *q = (lm_quantised){.type = LM_I8, .rows = (int)rows, .columns = (int)t->shape.size[1], .data = t->data, .scale = scale};
    *out = (lm_weight){.name = t->name, .shape = t->shape, .dtype = LM_I8, .data = t->data, .bytes = lm_quantised_bytes(q),
                       .quantised = q};
    return true;
}

lm_bitsandbytes_kind lm_bitsandbytes_take(lm_bitsandbytes *b, const lm_safetensor *t, lm_weight *out, lm_status *st)
{
    static const char *const weight[] = {".weight"};
    lm_dtype type;
    const lm_safetensor *told = state_of(b, t->name, strlen(t->name), &type);
    size_t n = is_int8(t) ? before(t->name, weight, 1) : 0;
    bool taken = false;
    if (told)
        taken = take_four(b, t, told, type, out, st);
    else if (n && find(b, t->name, n, ".SCB"))
        taken = take_eight(b, t, n, out, st);
    else if (is_part(b, t->name))
        return LM_BITSANDBYTES_PART;
    return taken ? LM_BITSANDBYTES_WEIGHT : LM_BITSANDBYTES_NONE;
}
