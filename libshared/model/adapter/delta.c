/* Weights and what adapters change in them, as matrices. */
#include "model/adapter/adapter_internal.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_across(const lm_adapter *a)
{
    return a->place == LM_ADAPTS_TABLE || a->weight->transposed;
}

bool lm_adapter_delta(const lm_adapter *a, float *out, lm_status *st)
{
    if (!lm_param_ready(a->a, st) || !lm_param_ready(a->b, st))
        return false;
    int in = (int)a->a->shape.size[1], outputs = (int)a->b->shape.size[0], r = a->rank;
    if (!is_across(a)) {
        lm_linear_transposed_forward(a->b->value, a->a->value, in, NULL, out, outputs, in, r);
    } else {
        float *turned = lm_malloc((size_t)in * (size_t)r, sizeof *turned); /* A^T */
        for (size_t k = 0; k < (size_t)r; k++)
            for (size_t j = 0; j < (size_t)in; j++)
                turned[j * (size_t)r + k] = a->a->value[k * (size_t)in + j];
        lm_linear_forward(turned, a->b->value, NULL, out, in, outputs, r);
        free(turned);
    }
    lm_vector_scale(a->scale, out, out, (size_t)in * (size_t)outputs);
    return true;
}

void lm_adapter_norms(const lm_adapter *a, const float *values, float *norm)
{
    bool across = is_across(a);
    size_t rows = (size_t)a->weight->shape.size[0], columns = (size_t)a->weight->shape.size[1], outputs = across ? columns : rows;
    double *sum = lm_calloc(outputs, sizeof *sum);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            sum[across ? c : r] += (double)values[r * columns + c] * (double)values[r * columns + c];
    for (size_t o = 0; o < outputs; o++)
        norm[o] = (float)sqrt(sum[o]);
    free(sum);
}

bool lm_adapter_apply(const lm_adapter *a, float factor, float *values, float *scratch, lm_status *st)
{
    size_t rows = (size_t)a->weight->shape.size[0], columns = (size_t)a->weight->shape.size[1];
    if (!lm_adapter_delta(a, scratch, st) || (a->magnitude && !lm_param_ready(a->magnitude, st)))
        return false;
    if (!a->magnitude) {
        lm_vector_axpy(factor, scratch, values, rows * columns);
        return true;
    }
    /* what DoRA makes of W, less W, `factor` times */
    bool across = is_across(a);
    float *norm = lm_malloc(across ? columns : rows, sizeof *norm);
    lm_vector_axpy(1, values, scratch, rows * columns);
    lm_adapter_norms(a, scratch, norm);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            size_t o = across ? c : r, at = r * columns + c;
            float whole = scratch[at] * (a->magnitude->value[o] / norm[o]);
            values[at] += factor == 1 ? whole - values[at] : factor * (whole - values[at]);
        }
    }
    free(norm);
    return true;
}

bool lm_model_adapter_apply(const lm_model_adapter *of, const lm_param *p, float factor, float *values, float *scratch, lm_status *st)
{
    for (size_t i = 0; i < of->count; i++) {
        const struct lm_adapted_part *part = &of->parts[i];
        const lm_adapter *both[] = {part->adapter, part->start};
        for (int j = 0; j < 2; j++)
            if (both[j] && both[j]->weight == p && !lm_adapter_apply(both[j], factor, values, scratch, st))
                return false;
        lm_param *bias = part->bias == p ? part->adapter->bias : NULL;
        if (bias && !lm_param_ready(bias, st))
            return false;
        if (bias)
            lm_vector_axpy(factor * part->adapter->scale, bias->value, values, bias->elements);
    }
    return true;
}

bool lm_adapters_change(const lm_model *m, const lm_param *p)
{
    bool changes = p->adapter != NULL;
    for (size_t k = 0; k < m->adapter_count; k++)
        for (size_t i = 0; i < m->adapters[k].count; i++)
            changes |= m->adapters[k].parts[i].bias == p && m->adapters[k].parts[i].adapter->bias;
    return changes;
}

bool lm_adapters_may_merge(const lm_model *m, lm_status *st)
{
    for (size_t i = 0; i < lm_params_aliases(m->params); i++) {
        lm_param *p;
        const char *name = lm_params_alias(m->params, i, &p);
        if (p->adapter && !strstr(name, "embed"))
            return lm_fail(st, LM_FAILED, "%s: is the same matrix as %s, and the adapter is of one of them alone: merged, it would "
                           "change both: use it beside its base (-m BASE+ADAPTER)", p->name, name);
    }
    for (size_t k = 0; k < m->adapter_count; k++)
        for (size_t i = 0; i < m->adapters[k].count; i++)
            if (m->adapters[k].parts[i].adapter->bias && !m->adapters[k].parts[i].bias)
                return lm_fail(st, LM_FAILED, "%s: the adapter has a bias (lora_bias), and the layer none that it could be added to: "
                               "use it beside its base (-m BASE+ADAPTER)", m->adapters[k].parts[i].module);
    return true;
}
