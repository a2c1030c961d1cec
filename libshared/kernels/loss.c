#include "kernels/blas.h"
#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>
#include <string.h>

/* Of a row of logits: the log of the sum of exponents, and the sum. */
typedef struct row_stats {
    float log_sum, sum;
} row_stats;

static float row_loss_of(row_stats s, float at_label, float smoothing, int columns)
{
    float nll = s.log_sum - at_label;
    return smoothing > 0 ? (1 - smoothing) * nll + smoothing * (s.log_sum - s.sum / (float)columns) : nll;
}

static row_stats stats_of(const lm_variant *v, const float *logits, int columns)
{
    float max, exps, sum;
    v->log_sum_parts(logits, columns, &max, &exps, &sum);
    return (row_stats){max + logf(exps), sum};
}

void lm_cross_entropy_rows(const float *logits, const int32_t *label, float smoothing, float *row_loss,
                           int rows, int columns)
{
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF(rows > 1 ? (double)rows * columns * 16 : 0)
    for (int r = 0; r < rows; r++) {
        const float *x = logits + (size_t)r * (size_t)columns;
        row_loss[r] = label[r] == LM_IGNORED
                          ? 0
                          : row_loss_of(stats_of(v, x, columns), x[label[r]], smoothing, columns);
    }
}

void lm_cross_entropy_grad(const float *logits, const int32_t *label, const float *weight, float smoothing,
                           float scale, float *dlogits, bool add, int rows, int columns)
{
    enum { PIECE = 1024 };
    const lm_variant *v = lm_variant_now();
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows *columns * 32)
    for (int r = 0; r < rows; r++) {
        const float *x = logits + (size_t)r * (size_t)columns;
        float *dx = dlogits + (size_t)r * (size_t)columns;
        if (label[r] == LM_IGNORED) {
            if (!add)
                memset(dx, 0, (size_t)columns * sizeof *dx);
            continue;
        }
        float factor = scale * (weight ? weight[r] : 1), log_sum = stats_of(v, x, columns).log_sum;
        float less = smoothing / (float)columns, piece[PIECE];
        for (int c = 0; c < columns; c += PIECE) {
            int n = columns - c < PIECE ? columns - c : PIECE;
            memcpy(piece, x + c, (size_t)n * sizeof *piece);
            v->softmax_grad(piece, n, log_sum, less, factor);
            if (add)
                v->axpy(1, piece, dx + c, (size_t)n);
            else
                memcpy(dx + c, piece, (size_t)n * sizeof *piece);
        }
        dx[label[r]] -= (1 - smoothing) * factor;
    }
}

