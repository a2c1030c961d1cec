/* Keys that were seen before, and with which number: in memory as long as a budget lasts, then in runs on disk
 * (stream/sorted.h). A filter in memory (Bloom 1970) tells of nearly every key that is new that no run has it. What is answered
 * depends on the keys alone, not on the budget. */
#ifndef LM_AUGMENT_DEDUP_SEEN_H
#define LM_AUGMENT_DEDUP_SEEN_H

#include "augment/dedup/key.h"

typedef struct lm_seen lm_seen;

lm_seen *lm_seen_new(size_t memory);
void lm_seen_free(lm_seen *s);
/* 1: the key was there, and *number becomes that it was entered with; 0: it is new, and entered with *number; -1: failed. */
int lm_seen_or_add(lm_seen *s, lm_wide key, uint64_t *number, lm_status *st);
/* The key will be asked for soon: memory is slower than all the rest. */
void lm_seen_expect(const lm_seen *s, lm_wide key);
/* Whether the key was entered. */
bool lm_seen_has(lm_seen *s, lm_wide key);
bool lm_seen_on_disk(const lm_seen *s);

#endif
