#include "train/optimizer.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    lm_param *param;
    size_t index; /* of the parameter in the table */
    float *m, *v; /* of one allocation, which m begins */
    int64_t steps;
} slot;

struct lm_optimizer {
    lm_adamw_options how;
    lm_params *params;
    slot *slots; /* in the order of the table */
    size_t slot_count, slot_cap;
    size_t elements;
};

static bool add_slot(lm_optimizer *o, size_t index, lm_status *st)
{
    lm_param *p = lm_params_at(o->params, index);
    float *states = lm_try_malloc(p->elements, 2 * sizeof *states, "the optimiser's states", st);
    if (!states)
        return false;
    memset(states, 0, p->elements * 2 * sizeof *states);
    LM_GROW(o->slots, o->slot_count, o->slot_cap);
    o->slots[o->slot_count++] = (slot){p, index, states, states + p->elements, 0};
    o->elements += p->elements;
    return true;
}

bool lm_optimizer_follow(lm_optimizer *o, lm_status *st)
{
    slot *had = o->slots;
    size_t count = o->slot_count, next = 0;
    o->slots = NULL;
    o->slot_count = o->slot_cap = o->elements = 0;
    for (size_t i = 0; i < lm_params_count(o->params); i++) {
        bool mine = next < count && had[next].index == i;
        if (!lm_params_at(o->params, i)->grad || !lm_ok(st)) {
            if (mine)
                free(had[next].m);
        } else if (mine) {
            LM_GROW(o->slots, o->slot_count, o->slot_cap);
            o->slots[o->slot_count++] = had[next];
            o->elements += had[next].param->elements;
        } else {
            add_slot(o, i, st);
        }
        next += mine;
    }
    free(had);
    if (lm_ok(st) && o->elements == 0)
        lm_fail(st, LM_FAILED, "optimiser: no parameter is trainable: freeze less");
    return lm_ok(st);
}

lm_optimizer *lm_optimizer_new(lm_params *params, const lm_adamw_options *how, lm_status *st)
{
    lm_optimizer *o = lm_calloc(1, sizeof *o);
    o->how = *how;
    o->params = params;
    if (lm_optimizer_follow(o, st))
        return o;
    lm_optimizer_free(o);
    return NULL;
}

void lm_optimizer_free(lm_optimizer *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->slot_count; i++)
        free(o->slots[i].m);
    free(o->slots);
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
    const lm_adamw_options *h = &o->how;
    lm_adamw update = {.beta1 = h->beta1, .beta2 = h->beta2, .eps = h->epsilon, .grad_scale = clip};
    int64_t corrected = 0; /* the count of steps that the corrections are for */
    for (size_t i = 0; i < o->slot_count; i++) {
        slot *s = &o->slots[i];
        if (++s->steps != corrected) {
            corrected = s->steps;
            update.correction1 = h->bias_correction ? 1 - pow(h->beta1, (double)corrected) : 1;
            update.correction2 = h->bias_correction ? 1 - pow(h->beta2, (double)corrected) : 1;
        }
        update.lr = h->rates ? lr * h->rates[s->index] : lr;
        const float *start = h->starts ? h->starts[s->index] : NULL;
        update.weight_decay = start ? h->pull : s->param->decay ? h->weight_decay : 0;
        lm_adamw_step(s->param->value, s->param->grad, s->m, s->v, s->param->elements, &update, true);
        if (start)
            lm_vector_axpy((float)(update.lr * h->pull), start, s->param->value, s->param->elements);
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

enum { STATES = 3 };
static const char *const state_names[STATES] = {"exp_avg", "exp_avg_sq", "step"};

/* State k of a slot as a tensor; its name is malloced. */
static lm_safetensor state_of(const slot *s, size_t k)
{
    lm_safetensor t = {.name = lm_format("%s.%s", s->param->name, state_names[k]),
                       .dtype = LM_F32,
                       .shape = s->param->shape,
                       .data = k == 0 ? s->m : s->v,
                       .bytes = s->param->elements * sizeof(float)};
    if (k == 2) {
        t.dtype = LM_I64;
        t.shape = (lm_shape){.dims = 1, .size = {1}};
        t.data = &s->steps;
        t.bytes = sizeof s->steps;
    }
    return t;
}

bool lm_optimizer_save(const lm_optimizer *o, int fd, const char *name, lm_status *st)
{
    size_t count = STATES * o->slot_count;
    lm_safetensor *tensors = lm_calloc(count, sizeof *tensors);
    for (size_t i = 0; i < count; i++)
        tensors[i] = state_of(&o->slots[i / STATES], i % STATES);
    bool ok = lm_safetensors_write(fd, name, tensors, count, st);
    for (size_t i = 0; i < count; i++)
        free((char *)tensors[i].name);
    free(tensors);
    return ok;
}

bool lm_optimizer_load(lm_optimizer *o, const lm_safetensors *file, lm_status *st)
{
    for (size_t i = 0; i < STATES * o->slot_count; i++) {
        slot *s = &o->slots[i / STATES];
        lm_safetensor want = state_of(s, i % STATES);
        const lm_safetensor *t = lm_safetensors_find(file, want.name);
        bool ok = t && t->dtype == want.dtype && lm_shape_equal(&t->shape, &want.shape);
        if (ok)
            memcpy(i % STATES == 0 ? (void *)s->m : i % STATES == 1 ? (void *)s->v : (void *)&s->steps, t->data,
                   t->bytes);
        if (ok && s->steps < 0)
            ok = lm_fail(st, LM_FAILED, "%s: %lld steps: the checkpoint is damaged", want.name,
                         (long long)s->steps);
        else if (!ok)
            lm_fail(st, LM_FAILED, "%s: %s: the checkpoint is not one of this model", want.name,
                    t ? "another dtype or shape" : "missing");
        free((char *)want.name);
        if (!ok)
            return false;
    }
    return true;
}
