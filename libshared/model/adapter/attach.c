/* Adapters that are stored, attached to a model. */
#include "model/adapter/adapter_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ a model's list */

lm_model_adapter *lm_model_adapter_new(lm_model *m, lm_adapter_config *config)
{
    if (!m->adapter_count)
        m->adapter_from = lm_params_count(m->params);
    m->adapters = lm_realloc(m->adapters, m->adapter_count + 1, sizeof *m->adapters);
    lm_model_adapter *a = &m->adapters[m->adapter_count++];
    *a = (lm_model_adapter){.config = config, .saved = lm_calloc(m->adapter_from + 1, sizeof *a->saved)};
    return a;
}

struct lm_adapted_part *lm_model_adapter_add(lm_model *m, const char *module, const lm_adapter_spec *spec, lm_status *st)
{
    lm_model_adapter *to = &m->adapters[m->adapter_count - 1];
    lm_adapter *a = lm_adapter_attach(m->params, module, spec, st);
    if (!a)
        return NULL;
    to->parts = lm_realloc(to->parts, to->count + 1, sizeof *to->parts);
    to->parts[to->count] = (struct lm_adapted_part){.module = lm_strdup(module), .adapter = a,
                                                    .bias = lm_params_find(m->params, lm_in(lm_in((lm_scope){""}, module), "bias").name)};
    return &to->parts[to->count++];
}

void lm_model_adapters_free(lm_model *m)
{
    for (size_t i = 0; i < m->adapter_count; i++) {
        lm_model_adapter *a = &m->adapters[i];
        for (size_t k = 0; k < a->count; k++)
            free(a->parts[k].module);
        free(a->parts);
        free(a->saved);
        lm_adapter_config_free(a->config);
        lm_safetensors_close(a->file);
        lm_bundle_close(a->bundle);
    }
    free(m->adapters);
    m->adapters = NULL;
    m->adapter_count = 0;
}

/* ------------------------------------------------------------------ names of tensors */

typedef enum role { SAVED, A, B, B_BIAS, TABLE_A, TABLE_B, MAGNITUDE } role;

static const struct {
    const char *end;
    role role;
} endings[] = {{".lora_A.weight", A},          {".lora_B.weight", B},          {".lora_B.bias", B_BIAS},
               {".lora_embedding_A", TABLE_A}, {".lora_embedding_B", TABLE_B}, {".lora_magnitude_vector", MAGNITUDE},
               {".lora_magnitude_vector.weight", MAGNITUDE}};

/* What a tensor is, and of which module or parameter. */
static role role_of(const char *name, char of[LM_NAME_MAX])
{
    static const char prefix[] = LM_ADAPTER_PREFIX, wrapped[] = ".base_layer.";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0)
        name += sizeof prefix - 1;
    size_t n = strlen(name);
    *of = '\0';
    if (n >= LM_NAME_MAX)
        return SAVED;
    memcpy(of, name, n + 1);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (lm_ends_in(name, endings[i].end)) {
            of[n - strlen(endings[i].end)] = '\0';
            return endings[i].role;
        }
    }
    char *inner = strstr(of, wrapped); /* a targeted layer's own bias */
    if (inner)
        memmove(inner + 1, inner + sizeof wrapped - 1, strlen(inner + sizeof wrapped - 1) + 1);
    return SAVED;
}

/* The tensor of a module that has this role. */
static const lm_safetensor *find(const lm_safetensors *f, const char *module, role r)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char name[sizeof LM_ADAPTER_PREFIX + 2 * LM_NAME_MAX];
        snprintf(name, sizeof name, LM_ADAPTER_PREFIX "%s%s", module, endings[i].end);
        const lm_safetensor *t = endings[i].role == r ? lm_safetensors_find(f, name) : NULL;
        if (!t && endings[i].role == r)
            t = lm_safetensors_find(f, name + sizeof LM_ADAPTER_PREFIX - 1);
        if (t)
            return t;
    }
    return NULL;
}

/* ------------------------------------------------------------------ one module */

