/* Words that came by, with what became of them: most words of a text came by before. */
#ifndef LM_TEXT_WORD_CACHE_H
#define LM_TEXT_WORD_CACHE_H

#include "text/components/components.h"

/* Of BERT's path: words of up to 16 bytes without NUL, two of them to a cache line. */
enum { LM_CACHE_SETS = 1 << 14, LM_CACHE_TOKENS = 3 };
typedef struct lm_cached_word {
    uint64_t key[2]; /* the bytes, zero-padded; all zero = free */
    int32_t ids[LM_CACHE_TOKENS];
    uint8_t ends[LM_CACHE_TOKENS], count;
} lm_cached_word;

/* Of the other models, whose words are longer and have more tokens: one to a cache line. */
enum { LM_WIDE_BYTES = 24, LM_WIDE_TOKENS = 7 };
typedef struct lm_wide_word {
    uint64_t key[LM_WIDE_BYTES / 8]; /* the bytes, zero-padded */
    int32_t ids[LM_WIDE_TOKENS];
    uint8_t ends[LM_WIDE_TOKENS], count;
    uint8_t len; /* 0 = free */
} lm_wide_word;

/* As many sets of two words of `size` bytes; free with free(). */
void *lm_cache_new(size_t size);

/* Sets of two: the first is the one that came last. */
static inline lm_cached_word *lm_cache_set(lm_cached_word *cache, const uint64_t key[2])
{
    uint64_t h = key[0] * 0x9e3779b97f4a7c15u ^ (key[1] + 0x7f4a7c15) * 0xc2b2ae3d27d4eb4fu;
    return &cache[2 * ((h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> 50)];
}

static inline const lm_cached_word *lm_cache_find(lm_cached_word *cache, const uint64_t key[2])
{
    lm_cached_word *c = lm_cache_set(cache, key);
    if (c->key[0] == key[0] && c->key[1] == key[1])
        return c;
    return c[1].key[0] == key[0] && c[1].key[1] == key[1] ? c + 1 : NULL;
}

static inline lm_wide_word *lm_wide_set(lm_wide_word *cache, const uint64_t key[3])
{
    uint64_t h = key[0] * 0x9e3779b97f4a7c15u ^ (key[1] + 0x7f4a7c15) * 0xc2b2ae3d27d4eb4fu;
    h = (h ^ h >> 31) + key[2] * 0x94d049bb133111ebu;
    return &cache[2 * ((h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> 50)];
}

static inline const lm_wide_word *lm_wide_find(lm_wide_word *cache, const uint64_t key[3], size_t len)
{
    lm_wide_word *c = lm_wide_set(cache, key);
    for (int i = 0; i < 2; i++, c++)
        if (c->key[0] == key[0] && c->key[1] == key[1] && c->key[2] == key[2] && c->len == len)
            return c;
    return NULL;
}

/* Enters a word, and the tokens that it became if they are not too many. */
void lm_cache_put(lm_cached_word *cache, const uint64_t key[2], const lm_token_list *tokens);
void lm_wide_put(lm_wide_word *cache, const uint64_t key[3], size_t len, const lm_token_list *tokens);

#endif
