#include "tensor/blocks.h"
#include "tensor/blocks/loops.h"

#include <float.h>

/* functional.py, get_4bit_type */
const float lm_nf4_values[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
    -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};
const float lm_fp4_values[16] = {
    0.0f, 0.0625f / 12, 8.0f / 12,  1.0f,  4.0f / 12,  0.5f,  2.0f / 12,  0.25f,
    0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f,
};
const float lm_bnb_dynamic_map[256] = {
    -0.99296874f, -0.9789062f, -0.96484375f, -0.9507812f, -0.9367187f, -0.92265624f, -0.9085938f, -0.89453125f, -0.8804687f,
    -0.8664062f, -0.85234374f, -0.8382812f, -0.82421875f, -0.8101562f, -0.7960937f, -0.78203124f, -0.7679688f, -0.75390625f,
    -0.7398438f, -0.72578126f, -0.7117188f, -0.6976563f, -0.68359375f, -0.6695313f, -0.65546876f, -0.64140624f, -0.6273438f,
    -0.61328125f, -0.5992187f, -0.58515626f, -0.5710938f, -0.5570313f, -0.54296875f, -0.5289062f, -0.51484376f, -0.50078124f,
    -0.48671877f, -0.47265625f, -0.45859373f, -0.44453126f, -0.43046874f, -0.4164062f, -0.40234375f, -0.38828123f, -0.37421876f,
    -0.36015624f, -0.3460937f, -0.33203125f, -0.31796873f, -0.30390626f, -0.28984374f, -0.27578127f, -0.26171875f, -0.24765626f,
    -0.23359376f, -0.21953125f, -0.20546874f, -0.19140625f, -0.17734374f, -0.16328125f, -0.14921875f, -0.13515624f,
    -0.12109375f, -0.107031256f, -0.09859375f, -0.095781244f, -0.092968754f, -0.09015625f, -0.08734375f, -0.08453125f,
    -0.08171874f, -0.07890625f, -0.07609375f, -0.07328125f, -0.070468746f, -0.067656256f, -0.06484375f, -0.062031247f,
    -0.059218753f, -0.05640625f, -0.05359375f, -0.05078125f, -0.04796875f, -0.04515625f, -0.042343747f, -0.03953125f,
    -0.036718752f, -0.033906247f, -0.03109375f, -0.028281247f, -0.02546875f, -0.02265625f, -0.01984375f, -0.01703125f,
    -0.01421875f, -0.01140625f, -0.00971875f, -0.009156249f, -0.00859375f, -0.00803125f, -0.00746875f, -0.00690625f,
    -0.00634375f, -0.00578125f, -0.0052187503f, -0.0046562497f, -0.00409375f, -0.0035312497f, -0.00296875f, -0.00240625f,
    -0.00184375f, -0.0012812499f, -9.437501e-04f, -8.3125e-04f, -7.1875006e-04f, -6.062501e-04f, -4.9375003e-04f,
    -3.8125002e-04f, -2.6875004e-04f, -1.5625001e-04f, -8.875e-05f, -6.625e-05f, -4.375e-05f, -2.1249998e-05f, -7.75e-06f,
    -3.2500002e-06f, -5.5000004e-07f, 0.0f, 5.5000004e-07f, 3.2500002e-06f, 7.75e-06f, 2.1249998e-05f, 4.375e-05f, 6.625e-05f,
    8.875e-05f, 1.5625001e-04f, 2.6875004e-04f, 3.8125002e-04f, 4.9375003e-04f, 6.062501e-04f, 7.1875006e-04f, 8.3125e-04f,
    9.437501e-04f, 0.0012812499f, 0.00184375f, 0.00240625f, 0.00296875f, 0.0035312497f, 0.00409375f, 0.0046562497f,
    0.0052187503f, 0.00578125f, 0.00634375f, 0.00690625f, 0.00746875f, 0.00803125f, 0.00859375f, 0.009156249f, 0.00971875f,
    0.01140625f, 0.01421875f, 0.01703125f, 0.01984375f, 0.02265625f, 0.02546875f, 0.028281247f, 0.03109375f, 0.033906247f,
    0.036718752f, 0.03953125f, 0.042343747f, 0.04515625f, 0.04796875f, 0.05078125f, 0.05359375f, 0.05640625f, 0.059218753f,
    0.062031247f, 0.06484375f, 0.067656256f, 0.070468746f, 0.07328125f, 0.07609375f, 0.07890625f, 0.08171874f, 0.08453125f,
    0.08734375f, 0.09015625f, 0.092968754f, 0.095781244f, 0.09859375f, 0.107031256f, 0.12109375f, 0.13515624f, 0.14921875f,
    0.16328125f, 0.17734374f, 0.19140625f, 0.20546874f, 0.21953125f, 0.23359376f, 0.24765626f, 0.26171875f, 0.27578127f,
    0.28984374f, 0.30390626f, 0.31796873f, 0.33203125f, 0.3460937f, 0.36015624f, 0.37421876f, 0.38828123f, 0.40234375f,
    0.4164062f, 0.43046874f, 0.44453126f, 0.45859373f, 0.47265625f, 0.48671877f, 0.50078124f, 0.51484376f, 0.5289062f,
    0.54296875f, 0.5570313f, 0.5710938f, 0.58515626f, 0.5992187f, 0.61328125f, 0.6273438f, 0.64140624f, 0.65546876f, 0.6695313f,
    0.68359375f, 0.6976563f, 0.7117188f, 0.72578126f, 0.7398438f, 0.75390625f, 0.7679688f, 0.78203124f, 0.7960937f, 0.8101562f,
    0.82421875f, 0.8382812f, 0.85234374f, 0.8664062f, 0.8804687f, 0.89453125f, 0.9085938f, 0.92265624f, 0.9367187f, 0.9507812f,
    0.96484375f, 0.9789062f, 0.99296874f, 1.0f,
};