typedef struct attaching {
    lm_model *m;
    lm_model_adapter *to;
    lm_module_matcher *matcher;
    const lm_model_options *options;
    char slot[24]; /* the adapter's own name within the table */
    lm_status *st;
} attaching;

static bool fail_shape(const attaching *x, const lm_safetensor *t, const char *what, const lm_shape *needed)
{
    lm_buf has = {0}, needs = {0};
    lm_shape_print(&t->shape, &has);
    lm_shape_print(needed, &needs);
    const char *base = x->to->config->base;
    lm_fail(x->st, LM_FAILED, "%s has shape %s, and %s %s: the adapter is of another base%s%s%s", t->name, lm_buf_cstr(&has), what,
            lm_buf_cstr(&needs), base ? " (" : "", base ? base : "", base ? ")" : "");
    lm_buf_free(&has);
    lm_buf_free(&needs);
    return false;
}

/* Points a parameter at a stored tensor. */
static bool take(const attaching *x, lm_param *p, const lm_safetensor *t, const char *what)
{
    if (!lm_shape_equal(&p->shape, &t->shape))
        return fail_shape(x, t, what, &p->shape);
    if (t->dtype != LM_F32 && t->dtype != LM_F16 && t->dtype != LM_BF16 && t->dtype != LM_F64)
        return lm_fail(x->st, LM_FAILED, "%s: dtype %s is not one that weights can have", t->name, lm_dtype_name(t->dtype));
    lm_param_point(p, t->dtype, t->data);
    return true;
}

static bool take_role(const attaching *x, lm_param *p, const char *stored, role r, const char *called)
{
    const lm_safetensor *t = find(x->to->file, stored, r);
    if (!t)
        return lm_fail(x->st, LM_FAILED, "%s: its %s is missing: the file is not whole", stored, called);
    return take(x, p, t, "this model needs");
}

/* Attaches what belongs to `t`, the A of a module. */
static bool attach(attaching *x, const lm_safetensor *t, const char *stored, role r)
{
    char name[LM_NAME_MAX], found[LM_NAME_MAX];
    const lm_adapter_config *c = x->to->config;
    lm_param *w = NULL;
    if (snprintf(name, sizeof name, "%s.weight", stored) < (int)sizeof name)
        w = lm_weights_resolve(x->m, name, found);
    if (!w)
        return lm_fail(x->st, LM_FAILED, "%s: this model has no module of that name: the adapter is of another base%s%s%s", stored,
                       c->base ? " (" : "", c->base ? c->base : "", c->base ? ")" : "");
    found[strlen(found) - strlen(".weight")] = '\0';
    if (t->shape.dims != 2 || t->shape.size[0] < 1 || t->shape.size[0] > INT32_MAX)
        return lm_fail(x->st, LM_FAILED, "%s: is no matrix: the file is damaged", t->name);
    int rank = (int)t->shape.size[0], said = lm_module_rank(x->matcher, stored);
    if (rank != said)
        return lm_fail(x->st, LM_FAILED, "%s has rank %d, and r in %s says %d: the two files do not belong together", t->name, rank,
                       LM_ADAPTER_CONFIG, said);
    lm_adapter_spec spec = {.place = r == TABLE_A ? LM_ADAPTS_TABLE : LM_ADAPTS_LAYER, .rank = rank,
                            .scale = lm_module_scale(x->matcher, stored, rank), .dropout = c->dropout, .magnitude = c->dora,
                            .bias = find(x->to->file, stored, B_BIAS) != NULL, .name = x->slot};
    struct lm_adapted_part *part = lm_model_adapter_add(x->m, found, &spec, x->st);
    if (!part)
        return false;
    const lm_adapter *a = part->adapter;
    return take(x, a->a, t, "this model needs") && take_role(x, a->b, stored, r == TABLE_A ? TABLE_B : B, "B") &&
           (!a->bias || take_role(x, a->bias, stored, B_BIAS, "bias of B")) &&
           (!a->magnitude || take_role(x, a->magnitude, stored, MAGNITUDE, "magnitude"));
}

