/* Activations, sums, multiples: kernels/variant.h says what each does. Part of variant.c. */

/* f(x), and f'(x) in *slope. */
INLINE vf act_value(lm_act act, vf x, vf *slope)
{
    switch (act) {
    case LM_ACT_GELU: {
        vf density, cdf = normal_cdf(x, &density);
        *slope = x * density + cdf;
        return x * cdf;
    }
    case LM_ACT_GELU_TANH: { /* (1 + tanh u)/2 is sigmoid(2u) */
        vf steep, u = x * (x * x * 0.0713548163f + 1.59576912f), s = sigmoid(u, &steep);
        *slope = steep * x * (x * x * 0.2140644488f + 1.59576912f) + s;
        return x * s;
    }
    case LM_ACT_RELU: {
        vi positive = x > 0;
        *slope = choose(positive, splat(1), splat(0));
        return choose(positive, x, splat(0));
    }
    case LM_ACT_SILU: {
        vf steep, s = sigmoid(x, &steep);
        *slope = steep * x + s;
        return x * s;
    }
    default: {
        vf t = hyperbolic_tangent(x);
        *slope = 1.0f - t * t;
        return t;
    }
    }
}

INLINE void act_forward_step(size_t at, size_t count, lm_act act, const float *x, float *y)
{
    vf slope;
    put(y + at, act_value(act, get(x + at, count), &slope), count);
}

INLINE void act_backward_step(size_t at, size_t count, lm_act act, const float *x, const float *dy, float *dx,
                              bool add)
{
    vf slope;
    act_value(act, get(x + at, count), &slope);
    slope *= get(dy + at, count);
    put(dx + at, add ? get(dx + at, count) + slope : slope, count);
}

/* The activation is a constant in each loop. */
#define EACH_ACTIVATION(act, n, step, ...)                                                                   \
    switch (act) {                                                                                           \
    case LM_ACT_GELU:                                                                                        \
        EACH(n, step, LM_ACT_GELU, __VA_ARGS__);                                                             \
        break;                                                                                               \
    case LM_ACT_GELU_TANH:                                                                                   \
        EACH(n, step, LM_ACT_GELU_TANH, __VA_ARGS__);                                                        \
        break;                                                                                               \
    case LM_ACT_RELU:                                                                                        \
        EACH(n, step, LM_ACT_RELU, __VA_ARGS__);                                                             \
        break;                                                                                               \
    case LM_ACT_SILU:                                                                                        \
        EACH(n, step, LM_ACT_SILU, __VA_ARGS__);                                                             \
        break;                                                                                               \
    default:                                                                                                 \
        EACH(n, step, LM_ACT_TANH, __VA_ARGS__);                                                             \
    }

static void activation_forward(lm_act act, const float *x, float *y, size_t n)
{
    EACH_ACTIVATION(act, n, act_forward_step, x, y)
}

static void activation_backward(lm_act act, const float *x, const float *dy, float *dx, size_t n,
                                bool add){EACH_ACTIVATION(act, n, act_backward_step, x, dy, dx, add)}

INLINE void gate_forward_step(size_t at, size_t count, lm_act act, const float *gate, const float *up, float *y)
{
    vf slope;
    put(y + at, act_value(act, get(gate + at, count), &slope) * get(up + at, count), count);
}

INLINE void gate_backward_step(size_t at, size_t count, lm_act act, const float *gate, const float *up, const float *dy,
                               lm_gate_grads to)
{
    vf slope, d = get(dy + at, count), value = act_value(act, get(gate + at, count), &slope) * d;
    slope *= get(up + at, count) * d;
    if (to.dgate)
        put(to.dgate + at, to.add_gate ? get(to.dgate + at, count) + slope : slope, count);
    if (to.dup)
        put(to.dup + at, to.add_up ? get(to.dup + at, count) + value : value, count);
}

static void gate_forward(lm_act act, const float *gate, const float *up, float *y, size_t n)
{
    EACH_ACTIVATION(act, n, gate_forward_step, gate, up, y)
}

static void gate_backward(lm_act act, const float *gate, const float *up, const float *dy, lm_gate_grads to, size_t n)
{
    EACH_ACTIVATION(act, n, gate_backward_step, gate, up, dy, to)
}

INLINE void add_step(size_t at, size_t count, const float *a, const float *b, float *y)
{
    put(y + at, get(a + at, count) + get(b + at, count), count);
}

INLINE void axpy_step(size_t at, size_t count, float a, const float *x, float *y)
{
    put(y + at, a * get(x + at, count) + get(y + at, count), count);
}

INLINE void scale_step(size_t at, size_t count, float a, const float *x, float *y)
{
    put(y + at, a * get(x + at, count), count);
}

static void add_vectors(const float *a, const float *b, float *y, size_t n)
{
    EACH(n, add_step, a, b, y);
}

static void axpy(float a, const float *x, float *y, size_t n)
{
    EACH(n, axpy_step, a, x, y);
}

static void scale(float a, const float *x, float *y, size_t n)
{
    EACH(n, scale_step, a, x, y);
}

/* Runs of a few vectors in float, their sums in double. */
static double sum_squares(const float *x, size_t n)
{
    double total = 0;
    size_t i = 0;
    for (; i + 16 * LANES <= n; i += 16 * LANES) {
        vf a = {0}, b = {0}, c = {0}, d = {0};
        for (size_t j = i; j < i + 16 * LANES; j += 4 * LANES) {
            vf p = load(x + j), q = load(x + j + LANES), r = load(x + j + 2 * LANES),
               s = load(x + j + 3 * LANES);
            a += p * p;
            b += q * q;
            c += r * r;
            d += s * s;
        }
        total += (double)sum_of((a + b) + (c + d));
    }
    for (; i < n; i++)
        total += (double)x[i] * x[i];
    return total;
}

/* Even and odd rows are summed apart: two chains of additions run at once. */
INLINE void column_step(size_t at, size_t count, const float *x, size_t ld, int rows, float *y)
{
    vf sum = get(y + at, count), odd = {0};
    int r = 0;
    for (x += at; r + 2 <= rows; r += 2) {
        sum += get(x + (size_t)r * ld, count);
        odd += get(x + (size_t)(r + 1) * ld, count);
    }
    if (r < rows)
        sum += get(x + (size_t)r * ld, count);
    put(y + at, sum + odd, count);
}

static void column_sums(const float *x, size_t ld, int rows, float *y, int n)
{
    EACH(n, column_step, x, ld, rows, y);
}
