/* Losses of logits against those of a teacher, whose own are constants.
 *
 * With s and t the softmax of the student's and the teacher's logits over the temperature T, a row loses T^2 D(s, t): multiplied so, as
 * Hinton et al. 2015 (arXiv 1503.02531) have it, its gradient does not shrink with T. */
#ifndef LM_KERNELS_DISTILLATION_H
#define LM_KERNELS_DISTILLATION_H

#include "kernels/kernels.h"

typedef enum lm_divergence {
    LM_FORWARD_KL, /* KL(t||s) = sum t (log t - log s) */
    LM_REVERSE_KL, /* KL(s||t): Gu et al. 2023, arXiv 2306.08543 */
    LM_JSD,        /* beta KL(t||m) + (1-beta) KL(s||m), m = beta t + (1-beta) s: Agarwal et al. 2023, arXiv 2306.13649 */
    LM_LOGIT_ERROR /* of the logits themselves, whatever T is: a row loses sum (x - y)^2 */
} lm_divergence;

/* What a teacher says of some rows: all logits, or of each row the k largest, and the log-sum-exp of the others. Those are one event
 * then, to the student too; where T is not 1 its probability to the teacher is that of others which are all equal. */
typedef struct lm_soft_targets {
    int columns; /* that both have: the student's first ones. Its others are in no softmax of this loss */
    const float *logits; /* [rows, columns]; or NULL, and */
    int k;
    const int32_t *index; /* [rows, k] different columns */
    const float *top;     /* [rows, k] */
    const float *rest;    /* [rows]; not read where k is all columns */
} lm_soft_targets;

typedef struct lm_soft_loss_args {
    int rows, columns;
    float *logits; /* [rows, columns]; with `backward` their gradient replaces them */
    lm_soft_targets teacher;
    lm_divergence divergence;
    float temperature, beta;
    const float *soft; /* [rows] what the loss above weighs in the gradient, and */
    const int32_t *label;
    const float *hard; /* [rows] what the cross-entropy of the label does, where it is not LM_IGNORED. Both NULL = without */
    bool backward;
    float scale;           /* of the gradient of sum of soft * loss + hard * cross-entropy */
    float *soft_loss, *hard_loss; /* [rows], unweighted; 0 where the weight is 0 or there is no label */
} lm_soft_loss_args;

float lm_log_sum_exp(const float *x, int n);
size_t lm_soft_loss_scratch(int columns, const lm_soft_targets *teacher);
void lm_soft_loss(const lm_soft_loss_args *a, float *scratch);

#endif
