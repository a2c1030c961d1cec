/* The labelled side of an evaluation: what a row's truth is, how a prediction is counted, and the report. For
 * evaluate.c. */
#ifndef LM_METRICS_TALLY_H
#define LM_METRICS_TALLY_H

#include "metrics/evaluate.h"
#include "metrics/metrics.h"

typedef struct lm_tally {
    lm_measured kind;
    int columns;             /* of the logits */
    const lm_config *config; /* names of the classes */
    uint64_t rows, tokens, labelled, hits;
    lm_exact_sum loss; /* over labelled rows; of LM_MEASURE_TOKENS over labelled tokens */
    lm_confusion *confusion;
    lm_multi_label *several;
    double *truth, *predicted; /* [labelled] of LM_MEASURE_VALUES */
    size_t truth_cap, predicted_cap;
    lm_exact_sum next_loss; /* of a second head over rows, beside tokens (BERT's next sentence) */
    lm_confusion *next;
} lm_tally;

void lm_tally_clear(lm_tally *t); /* forgets the rows, keeps what is measured */

/* The truth of a row. *labelled false where it has none. For classes *class; for numbers *value. Fails on a
 * label that the model cannot be measured with; `where` names the row. */
typedef struct lm_truth {
    bool labelled;
    int class;
    double value;
    const uint8_t *several;
} lm_truth;
bool lm_tally_truth(const lm_tally *t, const lm_tokens_row *row, const char *where, lm_truth *truth,
                    lm_status *st);

/* Counts a row whose logits are given; returns its loss, NaN where it has no truth. `probs` are of several
 * classes. */
double lm_tally_row(lm_tally *t, const lm_truth *truth, const float *logits);
/* The same for one token; its truth is a class, or -100. */
double lm_tally_token(lm_tally *t, int32_t label, const float *logits);
/* The same for the second head of a pretraining model. */
double lm_tally_next(lm_tally *t, int32_t label, const float *logits, int columns);

int lm_argmax(const float *x, int n);                 /* the first of equals */
double lm_nll(const float *logits, int n, int class); /* -log of the softmax at `class` */
void lm_softmax_row(const float *x, int n, float *out);
/* 1 where the sigmoid is 1/2 or more. */
void lm_choose_row(const float *x, int n, uint8_t *out);
void lm_sigmoid_row(const float *x, int n, float *out);

lm_report *lm_tally_report(const lm_tally *t, bool per_class);

#endif
