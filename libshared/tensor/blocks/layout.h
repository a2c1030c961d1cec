/* ggml's blocks as they lie in files (ggml-common.h): bytes, since a mapped file aligns nothing. Scales are halves, little
 * endian. Inside the library. */
#ifndef LM_TENSOR_BLOCKS_LAYOUT_H
#define LM_TENSOR_BLOCKS_LAYOUT_H

#include "tensor/dtype.h"

#include <string.h>

enum { BLOCK = 32, SUPER = 256 };

typedef struct {
    uint8_t d[2];
    int8_t q[BLOCK];
} q8_0_block;

typedef struct { /* element j is in the low half of byte j, j + 16 in the high half; so in all types of 32 */
    uint8_t d[2];
    uint8_t q[BLOCK / 2];
} q4_0_block;

typedef q4_0_block iq4_nl_block; /* codes of lm_iq4_nl_values */

typedef struct {
    uint8_t d[2], m[2];
    uint8_t q[BLOCK / 2];
} q4_1_block;

typedef struct { /* high: the fifth bit of element j is bit j */
    uint8_t d[2];
    uint8_t high[4];
    uint8_t q[BLOCK / 2];
} q5_0_block;

typedef struct {
    uint8_t d[2], m[2];
    uint8_t high[4];
    uint8_t q[BLOCK / 2];
} q5_1_block;

typedef struct { /* scales: of 16 elements each, low half the scale, high half the minimum */
    uint8_t scales[SUPER / 16];
    uint8_t q[SUPER / 4]; /* 128 elements in 32 bytes: element 32 i + j is bits 2i and 2i + 1 of byte j */
    uint8_t d[2], dmin[2];
} q2_k_block;

typedef struct { /* scales: 6 bits each, less 32: the low four in halves of the first 8 bytes, the upper two in the last 4 */
    uint8_t high[SUPER / 8]; /* element 32 i + j: bit i of byte j, which is the third bit; elements are stored less 4 */
    uint8_t q[SUPER / 4];    /* as Q2_K's */
    uint8_t scales[12];
    uint8_t d[2];
} q3_k_block;

typedef struct { /* scales: of 32 elements each, 8 scales and 8 minima of 6 bits (k4_scale) */
    uint8_t d[2], dmin[2];
    uint8_t scales[12];
    uint8_t q[SUPER / 2]; /* 64 elements in 32 bytes, the first half in the low halves */
} q4_k_block;

typedef struct {
    uint8_t d[2], dmin[2];
    uint8_t scales[12];
    uint8_t high[SUPER / 8]; /* element 32 i + j: the fifth bit is bit i of byte j */
    uint8_t q[SUPER / 2];
} q5_k_block;

typedef struct { /* elements are stored less 32 */
    uint8_t low[SUPER / 2]; /* 128 elements in 64 bytes: elements j and 64 + j in the halves of byte j */
    uint8_t high[SUPER / 4]; /* their upper two bits, as Q2_K's elements */
    int8_t scales[SUPER / 16];
    uint8_t d[2];
} q6_k_block;

static inline float read_half(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return lm_f16_to_f32(h);
}

static inline void write_half(uint8_t *p, float f)
{
    memcpy(p, &(uint16_t){lm_f32_to_f16(f)}, sizeof(uint16_t));
}

/* Scale and minimum j of 8 of Q4_K and Q5_K. */
static inline void k4_scale(const uint8_t scales[12], int j, int *scale, int *minimum)
{
    if (j < 4) {
        *scale = scales[j] & 63;
        *minimum = scales[j + 4] & 63;
    } else {
        *scale = (scales[j + 4] & 15) | scales[j - 4] >> 6 << 4;
        *minimum = scales[j + 4] >> 4 | scales[j] >> 6 << 4;
    }
}

/* Scale j of 16 of Q3_K. */
static inline int k3_scale(const uint8_t scales[12], int j)
{
    int low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
    return (low | (scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
}

#endif
