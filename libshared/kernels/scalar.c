/* The reference: each inner loop as its formula says, in double precision, for tests and for reading. */
#include "base/random.h"
#include "kernels/variant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool usable(void)
{
    return true;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* f(x), and its derivative in *slope. */
static double act_value(lm_act act, double x, double *slope)
{
    const double root2 = 1.4142135623730950488, pi = 3.14159265358979323846;
    switch (act) {
    case LM_ACT_GELU: {
        double cdf = 0.5 * erfc(-x / root2);
        *slope = cdf + x * exp(-0.5 * x * x) / sqrt(2 * pi);
        return x * cdf;
    }
    case LM_ACT_GELU_TANH: {
        double a = sqrt(2 / pi), u = a * (x + 0.044715 * x * x * x),
               s = 1 / (1 + exp(-2 * u)); /* (1 + tanh u)/2 */
        *slope = s + 2 * x * s / (1 + exp(2 * u)) * a * (1 + 3 * 0.044715 * x * x);
        return x * s;
    }
    case LM_ACT_RELU:
        *slope = x > 0;
        return x > 0 ? x : 0;
    case LM_ACT_SILU: {
        double s = logistic(x);
        *slope = s * (1 + x * (1 - s));
        return x * s;
    }
    default: {
        double t = tanh(x);
        *slope = 1 - t * t;
        return t;
    }
    }
}

static void activation_forward(lm_act act, const float *x, float *y, size_t n)
{
    double slope;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)act_value(act, x[i], &slope);
}

static void activation_backward(lm_act act, const float *x, const float *dy, float *dx, size_t n, bool add)
{
    for (size_t i = 0; i < n; i++) {
        double slope;
        act_value(act, x[i], &slope);
        dx[i] = (float)((add ? dx[i] : 0) + dy[i] * slope);
    }
}

static void gate_forward(lm_act act, const float *gate, const float *up, float *y, size_t n)
{
    double slope;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(act_value(act, gate[i], &slope) * up[i]);
}

static void gate_backward(lm_act act, const float *gate, const float *up, const float *dy, lm_gate_grads to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double slope, d = dy[i], value = act_value(act, gate[i], &slope);
        if (to.dgate)
            to.dgate[i] = (float)((to.add_gate ? to.dgate[i] : 0) + d * up[i] * slope);
        if (to.dup)
            to.dup[i] = (float)((to.add_up ? to.dup[i] : 0) + d * value);
    }
}

static void add_vectors(const float *a, const float *b, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void axpy(float a, const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void scale(float a, const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a * x[i];
}

static double sum_squares(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

static void column_sums(const float *x, size_t ld, int rows, float *y, int n)
{
    for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int r = 0; r < rows; r++)
            sum += x[(size_t)r * ld + (size_t)j];
        y[j] = (float)(y[j] + sum);
    }
}

static void few_rows(const float *x, int m, const float *w, int n, size_t k, const float *bias, float *y, size_t ldy)
{
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            double sum = bias ? bias[j] : 0;
            for (size_t c = 0; c < k; c++)
                sum += (double)x[(size_t)i * k + c] * w[(size_t)j * k + c];
            y[(size_t)i * ldy + (size_t)j] = (float)sum;
        }
    }
}

static void few_rows_across(const float *x, int m, const float *w, size_t ldw, int n, size_t k, const float *bias,
                            float *y, size_t ldy)
{
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            double sum = bias ? bias[j] : 0;
            for (size_t c = 0; c < k; c++)
                sum += (double)x[(size_t)i * k + c] * w[c * ldw + (size_t)j];
            y[(size_t)i * ldy + (size_t)j] = (float)sum;
        }
    }
}

static void norm_forward(const float *x, const float *weight, const float *bias, float eps, float *y,
                         float *mean, float *rstd, int width)
{
    double m = 0, var = 0;
    for (int j = 0; j < width; j++)
        m += x[j];
    m /= width;
    for (int j = 0; j < width; j++)
        var += (x[j] - m) * (x[j] - m);
    double r = 1 / sqrt(var / width + eps);
    for (int j = 0; j < width; j++)
        y[j] = (float)((x[j] - m) * r * weight[j] + bias[j]);
    *mean = (float)m;
    *rstd = (float)r;
}

