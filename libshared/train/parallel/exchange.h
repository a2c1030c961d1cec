/* Gradients go up, weights go down: sums over all processes of a run, and what process 0 has made of them.
 *
 * Processes are a binomial tree: process r hears from r+1, r+2, r+4 ... as long as those are no multiples of more than what is
 * added, and passes on to the process that it is a child of. Each adds what its children send to its own gradient, child after
 * child: so a sum is made in one order, given by the number of processes alone.
 *
 * Gradients are exchanged in pieces while backward goes on, from the parameters that are whole first, the last blocks', on
 * (lm_step.whole). Tables whose gradient is by rows follow at the end, with the rows that have one. */
#ifndef LM_TRAIN_EXCHANGE_H
#define LM_TRAIN_EXCHANGE_H

#include "graph/params.h"
#include "train/parallel/communicator.h"

typedef struct lm_exchange lm_exchange;

/* Of the parameters that have a gradient, or of all (for lm_exchange_spread alone). */
lm_exchange *lm_exchange_new(lm_communicator *c, lm_params *params, bool all);
void lm_exchange_free(lm_exchange *e);

/* A sum begins: gradients are added to from now on. */
void lm_exchange_begin(lm_exchange *e);
/* lm_step.whole, with the exchange as its context: the last backward of a step. It never waits. */
void lm_exchange_whole(void *exchange, uint32_t from);
/* All gradients are whole. When it returns, process 0 has the sum, and the others may do with theirs what they like. */
bool lm_exchange_finish(lm_exchange *e, lm_status *st);
/* The values of process 0 become those of all; of a lazy table (graph/params.h) those of the rows that the last sum had. */
bool lm_exchange_spread(lm_exchange *e, lm_status *st);

#endif
