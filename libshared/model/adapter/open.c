/* BASE+ADAPTER: what is looked at before the model is made, and what is done when its weights are there. */
#include "model/adapter/adapter_internal.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ paths */

/* The base of an adapter that is given alone: its base_model_name_or_path, from here or from the adapter's directory. */
static char *find_base(lm_bundle *b, const char *path, lm_status *st)
{
    lm_adapter_config *c = lm_adapter_config_read(b, st);
    if (!c)
        return NULL;
    size_t n = strlen(path);
    char *beside = c->base ? lm_format("%s%s%s", path, n && path[n - 1] == '/' ? "" : "/", c->base) : NULL, *found = NULL;
    if (c->base && lm_bundle_at(c->base))
        found = lm_strdup(c->base);
    else if (beside && c->base[0] != '/' && lm_bundle_at(beside))
        found = lm_strdup(beside);
    else
        lm_fail(st, LM_FAILED, "%s: is an adapter of %s, which is not there: say where its base is, as in -m BASE+%s", path,
                c->base ? c->base : "a model that it does not name", path);
    free(beside);
    lm_adapter_config_free(c);
    return found;
}

static bool is_adapter(const lm_bundle *b)
{
    return lm_bundle_has(b, LM_ADAPTER_CONFIG) && !lm_bundle_has(b, "model.safetensors") &&
           !lm_bundle_has(b, "model.safetensors.index.json");
}

/* A path that is an adapter's alone gets its base before it. */
static bool add_base(lm_adapter_stack *s, lm_status *st)
{
    lm_bundle *b = lm_bundle_open(s->parts[0], st);
    char *base = NULL;
    bool alone = b && is_adapter(b);
    if (alone)
        base = find_base(b, s->parts[0], st);
    lm_bundle_close(b);
    if (base) {
        s->parts = lm_realloc(s->parts, s->count + 1, sizeof *s->parts);
        memmove(s->parts + 1, s->parts, s->count++ * sizeof *s->parts);
        s->parts[0] = base;
    }
    return lm_ok(st);
}

bool lm_adapter_stack_open(lm_adapter_stack *s, const char *path, const char *const *more, size_t count, lm_status *st)
{
    *s = (lm_adapter_stack){0};
    s->count = lm_bundle_parts(path, &s->parts);
    if (!add_base(s, st))
        return false;
    s->parts = lm_realloc(s->parts, s->count + count, sizeof *s->parts);
    for (size_t i = 0; i < count; i++)
        s->parts[s->count++] = lm_strdup(more[i]);
    s->bundles = lm_calloc(s->count, sizeof(lm_bundle *));
    for (size_t i = 1; i < s->count; i++) {
        s->bundles[i - 1] = lm_bundle_open(s->parts[i], st);
        if (!s->bundles[i - 1])
            return false;
        if (!is_adapter(s->bundles[i - 1]))
            return lm_fail(st, LM_FAILED, "%s: is no adapter: a directory with %s and %s is expected after the +", s->parts[i],
                           LM_ADAPTER_CONFIG, LM_ADAPTER_WEIGHTS);
    }
    return true;
}

void lm_adapter_stack_close(lm_adapter_stack *s)
{
    for (size_t i = 0; s->bundles && i + 1 < s->count; i++)
        lm_bundle_close(s->bundles[i]);
    free(s->bundles);
    lm_bundle_parts_free(s->parts, s->count);
    free(s->task);
}

/* ------------------------------------------------------------------ the head that an adapter is for */

/* What an adapter's own config.json says of its head. */
static bool take_members(lm_bundle *b, lm_config *c, lm_status *st)
{
    static const char *const about[] = {"architectures", "pad_token_id", "problem_type"};
    lm_config *own = lm_config_open(b, st);
    if (!own)
        return false;
    const char *type = lm_config_string(own, "model_type", ""), *base = lm_config_string(c, "model_type", "");
    if (*type && strcmp(type, base) != 0)
        lm_fail(st, LM_FAILED, "%s: the adapter is of a %s, and the base is a %s", lm_bundle_name(b), type, base);
    json_t *some = json_object();
    for (size_t i = 0; i < sizeof about / sizeof *about; i++)
        if (lm_config_member(own, about[i]))
            json_object_set(some, about[i], (json_t *)lm_config_member(own, about[i]));
    char *text = json_dumps(some, 0);
    lm_config_replace(c, text);
    free(text);
    json_decref(some);
    int n = lm_config_labels(own);
    const char **names = lm_calloc((size_t)n + 1, sizeof *names);
    for (int i = 0; i < n; i++)
        names[i] = lm_config_label(own, i);
    lm_config_set_labels(c, names, n);
    free(names);
    lm_config_free(own);
    return lm_ok(st);
}

