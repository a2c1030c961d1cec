/* The characters that training starts from. */
#ifndef LM_TEXT_TRAIN_ALPHABET_H
#define LM_TEXT_TRAIN_ALPHABET_H

#include "text/train/words.h"

enum { LM_CODE_POINTS = 0x110000 };

typedef struct lm_letter {
    uint32_t code;
    bool inside;    /* occurs behind the first place of a word */
    uint64_t count; /* UINT64_MAX: it has to be there */
} lm_letter;

typedef struct lm_alphabet_options {
    int64_t limit;   /* most letters; 0 = no limit */
    double coverage; /* the most frequent letters that make up this share of the text are enough; 1 = all */
    const uint32_t *initial; /* letters that have to be there, also where the text lacks them */
    size_t initial_count;
} lm_alphabet_options;

typedef struct lm_alphabet {
    lm_letter *letters; /* by code point */
    size_t n;
} lm_alphabet;

/* Of letters that are equally rare the higher code point is left out first. */
bool lm_alphabet_count(const lm_words *words, const lm_alphabet_options *options, lm_alphabet *out,
                       lm_status *st);
void lm_alphabet_free(lm_alphabet *a);

#endif
