/* What BPE makes of its tables. */
#ifndef LM_TEXT_MODELS_BPE_H
#define LM_TEXT_MODELS_BPE_H

#include "text/components/components.h"
#include "text/models/trie.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A merge in eight bytes: left, right, rank, from the highest bits on. */
typedef uint64_t lm_merge_slot;
enum { LM_MERGE_TOKEN_BITS = 21, LM_MERGE_RANK_BITS = 64 - 2 * LM_MERGE_TOKEN_BITS };
/* No token of a model with merges has this id; nor does a merge have it. */
enum { LM_NO_TOKEN = (1 << LM_MERGE_TOKEN_BITS) - 1 };

/* A rank above all others. */
enum { LM_NO_MERGE = 1 << LM_MERGE_RANK_BITS };

enum { LM_CHAR_PAGE = 256, LM_CHAR_PAGES = 0x110000 / LM_CHAR_PAGE };

/* Slots are looked at in groups, by their tags. */
enum { LM_MERGE_GROUP = 16 };

/* How BPE makes a token: of which two by its last merge, and what a merge over its border has to be below in rank to come before that
 * (bpe_match.c). */
typedef struct lm_bpe_part {
    int32_t left, right;                /* LM_NO_TOKEN: BPE never comes to it */
    uint32_t before_left, before_right; /* over its right border, if it is the left one of two, and over its left one; UINT32_MAX and 0: it
                                           is a byte, or BPE never comes to it */
} lm_bpe_part;

enum { LM_BYTE_PAIRS = 256 * 256 };

typedef struct lm_bpe {
    lm_merge_slot *slots; /* the index's: open addressing by groups, at most seven eighths full */
    int32_t *merged;      /* by rank: what the two become */
    uint8_t *tags;  /* of the slots: 0 = free, else a part of the hash, by which most pairs are told apart */
    unsigned shift; /* 64 less the logarithm of the number of groups */
    size_t mask;
    int32_t
        *pages[LM_CHAR_PAGES]; /* by code point: the token that is this character; NULL = none of the page */
    uint64_t *crossings;       /* bits: pairs of characters that a merge may join */
    unsigned crossing_shift;
    int32_t byte_ids[256]; /* of <0x00> to <0xFF>; -1 = none */
    bool all_bytes;        /* every one of them is there */
    bool unk_named;        /* else what is unknown is dropped */
    bool cuts;             /* words may be cut */
    bool takes_bytes;      /* see lm_token_model_takes_bytes; then */
    int32_t symbols[256];  /* are the tokens of bytes, */
    uint16_t forms[256];   /* how they are written: first byte, 256 * second byte */
    uint32_t *pairs;       /* and the rank of the merge of two of them, by left * 256 + right; LM_NO_MERGE */
    const lm_bpe_part *parts; /* by token; NULL: words are merged. Else */
    const uint32_t *least;    /* the index's, */
    lm_token_trie trie;       /* of the tokens, where those end that BPE comes to (the tables'), */
    uint32_t numbers[256];    /* its numbers of bytes, */
    uint64_t leads_on[256];   /* and words that are looked up: by first byte, bits of the second one's last six */
} lm_bpe;

static inline lm_merge_slot lm_merge_slot_of(int32_t left, int32_t right, uint32_t rank)
{
    return ((uint64_t)left << LM_MERGE_TOKEN_BITS | (uint32_t)right) << LM_MERGE_RANK_BITS | rank;
}

static inline bool lm_merge_is(lm_merge_slot s, int32_t left, int32_t right)
{
    return s >> LM_MERGE_RANK_BITS == lm_merge_slot_of(left, right, 0) >> LM_MERGE_RANK_BITS;
}

static inline uint32_t lm_merge_rank(lm_merge_slot s)
{
    return (uint32_t)s & ((1u << LM_MERGE_RANK_BITS) - 1);
}

static inline int32_t lm_merge_left(lm_merge_slot s)
{
    return (int32_t)(s >> (LM_MERGE_TOKEN_BITS + LM_MERGE_RANK_BITS));
}

static inline int32_t lm_merge_right(lm_merge_slot s)
{
    return (int32_t)(s >> LM_MERGE_RANK_BITS) & LM_NO_TOKEN;
}

