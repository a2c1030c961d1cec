/* Vectors for the tokens of many rows, kept between epochs: what the frozen part of a model gives for them.
 *
 * Their size is known beforehand: up to a budget they lie in memory, past it in an unlinked file in $TMPDIR or
 * /var/tmp, which is mapped and so counts as cache and not as anonymous memory. */
#ifndef LM_TRAIN_PREFIX_CACHE_H
#define LM_TRAIN_PREFIX_CACHE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_prefix_cache lm_prefix_cache;

/* Row i has lengths[i] vectors of `width` numbers, or one where `lengths` is NULL. `memory`: bytes of the budget. */
lm_prefix_cache *lm_prefix_cache_new(uint64_t rows, const uint32_t *lengths, int width, size_t memory,
                                     lm_status *st);
void lm_prefix_cache_free(lm_prefix_cache *c);
/* Takes the vectors of the next `rows` rows, one row's after the other's. Rows come in their order. */
bool lm_prefix_cache_add(lm_prefix_cache *c, uint64_t rows, const float *vectors, lm_status *st);
/* All rows are there: reading may begin. */
bool lm_prefix_cache_finish(lm_prefix_cache *c, lm_status *st);
/* The vectors of a row, [*count, width]. */
const float *lm_prefix_cache_row(const lm_prefix_cache *c, uint64_t row, uint32_t *count);
uint64_t lm_prefix_cache_bytes(const lm_prefix_cache *c);
bool lm_prefix_cache_in_memory(const lm_prefix_cache *c);

#endif
