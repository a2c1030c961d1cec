/* The loops of quantisers and their inverses, compiled for each instruction set: the same bits from all of them, since they
 * are compiled without contraction of products and sums, and what is summed one after the other is so in a lane of its
 * own. Inside the library. */
#ifndef LM_TENSOR_BLOCKS_LOOPS_H
#define LM_TENSOR_BLOCKS_LOOPS_H

#include "tensor/dtype.h"

typedef struct lm_block_loops {
    const char *isa;
    bool (*usable)(void);
    /* a row of `width` numbers, whole blocks; importance [width] or NULL. F16 and BF16 are rounded to */
    void (*quantise[LM_DTYPE_COUNT])(const float *x, size_t width, const float *importance, uint8_t *out);
    void (*expand[LM_DTYPE_COUNT])(const uint8_t *blocks, size_t count, float *out);
    /* the largest |x| */
    float (*magnitude)(const float *x, size_t n);
    uint32_t (*greatest)(const float *x, size_t n); /* lm_greatest_bits */
    /* order[how many of the first 15 of `middles` [16], ascending, are below x by, or x / by], two elements a byte */
    void (*fours)(const float *x, size_t n, float by, bool divides, const float *middles, const float *order, uint8_t *out);
    /* x by, rounded to even */
    void (*int8)(const float *x, size_t n, float by, int8_t *out);
} lm_block_loops;

extern const lm_block_loops lm_block_loops_base, lm_block_loops_avx2, lm_block_loops_avx512;

/* The newest that runs here. */
const lm_block_loops *lm_block_loops_now(void);
/* The others: NULL after the last; `usable` says whether it runs. */
const lm_block_loops *lm_block_loops_at(size_t i);

#endif
