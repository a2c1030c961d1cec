#include "text/word_cache.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(lm_known_word) == 64 && LM_WORD_TOKENS - LM_WORD_FEW == 64 / 4, "a word fills a cache line, or two");

/* Half a megabyte at first. */
enum { FEWEST_BITS = 12, BITS_MORE = 2, LARGE_PAGE = 1 << 21 };

/* A set of two. */
typedef lm_known_word known_set[2];

/* Memory for as many sets as there will ever be, of which that is there which words have come to. */
void lm_word_cache_init(lm_word_cache *c, size_t most)
{
    for (c->most = FEWEST_BITS; 2 * sizeof(known_set) << c->most <= most;)
        c->most++;
    c->memory = lm_calloc((sizeof(known_set) << c->most) + LARGE_PAGE, 1);
    c->sets = (lm_known_word *)(((uintptr_t)c->memory + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
    c->bits = FEWEST_BITS;
}

static bool has_room(const lm_known_word *set)
{
    return set->count <= LM_WORD_FEW && set[1].len == 0;
}

/* `rest`: the ids behind the first LM_WORD_FEW, if there are so many. */
static void enter(lm_word_cache *c, lm_known_word *set, const lm_known_word *word, const void *rest)
{
    c->lost += !has_room(set);
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

/* From the last set on, each is parted into those that follow from its number, which lie behind it or are parted already. */
void lm_word_cache_grow(lm_word_cache *c)
{
    if (LM_WORD_SETS_A_LOSS * c->lost >> c->bits == 0 || c->bits >= c->most)
        return;
    unsigned more = c->bits + BITS_MORE < c->most ? BITS_MORE : c->most - c->bits;
    known_set *sets = (known_set *)c->sets;
    size_t count = (size_t)1 << c->bits, bytes = sizeof *sets << (c->bits + more);
    if (bytes > LARGE_PAGE) /* words stand anywhere, and each small page would be looked up anew */
        madvise(c->sets, bytes, MADV_HUGEPAGE);
    c->bits += more;
    c->lost = 0;
    for (size_t i = count; i-- > 0;) {
        known_set old;
        memcpy(old, sets[i], sizeof old);
        if (i << more < count) /* beyond, nothing has come to them yet */
            memset(sets[i << more], 0, sizeof *sets << more);
        if (old[0].count <= LM_WORD_FEW)
            move(c, &old[1]);
        move(c, &old[0]);
    }
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
