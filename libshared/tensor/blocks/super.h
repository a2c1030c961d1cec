/* The K types (quantize_row_*_K_ref of ggml-quants.c, and with importance quantize_row_*_K_impl). */

/* The sum of squares, one after the other. */
static float squares(const float *x, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

/* What an error in each number weighs, where columns are not alike. */
static void weigh(const float *x, size_t n, const float *importance, float level, float *w)
{
    for (size_t i = 0; i < n; i += LANES) {
        vf xi = load(x + i);
        store(w + i, load(importance + i) * root(level + xi * xi));
    }
}

/* The same of whole super-blocks, `times` their mean square being the level. */
static void weigh_supers(const float *x, size_t n, const float *importance, float times, float *w)
{
    for (size_t i = 0; i < n; i += SUPER)
        weigh(x + i, SUPER, importance + i, times * squares(x + i, SUPER) / SUPER, w + i);
}

/* What it weighs where they are: |x|, with the mean square's root added in groups of 32. */
INLINE void weigh_alike(const float *x, int n, float *w)
{
    vf level = splat(0);
    if (n == 32) {
        for (int i = 0; i < n; i++)
            level += load(x + i * LANES) * load(x + i * LANES);
        level = root(level / (float)n);
    }
    for (int i = 0; i < n; i++)
        store(w + i * LANES, level + absolute(load(x + i * LANES)));
}

INLINE void sum_weights(const float *w, int n, int groups, float *to)
{
    vf sum = splat(0);
    for (int i = 0; i < n; i++)
        sum += load(w + i * LANES);
    put_lanes(to, sum, groups);
}

/* A type with a minimum for each group. */
typedef struct with_minimum {
    int group;
    above alike, weighed; /* how codes are found */
    int most;             /* of the codes of scales */
    float level;
} with_minimum;

static const with_minimum q2_k = {16, {3, -0.5f, 0.1f, 15, true}, {3, -0.9f, 0.05f, 36, false}, 15, 1};
static const with_minimum q4_k = {32, {15, -1.0f, 0.1f, 20, false}, {15, -0.9f, 0.05f, 36, false}, 63, 2};
static const with_minimum q5_k = {32, {31, -0.5f, 0.1f, 15, false}, {31, -0.9f, 0.05f, 36, false}, 63, 2};

/* The groups of n numbers, a batch at most; w [n] = NULL: columns are alike. */
static void fit_groups_above(const float *x, const float *w, size_t n, int group, const above *how, fits *to)
{
    float xs[LARGEST_GROUP * LANES] __attribute__((aligned(64))), ws[LARGEST_GROUP * LANES] __attribute__((aligned(64)));
    int groups = (int)n / group;
    for (int at = 0; at < groups; at += LANES) {
        side_by_side(x + at * group, group, groups - at, xs);
        if (w)
            side_by_side(w + at * group, group, groups - at, ws);
        else
            weigh_alike(xs, group, ws);
        sum_weights(ws, group, groups - at, to->weight + at);
        if (how->absolute)
            fit_above(xs, ws, group, how, true, groups - at, at, to);
        else
            fit_above(xs, ws, group, how, false, groups - at, at, to);
    }
}

/* The codes of a group: to nearest, with d and dm as they are stored; without d those that were found. */
INLINE void codes_above_minimum(const float *x, int n, float d, float dm, int most, float by, float from, uint8_t *codes)
{
    for (int i = 0; i < n; i += LANES) {
        vf xi = load(x + i), q = d != 0 ? (xi + dm) / d : by * (xi - from);
        to_bytes(codes + i, clamp(nearest(q), 0, most));
    }
}

/* Positive scales of a super-block to whole numbers from 0 to `most`, the largest of them being that. What it is divided by. */
static float whole_scales(const float *x, int n, int most, uint8_t *codes)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    float by = max > 0 ? (float)most / max : 0;
    for (int i = 0; i < n; i++)
        codes[i] = (uint8_t)nearest_one(by * x[i]);
    return max / (float)most;
}

