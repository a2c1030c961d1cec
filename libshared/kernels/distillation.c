#include "kernels/distillation.h"
#include "kernels/tasks.h"
#include "kernels/variant.h"

#include <math.h>
#include <string.h>

/* Two rows of n logits over the temperature, as probabilities. */
typedef struct both {
    float *s, *t; /* [n] */
    float log_s, log_t; /* logs of the sums */
} both;

float lm_log_sum_exp(const float *x, int n)
{
    float max, exps, sum;
    lm_variant_now()->log_sum_parts(x, n, &max, &exps, &sum);
    return max + logf(exps);
}

/* p = softmax(x / T); the log of its sum. */
static float tempered(const lm_variant *v, const float *x, int n, float inverse, float *p)
{
    v->scale(inverse, x, p, (size_t)n);
    float log_sum = lm_log_sum_exp(p, n);
    v->softmax_grad(p, n, log_sum, 0, 1);
    return log_sum;
}

/* KL(t||s) and, in p.s, its derivative by the student's logits over T. */
static double forward_kl(const float *x, const float *t, int n, float inverse, both p)
{
    double sum = 0;
    for (int j = 0; j < n; j++) {
        sum += (double)p.t[j] * ((double)t[j] - x[j]);
        p.s[j] -= p.t[j];
    }
    return sum * inverse - p.log_t + p.log_s;
}

static double reverse_kl(const float *x, const float *t, int n, float inverse, both p)
{
    double sum = 0, shift = (double)p.log_t - p.log_s;
    for (int j = 0; j < n; j++)
        sum += p.s[j] * (((double)x[j] - t[j]) * inverse + shift);
    for (int j = 0; j < n; j++)
        p.s[j] *= (float)(((double)x[j] - t[j]) * inverse + shift - sum);
    return sum;
}

/* dD/ds_j is (1-beta) log(s_j/m_j): what m_j itself changes adds up to nothing. */
static double jsd(const float *x, const float *t, int n, float inverse, float beta, both p)
{
    double sum = 0, mean = 0, rest = 1 - (double)beta;
    for (int j = 0; j < n; j++) {
        double log_s = (double)x[j] * inverse - p.log_s, log_t = (double)t[j] * inverse - p.log_t;
        double m = beta * (double)p.t[j] + rest * p.s[j], log_m = m > 0 ? log(m) : fmax(log_s, log_t);
        sum += beta * (double)p.t[j] * (log_t - log_m) + rest * p.s[j] * (log_s - log_m);
        mean += p.s[j] * rest * (log_s - log_m);
        p.t[j] = (float)(rest * (log_s - log_m));
    }
    for (int j = 0; j < n; j++)
        p.s[j] *= (float)(p.t[j] - mean);
    return sum;
}

static float logit_error(const float *x, const float *t, int n, float factor, float *gradient)
{
    double sum = 0;
    for (int j = 0; j < n; j++) {
        double d = (double)x[j] - t[j];
        sum += d * d;
        gradient[j] = (float)(2 * factor * d);
    }
    return (float)sum;
}

/* T^2 D, and in p.s its gradient times `factor`. */
static float divergence_of(const lm_soft_loss_args *a, const lm_variant *v, const float *x, const float *t, int n, float factor,
                           both p)
{
    float inverse = 1 / a->temperature;
    if (a->divergence == LM_LOGIT_ERROR)
        return logit_error(x, t, n, factor, p.s);
    p.log_s = tempered(v, x, n, inverse, p.s);
    p.log_t = tempered(v, t, n, inverse, p.t);
    double d = a->divergence == LM_FORWARD_KL   ? forward_kl(x, t, n, inverse, p)
               : a->divergence == LM_REVERSE_KL ? reverse_kl(x, t, n, inverse, p)
                                                : jsd(x, t, n, inverse, a->beta, p);
    if (a->backward)
        v->scale(factor * a->temperature, p.s, p.s, (size_t)n); /* T^2 / T */
    return (float)(d * a->temperature * a->temperature);
}

/* ------------------------------------------------------------------ of all logits, or of the largest */

static float whole_row(const lm_soft_loss_args *a, const lm_variant *v, int r, float factor, float *gradient, float *scratch)
{
    int n = a->teacher.columns;
    const float *x = a->logits + (size_t)r * (size_t)a->columns;
    return divergence_of(a, v, x, a->teacher.logits + (size_t)r * (size_t)n, n, factor, (both){.s = gradient, .t = scratch});
}