static inline uint64_t lm_merge_hash(int32_t left, int32_t right)
{
    uint64_t h = (uint32_t)left * 0x9e3779b97f4a7c15u + (uint32_t)right * 0xbf58476d1ce4e5b9u;
    return h ^ h >> 29;
}

static inline uint8_t lm_merge_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)hash;
    return tag ? tag : 1;
}

/* Bits of the tags of a group that are this one. */
static inline unsigned lm_merge_group(const uint8_t *tags, uint8_t tag)
{
#ifdef __SSE2__
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)tags);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8((char)tag)));
#else
    unsigned bits = 0;
    for (int i = 0; i < LM_MERGE_GROUP; i++)
        bits |= (unsigned)(tags[i] == tag) << i;
    return bits;
#endif
}

/* The merge of two tokens; NULL if there is none. */
static inline const lm_merge_slot *lm_merge_find(const lm_bpe *b, int32_t left, int32_t right)
{
    uint64_t hash = lm_merge_hash(left, right);
    for (size_t group = hash >> b->shift;; group = (group + 1) & b->mask) {
        const uint8_t *tags = b->tags + group * LM_MERGE_GROUP;
        for (unsigned same = lm_merge_group(tags, lm_merge_tag(hash)); same; same &= same - 1) {
            const lm_merge_slot *s = &b->slots[group * LM_MERGE_GROUP + (size_t)__builtin_ctz(same)];
            if (lm_merge_is(*s, left, right))
                return s;
        }
        if (lm_merge_group(tags, 0))
            return NULL;
    }
}

/* The token that is this character alone; -1 if there is none. */
static inline int32_t lm_bpe_char(const lm_bpe *b, uint32_t code)
{
    const int32_t *page = b->pages[code / LM_CHAR_PAGE];
    return page ? page[code % LM_CHAR_PAGE] : -1;
}

/* A part of a word: the token that it is so far, how many bytes of the word, and its neighbours. */
typedef struct lm_symbol {
    int32_t id, len;    /* len 0 = it became a part of the one before it */
    int32_t prev, next; /* -1 = none */
    uint32_t rank;      /* of the merge with the next; LM_NO_MERGE = there is none */
} lm_symbol;

/* Links symbols of which id and len are given, and looks up what their pairs become. */
void lm_bpe_link(const lm_bpe *b, lm_symbol *symbols, size_t n);
/* Applies the merges to symbols 0 to n - 1, which are linked: the one of the lowest rank first,
 * the leftmost among equals, until there is none (Sennrich et al. 2016, as the reference). `heap` has room
 * for 2n elements; O(n log n). What is left is linked by `next`, from symbol 0 on. */
void lm_bpe_merge(const lm_bpe *b, lm_symbol *symbols, size_t n, uint64_t *heap);
/* The same, with each merge left out with the given chance, until another one has been made (Provilkov et al.
 * 2020); numbers are those of the scratch's seed, row and draws. `heap` has room for 3n. */
void lm_bpe_merge_some(const lm_bpe *b, lm_symbol *symbols, size_t n, uint64_t *heap, double dropout,
                       lm_model_scratch *scratch);

/* A word of few symbols, or a window of a long one. Symbol i is in place i + 1: before the first and behind the last one stands one that
 * merges with none. */
enum { LM_BPE_SHORT = 62, LM_BPE_AT_ONCE = 8 };
typedef struct lm_bpe_short {
    _Alignas(16) int32_t keys[LM_BPE_SHORT + 2]; /* of the merge with the next symbol */
    int32_t id[LM_BPE_SHORT + 2];
    uint64_t alive; /* bits: the places of symbols that no other has taken in */
    size_t n;
} lm_bpe_short;

/* Of 1 to LM_BPE_SHORT bytes, or of as many symbols, of which id and len are given. */
void lm_bpe_short_bytes(const lm_bpe *b, lm_str word, lm_bpe_short *w);
void lm_bpe_short_symbols(const lm_bpe *b, const lm_symbol *symbols, size_t n, lm_bpe_short *w);
/* As lm_bpe_merge, of each of them, LM_BPE_AT_ONCE side by side. */
void lm_bpe_merge_short(const lm_bpe *b, lm_bpe_short *words, size_t count);

