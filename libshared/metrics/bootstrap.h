/* The bootstrap (Efron 1979): how much a measure would vary with other rows of the same kind, from measures
 * of rows that are drawn from those at hand, with replacement, as many as there are. */
#ifndef LM_METRICS_BOOTSTRAP_H
#define LM_METRICS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

/* Draw number `resample` of n rows: how often each is in it. A function of seed, resample and n alone. Each
 * of n draws takes row floor(u n / 2^32) of a 32-bit random number u: no row is preferred by more than n /
 * 2^32. */
void lm_bootstrap_draw(uint64_t seed, uint64_t resample, uint32_t *times, size_t n);

/* Writes `count` values of the rows, each counted so many times. Called from several threads at once. */
typedef void (*lm_bootstrap_measure)(const void *context, const uint32_t *times, double *values);

/* All resamples: values[resample * count + i]. The caller frees it. */
double *lm_bootstrap(size_t n, int resamples, uint64_t seed, size_t count, lm_bootstrap_measure measure,
                     const void *context);

typedef struct lm_interval {
    double low, high; /* NaN where no resample has the value */
} lm_interval;

/* The percentile interval of value i at a level (0.95): quantiles (1-level)/2 and (1+level)/2, interpolated
 * between neighbours, of the resamples in which the value is defined. */
lm_interval lm_bootstrap_interval(const double *values, int resamples, size_t count, size_t i, double level);

/* For values that are differences: how probable one at least as large as `observed`, to either side, is where
 * there is none in truth: (1 + resamples with |d - mean d| >= |observed|) / (1 + resamples), as sacrebleu
 * computes it. */
double lm_bootstrap_p(const double *values, int resamples, size_t count, size_t i, double observed);

#endif
