#include "text/word_cache.h"

#include "base/memory.h"

_Static_assert(sizeof(lm_cached_word) == 32 && sizeof(lm_wide_word) == 64, "they fill cache lines");

void *lm_cache_new(size_t size)
{
    size_t bytes = 2 * LM_CACHE_SETS * size;
    lm_status st = LM_STATUS_INIT;
    void *cache = lm_try_malloc(bytes, 1, "the cache of words", &st);
    if (!cache)
        return lm_calloc(bytes, 1); /* says that there is no memory, and ends */
    return memset(cache, 0, bytes);
}

void lm_cache_put(lm_cached_word *cache, const uint64_t key[2], const lm_token_list *tokens)
{
    if (tokens->n > LM_CACHE_TOKENS)
        return;
    lm_cached_word *c = lm_cache_set(cache, key);
    c[1] = c[0];
    memcpy(c->key, key, sizeof c->key);
    c->count = (uint8_t)tokens->n;
    for (size_t i = 0; i < tokens->n; i++) {
        c->ids[i] = tokens->at[i].id;
        c->ends[i] = (uint8_t)tokens->at[i].end;
    }
}

void lm_wide_put(lm_wide_word *cache, const uint64_t key[3], size_t len, const lm_token_list *tokens)
{
    if (tokens->n > LM_WIDE_TOKENS)
        return;
    lm_wide_word *c = lm_wide_set(cache, key);
    c[1] = c[0];
    memcpy(c->key, key, sizeof c->key);
    c->count = (uint8_t)tokens->n;
    c->len = (uint8_t)len;
    for (size_t i = 0; i < tokens->n; i++) {
        c->ids[i] = tokens->at[i].id;
        c->ends[i] = (uint8_t)tokens->at[i].end;
    }
}
