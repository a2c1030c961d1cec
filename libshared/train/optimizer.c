#include "train/optimizer.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Elements of a chunk: small enough that many threads share a small model, large enough to amortise the loop. */
enum { CHUNK = 16384 };

typedef struct slot {
    lm_param *param;
    float *m, *v;             /* into the optimiser's states */
} slot;

typedef struct chunk {
    uint32_t slot;
    uint32_t n;
    size_t begin;
} chunk;

struct lm_optimizer {
    lm_adamw how;
    slot *slots;
    size_t slot_count, slot_cap;
    chunk *chunks;
    size_t chunk_count, chunk_cap;
    double *partial;          /* [chunk_count] sums of squares */
    float *states;            /* m and v of all */
    size_t elements;
    uint64_t steps;           /* updates made */
};

static void add_slot(lm_optimizer *o, lm_param *p)
{
    LM_GROW(o->slots, o->slot_count, o->slot_cap);
    o->slots[o->slot_count] = (slot){.param = p};
    for (size_t begin = 0; begin < p->elements; begin += CHUNK) {
        size_t n = p->elements - begin < CHUNK ? p->elements - begin : CHUNK;
        LM_GROW(o->chunks, o->chunk_count, o->chunk_cap);
        o->chunks[o->chunk_count++] = (chunk){(uint32_t)o->slot_count, (uint32_t)n, begin};
    }
    o->slot_count++;
    o->elements += p->elements;
}

lm_optimizer *lm_optimizer_new(lm_params *params, const lm_adamw *how, lm_status *st)
{
    lm_optimizer *o = lm_calloc(1, sizeof *o);
    o->how = *how;
    for (size_t i = 0; i < lm_params_count(params); i++) {
        lm_param *p = lm_params_at(params, i);
        if (p->grad)
            add_slot(o, p);
    }
    if (o->elements == 0) {
        lm_fail(st, LM_FAILED, "optimiser: no parameter is trainable: freeze less");
        lm_optimizer_free(o);
        return NULL;
    }
    o->states = lm_try_malloc(o->elements, 2 * sizeof *o->states, "the optimiser's states", st);
    if (!o->states) {
        lm_optimizer_free(o);
        return NULL;
    }
    memset(o->states, 0, o->elements * 2 * sizeof *o->states);
    o->partial = lm_calloc(o->chunk_count, sizeof *o->partial);
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
    free(o->chunks);
    free(o->partial);
    free(o->states);
    free(o);
}

void lm_optimizer_zero_gradients(lm_optimizer *o)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->chunk_count; i++) {
        const chunk *c = &o->chunks[i];
        memset(o->slots[c->slot].param->grad + c->begin, 0, c->n * sizeof(float));
    }
}

static double sum_of_squares(const float *x, size_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

double lm_optimizer_gradient_norm(lm_optimizer *o)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->chunk_count; i++) {
        const chunk *c = &o->chunks[i];
        o->partial[i] = sum_of_squares(o->slots[c->slot].param->grad + c->begin, c->n);
    }
    double sum = 0;
    for (size_t i = 0; i < o->chunk_count; i++)
        sum += o->partial[i];
    return sqrt(sum);
}

double lm_clip_coefficient(double norm, double max_norm)
{
    if (max_norm <= 0)
        return 1;
    double coefficient = max_norm / (norm + 1e-6);
    return coefficient < 1 ? coefficient : 1;
}

/* One update's constants, the same for every element of a parameter. */
typedef struct update {
    float beta1, beta2, one_minus_beta1, one_minus_beta2;
    float keep;               /* 1 - lr wd */
    float rate;               /* lr/(1-b1^t) */
    float root_scale;         /* 1/sqrt(1-b2^t) */
    float epsilon, clip;
} update;

static void update_chunk(update u, size_t n, float *restrict p, const float *restrict g, float *restrict m,
                         float *restrict v)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * u.clip;
        float m1 = u.beta1 * m[i] + u.one_minus_beta1 * gradient;
        float v1 = u.beta2 * v[i] + u.one_minus_beta2 * gradient * gradient;
        m[i] = m1;
        v[i] = v1;
        p[i] = p[i] * u.keep - u.rate * m1 / (sqrtf(v1) * u.root_scale + u.epsilon);
    }
}

void lm_optimizer_update(lm_optimizer *o, double lr, double clip)
{
    o->steps++;
    const lm_adamw *h = &o->how;
    double t = (double)o->steps;
    double correction1 = h->bias_correction ? 1 - pow(h->beta1, t) : 1;
    double correction2 = h->bias_correction ? 1 - pow(h->beta2, t) : 1;
    update u = {.beta1 = (float)h->beta1, .beta2 = (float)h->beta2,
                .one_minus_beta1 = (float)(1 - h->beta1), .one_minus_beta2 = (float)(1 - h->beta2),
                .rate = (float)(lr / correction1), .root_scale = (float)(1 / sqrt(correction2)),
                .epsilon = (float)h->epsilon, .clip = (float)clip};
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->chunk_count; i++) {
        const chunk *c = &o->chunks[i];
        const slot *s = &o->slots[c->slot];
        update mine = u;
        mine.keep = s->param->decay ? (float)(1 - lr * h->weight_decay) : 1;
        update_chunk(mine, c->n, s->param->value + c->begin, s->param->grad + c->begin, s->m + c->begin,
                     s->v + c->begin);
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
                                     .dtype = LM_F32, .shape = s->param->shape,
                                     .data = i % 2 ? s->v : s->m, .bytes = s->param->elements * sizeof(float)};
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
