/* The reference of the optimisers. Part of scalar.c. */

static double gradient_seen(float g, float p, const lm_update_floats *how)
{
    return fmax(fmin((double)g * how->grad_scale, how->limit), -how->limit) + (double)how->l2 * p;
}

static float moved(float p, double by, const lm_update_floats *how)
{
    double q = (double)p * how->keep - by;
    return (float)copysign(fmax(fabs(q) - how->shrink, 0), q);
}

static void adam(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear)
{
    for (size_t i = 0; i < n; i++) {
        double d = gradient_seen(g[i], p[i], how);
        m[i] = (float)((double)how->beta1 * m[i] + how->rest1 * d);
        v[i] = (float)((double)how->beta2 * v[i] + how->rest2 * d * d);
        p[i] = moved(p[i], how->step * m[i] / (sqrt((double)v[i]) * how->root + how->eps), how);
        if (clear)
            g[i] = 0;
    }
}

static void sgd(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear)
{
    (void)v;
    for (size_t i = 0; i < n; i++) {
        double d = gradient_seen(g[i], p[i], how), by = d;
        if (m) {
            m[i] = (float)((double)how->beta1 * m[i] + d);
            by = how->nesterov ? d + (double)how->beta1 * m[i] : m[i];
        }
        p[i] = moved(p[i], how->step * by, how);
        if (clear)
            g[i] = 0;
    }
}

static void lion(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear)
{
    (void)v;
    for (size_t i = 0; i < n; i++) {
        double d = gradient_seen(g[i], p[i], how), way = (double)how->beta1 * m[i] + how->rest1 * d;
        m[i] = (float)((double)how->beta2 * m[i] + how->rest2 * d);
        p[i] = moved(p[i], way > 0 ? how->step : way < 0 ? -how->step : 0, how);
        if (clear)
            g[i] = 0;
    }
}

static void blend(float share, float rest, const float *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)((double)to[i] * rest + (double)from[i] * share);
}

/* ------------------------------------------------------------------ bfloat16 */

static void bf16_read(const uint16_t *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)from[i] << 16;
        memcpy(to + i, &bits, sizeof bits);
    }
}

static void bf16_write(const float *from, uint16_t *to, size_t n, const uint32_t key[2], const uint32_t counter[3],
                       uint32_t block)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t at[4] = {counter[0], counter[1], counter[2], block + (uint32_t)(i / 128 * 16 + i % 16)}, word[4], bits;
        lm_philox((lm_philox_key){{key[0], key[1]}}, at, word);
        memcpy(&bits, from + i, sizeof bits);
        int slot = (int)(i % 128 / 16);
        if (isfinite(from[i]))
            bits += slot % 2 ? word[slot / 2] >> 16 : word[slot / 2] & 0xffff;
        else if (isnan(from[i]))
            bits |= 0x400000;
        to[i] = (uint16_t)(bits >> 16);
    }
}

/* ------------------------------------------------------------------ eight bits */

/* The value of a magnitude, as variant.h says. */
static double code_value(int q, int decades)
{
    int e = 0;
    while (2 << e <= q)
        e++;
    if (q == 0 || (decades == LM_CODE_DECADES_UNSIGNED && q == 1))
        return 0;
    return e > decades ? 1 : pow(10, e - decades) * (0.1 + 0.9 * (q - (1 << e) + 0.5) / (1 << e));
}

static void code_read(const uint8_t *from, float scale, bool is_signed, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int q = from[i] - 127;
        to[i] = (float)(scale * (is_signed ? copysign(code_value(abs(q), LM_CODE_DECADES_SIGNED), q)
                                           : code_value(from[i] + 1, LM_CODE_DECADES_UNSIGNED)));
    }
}

/* The nearest of all magnitudes up to `last`; the lower one of two. */
static int nearest_code(double a, int first, int last, int decades)
{
    int best = first;
    for (int q = first; q <= last; q++)
        if (fabs(code_value(q, decades) - a) < fabs(code_value(best, decades) - a))
            best = q;
    return best;
}

static float code_write(const float *from, bool is_signed, uint8_t *to, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(from[i]));
    for (size_t i = 0; i < n; i++) {
        double a = most > 0 ? fabs((double)from[i]) / most : 0;
        if (is_signed)
            to[i] = (uint8_t)(127 + (from[i] < 0 ? -nearest_code(a, 0, 127, LM_CODE_DECADES_SIGNED)
                                                 : nearest_code(a, 0, 128, LM_CODE_DECADES_SIGNED)));
        else
            to[i] = (uint8_t)(nearest_code(a, 1, 256, LM_CODE_DECADES_UNSIGNED) - 1);
    }
    return most;
}

/* ------------------------------------------------------------------ Adafactor */

static float factor_squares(const float *p, const float *g, const lm_update_floats *how, float *columns, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        double d = gradient_seen(g[j], p ? p[j] : 0, how);
        columns[j] = (float)(columns[j] + d * d);
        sum += d * d;
    }
    return (float)sum;
}

static float factor_size(const float *p, const float *g, const lm_update_floats *how, float row, const float *column, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        double u = gradient_seen(g[j], p ? p[j] : 0, how) * row * column[j];
        sum += u * u;
    }
    return (float)sum;
}

static void factor_move(float *p, float *g, float *m, const lm_update_floats *how, float row, const float *column, size_t n,
                        bool clear)
{
    for (size_t j = 0; j < n; j++) {
        double by = gradient_seen(g[j], p[j], how) * row * column[j] * how->step;
        if (m)
            by = m[j] = (float)((double)how->beta1 * m[j] + how->rest1 * by);
        p[j] = moved(p[j], by, how);
        if (clear)
            g[j] = 0;
    }
}