/* Codes in the order of their values: numbers, since they are looked up where numbers are. */
static const float nf4_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const float fp4_order[16] = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

/* backends/default/ops.py: full blocks are multiplied with the inverse of absmax and keep an absmax of 0, what is left over is
 * divided. (The reference limits the result to [-1, 1]; what is nearest does not change by it.) */
typedef struct scaling {
    float absmax, by;
    bool divides;
} scaling;

static scaling scaling_of(const float *x, size_t n, size_t block)
{
    float most = lm_block_loops_now()->magnitude(x, n), least = most > 1e-38f ? most : 1e-38f;
    if (n == block)
        return (scaling){.absmax = most, .by = 1.0f / least};
    return (scaling){.absmax = least, .by = least, .divides = true};
}

void lm_bnb_quantise(lm_dtype t, const float *x, size_t n, int block, uint8_t *out, float *absmax)
{
    const float *values = t == LM_NF4 ? lm_nf4_values : lm_fp4_values, *order = t == LM_NF4 ? nf4_order : fp4_order;
    float middles[16] = {0};
    for (int i = 0; i < 15; i++)
        middles[i] = (values[(int)order[i]] + values[(int)order[i + 1]]) / 2;
    for (size_t at = 0; at < n; at += (size_t)block) {
        size_t count = n - at < (size_t)block ? n - at : (size_t)block;
        scaling s = scaling_of(x + at, count, (size_t)block);
        *absmax++ = s.absmax;
        lm_block_loops_now()->fours(x + at, count, s.by, s.divides, middles, order, out + at / 2);
    }
}

/* How many of the middles between neighbours of the map are below v: torch.bucketize. */
static unsigned nearest(float v)
{
    const float *map = lm_bnb_dynamic_map;
    unsigned at = 0;
    for (unsigned step = 128; step; step /= 2)
        if ((map[at + step - 1] + map[at + step]) / 2 < v)
            at += step;
    return at;
}

/* The mean as PyTorch has it on processors with vectors of 8 (SumKernel.cpp, one thread): four sums of vectors go from level to
 * level, of 16 and more vectors each. */
enum { WIDTH = 8, CHAINS = 4, LEVELS = 4 };

static void add(float *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

static float mean(const float *x, size_t n)
{
    enum { STEP = CHAINS * WIDTH };
    float sums[LEVELS][STEP] = {{0}}, total = 0;
    size_t vectors = n / WIDTH, steps = vectors / CHAINS, bits = 0;
    while (((size_t)1 << bits) < steps)
        bits++;
    size_t level = bits / LEVELS > 4 ? bits / LEVELS : 4, full = (size_t)1 << level;
    for (size_t i = 0; i < steps;) {
        add(sums[0], x + i * STEP, STEP);
        i++;
        for (size_t j = 1; j < LEVELS && i >> level << level == i; j++) {
            add(sums[j], sums[j - 1], STEP);
            for (size_t k = 0; k < STEP; k++)
                sums[j - 1][k] = 0;
            if (i & (full - 1) << j * level)
                break;
        }
    }
    for (size_t j = 1; j < LEVELS; j++)
        add(sums[0], sums[j], STEP);
    for (size_t i = steps * CHAINS; i < vectors; i++)
        add(sums[0], x + i * WIDTH, WIDTH);
    for (size_t k = 1; k < CHAINS; k++)
        add(sums[0], sums[0] + k * WIDTH, WIDTH);
    for (size_t i = vectors * WIDTH; i < n; i++)
        total += x[i];
    for (size_t k = 0; k < WIDTH; k++)
        total += sums[0][k];
    return total / (float)n;
}

void lm_bnb_nest(const float *absmax, size_t n, uint8_t *code, float *scale, float *offset)
{
    *offset = n ? mean(absmax, n) : 0;
    for (size_t at = 0; at < n; at += LM_BNB_NESTED) {
        size_t count = n - at < LM_BNB_NESTED ? n - at : LM_BNB_NESTED;
        float moved[LM_BNB_NESTED];
        for (size_t i = 0; i < count; i++)
            moved[i] = absmax[at + i] - *offset;
        scaling s = scaling_of(moved, count, LM_BNB_NESTED);
        *scale++ = s.absmax;
        for (size_t i = 0; i < count; i++)
            code[at + i] = (uint8_t)nearest(s.divides ? moved[i] / s.by : moved[i] * s.by);
    }
}

void lm_bnb_int8(const float *x, size_t rows, size_t width, int8_t *out, float *absmax)
{
    for (size_t r = 0; r < rows; r++, x += width, out += width) {
        absmax[r] = lm_block_loops_now()->magnitude(x, width);
        float by = 127.0f / absmax[r];
        if (!(by <= FLT_MAX)) /* a row of zeros, or as good as that */
            by = 0;
        lm_block_loops_now()->int8(x, width, by, out);
    }
}
