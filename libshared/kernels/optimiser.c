#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>

lm_update_floats lm_update_floats_of(const lm_update *how)
{
    return (lm_update_floats){.keep = (float)(1 - how->lr * how->decay),
                              .shrink = (float)(how->lr * how->l1),
                              .l2 = (float)how->l2,
                              .grad_scale = (float)how->grad_scale,
                              .limit = how->grad_limit > 0 ? (float)how->grad_limit : INFINITY,
                              .beta1 = (float)how->beta1,
                              .rest1 = (float)(1 - how->beta1),
                              .beta2 = (float)how->beta2,
                              .rest2 = (float)(1 - how->beta2),
                              .step = (float)(how->rule == LM_RULE_ADAM ? how->lr / how->correction1 : how->lr),
                              .root = how->rule == LM_RULE_ADAM ? (float)(1 / sqrt(how->correction2)) : 1,
                              .eps = (float)how->eps,
                              .nesterov = how->nesterov};
}

/* What all pieces of a step share. */
typedef struct stepping {
    const lm_update *how;
    const lm_variant *variant;
    lm_update_floats floats;
    const lm_states *states;
} stepping;

static stepping begin(const lm_update *how, const lm_states *states)
{
    return (stepping){how, lm_variant_now(), lm_update_floats_of(how), states};
}

/* Numbers [from, from + n) of the states, which are those from `place` on in the table's row; p and g begin there. */
static void step_piece(const stepping *s, float *p, float *g, size_t from, size_t n, uint32_t row, size_t place, bool clear)
{
    enum { AT_ONCE = 4 * LM_STATE_BLOCK };
    const lm_states *of = s->states;
    lm_update_loop loop = s->variant->update[s->how->rule];
    if (of->form == LM_STATE_F32) {
        loop(p, g, of->m ? (float *)of->m + from : NULL, of->v ? (float *)of->v + from : NULL, n, &s->floats, clear);
        return;
    }
    float m[AT_ONCE], v[AT_ONCE];
    for (size_t at = 0; at < n; at += AT_ONCE) {
        size_t count = n - at < AT_ONCE ? n - at : AT_ONCE;
        lm_states_read(of, true, from + at, count, m);
        lm_states_read(of, false, from + at, count, v);
        loop(p + at, g + at, of->m ? m : NULL, of->v ? v : NULL, count, &s->floats, clear);
        lm_states_write(of, true, from + at, count, m, s->how->key, row, place + at);
        lm_states_write(of, false, from + at, count, v, s->how->key, row, place + at);
    }
}

enum { PIECE = 8192 }; /* a multiple of LM_STATE_BLOCK, and of what 128 random numbers are drawn for */

void lm_update_step(const lm_update *how, float *p, float *g, const lm_states *states, size_t n, bool clear)
{
    const stepping s = begin(how, states);
    size_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 8)
    for (size_t i = 0; i < pieces; i++) {
        size_t at = i * PIECE, count = n - at < PIECE ? n - at : PIECE;
        step_piece(&s, p + at, g + at, at, count, 0, at, clear);
    }
}

void lm_update_step_rows(const lm_update *how, const lm_update_rows *r)
{
    const stepping s = begin(how, &r->states);
    size_t width = (size_t)r->width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)r->count * r->width * 8)
    for (int i = 0; i < r->count; i++) {
        int32_t row = r->row[i], g = r->g_place[row];
        const float *gradient = g ? r->g + (size_t)(g - 1) * width : r->zeros;
        step_piece(&s, r->p + (size_t)row * width, (float *)(uintptr_t)gradient /* read alone: nothing is cleared */,
                   (size_t)(r->state_place[row] - 1) * width, width, (uint32_t)row, 0, false);
    }
}

void lm_update_other_rows(const lm_update *how, const lm_update_rows *r, int64_t count)
{
    lm_update still = {.rule = LM_RULE_SGD, .lr = how->lr, .decay = how->decay, .l1 = how->l1};
    const lm_states none = {0};
    const stepping s = begin(&still, &none);
    size_t width = (size_t)r->width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)count * r->width * 2)
    for (int64_t i = 0; i < count; i++)
        if (!r->state_place[i])
            step_piece(&s, r->p + (size_t)i * width, (float *)(uintptr_t)r->zeros, 0, width, 0, 0, false);
}

void lm_vector_blend(double share, const float *from, float *to, size_t n)
{
    const lm_variant *variant = lm_variant_now();
    size_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 3)
    for (size_t i = 0; i < pieces; i++) {
        size_t at = i * PIECE, count = n - at < PIECE ? n - at : PIECE;
        variant->blend((float)share, (float)(1 - share), from + at, to + at, count);
    }
}
