/* Tensors are read, quantised and written. */
#include "model/quantise/job.h"

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "tensor/blocks.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

enum {
    INFINITY_BITS = 0x7f800000,
    HALF_MAX_BITS = 0x477fe000, /* 65504 */
    SLICE = 1 << 16, /* numbers that a thread quantises at once: 256 kB as float32 */
    SLICES = 16      /* of a chunk, which is written while the next one is made */
};

typedef struct chunk {
    char *bytes;
    size_t cap, n;
    size_t output; /* of the sink */
} chunk;

/* What a slice found that cannot be: a number that is none, or too large for its type. */
typedef struct trouble {
    bool bad;
    int64_t row, column;
    float value;
} trouble;

typedef struct pass {
    lm_quantise_job *job;
    lm_quantise_sink *sink;
    chunk chunks[2]; /* one is being made, the other waits to be written */
    int making;
    float **scratch; /* of each thread */
    size_t *scratch_cap;
    float *expanded; /* all numbers of a tensor of which they cannot be read apart */
    float *absmax;   /* of bitsandbytes' blocks, or rows */
    lm_status write_status;
} pass;

lm_quantise_rows lm_quantise_rows_of(const lm_quantise_tensor *t)
{
    size_t all;
    lm_quantise_rows r = {1, 0};
    lm_shape_elements(&t->shape, &all);
    if (t->shape.dims > 1)
        r.width = t->shape.size[t->shape.dims - 1];
    else if (t->how.heads && t->step == LM_STEP_THERE) /* turned number by number */
        r.width = 1;
    else
        r.width = (int64_t)all;
    if (r.width)
        r.rows = (int64_t)all / r.width;
    return r;
}

/* ------------------------------------------------------------------ rows of a tensor */

static size_t bytes_of(lm_dtype type, int64_t n)
{
    if (type == LM_NF4 || type == LM_FP4)
        return (size_t)(n + 1) / 2;
    return (size_t)n / (size_t)lm_dtype_block(type) * lm_dtype_block_bytes(type);
}

/* Whether rows go over as the bytes that they are. */
static bool is_copied(const lm_quantise_tensor *t)
{
    bool moved = t->step == LM_STEP_THERE && (t->how.transposed || t->how.offset != 0 || t->how.first_row);
    bool here = t->step == LM_STEP_HERE && !(t->from->quantised && !t->from->transposed);
    return t->to == t->from->dtype && t->to != LM_NF4 && t->to != LM_FP4 && t->to != LM_I8 && !moved && !here;
}

/* Where row r lies among those that are stored. */
static int64_t stored_row(const lm_quantise_tensor *t, int64_t r, int64_t rows)
{
    if (t->step == LM_STEP_HERE)
        return lm_quantised_row(t->from->quantised, (int)r);
    return t->step == LM_STEP_THERE ? lm_parted_row(r, rows, t->how.heads) : r;
}

static void copy_rows(const lm_quantise_tensor *t, lm_quantise_rows shape, int64_t first, int64_t n, char *out)
{
    size_t row = bytes_of(t->to, shape.width);
    for (int64_t i = 0; i < n; i++)
        memcpy(out + (size_t)i * row, (const char *)t->from->data + (size_t)stored_row(t, first + i, shape.rows) * row, row);
}

const float *lm_quantise_read_rows(const lm_quantise_tensor *t, const float *expanded, int64_t first, int64_t n, float *scratch)
{
    const lm_weight *w = t->from;
    int64_t width = lm_quantise_rows_of(t).width;
    size_t row = expanded ? (size_t)width * sizeof(float) : bytes_of(w->dtype, width);
    const void *data = expanded ? expanded : w->data;
    lm_dtype type = expanded ? LM_F32 : w->dtype;
    const char *at = (const char *)data + (size_t)first * row;
    bool ok;
    if (t->step == LM_STEP_THERE)
        ok = lm_gguf_rows_there(&t->how, &w->shape, type, data, first, n, scratch);
    else if (t->step == LM_STEP_HERE)
        ok = expanded ? lm_gguf_rows_here(&w->how, &w->there->shape, type, data, first, n, scratch)
                      : lm_weight_read(w, first, n, scratch);
    else if (type == LM_F32 && (uintptr_t)at % sizeof(float) == 0)
        return (const float *)(const void *)at;
    else
        ok = lm_to_f32(type, at, (size_t)(n * width), scratch);
    return ok ? scratch : NULL;
}

/* Whether the rows that are written are columns of what is stored. */
static bool is_across(const lm_quantise_tensor *t)
{
    return t->step == LM_STEP_THERE ? t->how.transposed : t->step == LM_STEP_HERE && t->from->transposed;
}

/* Codes are no rows by themselves, and blocks no columns: all of them become float32 first. */
static bool expand(pass *p, const lm_quantise_tensor *t, lm_status *st)
{
    const lm_quantised *q = t->from->quantised;
    free(p->expanded);
    p->expanded = NULL;
    bool codes = t->step != LM_STEP_HERE && lm_quantise_is_codes(t->from);
    if (!q || (!codes && !(is_across(t) && lm_dtype_block(q->type) > 1)))
        return true;
    p->expanded = lm_try_malloc((size_t)q->rows * (size_t)q->columns, sizeof(float), t->name, st);
    if (!p->expanded)
        return false;
#pragma omp parallel for schedule(static)
    for (int r = 0; r < q->rows; r++)
        lm_quantised_expand(q, r, 1, p->expanded + (size_t)r * (size_t)q->columns);
    return true;
}

