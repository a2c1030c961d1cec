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

/* Rows far ahead in a table of millions are on their way while this one is added up. */
static void fetch(const float *table, int32_t index, size_t width)
{
    enum { LINE = 16, FETCHED = 8 * LINE };
    for (size_t c = 0; index >= 0 && c < width && c < FETCHED; c += LINE)
        __builtin_prefetch(table + (size_t)index * width + c);
}

void lm_gather_sums_forward(const float *table, const int32_t *index, int each, const float *scale, float *y, int n,
                            int width)
{
    enum { AHEAD = 8 };
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width, all = (size_t)n * (size_t)each;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n *each *width * 2)
    for (int i = 0; i < n; i++) {
        float *to = y + (size_t)i * w;
        memset(to, 0, w * sizeof *to);
        for (size_t j = (size_t)i * (size_t)each; j < (size_t)(i + 1) * (size_t)each; j++) {
            if (j + AHEAD < all)
                fetch(table, index[j + AHEAD], w);
            if (index[j] >= 0)
                v->axpy(scale[i], table + (size_t)index[j] * w, to, w);
        }
    }
}

void lm_gather_sums_backward(float *dtable, const int32_t *index, int each, const float *scale, const float *dy, int n,
                             int width)
{
    enum { SLICE = 64 };
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n *each *width * 2)
    for (int c = 0; c < width; c += SLICE) {
        size_t slice = (size_t)(width - c < SLICE ? width - c : SLICE);
        for (int i = 0; i < n; i++)
            for (size_t j = (size_t)i * (size_t)each; j < (size_t)(i + 1) * (size_t)each; j++)
                if (index[j] >= 0)
                    v->axpy(scale[i], dy + (size_t)i * w + c, dtable + (size_t)index[j] * w + c, slice);
    }
}

void lm_segment_means(const float *x, const int32_t *splits, float *y, int segments, int width)
{
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)splits[segments] * width)
    for (int s = 0; s < segments; s++) {
        float *to = y + (size_t)s * w;
        int n = splits[s + 1] - splits[s];
        memset(to, 0, w * sizeof *to);
        v->column_sums(x + (size_t)splits[s] * w, w, n, to, width);
        v->scale(n ? 1 / (float)n : 0, to, to, w);
    }
}

void lm_segment_means_backward(const float *dy, const int32_t *splits, float *dx, bool add, int segments, int width)
{
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)splits[segments] * width)
    for (int s = 0; s < segments; s++) {
        for (int r = splits[s]; r < splits[s + 1]; r++) {
            float by = 1 / (float)(splits[s + 1] - splits[s]), *to = dx + (size_t)r * w;
            if (add)
                v->axpy(by, dy + (size_t)s * w, to, w);
            else
                v->scale(by, dy + (size_t)s * w, to, w);
        }
    }
}
