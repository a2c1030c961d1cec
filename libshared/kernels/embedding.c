#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <string.h>

void lm_gather_forward(const float *table, const int32_t *index, float *y, int n, int width)
{
    size_t w = (size_t)width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n *width * 2)
    for (int i = 0; i < n; i++)
        memcpy(y + (size_t)i * w, table + (size_t)index[i] * w, w * sizeof *y);
}

/* A task takes a slice of the columns through all rows, so each element is summed in the order of the rows.
 */
void lm_gather_backward(float *dtable, const int32_t *index, const float *dy, int n, int width, int skip)
{
    enum { SLICE = 64 };
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n *width * 2)
    for (int c = 0; c < width; c += SLICE) {
        size_t slice = (size_t)(width - c < SLICE ? width - c : SLICE);
        for (int i = 0; i < n; i++)
            if (index[i] != skip)
                v->axpy(1.0f, dy + (size_t)i * w + c, dtable + (size_t)index[i] * w + c, slice);
    }
}
