/* The rows of an optimiser step, packed, longest first, with their targets.
 *
 * A row that is packed of several texts (seq_lengths) becomes a row for each of them, whose positions begin at 0: nothing is
 * padded here, so that this is all it takes for the texts not to see one another.
 *
 * A loss is a sum over everything that carries one, divided by how much that is in the whole optimiser step, which
 * is counted here, before the first backward pass: so k micro-batches give the gradient of one batch. Losses of two
 * kinds (BERT's MLM + NSP) have a count each and are added. */
#ifndef LM_TRAIN_STEP_ROWS_H
#define LM_TRAIN_STEP_ROWS_H

#include "base/buffer.h"
#include "train/objectives/targets.h"

/* Zero-initialise. Arrays grow and stay. */
typedef struct lm_step_rows {
    int rows, tokens, examples;       /* rows, with those that were packed into one counted once */
    int32_t *row_splits;              /* [rows+1] */
    int32_t *ids, *types, *positions; /* [tokens] */
    int32_t *token_label;             /* [tokens]; LM_IGNORE where there is no loss */
    int64_t *place;                   /* [rows] of the row in the step before sorting, and from bit 32 on which of
                                       * its texts: keys dropout */
    float *weight;                    /* [rows] */
    int32_t *row_class;               /* [rows] */
    float *row_value;                 /* [rows, columns]: numbers, or 0 and 1 */
    int32_t *span;                    /* [rows, 2] first and last token, or LM_IGNORE */
    double token_count, row_count;    /* what the two losses are divided by */
    bool weighted;                    /* some weight is not 1 */
    /* a teacher's logits (lm_soft_form): of the unit u the numbers from u width on */
    int32_t *soft_index;
    float *soft_top, *soft_rest;
    /* answers that are compared, the chosen one before the rejected one of its pair, or judged */
    float *reference;   /* [rows] log-probability, the sum over the answer */
    uint8_t *desirable; /* [rows] */
    float *margin;      /* [rows] by how much the chosen answer is better: the label of its pair, a number; else 0 */
    double soft_count, all_count; /* what losses against a teacher are divided by: units it is heard at; all tokens */
    /* LM_TOKENS_TARGETS: what the second stack reads and is to predict */
    int target_tokens;
    int32_t *target_splits;                               /* [rows+1] */
    int32_t *target_ids, *target_positions, *target_label; /* [target_tokens]; ids are the labels, shifted */
    int row_cap, token_cap, target_cap;
    lm_arena *room; /* of the row that is being added */
} lm_step_rows;

void lm_step_rows_free(lm_step_rows *s);
/* Empties s. `rows` and `tokens` of room are made at once, to spare later growth. */
void lm_step_rows_begin(lm_step_rows *s, const lm_targets *t, int rows, int64_t tokens);
/* Adds a row that lm_targets_check has passed, as lm_targets_row makes it. Call longest row first. */
bool lm_step_rows_add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t epoch,
                      uint64_t number, int64_t place, lm_status *st);

/* Some rows of s, in that order, as a step: what the losses are divided by stays that of all. */
void lm_step_rows_part(const lm_step_rows *s, const lm_targets *t, const int *rows, int count, lm_step_rows *out);
/* All of s as bytes, behind what is in `out`, for another process of the same program; and back. */
void lm_step_rows_pack(const lm_step_rows *s, const lm_targets *t, lm_buf *out);
bool lm_step_rows_unpack(lm_step_rows *s, const lm_targets *t, const void *bytes, size_t n, lm_status *st);

#endif
