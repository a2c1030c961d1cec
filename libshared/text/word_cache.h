/* Words that came by, with what became of them: most words of a text came by before. */
#ifndef LM_TEXT_WORD_CACHE_H
#define LM_TEXT_WORD_CACHE_H

#include "text/components/components.h"

/* A word of up to 24 bytes, which fills a cache line. Where it became more than eight tokens, the others fill the next line. */
enum { LM_WORD_BYTES = 24, LM_WORD_TOKENS = LM_WORD_BYTES, LM_WORD_FEW = 8 };
typedef struct lm_known_word {
    uint64_t key[LM_WORD_BYTES / 8]; /* the bytes, zero-padded */
    int32_t ids[LM_WORD_FEW];
    uint32_t ends; /* bits: behind which bytes a token ends */
    uint8_t count;
    uint8_t len; /* 0 = free */
} lm_known_word;

/* Sets of two lines: two words, of which the first is the one that came last, or one of many tokens. It grows with the words that are
 * in it, up to a size that does not depend on the text. */
typedef struct lm_word_cache {
    lm_known_word *sets; /* NULL = there is none */
    void *memory;
    unsigned bits; /* of the number of sets */
    size_t lost;   /* words that had to leave for others since it has this size */
    unsigned most; /* bits that it may grow to */
} lm_word_cache;

/* `most` bytes at most, a power of two. */
enum { LM_WORD_CACHE_BYTES = 32 << 20 };
void lm_word_cache_init(lm_word_cache *c, size_t most);
void lm_word_cache_free(lm_word_cache *c);
/* Makes it larger, if it lost a word for every LM_WORD_SETS_A_LOSS of its sets: what was found in it is elsewhere then. */
enum { LM_WORD_SETS_A_LOSS = 4 };
void lm_word_cache_grow(lm_word_cache *c);

static inline lm_known_word *lm_word_set(const lm_word_cache *c, const uint64_t key[3])
{
    uint64_t h = key[0] * 0x9e3779b97f4a7c15u ^ (key[1] + 0x7f4a7c15) * 0xc2b2ae3d27d4eb4fu;
    h = (h ^ h >> 31) + key[2] * 0x94d049bb133111ebu;
    return &c->sets[2 * ((h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> (64 - c->bits))];
}

/* Asks memory for both lines: often it is the second word, or the first has more tokens. */
static inline void lm_word_fetch(const lm_known_word *set)
{
    __builtin_prefetch(set);
    __builtin_prefetch(set + 1);
}

static inline bool lm_word_is(const lm_known_word *w, const uint64_t key[3], size_t len)
{
    return w->key[0] == key[0] && w->key[1] == key[1] && w->key[2] == key[2] && w->len == len;
}

static inline const lm_known_word *lm_word_find(const lm_known_word *set, const uint64_t key[3], size_t len)
{
    return lm_word_is(set, key, len)                                       ? set
           : set->count <= LM_WORD_FEW && lm_word_is(set + 1, key, len) ? set + 1
                                                                           : NULL;
}

/* The ids of a word to `out`, which has room for LM_WORD_TOKENS. */
static inline void lm_word_ids(const lm_known_word *w, int32_t *out)
{
    memcpy(out, w->ids, sizeof w->ids); /* those of the next word lie over what is too many */
    if (w->count > LM_WORD_FEW)
        memcpy(out + LM_WORD_FEW, w + 1, (LM_WORD_TOKENS - LM_WORD_FEW) * sizeof *out);
}

/* Enters a word into its set, and the tokens that it became. */
void lm_word_put(lm_word_cache *c, lm_known_word *set, const uint64_t key[3], size_t len, const lm_short_tokens *tokens);
/* The same, unless several of them end at one byte. */
void lm_word_put_tokens(lm_word_cache *c, lm_known_word *set, const uint64_t key[3], size_t len, const lm_token_list *tokens);

static inline uint64_t lm_eight_bytes(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* The key of the word of n <= LM_WORD_BYTES bytes at p, from where a whole key can be read. */
static inline void lm_word_key(const char *p, size_t n, uint64_t key[3])
{
    static const uint64_t bits[6] __attribute__((aligned(64))) = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0, 0};
    const char *mask = (const char *)bits + LM_WORD_BYTES - n; /* no branch: how many bytes there are cannot be foreseen */
    key[0] = lm_eight_bytes(p) & lm_eight_bytes(mask);
    key[1] = lm_eight_bytes(p + 8) & lm_eight_bytes(mask + 8);
    key[2] = lm_eight_bytes(p + 16) & lm_eight_bytes(mask + 16);
}

/* A last byte that no word in UTF-8 has: keys of less than LM_WORD_BYTES bytes with it are apart from others. */
#define LM_OWN_KEY ((uint64_t)0xFF << 56)

/* Bytes of a text that are read a whole key at a time: the last ones come from a copy with zeros behind it. */
typedef struct lm_key_bytes {
    const char *data;
    size_t safe; /* up to here a key can be read where it stands */
    char tail[2 * LM_WORD_BYTES];
} lm_key_bytes;

static inline void lm_key_bytes_of(lm_key_bytes *k, lm_str text, size_t to)
{
    k->data = text.data;
    memset(k->tail, 0, sizeof k->tail);
    if (to < LM_WORD_BYTES) {
        k->safe = 0;
        if (to) /* no text may be NULL */
            memcpy(k->tail, text.data, to);
    } else { /* of a constant size, which takes no call */
        k->safe = to - LM_WORD_BYTES;
        memcpy(k->tail, text.data + k->safe, LM_WORD_BYTES);
    }
}

static inline const char *lm_key_bytes_at(const lm_key_bytes *k, size_t i)
{
    return i < k->safe ? k->data + i : k->tail + (i - k->safe);
}

#endif
