/* The principal directions of a teacher's hidden states. */
#include "train/teaching/narrow.h"

#include "base/log.h"
#include "base/memory.h"
#include "kernels/kernels.h"
#include "metrics/packing.h"
#include "model/adapter/svd.h"
#include "train/run_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKENS = 8192,      /* that are looked at, or a few more */
    BATCH_TOKENS = 1024,
    ITERATIONS = 4      /* of the subspace */
};

typedef struct seen {
    int width;
    bool means;
    float *product; /* [width, width] the sum of x x^T */
    float *unit;    /* [cap, width] */
    int cap;
} seen;

/* x without its mean, where it is taken away, and of length 1. */
static void as_normed(const seen *s, const float *x, float *to)
{
    double mean = 0, square = 0;
    for (int i = 0; i < s->width && s->means; i++)
        mean += (double)x[i] / s->width;
    for (int i = 0; i < s->width; i++)
        square += (x[i] - mean) * (x[i] - mean);
    for (int i = 0; i < s->width; i++)
        to[i] = square > 0 ? (float)((x[i] - mean) / sqrt(square)) : 0;
}

static void see(void *context, int layer, const lm_tensor *hidden)
{
    seen *s = context;
    (void)layer;
    if (hidden->rows > s->cap) {
        s->cap = hidden->rows;
        s->unit = lm_realloc(s->unit, (size_t)s->cap * (size_t)s->width, sizeof *s->unit);
    }
    for (int r = 0; r < hidden->rows; r++)
        as_normed(s, hidden->value + (size_t)r * (size_t)s->width, s->unit + (size_t)r * (size_t)s->width);
    lm_linear_backward_weight(s->unit, s->unit, s->product, hidden->rows, s->width, s->width);
}

static bool read_batch(const lm_teaching *t, const lm_batch *batch, seen *s, lm_status *st)
{
    lm_select select = {.hidden = true, .tap = see, .tap_context = s};
    if (!lm_model_check_batch(t->model, batch, st))
        return lm_fail_prefix(st, "--teacher");
    lm_graph_begin(t->graph, batch, (lm_step){0});
    lm_model_forward(t->model, t->graph, batch, &select);
    return lm_graph_end(t->graph, st) || lm_fail_prefix(st, "--teacher");
}

/* The first rows that there are, until they have so many tokens. */
static bool read_rows(const lm_teaching *t, seen *s, lm_status *st)
{
    const lm_spool *spool = lm_data_spool(t->run->data);
    if (!spool)
        return lm_fail(st, LM_USAGE, "--init-from-teacher with another width looks at rows first, which a single pass over a pipe cannot: "
                       "leave --shuffle-window out");
    lm_packing packing = {0};
    lm_tokens_row rows[BATCH_TOKENS];
    size_t longest = t->model->arch.max_length ? (size_t)t->model->arch.max_length : SIZE_MAX, all = 0, tokens = 0;
    uint64_t count = lm_spool_rows(spool);
    int n = 0;
    for (uint64_t i = 0; i < count && all < TOKENS && lm_ok(st); i++) {
        lm_spool_row(spool, i, &rows[n]);
        if (rows[n].len > longest)
            rows[n].len = longest;
        all += rows[n].len;
        tokens += rows[n].len;
        n += rows[n].len > 0;
        lm_batch batch;
        if (n && (tokens >= BATCH_TOKENS || n == BATCH_TOKENS || i + 1 == count || all >= TOKENS)) {
            if (lm_packing_make(&packing, &t->model->arch, false, rows, n, &batch, st))
                read_batch(t, &batch, s, st);
            n = 0;
            tokens = 0;
        }
    }
    lm_packing_free(&packing);
    return lm_ok(st);
}

/* Rows of p [k, width] become orthonormal; those that depend on others are dropped. How many are left. */
static int independent(double *p, int k, int width)
{
    size_t n = (size_t)width;
    int kept = 0;
    lm_orthonormalise(p, k, width);
    for (int r = 0; r < k; r++) {
        double square = 0;
        for (size_t i = 0; i < n; i++)
            square += p[(size_t)r * n + i] * p[(size_t)r * n + i];
        if (square > 0.5)
            memmove(p + (size_t)kept++ * n, p + (size_t)r * n, n * sizeof *p);
    }
    return kept;
}

/* The first of these k rows becomes their mean direction, all the same number in each, by a reflection of their space. */
static void reflect(double *p, int k, int width)
{
    double root = 1 / sqrt(k), square = (1 - root) * (1 - root) + (k - 1) * root * root;
    for (int i = 0; i < width && k > 1; i++) {
        double along = 0;
        for (int r = 0; r < k; r++)
            along += ((r == 0) - root) * p[(size_t)r * (size_t)width + (size_t)i];
        for (int r = 0; r < k; r++)
            p[(size_t)r * (size_t)width + (size_t)i] -= 2 * along / square * ((r == 0) - root);
    }
}

/* The directions that hidden states have most of, below the one that norms take away; then any others that are orthogonal. */
static bool choose(const seen *s, int k, double *p, lm_status *st)
{
    size_t n = (size_t)s->width;
    int count = s->means, rank = k - count;
    float *u = lm_calloc(2 * n * (size_t)(rank + 1), sizeof *u), *v = u + n * (size_t)rank, *lengths = v + n * (size_t)rank;
    bool ok = rank == 0 || lm_svd_truncated(s->product, s->width, s->width, rank, ITERATIONS, 0, u, lengths, v, st);
    for (size_t i = 0; i < n && s->means; i++)
        p[i] = 1;
    for (int r = 0; r < rank; r++)
        for (size_t i = 0; i < n; i++)
            p[(size_t)(count + r) * n + i] = u[i * (size_t)rank + (size_t)r];
    double kept = 0, whole = 0;
    for (int r = 0; r < rank; r++)
        kept += (double)lengths[r];
    for (size_t i = 0; i < n; i++)
        whole += (double)s->product[i * n + i];
    if (ok && whole > 0)
        lm_info("--init-from-teacher: %d of the teacher's %d dimensions have %.1f %% of its hidden states", k, s->width,
                100 * kept / whole);
    free(u);
    count = independent(p, k, s->width);
    for (size_t i = 0; count < k; i++) {
        memset(p + (size_t)count * n, 0, n * sizeof *p);
        p[(size_t)count * n + i] = 1;
        count = independent(p, count + 1, s->width);
    }
    if (s->means)
        reflect(p, k, s->width);
    return ok;
}

float *lm_narrow_directions(const lm_teaching *t, int width, bool means, lm_status *st)
{
    seen s = {.width = t->model->arch.width, .means = means};
    size_t n = (size_t)s.width, all = n * (size_t)width;
    s.product = lm_calloc(n * n, sizeof *s.product);
    double *p = lm_calloc(all, sizeof *p);
    float *out = NULL;
    if (read_rows(t, &s, st) && choose(&s, width, p, st)) {
        out = lm_malloc(all, sizeof *out);
        for (size_t i = 0; i < all; i++)
            out[i] = (float)p[i];
    }
    free(p);
    free(s.product);
    free(s.unit);
    return out;
}
