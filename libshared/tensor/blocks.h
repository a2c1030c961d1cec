/* Quantisers and their inverses: ggml's block types byte for byte as its reference functions (quantize_row_*_ref and
 * quantize_* with an importance matrix in ggml-quants.c) make them, bitsandbytes' NF4 and FP4, and int8 by rows.
 *
 * What is not finite cannot be quantised: the caller checks (lm_weight_check). lm_to_f32 of dtype.h is the inverse of all types
 * whose blocks are alone in memory (ggml's). */
#ifndef LM_TENSOR_BLOCKS_H
#define LM_TENSOR_BLOCKS_H

#include "base/status.h"
#include "tensor/dtype.h"

extern const int8_t lm_iq4_nl_values[16]; /* by code */

/* Whether lm_quantise makes t: Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL. */
bool lm_quantises(lm_dtype t);
/* `rows` rows of `width` numbers (a multiple of the block) to their blocks. importance: [width], how much an error in each
 * column weighs; NULL = alike. By this thread alone; rows do not depend on one another. */
void lm_quantise(lm_dtype t, const float *x, size_t rows, size_t width, const float *importance, void *out);

/* The largest |x|, as bits: no less than 0x7f800000, an infinity's, where one is infinite or no number. */
uint32_t lm_greatest_bits(const float *x, size_t n);

/* ---- bitsandbytes (functional.py, csrc/cpu_ops) ---- */

enum { LM_BNB_BLOCK = 64, LM_BNB_NESTED = 256 };

extern const float lm_nf4_values[16], lm_fp4_values[16]; /* by code */
extern const float lm_bnb_dynamic_map[256]; /* create_dynamic_map(signed, 7, 8): of nested absmax */

/* n numbers, in blocks of `block` (a power of two; the last may be shorter): (n + 1) / 2 bytes, and absmax [blocks]. */
void lm_bnb_quantise(lm_dtype t, const float *x, size_t n, int block, uint8_t *out, float *absmax);
/* Double quantisation of absmax [n]: code [n], scale [n / LM_BNB_NESTED, rounded up], and the mean, which is the offset. Its last
 * bit depends in PyTorch on the machine; here it is that of one thread and vectors of 8. */
void lm_bnb_nest(const float *absmax, size_t n, uint8_t *code, float *scale, float *offset);

/* ---- int8 by rows (LLM.int8 without outliers): q = round half to even of x (127 / absmax), absmax [rows] the largest |x| of a row,
 * which bitsandbytes stores as SCB. A weight is q absmax / 127: the scale of lm_quantised is absmax / 127. ---- */
void lm_bnb_int8(const float *x, size_t rows, size_t width, int8_t *out, float *absmax);

#endif
