/* Words as they are compared: in lower case, without punctuation (which parts words, as white space does), composed (NFC)
 * where combining marks or conjoining jamo ask for it; each Han or Kana character is a word by itself, since they are written
 * without spaces. Korean words are what stands between spaces. */
#ifndef LM_AUGMENT_OVERLAP_WORDS_H
#define LM_AUGMENT_OVERLAP_WORDS_H

#include "base/buffer.h"
#include "text/unicode/chars.h"

#include <stdint.h>

/* Zero-initialise; reused for many texts. */
typedef struct lm_compared_words {
    uint64_t *hashes; /* of the words, XXH3 */
    size_t count, cap;
    lm_buf word;      /* the rest is room for reading */
    lm_pieces pieces;
    lm_buf composed;
} lm_compared_words;

/* Appends the words of a text (valid UTF-8). */
void lm_compared_words_add(lm_compared_words *w, lm_str text);
static inline void lm_compared_words_clear(lm_compared_words *w)
{
    w->count = 0;
}
void lm_compared_words_free(lm_compared_words *w);

#endif
