/* Measures of how well predictions fit the truth, as scikit-learn defines them, with zero_division = 0 (where
 * a measure would divide by zero it is 0). Counts are exact and sums are kept in fixed point, so no result
 * depends on the order or the batches in which rows arrive. */
#ifndef LM_METRICS_METRICS_H
#define LM_METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sum that does not depend on the order of its terms: 128-bit fixed point with a unit of 2^-60. Terms
 * beyond +-2^60, those that are not finite, and an overflow make the sum NaN. */
typedef struct lm_exact_sum {
    __extension__ __int128 units;
    uint64_t count;
    bool broken;
} lm_exact_sum;

void lm_sum_add(lm_exact_sum *s, double x);
double lm_sum_total(const lm_exact_sum *s);
double lm_sum_mean(const lm_exact_sum *s); /* 0 of nothing */

/* exp(mean negative log-likelihood of a token). */
double lm_perplexity(double mean_loss);

/* ------------------------------------------------------------------ classes */

typedef struct lm_prf {
    double precision, recall, f1;
    uint64_t support; /* rows of which it is the truth */
} lm_prf;

/* MICRO pools all decisions; MACRO is the plain mean and WEIGHTED the mean by support over the classes that
 * occur in truth or prediction. */
typedef enum lm_average { LM_MICRO, LM_MACRO, LM_WEIGHTED } lm_average;

/* One class a row. */
typedef struct lm_confusion {
    int classes;
    uint64_t rows;
    uint64_t *count; /* [truth][prediction] */
} lm_confusion;

lm_confusion *lm_confusion_new(int classes);
void lm_confusion_free(lm_confusion *c);
void lm_confusion_add(lm_confusion *c, int truth, int prediction); /* both in [0, classes) */
double lm_confusion_accuracy(const lm_confusion *c);
/* Matthews' correlation coefficient for any number of classes (Gorodkin 2004, R_K). */
double lm_confusion_mcc(const lm_confusion *c);
lm_prf lm_confusion_class(const lm_confusion *c, int k);
lm_prf lm_confusion_average(const lm_confusion *c, lm_average how);

/* Any number of classes a row. */
typedef struct lm_multi_label {
    int classes;
    uint64_t rows, exact;           /* rows in which every class is right */
    uint64_t *hit, *truth, *chosen; /* [classes] */
} lm_multi_label;

lm_multi_label *lm_multi_label_new(int classes);
void lm_multi_label_free(lm_multi_label *m);
void lm_multi_label_add(lm_multi_label *m, const uint8_t *truth,
                        const uint8_t *prediction);      /* [classes], 0 or not */
double lm_multi_label_accuracy(const lm_multi_label *m); /* exact matches */
double lm_multi_label_hamming(const lm_multi_label *m);  /* Hamming loss: share of wrong decisions */
lm_prf lm_multi_label_class(const lm_multi_label *m, int k);
lm_prf lm_multi_label_average(const lm_multi_label *m, lm_average how);

/* ------------------------------------------------------------------ numbers */

double lm_mean_squared_error(const double *truth, const double *prediction, size_t n);
double lm_mean_absolute_error(const double *truth, const double *prediction, size_t n);
/* 1 - residual / total sum of squares. */
double lm_r2(const double *truth, const double *prediction, size_t n);
/* Correlations; 0 where one side is constant. Spearman's is Pearson's over ranks, ties sharing their mean
 * rank. */
double lm_pearson(const double *x, const double *y, size_t n);
double lm_spearman(const double *x, const double *y, size_t n);

#endif
