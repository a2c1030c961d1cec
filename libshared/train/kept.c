#include "train/kept.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The next parameter that is ever trained, from *i on; NULL: no more. */
static lm_param *next_trained(const lm_run *r, size_t *i)
{
    while (*i < lm_params_count(r->model->params)) {
        size_t at = (*i)++;
        if (r->freezing->of[at].stage >= 0)
            return lm_params_at(r->model->params, at);
    }
    return NULL;
}

static float *allocate(const lm_run *r, const char *what, lm_status *st)
{
    return lm_try_malloc(lm_run_trained(r, true, NULL), sizeof(float), what, st);
}

float *lm_kept_new(const lm_run *r, const char *what, lm_status *st)
{
    float *kept = allocate(r, what, st);
    if (kept)
        lm_kept_take(r, kept);
    return kept;
}

void lm_kept_take(const lm_run *r, float *kept)
{
    size_t i = 0;
    for (const lm_param *p; (p = next_trained(r, &i)); kept += p->elements)
        memcpy(kept, p->value, p->elements * sizeof *kept);
}

void lm_kept_put(const lm_run *r, const float *kept)
{
    size_t i = 0;
    for (lm_param *p; (p = next_trained(r, &i)); kept += p->elements) {
        memcpy(p->value, kept, p->elements * sizeof *kept);
        p->fake_known = false;
    }
}

void lm_kept_swap(const lm_run *r, float *kept)
{
    size_t i = 0;
    for (lm_param *p; (p = next_trained(r, &i)); kept += p->elements) {
        p->fake_known = false;
        for (size_t k = 0; k < p->elements; k++) {
            float value = p->value[k];
            p->value[k] = kept[k];
            kept[k] = value;
        }
    }
}

void lm_kept_blend(const lm_run *r, double share, float *kept)
{
    size_t i = 0;
    for (const lm_param *p; (p = next_trained(r, &i)); kept += p->elements)
        if (lm_param_learns(p))
            lm_vector_blend(share, p->value, kept, p->elements);
}

bool lm_kept_write(const lm_run *r, const float *kept, int fd, const char *name, lm_status *st)
{
    lm_safetensor *tensors = lm_calloc(lm_params_count(r->model->params), sizeof *tensors);
    size_t n = 0, i = 0;
    for (const lm_param *p; (p = next_trained(r, &i)); kept += p->elements)
        tensors[n++] = (lm_safetensor){.name = p->name, .dtype = LM_F32, .shape = p->shape, .data = kept,
                                       .bytes = p->elements * sizeof *kept};
    bool ok = lm_safetensors_write(fd, name, tensors, n, st);
    free(tensors);
    return ok;
}

float *lm_kept_read(const lm_run *r, const char *file, lm_status *st)
{
    char *name = lm_format("%s/%s", r->resume_path, file);
    lm_safetensors *f = lm_safetensors_open(name, st);
    float *kept = f ? allocate(r, name, st) : NULL, *to = kept;
    size_t i = 0;
    for (const lm_param *p; kept && lm_ok(st) && (p = next_trained(r, &i)); to += p->elements) {
        const lm_safetensor *t = lm_safetensors_find(f, p->name);
        if (t && t->bytes == p->elements * sizeof *to)
            memcpy(to, t->data, t->bytes);
        else
            lm_fail(st, LM_FAILED, "%s: %s: missing or of another shape", name, p->name);
    }
    lm_safetensors_close(f);
    free(name);
    if (lm_ok(st))
        return kept;
    free(kept);
    return NULL;
}

bool lm_run_average_begin(lm_run *r, lm_status *st)
{
    if (r->o->ema > 0)
        r->average = lm_kept_new(r, "the average of the weights", st);
    return lm_ok(st);
}

void lm_run_average_step(lm_run *r)
{
    double t = (double)(r->step + 1);
    if (r->average)
        lm_kept_blend(r, 1 - fmin(r->o->ema, (1 + t) / (10 + t)), r->average);
}