/* The classes of a head are the rows of its last matrix. */
static bool count_classes(lm_bundle *b, int *classes, lm_status *st)
{
    static const char *const ends[] = {".classifier.weight", ".score.weight", ".classifier.out_proj.weight",
                                       ".classification_head.out_proj.weight"};
    lm_map map;
    char *where = lm_bundle_file(b, LM_ADAPTER_WEIGHTS);
    lm_safetensors *f = lm_bundle_map(b, LM_ADAPTER_WEIGHTS, &map, st) ? lm_safetensors_from_memory(map.bytes, map.size, where, st)
                                                                       : NULL;
    for (size_t i = 0; f && i < lm_safetensors_count(f); i++) {
        const lm_safetensor *t = lm_safetensors_at(f, i);
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            if (lm_ends_in(t->name, ends[k]) && t->shape.dims == 2 && t->shape.size[0] <= 1 << 20)
                *classes = (int)t->shape.size[0];
        }
    }
    lm_safetensors_close(f);
    free(where);
    return f != NULL;
}

/* An adapter of PEFT's own says what its task is, and its tensors how many classes there are. */
static bool take_task(lm_adapter_stack *s, lm_bundle *b, lm_config *c, lm_status *st)
{
    lm_adapter_config *settings = lm_adapter_config_read(b, st);
    int classes = 0;
    const char *head = settings && settings->task_type ? lm_adapter_head_of(settings->task_type) : NULL;
    if (head) {
        free(s->task);
        s->task = lm_strdup(head);
    }
    lm_adapter_config_free(settings);
    if (!lm_ok(st) || !c || !s->task || !count_classes(b, &classes, st) || !classes || classes == lm_config_labels(c))
        return lm_ok(st);
    char **names = lm_calloc((size_t)classes, sizeof *names);
    for (int i = 0; i < classes; i++)
        names[i] = lm_format("LABEL_%d", i);
    lm_config_set_labels(c, (const char *const *)names, classes);
    for (int i = 0; i < classes; i++)
        free(names[i]);
    free(names);
    return true;
}

bool lm_adapter_stack_adapt(lm_adapter_stack *s, lm_config *c, lm_status *st)
{
    for (size_t i = 0; i + 1 < s->count; i++) {
        bool own = lm_bundle_has(s->bundles[i], "config.json");
        if (own ? c && !take_members(s->bundles[i], c, st) : !take_task(s, s->bundles[i], c, st))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ attaching */

/* Parameters that nobody has given values: they were initialised to begin with. */
static bool check_head(const lm_model *m, lm_status *st)
{
    lm_buf missing = {0};
    for (size_t i = m->head_from; i < m->adapter_from; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        if (p->owned && p->data == p->value)
            lm_buf_printf(&missing, "%s%s", missing.len ? ", " : "", p->name);
    }
    if (missing.len)
        lm_fail(st, LM_FAILED, "%s: %s: neither the base nor an adapter has it: the adapter is of another base, or task", m->path,
                lm_buf_cstr(&missing));
    lm_buf_free(&missing);
    return lm_ok(st);
}

bool lm_adapter_stack_attach(const lm_adapter_stack *s, lm_model *m, const lm_model_options *options, lm_status *st)
{
    for (size_t i = 0; i + 1 < s->count; i++)
        if (!lm_model_attach(m, s->bundles[i], options, st))
            return false;
    return options->allow_missing_head || check_head(m, st);
}

/* The base's values, changed; no file is needed for them any more. */
static bool merge_param(const lm_model *m, lm_param *p, lm_status *st)
{
    if (!lm_param_own(p, st))
        return false;
    float *scratch = p->adapter ? lm_try_malloc(p->elements, sizeof *scratch, p->name, st) : NULL;
    for (size_t k = 0; k < m->adapter_count && lm_ok(st); k++)
        lm_model_adapter_apply(&m->adapters[k], p, 1, p->value, scratch, st);
    free(scratch);
    p->data = p->value;
    p->dtype = LM_F32;
    return lm_ok(st);
}

bool lm_model_merge(lm_model *m, lm_status *st)
{
    if (!lm_adapters_may_merge(m, st))
        return false;
    for (size_t i = 0; i < m->adapter_from; i++) {
        lm_param *p = lm_params_at(m->params, i);
        bool changed = lm_adapters_change(m, p);
        for (size_t k = 0; k < m->adapter_count; k++)
            changed |= m->adapters[k].saved[i];
        if (changed && !merge_param(m, p, st))
            return false;
    }
    for (size_t i = 0; i < m->adapter_from; i++) /* now that biases, too, have what is theirs of them */
        lm_adapter_detach(lm_params_at(m->params, i));
    lm_params_forget(m->params, m->adapter_from);
    lm_model_adapters_free(m);
    return true;
}
