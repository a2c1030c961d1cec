/* Cross-entropy of a row. Part of variant.c. */

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