/* A whole parameter of the model. */
static bool replace(attaching *x, const lm_safetensor *t, const char *stored)
{
    char found[LM_NAME_MAX];
    lm_param *p = *stored ? lm_weights_resolve(x->m, stored, found) : NULL;
    if (!p || p->index >= x->m->adapter_from)
        return lm_fail(x->st, LM_FAILED, "%s: is of no use to this model: the adapter is of another base, or of another task",
                       t->name);
    bool head = p->index >= x->m->head_from, spare = x->options->allow_missing_head && !lm_shape_equal(&p->shape, &t->shape);
    if (head && (spare || x->options->fresh_head)) {
        lm_info("%s: %s is dropped: the head begins anew", lm_bundle_name(x->to->bundle), p->name);
        return true;
    }
    for (size_t i = 0; i + 1 < x->m->adapter_count; i++)
        if (x->m->adapters[i].saved[p->index])
            return lm_fail(x->st, LM_FAILED, "%s: another adapter brings it, too: merge one of them first", p->name);
    x->to->saved[p->index] = true;
    return take(x, p, t, "this model's is");
}

/* ------------------------------------------------------------------ the whole */

static bool open_weights(lm_model_adapter *to, lm_status *st)
{
    lm_map map;
    if (!lm_bundle_has(to->bundle, LM_ADAPTER_WEIGHTS))
        return lm_fail(st, LM_FAILED, "%s: no %s%s", lm_bundle_name(to->bundle), LM_ADAPTER_WEIGHTS,
                       lm_bundle_has(to->bundle, "adapter_model.bin") ? ": adapter_model.bin is a pickle, which can run any code "
                                                                       "and is never read: convert it" : "");
    char *where = lm_bundle_file(to->bundle, LM_ADAPTER_WEIGHTS);
    if (lm_bundle_map(to->bundle, LM_ADAPTER_WEIGHTS, &map, st))
        to->file = lm_safetensors_from_memory(map.bytes, map.size, where, st);
    free(where);
    return to->file != NULL;
}

static bool attach_all(attaching *x)
{
    char stored[LM_NAME_MAX];
    size_t others = 0;
    for (size_t i = 0; i < lm_safetensors_count(x->to->file); i++) {
        const lm_safetensor *t = lm_safetensors_at(x->to->file, i);
        role r = role_of(t->name, stored);
        if ((r == A || r == TABLE_A) && !attach(x, t, stored, r))
            return false;
        if (r == SAVED && !replace(x, t, stored))
            return false;
        others += r != A && r != TABLE_A && r != SAVED;
    }
    for (size_t i = 0; i < x->to->count; i++) { /* each A has found its own */
        const lm_adapter *a = x->to->parts[i].adapter;
        others -= 1 + (a->bias != NULL) + (a->magnitude != NULL);
    }
    if (others)
        return lm_fail(x->st, LM_FAILED, "%zu tensors belong to an A that is missing, or to DoRA, of which use_dora says nothing: "
                       "the file is not whole", others);
    if (!x->to->count)
        lm_warn("%s: adapts nothing", lm_bundle_name(x->to->bundle));
    return true;
}

bool lm_model_attach(lm_model *m, lm_bundle *adapter, const lm_model_options *options, lm_status *st)
{
    lm_adapter_config *c = lm_adapter_config_read(adapter, st);
    if (!c)
        return false;
    attaching x = {.m = m, .options = options, .st = st};
    if (m->adapter_count)
        snprintf(x.slot, sizeof x.slot, "%zu", m->adapter_count);
    x.to = lm_model_adapter_new(m, c);
    x.to->bundle = lm_bundle_ref(adapter);
    x.matcher = open_weights(x.to, st) ? lm_module_matcher_new(c, st) : NULL;
    bool ok = x.matcher && attach_all(&x) && lm_adapter_reduce(m, x.to, st);
    if (!ok) {
        st->code = LM_FAILED; /* an expression that would be wrong usage on a command line is damage in a file */
        if (!strstr(st->message, lm_bundle_name(adapter)))
            lm_fail_prefix(st, lm_bundle_name(adapter));
    }
    lm_module_matcher_free(x.matcher);
    return ok;
}
