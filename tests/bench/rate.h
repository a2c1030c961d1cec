/* What benchmarks measure by: a clock, the memory's own rate, and how much of it was used. */
#ifndef LM_TESTS_BENCH_RATE_H
#define LM_TESTS_BENCH_RATE_H

#include "base/memory.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static clockid_t clock_used = CLOCK_MONOTONIC;

static inline double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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

/* Of the process at most so far, what is mapped of files included. */
static inline long peak_mib(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmHWM: %ld", &kib);
    if (f)
        fclose(f);
    return kib / 1024;
}

#endif
