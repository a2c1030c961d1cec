#include "graph/params.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "graph/adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

typedef struct alias {
    const char *name;
    size_t param;
} alias;

typedef struct old_name {
    const char *from, *to;
} old_name;

/* Names of parameters and aliases are found by open addressing: slot = 1 + index of a parameter, or, past
 * their number's top bit, of an alias. */
struct lm_params {
    lm_arena *strings;
    lm_param **items;
    size_t count, cap;
    alias *aliases;
    size_t alias_count, alias_cap;
    old_name *old;
    size_t old_count, old_cap;
    const char **ignored;
    size_t ignored_count, ignored_cap;
    uint32_t *slots;
    size_t slot_count; /* a power of two */
    lm_activations activations;
};

struct lm_declare {
    lm_params *params;
    lm_status status;
};

/* Rows of an embedding from which on it pays to know which of them a step has touched. */
enum { BY_ROWS = 4096 };

enum { ALIAS_BIT = 1 << 30, FIRST_SLOTS = 256 };

lm_params *lm_params_new(void)
{
    lm_params *p = lm_calloc(1, sizeof *p);
    p->strings = lm_arena_new(0);
    p->slot_count = FIRST_SLOTS;
    p->slots = lm_calloc(p->slot_count, sizeof *p->slots);
    return p;
}

static void free_param(lm_param *q)
{
    if (q->owned)
        free(q->value);
    free(q->fake_value);
    free(q->grad);
    lm_row_grad_free(q->row_grad);
    lm_adapter_detach(q);
    free(q);
}

void lm_params_free(lm_params *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        free_param(p->items[i]);
    free(p->items);
    free(p->aliases);
    free(p->old);
    free(p->ignored);
    free(p->slots);
    lm_arena_free(p->strings);
    free(p);
}

void lm_params_set_activations(lm_params *p, lm_activations how)
{
    p->activations = how;
}

lm_activations lm_params_activations(const lm_params *p)
{
    return p->activations;
}

size_t lm_params_count(const lm_params *p)
{
    return p->count;
}

lm_param *lm_params_at(lm_params *p, size_t i)
{
    return p->items[i];
}

size_t lm_params_aliases(const lm_params *p)
{
    return p->alias_count;
}

const char *lm_params_alias(const lm_params *p, size_t i, lm_param **target)
{
    if (target)
        *target = p->items[p->aliases[i].param];
    return p->aliases[i].name;
}

/* ------------------------------------------------------------------ names */

static const char *slot_name(const lm_params *p, uint32_t slot)
{
    slot--;
    return slot & ALIAS_BIT ? p->aliases[slot & ~(uint32_t)ALIAS_BIT].name : p->items[slot]->name;
}

/* The slot of a name: where it is, or the free one where it would be. */
static uint32_t *find_slot(const lm_params *p, const char *name)
{
    size_t at = (size_t)XXH3_64bits(name, strlen(name)) & (p->slot_count - 1);
    while (p->slots[at] && strcmp(slot_name(p, p->slots[at]), name) != 0)
        at = (at + 1) & (p->slot_count - 1);
    return &p->slots[at];
}

static void enter(lm_params *p, uint32_t slot)
{
    if (2 * (p->count + p->alias_count) >= p->slot_count) {
        uint32_t *old = p->slots;
        size_t n = p->slot_count;
        p->slot_count *= 2;
        p->slots = lm_calloc(p->slot_count, sizeof *p->slots);
        for (size_t i = 0; i < n; i++)
            if (old[i])
                *find_slot(p, slot_name(p, old[i])) = old[i];
        free(old);
    }
    *find_slot(p, slot_name(p, slot)) = slot;
}

lm_param *lm_params_find(lm_params *p, const char *name)
{
    uint32_t slot = *find_slot(p, name);
    if (!slot)
        return NULL;
    slot--;
    return p->items[slot & ALIAS_BIT ? p->aliases[slot & ~(uint32_t)ALIAS_BIT].param : slot];
}

