/* A matrix of quantised weights, wherever its bytes lie: mapped from a file, or made. It is computed with as it is
 * (kernels/quantised.h) and never expanded as a whole.
 *
 * `rows` are the outputs of a layer or the words of a table, `columns` its inputs. A row is whole blocks. Types: F16 and BF16;
 * ggml's block types; I8, a row of which has one scale; NF4 and FP4, whose blocks run on over the ends of rows.
 * What is pointed to belongs to whoever filled this in, and outlives it. */
#ifndef LM_TENSOR_QUANTISED_H
#define LM_TENSOR_QUANTISED_H

#include "base/status.h"
#include "tensor/dtype.h"

typedef struct lm_quantised {
    lm_dtype type;
    int rows, columns;
    const void *data;   /* stored row after stored row; not necessarily aligned. NF4 and FP4: two elements a byte, the first one
                         * in the high half */
    const float *scale; /* I8: [rows], a weight is scale q; NF4 and FP4: [elements / block], the absmax of each block. NULL: none,
                         * or it is nested: */
    int block;          /* NF4 and FP4: elements to a scale */
    struct {            /* bitsandbytes' double quantisation: absmax of block b is map[code[b]] scale[b / block] + offset */
        const uint8_t *code; /* NULL = not nested */
        const float *map;    /* [256] */
        const float *scale;
        int block;           /* 256 */
        float offset;
    } nested;
    int interleaved_heads; /* lm_interleaved_row; 0 = rows are stored in their order */
} lm_quantised;

/* llama.cpp stores the rows of queries and keys of models with rotary positions so that the two columns of a turn are
 * neighbours: with h = rows / heads, row 2i + s of a head there is row i + s h/2 of the head here. Row r of `rows` here is this one
 * there, and back; 0 heads: the same. */
static inline int64_t lm_interleaved_row(int64_t r, int64_t rows, int heads)
{
    if (!heads)
        return r;
    int64_t height = rows / heads, at = r % height, half = height / 2;
    return r - at + (at < half ? 2 * at : 2 * (at - half) + 1);
}

static inline int64_t lm_parted_row(int64_t r, int64_t rows, int heads)
{
    if (!heads)
        return r;
    int64_t height = rows / heads, at = r % height;
    return r - at + at / 2 + at % 2 * (height / 2);
}

/* The stored row that holds row r. */
static inline int lm_quantised_row(const lm_quantised *q, int r)
{
    return (int)lm_interleaved_row(r, q->rows, q->interleaved_heads);
}

/* Bytes of a stored row of I8 and block types, F16 and BF16: where row r begins. */
size_t lm_quantised_stride(const lm_quantised *q);
/* Bytes of all that it points to. */
size_t lm_quantised_bytes(const lm_quantised *q);
/* NF4 and FP4: absmax of a block, nested or not. */
float lm_quantised_absmax(const lm_quantised *q, size_t block);
/* Rows [first, first + n) as float32, [n, columns]. By this thread alone, in plain C: the reference. */
void lm_quantised_expand(const lm_quantised *q, int first, int n, float *out);

#endif
