/* Characters that the n-grams of a text's words make up (find_top_duplicate and find_all_duplicate of datatrove). */
#ifndef LM_AUGMENT_NGRAMS_H
#define LM_AUGMENT_NGRAMS_H

#include "augment/quality/judging.h"

typedef struct lm_ngrams {
    const struct lm_gram_word *words; /* and one behind the last */
    size_t count;
    lm_repeats *repeats;
} lm_ngrams;

lm_ngrams lm_ngrams_of(lm_judging *j); /* valid until the next text */
/* Length of the commonest n-gram, its words with a blank between them, times how often it occurs; of several as common, the first. */
size_t lm_ngrams_top(const lm_ngrams *g, size_t n);
/* Length of the n-grams that were there before, their words without blanks, none of them overlapping the one found before it. */
size_t lm_ngrams_repeated(const lm_ngrams *g, size_t n);

#endif