static void norm_backward(const float *x, const float *weight, float mean, float rstd, const float *dy,
                          float *dx, bool add, float *dweight, float *dbias, int width)
{
    double sum = 0, dot = 0;
    for (int j = 0; j < width; j++) {
        double n = ((double)x[j] - mean) * rstd, d = (double)dy[j] * weight[j];
        sum += d;
        dot += d * n;
        if (dweight) {
            dweight[j] = (float)(dweight[j] + dy[j] * n);
            dbias[j] += dy[j];
        }
    }
    for (int j = 0; dx && j < width; j++) {
        double n = ((double)x[j] - mean) * rstd;
        double d = rstd * ((double)dy[j] * weight[j] - sum / width - n * dot / width);
        dx[j] = (float)((add ? dx[j] : 0) + d);
    }
}

static float rms_norm_forward(const float *x, const float *weight, float offset, float eps, float *y, int width)
{
    double squares = 0;
    for (int j = 0; j < width; j++)
        squares += (double)x[j] * x[j];
    double r = 1 / sqrt(squares / width + eps);
    for (int j = 0; j < width; j++)
        y[j] = (float)(x[j] * r * ((double)offset + weight[j]));
    return (float)r;
}

static void rms_norm_backward(const float *x, const float *weight, float offset, float rstd, const float *dy, float *dx,
                              bool add, float *dweight, int width)
{
    double dot = 0;
    for (int j = 0; j < width; j++) {
        double n = (double)x[j] * rstd;
        dot += dy[j] * ((double)offset + weight[j]) * n;
        if (dweight)
            dweight[j] = (float)(dweight[j] + dy[j] * n);
    }
    for (int j = 0; dx && j < width; j++) {
        double n = (double)x[j] * rstd, d = rstd * (dy[j] * ((double)offset + weight[j]) - n * dot / width);
        dx[j] = (float)((add ? dx[j] : 0) + d);
    }
}

static void rope(const float *x, const float *turns, float sign, float *y, bool add, int half)
{
    for (int j = 0; j < half; j++) {
        double c = turns[j], s = (double)sign * turns[half + j], a = x[j], b = x[half + j];
        y[j] = (float)((add ? y[j] : 0) + a * c - b * s);
        y[half + j] = (float)((add ? y[half + j] : 0) + b * c + a * s);
    }
}

/* The 16-bit number of feature f. */
static uint32_t dropout_number(const uint32_t key[2], const uint32_t counter[3], uint32_t f)
{
    uint32_t slot = f % 128 / 16, out[4];
    uint32_t at[4] = {counter[0], counter[1], counter[2], f / 128 * 16 + f % 16};
    lm_philox((lm_philox_key){{key[0], key[1]}}, at, out);
    return out[slot / 2] >> (slot % 2 * 16) & 0xffff;
}

static void dropout_forward(const uint32_t key[2], const uint32_t counter[3], uint32_t threshold,
                            float keep_scale, const float *x, const float *residual, float *y, uint8_t *mask,
                            int width)
{
    memset(mask, 0, ((size_t)width + 7) / 8);
    for (int j = 0; j < width; j++) {
        bool kept = dropout_number(key, counter, (uint32_t)j) >= threshold;
        mask[j / 8] |= (uint8_t)(kept << j % 8);
        y[j] = (kept ? x[j] * keep_scale : 0) + (residual ? residual[j] : 0);
    }
}

static void dropout_backward(const uint8_t *mask, float keep_scale, const float *dy, float *dx, bool add,
                             int width)
{
    for (int j = 0; j < width; j++)
        dx[j] = (add ? dx[j] : 0) + (mask[j / 8] >> j % 8 & 1 ? dy[j] * keep_scale : 0);
}