/* ------------------------------------------------------------------ checks */

static void find_trouble(const float *x, const float *back, int64_t first, int64_t width, size_t n, trouble *out)
{
    for (size_t i = 0; i < n && !out->bad; i++)
        if (!isfinite(x[i]) || (back && !isfinite(back[i])))
            *out = (trouble){true, first + (int64_t)i / width, (int64_t)i % width, x[i]};
}

/* Types with half-precision scales can overflow where magnitudes are beyond theirs. */
static void check_overflow(lm_dtype type, const float *x, int64_t first, int64_t width, size_t n, const char *made, trouble *out)
{
    float *back = lm_malloc(n, sizeof *back);
    if (lm_to_f32(type, made, n, back))
        find_trouble(x, back, first, width, n, out);
    free(back);
}

static bool fail_trouble(const pass *p, const lm_quantise_tensor *t, const trouble *bad, lm_status *st)
{
    const char *name = lm_bundle_name(p->job->bundle);
    if (isfinite(bad->value))
        return lm_fail(st, LM_FAILED, "%s: %s: holds %g at [%lld, %lld], which is too large for %s: choose f32 or bf16", name,
                       t->from->name, (double)bad->value, (long long)bad->row, (long long)bad->column, lm_dtype_name(t->to));
    return lm_fail(st, LM_FAILED, "%s: %s: holds %s at [%lld, %lld]: such a model cannot be quantised (lms --check -m finds all of "
                   "them)", name, t->from->name, isnan(bad->value) ? "NaN" : "an infinity", (long long)bad->row,
                   (long long)bad->column);
}

/* ------------------------------------------------------------------ a slice */

/* Rows [first, first + n) of tensor t to their bytes at out. */
static void quantise_rows(pass *p, const lm_quantise_tensor *t, lm_quantise_rows shape, int64_t first, int64_t n, char *out,
                          trouble *bad)
{
    int thread = omp_get_thread_num(), block = p->job->options->block;
    size_t numbers = (size_t)n * (size_t)shape.width;
    if (is_copied(t))
        copy_rows(t, shape, first, n, out);
    if (p->scratch_cap[thread] < numbers) {
        free(p->scratch[thread]);
        p->scratch[thread] = lm_malloc(numbers, sizeof(float));
        p->scratch_cap[thread] = numbers;
    }
    const float *x = lm_quantise_read_rows(t, p->expanded, first, n, p->scratch[thread]);
    if (!x)
        return;
    uint32_t most = lm_greatest_bits(x, numbers);
    if (most >= INFINITY_BITS)
        find_trouble(x, NULL, first, shape.width, numbers, bad);
    if (bad->bad || is_copied(t))
        return;
    if (t->to == LM_NF4 || t->to == LM_FP4) {
        lm_bnb_quantise(t->to, x, numbers, block, (uint8_t *)out, p->absmax + (size_t)(first * shape.width) / (size_t)block);
    } else if (t->to == LM_I8) {
        lm_bnb_int8(x, (size_t)n, (size_t)shape.width, (int8_t *)out, p->absmax + first);
    } else if (lm_dtype_block(t->to) > 1) {
        lm_quantise(t->to, x, (size_t)n, (size_t)shape.width, t->importance, out);
    } else {
        lm_from_f32(t->to, x, numbers, out);
    }
    if (most > HALF_MAX_BITS)
        check_overflow(t->to, x, first, shape.width, numbers, out, bad);
}

/* ------------------------------------------------------------------ chunks */

static void write_waiting(pass *p)
{
    chunk *c = &p->chunks[!p->making];
    if (c->n && lm_ok(&p->write_status))
        lm_quantise_sink_put(p->sink, c->output, c->bytes, c->n, &p->write_status);
    c->n = 0;
}

/* Rows of a slice: as many as give whole blocks of bitsandbytes' kind, which run on over the ends of rows. */
static int64_t rows_of_slice(const pass *p, const lm_quantise_tensor *t, int64_t width)
{
    int64_t n = width >= SLICE ? 1 : SLICE / width, unit = 1;
    if (t->to == LM_NF4 || t->to == LM_FP4)
        while (unit * width % p->job->options->block)
            unit *= 2; /* the block is a power of two */
    return (n + unit - 1) / unit * unit;
}

