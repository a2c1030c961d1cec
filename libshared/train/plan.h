/* What a run takes, before it begins: how a step is cut into micro-batches, how much memory that comes to, and --plan.
 *
 * Nothing is guessed from the architecture: micro-batches of made-up rows as long as the real ones run forward and backward,
 * the optimiser updates at rate 0, the longest rows of --eval are evaluated, and the process's anonymous memory is looked
 * at. What comes later and is not there yet (the best weights, the cache of frozen blocks) is added. With --memory the
 * activations are first extrapolated from two short rows, so that measuring stays within the limit, too. */
#ifndef LM_TRAIN_PLAN_H
#define LM_TRAIN_PLAN_H

#include "train/run_internal.h"

/* A row's tokens, and those that a second stack reads for it. */
typedef struct lm_row_size {
    uint32_t tokens, target;
} lm_row_size;

/* The lengths of all rows, longest first; of a pipe, rows as long as the model takes. Malloced. */
lm_row_size *lm_run_row_sizes(const lm_run *r, uint64_t *n);
/* How many of the longest rows a micro-batch of so many tokens holds. */
uint32_t lm_run_rows_of(const lm_run *r, const lm_row_size *sizes, uint64_t n, int64_t tokens);
/* A step over made-up rows of these lengths, forward and backward; the gradients are dropped. */
bool lm_run_probe(lm_run *r, const lm_row_size *sizes, uint32_t rows, lm_status *st);
/* The memory of r at the micro-batches that are chosen, into r->memory; the optimiser begins anew. */
bool lm_run_measure_memory(lm_run *r, const lm_row_size *sizes, uint64_t n, lm_status *st);

#endif
