#include "kernels/quantised.h"

#include "kernels/gemm.h"
#include "kernels/rounded.h"
#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <string.h>

/* A task takes some rows of the matrix, or some columns where it is multiplied from the left, by shape alone; it has a tile of
 * its own that they are expanded into. */
enum {
    FEW_FLOATS = 32768,  /* of the tile where there are few rows of x: it is read once, from the cache */
    TILE_FLOATS = 1 << 19,
    LEAST_TILE = 48,     /* rows of the tile of a product by BLAS */
    MOST_TILE = 192,
    SHARES = 4,          /* tasks that there should be at least */
    STEP = 24,           /* what BLAS kernels take at a time */
    ROW_TASK = 16384,    /* elements for a task that reads the matrix once */
    CACHED = 1 << 17,    /* bytes of panels, and of rows of x that they are multiplied with, that stay in the second cache */
    MOST_PANEL = 96,     /* rows of the matrix to a task's panels: */
    PANEL_STEP = 16,
    LEAST_X = 8,         /* rows of x */
    LINE = 64,           /* bytes that are read at once from the cache */
    SLICE = 256,         /* columns of a task: whole blocks of any type */
    SLICE_ROWS = 256     /* and rows of the matrix that it expands at a time */
};

static int up(int n, int step)
{
    return lm_divide_up(n, step) * step;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* Rows of the matrix to a tile. */
static int tile_rows(int count, int columns, int m)
{
    if (m <= LM_FEW_ROWS)
        return most(8, FEW_FLOATS / most(columns, 1) / 8 * 8);
    int fit = most(LEAST_TILE, least(MOST_TILE, TILE_FLOATS / most(columns, 1) / STEP * STEP));
    return most(LEAST_TILE, least(fit, up(lm_divide_up(count, SHARES), STEP)));
}

static size_t tile_floats(const lm_quantised *w, int m)
{
    size_t forward = (size_t)tile_rows(w->rows, w->columns, m) * (size_t)w->columns, backward = (size_t)SLICE * SLICE_ROWS;
    return forward > backward ? forward : backward;
}

/* Elements [from, from + n) of the matrix as it is stored, row after row, of a type whose blocks run on over the ends of rows. */
static void run_on(const lm_quantised *w, size_t from, int n, float *out)
{
    lm_quantised rest = *w;
    size_t whole = (size_t)w->block * (size_t)(w->nested.code ? w->nested.block : 1), skipped = from / whole;
    rest.data = (const uint8_t *)w->data + skipped * whole / 2;
    if (w->nested.code) {
        rest.nested.code += skipped * (size_t)w->nested.block;
        rest.nested.scale += skipped;
    } else {
        rest.scale += skipped;
    }
    from -= skipped * whole;
    rest.rows = (int)from + n, rest.columns = 1, rest.interleaved_heads = 0;
    lm_quantised_expand(&rest, (int)from, n, out);
}

void lm_quantised_part(const lm_quantised *w, int row, int from, int n, float *out)
{
    size_t stored = (size_t)lm_quantised_row(w, row);
    if (w->type == LM_NF4 || w->type == LM_FP4) {
        run_on(w, stored * (size_t)w->columns + (size_t)from, n, out);
        return;
    }
    const uint8_t *at = (const uint8_t *)w->data + stored * lm_quantised_stride(w);
    if (w->type == LM_I8) {
        for (int c = 0; c < n; c++)
            out[c] = w->scale[stored] * (float)((const int8_t *)at)[from + c];
    } else {
        at += (size_t)(from / lm_dtype_block(w->type)) * lm_dtype_block_bytes(w->type);
        lm_to_f32(w->type, at, (size_t)n, out);
    }
}

static void expand(const lm_quantised *w, int first, int rows, int from, int n, float *out)
{
    const lm_variant *v = lm_variant_now();
    for (int r = 0; r < rows; r++)
        v->weights_expand(w, first + r, from, n, out + (size_t)r * (size_t)n);
}

/* ---- float32 activations ---- */

static void forward(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y, int m,
                    float *scratch)
{
    const lm_variant *v = lm_variant_now();
    int k = w->columns, rows = tile_rows(count, k, m);
    size_t floats = tile_floats(w, m);
    bool few = m <= LM_FEW_ROWS, share = few || lm_kernels_deterministic();
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF(share ? (double)m *count * k : 0)
    for (int c = 0; c < count; c += rows) {
        int n = least(rows, count - c);
        float *tile = scratch + (size_t)lm_thread_number() * floats;
        expand(w, first + c, n, 0, k, tile);
        if (few)
            v->few_rows(x, m, tile, n, (size_t)k, bias ? bias + c : NULL, y + c, (size_t)count);
        else
            lm_gemm_tile((lm_operand){x, k, false}, (lm_operand){tile, k, true}, bias ? bias + c : NULL, y + c, count, false, m,
                         n, k);
    }
}

/* One row: the matrix is read once, and is as large as it is stored. */
static void forward_row(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    int rows = most(1, ROW_TASK / most(w->columns, 1));
    x = v->weights_order(w, x, (float *)(((uintptr_t)scratch + LINE - 1) / LINE * LINE)); /* a tile has room to spare */
#pragma omp parallel for LM_LONG_RUNS LM_THREADS_IF((double)count *w->columns)
    for (int c = 0; c < count; c += rows)
        v->weights_dots(w, first + c, least(rows, count - c), x, bias ? bias + c : NULL, y + c);
}

/* ---- int8 activations ---- */

static bool rounds(const lm_quantised *w, lm_activations how)
{
    return how == LM_ACTIVATIONS_INT8 && w->type != LM_F16 && w->type != LM_BF16 && w->type != LM_NF4 && w->type != LM_FP4;
}

/* Floats, since no block of the other matrices' type divides their rows: few, and small. What comes of them is rounded next, when a
 * last bit may become a step of it, so a row has one order of sums whatever is beside it. */
static bool alone(const lm_quantised *w, lm_activations how)
{
    return how == LM_ACTIVATIONS_INT8 && w->columns % LM_ROUNDED_BLOCK != 0;
}

static int panel_rows(int count, int columns)
{
    int fit = most(PANEL_STEP, least(MOST_PANEL, CACHED / most(columns, 1) / PANEL_STEP * PANEL_STEP));
    return most(PANEL_STEP, least(fit, up(lm_divide_up(count, SHARES), PANEL_STEP)));
}

static size_t panel_floats(const lm_quantised *w)
{
    return (lm_variant_now()->rounded_panels_bytes(w, panel_rows(w->rows, w->columns)) + sizeof(float) - 1) / sizeof(float);
}

/* Where rounded rows lie in the scratch, which goes on after them. */
static bool has_start(const lm_quantised *w)
{
    return w->type == LM_Q8_0 || w->type == LM_I8 || w->type == LM_IQ4_NL;
}

static bool has_units(const lm_quantised *w)
{
    return w->type == LM_Q2_K || w->type == LM_Q3_K;
}

/* Without memory, of which it takes so many floats. */
static lm_rounded rounded_of(const lm_quantised *w, int m, size_t *floats)
{
    bool fine = has_units(w) || w->type == LM_Q6_K;
    lm_rounded x = {.blocks = up(lm_divide_up(w->columns, LM_ROUNDED_BLOCK), LM_ROUNDED_GROUP), .parts = fine ? 2 : 1};
    size_t blocks = (size_t)m * (size_t)x.blocks, parts = blocks * (size_t)x.parts;
    *floats = blocks * LM_ROUNDED_BLOCK / sizeof(float) + 2 * parts + (has_start(w) ? blocks : 0) +
              (has_units(w) ? parts + blocks / LM_ROUNDED_GROUP : 0);
    return x;
}

static lm_rounded rounded_in(const lm_quantised *w, int m, float **scratch)
{
    size_t floats;
    lm_rounded x = rounded_of(w, m, &floats);
    size_t blocks = (size_t)m * (size_t)x.blocks, parts = blocks * (size_t)x.parts;
    x.q = (int8_t *)*scratch;
    x.scale = *scratch + blocks * LM_ROUNDED_BLOCK / sizeof(float);
    x.sum = x.scale + parts;
    if (has_start(w))
        x.start = (int32_t *)(void *)(x.sum + parts);
    if (has_units(w)) {
        x.unit = x.sum + parts;
        x.times = (int16_t *)(void *)(x.unit + blocks / LM_ROUNDED_GROUP);
        x.whole = x.times + parts;
    }
    *scratch += floats;
    return x;
}

static lm_rounded round_rows(const lm_quantised *w, const float *x, int m, float **scratch)
{
    const lm_variant *v = lm_variant_now();
    lm_rounded to = rounded_in(w, m, scratch);
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)m *w->columns * 4)
    for (int i = 0; i < m; i++)
        v->round_row(x + (size_t)i * (size_t)w->columns, w->columns, &to, i);
    return to;
}

