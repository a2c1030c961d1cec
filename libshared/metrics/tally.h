/* The labelled side of an evaluation: what a row's truth is, how a prediction is counted, and the report. For
 * evaluate.c. */
#ifndef LM_METRICS_TALLY_H
#define LM_METRICS_TALLY_H

#include "metrics/evaluate.h"
#include "metrics/outcomes.h"

typedef struct lm_tally {
    lm_measured kind;
    int columns;             /* of the logits */
    const lm_config *config; /* names of the classes */
    lm_measure_options how;
    uint64_t rows, tokens;
    uint64_t digest;       /* of all rows, whatever their order */
    lm_outcomes *outcomes; /* NULL = no row with a label yet */
    lm_outcomes *next;     /* of a second head over rows, beside tokens (BERT's next sentence) */
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

/* Whether the model's classes are called LABEL_0, LABEL_1 ...: they have no names of their own. */
bool lm_tally_nameless(const lm_tally *t);

/* A row has been seen; `number` in the calls below is its place among them, from 0. */
void lm_tally_seen(lm_tally *t, const lm_tokens_row *row);

/* Counts a row whose logits are given; returns its loss, NaN where it has no truth. */
double lm_tally_row(lm_tally *t, uint64_t number, const lm_truth *truth, const float *logits);
/* The same for a row of LM_MEASURE_SPAN, of which lm_span_find has found this; rows of one number are windows of one
 * text. */
double lm_tally_span(lm_tally *t, uint64_t number, const lm_span_found *found);
/* The same for one token; its truth is a class. Tokens of a row come one after the other. */
double lm_tally_token(lm_tally *t, uint64_t number, int32_t label, const float *logits);
/* How long the text is that the last row's tokens predict: words and bytes, for perplexities of these. */
void lm_tally_text(lm_tally *t, uint64_t number, uint32_t words, uint32_t bytes);
/* The same for the second head of a pretraining model. */
double lm_tally_next(lm_tally *t, uint64_t number, int32_t label, const float *logits, int columns);

int lm_argmax(const float *x, int n);                 /* the first of equals */
double lm_nll(const float *logits, int n, int class); /* -log of the softmax at `class` */
void lm_softmax_row(const float *x, int n, float *out);
/* 1 where the sigmoid is 1/2 or more. */
void lm_choose_row(const float *x, int n, uint8_t *out);
void lm_sigmoid_row(const float *x, int n, float *out);

/* Adds all that is measured, the loss first; `times` as in metrics.h. The outcomes have been prepared. */
void lm_tally_measure(const lm_tally *t, const uint32_t *times, bool per_class, lm_report *r);
lm_report *lm_tally_report(lm_tally *t, bool per_class);

#endif
