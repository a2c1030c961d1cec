/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A number is a function of its meaning, never of how many were drawn before: the key is the seed and a purpose, the
 * counter is where the number is used. So batches, threads, ranks and resumed runs draw the same numbers. */
#ifndef LM_BASE_RANDOM_H
#define LM_BASE_RANDOM_H

#include <stdint.h>

/* What a number is for; part of the key. New purposes are added at the end. */
typedef enum lm_purpose {
    LM_FOR_INIT = 1, /* counter: element, hash of the parameter's name */
    LM_FOR_DROPOUT,  /* counter: see graph/ */
    LM_FOR_MASKING,  /* counter: epoch, row, token */
    LM_FOR_SHUFFLE,  /* counter: epoch, index */
    LM_FOR_SPLIT,
    LM_FOR_BOOTSTRAP,
    LM_FOR_SAMPLING,
    LM_FOR_AUGMENT,
    LM_FOR_BPE_DROPOUT, /* counter: row, draws in it */
    LM_FOR_ROUNDING,    /* of an optimiser's states: see kernels/ */
    LM_FOR_NOISE,       /* what is hidden of a row; site: row, counter: epoch, draws in it */
    LM_FOR_PAIRS        /* counter: epoch and document or pair, draws in it */
} lm_purpose;

typedef struct lm_philox_key {
    uint32_t k[2];
} lm_philox_key;

/* The key of (seed, purpose, site): site tells streams of one purpose apart; 0 where there is one. */
lm_philox_key lm_random_key(uint64_t seed, lm_purpose purpose, uint64_t site);

/* What a round multiplies by, and what its key grows by: the golden ratio and sqrt(3)-1, as fractions of 2^32. */
#define LM_PHILOX_M0 0xD2511F53u
#define LM_PHILOX_M1 0xCD9E8D57u
#define LM_PHILOX_W0 0x9E3779B9u
#define LM_PHILOX_W1 0xBB67AE85u
enum { LM_PHILOX_ROUNDS = 10 };

/* The block of four 32-bit words at a counter. Inline, so that a loop over counters becomes SIMD code. */
static inline void lm_philox(lm_philox_key key, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key.k[0], k1 = key.k[1];
    for (int round = 0; round < LM_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)LM_PHILOX_M0 * c0, p1 = (uint64_t)LM_PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += LM_PHILOX_W0;
        k1 += LM_PHILOX_W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* The block at (a, b): the counter's words are a's low and high half, then b's. The functions below draw from it. */
static inline void lm_random_block(lm_philox_key key, uint64_t a, uint64_t b, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)};
    lm_philox(key, counter, out);
}

/* The float in [0,1) that a word stands for: its upper 24 bits. */
static inline float lm_random_unit(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* One word, a 64-bit word, a float in [0,1), and an integer in [0,bound) without bias (bound > 0), at (a, b). Numbers
 * of several kinds at one (a, b) share their bits: use another key, or another (a, b), for an independent one. */
uint32_t lm_random_u32(lm_philox_key key, uint64_t a, uint64_t b);
uint64_t lm_random_u64(lm_philox_key key, uint64_t a, uint64_t b);
float lm_random_float(lm_philox_key key, uint64_t a, uint64_t b);
uint64_t lm_random_below(lm_philox_key key, uint64_t a, uint64_t b, uint64_t bound);
/* Standard normal (Box and Muller 1958). */
float lm_random_normal(lm_philox_key key, uint64_t a, uint64_t b);
/* Fisher-Yates over n indices: permutation[i] becomes a permutation of 0..n-1 that depends on (key, epoch) alone. */
void lm_random_permutation(lm_philox_key key, uint64_t epoch, uint32_t *permutation, uint32_t n);
/* The same permutation of n items: items[i] becomes what was items[permutation[i]]. */
void lm_random_shuffle(lm_philox_key key, uint64_t epoch, uint64_t *items, uint32_t n);

#endif
