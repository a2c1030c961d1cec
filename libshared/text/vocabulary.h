/* Tokens and their ids: a flat open-addressing hash table over one block of bytes. Ids may have holes. */
#ifndef LM_TEXT_VOCABULARY_H
#define LM_TEXT_VOCABULARY_H

#include "base/buffer.h"
#include "base/status.h"

#include <stdint.h>

enum { LM_MAX_TOKEN_ID = (1 << 24) - 1 }; /* what a file may ask for */

typedef struct lm_vocabulary_token {
    uint32_t start;
    int32_t len; /* -1 = a hole: no token has this id */
} lm_vocabulary_token;

typedef struct lm_vocabulary_slot {
    uint32_t tag;
    int32_t id; /* -1 = free */
} lm_vocabulary_slot;

/* Zero-initialise; free with lm_vocabulary_free. */
typedef struct lm_vocabulary {
    lm_buf bytes;
    lm_vocabulary_token *tokens; /* by id */
    int size, cap;               /* ids: the largest plus one */
    int count;                   /* tokens */
    size_t longest;              /* bytes of the longest token */
    lm_vocabulary_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
} lm_vocabulary;

void lm_vocabulary_free(lm_vocabulary *v);
/* Room for as many tokens in all; it grows by itself, too. */
void lm_vocabulary_reserve(lm_vocabulary *v, size_t tokens);
/* Gives `token` the id. Fails for an id out of range or taken, and for a token that has an id already. */
bool lm_vocabulary_add(lm_vocabulary *v, lm_str token, int64_t id, lm_status *st);
/* Moves a token to another id; its old id becomes a hole (what a later line of vocab.txt does to an earlier
 * one). */
void lm_vocabulary_move(lm_vocabulary *v, int from, int to);
/* Gives the token that is found by `known` a further id, behind all others, by which it is found from now on
 * (what Unigram's vocabularies may do). */
bool lm_vocabulary_repeat(lm_vocabulary *v, int known, lm_status *st);
int lm_vocabulary_find(const lm_vocabulary *v, lm_str token); /* -1 if absent */
/* The same of up to LM_VOCABULARY_AT_ONCE tokens, which do not wait for memory one after the other. */
enum { LM_VOCABULARY_AT_ONCE = 64 };
void lm_vocabulary_fetch(const lm_vocabulary *v, const lm_str *tokens, size_t n); /* asks memory for where they are, or would be */
void lm_vocabulary_find_all(const lm_vocabulary *v, const lm_str *tokens, size_t n, int *ids);

static inline lm_str lm_vocabulary_get(const lm_vocabulary *v, int id)
{
    if (id < 0 || id >= v->size || v->tokens[id].len < 0)
        return (lm_str){NULL, 0};
    return (lm_str){v->bytes.data + v->tokens[id].start, (size_t)v->tokens[id].len};
}

/* The hash of a string is built byte by byte (FNV-1a), so that one pass gives those of all its prefixes. */
static inline uint64_t lm_vocabulary_hash_start(void)
{
    return 0xcbf29ce484222325u;
}

static inline uint64_t lm_vocabulary_hash_byte(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * 0x100000001b3u;
}

uint64_t lm_vocabulary_hash(uint64_t hash, lm_str bytes);
/* Whether there may be a token of that hash; seldom true where there is none. */
bool lm_vocabulary_may_have(const lm_vocabulary *v, uint64_t hash);
/* The id of the token that is `head` followed by `tail` and has that hash; -1 if absent. */
int lm_vocabulary_probe(const lm_vocabulary *v, uint64_t hash, lm_str head, lm_str tail);

#endif
