/* The tokens of a vocabulary by their bytes, as a trie laid out in preorder: those that an automaton takes
 * are found in one pass that leaves out what begins with bytes that it does not take. */
#ifndef LM_GENERATE_CONSTRAINT_BYTE_TRIE_H
#define LM_GENERATE_CONSTRAINT_BYTE_TRIE_H

#include "text/token_bytes.h"

typedef struct lm_trie_node {
    uint32_t next; /* the node behind all that begin with these bytes */
    int32_t id;    /* the first token of exactly these bytes; -1 = none */
    uint16_t depth;
    uint8_t byte; /* the last one */
} lm_trie_node;

/* Zero-initialise; lm_byte_trie_free. */
typedef struct lm_byte_trie {
    lm_trie_node *nodes;
    uint32_t count, cap;
    int32_t *same;    /* [columns] the next token of the same bytes; -1 = none */
    uint16_t longest; /* bytes of a token */
    bool every_byte;  /* each that is a part of a character is a token by itself */
} lm_byte_trie;

/* Of the ids below `columns`; those that add nothing are left out, and so are tokens of more than
 * LM_TOKEN_LONGEST bytes. */
enum { LM_TOKEN_LONGEST = 4096 };
void lm_byte_trie_make(lm_byte_trie *t, const lm_token_bytes *bytes, int columns);
void lm_byte_trie_free(lm_byte_trie *t);

#endif