/* ------------------------------------------------------------------ attention */

static size_t attention_scratch(int nq, int nk, int dim, bool backward)
{
    return 2 * (2 * (size_t)nk + (backward ? 2 * (size_t)nk * (size_t)dim + (size_t)nq + (size_t)nk : 0)); /* doubles */
}

/* Keys that query i sees. */
static int visible(const lm_attention_task *t, int i)
{
    int n = t->causal ? i + 1 + t->nk - t->nq : t->nk;
    return n < 0 ? 0 : n > t->nk ? t->nk : n;
}

/* Element `at` of a part of key j's page, which has `codes` of them, and then the scales. */
static float kept_at(const lm_attention_task *t, int j, size_t part, size_t codes, size_t at, size_t scale)
{
    const uint8_t *p = t->pages[j / LM_PAGE] + part;
    const float *floats = (const float *)(const void *)p;
    const uint16_t *halves = (const uint16_t *)(const void *)p, *scales = (const uint16_t *)(const void *)(p + codes);
    switch (t->kept) {
    case LM_F16: return lm_f16_to_f32(halves[at]);
    case LM_Q8_0: return lm_f16_to_f32(scales[scale]) * (float)(int8_t)p[at];
    default: return floats[at];
    }
}

static float key_at(const lm_attention_task *t, int j, int c)
{
    if (t->pages)
        return kept_at(t, j, t->in_page, LM_PAGE * (size_t)t->dim, (size_t)c * LM_PAGE + (size_t)(j % LM_PAGE),
                       (size_t)c / 32 * LM_PAGE + (size_t)(j % LM_PAGE));
    return t->k[(size_t)j * t->ldkv + (size_t)c];
}

static float value_at(const lm_attention_task *t, int j, int c)
{
    size_t width = lm_page_width(t->dim), in = (size_t)(j % LM_PAGE);
    if (t->pages)
        return kept_at(t, j, t->in_values, LM_PAGE * width, in * width + (size_t)c, in * lm_page_scales(t->dim) + (size_t)c / 32);
    return t->v[(size_t)j * t->ldkv + (size_t)c];
}

/* The first of them. */
static int first_visible(const lm_attention_task *t, int i)
{
    int from = visible(t, i) - t->window;
    return t->window && from > 0 ? from : 0;
}

/* Probabilities p[j], and the factor of dropout in f[j]; the log of the sum of exponents is returned. */
static double probabilities(const lm_attention_task *t, int head, int i, double *p, double *f)
{
    const float *q = t->q + (size_t)i * t->ldq + (size_t)head * (size_t)t->dim;
    int n = visible(t, i), from = first_visible(t, i);
    double max = -INFINITY, sum = 0;
    memset(p, 0, (size_t)n * sizeof *p);
    for (int j = from; j < n; j++) {
        for (int c = 0; c < t->dim; c++)
            p[j] += (double)q[c] * key_at(t, j, c);
        p[j] *= t->scale;
        if (t->relative)
            p[j] += t->relative[(size_t)t->bucket[j - (i + t->nk - t->nq)] * t->ldr + (size_t)head];
        max = fmax(max, p[j]);
    }
    for (int j = from; j < n; j++)
        sum += p[j] = exp(p[j] - max);
    uint32_t counter[3] = {t->counter[0], t->counter[1] ^ (uint32_t)(t->first_head + head) << 16,
                           (uint32_t)i};
    for (int j = 0; j < n; j++) {
        p[j] /= sum;
        bool kept = !t->threshold || dropout_number(t->key, counter, (uint32_t)j) >= t->threshold;
        f[j] = !t->threshold ? 1 : kept ? (double)t->keep_scale : 0;
    }
    return n ? max + log(sum) : 0;
}