static bool make_chunk(pass *p, const lm_quantise_tensor *t, lm_quantise_rows shape, int64_t first, int64_t n, lm_status *st)
{
    chunk *c = &p->chunks[p->making];
    trouble bad[SLICES] = {0};
    int64_t at_once = rows_of_slice(p, t, shape.width);
    int slices = (int)((n + at_once - 1) / at_once);
    c->n = bytes_of(t->to, n * shape.width);
    c->output = t->output;
    if (c->cap < c->n) {
        free(c->bytes);
        c->cap = 0;
        c->bytes = lm_try_malloc(c->n, 1, t->name, st);
        if (!c->bytes)
            return false;
        c->cap = c->n;
    }
#pragma omp parallel for schedule(dynamic, 1)
    for (int s = -1; s < slices; s++) {
        int64_t from = s * at_once, k = n - from < at_once ? n - from : at_once;
        if (s < 0)
            write_waiting(p);
        else
            quantise_rows(p, t, shape, first + from, k, c->bytes + bytes_of(t->to, from * shape.width), &bad[s]);
    }
    p->making = !p->making;
    for (int s = 0; s < slices; s++)
        if (bad[s].bad)
            return fail_trouble(p, t, &bad[s], st);
    if (!lm_ok(&p->write_status))
        *st = p->write_status;
    return lm_ok(st);
}

/* The last chunk of a tensor with further tensors behind it. */
static bool finish_bnb(pass *p, const lm_quantise_tensor *t, lm_status *st)
{
    write_waiting(p);
    if (!lm_ok(&p->write_status))
        *st = p->write_status;
    bool ok = lm_ok(st) && lm_quantise_bnb_put(p->job, t, p->absmax, p->sink, st);
    free(p->absmax);
    p->absmax = NULL;
    return ok;
}

/* The rows before this one have been read; where rows lie across the tensor, all when the last one has. */
static void forget(const lm_quantise_tensor *t, lm_quantise_rows shape, int64_t row)
{
    if (!is_across(t) || row == shape.rows)
        lm_map_forget(t->from->data, (size_t)((double)t->from->bytes * (double)row / (double)shape.rows));
}

static bool quantise_tensor(pass *p, const lm_quantise_tensor *t, uint64_t *done, lm_status *st)
{
    lm_quantise_rows shape = lm_quantise_rows_of(t);
    if (!lm_checkpoint_bring(p->job->checkpoint, t->from, st))
        return false;
    if (!shape.rows || !shape.width)
        return t->outputs == 1 || lm_fail(st, LM_FAILED, "%s: a matrix without numbers", t->name);
    if (!expand(p, t, st))
        return false;
    if (t->outputs > 1) {
        size_t scales = t->to == LM_I8 ? (size_t)shape.rows
                                       : (size_t)(shape.rows * shape.width) / (size_t)p->job->options->block + 1;
        p->absmax = lm_try_malloc(scales, sizeof *p->absmax, t->name, st);
        if (!p->absmax)
            return false;
    }
    int64_t at_once = rows_of_slice(p, t, shape.width) * SLICES;
    for (int64_t first = 0; first < shape.rows && lm_signal_check(st); first += at_once) {
        int64_t n = shape.rows - first < at_once ? shape.rows - first : at_once;
        if (!make_chunk(p, t, shape, first, n, st))
            return false;
        forget(t, shape, first + n);
        lm_progress_update(*done + (uint64_t)((double)t->from->bytes * (double)(first + n) / (double)shape.rows), t->name);
    }
    *done += t->from->bytes;
    return lm_ok(st) && (t->outputs == 1 || finish_bnb(p, t, st));
}

bool lm_quantise_pass(lm_quantise_job *j, lm_quantise_sink *s, lm_status *st)
{
    int threads = lm_threads();
    pass p = {.job = j, .sink = s, .write_status = LM_STATUS_INIT};
    uint64_t done = 0;
    p.scratch = lm_calloc((size_t)threads, sizeof *p.scratch);
    p.scratch_cap = lm_calloc((size_t)threads, sizeof *p.scratch_cap);
    lm_progress_begin("quantising", "B", j->bytes_before);
    for (size_t i = 0; i < j->count && lm_ok(st); i++)
        quantise_tensor(&p, &j->tensors[i], &done, st);
    lm_progress_end();
    if (lm_ok(st))
        write_waiting(&p);
    if (lm_ok(st))
        lm_checkpoint_bring(j->checkpoint, NULL, st);
    if (lm_ok(st) && !lm_ok(&p.write_status))
        *st = p.write_status;
    for (int i = 0; i < threads; i++)
        free(p.scratch[i]);
    free(p.scratch);
    free(p.scratch_cap);
    free(p.expanded);
    free(p.absmax);
    free(p.chunks[0].bytes);
    free(p.chunks[1].bytes);
    return lm_ok(st);
}

bool lm_quantise_model(const lm_quantise_options *options, lm_status *st)
{
    lm_quantise_job j;
    if (!lm_quantise_job_open(&j, options, st))
        return false;
    lm_quantise_sink *s = lm_quantise_sink_open(&j, st);
    if (s && lm_quantise_pass(&j, s, st))
        lm_quantise_sink_publish(s, st);
    else
        lm_quantise_sink_discard(s, st);
    if (lm_ok(st))
        lm_info("%s: %zu tensors, %.1f MB, of %.1f MB", strcmp(options->output, "-") == 0 ? "standard output" : options->output,
                j.output_count, (double)j.bytes_after / 1e6, (double)j.bytes_before / 1e6);
    lm_quantise_job_close(&j);
    return lm_ok(st);
}
