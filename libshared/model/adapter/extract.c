/* Adapters from the difference of two models, and adapters with another scale. */
#include "model/adapter/merge.h"
#include "model/adapter/adapter_internal.h"
#include "model/adapter/svd.h"

#include "base/log.h"
#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct extracting {
    lm_model *full, *base;
    lm_merge_report *report;
    lm_status *st;
} extracting;

/* Of the change of a matrix the part of the adapter's rank. */
static bool extract(extracting *x, const struct lm_adapted_part *part)
{
    const lm_param *w = part->adapter->weight, *of = lm_params_find(x->full->params, w->name);
    lm_merge_report *r = x->report;
    float *change = lm_try_malloc(w->elements, sizeof *change, w->name, x->st);
    float *base = change ? lm_try_malloc(w->elements, sizeof *base, w->name, x->st) : NULL;
    bool ok = base && of && lm_param_read(of, change, x->st) && lm_param_read(w, base, x->st);
    if (ok) {
        lm_vector_axpy(-1, base, change, w->elements);
        double all = lm_vector_sum_squares(change, w->elements);
        ok = lm_adapter_approximate(part->adapter, change, -1, x->st) && lm_adapter_delta(part->adapter, base, x->st);
        lm_vector_axpy(-1, base, change, w->elements);
        double held = all > 0 ? 1 - lm_vector_sum_squares(change, w->elements) / all : 1;
        if (ok && (!r->where || held < r->largest_ratio)) {
            free(r->where);
            r->where = lm_strdup(w->name);
            r->largest_ratio = held;
        }
        r->tensors++;
    }
    free(change);
    free(base);
    return ok;
}

static bool same_values(const lm_param *a, const lm_param *b, lm_status *st)
{
    float *x = lm_try_malloc(a->elements, sizeof *x, a->name, st), *y = x ? lm_try_malloc(a->elements, sizeof *y, a->name, st) : NULL;
    bool same = y && lm_param_read(a, x, st) && lm_param_read(b, y, st) && memcmp(x, y, a->elements * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

/* The other parameters: those that go with the adapter are taken from `full`, as is a head that the base lacks; others that differ
 * are said. */
static bool take_others(extracting *x)
{
    lm_model_adapter *to = &x->base->adapters[0];
    lm_buf differ = {0};
    int count = 0;
    for (size_t i = 0; i < x->base->adapter_from && lm_ok(x->st); i++) {
        lm_param *p = lm_params_at(x->base->params, i), *of = lm_params_find(x->full->params, p->name);
        if (p->adapter || !of)
            continue;
        to->saved[i] |= i >= x->base->head_from && p->owned && p->data == p->value;
        if (to->saved[i])
            lm_param_point(p, of->dtype, of->data);
        else if (!same_values(p, of, x->st) && count++ < 5)
            lm_buf_printf(&differ, "%s%s", differ.len ? ", " : "", p->name);
    }
    if (count && lm_ok(x->st))
        lm_warn("%d parameters differ that the adapter does not hold (%s%s): --modules-to-save or other targets would",
                count, lm_buf_cstr(&differ), count > 5 ? ", ..." : "");
    lm_buf_free(&differ);
    return lm_ok(x->st);
}

static bool check_shapes(const extracting *x)
{
    for (size_t i = 0; i < lm_params_count(x->base->params); i++) {
        const lm_param *p = lm_params_at(x->base->params, i), *of = lm_params_find(x->full->params, p->name);
        if (of && lm_shape_equal(&p->shape, &of->shape))
            continue;
        lm_buf one = {0}, two = {0};
        lm_shape_print(&p->shape, &one);
        if (of)
            lm_shape_print(&of->shape, &two);
        lm_fail(x->st, LM_FAILED, "%s is %s in the base, and %s in the other model: they are not of one network", p->name,
                lm_buf_cstr(&one), of ? lm_buf_cstr(&two) : "not there");
        lm_buf_free(&one);
        lm_buf_free(&two);
        return false;
    }
    return true;
}

bool lm_adapter_extract(const char *full, const char *base, lm_adapter_config *config, const char *plugin_path,
                        lm_bundle_writer *w, lm_merge_report *report, lm_status *st)
{
    extracting x = {.report = report, .st = st};
    *report = (lm_merge_report){0};
    if (config->dora || strcmp(config->init, "true") != 0)
        return lm_fail(st, LM_USAGE, "extracting: an ordinary adapter is what comes of it: leave DoRA and init_lora_weights out");
    x.full = lm_model_open(full, &(lm_model_options){.plugin_path = plugin_path, .merge_adapters = true}, st);
    lm_config *c = x.full ? lm_model_config(full, st) : NULL; /* with the classes of its head */
    if (c)
        x.base = lm_model_open(base, &(lm_model_options){.plugin_path = plugin_path, .task = x.full->head->name, .quiet = true,
                                                         .allow_missing_head = true, .merge_adapters = true, .config = c}, st);
    bool ok = x.base && check_shapes(&x) && lm_model_adapt(x.base, config, 0, NULL, st);
    for (size_t i = 0; ok && i < x.base->adapters[0].count; i++)
        ok = extract(&x, &x.base->adapters[0].parts[i]);
    ok = ok && take_others(&x) && lm_adapter_write_config(x.base, base, w, st) &&
         (!lm_model_has_tokenizer(full) || lm_model_copy_tokenizer(full, w, st)) && lm_adapter_write_weights(x.base, w, NULL, st);
    if (x.base && x.base->adapter_count)
        x.base->adapters[0].config = NULL; /* the caller's */
    lm_model_free(x.base);
    lm_model_free(x.full);
    return ok;
}

/* ------------------------------------------------------------------ scale */

bool lm_adapter_rescale(const char *adapter, double factor, lm_bundle_writer *w, lm_status *st)
{
    lm_bundle *b = lm_bundle_open(adapter, st);
    lm_adapter_config *c = b ? lm_adapter_config_read(b, st) : NULL;
    lm_buf text = {0};
    if (c && c->dora)
        lm_fail(st, LM_USAGE, "%s: what DoRA changes is no multiple of alpha: merge it with a weight instead", adapter);
    else if (c && lm_adapter_needs_start(c))
        lm_fail(st, LM_USAGE, "%s: init_lora_weights: %s: what it began with is taken from the base at this scale alone: train it on for "
                "a step, which converts it, or merge it with a weight", adapter, c->init);
    else if (c && !isfinite(factor))
        lm_fail(st, LM_USAGE, "a factor of %g: give a number", factor);
    if (c && lm_ok(st)) {
        c->alpha *= factor;
        for (size_t i = 0; i < c->alpha_patterns; i++)
            c->alpha_pattern[i].value *= factor;
        lm_adapter_config_print(c, &text);
        static const char *const own[] = {"config.json", NULL};
        for (size_t i = 0; own[i] && lm_ok(st); i++)
            if (lm_bundle_has(b, own[i]))
                lm_bundle_copy(w, b, own[i], st);
        if (lm_ok(st) && lm_bundle_put(w, LM_ADAPTER_CONFIG, text.data, text.len, st)) {
            for (size_t i = 0; lm_model_files[i] && lm_ok(st); i++)
                if (lm_bundle_has(b, lm_model_files[i]))
                    lm_bundle_copy(w, b, lm_model_files[i], st);
            if (lm_ok(st))
                lm_bundle_copy(w, b, LM_ADAPTER_WEIGHTS, st);
        }
    }
    lm_buf_free(&text);
    lm_adapter_config_free(c);
    lm_bundle_close(b);
    return lm_ok(st);
}
