/* What benchmarks measure by: a clock, the memory's own rate, and how much of it was used. */
#ifndef LM_TESTS_BENCH_RATE_H
#define LM_TESTS_BENCH_RATE_H

#include "tests/bench/clock.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <stdlib.h>

/* Bytes a second that a sum reads: the best of a second. */
static inline double read_rate(void)
{
    enum { N = 64 << 20 };
    float *x = lm_calloc(N, sizeof *x);
    for (size_t i = 0; i < N; i += 256) /* pages of its own */
        x[i] = 1;
    double best = 0, sum = 0;
    for (double start = now(); now() - start < 1;) {
        double t = now();
        sum += lm_vector_sum_squares(x, N);
        double rate = N * sizeof *x / (now() - t);
        best = rate > best ? rate : best;
    }
    free(x);
    return sum > 0 ? best : 0;
}

#endif
