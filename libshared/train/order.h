/* Which rows an optimiser step reads.
 *
 * An epoch visits every row once. With shuffling its order is a permutation that depends on (seed, epoch)
 * alone; a step takes the next rows_per_step rows of it, and the last step of an epoch what is left. Grouping
 * by length (off by default, as in transformers) sorts windows of 50 steps by length, cuts them into steps
 * and deals these in shuffled order. Rows are never padded here, so it saves nothing in the linear layers; it
 * evens out the steps. */
#ifndef LM_TRAIN_ORDER_H
#define LM_TRAIN_ORDER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lm_order lm_order;

/* `lengths` (borrowed; [rows]) is needed only with by_length. */
lm_order *lm_order_new(uint32_t rows, uint32_t rows_per_step, bool shuffle, bool by_length,
                       const uint32_t *lengths, uint64_t seed);
void lm_order_free(lm_order *o);
uint64_t lm_order_steps(const lm_order *o); /* of an epoch */
/* The rows of a step of an epoch, both from 0; valid until another epoch is asked for. */
const uint32_t *lm_order_step(lm_order *o, uint64_t epoch, uint64_t step, uint32_t *count);

#endif
