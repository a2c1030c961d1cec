/* Inside contextual: which tokens of a vocabulary are whole words, and how they are written. */
#ifndef LM_AUGMENT_WHOLE_WORDS_H
#define LM_AUGMENT_WHOLE_WORDS_H

#include "base/arena.h"
#include "text/tokenizer.h"

#include <stdbool.h>

/* Zero-initialise. */
typedef struct lm_whole_words {
    int size;       /* ids */
    int count;      /* of whole words among them */
    lm_str *words;  /* [size] as they stand in a text, composed (NFC); data NULL: the token is none */
    lm_str *lower;  /* [size] the same in lower case */
    lm_arena *arena;
} lm_whole_words;

/* Whether a word consists of letters (and the marks and apostrophes within), and is more than one letter of an alphabet. */
bool lm_is_letters(lm_str word);
/* Whether its first character is a Hangul syllable. */
bool lm_begins_with_syllable(lm_str word);

/* A token begins a word where the vocabulary's way of writing says so: no ## before it, or a Ġ, or a ▁; where a vocabulary has none
 * of these, each token does. False: none is a whole word. */
bool lm_whole_words_find(lm_whole_words *w, const lm_tokenizer *t, int size, lm_status *st);
void lm_whole_words_free(lm_whole_words *w);

#endif