/* The scales and minima of the super-block whose first group is `first`. */
static void scales_above(const fits *f, int first, const with_minimum *t, bool weighed, uint8_t *scales, uint8_t *minima, uint8_t *d,
                         uint8_t *dmin)
{
    int n = SUPER / t->group;
    if (weighed) {
        write_half(d, fit_scales(f->scale + first, f->weight + first, n, t->most, scales));
        write_half(dmin, fit_scales(f->least + first, f->weight + first, n, t->most, minima));
    } else {
        write_half(d, whole_scales(f->scale + first, n, t->most, scales));
        write_half(dmin, whole_scales(f->least + first, n, t->most, minima));
    }
}

/* Elements of two bits, or the lower two, in the layout of Q2_K and Q3_K; `shift` says which bits. */
INLINE void pack_twos(const uint8_t *codes, int shift, uint8_t *q)
{
    for (int half = 0; half < SUPER; half += 128, q += 32)
        for (int i = 0; i < 32; i++) {
            const uint8_t *c = codes + half + i;
            q[i] = (uint8_t)((c[0] >> shift & 3) | (c[32] >> shift & 3) << 2 | (c[64] >> shift & 3) << 4 | (c[96] >> shift & 3) << 6);
        }
}

/* Bit `bit` of each element, in the layout of Q3_K and Q5_K. */
INLINE void pack_ones(const uint8_t *codes, int bit, uint8_t *high)
{
    for (int i = 0; i < 32; i++) {
        unsigned bits = 0;
        for (int j = 0; j < 8; j++)
            bits |= (codes[32 * j + i] >> bit & 1u) << j;
        high[i] = (uint8_t)bits;
    }
}

/* The lower four bits of elements, in the layout of Q4_K and Q5_K. */
INLINE void pack_fours(const uint8_t *codes, uint8_t *q)
{
    for (int half = 0; half < SUPER; half += 64, q += 32)
        for (int i = 0; i < 32; i++)
            q[i] = (uint8_t)((codes[half + i] & 15) | codes[half + 32 + i] << 4);
}

/* Finds what scales and minima groups have, of the super-blocks of a batch at most; importance NULL: columns are alike. */
static void fit_with_minimum(const float *x, size_t n, const float *importance, const with_minimum *t, fits *to)
{
    float w[BATCH];
    if (importance)
        weigh_supers(x, n, importance, t->level, w);
    fit_groups_above(x, importance ? w : NULL, n, t->group, importance ? &t->weighed : &t->alike, to);
}

/* n numbers from `at` on: a batch, or the rest of a row. */
#define EACH_BATCH(width)                                                                                    \
    for (size_t at = 0, n; n = width - at < BATCH ? width - at : BATCH, at < width; at += n)

static void quantise_q2_k(const float *x, size_t width, const float *importance, uint8_t *out)
{
    q2_k_block *b = (q2_k_block *)out;
    EACH_BATCH(width) {
        fits f;
        fit_with_minimum(x + at, n, importance ? importance + at : NULL, &q2_k, &f);
        for (size_t i = 0; i < n; i += SUPER, b++) {
            uint8_t codes[SUPER], scales[16], minima[16];
            int first = (int)i / 16;
            scales_above(&f, first, &q2_k, importance, scales, minima, b->d, b->dmin);
            float d = read_half(b->d), dmin = read_half(b->dmin);
            for (int j = 0; j < 16; j++) {
                b->scales[j] = (uint8_t)(scales[j] | minima[j] << 4);
                codes_above_minimum(x + at + i + j * 16, 16, d * (float)(b->scales[j] & 15), dmin * (float)(b->scales[j] >> 4),
                                    q2_k.alike.most, f.by[first + j], f.from[first + j], codes + j * 16);
            }
            pack_twos(codes, 0, b->q);
        }
    }
}