static void query_forward(const lm_attention_task *t, int head, int i)
{
    double *p = (double *)t->scratch, *f = p + t->nk;
    double log_sum = probabilities(t, head, i, p, f);
    float *out = t->out + (size_t)i * t->ldo + (size_t)head * (size_t)t->dim;
    for (int c = 0; c < t->dim; c++) {
        double sum = 0;
        for (int j = first_visible(t, i); j < visible(t, i); j++)
            sum += p[j] * f[j] * value_at(t, j, c);
        out[c] = (float)sum;
    }
    if (t->log_sum)
        t->log_sum[(size_t)i * t->ldl + (size_t)head] = (float)log_sum;
}

static void attention_forward(const lm_attention_task *t)
{
    for (int head = 0; head < t->group; head++)
        for (int i = 0; i < t->nq; i++)
            query_forward(t, head, i);
}

static size_t attention_kept_scratch(int nq, int nk, int dim)
{
    return attention_scratch(nq, nk, dim, false);
}

static void attention_kept(const lm_attention_task *t, int from, int rows)
{
    for (int r = from; r < from + rows; r++)
        query_forward(t, r % t->group, r / t->group);
}

/* dq of one query; adds to dk and dv, both [nk, dim] in double, and to db, of distance 0. */
static void query_backward(const lm_attention_task *t, int head, int i, double *dk, double *dv, double *db)
{
    double *p = (double *)t->scratch, *f = p + t->nk, mean = 0;
    size_t d = (size_t)t->dim;
    int n = visible(t, i);
    const float *q = t->q + (size_t)i * t->ldq + (size_t)head * d;
    const float *dout = t->dout + (size_t)i * t->ldo + (size_t)head * d;
    float *dq = t->dq ? t->dq + (size_t)i * t->ldq + (size_t)head * d : NULL;
    probabilities(t, head, i, p, f);
    for (int j = 0; j < n; j++) {
        double dp = 0;
        for (size_t c = 0; c < d; c++) {
            dp += (double)dout[c] * t->v[(size_t)j * t->ldkv + c];
            dv[(size_t)j * d + c] += p[j] * f[j] * dout[c];
        }
        f[j] *= dp;
        mean += p[j] * f[j];
    }
    for (int j = 0; j < n; j++)
        db[j - (i + t->nk - t->nq)] += p[j] * (f[j] - mean);
    for (size_t c = 0; c < d; c++) {
        double sum = 0;
        for (int j = 0; j < n; j++) {
            double ds = p[j] * (f[j] - mean) * t->scale;
            sum += ds * t->k[(size_t)j * t->ldkv + c];
            dk[(size_t)j * d + c] += ds * q[c];
        }
        if (dq)
            dq[c] = (float)((t->add_q ? dq[c] : 0) + sum);
    }
}

/* Gradients by distance into those by bucket. */
static void relative_backward(const lm_attention_task *t, int head, const double *db)
{
    float *to = t->drelative + (size_t)head * (size_t)t->buckets;
    memset(to, 0, (size_t)t->buckets * sizeof *to);
    for (int d = 1 - t->nk; d < t->nq; d++)
        to[t->bucket[d]] += (float)db[d];
}

static void attention_backward(const lm_attention_task *t)
{
    size_t d = (size_t)t->dim, n = (size_t)t->nk * d;
    double *dk = (double *)t->scratch + 2 * (size_t)t->nk, *dv = dk + n, *db = dv + n + (size_t)t->nk;
    memset(dk, 0, 2 * n * sizeof *dk);
    for (int head = 0; head < t->group; head++) {
        memset(db - t->nk, 0, ((size_t)t->nq + (size_t)t->nk) * sizeof *db);
        for (int i = 0; i < t->nq; i++)
            query_backward(t, head, i, dk, dv, db);
        if (t->drelative)
            relative_backward(t, head, db);
    }
    for (size_t j = 0; j < (size_t)t->nk; j++) {
        for (size_t c = 0; c < d; c++) {
            float *to_k = t->dk ? t->dk + j * t->ldkv + c : NULL,
                  *to_v = t->dv ? t->dv + j * t->ldkv + c : NULL;
            if (to_k)
                *to_k = (float)((t->add_k ? *to_k : 0) + dk[j * d + c]);
            if (to_v)
                *to_v = (float)((t->add_v ? *to_v : 0) + dv[j * d + c]);
        }
    }
}

