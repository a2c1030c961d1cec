/* Matrices of two models, row by row, however they are stored. */
#include "metrics/divergence_internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a layer's matrix, [out, in]. */
typedef struct matrix {
    const lm_param *p;
    int64_t rows, columns;
} matrix;

static matrix matrix_of(const lm_param *p)
{
    return (matrix){p, p->shape.size[p->transposed ? 1 : 0], p->shape.size[p->transposed ? 0 : 1]};
}

static void read_row(const matrix *m, int64_t r, float *out)
{
    if (!m->p->value) {
        lm_quantised_expand(m->p->quantised, (int)r, 1, out);
        return;
    }
    for (int64_t c = 0; c < m->columns; c++)
        out[c] = m->p->value[m->p->transposed ? c * m->rows + r : r * m->columns + c];
}

static double error_of(const matrix *a, const matrix *b)
{
    lm_exact_sum moved = {0}, length = {0};
    size_t columns = (size_t)a->columns;
    float *x = lm_malloc(2 * columns, sizeof *x), *y = x + columns;
    for (int64_t r = 0; r < a->rows; r++) {
        double d2 = 0, x2 = 0;
        read_row(a, r, x);
        read_row(b, r, y);
        for (size_t c = 0; c < columns; c++) {
            d2 += ((double)y[c] - (double)x[c]) * ((double)y[c] - (double)x[c]);
            x2 += (double)x[c] * (double)x[c];
        }
        lm_sum_add(&moved, d2);
        lm_sum_add(&length, x2);
    }
    free(x);
    double of = lm_sum_total(&length);
    return of > 0 ? sqrt(lm_sum_total(&moved) / of) : 0;
}

bool lm_divergence_weights(lm_model *reference, lm_model *of, lm_report *report, lm_status *st)
{
    for (size_t i = 0; i < lm_params_count(reference->params); i++) {
        lm_param *p = lm_params_at(reference->params, i), *q = lm_params_find(of->params, p->name);
        if (p->shape.dims != 2 || !q || q->shape.dims != 2)
            continue;
        if ((!p->quantised && !lm_param_ready(p, st)) || (!q->quantised && !lm_param_ready(q, st)))
            return false;
        matrix a = matrix_of(p), b = matrix_of(q);
        double error = a.rows == b.rows && a.columns == b.columns ? error_of(&a, &b) : NAN;
        if (error != 0)
            lm_report_add_class(report, "weights_error", p->name, error);
    }
    return true;
}