void lm_params_forget(lm_params *p, size_t from)
{
    while (p->count > from)
        free_param(p->items[--p->count]);
    memset(p->slots, 0, p->slot_count * sizeof *p->slots);
    for (size_t i = 0; i < p->count; i++)
        *find_slot(p, p->items[i]->name) = (uint32_t)i + 1;
    for (size_t i = 0; i < p->alias_count; i++)
        *find_slot(p, p->aliases[i].name) = 1 + ((uint32_t)i | ALIAS_BIT);
}

/* Whether the last parts of `name` are `suffix`. */
static bool has_last(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return m && lm_ends_in(name, suffix) && (n == m || name[n - m - 1] == '.');
}

void lm_params_current_name(const lm_params *p, const char *stored, char out[LM_NAME_MAX])
{
    size_t n = strlen(stored);
    const char *tail = "";
    for (size_t i = 0; i < p->old_count; i++) {
        if (has_last(stored, p->old[i].from)) {
            n -= strlen(p->old[i].from);
            tail = p->old[i].to;
            break;
        }
    }
    if (n + strlen(tail) >= LM_NAME_MAX) { /* longer than any declared name: stays unknown */
        out[0] = '\0';
        return;
    }
    memcpy(out, stored, n);
    strcpy(out + n, tail);
}

bool lm_params_ignored(const lm_params *p, const char *stored)
{
    for (size_t i = 0; i < p->ignored_count; i++)
        if (has_last(stored, p->ignored[i]))
            return true;
    return false;
}

/* ------------------------------------------------------------------ scopes */

/* The first byte of a path that grew too long: no parameter has such a name. */
enum { TOO_LONG = '\001' };

static lm_scope join(lm_scope scope, const char *part, int index)
{
    char number[16] = "";
    if (index >= 0)
        snprintf(number, sizeof number, ".%d", index);
    size_t n = strlen(scope.name), dot = n > 0 && *part, m = strlen(part), k = strlen(number);
    if (scope.name[0] == TOO_LONG)
        return scope;
    if (n + dot + m + k >= sizeof scope.name) {
        memmove(scope.name + 1, scope.name, sizeof scope.name - 2);
        scope.name[0] = TOO_LONG;
        return scope;
    }
    if (dot)
        scope.name[n] = '.';
    memcpy(scope.name + n + dot, part, m);
    strcpy(scope.name + n + dot + m, number);
    return scope;
}

lm_scope lm_in(lm_scope scope, const char *part)
{
    return join(scope, part, -1);
}

lm_scope lm_in_index(lm_scope scope, const char *part, int index)
{
    return join(scope, part, index);
}

/* ------------------------------------------------------------------ declarations */

/* get_decay_parameter_names of transformers' Trainer: no decay for
 * bias|layernorm|rmsnorm|(^|.)norm($|.)|_norm($|.), case ignored; nn.LayerNorm modules of other names come in
 * by lm_declare_layer_norm. */
static bool name_decays(const char *name)
{
    static const char *const anywhere[] = {"bias", "layernorm", "rmsnorm"};
    for (const char *s = name; *s; s++) {
        for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
            if (strncasecmp(s, anywhere[i], strlen(anywhere[i])) == 0)
                return false;
        if (strncasecmp(s, "norm", 4) == 0 && (s[4] == '\0' || s[4] == '.') &&
            (s == name || s[-1] == '.' || s[-1] == '_'))
            return false;
    }
    return true;
}

static const char *keep_string(lm_params *p, const char *s)
{
    return lm_arena_strndup(p->strings, s, strlen(s));
}

static bool full_name(lm_declare *d, lm_scope scope, const char *name, lm_scope *full)
{
    if (!lm_ok(&d->status))
        return false;
    *full = lm_in(scope, name);
    if (full->name[0] == TOO_LONG)
        return lm_fail(&d->status, LM_FAILED, "%s...: the name is over %d bytes: shorten it in the plugin",
                       full->name + 1, LM_NAME_MAX - 1);
    if (*find_slot(d->params, full->name))
        return lm_fail(&d->status, LM_FAILED, "%s: declared twice: the plugin must declare it once",
                       full->name);
    return true;
}

