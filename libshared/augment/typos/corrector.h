/* What a word should be. */
#ifndef LM_AUGMENT_TYPOS_CORRECTOR_H
#define LM_AUGMENT_TYPOS_CORRECTOR_H

#include "augment/typos/dictionary.h"
#include "augment/typos/frequencies.h"
#include "text/train/word_counts.h"

/* Where in `fixed` a word's correction stands. */
typedef struct lm_answer {
    size_t from, len;
} lm_answer;

/* For one thread at a time. It remembers words that came by; what it says does not depend on them. */
typedef struct lm_corrector {
    lm_dictionary *dictionary;
    const lm_frequencies *frequencies;
    lm_word_counts seen;
    lm_answer *answers; /* of the words seen */
    size_t answer_cap;
    lm_buf fixed, edit, title;
    struct lm_corrector *next; /* the owner's */
} lm_corrector;

typedef struct lm_correction {
    bool known;  /* to the dictionary */
    lm_str word; /* instead; data NULL = it stays. Valid until the next call */
} lm_correction;

/* The hash by which the frequencies know a word in lower case. */
uint64_t lm_typos_hash(lm_str lower);
/* `word` has no capital letters. */
lm_correction lm_correct(lm_corrector *c, lm_str word);
void lm_corrector_free(lm_corrector *c); /* what it holds, but for the frequencies */

#endif
