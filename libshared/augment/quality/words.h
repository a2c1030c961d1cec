/* Texts cut into words and sentences as the published quality filters count them.
 *
 * Their thresholds belong to the words of datatrove, which cuts English with spaCy's rules: at white space, then punctuation, quotes,
 * currency and symbols off both ends of what stands there, then what joins two words (hyphens, `..`, a comma or colon
 * between letters), contractions in two ("do" "n't"), abbreviations and addresses left whole. Those rules are here
 * (spaCy 3.8: lang/punctuation.py, lang/en, tokenizer.pyx), with Unicode's categories for spaCy's alphabets, and
 * without its emoticons beyond ASCII. They know no language: Korean is cut into its words between blanks (eojeol), without morphology. */
#ifndef LM_AUGMENT_QUALITY_WORDS_H
#define LM_AUGMENT_QUALITY_WORDS_H

#include "base/buffer.h"

#include <stdint.h>

/* What is true of a word. */
enum {
    LM_WORD_LETTERS = 1,  /* a letter is in it */
    LM_WORD_SYMBOLS = 2,  /* it has nothing but datatrove's punctuation */
    LM_WORD_PUNCT = 4,    /* it has nothing but characters of category P */
    LM_WORD_STOP = 8,     /* it is a full stop of some script */
    LM_WORD_SPACE = 16,   /* no word: white space beyond the one blank between words (spaCy's counts in sentences) */
    LM_WORD_HANGUL = 32   /* its first letter is Hangul */
};

typedef struct lm_count_word {
    uint32_t from, len; /* bytes of the text */
    uint32_t chars;
    uint32_t is; /* LM_WORD_... */
} lm_count_word;

typedef struct lm_count_words {
    lm_count_word *items;
    size_t count, cap;
    struct lm_count_char *chars; /* of what is being cut */
    size_t char_cap;
} lm_count_words;

enum { LM_WORDS_TEXT_MOST = 8 << 20 }; /* bytes of a text that can be cut */

/* Words of a text of valid UTF-8 and at most LM_WORDS_TEXT_MOST bytes, in the place of those before. Zero-initialise. `spaces`: white
 * space too, where sentences are to be counted. */
void lm_count_words_cut(lm_count_words *w, lm_str text, bool spaces);
void lm_count_words_free(lm_count_words *w);

/* Sentences, as spaCy's sentencizer counts: one ends behind a full stop and the punctuation that follows it. */
size_t lm_count_sentences(const lm_count_words *w);

/* Does the text end with one of the full stops of all scripts (datatrove's TERMINAL_PUNCTUATION)? */
bool lm_ends_with_stop(lm_str text);
/* Are most letters of a text Hangul? */
bool lm_mostly_hangul(lm_str text);

#endif
