/* What the tests of kernels share: random vectors, and every instruction set against the reference. */
#ifndef LM_TESTS_CHECK_KERNELS_H
#define LM_TESTS_CHECK_KERNELS_H

#include "unit.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t state; /* of uniform */

static inline float uniform(float low, float high)
{
    state = state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(state >> 8) * 0x1p-24f;
}

static inline float *vector(size_t n, float low, float high)
{
    float *v = malloc((n + 1) * sizeof *v); /* from malloc, so that the sanitizer sees a step past the end */
    for (size_t i = 0; i < n; i++)
        v[i] = uniform(low, high);
    return v;
}

static inline float *copy(const float *v, size_t n)
{
    float *c = malloc((n + 1) * sizeof *c);
    memcpy(c, v, n * sizeof *c);
    return c;
}

/* |got - want| <= absolute + ulps * spacing of floats at want. */
static inline void near(const char *what, const float *got, const float *want, size_t n, double absolute,
                 double ulps)
{
    for (size_t i = 0; i < n; i++) {
        double limit = absolute + ulps * fabs((double)want[i]) * 0x1p-23;
        if (fabs((double)got[i] - want[i]) <= limit || (isnan(got[i]) && isnan(want[i])))
            continue; /* Check tells its parent of every assertion, which takes longer than the kernels */
        ck_abort_msg("%s (%s): element %zu of %zu is %.9g, the reference has %.9g", what, lm_kernels_isa(), i, n,
                     (double)got[i], (double)want[i]);
    }
}

static inline void use(const char *isa)
{
    ck_assert(lm_kernels_use(isa));
}

static const size_t sizes[] = {0,  1,  2,  3,  4,  5,   7,   8,   9,   15,  16,
                               17, 31, 33, 63, 65, 127, 128, 129, 200, 768, 1031};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Runs the body once for every variant but the reference that can run here. */
#define FOR_EACH_ISA(isa)                                                                                    \
    for (size_t isa##_i = 1; lm_kernels_isa_at(isa##_i); isa##_i++)                                          \
        for (const char *isa = lm_kernels_use(lm_kernels_isa_at(isa##_i)) ? lm_kernels_isa_at(isa##_i)       \
                                                                          : NULL;                            \
             isa; isa = NULL)

/* The bucket of distance 0, among those of 700 to either side. */
static inline const int32_t *buckets_of(int buckets)
{
    static int32_t all[1401];
    for (int d = -700; d <= 700; d++)
        all[d + 700] = d < 0 ? (buckets - 1 + d) & 1 : d * d % buckets;
    return all + 700;
}

TCase *kernels_attention(void);
TCase *kernels_updates(void);

#endif