/* The student's logits of the k columns, and of all others as one: what over T is the log-sum-exp of theirs over T, *log_sum. `others`
 * becomes a copy over T in which those columns are none. */
static int student_events(const lm_soft_loss_args *a, const lm_variant *v, const float *x, const int32_t *index, float *others,
                          float *events, float *log_sum)
{
    const lm_soft_targets *t = &a->teacher;
    v->scale(1 / a->temperature, x, others, (size_t)t->columns);
    for (int i = 0; i < t->k; i++) {
        events[i] = x[index[i]];
        others[index[i]] = -INFINITY;
    }
    if (t->k == t->columns)
        return t->k;
    *log_sum = lm_log_sum_exp(others, t->columns);
    events[t->k] = a->temperature * *log_sum;
    return t->k + 1;
}

/* The same of a teacher who has said no more than the log-sum-exp of the others, which are taken for equal. */
static float teacher_rest(const lm_soft_loss_args *a, float rest)
{
    float others = logf((float)(a->teacher.columns - a->teacher.k));
    return fmaxf(rest, -1e30f) + (a->temperature - 1) * others; /* the log of nothing is a number here */
}

static float largest_row(const lm_soft_loss_args *a, const lm_variant *v, int r, float factor, float *gradient, float *scratch)
{
    const lm_soft_targets *t = &a->teacher;
    size_t k = (size_t)t->k, room = k + 1;
    const int32_t *index = t->index + (size_t)r * k;
    float *x = scratch, *y = x + room, *s = y + room, log_sum = 0;
    int n = student_events(a, v, a->logits + (size_t)r * (size_t)a->columns, index, gradient, x, &log_sum);
    memcpy(y, t->top + (size_t)r * k, k * sizeof *y);
    if ((size_t)n > k)
        y[k] = teacher_rest(a, t->rest[r]);
    float loss = divergence_of(a, v, x, y, n, factor, (both){.s = s, .t = s + room});
    if (!a->backward)
        return loss;
    if ((size_t)n > k)
        v->softmax_grad(gradient, t->columns, log_sum, 0, s[k]);
    for (size_t i = 0; i < k; i++)
        gradient[index[i]] = s[i];
    return loss;
}

/* ------------------------------------------------------------------ rows */

static size_t row_scratch(int columns, const lm_soft_targets *t)
{
    return (size_t)columns + (t->logits ? (size_t)t->columns : 4 * ((size_t)t->k + 1));
}

size_t lm_soft_loss_scratch(int columns, const lm_soft_targets *teacher)
{
    return (size_t)lm_threads() * row_scratch(columns, teacher);
}

/* The cross-entropy of a label, and its gradient, or zeros, in place of the logits. */
static float hard_row(const lm_soft_loss_args *a, const lm_variant *v, int r)
{
    float *x = a->logits + (size_t)r * (size_t)a->columns, loss = 0;
    bool any = a->label && a->label[r] != LM_IGNORED && a->hard[r] != 0;
    if (any) {
        float log_sum = lm_log_sum_exp(x, a->columns), factor = a->scale * a->hard[r];
        loss = log_sum - x[a->label[r]];
        if (a->backward) {
            v->softmax_grad(x, a->columns, log_sum, 0, factor);
            x[a->label[r]] -= factor;
        }
    } else if (a->backward) {
        memset(x, 0, (size_t)a->columns * sizeof *x);
    }
    return loss;
}

void lm_soft_loss(const lm_soft_loss_args *a, float *scratch)
{
    const lm_variant *v = lm_variant_now();
    size_t each = row_scratch(a->columns, &a->teacher);
#pragma omp parallel for schedule(static) LM_THREADS_IF((double)a->rows *a->columns * 64)
    for (int r = 0; r < a->rows; r++) {
        float *gradient = scratch + (size_t)lm_thread_number() * each, *room = gradient + a->columns;
        float factor = a->scale * a->soft[r];
        a->soft_loss[r] = a->soft[r] == 0             ? 0
                          : a->teacher.logits         ? whole_row(a, v, r, factor, gradient, room)
                                                      : largest_row(a, v, r, factor, gradient, room);
        a->hard_loss[r] = hard_row(a, v, r);
        if (a->backward && a->soft[r] != 0)
            v->axpy(1, gradient, a->logits + (size_t)r * (size_t)a->columns, (size_t)a->teacher.columns);
    }
}
