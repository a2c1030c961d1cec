#include "model/quantise/params.h"

#include "base/memory.h"
#include "model/gguf/gguf_model.h"
#include "model/quantise/plan.h"
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

/* Whether it is stored in fewer bits already. */
static bool is_quantised(const lm_param *p)
{
    return p->quantised && !p->value && p->quantised->type != LM_F16 && p->quantised->type != LM_BF16;
}

/* Matrices that have a place in a GGUF file, as the plan is told of them. */
typedef struct listed {
    lm_planned *items;
    lm_gguf_weight *as;
    size_t *param;
    size_t count;
} listed;

static listed list_params(lm_model *m, const lm_gguf_names *names)
{
    size_t n = lm_params_count(m->params);
    listed l = {.items = lm_calloc(n, sizeof *l.items), .as = lm_calloc(n, sizeof *l.as), .param = lm_calloc(n, sizeof *l.param)};
    for (size_t i = 0; i < n; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        lm_gguf_weight *as = &l.as[l.count];
        lm_planned *planned = &l.items[l.count];
        if (is_quantised(p) || lm_gguf_place_of(names, p->name, as) != LM_GGUF_STORED ||
            !lm_gguf_shape_there(as, &p->shape, &planned->shape))
            continue;
        planned->name = as->there;
        planned->from = LM_F32;
        l.param[l.count++] = i;
    }
    return l;
}

static void free_list(listed *l)
{
    free(l->items);
    free(l->as);
    free(l->param);
}

static bool by_plan(lm_model *m, const lm_quantise_type *type, lm_dtype *to, lm_status *st)
{
    lm_gguf_names *names = lm_gguf_names_new(m->config, true, st);
    if (!names)
        return false;
    lm_plan_options options = {.type = type};
    lm_plan_facts facts = {.llama = strcmp(lm_gguf_names_architecture(names), "llama") == 0};
    lm_plan_facts_of(m->config, &facts);
    listed l = list_params(m, names);
    bool ok = lm_plan_types(l.items, l.count, &options, &facts, st);
    for (size_t i = 0; ok && i < l.count; i++)
        to[l.param[i]] = l.items[i].to;
    free_list(&l);
    lm_gguf_names_free(names);
    return ok;
}

bool lm_quantise_is_layer(const lm_model *m, const lm_param *p)
{
    return p->shape.dims == 2 && !p->embedding && lm_model_in_body(m, p) && lm_ends_in(p->name, ".weight");
}

bool lm_quantise_params(lm_model *m, const lm_quantise_type *type, lm_dtype *to, lm_status *st)
{
    size_t n = lm_params_count(m->params), quantised = 0;
    for (size_t i = 0; i < n; i++) {
        const lm_param *p = lm_params_at(m->params, i);
        to[i] = type->bnb && !is_quantised(p) && lm_quantise_is_layer(m, p) ? type->dtype : LM_F32;
    }
    if (!type->bnb && !by_plan(m, type, to, st))
        return false;
    for (size_t i = 0; i < n; i++)
        quantised += to[i] != LM_F32;
    return quantised > 0 || lm_fail(st, LM_FAILED, "%s: no matrix of the model would be quantised", type->name);
}
