/* The random numbers of an operation for one text of a draft, one after the other: what they are depends on the seed, the
 * operation's place, the record, the copy and the text, and on nothing else. */
#ifndef LM_AUGMENT_DRAWS_H
#define LM_AUGMENT_DRAWS_H

#include "augment/augment.h"

typedef struct lm_draws {
    lm_philox_key key;
    uint64_t at, block;
    uint32_t words[4];
    int left;
} lm_draws;

static inline lm_draws lm_draws_of(uint64_t seed, int place, const lm_draft *d, int text)
{
    return (lm_draws){.key = lm_draw_key(seed, place, text), .at = lm_draw_at(d)};
}

static inline uint32_t lm_draw(lm_draws *d)
{
    if (!d->left) {
        lm_random_block(d->key, d->at, d->block++, d->words);
        d->left = 4;
    }
    return d->words[--d->left];
}

/* True with probability p. */
static inline bool lm_draw_chance(lm_draws *d, double p)
{
    return lm_draw(d) < p * 0x1p32;
}

/* An integer in [0,bound), bound > 0, without bias (Lemire 2019). */
static inline uint32_t lm_draw_below(lm_draws *d, uint32_t bound)
{
    uint32_t surplus = -bound % bound; /* 2^32 mod bound */
    uint64_t product;
    do
        product = (uint64_t)lm_draw(d) * bound;
    while ((uint32_t)product < surplus);
    return (uint32_t)(product >> 32);
}

#endif
