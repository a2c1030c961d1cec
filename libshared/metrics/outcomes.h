/* What came of the rows that carry labels, row by row, so that every measure can be taken of them as they
 * are, or counting each as often as a bootstrap has drawn it. */
#ifndef LM_METRICS_OUTCOMES_H
#define LM_METRICS_OUTCOMES_H

#include "metrics/answers.h"
#include "metrics/entities.h"
#include "metrics/evaluate.h"
#include "metrics/metrics.h"

/* A piece of what tags say: an entity that is in the truth, in the prediction, or in both. */
typedef struct lm_entity_event {
    uint32_t row;
    int type;
    bool truth, predicted;
} lm_entity_event;

#define LM_TEXT_UNKNOWN UINT32_MAX

/* Arrays that the kind has no use for are NULL. A row of outcomes is a row of the stream; of LM_MEASURE_SPAN
 * an example, of which the stream may have several rows. */
typedef struct lm_outcomes {
    lm_measured kind;
    int columns;      /* of the logits: classes */
    char **names;     /* [columns] of the classes; NULL where columns are a vocabulary */
    lm_tag_set *tags; /* of LM_MEASURE_TAGS */
    lm_measure_options how;
    size_t rows, cap;
    uint64_t *number; /* [rows] place in the input, from 0 */
    double *loss;     /* [rows] summed over the labels of the row */
    uint32_t *labels; /* [rows] how many it has */
    uint64_t digest;  /* of rows and labels, whatever their order */
    /* LM_MEASURE_CLASSES */
    int32_t *truth, *predicted; /* [rows] */
    int32_t *place;             /* [rows] how many classes stand before the true one */
    /* LM_MEASURE_MULTI_LABEL */
    uint8_t *truths, *chosen; /* [rows, columns] */
    /* both: probabilities as float, where they are kept, and for each class the order of the rows */
    float *scores; /* [rows, columns] */
    size_t scores_cap;
    uint32_t **score_order; /* [columns] */
    /* LM_MEASURE_VALUES */
    double *value, *estimate; /* [rows] */
    size_t *value_order, *estimate_order;
    /* kinds over tokens */
    uint32_t *hits;          /* [rows] labels that were predicted right */
    uint32_t *words, *bytes; /* [rows] of the text that LM_MEASURE_NEXT predicts, or LM_TEXT_UNKNOWN */
    /* LM_MEASURE_TAGS: the labelled tokens of all rows */
    int32_t *tag_truth, *tag_predicted;
    size_t tag_count, tag_cap;
    size_t *tag_splits; /* [rows + 1] */
    lm_entity_event *events;
    size_t event_count, event_cap;
    /* LM_MEASURE_SPAN */
    double *exact, *f1; /* [rows] of the best span of all windows ... */
    double *span_score, *null_score; /* ... its score, and the least that there is none */
    uint8_t *no_answer; /* [rows] 1: that is right */
    bool prepared;
} lm_outcomes;

/* Names are taken from `config` where the columns are classes. */
lm_outcomes *lm_outcomes_new(lm_measured kind, int columns, const lm_config *config,
                             const lm_measure_options *how);
void lm_outcomes_free(lm_outcomes *o);

/* A row with one loss and one label, and with none as yet; returns its index. */
size_t lm_outcomes_add(lm_outcomes *o, uint64_t number);
/* Classes: what the logits of the row make of its truth. */
void lm_outcomes_class(lm_outcomes *o, size_t row, int truth, const float *logits);
void lm_outcomes_classes(lm_outcomes *o, size_t row, const uint8_t *truth, const float *logits);
void lm_outcomes_value(lm_outcomes *o, size_t row, double truth, double estimate);
/* A window of a row's text. */
void lm_outcomes_span(lm_outcomes *o, size_t row, const lm_span_found *found);
/* A labelled token of the last row. */
void lm_outcomes_token(lm_outcomes *o, int32_t truth, int32_t predicted, double loss);

/* Orders and counts that measures need; before lm_outcomes_measure is called from several threads. */
void lm_outcomes_prepare(lm_outcomes *o);
/* Adds the measures of the kind to a report: always the same names in the same order. */
void lm_outcomes_measure(const lm_outcomes *o, const uint32_t *times, bool per_class, lm_report *r);
/* What stands behind them (labels, confusion matrix), for the JSON form. */
void lm_outcomes_detail(const lm_outcomes *o, lm_report *r);
/* Mean loss of a label. */
double lm_outcomes_loss(const lm_outcomes *o, const uint32_t *times);

#endif