static lm_param *declare(lm_declare *d, lm_scope scope, const char *name, const int64_t shape[4],
                         lm_init init)
{
    lm_scope full;
    if (!full_name(d, scope, name, &full))
        return NULL;
    lm_shape s = {0};
    for (int i = 0; i < 4 && shape[i] != 0; i++)
        s.size[s.dims++] = shape[i];
    size_t elements, bytes;
    if (s.dims == 0 || !lm_shape_elements(&s, &elements) || !lm_mul(elements, sizeof(float), &bytes)) {
        lm_fail(&d->status, LM_FAILED,
                "%s: impossible shape [%lld, %lld, %lld, %lld]: check the sizes in config.json", full.name,
                (long long)shape[0], (long long)shape[1], (long long)shape[2], (long long)shape[3]);
        return NULL;
    }
    lm_params *p = d->params;
    lm_param *q = lm_calloc(1, sizeof *q);
    q->name = keep_string(p, full.name);
    q->shape = s;
    q->elements = elements;
    q->init = init;
    q->dtype = LM_F32;
    q->padding_row = -1;
    q->decay = name_decays(full.name);
    LM_GROW(p->items, p->count, p->cap);
    q->index = p->count;
    p->items[p->count] = q;
    enter(p, (uint32_t)++p->count);
    return q;
}

void lm_declare_param(lm_declare *d, lm_scope scope, const char *name, const int64_t shape[4], lm_init init)
{
    declare(d, scope, name, shape, init);
}

void lm_declare_linear_nobias(lm_declare *d, lm_scope scope, int in, int out, double std)
{
    declare(d, scope, "weight", (int64_t[4]){out, in}, lm_normal(std));
}

void lm_declare_linear(lm_declare *d, lm_scope scope, int in, int out, double std)
{
    lm_declare_linear_nobias(d, scope, in, out, std);
    declare(d, scope, "bias", (int64_t[4]){out}, (lm_init){LM_INIT_ZERO, 0});
}

void lm_declare_conv1d(lm_declare *d, lm_scope scope, int in, int out, double std)
{
    lm_param *weight = declare(d, scope, "weight", (int64_t[4]){in, out}, lm_normal(std));
    if (weight)
        weight->transposed = true;
    declare(d, scope, "bias", (int64_t[4]){out}, (lm_init){LM_INIT_ZERO, 0});
}

void lm_declare_embedding(lm_declare *d, lm_scope scope, int rows, int width, double std, int padding_row)
{
    lm_param *p = declare(d, scope, "weight", (int64_t[4]){rows, width}, lm_normal(std));
    if (!p)
        return;
    if (padding_row < -1 || padding_row >= rows)
        lm_fail(&d->status, LM_FAILED, "%s: the padding row %d is not one of %d rows: correct pad_token_id",
                p->name, padding_row, rows);
    else
        p->padding_row = padding_row;
    p->embedding = true;
    p->by_rows = rows >= BY_ROWS;
}

void lm_declare_sparse_embedding(lm_declare *d, lm_scope scope, int rows, int width, lm_init init)
{
    lm_param *p = declare(d, scope, "weight", (int64_t[4]){rows, width}, init);
    if (!p)
        return;
    p->embedding = p->by_rows = p->lazy = true;
    p->decay = false;
}

void lm_declare_layer_norm(lm_declare *d, lm_scope scope, int width)
{
    lm_param *weight = declare(d, scope, "weight", (int64_t[4]){width}, (lm_init){LM_INIT_ONE, 0});
    lm_param *bias = declare(d, scope, "bias", (int64_t[4]){width}, (lm_init){LM_INIT_ZERO, 0});
    if (weight)
        weight->decay = false;
    if (bias)
        bias->decay = false;
}

void lm_declare_rms_norm(lm_declare *d, lm_scope scope, int width, double offset)
{
    lm_init init = {offset == 1 ? LM_INIT_ZERO : LM_INIT_ONE, 0};
    lm_param *weight = declare(d, scope, "weight", (int64_t[4]){width}, init);
    if (weight)
        weight->decay = false;
}

