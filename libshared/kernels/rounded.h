/* Activations rounded to int8, a scale for each block of 32 columns: x is about scale q. For types whose own scales are small whole
 * numbers, scales of x are whole multiples of one unit for each group, so that sums are of whole numbers up to 256 columns. Private
 * to kernels/. */
#ifndef LM_KERNELS_ROUNDED_H
#define LM_KERNELS_ROUNDED_H

#include <math.h>
#include <stdbool.h>
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
    float *unit;    /* [rows][blocks / LM_ROUNDED_GROUP], or NULL: */
    int16_t *times; /* [rows][blocks parts]: scale = times unit */
    int16_t *whole; /* [rows][blocks parts]: sum of the part's q */
} lm_rounded;

/* largest: of |x| in the block. What is not finite makes the scale NaN; what is too small to divide by, zeros. inverse is 0
 * where all q are. */
static inline void lm_rounded_scale(float largest, float *scale, float *inverse)
{
    *scale = largest - largest != 0 ? (float)NAN : largest > 1e-35f ? largest / 127 : 0;
    *inverse = *scale > 0 ? 127 / largest : 0;
}

/* The unit of a group, and by how much blocks take it: 255 times at most. */
static inline float lm_rounded_units(const float largest[LM_ROUNDED_GROUP], int16_t times[LM_ROUNDED_GROUP])
{
    float most = 0;
    for (int b = 0; b < LM_ROUNDED_GROUP; b++)
        most = largest[b] > most || isnan(largest[b]) ? largest[b] : most;
    bool finite = most - most == 0;
    float unit = !finite ? (float)NAN : most > 1e-32f ? most / 127 / 255 : 0;
    for (int b = 0; b < LM_ROUNDED_GROUP; b++) /* up, but for what rounds */
        times[b] = (int16_t)(unit > 0 ? largest[b] / 127 / unit + 0.999f : 0);
    return unit;
}

/* Of the group that begins at a block. */
static inline void lm_rounded_scales(lm_rounded *x, size_t block, const float largest[LM_ROUNDED_GROUP],
                                     float scale[LM_ROUNDED_GROUP], float inverse[LM_ROUNDED_GROUP])
{
    int16_t times[LM_ROUNDED_GROUP];
    float unit = x->unit ? x->unit[block / LM_ROUNDED_GROUP] = lm_rounded_units(largest, times) : 0;
    for (int b = 0; b < LM_ROUNDED_GROUP; b++) {
        if (!x->unit) {
            lm_rounded_scale(largest[b], &scale[b], &inverse[b]);
            continue;
        }
        scale[b] = unit * (float)times[b];
        inverse[b] = scale[b] > 0 ? 1 / scale[b] : 0;
        for (int p = 0; p < x->parts; p++)
            x->times[(block + (size_t)b) * (size_t)x->parts + (size_t)p] = times[b];
    }
}

/* scale, sum, whole and start of a block; half: the sums of its first 16 q, and of the others. */
static inline void lm_rounded_sums(lm_rounded *x, size_t block, float scale, const int half[2])
{
    int all = half[0] + half[1];
    for (int p = 0; p < x->parts; p++) {
        int sum = x->parts == 2 ? half[p] : all;
        x->scale[block * (size_t)x->parts + (size_t)p] = scale;
        x->sum[block * (size_t)x->parts + (size_t)p] = scale * (float)sum;
        if (x->unit)
            x->whole[block * (size_t)x->parts + (size_t)p] = (int16_t)sum;
    }
    if (x->start)
        x->start[block] = -128 * all;
}

#endif
