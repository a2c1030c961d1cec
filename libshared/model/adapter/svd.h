/* The largest singular values of a matrix and their vectors. */
#ifndef LM_MODEL_ADAPTER_SVD_H
#define LM_MODEL_ADAPTER_SVD_H

#include "base/status.h"

#include <stdint.h>

/* Rows of q [k, n] become orthonormal, one after the other; a row that depends on those before it becomes zeros. */
void lm_orthonormalise(double *q, int k, int n);

/* u [rows, rank] and v [columns, rank] have orthonormal columns, s falls: u s v^T is near to the best approximation of w [rows,
 * columns] by a matrix of that rank. Subspace iteration from a random start (Halko, Martinsson and Tropp 2011, arXiv 0909.4061),
 * `iterations` times, or, where that is negative, until the singular values no longer change. A matrix that is of this rank comes
 * out exactly. The sign of each pair of vectors makes the largest element of v's positive. rank is at most the smaller side. */
bool lm_svd_truncated(const float *w, int rows, int columns, int rank, int iterations, uint64_t seed, float *u, float *s, float *v,
                      lm_status *st);

#endif
