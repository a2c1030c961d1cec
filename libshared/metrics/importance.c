#include "metrics/importance.h"

#include "base/memory.h"
#include "model/gguf/gguf_model.h"
#include "tensor/imatrix.h"

#include <stdlib.h>
#include <string.h>

/* A matrix of a block. */
typedef struct layer {
    char *name; /* GGUF's; NULL = not of a block */
    size_t columns;
    double *sum2; /* [columns]; NULL = not seen yet */
    uint64_t rows;
} layer;

struct lm_importance {
    layer *layers; /* [parameters] */
    size_t count;
};

/* Columns are dealt to threads, each of which adds up the rows in their order. */
static void add_squares(const float *x, size_t rows, size_t columns, double *sum2)
{
    enum { CHUNK = 64 };
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < columns; first += CHUNK) {
        size_t end = columns - first < CHUNK ? columns : first + CHUNK;
        for (size_t r = 0; r < rows; r++)
            for (size_t c = first; c < end; c++)
                sum2[c] += (double)x[r * columns + c] * (double)x[r * columns + c];
    }
}

static void watch(void *context, const lm_param *weight, const float *x, int rows)
{
    lm_importance *i = context;
    layer *l = &i->layers[weight->index];
    if (!l->name)
        return;
    if (!l->sum2)
        l->sum2 = lm_calloc(l->columns, sizeof *l->sum2);
    add_squares(x, (size_t)rows, l->columns, l->sum2);
    l->rows += (uint64_t)rows;
}

lm_importance *lm_importance_new(lm_model *m, lm_graph *g, lm_status *st)
{
    lm_gguf_names *names = lm_gguf_names_new(m->config, true, st);
    if (!names) {
        lm_fail_prefix(st, "an importance matrix has GGUF's names");
        return NULL;
    }
    lm_importance *i = lm_calloc(1, sizeof *i);
    i->count = lm_params_count(m->params);
    i->layers = lm_calloc(i->count, sizeof *i->layers);
    for (size_t k = 0; k < i->count; k++) {
        const lm_param *p = lm_params_at(m->params, k);
        lm_gguf_weight w;
        if (p->shape.dims != 2 || lm_gguf_place_of(names, p->name, &w) != LM_GGUF_STORED || w.layer < 0)
            continue;
        i->layers[k].name = lm_strdup(w.there);
        i->layers[k].columns = (size_t)p->shape.size[p->transposed ? 0 : 1];
    }
    lm_gguf_names_free(names);
    lm_graph_watch(g, watch, i);
    return i;
}

void lm_importance_free(lm_importance *i)
{
    if (!i)
        return;
    for (size_t k = 0; k < i->count; k++) {
        free(i->layers[k].name);
        free(i->layers[k].sum2);
    }
    free(i->layers);
    free(i);
}

bool lm_importance_write(const lm_importance *i, const char *dataset, int fd, const char *name, lm_status *st)
{
    lm_imatrix *m = lm_imatrix_new();
    size_t n = strlen(name);
    bool old = n > 4 && strcmp(name + n - 4, ".dat") == 0, ok = true;
    lm_imatrix_set_dataset(m, dataset);
    for (size_t k = 0; ok && k < i->count; k++) {
        const layer *l = &i->layers[k];
        ok = !l->sum2 || lm_imatrix_add(m, l->name, l->sum2, l->columns, l->rows, st);
    }
    if (ok && !lm_imatrix_count(m))
        ok = lm_fail(st, LM_FAILED, "there are no rows: an importance matrix is made of some text");
    ok = ok && lm_imatrix_settle(m, st) && lm_imatrix_write(m, old ? LM_IMATRIX_DAT : LM_IMATRIX_GGUF, fd, name, st);
    lm_imatrix_free(m);
    return ok;
}
