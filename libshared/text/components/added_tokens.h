/* Tokens that are cut out of the text before everything else: special ones, and those that were added later.
 */
#ifndef LM_TEXT_ADDED_TOKENS_H
#define LM_TEXT_ADDED_TOKENS_H

#include "text/components/components.h"

typedef struct lm_added_token {
    int32_t id;
    bool single_word, left_strip, right_strip, normalized, special;
} lm_added_token;

/* A trie over symbols (bytes, or code points) whose edges stand in one hash table. */
typedef struct lm_trie {
    struct lm_trie_edge *edges;
    size_t edge_count, slot_count; /* slot_count: a power of two, or 0 */
    int32_t *accepts;              /* by node: index of the token that ends there, or -1 */
    size_t node_count, node_cap;
    bool starts[256]; /* by the first symbol's low byte */
    int only;         /* the one byte all tokens begin with; -1 = several, -2 = no token */
} lm_trie;

typedef struct lm_added_tokens {
    lm_added_token *items;
    size_t count, cap;
    lm_vocabulary vocabulary; /* of these alone */
    lm_trie raw, normalized;
} lm_added_tokens;

/* One more, with these flags. Ids have to grow, or to be sorted afterwards (lm_added_tokens_read does). */
bool lm_added_tokens_add(lm_added_tokens *a, lm_str content, int64_t id, lm_added_token flags, lm_status *st);
bool lm_added_tokens_read(lm_added_tokens *a, json_t *list, const lm_vocabulary *model, lm_status *st);
/* Makes the tries; tokens that are matched in normalised text are normalised by `n` first. */
void lm_added_tokens_ready(lm_added_tokens *a, const lm_normalizer *n);
void lm_added_tokens_free(lm_added_tokens *a);
const lm_added_token *lm_added_tokens_get(const lm_added_tokens *a, int32_t id); /* NULL if absent */

/* A match: the text [from, to), spaces that belong to it included; the token proper ends at `end`. */
typedef struct lm_match {
    size_t from, to, end;
    int32_t id;
} lm_match;

/* The next token at or behind `start` in text (bytes); `done` is where the last one's span ended. */
bool lm_added_tokens_find(const lm_added_tokens *a, lm_str text, size_t start, size_t done, lm_match *m);
/* Splits the characters of p into words: added tokens that are matched in normalised text, and what is
 * between. */
void lm_added_tokens_split(const lm_added_tokens *a, lm_pieces *p);

#endif