/* The first of equals; NaN is no candidate, but for the first. */
static int place_of_largest(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

/* Of few numbers, which are often looked at one by one, exactly. */
static double log_sum_of_few(const float *x, int n, int *best)
{
    double largest, sum = 0;
    *best = place_of_largest(x, n);
    largest = (double)x[*best];
    for (int i = 0; i < n; i++)
        sum += exp((double)x[i] - largest);
    return largest + log(sum);
}

double lm_log_sum(const float *x, int n, int *best)
{
    enum { FEW = 64, PIECE = 256 };
    const lm_variant *v = lm_variant_now();
    float largest = -INFINITY;
    double sum = 0;
    int at = 0, ignored_place;
    if (n <= FEW)
        return log_sum_of_few(x, n, best ? best : &ignored_place);
    for (int c = 0; c < n; c += PIECE) {
        float max, exps, all;
        v->log_sum_parts(x + c, n - c < PIECE ? n - c : PIECE, &max, &exps, &all);
        if (isnan(all)) {
            sum = NAN;
        } else if (max > largest) {
            sum = sum * exp((double)largest - (double)max) + (double)exps;
            largest = max;
            at = c;
        } else if (max > -INFINITY) {
            sum += (double)exps * exp((double)max - (double)largest);
        }
    }
    if (best)
        *best = at + place_of_largest(x + at, n - at < PIECE ? n - at : PIECE);
    return (double)largest + log(sum);
}

/* ------------------------------------------------------------------ over the vocabulary
 * The vocabulary is taken in slices. A slice's logits are one product, and leave for each row the parts of the log of the
 * sum. That is all where no gradient is wanted: no more logits are there than those of a slice a thread. Else rows are taken
 * in blocks, so small that the logits of all slices fit a budget: each slice turns its logits into their gradient, adds to
 * its own rows of dw and dbias, and the slices of a group, one after the other, to the group's part of dx. Parts are added
 * in order. */

enum {
    SLICE = 1024,             /* words */
    GROUPS = 16,              /* of slices */
    BUDGET = 8 * 1024 * 1024, /* floats of logits at a time, or half as many as the matrix has */
    MOST_ROWS = 512           /* of a block; more only make the results of a product of slices fit no cache */
};

typedef struct vocab_plan {
    int block, slices, groups;   /* rows at a time; slices of the vocabulary, and groups of them */
    float *max, *exps, *sum;     /* [slices, block] parts of the log of the sum */
    float *log_sum, *at_label;   /* [block] */
    float *logits;               /* [slices][block, SLICE], or for each thread; a slice's rows without gaps between them */
    float *dx;                   /* [groups][block, width] */
    float *weight;               /* [threads][SLICE, width] of a quantised matrix */
} vocab_plan;

static vocab_plan plan(const lm_vocab_args *a)
{
    vocab_plan p = {.slices = lm_divide_up(a->vocab, SLICE)};
    p.groups = p.slices < GROUPS ? p.slices : GROUPS;
    size_t budget = (size_t)a->vocab * (size_t)a->width / 2;
    budget = budget > BUDGET ? budget : BUDGET;
    size_t block = a->backward ? budget / ((size_t)p.slices * SLICE) : MOST_ROWS;
    block = block < 16 ? 16 : block > MOST_ROWS ? MOST_ROWS : block;
    int blocks = a->rows > 0 ? lm_divide_up(a->rows, (int)block) : 1;
    p.block = lm_divide_up(a->rows, blocks);
    return p;
}

static size_t lay_out(vocab_plan *p, const lm_vocab_args *a, float *scratch)
{
    size_t block = (size_t)p->block, cells = (size_t)p->slices * block, used = 0;
    size_t width = (size_t)a->width, threads = (size_t)lm_threads(), kept = a->backward ? (size_t)p->slices : threads;
    float **const places[] = {&p->max, &p->exps, &p->sum, &p->log_sum, &p->at_label, &p->logits, &p->dx,
                              &p->weight};
    const size_t sizes[] = {cells, cells, cells, block, block, kept * block * SLICE,
                            a->backward ? (size_t)p->groups * block * width : 0, a->quantised ? threads * SLICE * width : 0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; used += sizes[i++])
        if (scratch)
            *places[i] = scratch + used;
    return used;
}

size_t lm_vocab_scratch(const lm_vocab_args *a)
{
    vocab_plan p = plan(a);
    return lay_out(&p, a, NULL);
}

static int slice_words(const lm_vocab_args *a, int slice)
{
    return a->vocab - slice * SLICE < SLICE ? a->vocab - slice * SLICE : SLICE;
}

static float *slice_place(const lm_vocab_args *a, const vocab_plan *p, int slice)
{
    return p->logits + (size_t)(a->backward ? slice : lm_thread_number()) * (size_t)p->block * SLICE;
}

/* Its rows of the matrix. */
static const float *slice_weight(const lm_vocab_args *a, const vocab_plan *p, int slice)
{
    size_t width = (size_t)a->width;
    if (!a->quantised)
        return a->w + (size_t)slice * SLICE * width;
    float *weight = p->weight + (size_t)lm_thread_number() * SLICE * width;
    lm_quantised_expand(a->quantised, slice * SLICE, slice_words(a, slice), weight);
    return weight;
}

static void slice_logits(const lm_vocab_args *a, const vocab_plan *p, int from, int rows, int slice)
{
    const lm_variant *v = lm_variant_now();
    int words = slice_words(a, slice), first = slice * SLICE;
    size_t cell = (size_t)slice * (size_t)p->block, width = (size_t)a->width;
    float *logits = slice_place(a, p, slice);
    for (int r = 0; a->bias && r < rows; r++)
        memcpy(logits + (size_t)r * (size_t)words, a->bias + first, (size_t)words * sizeof *logits);
    lm_blas_now()->sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, words, a->width, 1,
                         a->x + (size_t)from * width, a->width, slice_weight(a, p, slice), a->width,
                         a->bias ? 1 : 0, logits, words);
    for (int r = 0; r < rows; r++) {
        const float *row = logits + (size_t)r * (size_t)words;
        int32_t label = a->label[from + r];
        v->log_sum_parts(row, words, &p->max[cell + (size_t)r], &p->exps[cell + (size_t)r], &p->sum[cell + (size_t)r]);
        if (label >= first && label < first + words)
            p->at_label[r] = row[label - first];
    }
}

