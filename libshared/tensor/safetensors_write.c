/* safetensors files are written. */
#include "base/atomic.h"
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <stdlib.h>

enum { LENGTH_BYTES = 8, CHUNK = 1 << 16 /* elements that are converted at once */ };

/* The crate's order of dtypes, by alignment; the writer goes from the last to the first. */
static int dtype_rank(lm_dtype t)
{
    static const lm_dtype order[] = {LM_BOOL, LM_U8,  LM_I8,  LM_I16, LM_F16,
                                     LM_BF16, LM_I32, LM_F32, LM_F64, LM_I64};
    for (int i = 0; i < (int)(sizeof order / sizeof *order); i++) {
        if (order[i] == t)
            return i;
    }
    return -1;
}

static int by_dtype_then_name(const void *x, const void *y)
{
    const lm_safetensor *const *a = x, *const *b = y;
    int difference = dtype_rank((*b)->dtype) - dtype_rank((*a)->dtype);
    return difference ? difference : strcmp((*a)->name, (*b)->name);
}

/* A JSON string as serde_json writes it: UTF-8 as it is, control characters escaped. */
static void put_string(lm_buf *out, const char *s)
{
    static const char shorts[] = "\b\f\n\r\t", letters[] = "bfnrt";
    lm_buf_putc(out, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        const char *found;
        if (c == '"' || c == '\\')
            lm_buf_printf(out, "\\%c", c);
        else if (c < 0x20 && (found = strchr(shorts, c)))
            lm_buf_printf(out, "\\%c", letters[found - shorts]);
        else if (c < 0x20)
            lm_buf_printf(out, "\\u%04x", c);
        else
            lm_buf_putc(out, (char)c);
    }
    lm_buf_putc(out, '"');
}

static bool print_header(lm_buf *out, const lm_safetensor *const *tensors, size_t count, const char *file,
                         lm_status *st)
{
    size_t at = 0;
    lm_buf_puts(out, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < count; i++) {
        const lm_safetensor *t = tensors[i];
        size_t bytes, end;
        if (dtype_rank(t->dtype) < 0)
            return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": safetensors has no dtype %s", file, t->name,
                           lm_dtype_name(t->dtype));
        if (!lm_tensor_bytes(t->dtype, &t->shape, &bytes) || bytes != t->bytes ||
            !lm_add_size(at, bytes, &end))
            return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": its size does not fit its shape", file,
                           t->name);
        lm_buf_putc(out, ',');
        put_string(out, t->name);
        lm_buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", lm_dtype_name(t->dtype));
        for (int d = 0; d < t->shape.dims; d++)
            lm_buf_printf(out, "%s%lld", d ? "," : "", (long long)t->shape.size[d]);
        lm_buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", at, end);
        at = end;
    }
    lm_buf_putc(out, '}');
    while (out->len % LENGTH_BYTES)
        lm_buf_putc(out, ' ');
    return true;
}

static int by_name(const void *x, const void *y)
{
    const lm_safetensor *const *a = x, *const *b = y;
    return strcmp((*a)->name, (*b)->name);
}

/* The entries in their order, malloced, and the first bytes of the file: length and header. */
static bool lay_out(const char *name, const lm_safetensor *tensors, size_t count, const lm_safetensor ***sorted,
                    lm_buf *head, lm_status *st)
{
    const lm_safetensor **list = *sorted = lm_malloc(count, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = &tensors[i];
    if (count)
        qsort(list, count, sizeof *list, by_name);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(list[i - 1]->name, list[i]->name) == 0)
            return lm_fail(st, LM_FAILED, "%s: two tensors are called \"%s\"", name, list[i]->name);
    }
    if (count)
        qsort(list, count, sizeof *list, by_dtype_then_name);
    lm_buf header = {0};
    bool ok = print_header(&header, list, count, name, st);
    unsigned char length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)header.len >> 8 * i);
    lm_buf_append(head, length, sizeof length);
    lm_buf_append(head, header.data, header.len);
    lm_buf_free(&header);
    return ok;
}

