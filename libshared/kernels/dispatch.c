#include "config.h"

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
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    for (size_t i = 0; i < VARIANTS; i++)
        if (variants[i]->usable())
            now = variants[i];
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