static void rounded_rows(const lm_quantised *w, int first, int count, const lm_rounded *x, const float *bias, float *y, int m)
{
    const lm_variant *v = lm_variant_now();
    int rows = most(1, ROW_TASK / most(w->columns, 1));
#pragma omp parallel for LM_LONG_RUNS LM_THREADS_IF((double)m *count * w->columns)
    for (int c = 0; c < count; c += rows)
        v->rounded_dots(w, first + c, least(rows, count - c), x, m, bias ? bias + c : NULL, y + c, (size_t)count);
}

static void rounded_batch(const lm_quantised *w, int first, int count, const lm_rounded *x, const float *bias, float *y, int m,
                          float *scratch)
{
    const lm_variant *v = lm_variant_now();
    int rows = panel_rows(count, w->columns), side = most(LEAST_X, CACHED / most(w->columns, 1) / LEAST_X * LEAST_X);
    size_t floats = panel_floats(w);
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF((double)m *count * w->columns)
    for (int c = 0; c < count; c += rows) {
        int n = least(rows, count - c);
        float *panels = scratch + (size_t)lm_thread_number() * floats;
        v->rounded_pack(w, first + c, n, panels);
        for (int i = 0; i < m; i += side)
            v->rounded_products(w, panels, n, x, i, least(side, m - i), bias ? bias + c : NULL,
                                y + (size_t)i * (size_t)count + c, (size_t)count);
    }
}

