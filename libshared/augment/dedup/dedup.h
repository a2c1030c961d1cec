/* Records whose text was there before are left out: --dedup, where what is left of both texts is the same (simplify.h), and
 * --near-dedup, where they share most of their n-grams (signature.h). The first of several stays. The answer depends on the
 * records alone: not on memory, threads, or the files that they come in. */
#ifndef LM_AUGMENT_DEDUP_DEDUP_H
#define LM_AUGMENT_DEDUP_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lm_operation_kind lm_operation_kind;

/* What near duplicates are, beside the threshold. */
typedef struct lm_near_options {
    int64_t ngram, buckets, hashes, seed;
    int ngram_of; /* index into lm_ngram_names: 0 words, 1 characters */
} lm_near_options;

#define LM_NEAR_DEFAULTS {.ngram = 5, .buckets = 14, .hashes = 8, .seed = 1} /* datatrove's */
enum { LM_NGRAM_MAX = 1000, LM_BUCKETS_MAX = 1000, LM_HASHES_MAX = 1000 };
extern const char *const lm_ngram_names[]; /* "words", "characters", NULL */

extern const lm_operation_kind lm_dedup_kind, lm_near_dedup_kind;

struct lm_augment_entries;
void lm_dedup_entries(struct lm_augment_entries *to); /* of the option table */
/* For lm_option.optional: whether a word is a value of --dedup, of --near-dedup. */
bool lm_dedup_takes(const char *word);
bool lm_near_dedup_takes(const char *word);

#endif