/* Puts a row's parts together, in the order of the slices. */
static void finish_row(const lm_vocab_args *a, const vocab_plan *p, int from, int r)
{
    size_t block = (size_t)p->block;
    float max = -INFINITY;
    double exps = 0, sum = 0;
    for (size_t s = 0; s < (size_t)p->slices; s++)
        max = fmaxf(max, p->max[s * block + (size_t)r]);
    for (size_t s = 0; s < (size_t)p->slices; s++) {
        exps += (double)p->exps[s * block + (size_t)r] * exp((double)p->max[s * block + (size_t)r] - max);
        sum += p->sum[s * block + (size_t)r];
    }
    row_stats stats = {(float)(max + log(exps)), (float)sum};
    p->log_sum[r] = stats.log_sum;
    a->row_loss[from + r] =
        a->label[from + r] == LM_IGNORED ? 0 : row_loss_of(stats, p->at_label[r], a->smoothing, a->vocab);
}

/* dx: the group's part, which the first of its slices sets and the others add to. */
static void slice_gradient(const lm_vocab_args *a, const vocab_plan *p, int from, int rows, int slice, float *dx, bool add)
{
    const lm_variant *v = lm_variant_now();
    int words = slice_words(a, slice), first = slice * SLICE;
    size_t width = (size_t)a->width;
    float *logits = slice_place(a, p, slice);
    for (int r = 0; r < rows; r++) {
        float *row = logits + (size_t)r * (size_t)words;
        int32_t label = a->label[from + r];
        float factor = label == LM_IGNORED ? 0 : a->scale * (a->weight ? a->weight[from + r] : 1);
        v->softmax_grad(row, words, p->log_sum[r], a->smoothing / (float)a->vocab, factor);
        if (label >= first && label < first + words)
            row[label - first] -= (1 - a->smoothing) * factor;
    }
    if (a->dbias)
        v->column_sums(logits, (size_t)words, rows, a->dbias + first, words);
    if (a->dw)
        lm_blas_now()->sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, words, a->width, rows, 1, logits, words,
                             a->x + (size_t)from * width, a->width, 1, a->dw + (size_t)first * width, a->width);
    if (a->dx)
        lm_blas_now()->sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, a->width, words, 1, logits, words,
                             slice_weight(a, p, slice), a->width, add ? 1 : 0, dx, a->width);
}

static void group_gradient(const lm_vocab_args *a, const vocab_plan *p, int from, int rows, int group)
{
    float *dx = p->dx + (size_t)group * (size_t)p->block * (size_t)a->width;
    int first = group * p->slices / p->groups, end = (group + 1) * p->slices / p->groups;
    for (int s = first; s < end; s++)
        slice_gradient(a, p, from, rows, s, dx, s > first);
}

static void add_parts(const lm_vocab_args *a, const vocab_plan *p, int from, int rows)
{
    const lm_variant *v = lm_variant_now();
    size_t width = (size_t)a->width;
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)rows * a->width * p->groups)
    for (int r = 0; r < rows; r++) {
        float *dx = a->dx + (size_t)(from + r) * width;
        if (!a->add_x)
            memset(dx, 0, width * sizeof *dx);
        for (size_t g = 0; g < (size_t)p->groups; g++)
            v->axpy(1, p->dx + (g * (size_t)p->block + (size_t)r) * width, dx, width);
    }
}

void lm_vocab_cross_entropy(const lm_vocab_args *a, float *scratch)
{
    vocab_plan p = plan(a);
    lay_out(&p, a, scratch);
    for (int from = 0; from < a->rows; from += p.block) {
        int rows = a->rows - from < p.block ? a->rows - from : p.block;
        /* where BLAS threads itself, it must be called from one thread */
        double work = lm_kernels_deterministic() ? (double)rows * a->width * a->vocab : 0;
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF(work)
        for (int s = 0; s < p.slices; s++)
            slice_logits(a, &p, from, rows, s);
        for (int r = 0; r < rows; r++)
            finish_row(a, &p, from, r);
        if (!a->backward)
            continue;
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF(2 * work)
        for (int g = 0; g < p.groups; g++)
            group_gradient(a, &p, from, rows, g);
        if (a->dx)
            add_parts(a, &p, from, rows);
    }
}
