#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>
#include <string.h>

void lm_rope_turns(const float *frequency, int columns, int from, int to, float *turns)
{
    size_t half = (size_t)columns / 2;
#pragma omp parallel for schedule(static) LM_THREADS_IF(((double)to - from) * columns * 20)
    for (int p = from; p < to; p++) {
        float *row = turns + (size_t)p * 2 * half;
        for (size_t j = 0; j < half; j++) {
            float angle = (float)p * frequency[j];
            row[j] = (float)cos(angle);
            row[half + j] = (float)sin(angle);
        }
    }
}

/* Columns that are not turned. */
static void pass_on(const float *x, float *y, bool add, size_t n)
{
    for (size_t j = 0; add && j < n; j++)
        y[j] += x[j];
    if (!add && x != y)
        memcpy(y, x, n * sizeof *y);
}

void lm_rope_rows(const float *x, const int32_t *position, const float *turns, bool back, float *y, bool add, int rows,
                  int heads, int width, int columns)
{
    const lm_variant *v = lm_variant_now();
    size_t w = (size_t)width, c = (size_t)columns;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *heads *width * 3)
    for (int r = 0; r < rows; r++) {
        for (int h = 0; h < heads; h++) {
            size_t at = ((size_t)r * (size_t)heads + (size_t)h) * w;
            v->rope(x + at, turns + (size_t)position[r] * c, back ? -1 : 1, y + at, add, columns / 2);
            if (c < w)
                pass_on(x + at + c, y + at + c, add, w - c);
        }
    }
}
