#include "config.h"

#include "kernels/blas.h"

static bool start(int threads)
{
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    /* Concurrent calls of an OpenMP build wait for one another (2 = OpenMP): it gets the threads, one call at
     * a time. */
    bool threaded = openblas_get_parallel() == 2;
    openblas_set_num_threads(threaded ? threads : 1);
    return threaded;
#else
    (void)threads;
    return false;
#endif
}

const lm_blas *lm_blas_entry_point(void)
{
    static const lm_blas blas = {cblas_sgemm, start};
    return &blas;
}
