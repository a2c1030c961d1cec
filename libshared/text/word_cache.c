#include "text/word_cache.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(lm_known_word) == 64, "a word fills a cache line");

/* Pages that no word has come to are not there. Large ones, where the system has any to give: words stand anywhere, and each small
 * page would be looked up anew. */
void lm_word_cache_init(lm_word_cache *c)
{
    enum { LARGE = 1 << 21 };
    size_t bytes = sizeof *c->sets << (LM_WORD_SET_BITS + 1);
    c->memory = lm_calloc(bytes + LARGE, 1);
    c->sets = (lm_known_word *)(((uintptr_t)c->memory + LARGE - 1) & ~(uintptr_t)(LARGE - 1));
    madvise(c->sets, bytes, MADV_HUGEPAGE);
}

void lm_word_cache_free(lm_word_cache *c)
{
    free(c->memory);
    *c = (lm_word_cache){0};
}

void lm_word_put(lm_known_word *set, const uint64_t key[3], size_t len, const lm_token_list *tokens)
{
    if (tokens->n > LM_WORD_TOKENS)
        return;
    set[1] = set[0];
    memcpy(set->key, key, sizeof set->key);
    set->count = (uint8_t)tokens->n;
    set->len = (uint8_t)len;
    for (size_t i = 0; i < tokens->n; i++) {
        set->ids[i] = tokens->at[i].id;
        set->ends[i] = (uint8_t)tokens->at[i].end;
    }
}
