#include "text/word_cache.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(lm_known_word) == 64 && LM_WORD_TOKENS - LM_WORD_FEW == 64 / 4, "a word fills a cache line, or two");

/* Half a megabyte at first. */
enum { FEWEST_BITS = 12, BITS_MORE = 2 };

/* Pages that no word has come to are not there. Large ones, where the system has any to give: words stand anywhere, and each small
 * page would be looked up anew. */
static void make_sets(lm_word_cache *c, unsigned bits)
{
    enum { LARGE = 1 << 21 };
    size_t bytes = sizeof *c->sets << (bits + 1);
    c->memory = lm_calloc(bytes + LARGE, 1);
    c->sets = (lm_known_word *)(((uintptr_t)c->memory + LARGE - 1) & ~(uintptr_t)(LARGE - 1));
    c->bits = bits;
    c->used = 0;
    if (bytes >= LARGE)
        madvise(c->sets, bytes, MADV_HUGEPAGE);
}

void lm_word_cache_init(lm_word_cache *c, size_t most)
{
    for (c->most = FEWEST_BITS; 2 * sizeof *c->sets << (c->most + 1) <= most;)
        c->most++;
    make_sets(c, FEWEST_BITS);
}

static bool has_room(const lm_known_word *set)
{
    return set->count <= LM_WORD_FEW && set[1].len == 0;
}

/* `rest`: the ids behind the first LM_WORD_FEW, if there are so many. */
static void enter(lm_word_cache *c, lm_known_word *set, const lm_known_word *word, const void *rest)
{
    c->used += has_room(set);
    if (word->count > LM_WORD_FEW)
        memcpy(set + 1, rest, sizeof *set);
    else if (set->count <= LM_WORD_FEW)
        set[1] = set[0];
    else
        memset(set + 1, 0, sizeof *set);
    *set = *word;
}

static void move(lm_word_cache *c, const lm_known_word *word)
{
    if (word->len)
        enter(c, lm_word_set(c, word->key), word, word + 1);
}

void lm_word_cache_grow(lm_word_cache *c)
{
    lm_word_cache old = *c;
    if (2 * c->used >> c->bits == 0 || c->bits >= c->most)
        return;
    make_sets(c, old.bits + BITS_MORE < c->most ? old.bits + BITS_MORE : c->most);
    for (size_t i = 0; i < (size_t)2 << old.bits; i += 2) {
        if (old.sets[i].count <= LM_WORD_FEW)
            move(c, &old.sets[i + 1]);
        move(c, &old.sets[i]);
    }
    lm_word_cache_free(&old);
}

void lm_word_cache_free(lm_word_cache *c)
{
    free(c->memory);
    *c = (lm_word_cache){0};
}

void lm_word_put(lm_word_cache *c, lm_known_word *set, const uint64_t key[3], size_t len, const lm_short_tokens *tokens)
{
    lm_known_word word = {.ends = tokens->ends, .count = (uint8_t)tokens->n, .len = (uint8_t)len};
    memcpy(word.key, key, sizeof word.key);
    memcpy(word.ids, tokens->ids, sizeof word.ids);
    enter(c, set, &word, tokens->ids + LM_WORD_FEW);
}

void lm_word_put_tokens(lm_word_cache *c, lm_known_word *set, const uint64_t key[3], size_t len, const lm_token_list *tokens)
{
    lm_short_tokens short_tokens = {.n = (uint32_t)tokens->n};
    for (size_t i = 0; i < tokens->n; i++) {
        int32_t end = tokens->at[i].end;
        if (end < 1 || end > LM_WORD_BYTES || (i > 0 && end <= tokens->at[i - 1].end))
            return;
        short_tokens.ends |= UINT32_C(1) << (end - 1);
        short_tokens.ids[i] = tokens->at[i].id;
    }
    lm_word_put(c, set, key, len, &short_tokens);
}
