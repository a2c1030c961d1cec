/* Easy data augmentation (Wei and Zou 2019, arXiv 1901.11196): synonyms, insertion, swapping and deletion of words.
 *
 * A share A of a text of L words stands for n = max(1, floor(A L)) words, as in the authors' script:
 *   synonym  n distinct words, in random order, none of them a stop word, that have synonyms: all occurrences of each are replaced
 *            by one synonym, drawn from all senses;
 *   insert   n times, a synonym of a random word of the text as it is by then (up to ten words are tried; as in the paper, and
 *            not in the script, none of them a stop word) goes before a random word;
 *   swap     n times, two random words change places (where three draws give the same place again, none);
 *   delete   each word with probability A, but never all: then a random one stays, and so does a single word.
 * `eda` is their mixture: N copies of a text share the techniques out as evenly as can be, in random order.
 * Unlike the script's, a text keeps its punctuation, case, digits and line breaks (augment/words/words.h says what a word is). */
#ifndef LM_AUGMENT_EDA_H
#define LM_AUGMENT_EDA_H

#include "base/options.h"

struct lm_augment_entries;
struct lm_operation_kind;

enum { LM_EDA_COPIES = 9 /* that --eda makes if nobody says how many */ };

typedef struct lm_eda_options {
    lm_strings thesaurus;  /* files (augment/eda/thesaurus.h) */
    const char *wordnet;   /* directory; NULL: where there is no thesaurus, the usual ones */
    double alpha_sr, alpha_ri, alpha_rs, alpha_rd; /* of --eda's techniques; below 0: what --eda says; 0: not that one */
} lm_eda_options;

#define LM_EDA_DEFAULTS {.alpha_sr = -1, .alpha_ri = -1, .alpha_rs = -1, .alpha_rd = -1}

extern const struct lm_operation_kind lm_synonym_kind, lm_insert_kind, lm_swap_kind, lm_delete_kind, lm_eda_kind;

void lm_eda_entries(struct lm_augment_entries *to);

#endif
