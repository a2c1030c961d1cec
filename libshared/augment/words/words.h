/* A text as words and what stands between them, so that words can be replaced, moved and taken out while the rest stays.
 *
 * A word is a run of letters, marks and digits, with apostrophes between letters (don't) and points and commas between digits
 * (3,000.5). White space parts the text into chunks, which may hold several words (well-known) or none (--). A chunk that is an
 * address, a name or a stand-in (https://..., me@here, @somebody, #tag, <URL>, [MASK]) is one word, and fixed: it has no
 * synonyms and no letters to mistype. Han characters and kana are written without spaces: there a word is the longest entry of
 * the thesaurus that begins here, else one character. A Korean word is what stands between spaces, particles included. */
#ifndef LM_AUGMENT_WORDS_H
#define LM_AUGMENT_WORDS_H

#include "base/buffer.h"
#include "base/status.h"

#include <stdint.h>

typedef enum lm_word_kind {
    LM_WORD_PLAIN,
    LM_WORD_ALONE, /* of a language without spaces: nothing need stand between it and others */
    LM_WORD_FIXED
} lm_word_kind;

typedef struct lm_text_word {
    uint32_t from, to; /* bytes of the text */
    uint32_t chunk;    /* that it stands in */
    lm_word_kind kind;
} lm_text_word;

typedef struct lm_text_chunk {
    uint32_t from, to; /* bytes of the text */
    uint32_t word;     /* its first one; those up to the first of the next chunk are its own */
} lm_text_chunk;

/* Zero-initialise; reused for many texts. */
typedef struct lm_text_words {
    lm_str text;
    lm_text_word *at;
    size_t count, cap;
    lm_text_chunk *chunks; /* and one more behind the last, empty, at the end of the text */
    size_t chunk_count, chunk_cap;
} lm_text_words;

/* Bytes of the longest entry that `text` begins with; 0 where there is none. */
typedef size_t lm_longest_entry(const void *entries, lm_str text);

/* Splits a text (valid UTF-8, borrowed). `longest` may be NULL. A text of 4 GiB or more fails. */
bool lm_text_words_split(lm_text_words *w, lm_str text, lm_longest_entry *longest, const void *entries, lm_status *st);
void lm_text_words_free(lm_text_words *w);

static inline lm_str lm_text_word_str(const lm_text_words *w, size_t i)
{
    return (lm_str){w->text.data + w->at[i].from, w->at[i].to - w->at[i].from};
}

#endif
