#include "base/random.h"

#include <math.h>
#include <stdbool.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

lm_philox_key lm_random_key(uint64_t seed, lm_purpose purpose, uint64_t site)
{
    /* Philox is its own mixer: purpose and site are a counter under the seed, half of the block is the key. */
    const lm_philox_key seeded = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    uint32_t out[4];
    lm_random_block(seeded, (uint64_t)purpose, site, out);
    return (lm_philox_key){{out[0], out[1]}};
}

uint32_t lm_random_u32(lm_philox_key key, uint64_t a, uint64_t b)
{
    uint32_t out[4];
    lm_random_block(key, a, b, out);
    return out[0];
}

static uint64_t join(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

uint64_t lm_random_u64(lm_philox_key key, uint64_t a, uint64_t b)
{
    uint32_t out[4];
    lm_random_block(key, a, b, out);
    return join(out[0], out[1]);
}

float lm_random_float(lm_philox_key key, uint64_t a, uint64_t b)
{
    return lm_random_unit(lm_random_u32(key, a, b));
}

/* Lemire 2019, "Fast random integer generation in an interval": the upper half of x * bound, x drawn again where the
 * lower half falls into the part that would be counted once too often, which is below 2^64 mod bound. */
static bool fall(uint64_t x, uint64_t bound, uint64_t *out)
{
    unsigned __int128 product = (unsigned __int128)x * bound;
    *out = (uint64_t)(product >> 64);
    return (uint64_t)product >= bound || (uint64_t)product >= -bound % bound;
}

uint64_t lm_random_below(lm_philox_key key, uint64_t a, uint64_t b, uint64_t bound)
{
    for (;;) {
        uint32_t out[4];
        uint64_t below;
        lm_random_block(key, a, b, out);
        for (int i = 0; i < 4; i += 2)
            if (fall(join(out[i], out[i + 1]), bound, &below))
                return below;
        key.k[1] += 1; /* both words rejected (rarer than bound^2 / 2^128): the next stream */
    }
}

float lm_random_normal(lm_philox_key key, uint64_t a, uint64_t b)
{
    uint32_t out[4];
    lm_random_block(key, a, b, out);
    double radius = sqrt(-2.0 * log(((double)out[0] + 1.0) * 0x1p-32)); /* of (0,1]: no log(0) */
    return (float)(radius * cos(2.0 * M_PI * 0x1p-32 * (double)out[1]));
}

enum { AHEAD = 64 }; /* numbers that are drawn at a time, so that what they point to is on its way when it is changed */

/* lm_random_u64 at the n places from (a, first) on, AHEAD of them at most; of an odd number one more. */
#if defined(__SSE2__)
static void draw_words(lm_philox_key key, uint64_t a, uint32_t first, uint32_t n, uint64_t words[AHEAD])
{
    const __m128i m0 = _mm_set1_epi64x(LM_PHILOX_M0), m1 = _mm_set1_epi64x(LM_PHILOX_M1), low = _mm_set1_epi64x(UINT32_MAX);
    __m128i k0[LM_PHILOX_ROUNDS], k1[LM_PHILOX_ROUNDS];
    for (uint32_t round = 0; round < LM_PHILOX_ROUNDS; round++) {
        k0[round] = _mm_set1_epi64x(key.k[0] + round * LM_PHILOX_W0);
        k1[round] = _mm_set1_epi64x(key.k[1] + round * LM_PHILOX_W1);
    }
    for (uint32_t i = 0; i < n; i += 2) { /* lm_philox for two, in lower halves: what is in the upper ones is not multiplied */
        __m128i c0 = _mm_set1_epi64x((int64_t)a), c1 = _mm_srli_epi64(c0, 32), c3 = _mm_setzero_si128();
        __m128i c2 = _mm_set_epi64x((int64_t)(first + i + 1), (int64_t)(first + i));
        for (int round = 0; round < LM_PHILOX_ROUNDS; round++) {
            __m128i p0 = _mm_mul_epu32(m0, c0), p1 = _mm_mul_epu32(m1, c2);
            c0 = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(p1, 32), c1), k0[round]);
            c2 = _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(p0, 32), c3), k1[round]);
            c1 = p1;
            c3 = p0;
        }
        _mm_storeu_si128((__m128i *)&words[i], _mm_or_si128(_mm_and_si128(c0, low), _mm_slli_epi64(c1, 32)));
    }
}
#else
static void draw_words(lm_philox_key key, uint64_t a, uint32_t first, uint32_t n, uint64_t words[AHEAD])
{
    for (uint32_t i = 0; i < n; i++)
        words[i] = lm_random_u64(key, a, first + i);
}
#endif

/* Where the items first..first+n (AHEAD of them at most) go: at[i] is in 0..first+i. */
static void draw_places(lm_philox_key key, uint64_t epoch, uint32_t first, uint32_t n, uint32_t at[AHEAD])
{
    uint64_t words[AHEAD], place;
    draw_words(key, epoch, first, n, words);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bound = (uint64_t)first + i + 1;
        at[i] = (uint32_t)(fall(words[i], bound, &place) ? place : lm_random_below(key, epoch, first + i, bound));
    }
}

/* The next of n items that change places, from `first` on: how many, and with which; those are asked of memory. */
static uint32_t draw_block(lm_philox_key key, uint64_t epoch, uint32_t first, uint32_t n, const void *items, size_t size,
                           uint32_t at[AHEAD])
{
    uint32_t count = n - first < AHEAD ? n - first : AHEAD;
    draw_places(key, epoch, first, count, at);
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch((const char *)items + at[i] * size, 1);
    return count;
}

void lm_random_permutation(lm_philox_key key, uint64_t epoch, uint32_t *permutation, uint32_t n)
{
    uint32_t at[AHEAD];
    for (uint32_t first = 0, count; first < n; first += count) {
        count = draw_block(key, epoch, first, n, permutation, sizeof *permutation, at);
        for (uint32_t i = 0; i < count; i++) {
            permutation[first + i] = permutation[at[i]];
            permutation[at[i]] = first + i;
        }
    }
}

void lm_random_shuffle(lm_philox_key key, uint64_t epoch, uint64_t *items, uint32_t n)
{
    uint32_t at[AHEAD];
    for (uint32_t first = 0, count; first < n; first += count) {
        count = draw_block(key, epoch, first, n, items, sizeof *items, at);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t item = items[first + i];
            items[first + i] = items[at[i]];
            items[at[i]] = item;
        }
    }
}
