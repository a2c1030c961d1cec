/* Text on its way through the pipeline: code points, each with the span of source bytes that it stands for,
 * and the words into which they are split. Growing keeps the memory, so that after the longest line nothing
 * is allocated. */
#ifndef LM_TEXT_CHARS_H
#define LM_TEXT_CHARS_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lm_char {
    uint32_t code;
    int32_t from, to; /* source bytes [from, to) */
} lm_char;

typedef struct lm_chars {
    lm_char *at;
    size_t n, cap;
} lm_chars;

typedef struct lm_word {
    int32_t from, to; /* characters [from, to) */
    int32_t id;       /* of the added token that it is; -1 for an ordinary word */
} lm_word;

/* The text that components work on, and room for what they make of it. Zero-initialise. */
typedef struct lm_pieces {
    lm_chars chars, spare;
    lm_word *words, *spare_words;
    size_t word_count, word_cap, spare_count, spare_cap;
    struct lm_sort_entry *order; /* of canonical ordering */
    size_t order_cap;
    size_t source;              /* characters that lm_pieces_put has passed */
    lm_buf utf8;                /* what regular expressions look at, */
    struct lm_matcher *matcher; /* and their memory; NULL until one is used */
} lm_pieces;

void lm_pieces_free(lm_pieces *p);
/* Empties `p` and decodes text[from..to) into it; ill-formed UTF-8 becomes U+FFFD. */
void lm_pieces_read(lm_pieces *p, lm_str text, size_t from, size_t to);
/* Makes one word of all characters (none if there are none). */
void lm_pieces_one_word(lm_pieces *p);

void lm_chars_reserve(lm_chars *c, size_t n);
static inline void lm_chars_push(lm_chars *c, uint32_t code, int32_t from, int32_t to)
{
    if (c->n == c->cap)
        lm_chars_reserve(c, c->n + 1);
    c->at[c->n++] = (lm_char){code, from, to};
}
static inline void lm_pieces_swap(lm_pieces *p) /* what stands in `spare` is the text now */
{
    lm_chars c = p->chars;
    p->chars = p->spare;
    p->spare = c;
}
void lm_pieces_push_word(lm_pieces *p, int32_t from, int32_t to,
                         int32_t id);    /* to the spare words; not if empty */
void lm_pieces_swap_words(lm_pieces *p); /* and empties the spare ones */
/* The characters [from, to) as UTF-8, appended. */
void lm_chars_utf8(const lm_chars *c, size_t from, size_t to, lm_buf *out);

/* Rewriting the characters one by one into the spare ones: `change` as the reference counts, 1 = is added to
 * the character before and shares its span, 0 = replaces the next one, -k = replaces one and swallows k more.
 * Begin with lm_pieces_rewrite, end with lm_pieces_swap. */
static inline void lm_pieces_rewrite(lm_pieces *p)
{
    p->spare.n = p->source = 0;
}
void lm_pieces_put(lm_pieces *p, uint32_t code, long change);

/* Rewriting characters and words together: the characters of each word, with others among them, are pushed to
 * the spare ones, and the word is closed. Begin with lm_pieces_rewrite, end with lm_pieces_swap and
 * lm_pieces_swap_words. */
void lm_pieces_close_word(lm_pieces *p, size_t from, int32_t id); /* the spare characters from `from` on */
void lm_pieces_copy(lm_pieces *p, lm_word w);                     /* the characters of w, to the spare ones */

/* Transformations, with alignments as the reference's. */
void lm_pieces_decompose(lm_pieces *p, bool compatibility); /* NFD, NFKD */
void lm_pieces_compose(lm_pieces *p, bool compatibility);   /* NFC, NFKC */
void lm_pieces_lower_case(lm_pieces *p);
void lm_pieces_remove(lm_pieces *p, unsigned properties); /* characters with any of them */

#endif
