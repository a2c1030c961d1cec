/* Products with quantised weights (tensor/quantised.h), without expanding them: rows of the matrix are read as they are
 * stored, a tile at a time where there are many activations.
 *
 * Activations are float32, or are rounded to int8 first, a scale for each 32 columns: much as llama.cpp computes always,
 * faster, and less exact (1e-2 relative of a logit, not 1e-6). Results do not depend on the number of threads, and a row of
 * results not on the other rows of x, nor with int8 activations on how many there are (in Q2_K and Q3_K, but for whether they are more
 * than LM_FEW_ROUNDED). With float32 activations their number chooses the loop, and the order of its sums. */
#ifndef LM_KERNELS_QUANTISED_H
#define LM_KERNELS_QUANTISED_H

#include "tensor/quantised.h"

typedef enum lm_activations { LM_ACTIVATIONS_F32, LM_ACTIVATIONS_INT8 } lm_activations;

/* Rows of x for which unpacking each row of the matrix again for every four is cheaper than panels of it. */
enum { LM_FEW_ROUNDED = 6 };

/* Floats of scratch of the calls below, for m rows. */
size_t lm_quantised_scratch(const lm_quantised *w, int m, lm_activations how);
/* Y [m, count] = X [m, columns] W^T + bias of the rows [first, first + count) of W; bias [count] or NULL. Types that have no
 * loop for int8 activations (F16, BF16, NF4, FP4) take them as float32; where 32 does not divide the columns, row by row even so. */
void lm_quantised_forward(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y, int m,
                          lm_activations how, float *scratch);
/* dX [m, columns] (+)= dY [m, count] W, of the same rows. */
void lm_quantised_backward_input(const lm_quantised *w, int first, int count, const float *dy, float *dx, int m, bool add,
                                 float *scratch);
/* y[i] = row index[i] of W: [n, columns]. */
void lm_quantised_gather(const lm_quantised *w, const int32_t *index, float *y, int n);

#endif
