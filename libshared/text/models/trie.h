/* The tokens of a vocabulary as a trie of bytes: all tokens that begin at one place of a text are found in
 * one walk. A double array (Aoe 1989): the child of node n by byte c is at base[n] + c, if that says n. */
#ifndef LM_TEXT_MODELS_TRIE_H
#define LM_TEXT_MODELS_TRIE_H

#include "text/vocabulary.h"

typedef struct lm_token_trie_node {
    int32_t base, parent; /* parent -1 = free; the root is node 0 */
    int32_t id;           /* of the token that ends here; -1 = none */
} lm_token_trie_node;

/* Zero-initialise; free with lm_token_trie_free. */
typedef struct lm_token_trie {
    lm_token_trie_node *nodes;
    size_t n; /* every base + 255 is below it */
} lm_token_trie;

/* Of tokens that are there several times, it is the last one's id. */
void lm_token_trie_build(lm_token_trie *t, const lm_vocabulary *v);
void lm_token_trie_free(lm_token_trie *t);

/* The child of a node; -1 if there is none. */
static inline int32_t lm_token_trie_step(const lm_token_trie *t, int32_t node, unsigned char byte)
{
    int32_t child = t->nodes[node].base + byte;
    return t->nodes[child].parent == node ? child : -1;
}

#endif
