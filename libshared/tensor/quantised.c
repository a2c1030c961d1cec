#include "tensor/quantised.h"
#include "tensor/blocks.h"

size_t lm_quantised_stride(const lm_quantised *q)
{
    return (size_t)q->columns / (size_t)lm_dtype_block(q->type) * lm_dtype_block_bytes(q->type);
}

static bool is_bnb(lm_dtype t)
{
    return t == LM_NF4 || t == LM_FP4;
}

size_t lm_quantised_bytes(const lm_quantised *q)
{
    size_t rows = (size_t)q->rows, elements = rows * (size_t)q->columns;
    if (q->type == LM_I8)
        return elements + rows * sizeof *q->scale;
    if (!is_bnb(q->type))
        return rows * lm_quantised_stride(q);
    size_t data = elements / 2 + elements % 2, blocks = (elements + (size_t)q->block - 1) / (size_t)q->block;
    if (!q->nested.code)
        return data + blocks * sizeof *q->scale;
    size_t nested = (blocks + (size_t)q->nested.block - 1) / (size_t)q->nested.block;
    return data + blocks + (256 + nested) * sizeof(float) + sizeof q->nested.offset;
}

float lm_quantised_absmax(const lm_quantised *q, size_t block)
{
    if (!q->nested.code)
        return q->scale[block];
    return q->nested.map[q->nested.code[block]] * q->nested.scale[block / (size_t)q->nested.block] + q->nested.offset;
}

/* `n` elements from element `at` on, where blocks and bytes begin at the matrix's first element. */
static void expand_bnb(const lm_quantised *q, size_t at, size_t n, float *out)
{
    const float *values = q->type == LM_NF4 ? lm_nf4_values : lm_fp4_values;
    const uint8_t *codes = q->data;
    for (size_t end = at + n; at < end;) {
        size_t block = at / (size_t)q->block, stop = (block + 1) * (size_t)q->block;
        float absmax = lm_quantised_absmax(q, block), scaled[16];
        stop = stop < end ? stop : end;
        for (int i = 0; i < 16; i++)
            scaled[i] = values[i] * absmax;
        if (at % 2)
            *out++ = scaled[codes[at++ / 2] & 15];
        for (; at + 2 <= stop; at += 2) {
            *out++ = scaled[codes[at / 2] >> 4];
            *out++ = scaled[codes[at / 2] & 15];
        }
        if (at < stop)
            *out++ = scaled[codes[at++ / 2] >> 4];
    }
}

static void expand_row(const lm_quantised *q, size_t row, float *out)
{
    size_t columns = (size_t)q->columns;
    if (is_bnb(q->type)) {
        expand_bnb(q, row * columns, columns, out);
        return;
    }
    const unsigned char *data = (const unsigned char *)q->data + row * lm_quantised_stride(q);
    if (q->type == LM_I8)
        for (size_t i = 0; i < columns; i++)
            out[i] = (float)((const int8_t *)data)[i] * q->scale[row];
    else
        lm_to_f32(q->type, data, columns, out);
}

void lm_quantised_expand(const lm_quantised *q, int first, int n, float *out)
{
    for (int i = 0; i < n; i++)
        expand_row(q, (size_t)lm_quantised_row(q, first + i), out + (size_t)i * (size_t)q->columns);
}
