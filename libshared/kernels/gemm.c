#include "config.h"

#include "base/threads.h"
#include "kernels/blas.h"
#include "kernels/gemm.h"
#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <string.h>

/* A product is cut into a grid of tiles by its shape alone; each tile is one single-threaded BLAS call over
 * the whole inner dimension. So every element is summed in one order whatever the number of threads. */
typedef struct grid {
    int rows, columns; /* of a tile */
    int down, across;  /* tiles */
} grid;

enum {
    LEAST_TILES = 4, /* to share among some cores */
    MOST_TILES = 16, /* of a product whose tiles are worth it then: */
    LEAST_WORK = 300000000,
    LEAST_AREA = 512 * 512,
    LEAST_ROWS = 64, /* a tile that is smaller than this packs more than it multiplies */
    LEAST_COLUMNS = 96,
    STEP = 24, /* edges at multiples of what BLAS kernels take at a time (4, 6, 8, 12, 24) */
};

static int side(int n, int parts)
{
    int size = lm_divide_up(lm_divide_up(n, parts), STEP) * STEP;
    return size < n ? size : n;
}

static int tiles_for(double m, double n, double k)
{
    int tiles = LEAST_TILES;
    while (tiles < MOST_TILES && m * n >= 2.0 * tiles * LEAST_AREA && m * n * k >= 2.0 * tiles * LEAST_WORK)
        tiles *= 2;
    return tiles;
}

/* The most nearly square tiles: BLAS packs rows plus columns of a tile for each rows times columns of results, and the more
 * tiles there are the more is packed twice. */
static grid cut(int m, int n, int k)
{
    grid best = {m, n, 1, 1};
    if (!lm_kernels_deterministic())
        return best;
    for (int tiles = tiles_for(m, n, k); tiles > 1 && best.down * best.across == 1; tiles /= 2) {
        double least = 0;
        for (int down = 1; down <= tiles; down *= 2) {
            int across = tiles / down, rows = side(m, down), columns = side(n, across);
            bool fine = (down == 1 || rows >= LEAST_ROWS) && (across == 1 || columns >= LEAST_COLUMNS);
            double edge = (double)rows + columns;
            if (fine && (least == 0 || edge < least)) {
                least = edge;
                best = (grid){rows, columns, lm_divide_up(m, rows), lm_divide_up(n, columns)};
            }
        }
    }
    return best;
}

static int extent(int from, int size, int end)
{
    return from + size < end ? size : end - from;
}

static void fill_rows(const float *bias, float *y, int rows, int columns, int ld)
{
    for (int r = 0; r < rows; r++)
        memcpy(y + (size_t)r * (size_t)ld, bias, (size_t)columns * sizeof *y);
}

/* No inner dimension: BLAS would be right to do nothing at all. */
static bool empty(float *c, int m, int n, int k, bool add)
{
    if (m > 0 && n > 0 && k == 0 && !add)
        memset(c, 0, (size_t)m * (size_t)n * sizeof *c);
    return m == 0 || n == 0 || k == 0;
}

/* Few rows (LM_FEW_ROWS) are not worth what BLAS does first. */
enum {
    FEW_ELEMENTS = 32768, /* of the matrix, for a task */
    FEW_ACROSS = 3,       /* BLAS packs less of a matrix that is stored across */
    ACROSS_TASKS = 8,
    LEAST_ACROSS = 128    /* columns of a task: memory gives neighbours faster */
};

static void few_rows(const float *x, const float *w, const float *bias, float *y, int m, int n, int k)
{
    const lm_variant *v = lm_variant_now();
    int columns = lm_divide_up(lm_divide_up(FEW_ELEMENTS, k), 8) * 8;
#pragma omp parallel for LM_LONG_RUNS LM_THREADS_IF((double)m *n * k)
    for (int c = 0; c < n; c += columns)
        v->few_rows(x, m, w + (size_t)c * (size_t)k, extent(c, columns, n), (size_t)k, bias ? bias + c : NULL, y + c,
                    (size_t)n);
}

static void few_rows_across(const float *x, const float *w, int ldw, const float *bias, float *y, int m, int n, int k)
{
    const lm_variant *v = lm_variant_now();
    int columns = side(n, ACROSS_TASKS);
    columns = columns < LEAST_ACROSS ? LEAST_ACROSS : columns;
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF((double)m *n * k)
    for (int c = 0; c < n; c += columns)
        v->few_rows_across(x, m, w + c, (size_t)ldw, extent(c, columns, n), (size_t)k, bias ? bias + c : NULL, y + c,
                           (size_t)n);
}

