/* The rules of the optimisers, and the forms in which their states are kept. Part of variant.c. */

/* Rows of an embedding that are no longer looked up have moments that only shrink; below the normal range
 * arithmetic is a hundred times slower on some processors, and 0.9 of the least number rounds to itself:
 * there they end at 0. */
INLINE vf end_at_zero(vf x)
{
    return (vf)((vi)x & (vi)(absolute(x) >= 1.17549435e-38f));
}

INLINE vf gradient_seen(vf g, vf p, lm_update_floats how)
{
    vf d = larger(smaller(g * how.grad_scale, splat(how.limit)), splat(-how.limit));
    return fused(p, splat(how.l2), d);
}

/* p less what decay, the step and l1 take. */
INLINE vf moved(vf p, vf by, lm_update_floats how)
{
    vf q = fused(p, splat(how.keep), -by), size = larger(absolute(q) - how.shrink, splat(0));
    return (vf)((vi)size | ((vi)q & (vi)splat(-0.0f)));
}

INLINE void clear_gradient(float *g, size_t count, bool clear)
{
    if (clear)
        put(g, splat(0), count);
}

INLINE void adam_step(size_t at, size_t count, float *p, float *g, float *m, float *v, lm_update_floats how, bool clear)
{
    vf was = get(p + at, count), d = gradient_seen(get(g + at, count), was, how);
    vf first = end_at_zero(fused(get(m + at, count), splat(how.beta1), d * how.rest1));
    vf second = end_at_zero(fused(get(v + at, count), splat(how.beta2), d * d * how.rest2));
    put(m + at, first, count);
    put(v + at, second, count);
    put(p + at, moved(was, first * how.step / fused(root(second), splat(how.root), splat(how.eps)), how), count);
    clear_gradient(g + at, count, clear);
}

static void adam(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear)
{
    const lm_update_floats floats = *how; /* cannot alias what is written */
    EACH(n, adam_step, p, g, m, v, floats, clear);
}

INLINE void descent_step(size_t at, size_t count, float *p, float *g, lm_update_floats how, bool clear)
{
    vf was = get(p + at, count);
    put(p + at, moved(was, gradient_seen(get(g + at, count), was, how) * how.step, how), count);
    clear_gradient(g + at, count, clear);
}

INLINE void momentum_step(size_t at, size_t count, float *p, float *g, float *m, lm_update_floats how, bool clear)
{
    vf was = get(p + at, count), d = gradient_seen(get(g + at, count), was, how);
    vf first = end_at_zero(fused(get(m + at, count), splat(how.beta1), d));
    put(m + at, first, count);
    put(p + at, moved(was, (how.nesterov ? fused(first, splat(how.beta1), d) : first) * how.step, how), count);
    clear_gradient(g + at, count, clear);
}

static void sgd(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear)
{
    const lm_update_floats floats = *how;
    (void)v;
    if (m)
        EACH(n, momentum_step, p, g, m, floats, clear);
    else
        EACH(n, descent_step, p, g, floats, clear);
}

INLINE void lion_step(size_t at, size_t count, float *p, float *g, float *m, lm_update_floats how, bool clear)
{
    vf was = get(p + at, count), d = gradient_seen(get(g + at, count), was, how), mean = get(m + at, count);
    vf way = fused(mean, splat(how.beta1), d * how.rest1);
    vf by = (vf)((vi)splat(how.step) & (way != 0)); /* with the sign of the way */
    put(m + at, end_at_zero(fused(mean, splat(how.beta2), d * how.rest2)), count);
    put(p + at, moved(was, (vf)((vi)by | ((vi)way & (vi)splat(-0.0f))), how), count);
    clear_gradient(g + at, count, clear);
}

static void lion(float *p, float *g, float *m, float *v, size_t n, const lm_update_floats *how, bool clear)
{
    const lm_update_floats floats = *how;
    (void)v;
    EACH(n, lion_step, p, g, m, floats, clear);
}

INLINE void blend_step(size_t at, size_t count, float share, float rest, const float *from, float *to)
{
    put(to + at, get(to + at, count) * rest + get(from + at, count) * share, count);
}

static void blend(float share, float rest, const float *from, float *to, size_t n)
{
    EACH(n, blend_step, share, rest, from, to);
}

/* ------------------------------------------------------------------ bfloat16 */

INLINE vu get_halves(const uint16_t *p, size_t count)
{
    uint16_t part[LANES] = {0};
    if (count == LANES)
        return from_halves(p);
    memcpy(part, p, count * sizeof *p);
    return from_halves(part);
}

INLINE void put_halves(uint16_t *p, vu v, size_t count)
{
    uint16_t part[LANES];
    to_halves(count == LANES ? p : part, v);
    if (count < LANES)
        memcpy(p, part, count * sizeof *p);
}

