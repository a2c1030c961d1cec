/* Text that stands elsewhere, too: in a test set, or earlier in the same input. */
#ifndef LM_AUGMENT_OVERLAP_OVERLAP_H
#define LM_AUGMENT_OVERLAP_OVERLAP_H

#include <stdint.h>

struct lm_augment_entries;
struct lm_operation_kind;

typedef struct lm_overlap_options {
    int64_t decontaminate_ngram;     /* words in a row that make a record contaminated */
    const char *decontaminate_text;  /* fields of the test set, as lm_records_options.text; NULL = those of the input */
    int64_t sentences;               /* that make a span of --dedup-sentences */
} lm_overlap_options;
#define LM_OVERLAP_DEFAULTS {.decontaminate_ngram = 13, .sentences = 3}

/* --decontaminate FILE: drops records that share words with FILE, a test set in any form that lm_records reads. Words are
 * compared as augment/overlap/words.h has them. A row of the test set of n or more words is found by any n words in a row
 * (n = 13: Brown et al. 2020, appendix C); one of 8 to n - 1 words where all of them stand in a row in a record; a shorter one
 * where a record has no other words. Without state but for the file. */
extern const struct lm_operation_kind lm_decontaminate_kind;

/* --dedup-lines: takes out lines that stood before, in this record or in one before it, as CCNet does (Wenzek et al. 2020),
 * and --dedup-sentences the sentences of every span of three that stood before, as C4 does (Raffel et al. 2020, 2.2). They
 * are compared by the words in them (64 bits of a hash); what has no words stays. A record of which nothing is left is
 * dropped. */
extern const struct lm_operation_kind lm_dedup_lines_kind, lm_dedup_sentences_kind;

/* --dedup-substring N: takes out what stood before for N bytes or more, byte for byte: after Lee et al. 2022, "Deduplicating
 * training data makes language models better", but for the first occurrence, which stays. */
extern const struct lm_operation_kind lm_dedup_substring_kind;

void lm_overlap_entries(struct lm_augment_entries *to);

#endif
