/* --fix-typos: words that no dictionary has, and that are one slip of the fingers away from one that it has.
 *
 * Of the words that a slip may have come from, the likeliest is taken: by the number of times that it occurs in the input itself
 * and by the kind of slip (typos/edits.h), a noisy channel (Kernighan, Church and Gale 1990). The word stays as it is where
 * a second one is about as likely, and where it occurs too often itself to be a slip. Where none of them occurs in an input that is
 * not large, the kind of slip alone decides.
 *
 * Korean words, what stands between spaces, are taken for the keys that they were typed with, jamo by jamo.
 * Left alone are words with capital letters or digits, addresses and the like (words/words.h), short words and the words of
 * --protect. */
#ifndef LM_AUGMENT_TYPOS_TYPOS_H
#define LM_AUGMENT_TYPOS_TYPOS_H

struct lm_augment_entries;
struct lm_operation_kind;

typedef struct lm_typos_options {
    const char *dictionary; /* names or paths, separated by commas (typos/dictionary.h) */
} lm_typos_options;

#define LM_TYPOS_DEFAULTS {.dictionary = "en_US"}

extern const struct lm_operation_kind lm_fix_typos_kind;

void lm_typos_entries(struct lm_augment_entries *to);

#endif
