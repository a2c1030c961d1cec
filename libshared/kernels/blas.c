#include "config.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lm_blas *blas;
static bool threaded;

#ifdef LM_BLAS_APART

/* The directory of the library that this function is in. */
static char *beside(void)
{
    Dl_info here;
    const char *slash = dladdr((void *)beside, &here) ? strrchr(here.dli_fname, '/') : NULL;
    return slash ? lm_strndup(here.dli_fname, (size_t)(slash - here.dli_fname)) : lm_strdup(".");
}

static const lm_blas *load(void)
{
    char *directory = beside(), *file = lm_format("%s/liblmutils-blas.so", directory);
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    __typeof__(lm_blas_entry_point) *entry = NULL;
    if (handle)
        *(void **)&entry = dlsym(handle, "lm_blas_entry_point");
    if (!entry) {
        fprintf(stderr, "%s: %s: cannot load BLAS: %s: install lmutils and its BLAS again\n", lm_program_name(), file, dlerror());
        exit(LM_FAILED);
    }
    free(directory);
    free(file);
    return entry();
}

#else

static const lm_blas *load(void)
{
    return lm_blas_entry_point();
}

#endif

static void start(void)
{
    blas = load();
    threaded = blas->start(lm_threads());
}

const lm_blas *lm_blas_now(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    return blas;
}

bool lm_kernels_deterministic(void)
{
    lm_blas_now();
    return !threaded;
}
