/* Layer norm and RMS norm of one row. Part of variant.c. */

/* Sums over a row: the lanes that lie past its end add nothing. */
INLINE vf inside(vf v, size_t count)
{
    if (count == LANES)
        return v;
    float a[LANES];
    memcpy(a, &v, sizeof a);
    for (size_t i = count; i < LANES; i++)
        a[i] = 0;
    memcpy(&v, a, sizeof a);
    return v;
}

INLINE void sum_step(size_t at, size_t count, const float *x, vf *sum)
{
    *sum += get(x + at, count);
}

INLINE void square_step(size_t at, size_t count, const float *x, float mean, vf *sum)
{
    vf d = inside(get(x + at, count) - mean, count);
    *sum += d * d;
}

INLINE void norm_step(size_t at, size_t count, const float *x, const float *weight, const float *bias,
                      float mean, float rstd, float *y)
{
    put(y + at, (get(x + at, count) - mean) * rstd * get(weight + at, count) + get(bias + at, count), count);
}

static void norm_forward(const float *x, const float *weight, const float *bias, float eps, float *y,
                         float *mean, float *rstd, int width)
{
    vf sum = {0}, squares = {0};
    EACH(width, sum_step, x, &sum);
    float m = sum_of(sum) / (float)width;
    EACH(width, square_step, x, m, &squares);
    float r = 1 / sqrtf(sum_of(squares) / (float)width + eps);
    EACH(width, norm_step, x, weight, bias, m, r, y);
    *mean = m;
    *rstd = r;
}

/* What both parts of the gradient need: sums of dy weight and of dy weight x^, and the parameters' share. */
INLINE void norm_sums_step(size_t at, size_t count, const float *x, const float *weight, float mean,
                           float rstd, const float *dy, vf *sum, vf *dot, float *dweight, float *dbias)
{
    vf n = (get(x + at, count) - mean) * rstd, d = get(dy + at, count), dw = d * get(weight + at, count);
    *sum += dw;
    *dot += dw * n;
    if (dweight) {
        put(dweight + at, d * n + get(dweight + at, count), count);
        put(dbias + at, d + get(dbias + at, count), count);
    }
}

INLINE void norm_dx_step(size_t at, size_t count, const float *x, const float *weight, float mean, float rstd,
                         const float *dy, float sum, float dot, float *dx, bool add)
{
    vf n = (get(x + at, count) - mean) * rstd;
    vf d = (get(dy + at, count) * get(weight + at, count) - sum - n * dot) * rstd;
    put(dx + at, add ? get(dx + at, count) + d : d, count);
}

static void norm_backward(const float *x, const float *weight, float mean, float rstd, const float *dy,
                          float *dx, bool add, float *dweight, float *dbias, int width)
{
    vf sum = {0}, dot = {0};
    EACH(width, norm_sums_step, x, weight, mean, rstd, dy, &sum, &dot, dweight, dbias);
    float s = sum_of(sum) / (float)width, t = sum_of(dot) / (float)width;
    if (dx)
        EACH(width, norm_dx_step, x, weight, mean, rstd, dy, s, t, dx, add);
}

/* ------------------------------------------------------------------ RMS norm */

INLINE void rms_square_step(size_t at, size_t count, const float *x, vf *sum)
{
    vf v = get(x + at, count);
    *sum += v * v;
}

INLINE void rms_norm_step(size_t at, size_t count, const float *x, const float *weight, float offset, float rstd,
                          float *y)
{
    put(y + at, get(x + at, count) * rstd * (get(weight + at, count) + offset), count);
}

static float rms_norm_forward(const float *x, const float *weight, float offset, float eps, float *y, int width)
{
    vf squares = {0};
    EACH(width, rms_square_step, x, &squares);
    float rstd = 1 / sqrtf(sum_of(squares) / (float)width + eps);
    EACH(width, rms_norm_step, x, weight, offset, rstd, y);
    return rstd;
}

/* The sum of dy (offset + weight) x^, and the weight's share. */
INLINE void rms_dot_step(size_t at, size_t count, const float *x, const float *weight, float offset, float rstd,
                         const float *dy, vf *dot, float *dweight)
{
    vf n = get(x + at, count) * rstd * get(dy + at, count);
    *dot += n * (get(weight + at, count) + offset);
    if (dweight)
        put(dweight + at, get(dweight + at, count) + n, count);
}

INLINE void rms_dx_step(size_t at, size_t count, const float *x, const float *weight, float offset, float rstd,
                        const float *dy, float dot, float *dx, bool add)
{
    vf n = get(x + at, count) * rstd;
    vf d = (get(dy + at, count) * (get(weight + at, count) + offset) - n * dot) * rstd;
    put(dx + at, add ? get(dx + at, count) + d : d, count);
}

static void rms_norm_backward(const float *x, const float *weight, float offset, float rstd, const float *dy, float *dx,
                              bool add, float *dweight, int width)
{
    vf sum = {0};
    EACH(width, rms_dot_step, x, weight, offset, rstd, dy, &sum, dweight);
    float dot = sum_of(sum) / (float)width;
    if (dx)
        EACH(width, rms_dx_step, x, weight, offset, rstd, dy, dot, dx, add);
}
