#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <string.h>

enum { NORM_ROWS = 64 }; /* rows of a task, whose dweight and dbias are summed apart and then in order */

void lm_norm_forward(const float *x, const float *weight, const float *bias, double eps, float *y,
                     float *mean, float *rstd, int rows, int width)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *width * 4)
    for (int r = 0; r < rows; r++) {
        float m, s;
        size_t at = (size_t)r * (size_t)width;
        v->norm_forward(x + at, weight, bias, (float)eps, y + at, &m, &s, width);
        if (mean) {
            mean[r] = m;
            rstd[r] = s;
        }
    }
}

static int norm_parts(int rows)
{
    return lm_divide_up(rows, NORM_ROWS);
}

size_t lm_norm_scratch(int rows, int width)
{
    return 2 * (size_t)norm_parts(rows) * (size_t)width;
}

void lm_norm_backward(const float *x, const float *weight, const float *mean, const float *rstd,
                      const float *dy, float *dx, bool add, float *dweight, float *dbias, int rows, int width,
                      float *scratch)
{
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width;
    int parts = norm_parts(rows);
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *width * 4)
    for (int p = 0; p < parts; p++) {
        float *dw = NULL, *db = NULL;
        if (dweight) {
            dw = scratch + 2 * (size_t)p * w;
            db = dw + w;
            memset(dw, 0, 2 * w * sizeof *dw);
        }
        int end = (p + 1) * NORM_ROWS < rows ? (p + 1) * NORM_ROWS : rows;
        for (int r = p * NORM_ROWS; r < end; r++) {
            size_t at = (size_t)r * w;
            v->norm_backward(x + at, weight, mean[r], rstd[r], dy + at, dx ? dx + at : NULL, add, dw, db,
                             width);
        }
    }
    if (dweight && parts) {
        v->column_sums(scratch, 2 * w, parts, dweight, width);
        v->column_sums(scratch + w, 2 * w, parts, dbias, width);
    }
}

/* ------------------------------------------------------------------ RMS norm */

void lm_rms_norm_forward(const float *x, const float *weight, double offset, double eps, float *y, float *rstd,
                         int rows, int width)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *width * 3)
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * (size_t)width;
        float s = v->rms_norm_forward(x + at, weight, (float)offset, (float)eps, y + at, width);
        if (rstd)
            rstd[r] = s;
    }
}

size_t lm_rms_norm_scratch(int rows, int width)
{
    return (size_t)norm_parts(rows) * (size_t)width;
}

void lm_rms_norm_backward(const float *x, const float *weight, double offset, const float *rstd, const float *dy,
                          float *dx, bool add, float *dweight, int rows, int width, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width;
    int parts = norm_parts(rows);
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *width * 4)
    for (int p = 0; p < parts; p++) {
        float *dw = dweight ? scratch + (size_t)p * w : NULL;
        if (dw)
            memset(dw, 0, w * sizeof *dw);
        int end = rows - p * NORM_ROWS < NORM_ROWS ? rows : (p + 1) * NORM_ROWS;
        for (int r = p * NORM_ROWS; r < end; r++) {
            size_t at = (size_t)r * w;
            v->rms_norm_backward(x + at, weight, (float)offset, rstd[r], dy + at, dx ? dx + at : NULL, add, dw, width);
        }
    }
    if (dweight && parts)
        v->column_sums(scratch, w, parts, dweight, width);
}
