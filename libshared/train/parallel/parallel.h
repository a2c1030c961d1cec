/* Data parallel training: the rows of each step are dealt to the processes of a run (train/parallel/communicator.h), and their gradients
 * are added up (train/parallel/exchange.h).
 *
 * Process 0 is the run: it reads the input, makes the model, deals the rows, updates the weights, evaluates, saves and logs, as
 * it does alone. The others know nothing but the network: they are told what is trained, get weights and rows, and give
 * gradients. So a run may be resumed with another number of processes, and nothing of a trainer but lm_run_gradients is
 * different with several. Dropout is keyed by the row's number in the step, and losses are divided by what carries one in all of
 * it, so that N processes compute what one does but for the order of sums. */
#ifndef LM_TRAIN_PARALLEL_H
#define LM_TRAIN_PARALLEL_H

#include "train/parallel/communicator.h"
#include "train/run_internal.h"

typedef struct lm_parallel lm_parallel;

/* Process 0, before the first step: the others make the run's model, and get its weights. NULL and no failure where there are no
 * others. */
lm_parallel *lm_parallel_new(lm_run *r, lm_status *st);
void lm_parallel_free(lm_parallel *p);
/* lm_run_gradients over the rows of r->rows, by all processes. */
bool lm_parallel_gradients(lm_run *r, double *loss, lm_status *st);
/* Before the last part of a step, in each process: backward hands over gradients that are whole. */
void lm_parallel_last_part(lm_parallel *p, lm_step *step);
/* Whether another process is why the run cannot go on; `st` says so then. */
bool lm_parallel_broken(lm_parallel *p, lm_status *st);

/* What a process other than 0 does, until process 0 says that all is done. */
bool lm_parallel_serve(lm_communicator *c, const lm_run_spec *spec, lm_status *st);
/* Process 0 has done everything, or fails. */
void lm_parallel_dismiss(lm_communicator *c);

#endif
