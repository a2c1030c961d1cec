/* optimisers [-j THREADS] [-s SECONDS] [-n NUMBERS] [-c]: how fast each optimiser steps, in numbers and in bytes a second, beside
 * what copying a large array reads and writes: a step should be a matter of memory. -c counts the processor's time of one
 * thread, for a machine that others use too. */
#include "config.h"

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "train/optimizer/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double seconds = 1;
static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const struct {
    const char *name;
    lm_optimizer_options how;
    double bytes; /* read and written for each number: 16 for value and gradient, twice the states; Adafactor reads thrice */
} ways[] = {
    {"adamw", {.kind = LM_OPTIMIZER_ADAMW}, 32},
    {"adamw bf16", {.kind = LM_OPTIMIZER_ADAMW, .states = LM_STATE_BF16}, 24},
    {"adamw 8bit", {.kind = LM_OPTIMIZER_ADAMW, .states = LM_STATE_8BIT}, 20},
    {"lion", {.kind = LM_OPTIMIZER_LION}, 24},
    {"lion 8bit", {.kind = LM_OPTIMIZER_LION, .states = LM_STATE_8BIT}, 18},
    {"sgd", {.kind = LM_OPTIMIZER_SGD}, 16},
    {"sgd momentum", {.kind = LM_OPTIMIZER_SGD, .momentum = 0.9}, 24},
    {"adafactor", {.kind = LM_OPTIMIZER_ADAFACTOR}, 24},
};

/* The best time of a step over a matrix of 1024 columns. */
static double step_time(lm_params *params, lm_optimizer_options how)
{
    lm_status st = LM_STATUS_INIT;
    lm_param *p = lm_params_at(params, 0);
    how.beta1 = 0.9, how.beta2 = 0.999, how.epsilon = 1e-8, how.clip_threshold = 1, how.decay_rate = -0.8;
    how.bias_correction = true;
    lm_optimizer *o = lm_optimizer_new(params, &how, &st);
    double best = 1e30;
    for (double start = now(); o && now() - start < seconds;) {
        for (size_t i = 0; i < p->elements; i++)
            p->grad[i] = (float)((i * 2654435761u) >> 8 & 0xffff) * 1e-5f;
        double t = now();
        lm_optimizer_update(o, 1e-4, 1, &st);
        t = now() - t;
        best = t < best ? t : best;
    }
    lm_optimizer_free(o);
    return best;
}

static double copy_rate(size_t n)
{
    float *a = lm_malloc(n, sizeof *a), *b = lm_calloc(n, sizeof *b);
    double best = 1e30;
    memset(a, 1, n * sizeof *a);
    for (double start = now(); now() - start < seconds;) {
        double t = now();
        lm_vector_scale(1, a, b, n);
        t = now() - t;
        best = t < best ? t : best;
    }
    free(a);
    free(b);
    return 8 * (double)n / best;
}

int main(int argc, char **argv)
{
    int threads = 1, numbers = 64 << 20;
    for (int c; (c = getopt(argc, argv, "j:s:n:c")) != -1;) {
        if (c == 'j')
            threads = atoi(optarg);
        else if (c == 's')
            seconds = atof(optarg);
        else if (c == 'n')
            numbers = atoi(optarg);
        else if (c == 'c')
            clock_used = CLOCK_THREAD_CPUTIME_ID;
        else
            return 2;
    }
    lm_threads_set(threads);
    lm_kernels_start();
    lm_status st = LM_STATUS_INIT;
    lm_params *params = lm_params_new();
    lm_declare *d = lm_declare_begin(params);
    lm_declare_linear_nobias(d, (lm_scope){"w"}, 1024, numbers / 1024, 0.02);
    if (!lm_declare_end(d, &st) || !lm_param_initialise(lm_params_at(params, 0), 1, &st) ||
        !lm_param_train(lm_params_at(params, 0), true, &st)) {
        fprintf(stderr, "optimisers: %s\n", st.message);
        return 1;
    }
    printf("%d thread%s, %s, %.0f million numbers; copying: %.1f GB/s\n", threads, threads > 1 ? "s" : "", lm_kernels_isa(),
           numbers / 1e6, copy_rate((size_t)numbers) / 1e9);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        double t = step_time(params, ways[i].how);
        printf("%-14s %7.1f ms  %6.0f million numbers/s  %5.1f GB/s\n", ways[i].name, t * 1e3, numbers / t / 1e6,
               ways[i].bytes * numbers / t / 1e9);
    }
    lm_params_free(params);
    return 0;
}
