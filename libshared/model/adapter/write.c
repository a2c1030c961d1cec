/* A model's last adapter, in PEFT's form. */
#include "model/adapter/adapter_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static lm_model_adapter *last_of(lm_model *m)
{
    return &m->adapters[m->adapter_count - 1];
}

/* ------------------------------------------------------------------ settings */

/* A start that is subtracted becomes the second half of the rank; scale is to stay what it is. */
static void double_rank(lm_adapter_config *c)
{
    double factor = c->rslora ? sqrt(2) : 2;
    c->r *= 2;
    c->alpha *= factor;
    for (size_t i = 0; i < c->rank_patterns; i++)
        c->rank_pattern[i].value *= 2;
    for (size_t i = 0; i < c->alpha_patterns; i++)
        c->alpha_pattern[i].value *= factor;
}

static bool has_start(const lm_model_adapter *a)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->parts[i].start)
            return true;
    return false;
}

static bool write_settings(const lm_model_adapter *a, const char *base, lm_bundle_writer *w, lm_status *st)
{
    lm_adapter_config c = *a->config;
    bool starts = has_start(a), loftq = strcmp(c.init, "loftq") == 0;
    size_t ranks = c.rank_patterns * sizeof *c.rank_pattern, alphas = c.alpha_patterns * sizeof *c.alpha_pattern;
    char own_start[] = "true";
    lm_buf text = {0};
    c.rank_pattern = lm_malloc(ranks + 1, 1);
    c.alpha_pattern = lm_malloc(alphas + 1, 1);
    memcpy(c.rank_pattern, a->config->rank_pattern ? a->config->rank_pattern : c.rank_pattern, ranks);
    memcpy(c.alpha_pattern, a->config->alpha_pattern ? a->config->alpha_pattern : c.alpha_pattern, alphas);
    if (starts)
        double_rank(&c);
    if (starts || loftq) /* the base is what it was */
        c.init = own_start;
    if (base)
        c.base = (char *)base;
    lm_adapter_config_print(&c, &text);
    free(c.rank_pattern);
    free(c.alpha_pattern);
    bool ok = lm_bundle_put(w, LM_ADAPTER_CONFIG, text.data, text.len, st);
    lm_buf_free(&text);
    return ok;
}

bool lm_adapter_write_config(lm_model *m, const char *base, lm_bundle_writer *w, lm_status *st)
{
    lm_buf text = {0};
    lm_config_print(m->config, &text);
    bool ok = lm_bundle_put(w, "config.json", text.data, text.len, st) && write_settings(last_of(m), base, w, st);
    lm_buf_free(&text);
    return ok;
}

/* ------------------------------------------------------------------ tensors */

typedef struct tensors {
    lm_safetensor *list;
    size_t count, cap;
    float **made; /* of those that are put together here */
    size_t made_count;
    lm_dtype dtype; /* of what was trained; LM_DTYPE_COUNT: as it was loaded */
} tensors;

static void free_tensors(tensors *t)
{
    for (size_t i = 0; i < t->count; i++)
        free((char *)t->list[i].name);
    for (size_t i = 0; i < t->made_count; i++)
        free(t->made[i]);
    free(t->made);
    free(t->list);
}

static bool add(tensors *t, char *name, lm_dtype from, const void *data, const lm_shape *shape, lm_status *st)
{
    lm_dtype to = t->dtype == LM_DTYPE_COUNT ? from : t->dtype;
    LM_GROW(t->list, t->count, t->cap);
    lm_safetensor *s = &t->list[t->count++];
    *s = (lm_safetensor){.name = name, .dtype = to, .shape = *shape, .data = data, .from = from, .converted = to != from};
    return lm_tensor_bytes(to, shape, &s->bytes) || lm_fail(st, LM_FAILED, "%s: its size overflows", name);
}

/* A parameter: from its values where it was trained, else as it was loaded. */
static bool add_param(tensors *t, char *name, lm_param *p, lm_status *st)
{
    bool stored = !p->owned && p->data && !p->trainable;
    if (!stored && !lm_param_ready(p, st)) {
        free(name);
        return false;
    }
    return add(t, name, stored ? p->dtype : LM_F32, stored ? p->data : p->value, &p->shape, st);
}