/* ------------------------------------------------------------------ losses */

static void log_sum_parts(const float *x, int n, float *max, float *exps, float *sum)
{
    double m = -INFINITY, e = 0, s = 0;
    for (int i = 0; i < n; i++) {
        m = fmax(m, x[i]);
        s += x[i];
    }
    for (int i = 0; i < n; i++)
        e += exp(x[i] - m);
    *max = (float)m;
    *exps = (float)e;
    *sum = (float)s;
}

static void softmax_grad(float *x, int n, float log_sum, float less, float factor)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)((exp((double)x[i] - log_sum) - less) * factor);
}

static int panels_width(int columns)
{
    return columns;
}

static void panels_pack(const float *b, size_t down, size_t across, int depth, int columns, float *panels)
{
    for (int k = 0; k < depth; k++)
        for (int j = 0; j < columns; j++)
            *panels++ = b[(size_t)k * down + (size_t)j * across];
}

static void panels_product(const float *a, size_t lda, const float *panels, float *c, size_t ldc, int rows,
                           int columns, int depth)
{
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < columns; j++) {
            double sum = 0;
            for (int k = 0; k < depth; k++)
                sum += (double)a[(size_t)r * lda + (size_t)k] * panels[(size_t)k * (size_t)columns + (size_t)j];
            c[(size_t)r * ldc + (size_t)j] = (float)sum;
        }
    }
}

static void lstm_forward(const float *sums, float *gates, const float *c_before, float *c, float *h, int hidden)
{
    for (int u = 0; u < hidden; u++) {
        double a[4];
        for (int q = 0; q < 4; q++)
            a[q] = (double)gates[q * hidden + u] + (sums ? sums[q * hidden + u] : 0);
        double in = logistic(a[0]), forget = logistic(a[1]), fresh = tanh(a[2]), out = logistic(a[3]);
        double cell = in * fresh + forget * (c_before ? c_before[u] : 0);
        gates[u] = (float)in;
        gates[hidden + u] = (float)forget;
        gates[2 * hidden + u] = (float)fresh;
        gates[3 * hidden + u] = (float)out;
        c[u] = (float)cell;
        h[u] = (float)(out * tanh(cell));
    }
}

static void lstm_backward(float *gates, const float *c_before, const float *c, const float *dout, const float *dh,
                          float *dc, bool later, int hidden)
{
    for (int u = 0; u < hidden; u++) {
        double in = gates[u], forget = gates[hidden + u], fresh = gates[2 * hidden + u], out = gates[3 * hidden + u];
        double shown = tanh(c[u]), d = (double)dout[u] + (dh ? dh[u] : 0);
        double cell = d * out * (1 - shown * shown) + (later ? dc[u] : 0);
        gates[u] = (float)(cell * fresh * in * (1 - in));
        gates[hidden + u] = (float)(cell * (c_before ? c_before[u] : 0) * forget * (1 - forget));
        gates[2 * hidden + u] = (float)(cell * in * (1 - fresh * fresh));
        gates[3 * hidden + u] = (float)(d * shown * out * (1 - out));
        dc[u] = (float)(cell * forget);
    }
}

static void minhash(const uint64_t *items, size_t n, const uint64_t *a, const uint64_t *b, int hashes, uint64_t *least)
{
    const uint64_t prime = ((uint64_t)1 << 61) - 1;
    for (int h = 0; h < hashes; h++)
        for (size_t i = 0; i < n; i++) {
            uint64_t x = (a[h] * items[i] + b[h]) % prime;
            least[h] = x < least[h] ? x : least[h];
        }
}

#include "kernels/scalar_optimiser.h"
#include "kernels/scalar_quantised.h"

const lm_variant lm_variant_scalar = {.isa = "scalar", LM_VARIANT_KERNELS};