static void pack_k4_scales(const uint8_t *scales, const uint8_t *minima, uint8_t *to)
{
    for (int j = 0; j < 4; j++) {
        to[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
        to[j + 4] = (uint8_t)(minima[j] | minima[j + 4] >> 4 << 6);
        to[j + 8] = (uint8_t)((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
    }
}

/* Q4_K, or Q5_K, a block of which begins as one of Q4_K. */
INLINE void quantise_k45(const float *x, size_t width, const float *importance, uint8_t *out, bool five)
{
    const with_minimum *t = five ? &q5_k : &q4_k;
    EACH_BATCH(width) {
        fits f;
        fit_with_minimum(x + at, n, importance ? importance + at : NULL, t, &f);
        for (size_t i = 0; i < n; i += SUPER) {
            q4_k_block *b = (q4_k_block *)out;
            uint8_t codes[SUPER], scales[8], minima[8];
            int first = (int)i / 32;
            scales_above(&f, first, t, importance, scales, minima, b->d, b->dmin);
            for (int j = 0; j < 8 && (five || !importance); j++) {
                scales[j] = scales[j] < 63 ? scales[j] : 63;
                minima[j] = minima[j] < 63 ? minima[j] : 63;
            }
            pack_k4_scales(scales, minima, b->scales);
            float d = read_half(b->d), dmin = read_half(b->dmin);
            for (int j = 0; j < 8; j++) {
                int scale, minimum;
                k4_scale(b->scales, j, &scale, &minimum);
                codes_above_minimum(x + at + i + j * 32, 32, d * (float)scale, dmin * (float)minimum, t->alike.most,
                                    f.by[first + j], f.from[first + j], codes + j * 32);
            }
            if (five)
                pack_ones(codes, 4, ((q5_k_block *)out)->high);
            pack_fours(codes, five ? ((q5_k_block *)out)->q : b->q);
            out += five ? sizeof(q5_k_block) : sizeof(q4_k_block);
        }
    }
}

static void quantise_q4_k(const float *x, size_t width, const float *importance, uint8_t *out)
{
    quantise_k45(x, width, importance, out, false);
}

static void quantise_q5_k(const float *x, size_t width, const float *importance, uint8_t *out)
{
    quantise_k45(x, width, importance, out, true);
}

/* The same for scales with a sign; w NULL: the squares of the numbers. */
static void fit_groups_around(const float *x, const float *w, size_t n, int group, int half, fits *to)
{
    float xs[LARGEST_GROUP * LANES] __attribute__((aligned(64))), ws[LARGEST_GROUP * LANES] __attribute__((aligned(64)));
    int groups = (int)n / group;
    for (int at = 0; at < groups; at += LANES) {
        side_by_side(x + at * group, group, groups - at, xs);
        if (w)
            side_by_side(w + at * group, group, groups - at, ws);
        for (int i = 0; !w && i < group * LANES; i += LANES)
            store(ws + i, load(xs + i) * load(xs + i));
        sum_weights(ws, group, groups - at, to->weight + at);
        fit_around(xs, ws, group, half, groups - at, at, to);
    }
}

/* The codes of a group, plus half: those of x / d. */
INLINE void codes_divided(const float *x, int n, float d, int half, uint8_t *codes)
{
    for (int i = 0; i < n; i += LANES)
        to_bytes(codes + i, clamp(nearest(load(x + i) / d), -half, half - 1) + half);
}

/* Those that were found. */
INLINE void codes_found(const float *x, int n, float by, int half, uint8_t *codes)
{
    for (int i = 0; i < n; i += LANES)
        to_bytes(codes + i, by != 0 ? clamp(nearest(by * load(x + i)), -half, half - 1) + half : (vi){0});
}

/* The first of 16 scales that is largest in magnitude. */
static float extreme_scale(const float *scales)
{
    float most = 0, max = 0;
    for (int j = 0; j < 16; j++) {
        if (fabsf(scales[j]) > most) {
            most = fabsf(scales[j]);
            max = scales[j];
        }
    }
    return max;
}

static void pack_k3_scales(const uint8_t *scales, uint8_t *to)
{
    memset(to, 0, 12);
    for (int j = 0; j < 16; j++) {
        to[j % 8] |= (uint8_t)((scales[j] & 15) << j / 8 * 4);
        to[8 + j % 4] |= (uint8_t)(scales[j] >> 4 << j / 4 * 2);
    }
}

/* Scales of a super-block to six bits, plus 32. */
static void six_bit_scales(const float *x, uint8_t *codes, uint8_t *d)
{
    float max = extreme_scale(x), by = -32.0f / max;
    write_half(d, max != 0 ? 1.0f / by : 0);
    for (int j = 0; j < 16; j++) {
        int l = (int8_t)nearest_one(by * x[j]);
        codes[j] = max != 0 ? (uint8_t)((l < -32 ? -32 : l > 31 ? 31 : l) + 32) : 0;
    }
}

static void fit_groups_by_turns(const float *x, size_t n, fits *to, uint8_t *codes)
{
    float xs[LARGEST_GROUP * LANES] __attribute__((aligned(64)));
    int groups = (int)n / 16;
    for (int at = 0; at < groups; at += LANES) {
        side_by_side(x + at * 16, 16, groups - at, xs);
        fit_by_turns(xs, 16, 4, groups - at, at, to, codes + at * 16);
    }
}

static void quantise_q3_k(const float *x, size_t width, const float *importance, uint8_t *out)
{
    q3_k_block *b = (q3_k_block *)out;
    float w[BATCH];
    EACH_BATCH(width) {
        fits f, of_scales;
        uint8_t codes[BATCH];
        size_t supers = n / SUPER;
        if (importance) {
            weigh_supers(x + at, n, importance + at, 2, w);
            fit_groups_around(x + at, w, n, 16, 4, &f);
            fit_groups_around(f.scale, f.weight, supers * 16, 16, 32, &of_scales);
        } else {
            fit_groups_by_turns(x + at, n, &f, codes);
        }
        for (size_t i = 0; i < supers; i++, b++) {
            const float *xi = x + at + i * SUPER;
            uint8_t scales[16], *c = codes + i * SUPER;
            if (importance) {
                codes_found(f.scale + i * 16, 16, of_scales.by[i], 32, scales);
                write_half(b->d, of_scales.scale[i]);
            } else {
                six_bit_scales(f.scale + i * 16, scales, b->d);
            }
            pack_k3_scales(scales, b->scales);
            for (int j = 0; j < 16; j++) {
                float d = read_half(b->d) * (float)k3_scale(b->scales, j);
                if (d != 0)
                    codes_divided(xi + j * 16, 16, d, 4, c + j * 16);
                else if (importance)
                    codes_found(xi + j * 16, 16, f.by[i * 16 + (size_t)j], 4, c + j * 16);
            }
            pack_ones(c, 2, b->high);
            pack_twos(c, 0, b->q);
        }
    }
}

static void quantise_q6_k(const float *x, size_t width, const float *importance, uint8_t *out)
{
    q6_k_block *b = (q6_k_block *)out;
    EACH_BATCH(width) {
        fits f;
        fit_groups_around(x + at, importance ? importance + at : NULL, n, 16, 32, &f);
        for (size_t i = 0; i < n / SUPER; i++, b++) {
            const float *xi = x + at + i * SUPER, *scales = f.scale + i * 16;
            uint8_t codes[SUPER];
            float max = extreme_scale(scales), by = -128.0f / max;
            if (fabsf(max) < nothing) {
                memset(b, 0, sizeof *b);
                continue;
            }
            write_half(b->d, 1.0f / by);
            for (int j = 0; j < 16; j++) {
                int l = nearest_one(by * scales[j]);
                b->scales[j] = (int8_t)(l < 127 ? l : 127);
                float d = read_half(b->d) * (float)b->scales[j];
                if (d != 0)
                    codes_divided(xi + j * 16, 16, d, 32, codes + j * 16);
                else
                    codes_found(xi + j * 16, 16, f.by[i * 16 + (size_t)j], 32, codes + j * 16);
            }
            for (int half = 0; half < 2; half++)
                for (int k = 0; k < 64; k++)
                    b->low[half * 64 + k] = (uint8_t)((codes[half * 128 + k] & 15) | codes[half * 128 + 64 + k] << 4);
            pack_twos(codes, 4, b->high);
        }
    }
}
