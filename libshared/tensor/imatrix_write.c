/* Importance matrices, written. */
#include "tensor/imatrix.h"

#include "base/atomic.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "tensor/gguf_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ .dat */

static void put_int(lm_buf *out, int64_t value)
{
    uint32_t v = value > INT32_MAX ? INT32_MAX : (uint32_t)value;
    for (int i = 0; i < 4; i++)
        lm_buf_putc(out, (char)(v >> 8 * i));
}

static void print_dat(const lm_imatrix *m, lm_buf *out)
{
    const char *dataset = lm_imatrix_dataset(m) ? lm_imatrix_dataset(m) : "";
    put_int(out, (int64_t)lm_imatrix_count(m));
    for (size_t i = 0; i < lm_imatrix_count(m); i++) {
        const lm_imatrix_entry *e = lm_imatrix_at(m, i);
        float calls = (float)fmax(1, ceil(e->count / LM_IMATRIX_CHUNK));
        put_int(out, (int64_t)strlen(e->name));
        lm_buf_puts(out, e->name);
        put_int(out, (int64_t)calls);
        put_int(out, (int64_t)e->columns);
        for (size_t k = 0; k < e->columns; k++) {
            float value = e->mean[k] * calls;
            lm_buf_append(out, &value, sizeof value);
        }
    }
    put_int(out, lm_imatrix_chunks(m));
    put_int(out, (int64_t)strlen(dataset));
    lm_buf_puts(out, dataset);
}

/* ------------------------------------------------------------------ GGUF */

static void put_tensor(lm_gguf_writer *w, const char *name, const char *suffix, size_t columns)
{
    char *of = lm_format("%s%s", name, suffix);
    lm_gguf_put_tensor(w, of, LM_F32, &(lm_shape){2, {1, (int64_t)columns}});
    free(of);
}

static bool into(void *context, const void *bytes, size_t n, lm_status *st)
{
    lm_buf_append(context, bytes, n);
    return lm_ok(st);
}

static bool print_gguf(const lm_imatrix *m, const char *name, lm_buf *out, lm_status *st)
{
    lm_gguf_writer *w = lm_gguf_writer_new(name);
    const char *dataset = lm_imatrix_dataset(m);
    lm_gguf_put_string(w, "general.type", lm_str_of("imatrix"));
    lm_gguf_put_strings(w, "imatrix.datasets", dataset != NULL);
    if (dataset)
        lm_gguf_put_next(w, lm_str_of(dataset));
    lm_gguf_put_u32(w, "imatrix.chunk_count", (uint32_t)lm_imatrix_chunks(m));
    lm_gguf_put_u32(w, "imatrix.chunk_size", LM_IMATRIX_CHUNK);
    for (size_t i = 0; i < lm_imatrix_count(m); i++) {
        const lm_imatrix_entry *e = lm_imatrix_at(m, i);
        put_tensor(w, e->name, ".in_sum2", e->columns);
        put_tensor(w, e->name, ".counts", 1);
    }
    bool ok = lm_gguf_write_header(w, into, out, st);
    for (size_t i = 0; ok && i < lm_imatrix_count(m); i++) {
        const lm_imatrix_entry *e = lm_imatrix_at(m, i);
        float count = (float)e->count;
        ok = lm_gguf_write_data(w, e->sum2, e->columns * sizeof *e->sum2, st) && lm_gguf_write_data(w, &count, sizeof count, st);
    }
    ok = ok && lm_gguf_write_end(w, st);
    lm_gguf_writer_free(w);
    return ok;
}

bool lm_imatrix_write(const lm_imatrix *m, lm_imatrix_form form, int fd, const char *name, lm_status *st)
{
    lm_buf text = {0};
    bool ok = true;
    if (form == LM_IMATRIX_DAT)
        print_dat(m, &text);
    else
        ok = print_gguf(m, name, &text, st);
    ok = ok && lm_write_all(fd, text.data, text.len, name, st);
    lm_buf_free(&text);
    return ok;
}