/* ---- */

size_t lm_quantised_scratch(const lm_quantised *w, int m, lm_activations how)
{
    size_t threads = (size_t)lm_threads(), tiles = threads * tile_floats(w, m);
    if (!rounds(w, how))
        return tiles;
    size_t floats;
    rounded_of(w, m, &floats);
    size_t all = floats + threads * panel_floats(w);
    return all > tiles ? all : tiles;
}

void lm_quantised_forward(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y, int m,
                          lm_activations how, float *scratch)
{
    if (m <= 0)
        return;
    if (rounds(w, how)) {
        lm_rounded rounded = round_rows(w, x, m, &scratch);
        if (m <= LM_FEW_ROUNDED)
            rounded_rows(w, first, count, &rounded, bias, y, m);
        else
            rounded_batch(w, first, count, &rounded, bias, y, m, scratch);
    } else if (m == 1 || alone(w, how)) {
        for (int i = 0; i < m; i++)
            forward_row(w, first, count, x + (size_t)i * (size_t)w->columns, bias, y + (size_t)i * (size_t)count, scratch);
    } else {
        forward(w, first, count, x, bias, y, m, scratch);
    }
}

void lm_quantised_backward_input(const lm_quantised *w, int first, int count, const float *dy, float *dx, int m, bool add,
                                 float *scratch)
{
    int columns = w->columns;
    size_t floats = tile_floats(w, m);
    if (m <= 0)
        return;
    if (count == 0 && !add)
        memset(dx, 0, (size_t)m * (size_t)columns * sizeof *dx);
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF(lm_kernels_deterministic() ? (double)m *count * columns : 0)
    for (int c = 0; c < columns; c += SLICE) {
        int n = least(SLICE, columns - c);
        float *tile = scratch + (size_t)lm_thread_number() * floats;
        for (int r = 0; r < count; r += SLICE_ROWS) {
            int rows = least(SLICE_ROWS, count - r);
            expand(w, first + r, rows, c, n, tile);
            lm_gemm_tile((lm_operand){dy + r, count, false}, (lm_operand){tile, n, false}, NULL, dx + c, columns, add || r > 0, m,
                         n, rows);
        }
    }
}

void lm_quantised_gather(const lm_quantised *w, const int32_t *index, float *y, int n)
{
    const lm_variant *v = lm_variant_now();
    size_t columns = (size_t)w->columns;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)n *w->columns * 4)
    for (int i = 0; i < n; i++)
        v->weights_expand(w, index[i], 0, w->columns, y + (size_t)i * columns);
}
