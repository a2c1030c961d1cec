/* The one place that knows which BLAS there is. Private to kernels/.
 *
 * A BLAS may start threads as soon as it is loaded (OpenBLAS does, and they spin for a while), and programs that multiply no
 * matrices would pay for it. So the library is not linked with it: liblmutils-blas.so is, which lies beside liblmutils.so and is
 * loaded when BLAS is first asked for. Where liblmutils is built as an archive, too, it is part of it. */
#ifndef LM_KERNELS_BLAS_H
#define LM_KERNELS_BLAS_H

#include <cblas.h>
#include <stdbool.h>

typedef struct lm_blas {
    __typeof__(cblas_sgemm) *sgemm;
    /* To be called once. True: it threads a call itself, with so many, and cannot serve several at a time. */
    bool (*start)(int threads);
} lm_blas;

/* What liblmutils-blas.so gives. */
const lm_blas *lm_blas_entry_point(void);

/* Ready for use, by any thread. Without it the program ends with a message and status 1, as it does without memory. */
const lm_blas *lm_blas_now(void);

#endif