void lm_declare_tied(lm_declare *d, lm_scope scope, const char *name, lm_scope other, const char *other_name)
{
    lm_scope full;
    if (!full_name(d, scope, name, &full))
        return;
    lm_params *p = d->params;
    lm_scope target = lm_in(other, other_name);
    uint32_t slot = *find_slot(p, target.name);
    if (!slot) {
        lm_fail(&d->status, LM_FAILED, "%s: tied to %s, which is not declared: declare that first", full.name,
                target.name);
        return;
    }
    slot--;
    LM_GROW(p->aliases, p->alias_count, p->alias_cap);
    alias *a = &p->aliases[p->alias_count];
    a->name = keep_string(p, full.name);
    a->param = slot & ALIAS_BIT ? p->aliases[slot & ~(uint32_t)ALIAS_BIT].param : slot;
    p->items[a->param]->by_rows = p->items[a->param]->lazy = false; /* the other use has all rows */
    enter(p, 1 + ((uint32_t)p->alias_count++ | ALIAS_BIT));
}

void lm_declare_old_name(lm_declare *d, const char *old_suffix, const char *new_suffix)
{
    if (!lm_ok(&d->status))
        return;
    lm_params *p = d->params;
    LM_GROW(p->old, p->old_count, p->old_cap);
    p->old[p->old_count++] = (old_name){keep_string(p, old_suffix), keep_string(p, new_suffix)};
}

void lm_declare_ignored(lm_declare *d, const char *suffix)
{
    if (!lm_ok(&d->status))
        return;
    lm_params *p = d->params;
    LM_GROW(p->ignored, p->ignored_count, p->ignored_cap);
    p->ignored[p->ignored_count++] = keep_string(p, suffix);
}

void lm_declare_fail(lm_declare *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (lm_ok(&d->status)) {
        lm_vfail(&d->status, LM_FAILED, format, args);
        lm_fail_prefix(&d->status, "config.json");
    }
    va_end(args);
}

lm_declare *lm_declare_begin(lm_params *p)
{
    lm_declare *d = lm_calloc(1, sizeof *d);
    d->params = p;
    return d;
}

bool lm_declare_end(lm_declare *d, lm_status *st)
{
    bool ok = lm_ok(&d->status);
    if (!ok)
        lm_fail(st, d->status.code, "%s", d->status.message);
    free(d);
    return ok;
}

/* ------------------------------------------------------------------ values */

bool lm_param_initialise(lm_param *p, uint64_t seed, lm_status *st)
{
    bool zeros = !p->owned && p->init.kind == LM_INIT_ZERO;
    if (!p->owned) {
        p->value = zeros ? lm_try_calloc(p->elements, sizeof *p->value, p->name, st)
                         : lm_try_malloc(p->elements, sizeof *p->value, p->name, st);
        if (!p->value)
            return false;
        p->owned = true;
    }
    p->data = p->value;
    p->dtype = LM_F32;
    if (zeros)
        return true;
    long n = (long)p->elements;
    float *value = p->value;
    if (p->init.kind == LM_INIT_NORMAL || p->init.kind == LM_INIT_UNIFORM) {
        lm_philox_key key = lm_random_key(seed, LM_FOR_INIT, 0);
        uint64_t name = XXH3_64bits(p->name, strlen(p->name));
        float std = (float)p->init.std;
        bool normal = p->init.kind == LM_INIT_NORMAL;
#pragma omp parallel for schedule(static)
        for (long i = 0; i < n; i++)
            value[i] = std * (normal ? lm_random_normal(key, (uint64_t)i, name)
                                     : 2 * lm_random_float(key, (uint64_t)i, name) - 1);
    } else {
        float constant = p->init.kind == LM_INIT_ONE ? 1.0f : 0.0f;
        for (long i = 0; i < n; i++)
            value[i] = constant;
    }
    if (p->padding_row >= 0) {
        size_t width = p->elements / (size_t)p->shape.size[0];
        memset(value + (size_t)p->padding_row * width, 0, width * sizeof *value);
    }
    return true;
}

