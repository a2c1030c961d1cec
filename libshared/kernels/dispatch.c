#include "config.h"

#include "base/threads.h"
#include "kernels/blas.h"
#include "kernels/variant.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The reference first, then from the oldest instruction set to the newest. */
static const lm_variant *const variants[] = {
    &lm_variant_scalar,
    &lm_variant_base,
#if defined(__x86_64__)
    &lm_variant_avx2,
    &lm_variant_avx512,
    &lm_variant_vnni,
#endif
};

enum { VARIANTS = sizeof variants / sizeof *variants };

static const lm_variant *now;
static bool blas_threads; /* BLAS does the threading */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    for (size_t i = 0; i < VARIANTS; i++)
        if (variants[i]->usable())
            now = variants[i];
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    /* Concurrent calls of an OpenMP build wait for one another (2 = OpenMP): it gets the threads, one call at
     * a time. */
    blas_threads = openblas_get_parallel() == 2;
    openblas_set_num_threads(blas_threads ? lm_threads() : 1);
#endif
}

void lm_kernels_start(void)
{
    pthread_once(&once, start);
}

const lm_variant *lm_variant_now(void)
{
    lm_kernels_start();
    return now;
}

const char *lm_kernels_isa(void)
{
    return lm_variant_now()->isa;
}

const char *lm_kernels_isa_at(size_t i)
{
    return i < VARIANTS ? variants[i]->isa : NULL;
}

bool lm_kernels_use(const char *isa)
{
    lm_kernels_start();
    for (size_t i = 0; i < VARIANTS; i++) {
        if (strcmp(variants[i]->isa, isa) == 0 && variants[i]->usable()) {
            now = variants[i];
            return true;
        }
    }
    return false;
}

bool lm_kernels_deterministic(void)
{
    lm_kernels_start();
    return !blas_threads;
}
