/* Element types of tensors: names as safetensors and GGUF spell them, sizes, and conversion to and from
 * float32. */
#ifndef LM_TENSOR_DTYPE_H
#define LM_TENSOR_DTYPE_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lm_dtype {
    LM_F64,
    LM_F32,
    LM_F16,
    LM_BF16,
    LM_I64,
    LM_I32,
    LM_I16,
    LM_I8,
    LM_U8,
    LM_BOOL,
    LM_Q8_0,
    LM_Q4_0,
    LM_Q4_1,
    LM_Q5_0,
    LM_Q5_1,
    LM_Q2_K,
    LM_Q3_K,
    LM_Q4_K,
    LM_Q5_K,
    LM_Q6_K,
    LM_NF4, /* bitsandbytes': two codes a byte; their scales are tensors of their own (tensor/quantised.h) */
    LM_FP4,
    LM_IQ4_NL, /* ggml's, of 16 values that do not lie evenly */
    LM_DTYPE_COUNT
} lm_dtype;

enum { LM_MAX_DIMS = 8 };

typedef struct lm_shape {
    int dims; /* 0 = a scalar */
    int64_t size[LM_MAX_DIMS];
} lm_shape;

const char *lm_dtype_name(lm_dtype t);          /* "F32", "Q8_0" */
bool lm_dtype_find(lm_str name, lm_dtype *out); /* exact, upper case; of a type that tensors of files have: not NF4, FP4 */
int lm_dtype_block(lm_dtype t);                 /* elements of a block; 1 for plain types */
size_t lm_dtype_block_bytes(lm_dtype t);        /* bytes of a block; of an element for plain types */

/* Elements and bytes of a tensor. False where a size is negative, a product overflows, or the last dimension
 * is no multiple of the block. */
bool lm_shape_elements(const lm_shape *s, size_t *elements);
bool lm_tensor_bytes(lm_dtype t, const lm_shape *s, size_t *bytes);
bool lm_shape_equal(const lm_shape *a, const lm_shape *b);
void lm_shape_print(const lm_shape *s, lm_buf *out); /* [2, 3] */

/* IEEE half and bfloat16; rounding to nearest, ties to even; NaN stays NaN. */
float lm_f16_to_f32(uint16_t h);
uint16_t lm_f32_to_f16(float f);
float lm_bf16_to_f32(uint16_t b);
uint16_t lm_f32_to_bf16(float f);

/* n elements between float32 and t (F64 F32 F16 BF16; the first also of ggml's block types, n whole blocks, any bytes); `data`
 * need not be aligned. False for other types. */
bool lm_to_f32(lm_dtype t, const void *data, size_t n, float *out);
bool lm_from_f32(lm_dtype t, const float *in, size_t n, void *out);

#endif
