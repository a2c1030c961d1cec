/* --qat: training that computes with the weights that quantising will make of them. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "graph/fake.h"
#include "model/quantise/params.h"

#include <inttypes.h>

bool lm_run_choose_quantised(lm_run *r, lm_status *st)
{
    const lm_quantise_type *type = &lm_quantise_types[r->o->qat];
    if (!r->o->qat)
        return true;
    r->qat = lm_malloc(lm_params_count(r->model->params), sizeof *r->qat);
    if (!lm_quantise_params(r->model, type, r->qat, st))
        return lm_fail_prefix(st, "--qat");
    return true;
}

int64_t lm_run_quantised_bytes(const lm_run *r)
{
    int64_t bytes = 0;
    for (size_t i = 0; r->qat && i < lm_params_count(r->model->params); i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        bytes += r->qat[i] != LM_F32 && !p->fake_value ? (int64_t)(p->elements * sizeof *p->fake_value) : 0;
    }
    return bytes;
}

static bool begin(lm_run *r, lm_status *st)
{
    size_t matrices = 0, elements = 0;
    for (size_t i = 0; i < lm_params_count(r->model->params); i++) {
        lm_param *p = lm_params_at(r->model->params, i);
        if (r->qat[i] == LM_F32)
            continue;
        if (!lm_param_fake(p, r->qat[i], st))
            return lm_fail_prefix(st, "--qat");
        matrices++;
        elements += p->elements;
    }
    r->qat_begun = true;
    const char *name = lm_quantise_types[r->o->qat].name;
    lm_info("from step %" PRIu64 " on %zu matrices (%zu numbers) are computed with as quant -t %s will have them", r->step + 1, matrices,
            elements, name);
    return true;
}

bool lm_run_quantise(lm_run *r, lm_status *st)
{
    if (!r->qat || r->step < (uint64_t)r->o->qat_from)
        return true;
    if (!r->qat_begun && !begin(r, st))
        return false;
    lm_params_fake_again(r->model->params);
    return true;
}
