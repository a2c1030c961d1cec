/* --cache-frozen: the first parts of a model that nothing trains are run once for every row, in inference, and their
 * outputs are kept; a step begins behind them, and so does an evaluation between steps.
 *
 * Of a model with two stacks these are parts of the first.
 *
 * Which parts these are follows from the graph: those that no gradient reaches. While a model is unfrozen gradually
 * they become fewer. Outputs are kept for the parts that stay frozen for longer than an epoch, and computed anew where
 * these change; where a stage of unfreezing is no longer than an epoch, only for the parts that are never trained. Where
 * the head looks at nothing but the first token of each row, only its vector is kept.
 *
 * What is kept depends on the rows, the model, --batch-size and micro_tokens alone, so that a run that is resumed finds
 * the same. */
#ifndef LM_TRAIN_FROZEN_H
#define LM_TRAIN_FROZEN_H

#include "metrics/evaluate.h"
#include "train/freezing/prefix_cache.h"
#include "train/run_internal.h"

/* Fails (LM_USAGE) where nothing can be kept. NULL and no failure where --cache-frozen is not asked for. */
lm_frozen *lm_frozen_new(lm_run *r, lm_status *st);
void lm_frozen_free(lm_frozen *f);
/* Whether lm_frozen_fill has to run before the next step of a stage. */
bool lm_frozen_due(const lm_frozen *f, int stage);
/* Runs the parts of r->stage over all rows, and keeps the outputs; or gives up what was kept. */
bool lm_frozen_fill(lm_frozen *f, lm_run *r, lm_status *st);
/* Takes the outputs for the rows of r->micro (computes them, where lm_frozen_fill has not run), and returns the batch
 * that the rest of the model runs over: r->micro's own, or one of as many rows of one token. NULL: failed. Before
 * lm_graph_begin; after it lm_frozen_give puts them on the graph. */
const lm_batch *lm_frozen_take(lm_frozen *f, lm_run *r, lm_status *st);
void lm_frozen_give(const lm_frozen *f, const lm_run *r, lm_select *select);

/* Lets an evaluation of r->eval's rows, in their order and from the first on, begin behind what is frozen in r->stage:
 * what is kept for that is computed when a stage is evaluated first. Between steps: r->rows and r->micro are used. */
bool lm_frozen_evaluate(lm_frozen *f, lm_run *r, lm_evaluator *e, lm_status *st);

uint64_t lm_frozen_bytes(const lm_frozen *f, const lm_run *r, bool in_memory); /* that will be kept, or of it in memory */
int lm_frozen_parts(const lm_frozen *f, int stage); /* of the model, whose outputs are kept; 0 = none */
double lm_frozen_seconds(const lm_frozen *f); /* that lm_frozen_take has spent computing them */

#endif
