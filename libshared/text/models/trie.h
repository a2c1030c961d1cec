/* The tokens of a vocabulary as a trie of characters: all tokens that begin at one place of a text are found in one walk. A double array
 * (Aoe 1989): the child of a node by a character is at its base plus the character's number, if what stands there says so. */
#ifndef LM_TEXT_MODELS_TRIE_H
#define LM_TEXT_MODELS_TRIE_H

#include "base/utf8.h"
#include "text/models/tables.h"

#define LM_TRIE_FREE UINT32_MAX
#define LM_TRIE_ENDS (UINT32_C(1) << 31)

typedef struct lm_token_trie_node {
    uint32_t from; /* the node whose child it is; LM_TRIE_FREE = nobody's */
    uint32_t base; /* 0 = it has no children; | LM_TRIE_ENDS where a token ends */
} lm_token_trie_node;

/* The root is node 0. Zero-initialise; free with lm_token_trie_free. */
typedef struct lm_token_trie {
    lm_token_trie_node *nodes;
    int32_t *ids;           /* by node, of the token that ends there; else -1 */
    size_t places;          /* nodes, free ones among them */
    uint32_t *numbers;      /* of characters, the frequent ones first: pages of 256; 0 = in no token */
    uint16_t pages[0x1100]; /* which page, by the rest of the code point */
} lm_token_trie;

/* Of tokens that are there several times, it is the last one's id. What is not UTF-8 is found in no text, and left out. */
void lm_token_trie_build(lm_token_trie *t, const lm_vocabulary *v);
void lm_token_trie_free(lm_token_trie *t); /* NULL is none */
/* That of the vocabulary, the tables': made, where it is not there. */
const lm_token_trie *lm_token_trie_of(lm_token_tables *t);
/* How many pages of numbers there are. */
size_t lm_token_trie_pages(const lm_token_trie *t);
/* Whether one that somebody else made, whose numbers fill `pages` pages, is right for a vocabulary of `size` ids in all that memory
 * depends on. */
bool lm_token_trie_check(const lm_token_trie *t, size_t pages, uint32_t size);

/* The number of the character that begins at s, which is well-formed; *len becomes how many bytes it has. */
static inline uint32_t lm_token_trie_character(const lm_token_trie *t, const char *s, size_t *len)
{
    uint32_t code;
    *len = lm_utf8_known(s, &code);
    return t->numbers[(uint32_t)t->pages[code >> 8] << 8 | (code & 255)];
}

/* How far a walk is. It begins with lm_token_trie_root. */
typedef struct lm_token_trie_place {
    uint32_t node, base;
} lm_token_trie_place;

static inline lm_token_trie_place lm_token_trie_root(const lm_token_trie *t)
{
    return (lm_token_trie_place){0, t->nodes[0].base};
}

/* Steps to the child by a character; false, and it stays, if there is none. */
static inline bool lm_token_trie_step(const lm_token_trie *t, lm_token_trie_place *at, uint32_t character)
{
    uint32_t child = (at->base & ~LM_TRIE_ENDS) + character;
    lm_token_trie_node n = t->nodes[child];
    if (n.from != at->node)
        return false;
    *at = (lm_token_trie_place){child, n.base};
    return true;
}

/* Whether a token ends here; if so, its id is t->ids[at.node]. */
static inline bool lm_token_trie_ends(lm_token_trie_place at)
{
    return at.base & LM_TRIE_ENDS;
}

#endif
