/* Which rows an optimiser step reads.
 *
 * An epoch visits every row once. With shuffling its order is a permutation that depends on (seed, epoch)
 * alone; a step takes the next rows_per_step rows of it, and the last step of an epoch what is left. Or steps are cut by
 * tokens: an epoch has as few as leave none more than tokens_per_step on average, and each takes the rows that begin in its
 * share of the epoch's tokens, at least one; so all epochs over the same rows have the same number of steps.
 *
 * Grouping by length (off by default, as in transformers) sorts windows of about 50 steps by length, cuts them into steps
 * and deals these in shuffled order. Rows are never padded here, so it saves nothing in the linear layers; it
 * evens out the steps. */
#ifndef LM_TRAIN_ORDER_H
#define LM_TRAIN_ORDER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lm_order_options {
    uint32_t rows_per_step;
    uint64_t tokens_per_step; /* goes before rows_per_step; 0 = none */
    bool shuffle, by_length;
    const uint32_t *lengths; /* [rows], borrowed; read for each epoch anew. Not needed with rows_per_step alone */
    uint64_t seed;
} lm_order_options;

typedef struct lm_order lm_order;

lm_order *lm_order_new(uint32_t rows, const lm_order_options *how);
void lm_order_free(lm_order *o);
uint64_t lm_order_steps(const lm_order *o); /* of an epoch */
/* The rows of a step of an epoch, both from 0; valid until another epoch is asked for. */
const uint32_t *lm_order_step(lm_order *o, uint64_t epoch, uint64_t step, uint32_t *count);
/* Rows of an epoch before a step of it: of the epoch that was asked for last. */
uint64_t lm_order_before(const lm_order *o, uint64_t step);

#endif
