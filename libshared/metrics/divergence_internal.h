/* What divergence.c adds up. */
#ifndef LM_METRICS_DIVERGENCE_INTERNAL_H
#define LM_METRICS_DIVERGENCE_INTERNAL_H

#include "metrics/evaluate.h"
#include "metrics/metrics.h"
#include "metrics/report.h"

typedef struct lm_divergence_sums {
    uint64_t rows, tokens;
    float *kl; /* [units] of each */
    size_t units, room;
    uint64_t agreed, decided;
    lm_exact_sum loss, reference_loss, delta2; /* where the right one is known */
    lm_exact_sum difference2;                  /* of numbers */
} lm_divergence_sums;

void lm_divergence_sums_free(lm_divergence_sums *s);
/* Logits p of the reference and q, [n, columns]; labels [n] or NULL, negative = not known. */
void lm_divergence_add(lm_divergence_sums *s, lm_measured kind, const float *p, const float *q, const int32_t *labels, int n, int columns);
void lm_divergence_conclude(lm_divergence_sums *s, lm_report *report);
/* The error of each matrix that differs. */
bool lm_divergence_weights(lm_model *reference, lm_model *of, lm_report *report, lm_status *st);

#endif