bool lm_safetensor_convert(const lm_safetensor *t, size_t first, size_t n, void *out, lm_status *st)
{
    size_t step = lm_dtype_block_bytes(t->from), width = lm_dtype_block_bytes(t->dtype), left = n;
    const char *data = (const char *)t->data + first * step;
    float *values = lm_malloc(n < CHUNK ? n : CHUNK, sizeof *values), *back = lm_malloc(n < CHUNK ? n : CHUNK, sizeof *back);
    for (char *to = out; left && lm_ok(st);) {
        size_t k = left < CHUNK ? left : CHUNK;
        if (!lm_to_f32(t->from, data, k, values) || !lm_from_f32(t->dtype, values, k, to) || !lm_to_f32(t->dtype, to, k, back)) {
            lm_fail(st, LM_FAILED, "%s: %s cannot become %s", t->name, lm_dtype_name(t->from), lm_dtype_name(t->dtype));
            break;
        }
        for (size_t i = 0; i < k; i++)
            if (isfinite(values[i]) && !isfinite(back[i]))
                lm_fail(st, LM_FAILED, "%s: holds %g, which is too large for %s: choose f32 or bf16", t->name,
                        (double)values[i], lm_dtype_name(t->dtype));
        data += k * step;
        to += k * width;
        left -= k;
    }
    free(values);
    free(back);
    return lm_ok(st);
}

static bool put_converted(lm_bytes_sink sink, void *context, const lm_safetensor *t, lm_status *st)
{
    size_t width = lm_dtype_block_bytes(t->dtype), count = t->bytes / width;
    char *piece = lm_malloc(CHUNK, width);
    for (size_t at = 0; at < count && lm_ok(st); at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        if (lm_safetensor_convert(t, at, n, piece, st))
            sink(context, piece, n * width, st);
    }
    free(piece);
    return lm_ok(st);
}

bool lm_safetensors_write_to(lm_bytes_sink sink, void *context, const char *name, const lm_safetensor *tensors,
                             size_t count, lm_status *st)
{
    const lm_safetensor **sorted = NULL;
    lm_buf head = {0};
    bool ok = lay_out(name, tensors, count, &sorted, &head, st) && sink(context, head.data, head.len, st);
    for (size_t i = 0; ok && i < count; i++)
        ok = sorted[i]->converted ? put_converted(sink, context, sorted[i], st)
                                  : sink(context, sorted[i]->data, sorted[i]->bytes, st);
    lm_buf_free(&head);
    free(sorted);
    return ok;
}

bool lm_safetensors_lay_out(const char *name, const lm_safetensor *tensors, size_t count, lm_buf *head, uint64_t *at,
                            lm_status *st)
{
    const lm_safetensor **sorted = NULL;
    bool ok = lay_out(name, tensors, count, &sorted, head, st);
    uint64_t end = head->len;
    for (size_t i = 0; ok && i < count; i++) {
        at[sorted[i] - tensors] = end;
        end += sorted[i]->bytes; /* print_header has seen that it does not overflow */
    }
    free(sorted);
    return ok;
}

bool lm_safetensors_file_size(const char *name, const lm_safetensor *tensors, size_t count, uint64_t *size, lm_status *st)
{
    lm_buf head = {0};
    uint64_t *at = lm_malloc(count + 1, sizeof *at);
    bool ok = lm_safetensors_lay_out(name, tensors, count, &head, at, st);
    *size = head.len;
    for (size_t i = 0; i < count; i++)
        *size += tensors[i].bytes;
    free(at);
    lm_buf_free(&head);
    return ok;
}

typedef struct descriptor {
    int fd;
    const char *name;
} descriptor;

static bool to_fd(void *context, const void *bytes, size_t n, lm_status *st)
{
    const descriptor *d = context;
    return lm_write_all(d->fd, bytes, n, d->name, st);
}

bool lm_safetensors_write(int fd, const char *name, const lm_safetensor *tensors, size_t count, lm_status *st)
{
    descriptor d = {fd, name};
    return lm_safetensors_write_to(to_fd, &d, name, tensors, count, st);
}
