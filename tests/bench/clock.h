/* A clock, and how much memory was used: for programs in C and in C++. */
#ifndef LM_TESTS_BENCH_CLOCK_H
#define LM_TESTS_BENCH_CLOCK_H

#include <stdio.h>
#include <time.h>

static clockid_t clock_used = CLOCK_MONOTONIC;

static inline double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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