static CBLAS_TRANSPOSE how(lm_operand o)
{
    return o.across ? CblasTrans : CblasNoTrans;
}

/* What is left of it from row r and column c on, of what it stands for. */
static lm_operand from(lm_operand o, int r, int c)
{
    o.at += o.across ? (size_t)c * (size_t)o.ld + (size_t)r : (size_t)r * (size_t)o.ld + (size_t)c;
    return o;
}

void lm_gemm_tile(lm_operand a, lm_operand b, const float *bias, float *c, int ldc, bool add, int m, int n, int k)
{
    if (bias)
        fill_rows(bias, c, m, n, ldc);
    lm_blas_now()->sgemm(CblasRowMajor, how(a), how(b), m, n, k, 1.0f, a.at, a.ld, b.at, b.ld, bias || add ? 1.0f : 0.0f, c, ldc);
}

/* The same in tiles. */
static void product(lm_operand a, lm_operand b, const float *bias, float *c, int ldc, bool add, int m, int n, int k)
{
    grid g = cut(m, n, k);
#pragma omp parallel for schedule(dynamic, 1) collapse(2)                                                    \
    LM_THREADS_IF(g.down *g.across > 1 ? (double)m * n * k : 0)
    for (int i = 0; i < g.down; i++) {
        for (int j = 0; j < g.across; j++) {
            int row = i * g.rows, column = j * g.columns;
            lm_gemm_tile(from(a, row, 0), from(b, 0, column), bias ? bias + column : NULL,
                         c + (size_t)row * (size_t)ldc + column, ldc, add, extent(row, g.rows, m),
                         extent(column, g.columns, n), k);
        }
    }
}

void lm_linear_forward(const float *x, const float *w, const float *bias, float *y, int m, int n, int k)
{
    if (empty(y, m, n, k, false))
        return;
    if (m <= LM_FEW_ROWS)
        few_rows(x, w, bias, y, m, n, k);
    else
        product((lm_operand){x, k, false}, (lm_operand){w, k, true}, bias, y, n, false, m, n, k);
}

void lm_linear_backward_input(const float *dy, const float *w, float *dx, int m, int n, int k, bool add)
{
    if (!empty(dx, m, k, n, add))
        product((lm_operand){dy, n, false}, (lm_operand){w, k, false}, NULL, dx, k, add, m, k, n);
}

void lm_linear_backward_weight(const float *dy, const float *x, float *dw, int m, int n, int k)
{
    if (m && n && k)
        product((lm_operand){dy, n, true}, (lm_operand){x, k, false}, NULL, dw, k, true, n, k, m);
}

void lm_linear_transposed_forward(const float *x, const float *w, int ldw, const float *bias, float *y, int m, int n,
                                  int k)
{
    if (empty(y, m, n, k, false))
        return;
    if (m <= FEW_ACROSS)
        few_rows_across(x, w, ldw, bias, y, m, n, k);
    else
        product((lm_operand){x, k, false}, (lm_operand){w, ldw, false}, bias, y, n, false, m, n, k);
}

void lm_linear_transposed_backward_input(const float *dy, const float *w, int ldw, float *dx, int m, int n, int k,
                                         bool add)
{
    if (!empty(dx, m, k, n, add))
        product((lm_operand){dy, n, false}, (lm_operand){w, ldw, true}, NULL, dx, k, add, m, k, n);
}

void lm_linear_transposed_backward_weight(const float *dy, const float *x, float *dw, int ldw, int m, int n, int k)
{
    if (m && n && k)
        product((lm_operand){x, k, true}, (lm_operand){dy, n, false}, NULL, dw, ldw, true, k, n, m);
}

enum { SUM_ROWS = 64 }; /* rows whose columns one task sums */

size_t lm_column_sums_scratch(int m, int n)
{
    return (size_t)lm_divide_up(m, SUM_ROWS) * (size_t)n;
}

void lm_column_sums(const float *dy, float *db, int m, int n, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    int parts = lm_divide_up(m, SUM_ROWS);
    if (parts <= 1) {
        v->column_sums(dy, (size_t)n, m, db, n);
        return;
    }
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)m *n * 8)
    for (int p = 0; p < parts; p++) {
        float *sum = scratch + (size_t)p * (size_t)n;
        memset(sum, 0, (size_t)n * sizeof *sum);
        v->column_sums(dy + (size_t)p * SUM_ROWS * (size_t)n, (size_t)n, extent(p * SUM_ROWS, SUM_ROWS, m),
                       sum, n);
    }
    v->column_sums(scratch, (size_t)n, parts, db, n);
}
