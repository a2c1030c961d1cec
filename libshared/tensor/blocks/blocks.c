#include "tensor/blocks.h"
#include "tensor/blocks/loops.h"

#include <pthread.h>

/* ggml-common.h */
const int8_t lm_iq4_nl_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* From the oldest instruction set to the newest. */
static const lm_block_loops *const variants[] = {
    &lm_block_loops_base,
#if defined(__x86_64__)
    &lm_block_loops_avx2,
    &lm_block_loops_avx512,
#endif
};

enum { VARIANTS = sizeof variants / sizeof *variants };

static const lm_block_loops *now;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    for (size_t i = 0; i < VARIANTS; i++)
        if (variants[i]->usable())
            now = variants[i];
}

const lm_block_loops *lm_block_loops_now(void)
{
    pthread_once(&once, start);
    return now;
}

const lm_block_loops *lm_block_loops_at(size_t i)
{
    return i < VARIANTS ? variants[i] : NULL;
}

bool lm_quantises(lm_dtype t)
{
    return lm_dtype_block(t) > 1 && lm_block_loops_base.quantise[t];
}

void lm_quantise(lm_dtype t, const float *x, size_t rows, size_t width, const float *importance, void *out)
{
    const lm_block_loops *loops = lm_block_loops_now();
    size_t stride = width / (size_t)lm_dtype_block(t) * lm_dtype_block_bytes(t);
    for (size_t r = 0; r < rows; r++)
        loops->quantise[t](x + r * width, width, importance, (uint8_t *)out + r * stride);
}

uint32_t lm_greatest_bits(const float *x, size_t n)
{
    return lm_block_loops_now()->greatest(x, n);
}
