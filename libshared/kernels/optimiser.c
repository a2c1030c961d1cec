#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>

static lm_adamw_floats floats_of(const lm_adamw *how)
{
    return (lm_adamw_floats){.keep = (float)(1 - how->lr * how->weight_decay),
                             .beta1 = (float)how->beta1,
                             .rest1 = (float)(1 - how->beta1),
                             .beta2 = (float)how->beta2,
                             .rest2 = (float)(1 - how->beta2),
                             .step = (float)(how->lr / how->correction1),
                             .root = (float)(1 / sqrt(how->correction2)),
                             .eps = (float)how->eps,
                             .grad_scale = (float)how->grad_scale};
}

void lm_adamw_step(float *p, float *g, float *m, float *v, size_t n, const lm_adamw *how, bool clear)
{
    enum { PIECE = 8192 };
    const lm_variant *variant = lm_variant_now();
    const lm_adamw_floats floats = floats_of(how);
    size_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 8)
    for (size_t i = 0; i < pieces; i++) {
        size_t at = i * PIECE, count = n - at < PIECE ? n - at : PIECE;
        variant->adamw(p + at, g + at, m + at, v + at, count, &floats, clear);
    }
}

void lm_adamw_step_rows(const lm_adamw_rows *r, const lm_adamw *how)
{
    const lm_variant *variant = lm_variant_now();
    const lm_adamw_floats floats = floats_of(how);
    size_t width = (size_t)r->width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)r->count * r->width * 8)
    for (int i = 0; i < r->count; i++) {
        int32_t row = r->row[i], g = r->g_place[row];
        size_t state = (size_t)(r->state_place[row] - 1) * width;
        const float *gradient = g ? r->g + (size_t)(g - 1) * width : r->zeros;
        variant->adamw(r->p + (size_t)row * width, (float *)(uintptr_t)gradient /* read alone: nothing is cleared */,
                       r->m + state, r->v + state, width, &floats, false);
    }
}
