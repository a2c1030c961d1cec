/* Measures of scores rather than of decisions: how well they order the rows, and whether probabilities mean
 * what they say. Definitions are scikit-learn's unless said otherwise. `times` as in metrics.h. */
#ifndef LM_METRICS_RANKING_H
#define LM_METRICS_RANKING_H

#include "metrics/metrics.h"

/* One class against the others. */
typedef struct lm_ranking {
    size_t rows;
    int classes, class;
    const float *score;    /* [rows, classes] */
    const int32_t *truth;  /* [rows] the class of each; or NULL and */
    const uint8_t *truths; /* [rows, classes] 1 where a row is of the class */
    const uint32_t *order; /* lm_ranking_order of the class */
} lm_ranking;

/* The rows from the smallest score of the class to the largest; NaN is the smallest. The caller frees it. */
uint32_t *lm_ranking_order(const float *score, size_t rows, int classes, int class);

/* The area under the receiver operating characteristic: the probability that a row of the class has a larger
 * score than another, ties counting half. NaN where all rows, or none, are of the class. */
double lm_roc_auc(const lm_ranking *r, const uint32_t *times);
/* The sum over thresholds of (R_n - R_(n-1)) P_n, without interpolation. NaN where no row is of the class. */
double lm_average_precision(const lm_ranking *r, const uint32_t *times);

/* Rows of class probabilities with one true class each. */
typedef struct lm_probabilities {
    size_t rows;
    int classes;
    const float *p;       /* [rows, classes] */
    const int32_t *truth; /* [rows] */
} lm_probabilities;

/* The mean over rows of the sum over classes of (p - y)^2 (Brier 1950), halved for two classes, as
 * scikit-learn has it: then it is (p_1 - y)^2. */
double lm_brier(const lm_probabilities *x, const uint32_t *times);

enum { LM_ECE_BINS = 15 };
/* The expected calibration error (Guo et al. 2017, arXiv 1706.04599): rows fall into 15 bins of equal width
 * by the probability of the predicted class, a bin being open below and closed above; the mean over rows of
 * the distance between a bin's accuracy and its mean probability. */
double lm_expected_calibration_error(const lm_probabilities *x, const uint32_t *times);

#endif
