/* What texts are compared by: 88 bits of a hash, beside the 40 bits of a number in a lm_wide. Two of 10^9 different
 * texts have the same key with a probability of 10^-9. */
#ifndef LM_AUGMENT_DEDUP_KEY_H
#define LM_AUGMENT_DEDUP_KEY_H

#include "stream/sorted.h"

#include <stdbool.h>

#define LM_KEY_NUMBERS ((uint64_t)1 << 40) /* numbers are below it */

/* The key of a 128-bit hash, with number 0. */
static inline lm_wide lm_key_of(uint64_t high, uint64_t low)
{
    return (lm_wide){high, low & ~(LM_KEY_NUMBERS - 1)};
}

static inline uint64_t lm_key_number(lm_wide x)
{
    return x.low & (LM_KEY_NUMBERS - 1);
}

static inline bool lm_key_same(lm_wide a, lm_wide b)
{
    return a.high == b.high && ((a.low ^ b.low) & ~(LM_KEY_NUMBERS - 1)) == 0;
}

#endif
