/* Part of a step: some of its rows as the batch of one forward pass, and their part of the step's loss. */
#ifndef LM_TRAIN_MICRO_BATCH_H
#define LM_TRAIN_MICRO_BATCH_H

#include "model/model.h"
#include "train/objectives/step_rows.h"

/* Rows [first, first + batch.rows) of a step. Zero-initialise; arrays grow and stay. */
typedef struct lm_micro_batch {
    lm_batch batch;
    lm_batch target; /* LM_TOKENS_TARGETS: what the second stack reads; else of no rows */
    const int64_t *place;
    int32_t *row_splits, *target_splits; /* rebased */
    int32_t *selected; /* tokens that carry a loss, of the batch, or of the target where there is one */
    int32_t *label;    /* [count] theirs */
    float *weight;     /* [count] theirs */
    int count;
    int first, row_cap, token_cap;
    lm_plain_loss *plain; /* a balanced loss adds what the rows lose without balance; or NULL */
} lm_micro_batch;

void lm_micro_batch_free(lm_micro_batch *m);
/* The next rows from `first` with at most `tokens` tokens (one row at least) and `rows` rows (texts packed into one row
 * count once); returns where it ends. */
int lm_micro_batch_cut(lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t, int first,
                       int64_t tokens, int rows);
/* Which outputs the losses need. Neither of token_logits and row_logits: nothing in m carries loss. */
lm_select lm_micro_batch_select(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t);
/* The part of the step's loss that falls to m, [1,1], from the outputs that it needs. */
lm_tensor *lm_micro_batch_loss_of(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t,
                                  lm_outputs out, lm_graph *g);
/* Runs the model over m: the same; NULL where nothing in it carries loss. Between lm_graph_begin and lm_graph_end. */
lm_tensor *lm_micro_batch_loss(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t,
                               lm_model *model, lm_graph *g);

#endif
