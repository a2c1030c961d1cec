/* What score --html shows of single rows: the predictions that are most surely wrong, and how often a
 * prediction of a given confidence is right. */
#ifndef LM_METRICS_FINDINGS_H
#define LM_METRICS_FINDINGS_H

#include "metrics/wording.h"

enum { LM_CALIBRATION_BINS = 10 };

/* A row whose prediction is not its label; for numbers, any. All strings are lines of UTF-8. */
typedef struct lm_mistake {
    double rank;        /* the larger the worse */
    double probability; /* of what is predicted; NaN where there is none */
    double loss;
    uint64_t number; /* of the row, from 1 */
    char *id;        /* NULL = none */
    char *truth, *prediction, *text, *pair;
} lm_mistake;

typedef struct lm_findings {
    int most;             /* mistakes that are kept */
    lm_mistake *mistakes; /* a heap, the mildest first, until lm_findings_sort */
    int count;
    /* Of LM_MEASURE_CLASSES: predictions by their probability. */
    uint64_t predictions[LM_CALIBRATION_BINS], right[LM_CALIBRATION_BINS];
    double confidence[LM_CALIBRATION_BINS]; /* sum of probabilities */
} lm_findings;

/* What has to be handed out for lm_findings_add. */
enum { LM_FINDINGS_NEED = LM_EMIT_PROBS | LM_EMIT_PREDICTIONS | LM_EMIT_LOSS };

lm_findings *lm_findings_new(int most);
void lm_findings_free(lm_findings *f);
/* `id` of row i of the call is in ids (header member; or NULL); `first` is the number of its first row. Heads
 * whose outputs hold no predictions give nothing. */
void lm_findings_add(lm_findings *f, const lm_wording *w, const json_t *ids, const lm_tokens_row *rows,
                     const lm_row_outputs *out, uint64_t first);
void lm_findings_sort(lm_findings *f); /* the worst first */

#endif
