#include "kernels/relation.h"
#include "kernels/distillation.h"
#include "kernels/gemm.h"
#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <string.h>

/* Of one head in one sequence. */
typedef struct head {
    const lm_relation_args *args;
    const lm_variant *v;
    int n, number; /* tokens; which head */
    size_t first;  /* token */
} head;

static size_t sum_room(const lm_relation_args *a)
{
    size_t floats = (size_t)a->sequences * (size_t)a->heads * (sizeof(double) / sizeof(float));
    return (floats + 15) / 16 * 16;
}

static size_t longest(const lm_relation_args *a)
{
    int most = 0;
    for (int s = 0; s < a->sequences; s++)
        most = a->splits[s + 1] - a->splits[s] > most ? a->splits[s + 1] - a->splits[s] : most;
    return (size_t)most;
}

/* Scores of both, and one row more. */
static size_t thread_room(const lm_relation_args *a)
{
    size_t n = longest(a);
    return ((2 * n + 1) * n + 15) / 16 * 16;
}

size_t lm_compare_relations_scratch(const lm_relation_args *a)
{
    return sum_room(a) + thread_room(a) * (size_t)lm_threads();
}

static lm_operand columns_of(const float *x, int heads, int dim, size_t token, int which)
{
    size_t width = (size_t)heads * (size_t)dim;
    return (lm_operand){x + token * width + (size_t)which * (size_t)dim, (int)width, false};
}

static lm_operand a_of(const head *h, const lm_relation_side *s)
{
    return columns_of(s->a, h->args->heads, s->dim, h->first, h->number);
}

static lm_operand b_of(const head *h, const lm_relation_side *s)
{
    return columns_of(s->b, s->b_heads, s->dim, h->first, h->number / (h->args->heads / s->b_heads));
}

/* scores [n, n] = scale a b^T */
static void scores_of(const head *h, const lm_relation_side *s, float *scores)
{
    lm_operand b = b_of(h, s);
    b.across = true;
    lm_gemm_tile(a_of(h, s), b, NULL, scores, h->n, false, h->n, h->n, s->dim);
    h->v->scale(s->scale, scores, scores, (size_t)h->n * (size_t)h->n);
}

/* KL(softmax t || softmax s) of n scores; s becomes its derivative by them. `p` has room for as many. */
static double divergence(const lm_variant *v, float *s, const float *t, float *p, int n)
{
    float log_s = lm_log_sum_exp(s, n), log_t = lm_log_sum_exp(t, n);
    double sum = 0;
    memcpy(p, t, (size_t)n * sizeof *p);
    v->softmax_grad(p, n, log_t, 0, 1);
    for (int j = 0; j < n; j++)
        sum += (double)p[j] * ((double)t[j] - s[j]);
    v->softmax_grad(s, n, log_s, 0, 1);
    v->axpy(-1, p, s, (size_t)n);
    return sum - log_t + log_s;
}

/* sum of (s - t)^2; s becomes half its derivative. */
static double squares(const lm_variant *v, float *s, const float *t, int n)
{
    v->axpy(-1, t, s, (size_t)n);
    return v->sum_squares(s, (size_t)n);
}

/* The tokens that token i has relations to: [*from, *from + the result). */
static int visible(const lm_relation_args *a, int i, int n, int *from)
{
    int end = a->causal ? i + 1 : n;
    *from = a->causal && a->window > 0 && i + 1 > a->window ? i + 1 - a->window : 0;
    return end - *from;
}

/* The unweighted loss of a head's scores, and in place of the student's the derivative of `factor` times its mean over heads. */
static double compare(const head *h, float *s, const float *t, float *row, double factor)
{
    const lm_relation_args *a = h->args;
    double sum = 0, pairs = 0;
    for (int i = 0; i < h->n; i++) {
        size_t at = (size_t)i * (size_t)h->n;
        int from, count = visible(a, i, h->n, &from);
        sum += a->scores ? squares(h->v, s + at + from, t + at + from, count)
                         : divergence(h->v, s + at + from, t + at + from, row, count);
        memset(s + at, 0, (size_t)from * sizeof *s);
        memset(s + at + from + count, 0, (size_t)(h->n - from - count) * sizeof *s);
        pairs += count;
    }
    double over = (a->scores ? pairs : h->n) * (double)a->heads;
    factor *= (a->scores ? 2 : 1) / over;
    if (a->da)
        h->v->scale((float)factor, s, s, (size_t)h->n * (size_t)h->n);
    return sum / over;
}

/* The derivative by the scores becomes that by a and b. */
static void pass_back(const head *h, const float *ds)
{
    const lm_relation_args *a = h->args;
    const lm_relation_side *s = &a->student;
    lm_operand x = a_of(h, s), y = b_of(h, s), rows = {ds, h->n, false}, columns = {ds, h->n, true};
    lm_gemm_tile(rows, y, NULL, a->da + (x.at - s->a), x.ld, true, h->n, s->dim, h->n);
    lm_gemm_tile(columns, x, NULL, a->db + (y.at - s->b), y.ld, true, h->n, s->dim, h->n);
}

static double one_head(const head *h, double weight, float *scratch)
{
    size_t square = (size_t)h->n * (size_t)h->n;
    float *s = scratch, *t = s + square, *row = t + square;
    scores_of(h, &h->args->student, s);
    scores_of(h, &h->args->teacher, t);
    double loss = compare(h, s, t, row, weight * h->args->student.scale);
    if (h->args->da)
        pass_back(h, s);
    return loss;
}

void lm_compare_relations(const lm_relation_args *a, float *scratch)
{
    double *sums = (double *)(void *)scratch; /* of each head of each sequence: added up in their order */
    int groups = a->student.b_heads, each = a->heads / groups; /* heads that share a gradient are of one task */
    size_t per_thread = thread_room(a);
    const lm_variant *v = lm_variant_now();
    scratch += sum_room(a);
#pragma omp parallel for schedule(dynamic, 1) LM_THREADS_IF((double)a->splits[a->sequences] *longest(a) * a->heads * a->student.dim)
    for (int task = 0; task < a->sequences * groups; task++) {
        int sequence = task / groups;
        head h = {.args = a, .v = v, .n = a->splits[sequence + 1] - a->splits[sequence], .first = (size_t)a->splits[sequence]};
        for (int i = 0; i < each; i++) {
            h.number = task % groups * each + i;
            sums[(size_t)sequence * (size_t)a->heads + (size_t)h.number] =
                h.n ? one_head(&h, (double)a->weight[sequence], scratch + (size_t)lm_thread_number() * per_thread) : 0;
        }
    }
    for (int s = 0; s < a->sequences; s++) {
        a->loss[s] = 0;
        for (int i = 0; i < a->heads; i++)
            a->loss[s] += sums[(size_t)s * (size_t)a->heads + (size_t)i];
    }
}
