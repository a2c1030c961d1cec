#include "base/random.h"
#include "kernels/tasks.h"
#include "kernels/variant.h"

void lm_dropout_words(lm_dropout_key key, uint32_t out[2])
{
    lm_philox_key k = lm_random_key(key.seed, LM_FOR_DROPOUT, key.optimiser_step << 24 | key.site);
    out[0] = k.k[0];
    out[1] = k.k[1];
}

uint32_t lm_dropout_threshold(double p)
{
    return (uint32_t)(p * 65536.0 + 0.5);
}

static float keep_scale(double p)
{
    return p < 1 ? (float)(1 / (1 - p)) : 0;
}

static size_t row_bytes(int width)
{
    return ((size_t)width + 7) / 8;
}

size_t lm_dropout_mask_bytes(int rows, int width)
{
    return (size_t)rows * row_bytes(width);
}

void lm_dropout_forward(lm_dropout_key key, double p, const int64_t *row_of, const int32_t *token_of,
                        const float *x, const float *residual, float *y, uint8_t *mask, int rows, int width)
{
    const lm_variant *v = lm_variant_now();
    uint32_t words[2], threshold = lm_dropout_threshold(p);
    lm_dropout_words(key, words);
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *width * 8)
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * (size_t)width;
        uint32_t counter[3] = {(uint32_t)row_of[r], (uint32_t)((uint64_t)row_of[r] >> 32),
                               (uint32_t)token_of[r]};
        v->dropout_forward(words, counter, threshold, keep_scale(p), x + at, residual ? residual + at : NULL,
                           y + at, mask + (size_t)r * row_bytes(width), width);
    }
}

void lm_dropout_backward(double p, const uint8_t *mask, const float *dy, float *dx, bool add, int rows,
                         int width)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *width * 4)
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * (size_t)width;
        v->dropout_backward(mask + (size_t)r * row_bytes(width), keep_scale(p), dy + at, dx + at, add, width);
    }
}
