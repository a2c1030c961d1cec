/* Activations rounded to int8, a scale for each block of 32 columns: x is about scale q. Private to kernels/. */
#ifndef LM_KERNELS_ROUNDED_H
#define LM_KERNELS_ROUNDED_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { LM_ROUNDED_BLOCK = 32, LM_ROUNDED_GROUP = 8 };

typedef struct lm_rounded {
    int blocks;     /* of a row: whole groups, zeros behind the last column */
    int parts;      /* of a block, 1 or 2: what has a scale of its own in the matrix */
    int8_t *q;      /* [rows][32 blocks] */
    float *scale;   /* [rows][blocks parts], the same in both parts of a block */
    float *sum;     /* [rows][blocks parts]: of the part's scale q */
    int32_t *start; /* [rows][blocks]: -128 times the sum of q, where codes of the matrix are signed; else NULL */
} lm_rounded;

/* largest: of |x| in the block. What is not finite makes the scale NaN; what is too small to divide by, zeros. inverse is 0
 * where all q are. */
static inline void lm_rounded_scale(float largest, float *scale, float *inverse)
{
    *scale = largest - largest != 0 ? (float)NAN : largest > 1e-35f ? largest / 127 : 0;
    *inverse = *scale > 0 ? 127 / largest : 0;
}

/* scale, sum and start of a block whose q are there. */
static inline void lm_rounded_sums(lm_rounded *x, size_t block, float scale)
{
    const int8_t *q = x->q + block * LM_ROUNDED_BLOCK;
    int all = 0, width = LM_ROUNDED_BLOCK / x->parts;
    for (int p = 0; p < x->parts; p++) {
        int sum = 0;
        for (int i = 0; i < width; i++)
            sum += q[p * width + i];
        all += sum;
        x->scale[block * (size_t)x->parts + (size_t)p] = scale;
        x->sum[block * (size_t)x->parts + (size_t)p] = scale * (float)sum;
    }
    if (x->start)
        x->start[block] = -128 * all;
}

#endif