/* The same for words of 1 to LM_SHORT_WORD bytes, which are given as bytes. */
void lm_bpe_merge_bytes(const lm_bpe *b, const lm_str *words, size_t count, lm_short_tokens *const *out);
/* Of a model with `parts`: whether a token begins with these two bytes. */
static inline bool lm_bpe_begins(const lm_bpe *b, int first, int second)
{
    lm_token_trie_place at = lm_token_trie_root(&b->trie);
    return lm_token_trie_step(&b->trie, &at, b->numbers[first]) && lm_token_trie_step(&b->trie, &at, b->numbers[second]);
}

/* Whether a word is better looked up than merged. */
static inline bool lm_bpe_looks_up(const lm_bpe *b, lm_str word)
{
    const unsigned char *bytes = (const unsigned char *)word.data;
    return word.len > 1 && bytes[1] >> 7 && b->leads_on[bytes[0]] >> (bytes[1] & 63) & 1;
}

/* The tokens of such a word of up to LM_BPE_SHORT bytes by its longest ones, or, with `whole`, the token that it is: `ids`, with room for
 * one a byte, and bits of their last bytes. Returns how many; 0: the tables are not what BPE makes of its merges, and say nothing. */
uint32_t lm_bpe_match(const lm_bpe *b, lm_str word, bool whole, int32_t *ids, uint64_t *ends);
/* And merging for n <= LM_BPE_SHORT symbols, of which id and len are given; adds the tokens to `out`. */
void lm_bpe_merge_symbols(const lm_bpe *b, const lm_symbol *symbols, size_t n, lm_token_list *out);

/* Symbols of a word from its start on: as many as come of whole characters, up to LM_BPE_SHORT, if the word does not end before. Sets
 * id and len of each, and returns how many. */
size_t lm_bpe_symbols(const lm_token_model *m, lm_str word, lm_model_scratch *scratch, lm_symbol symbols[LM_BPE_SHORT]);

/* The same as lm_bpe_merge for a word of any length, window by window, until `out` has `most` tokens or more; false: the word is done.
 * `cut` appends the tokens of a piece, whose ends count from its start. `chars`: words are whole characters of UTF-8; else bytes.
 * Models without prefix, suffix and dropout, for which the tokens of a text are a matter of its merges alone. */
typedef void lm_bpe_window(const lm_token_model *m, lm_str piece, lm_model_scratch *scratch, lm_token_list *out);
bool lm_bpe_in_windows(const lm_token_model *m, lm_str word, bool chars, lm_bpe_window *cut, lm_model_scratch *scratch,
                       lm_word_walk *walk, size_t most, lm_token_list *out);
/* A word as bytes, in parts: lm_token_model_walk. */
bool lm_bpe_walk_bytes(const lm_token_model *m, lm_str bytes, lm_word_walk *walk, lm_model_scratch *scratch, lm_token_list *out);
/* Tokens that a part of a long word has at least. */
enum { LM_WALK_TOKENS = 1 << 14 };

/* Fills in `takes_bytes` and what belongs to it, */
void lm_bpe_find_bytes(const lm_token_model *m, lm_bpe *b);
/* then `parts` and what belongs to it, from the tables' index, where it is made if that was not kept, */
void lm_bpe_find_parts(lm_token_model *m, lm_bpe *b, bool kept);
/* and then `pairs`. */
void lm_bpe_find_pairs(lm_bpe *b);
/* Fills in `slots`, `merged`, `pages`, `crossings` and what belongs to them, from the tables' index; makes that where there is none. */
bool lm_bpe_find_merges(lm_token_model *m, lm_bpe *b, lm_status *st);
/* Its part of crossings: `crossings` and `cuts`. */
void lm_bpe_find_crossings(lm_token_model *m, lm_bpe *b, bool kept);
/* Whether a word of a model that `cuts` may be cut between these two characters. */
bool lm_bpe_parts(const lm_token_model *m, uint32_t left, uint32_t right);
/* Behind characters [from, result) of [from, to) the word may be cut. */
size_t lm_bpe_cut(const lm_token_model *m, const lm_char *at, size_t from, size_t to);

#endif
