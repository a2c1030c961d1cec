#include "metrics/bootstrap.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void lm_bootstrap_draw(uint64_t seed, uint64_t resample, uint32_t *times, size_t n)
{
    lm_philox_key key = lm_random_key(seed, LM_FOR_BOOTSTRAP, 0);
    memset(times, 0, n * sizeof *times);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t words[4];
        lm_random_block(key, resample, i / 4, words);
        for (size_t k = 0; k < 4 && i + k < n; k++)
            times[(uint64_t)words[k] * n >> 32]++;
    }
}

double *lm_bootstrap(size_t n, int resamples, uint64_t seed, size_t count, lm_bootstrap_measure measure,
                     const void *context)
{
    double *values = lm_malloc((size_t)resamples * count + 1, sizeof *values);
#pragma omp parallel num_threads(lm_threads())
    {
        uint32_t *times = lm_malloc(n + 1, sizeof *times);
#pragma omp for schedule(dynamic, 1)
        for (int b = 0; b < resamples; b++) {
            lm_bootstrap_draw(seed, (uint64_t)b, times, n);
            measure(context, times, values + (size_t)b * count);
        }
        free(times);
    }
    return values;
}

static int by_size(const void *p, const void *q)
{
    const double *a = p, *b = q;
    return *a < *b ? -1 : *a > *b;
}

/* Value i of all resamples that have it. */
static double *column(const double *values, int resamples, size_t count, size_t i, size_t *defined)
{
    double *x = lm_malloc((size_t)resamples + 1, sizeof *x);
    *defined = 0;
    for (int b = 0; b < resamples; b++) {
        double value = values[(size_t)b * count + i];
        if (!isnan(value))
            x[(*defined)++] = value;
    }
    return x;
}

static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n || sorted[below] == sorted[below + 1])
        return sorted[below];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

lm_interval lm_bootstrap_interval(const double *values, int resamples, size_t count, size_t i, double level)
{
    size_t n;
    double *x = column(values, resamples, count, i, &n);
    qsort(x, n, sizeof *x, by_size);
    lm_interval found = {NAN, NAN};
    if (n)
        found = (lm_interval){quantile(x, n, (1 - level) / 2), quantile(x, n, (1 + level) / 2)};
    free(x);
    return found;
}

double lm_bootstrap_p(const double *values, int resamples, size_t count, size_t i, double observed)
{
    size_t n, far = 0;
    double *x = column(values, resamples, count, i, &n), sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k];
    for (size_t k = 0; k < n; k++)
        far += fabs(x[k] - sum / (double)n) >= fabs(observed);
    free(x);
    return n && !isnan(observed) ? (double)(far + 1) / (double)(n + 1) : NAN;
}
