/* What happens to shapes and values between a checkpoint and a GGUF file. */
#include "model/gguf/gguf_model.h"

#include "base/memory.h"
#include "tensor/quantised.h"

#include <stdlib.h>
#include <string.h>

/* A vector whose numbers are interleaved is a matrix of one column to the functions below. */
static lm_shape as_rows(const lm_gguf_weight *w, const lm_shape *s)
{
    lm_shape out = {.dims = 2, .size = {1, 1}};
    for (int i = 0; i < s->dims; i++)
        out.size[i + 1 < s->dims || (w->heads && s->dims == 1) ? 0 : 1] *= s->size[i];
    return out;
}

static bool fits(const lm_gguf_weight *w, const lm_shape *s)
{
    size_t elements;
    if (!lm_shape_elements(s, &elements) || s->dims < 1 || s->dims > LM_GGUF_DIMS)
        return false;
    if ((w->transposed || w->first_row) && s->dims != 2)
        return false;
    return !w->heads || (s->dims <= 2 && s->size[0] <= INT32_MAX && s->size[0] % w->heads == 0 && s->size[0] / w->heads % 2 == 0);
}

bool lm_gguf_shape_there(const lm_gguf_weight *w, const lm_shape *here, lm_shape *there)
{
    if (!fits(w, here) || here->size[0] < w->first_row)
        return false;
    *there = *here;
    if (w->transposed) {
        there->size[0] = here->size[1];
        there->size[1] = here->size[0];
    }
    there->size[0] -= w->first_row;
    return true;
}

bool lm_gguf_shape_here(const lm_gguf_weight *w, const lm_shape *there, lm_shape *here)
{
    if (!fits(w, there) || there->size[0] > INT64_MAX - w->first_row)
        return false;
    *here = *there;
    if (w->transposed) {
        here->size[0] = there->size[1];
        here->size[1] = there->size[0];
    }
    here->size[0] += w->first_row;
    size_t elements;
    return lm_shape_elements(here, &elements);
}

/* ------------------------------------------------------------------ values */

static const char *bytes_at(lm_dtype type, const void *data, int64_t element)
{
    return (const char *)data + (size_t)(element / lm_dtype_block(type)) * lm_dtype_block_bytes(type);
}

/* Rows [first, first + n) of the transpose of a [rows, columns] matrix of a plain type: columns of it. */
static bool take_columns(lm_dtype type, const void *data, const lm_shape *s, int64_t first, int64_t n, float *out)
{
    int64_t rows = s->size[0], columns = s->size[1];
    float *part = lm_malloc((size_t)n, sizeof *part);
    bool ok = true;
    for (int64_t i = 0; i < rows && ok; i++) {
        ok = lm_to_f32(type, bytes_at(type, data, i * columns + first), (size_t)n, part);
        for (int64_t j = 0; j < n && ok; j++)
            out[j * rows + i] = part[j];
    }
    free(part);
    return ok;
}

/* Rows of the transpose of a matrix of blocks, whose rows have to be expanded whole. */
static bool take_block_columns(lm_dtype type, const void *data, const lm_shape *s, int64_t first, int64_t n, float *out)
{
    int64_t rows = s->size[0], columns = s->size[1];
    float *row = lm_malloc((size_t)columns, sizeof *row);
    bool ok = true;
    for (int64_t i = 0; i < rows && ok; i++) {
        ok = lm_to_f32(type, bytes_at(type, data, i * columns), (size_t)columns, row);
        for (int64_t j = 0; j < n && ok; j++)
            out[j * rows + i] = row[first + j];
    }
    free(row);
    return ok;
}

static bool take(const lm_gguf_weight *w, const lm_shape *from, lm_dtype type, const void *data, int64_t first, int64_t n,
                 bool there, float *out)
{
    lm_shape s = as_rows(w, from);
    int64_t columns = s.size[1];
    if (w->transposed)
        return lm_dtype_block(type) == 1 ? take_columns(type, data, &s, first, n, out)
                                         : take_block_columns(type, data, &s, first, n, out);
    if (!w->heads)
        return lm_to_f32(type, bytes_at(type, data, first * columns), (size_t)(n * columns), out);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = there ? lm_parted_row(first + i, s.size[0], w->heads) : lm_interleaved_row(first + i, s.size[0], w->heads);
        if (!lm_to_f32(type, bytes_at(type, data, row * columns), (size_t)columns, out + i * columns))
            return false;
    }
    return true;
}

static void shift(float *values, size_t n, float by)
{
    for (size_t i = 0; by != 0 && i < n; i++)
        values[i] += by;
}

/* Numbers of a row on the other side. */
static int64_t width(const lm_gguf_weight *w, const lm_shape *from)
{
    lm_shape s = as_rows(w, from);
    return s.size[w->transposed ? 0 : 1];
}

bool lm_gguf_rows_there(const lm_gguf_weight *w, const lm_shape *here, lm_dtype type, const void *data, int64_t first, int64_t n,
                        float *out)
{
    if (!take(w, here, type, data, first + w->first_row, n, true, out))
        return false;
    shift(out, (size_t)(n * width(w, here)), w->offset);
    return true;
}

bool lm_gguf_rows_here(const lm_gguf_weight *w, const lm_shape *there, lm_dtype type, const void *data, int64_t first, int64_t n,
                       float *out)
{
    int64_t columns = width(w, there), absent = first < w->first_row ? w->first_row - first : 0;
    if (absent > n)
        absent = n;
    memset(out, 0, (size_t)(absent * columns) * sizeof *out);
    if (absent < n &&
        !take(w, there, type, data, first + absent - w->first_row, n - absent, false, out + absent * columns))
        return false;
    shift(out, (size_t)(n * columns), -w->offset);
    return true;
}
