/* Cross-entropy of a row and the optimiser's step. Part of variant.c. */

INLINE void max_step(size_t at, size_t count, const float *x, vf *max, vf *sum)
{
    vf v = get(x + at, count);
    *sum += v;
    if (count < LANES) { /* repeats the first element in the lanes past the end */
        float a[LANES];
        memcpy(a, &v, sizeof a);
        for (size_t i = count; i < LANES; i++)
            a[i] = a[0];
        memcpy(&v, a, sizeof a);
    }
    *max = larger(*max, v);
}

INLINE void exps_step(size_t at, size_t count, const float *x, float max, vf *sum)
{
    *sum += inside(exponential(get(x + at, count) - max), count);
}

static void log_sum_parts(const float *x, int n, float *max, float *exps, float *sum)
{
    vf most = splat(-INFINITY), total = {0}, e = {0};
    EACH(n, max_step, x, &most, &total);
    *max = max_of(most);
    EACH(n, exps_step, x, *max, &e);
    *exps = sum_of(e);
    *sum = sum_of(total);
}

INLINE void softmax_grad_step(size_t at, size_t count, float *x, float log_sum, float less, float factor)
{
    put(x + at, (exponential(get(x + at, count) - log_sum) - less) * factor, count);
}

static void softmax_grad(float *x, int n, float log_sum, float less, float factor)
{
    EACH(n, softmax_grad_step, x, log_sum, less, factor);
}

/* Rows of an embedding that are no longer looked up have moments that only shrink; below the normal range
 * arithmetic is a hundred times slower on some processors, and 0.9 of the least number rounds to itself:
 * there they end at 0. */
INLINE vf end_at_zero(vf x)
{
    return (vf)((vi)x & (vi)(absolute(x) >= 1.17549435e-38f));
}

INLINE void adamw_step(size_t at, size_t count, float *p, float *g, float *m, float *v, lm_adamw_floats how,
                       bool clear)
{
    vf d = get(g + at, count) * how.grad_scale;
    vf first = end_at_zero(get(m + at, count) * how.beta1 + d * how.rest1);
    vf second = end_at_zero(get(v + at, count) * how.beta2 + d * d * how.rest2);
    put(m + at, first, count);
    put(v + at, second, count);
    put(p + at, get(p + at, count) * how.keep - first * how.step / (root(second) * how.root + how.eps),
        count);
    if (clear)
        put(g + at, splat(0), count);
}

static void adamw(float *p, float *g, float *m, float *v, size_t n, const lm_adamw_floats *how, bool clear)
{
    const lm_adamw_floats floats = *how; /* cannot alias what is written */
    EACH(n, adamw_step, p, g, m, v, floats, clear);
}