void lm_param_point(lm_param *p, lm_dtype dtype, const void *data)
{
    if (p->owned)
        free(p->value);
    p->value = NULL;
    p->owned = false;
    p->data = data;
    p->dtype = dtype;
    p->quantised = NULL;
}

/* A quantised matrix as float32, in the order in which the parameter has its elements. */
static void expand(const lm_param *p, float *value)
{
    const lm_quantised *q = p->quantised;
    size_t columns = (size_t)q->columns, rows = (size_t)q->rows;
#pragma omp parallel
    {
        float *row = p->transposed ? lm_malloc(columns, sizeof *row) : NULL;
#pragma omp for schedule(static)
        for (int r = 0; r < q->rows; r++) {
            lm_quantised_expand(q, r, 1, row ? row : value + (size_t)r * columns);
            for (size_t c = 0; row && c < columns; c++)
                value[c * rows + (size_t)r] = row[c];
        }
        free(row);
    }
}

bool lm_param_read(const lm_param *p, float *out, lm_status *st)
{
    if (p->value)
        memcpy(out, p->value, p->elements * sizeof *out);
    else if (p->quantised)
        expand(p, out);
    else if (!lm_to_f32(p->dtype, p->data, p->elements, out))
        return lm_fail(st, LM_FAILED, "%s: weights of type %s cannot be computed with: convert the model",
                       p->name, lm_dtype_name(p->dtype));
    return true;
}

static bool copy_value(lm_param *p, lm_status *st)
{
    float *value = lm_try_malloc(p->elements, sizeof *value, p->name, st);
    if (!value)
        return false;
    if (!lm_param_read(p, value, st)) {
        free(value);
        return false;
    }
    p->value = value;
    p->owned = true;
    return true;
}

bool lm_param_ready(lm_param *p, lm_status *st)
{
    if (p->value)
        return true;
    if (!p->data)
        return lm_fail(st, LM_FAILED, "%s: has no value: load or initialise it", p->name);
    if (p->dtype == LM_F32 && (uintptr_t)p->data % sizeof(float) == 0) {
        union { /* read only until lm_param_own */
            const void *mapped;
            float *value;
        } cast = {p->data};
        p->value = cast.value;
        return true;
    }
    return copy_value(p, st);
}

bool lm_param_own(lm_param *p, lm_status *st)
{
    if (p->owned)
        return true;
    if (!p->data)
        return lm_fail(st, LM_FAILED, "%s: has no value: load or initialise it", p->name);
    return copy_value(p, st);
}

bool lm_param_train(lm_param *p, bool trainable, lm_status *st)
{
    p->fake_known = false;
    if (!trainable) {
        free(p->grad);
        p->grad = NULL;
        lm_row_grad_free(p->row_grad);
        p->row_grad = NULL;
        p->trainable = false;
        return true;
    }
    if (!lm_param_own(p, st))
        return false;
    if (p->by_rows && !p->row_grad) {
        p->row_grad = lm_row_grad_new(p->shape.size[0], (int)p->shape.size[1], p->name, st);
        if (!p->row_grad)
            return false;
    }
    if (!p->by_rows && !p->grad) {
        p->grad = lm_try_malloc(p->elements, sizeof *p->grad, p->name, st);
        if (!p->grad)
            return false;
        memset(p->grad, 0, p->elements * sizeof *p->grad);
    }
    p->trainable = true;
    return true;
}

bool lm_param_dense(lm_param *p, lm_status *st)
{
    lm_row_grad *had = p->row_grad;
    p->by_rows = p->lazy = false;
    if (!had)
        return true;
    p->row_grad = NULL;
    bool ok = lm_param_train(p, true, st);
    size_t width = (size_t)had->width;
    for (int i = 0; ok && i < had->rows.count; i++)
        memcpy(p->grad + (size_t)had->rows.row[i] * width, had->value + (size_t)i * width, width * sizeof *p->grad);
    lm_row_grad_free(had);
    return ok;
}

void lm_param_zero_grad(lm_param *p)
{
    if (p->row_grad)
        lm_row_grad_clear(p->row_grad);
    if (p->grad)
        memset(p->grad, 0, p->elements * sizeof *p->grad);
}
