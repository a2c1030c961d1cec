#include "train/optimizer.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    lm_param *param;
    float *m, *v; /* into the optimiser's states */
} slot;

struct lm_optimizer {
    lm_adamw_options how;
    slot *slots;
    size_t slot_count, slot_cap;
    float *states; /* m and v of all */
    size_t elements;
    uint64_t steps; /* updates made */
};

lm_optimizer *lm_optimizer_new(lm_params *params, const lm_adamw_options *how, lm_status *st)
{
    lm_optimizer *o = lm_calloc(1, sizeof *o);
    o->how = *how;
    for (size_t i = 0; i < lm_params_count(params); i++) {
        lm_param *p = lm_params_at(params, i);
        if (!p->grad)
            continue;
        LM_GROW(o->slots, o->slot_count, o->slot_cap);
        o->slots[o->slot_count++] = (slot){.param = p};
        o->elements += p->elements;
    }
    if (o->elements == 0)
        lm_fail(st, LM_FAILED, "optimiser: no parameter is trainable: freeze less");
    else
        o->states = lm_try_malloc(o->elements, 2 * sizeof *o->states, "the optimiser's states", st);
    if (!o->states) {
        lm_optimizer_free(o);
        return NULL;
    }
    memset(o->states, 0, o->elements * 2 * sizeof *o->states);
    float *next = o->states;
    for (size_t i = 0; i < o->slot_count; i++) {
        o->slots[i].m = next;
        o->slots[i].v = next + o->slots[i].param->elements;
        next += 2 * o->slots[i].param->elements;
    }
    return o;
}

void lm_optimizer_free(lm_optimizer *o)
{
    if (!o)
        return;
    free(o->slots);
    free(o->states);
    free(o);
}

void lm_optimizer_zero_gradients(lm_optimizer *o)
{
    for (size_t i = 0; i < o->slot_count; i++)
        memset(o->slots[i].param->grad, 0, o->slots[i].param->elements * sizeof(float));
}

double lm_optimizer_gradient_norm(lm_optimizer *o)
{
    double sum = 0;
    for (size_t i = 0; i < o->slot_count; i++)
        sum += lm_vector_sum_squares(o->slots[i].param->grad, o->slots[i].param->elements);
    return sqrt(sum);
}

double lm_clip_coefficient(double norm, double max_norm)
{
    if (max_norm <= 0)
        return 1;
    double coefficient = max_norm / (norm + 1e-6);
    return coefficient < 1 ? coefficient : 1;
}

void lm_optimizer_update(lm_optimizer *o, double lr, double clip)
{
    o->steps++;
    const lm_adamw_options *h = &o->how;
    double t = (double)o->steps;
    lm_adamw update = {.lr = lr,
                       .beta1 = h->beta1,
                       .beta2 = h->beta2,
                       .eps = h->epsilon,
                       .correction1 = h->bias_correction ? 1 - pow(h->beta1, t) : 1,
                       .correction2 = h->bias_correction ? 1 - pow(h->beta2, t) : 1,
                       .grad_scale = clip};
    for (size_t i = 0; i < o->slot_count; i++) {
        const slot *s = &o->slots[i];
        update.weight_decay = s->param->decay ? h->weight_decay : 0;
        lm_adamw_step(s->param->value, s->param->grad, s->m, s->v, s->param->elements, &update, true);
    }
}

size_t lm_optimizer_bytes(const lm_optimizer *o)
{
    return o->elements * 2 * sizeof(float);
}

size_t lm_optimizer_parameters(const lm_optimizer *o)
{
    return o->elements;
}

/* ------------------------------------------------------------------ states on disk */

static const char *const state_names[2] = {"exp_avg", "exp_avg_sq"};

bool lm_optimizer_save(const lm_optimizer *o, int fd, const char *name, lm_status *st)
{
    size_t count = 2 * o->slot_count;
    lm_safetensor *tensors = lm_calloc(count, sizeof *tensors);
    for (size_t i = 0; i < count; i++) {
        const slot *s = &o->slots[i / 2];
        tensors[i] = (lm_safetensor){.name = lm_format("%s.%s", s->param->name, state_names[i % 2]),
                                     .dtype = LM_F32,
                                     .shape = s->param->shape,
                                     .data = i % 2 ? s->v : s->m,
                                     .bytes = s->param->elements * sizeof(float)};
    }
    bool ok = lm_safetensors_write(fd, name, tensors, count, st);
    for (size_t i = 0; i < count; i++)
        free((char *)tensors[i].name);
    free(tensors);
    return ok;
}

bool lm_optimizer_load(lm_optimizer *o, const lm_safetensors *file, uint64_t steps_done, lm_status *st)
{
    for (size_t i = 0; i < 2 * o->slot_count; i++) {
        const slot *s = &o->slots[i / 2];
        char *name = lm_format("%s.%s", s->param->name, state_names[i % 2]);
        const lm_safetensor *t = lm_safetensors_find(file, name);
        bool ok = t && t->dtype == LM_F32 && lm_shape_equal(&t->shape, &s->param->shape);
        if (ok)
            memcpy(i % 2 ? s->v : s->m, t->data, t->bytes);
        else
            lm_fail(st, LM_FAILED, "%s: %s: the checkpoint is not one of this model", name,
                    t ? "another dtype or shape" : "missing");
        free(name);
        if (!ok)
            return false;
    }
    o->steps = steps_done;
    return true;
}
