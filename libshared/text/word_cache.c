#include "text/word_cache.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(lm_known_word) == 64 && LM_WORD_TOKENS - LM_WORD_FEW == 64 / 4, "a word fills a cache line, or two");

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

/* Bits of the bytes behind which tokens end; 0 where these are not as many as the tokens. */
static uint32_t ends_of(const lm_token_list *tokens)
{
    uint32_t ends = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        int32_t end = tokens->at[i].end;
        if (end < 1 || end > LM_WORD_BYTES || (i > 0 && end <= tokens->at[i - 1].end))
            return 0;
        ends |= UINT32_C(1) << (end - 1);
    }
    return ends;
}

void lm_word_put(lm_known_word *set, const uint64_t key[3], size_t len, const lm_token_list *tokens)
{
    uint32_t ends = ends_of(tokens);
    if (tokens->n && !ends)
        return;
    int32_t *others = (int32_t *)(void *)(set + 1);
    if (set->count <= LM_WORD_FEW && tokens->n <= LM_WORD_FEW)
        set[1] = set[0];
    else
        memset(set + 1, 0, sizeof *set);
    memcpy(set->key, key, sizeof set->key);
    set->ends = ends;
    set->count = (uint8_t)tokens->n;
    set->len = (uint8_t)len;
    for (size_t i = 0; i < tokens->n; i++)
        *(i < LM_WORD_FEW ? &set->ids[i] : &others[i - LM_WORD_FEW]) = tokens->at[i].id;
}
