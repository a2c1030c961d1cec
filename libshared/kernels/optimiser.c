#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>

void lm_adamw_step(float *p, float *g, float *m, float *v, size_t n, const lm_adamw *how, bool clear)
{
    enum { PIECE = 8192 };
    const lm_variant *variant = lm_variant_now();
    const lm_adamw_floats floats = {.keep = (float)(1 - how->lr * how->weight_decay),
                                    .beta1 = (float)how->beta1,
                                    .rest1 = (float)(1 - how->beta1),
                                    .beta2 = (float)how->beta2,
                                    .rest2 = (float)(1 - how->beta2),
                                    .step = (float)(how->lr / how->correction1),
                                    .root = (float)(1 / sqrt(how->correction2)),
                                    .eps = (float)how->eps,
                                    .grad_scale = (float)how->grad_scale};
    size_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n * 8)
    for (size_t i = 0; i < pieces; i++) {
        size_t at = i * PIECE, count = n - at < PIECE ? n - at : PIECE;
        variant->adamw(p + at, g + at, m + at, v + at, count, &floats, clear);
    }
}
