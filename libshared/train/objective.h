/* Training objectives: what a row's targets are, which head answers, and the loss.
 *
 * One table says it all: a program picks an entry by name. A loss is a sum over everything that carries one,
 * divided by how much that is in the whole optimiser step (counted before the first backward pass), so that k
 * micro-batches give the gradient of one batch. Losses of two kinds (BERT's MLM + NSP) have a count each and
 * are added. */
#ifndef LM_TRAIN_OBJECTIVE_H
#define LM_TRAIN_OBJECTIVE_H

#include "base/status.h"
#include "model/model.h"
#include "stream/tokens.h"
#include "stream/labels.h"
#include "train/masking.h"

/* Which tokens carry a loss, and what is to be predicted there. */
typedef enum lm_token_target {
    LM_TOKENS_NONE,
    LM_TOKENS_MASKED, /* the token that was hidden: `mlm_labels`, else drawn */
    LM_TOKENS_TAGS,   /* a class: `tags` */
    LM_TOKENS_NEXT,   /* the token after it: all, or those of `loss_mask` */
    LM_TOKENS_TARGETS /* another text: `target_ids` */
} lm_token_target;

/* What is to be predicted of a whole row. */
typedef enum lm_target {
    LM_TARGET_NONE,
    LM_TARGET_CLASS,   /* one class id a row */
    LM_TARGET_CLASSES, /* 0 or 1 for each class */
    LM_TARGET_VALUE,   /* a number */
    LM_TARGET_SPAN     /* its first and its last token: `answer` */
} lm_target;

typedef struct lm_objective {
    const char *name;         /* what --objective or --task calls it */
    const char *purpose;      /* for people: "masked language modelling" */
    const char *head;         /* of the model: lm_head.name */
    const char *problem_type; /* config.json's, as transformers names it; NULL = none */
    lm_token_target tokens;   /* a cross-entropy at tokens */
    lm_target row;            /* a loss over rows */
} lm_objective;

const lm_objective *lm_objective_find(const char *name);
const lm_objective *lm_objective_at(size_t i); /* NULL past the end */

/* How the targets of rows are made. */
typedef struct lm_targets {
    const lm_objective *objective;
    lm_masking masking;      /* of LM_TOKENS_MASKED; a row's own mlm_labels go first */
    const lm_labels *labels; /* of LM_TARGET_CLASS: words to ids; NULL = ids stand in the stream */
    int classes;             /* columns of the row logits */
    int vocab_size, type_vocab_size, max_length; /* of the model; 0 = no limit */
    float label_smoothing;                       /* of classes */
} lm_targets;

/* Fails where a row is not one that this model can be trained on: an id or segment outside its table, too
 * many tokens, no target or an unknown one. `number` (from 0) names the row. */
bool lm_targets_check(const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st);
/* The class of a row (LM_IGNORE = carries no loss), or its number. */
bool lm_targets_class(const lm_targets *t, const lm_tokens_row *row, uint64_t number, int32_t *class,
                      lm_status *st);
bool lm_targets_value(const lm_tokens_row *row, uint64_t number, float *value, lm_status *st);

/* The rows of an optimiser step, packed, longest first, with their targets. Arrays grow and stay. */
typedef struct lm_step_rows {
    int rows, tokens;
    int32_t *row_splits;              /* [rows+1] */
    int32_t *ids, *types, *positions; /* [tokens] */
    int32_t *token_label;             /* [tokens]; LM_IGNORE where there is no loss */
    int64_t *place;                   /* [rows] of the row in the step before sorting: keys dropout */
    float *weight;                    /* [rows] */
    int32_t *row_class;               /* [rows] */
    float *row_value;                 /* [rows, columns]: numbers, or 0 and 1 */
    double token_count, row_count;    /* what the two losses are divided by */
    bool weighted;                    /* some weight is not 1 */
    int row_cap, token_cap;
} lm_step_rows;

void lm_step_rows_free(lm_step_rows *s);
/* Empties s. `rows` and `tokens` of room are made at once, to spare later growth. */
void lm_step_rows_begin(lm_step_rows *s, const lm_targets *t, int rows, int64_t tokens);
/* Adds a row that lm_targets_check has passed; masks it where the objective does. Call longest row first. */
bool lm_step_rows_add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t epoch,
                      uint64_t number, int64_t place, lm_status *st);

/* Part of a step: rows [first, last) as the batch of one forward pass. Zero-initialise; arrays grow and stay.
 */
typedef struct lm_micro_batch {
    lm_batch batch;
    const int64_t *place;
    int32_t *row_splits; /* rebased */
    int32_t *selected;   /* tokens that carry a loss */
    int32_t *label;      /* [count] theirs */
    float *weight;       /* [count] theirs */
    int count;
    int first, row_cap, token_cap;
} lm_micro_batch;

void lm_micro_batch_free(lm_micro_batch *m);
/* The next rows from `first` with at most `tokens` tokens (one row at least) and `rows` rows; returns where
 * it ends. */
int lm_micro_batch_cut(lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t, int first,
                       int64_t tokens, int rows);
/* Runs the model over it: the part of the step's loss that falls to it, [1,1]; NULL where nothing in it
 * carries loss. Between lm_graph_begin and lm_graph_end. */
lm_tensor *lm_micro_batch_loss(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t,
                               lm_model *model, lm_graph *g);

#endif
