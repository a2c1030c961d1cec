/* The one place that knows which BLAS there is. Private to kernels/. */
#ifndef LM_KERNELS_BLAS_H
#define LM_KERNELS_BLAS_H

#include <cblas.h>

#endif
