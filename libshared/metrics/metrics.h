/* Measures of how well predictions fit the truth, as scikit-learn defines them, with zero_division = 0 (where
 * a measure would divide by zero it is 0). Counts are exact and sums are kept in fixed point, so no result
 * depends on the order or the batches in which rows arrive.
 *
 * `times`, where a function takes it, says how often each of the n rows counts (a bootstrap draws rows
 * several times or not at all); NULL = each once. */
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
void lm_sum_add_times(lm_exact_sum *s, double x, uint64_t times); /* x, so many times */
double lm_sum_total(const lm_exact_sum *s);
double lm_sum_mean(const lm_exact_sum *s); /* 0 of nothing */

/* How often row i counts, and all n rows together. */
static inline uint64_t lm_times(const uint32_t *times, size_t i)
{
    return times ? times[i] : 1;
}
uint64_t lm_times_total(const uint32_t *times, size_t n);

/* a / b, and 0 where b is. */
double lm_ratio(double a, double b);
/* exp(mean negative log-likelihood of a token). */
double lm_perplexity(double mean_loss);

/* ------------------------------------------------------------------ classes */

typedef struct lm_prf {
    double precision, recall, f1;
    uint64_t support; /* rows of which it is the truth */
} lm_prf;

/* Of counts: right ones, those of the truth, those that were chosen. */
lm_prf lm_prf_of(uint64_t hit, uint64_t truth, uint64_t chosen);

/* MICRO pools all decisions; MACRO is the plain mean and WEIGHTED the mean by support over the classes that
 * occur in truth or prediction. */
typedef enum lm_average { LM_MICRO, LM_MACRO, LM_WEIGHTED } lm_average;

/* Over classes of which such counts are given. */
lm_prf lm_prf_average(const uint64_t *hit, const uint64_t *truth, const uint64_t *chosen, int classes,
                      lm_average how);

/* One class a row. */
typedef struct lm_confusion {
    int classes;
    uint64_t rows;
    uint64_t *count; /* [truth][prediction] */
} lm_confusion;

lm_confusion *lm_confusion_new(int classes);
void lm_confusion_free(lm_confusion *c);
void lm_confusion_add(lm_confusion *c, int truth, int prediction); /* both in [0, classes) */
void lm_confusion_add_times(lm_confusion *c, int truth, int prediction, uint64_t times);
double lm_confusion_accuracy(const lm_confusion *c);
/* Matthews' correlation coefficient for any number of classes (Gorodkin 2004, R_K). */
double lm_confusion_mcc(const lm_confusion *c);
/* What is counted of each class; arrays of [classes]. */
void lm_confusion_counts(const lm_confusion *c, uint64_t *hit, uint64_t *truth, uint64_t *chosen);
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
                        const uint8_t *prediction); /* [classes], 0 or not */
void lm_multi_label_add_times(lm_multi_label *m, const uint8_t *truth, const uint8_t *prediction,
                              uint64_t times);
double lm_multi_label_accuracy(const lm_multi_label *m); /* exact matches */
double lm_multi_label_hamming(const lm_multi_label *m);  /* Hamming loss: share of wrong decisions */
lm_prf lm_multi_label_class(const lm_multi_label *m, int k);
lm_prf lm_multi_label_average(const lm_multi_label *m, lm_average how);

/* ------------------------------------------------------------------ numbers */

double lm_mean_squared_error(const double *truth, const double *prediction, const uint32_t *times, size_t n);
double lm_mean_absolute_error(const double *truth, const double *prediction, const uint32_t *times, size_t n);
/* 1 - residual / total sum of squares. */
double lm_r2(const double *truth, const double *prediction, const uint32_t *times, size_t n);
/* Correlations; 0 where one side is constant. Spearman's is Pearson's over ranks, ties sharing their mean
 * rank. `x_order`, `y_order`: lm_order of each, or NULL. */
double lm_pearson(const double *x, const double *y, const uint32_t *times, size_t n);
double lm_spearman(const double *x, const double *y, const size_t *x_order, const size_t *y_order,
                   const uint32_t *times, size_t n);
/* The indices of n values, the smallest first, equals in their order; NULL where one is not finite. The
 * caller frees it. */
size_t *lm_order(const double *x, size_t n);

#endif
