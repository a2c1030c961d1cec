/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A number is a function of its meaning, never of how many were drawn before: the key is the seed and a purpose, the
 * counter is where the number is used. So batches, threads, ranks and resumed runs draw the same numbers. */
#ifndef LM_BASE_RANDOM_H
#define LM_BASE_RANDOM_H

#include <stdint.h>

/* What a number is for; part of the key. New purposes are added at the end. */
typedef enum lm_purpose {
    LM_FOR_INIT = 1,   /* counter: element, hash of the parameter's name */
    LM_FOR_DROPOUT,    /* counter: see graph/ */
    LM_FOR_MASKING,    /* counter: epoch, row, token */
    LM_FOR_SHUFFLE,    /* counter: epoch, index */
    LM_FOR_SPLIT,
    LM_FOR_BOOTSTRAP,
    LM_FOR_SAMPLING,
    LM_FOR_AUGMENT
} lm_purpose;

typedef struct lm_philox_key {
    uint32_t k[2];
} lm_philox_key;

/* The key of (seed, purpose, site): site tells streams of one purpose apart; 0 where there is one. */
lm_philox_key lm_random_key(uint64_t seed, lm_purpose purpose, uint64_t site);

/* The block of four 32-bit words at a counter. */
void lm_philox(lm_philox_key key, const uint32_t counter[4], uint32_t out[4]);

/* One word, a 64-bit word, a float in [0,1), and an integer in [0,bound) without bias (bound > 0), at (a, b). */
uint32_t lm_random_u32(lm_philox_key key, uint64_t a, uint64_t b);
uint64_t lm_random_u64(lm_philox_key key, uint64_t a, uint64_t b);
float lm_random_float(lm_philox_key key, uint64_t a, uint64_t b);
uint64_t lm_random_below(lm_philox_key key, uint64_t a, uint64_t b, uint64_t bound);
/* Standard normal (Box-Muller). */
float lm_random_normal(lm_philox_key key, uint64_t a, uint64_t b);
/* Fisher-Yates over n indices: permutation[i] becomes a permutation of 0..n-1 that depends on (key, epoch) alone. */
void lm_random_permutation(lm_philox_key key, uint64_t epoch, uint32_t *permutation, uint32_t n);

#endif
