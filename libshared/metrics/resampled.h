/* Values with what a bootstrap over the rows says of them. */
#ifndef LM_METRICS_RESAMPLED_H
#define LM_METRICS_RESAMPLED_H

#include "metrics/evaluate.h"

/* Rows that can be measured: `measure` adds the same names in the same order each time, and is called from several threads. */
typedef struct lm_measurable {
    void (*measure)(const void *of, const uint32_t *times, lm_report *r);
    const void *of;
} lm_measurable;

/* The report ends with what it adds for all rows: from value number `first` on they get their intervals, counts excepted. */
void lm_add_intervals(const lm_measurable *m, size_t rows, const lm_measure_options *how, size_t first, lm_report *r);

/* Adds other_NAME, delta_NAME and p_NAME for each measure of the other, which has those of this one or some of them. The rows of both
 * are drawn together. */
void lm_add_comparison(const lm_measurable *mine, const lm_measurable *other, size_t rows, const lm_measure_options *how, lm_report *r);

/* "ci:percentile,95,1000,42", for signatures. */
void lm_sign_intervals(const lm_measure_options *how, lm_buf *out);

#endif
