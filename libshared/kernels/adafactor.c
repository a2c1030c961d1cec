#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>
#include <string.h>

/* Rows are cut into chunks by shape alone, whose sums are added up in their order. */
enum { MOST_CHUNKS = 32, LEAST_ROWS = 64 };

static size_t rows_of_chunk(const lm_adafactor *a)
{
    size_t rows = (a->rows + MOST_CHUNKS - 1) / MOST_CHUNKS;
    return rows > LEAST_ROWS ? rows : LEAST_ROWS;
}

static size_t chunks_of(const lm_adafactor *a)
{
    return (a->rows + rows_of_chunk(a) - 1) / rows_of_chunk(a);
}

size_t lm_adafactor_scratch(const lm_adafactor *a)
{
    return chunks_of(a) * a->columns;
}

/* A matrix of those that the step is for, as all passes see it. */
typedef struct matrix {
    const lm_adafactor *a;
    const lm_variant *variant;
    lm_update_floats floats;
    float *p, *g, *m, *row, *column;
    size_t rows, columns, chunk, chunks;
    double mean; /* of row */
} matrix;

static matrix matrix_of(const lm_adafactor *a, size_t k)
{
    size_t at = k * a->rows * a->columns;
    return (matrix){.a = a,
                    .variant = lm_variant_now(),
                    .floats = lm_update_floats_of(&a->step),
                    .p = a->p + at,
                    .g = a->g + at,
                    .m = a->m ? a->m + at : NULL,
                    .row = a->row ? a->row + k * a->rows : NULL,
                    .column = a->column + k * a->columns,
                    .rows = a->rows,
                    .columns = a->columns,
                    .chunk = rows_of_chunk(a),
                    .chunks = chunks_of(a)};
}

static size_t last_row(const matrix *x, size_t chunk)
{
    size_t last = (chunk + 1) * x->chunk;
    return last < x->rows ? last : x->rows;
}

/* The moving average goes on to a new mean of squares. */
static float averaged(const matrix *x, float was, double mean)
{
    return (float)(x->a->step.beta2 * was + (1 - x->a->step.beta2) * (mean + x->a->epsilon));
}

/* What the gradient needs of p, from row i on. */
static const float *penalised(const matrix *x, size_t i)
{
    return x->floats.l2 > 0 ? x->p + i * x->columns : NULL;
}

/* Rows and columns see the step's squares; scratch: [chunks, columns]. */
static void take_squares(const matrix *x, float *scratch)
{
    memset(scratch, 0, x->chunks * x->columns * sizeof *scratch);
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)x->rows * (double)x->columns * 4)
    for (size_t c = 0; c < x->chunks; c++) {
        for (size_t i = c * x->chunk; i < last_row(x, c); i++) {
            float sum = x->variant->factor_squares(penalised(x, i), x->g + i * x->columns, &x->floats,
                                                   scratch + c * x->columns, x->columns);
            if (x->row)
                x->row[i] = averaged(x, x->row[i], (double)sum / (double)x->columns);
        }
    }
    for (size_t j = 0; j < x->columns; j++) {
        double sum = 0;
        for (size_t c = 0; c < x->chunks; c++)
            sum += scratch[c * x->columns + j];
        x->column[j] = averaged(x, x->column[j], sum / (double)x->rows);
    }
}

/* 1/sqrt of the columns to scratch, and the mean of the rows. */
static void find_factors(matrix *x, float *scratch)
{
    double sum = 0;
    for (size_t i = 0; x->row && i < x->rows; i++)
        sum += x->row[i];
    x->mean = sum / (double)x->rows;
    for (size_t j = 0; j < x->columns; j++)
        scratch[j] = (float)(1 / sqrt((double)x->column[j]));
}

static float row_factor(const matrix *x, size_t i)
{
    return x->row ? (float)(1 / sqrt(x->row[i] / x->mean)) : 1;
}

/* Sum of squares of u. */
static double squared_size(const matrix *x, const float *factors)
{
    double part[MOST_CHUNKS], sum = 0;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)x->rows * (double)x->columns * 4)
    for (size_t c = 0; c < x->chunks; c++) {
        part[c] = 0;
        for (size_t i = c * x->chunk; i < last_row(x, c); i++)
            part[c] += x->variant->factor_size(penalised(x, i), x->g + i * x->columns, &x->floats, row_factor(x, i), factors,
                                               x->columns);
    }
    for (size_t c = 0; c < x->chunks; c++)
        sum += part[c];
    return sum;
}

static void move(const matrix *x, const float *factors, bool clear)
{
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)x->rows * (double)x->columns * 6)
    for (size_t i = 0; i < x->rows; i++)
        x->variant->factor_move(x->p + i * x->columns, x->g + i * x->columns, x->m ? x->m + i * x->columns : NULL, &x->floats,
                                row_factor(x, i), factors, x->columns, clear);
}

void lm_adafactor_step(const lm_adafactor *a, float *scratch, bool clear)
{
    double size = 0;
    for (size_t k = 0; k < a->matrices; k++) {
        matrix x = matrix_of(a, k);
        take_squares(&x, scratch);
        find_factors(&x, scratch);
        size += squared_size(&x, scratch);
    }
    double rms = sqrt(size / ((double)a->matrices * (double)a->rows * (double)a->columns));
    for (size_t k = 0; k < a->matrices; k++) {
        matrix x = matrix_of(a, k);
        find_factors(&x, scratch);
        x.floats.step = (float)(a->step.lr / fmax(1, rms / a->clip_threshold));
        move(&x, scratch, clear);
    }
}