INLINE void bf16_read_step(size_t at, size_t count, const uint16_t *from, float *to)
{
    put(to + at, (vf)(get_halves(from + at, count) << 16), count);
}

static void bf16_read(const uint16_t *from, float *to, size_t n)
{
    EACH(n, bf16_read_step, from, to);
}

/* Adding a random number to what is cut off carries as often as it is large. A number that is none stays so. */
INLINE void bf16_write_step(const float *from, uint16_t *to, size_t count, vu random)
{
    vf x = get(from, count);
    vu bits = (vu)choose(absolute(x) < INFINITY, (vf)((vu)x + random), (vf)((vu)x | (vu)((vi)(x != x) & 0x400000)));
    put_halves(to, bits >> 16, count);
}

static void bf16_write(const float *from, uint16_t *to, size_t n, const uint32_t key[2], const uint32_t counter[3],
                       uint32_t block)
{
    for (size_t group = 0; group < n; group += 128) {
        for (size_t lane = 0; lane < 16 && group + lane < n; lane += LANES) {
            vu word[4];
            philox(key, counter, block + (uint32_t)(group / 128 * 16 + lane), word);
            for (size_t slot = 0; slot < 8; slot++) {
                size_t at = group + 16 * slot + lane;
                if (at >= n)
                    break;
                bf16_write_step(from + at, to + at, n - at < LANES ? n - at : LANES,
                                slot % 2 ? word[slot / 2] >> 16 : word[slot / 2] & 0xffff);
            }
        }
    }
}

/* ------------------------------------------------------------------ eight bits */

/* Of each e from 0 to 8, and of each number of borders that a magnitude is above. */
typedef struct code_tables {
    float slope[16], base[16]; /* value = slope (q/2^e - 1) + base */
    float border[8];           /* between the decades, and below the first and the last */
    float parts[16], scale[16]; /* q = parts + whole part of (magnitude scale - parts/9) */
} code_tables;

/* Between the last middle of a decade and the first of the next one, which has P parts and ends at D. */
#define CODE_BORDER(P, D) ((D) / 10 + (.9f * (D) / (P) - .9f * (D) / 10 / ((P) / 2)) / 4)
static const code_tables code_signed = {
    .slope = {.9e-6f, .9e-5f, .9e-4f, .9e-3f, .9e-2f, .9e-1f, .9f, 0},
    .base = {.1e-6f + .45e-6f, .1e-5f + .225e-5f, .1e-4f + .1125e-4f, .1e-3f + .05625e-3f, .1e-2f + .028125e-2f,
             .1e-1f + .0140625e-1f, .1f + .00703125f, 1},
    .border = {.275e-6f, CODE_BORDER(2, 1e-5f), CODE_BORDER(4, 1e-4f), CODE_BORDER(8, 1e-3f), CODE_BORDER(16, 1e-2f),
               CODE_BORDER(32, 1e-1f), CODE_BORDER(64, 1.f), 1 - .9f / 64 / 4},
    .parts = {0, 1, 2, 4, 8, 16, 32, 64, 128},
    .scale = {0, 1e6f / .9f, 2e5f / .9f, 4e4f / .9f, 8e3f / .9f, 16e2f / .9f, 32e1f / .9f, 64 / .9f, 0},
};
static const code_tables code_unsigned = {
    .slope = {0, .9e-6f, .9e-5f, .9e-4f, .9e-3f, .9e-2f, .9e-1f, .9f, 0},
    .base = {0, .1e-6f + .225e-6f, .1e-5f + .1125e-5f, .1e-4f + .05625e-4f, .1e-3f + .028125e-3f, .1e-2f + .0140625e-2f,
             .1e-1f + .00703125e-1f, .1f + .003515625f, 1},
    .border = {.1625e-6f, CODE_BORDER(4, 1e-5f), CODE_BORDER(8, 1e-4f), CODE_BORDER(16, 1e-3f), CODE_BORDER(32, 1e-2f),
               CODE_BORDER(64, 1e-1f), CODE_BORDER(128, 1.f), 1 - .9f / 128 / 4},
    .parts = {1, 2, 4, 8, 16, 32, 64, 128, 256},
    .scale = {0, 2e6f / .9f, 4e5f / .9f, 8e4f / .9f, 16e3f / .9f, 32e2f / .9f, 64e1f / .9f, 128 / .9f, 0},
};

INLINE vi get_bytes(const uint8_t *p, size_t count)
{
    uint8_t part[LANES] = {0};
    if (count == LANES)
        return from_bytes(p);
    memcpy(part, p, count);
    return from_bytes(part);
}

INLINE void put_bytes(uint8_t *p, vi v, size_t count)
{
    uint8_t part[LANES];
    to_bytes(count == LANES ? p : part, v);
    if (count < LANES)
        memcpy(p, part, count);
}