/* [A; A0] or [B, -B0]: the start is taken away. NULL: zeros in its place, for a part that has none beside others that do. */
static bool add_joined(tensors *t, char *name, const lm_param *now, const lm_param *start, bool rows, lm_status *st)
{
    size_t r = (size_t)now->shape.size[0], c = (size_t)now->shape.size[1];
    lm_shape shape = now->shape;
    float *joined = lm_calloc(2 * r * c, sizeof *joined);
    t->made = lm_realloc(t->made, t->made_count + 1, sizeof *t->made);
    t->made[t->made_count++] = joined;
    shape.size[rows ? 0 : 1] *= 2;
    if (rows) {
        memcpy(joined, now->value, r * c * sizeof *joined);
        if (start)
            memcpy(joined + r * c, start->value, r * c * sizeof *joined);
    }
    for (size_t i = 0; !rows && i < r; i++) {
        memcpy(joined + 2 * i * c, now->value + i * c, c * sizeof *joined);
        for (size_t j = 0; start && j < c; j++)
            joined[(2 * i + 1) * c + j] = -start->value[i * c + j];
    }
    return add(t, name, LM_F32, joined, &shape, st);
}

static char *name_of(const char *module, const char *end)
{
    return lm_format(LM_ADAPTER_PREFIX "%s.%s", module, end);
}

static bool add_part(tensors *t, const struct lm_adapted_part *part, bool doubled, lm_status *st)
{
    const lm_adapter *a = part->adapter;
    bool table = a->place == LM_ADAPTS_TABLE;
    const char *of_a = table ? "lora_embedding_A" : "lora_A.weight", *of_b = table ? "lora_embedding_B" : "lora_B.weight";
    const lm_adapter *start = part->start;
    bool ok;
    if (doubled)
        ok = lm_param_ready(a->a, st) && lm_param_ready(a->b, st) &&
             add_joined(t, name_of(part->module, of_a), a->a, start ? start->a : NULL, true, st) &&
             add_joined(t, name_of(part->module, of_b), a->b, start ? start->b : NULL, false, st);
    else
        ok = add_param(t, name_of(part->module, of_a), a->a, st) && add_param(t, name_of(part->module, of_b), a->b, st);
    if (ok && a->bias)
        ok = add_param(t, name_of(part->module, "lora_B.bias"), a->bias, st);
    if (ok && a->magnitude)
        ok = add_param(t, name_of(part->module, "lora_magnitude_vector"), a->magnitude, st);
    return ok;
}

/* A parameter of the model: the bias of an adapted layer has PEFT's name for what it wraps. */
static bool add_saved(tensors *t, const lm_model_adapter *from, lm_param *p, lm_status *st)
{
    for (size_t i = 0; i < from->count; i++) {
        if (from->parts[i].bias == p)
            return add_param(t, name_of(from->parts[i].module, "base_layer.bias"), p, st);
    }
    return add_param(t, lm_format(LM_ADAPTER_PREFIX "%s", p->name), p, st);
}

bool lm_adapter_write_weights(lm_model *m, lm_bundle_writer *w, const lm_save_options *save, lm_status *st)
{
    const lm_model_adapter *a = last_of(m);
    tensors t = {.dtype = lm_save_dtype_of(save ? save->dtype : LM_SAVE_AUTO, LM_DTYPE_COUNT)};
    bool doubled = has_start(a);
    for (size_t i = 0; i < a->count && lm_ok(st); i++)
        add_part(&t, &a->parts[i], doubled, st);
    for (size_t i = 0; i < m->adapter_from && lm_ok(st); i++)
        if (a->saved[i])
            add_saved(&t, a, lm_params_at(m->params, i), st);
    lm_buf bytes = {0};
    bool ok = lm_ok(st) && lm_safetensors_write_to(lm_buf_write, &bytes, LM_ADAPTER_WEIGHTS, t.list, t.count, st) &&
              lm_bundle_put(w, LM_ADAPTER_WEIGHTS, bytes.data, bytes.len, st);
    lm_buf_free(&bytes);
    free_tensors(&t);
    return ok;
}
