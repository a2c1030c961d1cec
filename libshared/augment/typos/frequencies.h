/* How often each word occurs in the whole input, within a budget of memory: words are known by 64 bits of a hash. */
#ifndef LM_AUGMENT_TYPOS_FREQUENCIES_H
#define LM_AUGMENT_TYPOS_FREQUENCIES_H

#include "stream/scratch.h"
#include "stream/sorted.h"

typedef struct lm_frequencies lm_frequencies;

lm_frequencies *lm_frequencies_new(size_t memory);
void lm_frequencies_free(lm_frequencies *f);
/* Counts words: high is the hash, low how often. */
bool lm_frequencies_add(lm_frequencies *f, const lm_wide *words, size_t n, lm_status *st);
/* No more words; from now on any thread may ask. */
bool lm_frequencies_settle(lm_frequencies *f, lm_status *st);
uint64_t lm_frequencies_total(const lm_frequencies *f); /* of all words */
uint64_t lm_frequency(const lm_frequencies *f, uint64_t hash);

#endif
