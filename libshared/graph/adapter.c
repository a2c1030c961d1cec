/* Adapters in the table of parameters. */
#include "graph/adapter.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool check(const lm_param *w, const char *module, const lm_adapter_spec *spec, lm_status *st)
{
    if (!w)
        return lm_fail(st, LM_FAILED, "%s: there is no %s.weight to adapt in this model", module, module);
    if (w->shape.dims != 2 || w->lazy)
        return lm_fail(st, LM_FAILED, "%s: its weight is no matrix of a layer: leave it out of the target modules", module);
    if (spec->rank < 1)
        return lm_fail(st, LM_FAILED, "%s: an adapter of rank %d: 1 is the least", module, spec->rank);
    for (const lm_adapter *a = w->adapter; a; a = a->next)
        if (a->place == spec->place && (a->magnitude || spec->magnitude))
            return lm_fail(st, LM_FAILED, "%s: DoRA has the layer to itself: merge the other adapter into the model first",
                           module);
    return true;
}

/* "MODULE.lora_A.weight", with the adapter's own name before the last part: at the end of the table. */
static lm_param *enter(lm_params *p, const char *module, const char *what, const char *name, const char *last, int64_t rows,
                       int64_t columns, lm_init init, lm_status *st)
{
    lm_declare *d = lm_declare_begin(p);
    lm_scope scope = lm_in(lm_in(lm_in((lm_scope){""}, module), what), name);
    lm_declare_param(d, scope, last, (int64_t[4]){rows, columns}, init);
    return lm_declare_end(d, st) ? lm_params_at(p, lm_params_count(p) - 1) : NULL;
}

/* The parameters, as PEFT begins: kaiming_uniform(a = sqrt 5) and zeros; of tables, zeros and normal(1). */
static bool enter_all(lm_params *p, const char *module, const lm_adapter_spec *spec, lm_adapter *a, lm_status *st)
{
    const lm_param *w = a->weight;
    bool table = spec->place == LM_ADAPTS_TABLE, across = table || w->transposed;
    int64_t in = w->shape.size[across ? 0 : 1], out = w->shape.size[across ? 1 : 0];
    lm_init zero = {LM_INIT_ZERO, 0}, one = {LM_INIT_ONE, 0};
    if (table) {
        a->a = enter(p, module, "lora_embedding_A", spec->name, "", spec->rank, in, zero, st);
        a->b = a->a ? enter(p, module, "lora_embedding_B", spec->name, "", out, spec->rank, lm_normal(1), st) : NULL;
    } else {
        a->a = enter(p, module, "lora_A", spec->name, "weight", spec->rank, in, lm_uniform(1 / sqrt((double)in)), st);
        a->b = a->a ? enter(p, module, "lora_B", spec->name, "weight", out, spec->rank, zero, st) : NULL;
    }
    if (a->b && spec->bias)
        a->bias = enter(p, module, "lora_B", spec->name, "bias", out, 0, zero, st);
    if (lm_ok(st) && spec->magnitude)
        a->magnitude = enter(p, module, "lora_magnitude_vector", spec->name, "", out, 0, one, st);
    return lm_ok(st);
}

static uint32_t count_adapters(lm_params *p)
{
    uint32_t n = 0;
    for (size_t i = 0; i < lm_params_count(p); i++)
        for (const lm_adapter *a = lm_params_at(p, i)->adapter; a; a = a->next)
            n++;
    return n;
}

lm_adapter *lm_adapter_attach(lm_params *p, const char *module, const lm_adapter_spec *spec, lm_status *st)
{
    lm_param *w = lm_params_find(p, lm_in(lm_in((lm_scope){""}, module), "weight").name);
    if (!check(w, module, spec, st))
        return NULL;
    lm_adapter *a = lm_calloc(1, sizeof *a), **end = &w->adapter;
    *a = (lm_adapter){.weight = w, .place = spec->place, .rank = spec->rank, .scale = spec->scale, .dropout = spec->dropout,
                      .number = count_adapters(p)};
    if (!enter_all(p, module, spec, a, st)) {
        free(a);
        return NULL;
    }
    while (*end)
        end = &(*end)->next;
    *end = a;
    return a;
}

void lm_adapter_detach(lm_param *weight)
{
    for (lm_adapter *a = weight->adapter; a;) {
        lm_adapter *next = a->next;
        free(a->squares);
        free(a->norms);
        free(a);
        a = next;
    }
    weight->adapter = NULL;
}
