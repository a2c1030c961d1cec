/* A tile of a product, by one thread. Private to kernels/. */
#ifndef LM_KERNELS_GEMM_H
#define LM_KERNELS_GEMM_H

#include <stdbool.h>

/* An operand as it is stored; `across`: it stands for its transpose. */
typedef struct lm_operand {
    const float *at;
    int ld;
    bool across;
} lm_operand;

enum { LM_FEW_ROWS = 32 }; /* up to which reading the matrix is the work, and BLAS, which packs it first, is not worth it */

/* C [m,n], its rows ldc floats apart, (+)= A [m,k] B [k,n], or = A B + bias. */
void lm_gemm_tile(lm_operand a, lm_operand b, const float *bias, float *c, int ldc, bool add, int m, int n, int k);

#endif