INLINE void code_read_step(size_t at, size_t count, const uint8_t *from, float scale, bool is_signed, const code_tables *t,
                           float *to)
{
    vi c = get_bytes(from + at, count);
    vi below = is_signed ? (vi)(c < 127) : (vi){0}, q = is_signed ? ((c - 127) ^ below) - below : c + 1;
    vi bits = (vi)__builtin_convertvector(q, vf), e = (bits >> 23) - 127;
    vf part = (vf)((bits & 0x7fffff) | 0x3f800000) - 1.0f;
    vf value = part * pick(t->slope, e) + pick(t->base, e);
    value = (vf)((vi)value & (q != 0));
    put(to + at, (vf)((vi)(value * scale) | (below & (vi)splat(-0.0f))), count);
}

static void code_read(const uint8_t *from, float scale, bool is_signed, float *to, size_t n)
{
    if (is_signed)
        EACH(n, code_read_step, from, scale, true, &code_signed, to);
    else
        EACH(n, code_read_step, from, scale, false, &code_unsigned, to);
}

INLINE void greatest_step(size_t at, size_t count, const float *x, vf *most)
{
    *most = larger(absolute(get(x + at, count)), *most);
}

INLINE void code_write_step(size_t at, size_t count, const float *from, float most, bool is_signed, const code_tables *t,
                            uint8_t *to)
{
    vf x = get(from + at, count), a = absolute(x) / most;
    vi above = {0}; /* how many borders */
    for (int i = 0; i < 8; i++)
        above -= (vi)(a > t->border[i]);
    vf parts = pick(t->parts, above);
    vf more = larger(smaller(a * pick(t->scale, above) - parts * (1 / 9.f), parts - 1.0f), splat(0));
    vi q = __builtin_convertvector(parts + more, vi), code = q - 1, below = (vi)(x < 0);
    if (is_signed) /* there is no -1 */
        code = 127 + ((below & -(q + (vi)(q == 128))) | (~below & q));
    put_bytes(to + at, code, count);
}

static float code_write(const float *from, bool is_signed, uint8_t *to, size_t n)
{
    vf greatest = {0};
    EACH(n, greatest_step, from, &greatest);
    float most = max_of(greatest);
    if (!(most > 0))
        memset(to, is_signed ? 127 : 0, n);
    else if (is_signed)
        EACH(n, code_write_step, from, most, true, &code_signed, to);
    else
        EACH(n, code_write_step, from, most, false, &code_unsigned, to);
    return most;
}

/* ------------------------------------------------------------------ Adafactor */

INLINE vf get_if(const float *p, size_t at, size_t count)
{
    return p ? get(p + at, count) : splat(0);
}

INLINE void factor_squares_step(size_t at, size_t count, const float *p, const float *g, lm_update_floats how, float *columns,
                                vf *sum)
{
    vf d = gradient_seen(get(g + at, count), get_if(p, at, count), how), square = d * d;
    put(columns + at, get(columns + at, count) + square, count);
    *sum += square;
}

static float factor_squares(const float *p, const float *g, const lm_update_floats *how, float *columns, size_t n)
{
    const lm_update_floats floats = *how;
    vf sum = {0};
    EACH(n, factor_squares_step, p, g, floats, columns, &sum);
    return sum_of(sum);
}

INLINE vf factored(size_t at, size_t count, vf p, const float *g, lm_update_floats how, float row, const float *column)
{
    return gradient_seen(get(g + at, count), p, how) * row * get(column + at, count);
}

INLINE void factor_size_step(size_t at, size_t count, const float *p, const float *g, lm_update_floats how, float row,
                             const float *column, vf *sum)
{
    vf u = factored(at, count, get_if(p, at, count), g, how, row, column);
    *sum += u * u;
}

static float factor_size(const float *p, const float *g, const lm_update_floats *how, float row, const float *column, size_t n)
{
    const lm_update_floats floats = *how;
    vf sum = {0};
    EACH(n, factor_size_step, p, g, floats, row, column, &sum);
    return sum_of(sum);
}

INLINE void factor_move_step(size_t at, size_t count, float *p, float *g, float *m, lm_update_floats how, float row,
                             const float *column, bool clear)
{
    vf was = get(p + at, count), by = factored(at, count, was, g, how, row, column) * how.step;
    if (m) {
        by = end_at_zero(get(m + at, count) * how.beta1 + by * how.rest1);
        put(m + at, by, count);
    }
    put(p + at, moved(was, by, how), count);
    clear_gradient(g + at, count, clear);
}

static void factor_move(float *p, float *g, float *m, const lm_update_floats *how, float row, const float *column, size_t n,
                        bool clear)
{
    const lm_update_floats floats = *how;
    EACH(n, factor_move_step, p, g, m, floats, row, column, clear);
}
