/* The types of 32 numbers (quantize_row_*_ref of ggml-quants.c). */

INLINE void range(const float *x, float *low, float *high)
{
    vf lows = load(x), highs = lows;
    for (int j = LANES; j < BLOCK; j += LANES) {
        lows = smaller(load(x + j), lows);
        highs = larger(load(x + j), highs);
    }
    *low = -max_of(-lows);
    *high = max_of(highs);
}

/* The first of those that are largest in magnitude; of zeros one without a sign. */
INLINE float extreme(const float *x)
{
    float low, high;
    range(x, &low, &high);
    if (high != -low)
        return high > -low ? high : low;
    for (int j = 0; high > 0; j++)
        if (fabsf(x[j]) == high)
            return x[j];
    return 0;
}

/* 1 / d. Where that is no number (of numbers below 1e-37) every code is 0 whatever it is multiplied with, as the reference has
 * it on x86: false. */
INLINE bool inverse(float d, float *out)
{
    *out = d != 0 ? 1.0f / d : 0.0f;
    return fabsf(*out) <= FLT_MAX;
}

static void quantise_q8_0(const float *x, size_t width, const float *importance, uint8_t *out)
{
    q8_0_block *b = (q8_0_block *)out;
    (void)importance;
    for (size_t i = 0; i < width / BLOCK; i++, x += BLOCK) {
        float d = magnitude(x, BLOCK) / 127, id;
        write_half(b[i].d, d);
        if (!inverse(d, &id))
            id = 0;
        for (int j = 0; j < BLOCK; j += LANES) { /* to nearest, halves away from 0 */
            vf v = load(x + j) * id, whole = from_ints(to_ints(v)), rest = v - whole;
            vi q = to_ints(whole) - (rest >= 0.5f) + (rest <= -0.5f);
            to_bytes((uint8_t *)b[i].q + j, q);
        }
    }
}

/* codes [32] in the layout of these types; their fifth bits to `high`, or NULL. */
INLINE void pack(const uint8_t *codes, uint8_t *q, uint8_t *high)
{
    for (int j = 0; j < BLOCK / 2; j++)
        q[j] = (uint8_t)((codes[j] & 15) | codes[j + BLOCK / 2] << 4);
    for (int j = 0; high && j < BLOCK / 8; j++) {
        uint64_t eight;
        memcpy(&eight, codes + 8 * j, sizeof eight);
        high[j] = (uint8_t)((eight >> 4 & 0x0101010101010101) * 0x0102040810204080 >> 56); /* bit 0 of byte i to bit 56 + i */
    }
}

/* d with `half` codes to each side of 0 */
INLINE void plain_around(const float *x, int half, uint8_t *d, uint8_t *codes)
{
    float scale = extreme(x) / (float)-half, id;
    write_half(d, scale);
    if (!inverse(scale, &id)) {
        memset(codes, 0, BLOCK);
        return;
    }
    for (int j = 0; j < BLOCK; j += LANES) {
        vi q = to_ints(load(x + j) * id + ((float)half + 0.5f));
        to_bytes(codes + j, clamp(q, 0, 2 * half - 1));
    }
}

/* d and m with the codes 0 to `most` */
INLINE void plain_above(const float *x, int most, uint8_t *d, uint8_t *m, uint8_t *codes)
{
    float low, high, id;
    range(x, &low, &high);
    float scale = (high - low) / (float)most;
    for (int j = 0; low == 0; j++) { /* the sign of the first 0 */
        if (x[j] == 0) {
            low = x[j];
            break;
        }
    }
    write_half(d, scale);
    write_half(m, low);
    if (!inverse(scale, &id))
        id = 0;
    for (int j = 0; j < BLOCK; j += LANES) {
        vi q = to_ints((load(x + j) - low) * id + 0.5f);
        to_bytes(codes + j, q);
    }
}

/* The four types with packed codes, five bits wide or four, with a minimum or around 0. */
INLINE void quantise_packed(const float *x, size_t width, const float *importance, uint8_t *out, int bits, bool minimum)
{
    static const above fours = {15, -0.9f, 0.05f, 36, false}, fives = {31, -0.9f, 0.05f, 36, false};
    const above *how = bits == 5 ? &fives : &fours;
    int half = 1 << (bits - 1);
    float level = importance ? squares(x, width) / (float)width : 0;
    EACH_BATCH(width) {
        fits f;
        float w[BATCH];
        if (importance) {
            weigh(x + at, n, importance + at, level, w);
            if (minimum)
                fit_groups_above(x + at, w, n, BLOCK, how, &f);
            else
                fit_groups_around(x + at, w, n, BLOCK, half, &f);
        }
        for (size_t i = 0; i < n / BLOCK; i++) {
            const float *xi = x + at + i * BLOCK;
            uint8_t codes[BLOCK], *d = out, *m = d + 2, *high = minimum ? m + 2 : m, *q = bits == 5 ? high + 4 : high;
            if (importance) {
                write_half(d, f.scale[i]);
                if (minimum) {
                    write_half(m, -f.least[i]);
                    codes_above_minimum(xi, BLOCK, 0, 0, how->most, f.by[i], f.from[i], codes);
                } else {
                    codes_found(xi, BLOCK, f.by[i], half, codes);
                }
            } else if (minimum) {
                plain_above(xi, how->most, d, m, codes);
            } else {
                plain_around(xi, half, d, codes);
            }
            pack(codes, q, bits == 5 ? high : NULL);
            out = q + BLOCK / 2;
        }
    }
}

static void quantise_q4_0(const float *x, size_t width, const float *importance, uint8_t *out)
{
    quantise_packed(x, width, importance, out, 4, false);
}

static void quantise_q4_1(const float *x, size_t width, const float *importance, uint8_t *out)
{
    quantise_packed(x, width, importance, out, 4, true);
}

static void quantise_q5_0(const float *x, size_t width, const float *importance, uint8_t *out)
{
    quantise_packed(x, width, importance, out, 5, false);
}

static void quantise_q5_1(const float *x, size_t width, const float *importance, uint8_t *out)
{
    quantise_packed(x, width, importance, out, 5, true);
}

/* The groups of n numbers, a batch at most; importance NULL: columns are alike. */
static void fit_groups_by_values(const float *x, const float *importance, size_t n, const float *values, fits *to)
{
    float w[BATCH], xs[BLOCK * LANES] __attribute__((aligned(64))), ws[BLOCK * LANES] __attribute__((aligned(64)));
    int groups = (int)n / BLOCK;
    for (size_t i = 0; i < n; i += BLOCK) {
        if (importance)
            weigh(x + i, BLOCK, importance + i, squares(x + i, BLOCK) * (2.0f / BLOCK), w + i);
        else
            for (int j = 0; j < BLOCK; j += LANES)
                store(w + i + j, load(x + i + j) * load(x + i + j));
    }
    for (int at = 0; at < groups; at += LANES) {
        side_by_side(x + at * BLOCK, BLOCK, groups - at, xs);
        side_by_side(w + at * BLOCK, BLOCK, groups - at, ws);
        fit_by_values(xs, ws, BLOCK, values, groups - at, at, to);
    }
}

static void quantise_iq4_nl(const float *x, size_t width, const float *importance, uint8_t *out)
{
    iq4_nl_block *b = (iq4_nl_block *)out;
    float values[16];
    iq4_nl_numbers(values);
    EACH_BATCH(width) {
        fits f;
        fit_groups_by_values(x + at, importance ? importance + at : NULL, n, values, &f);
        for (size_t i = 0; i < n / BLOCK; i++, b++) {
            uint8_t codes[BLOCK];
            write_half(b->d, f.scale[i]);
            for (int j = 0; j < BLOCK; j += LANES)
                to_bytes(codes + j, nearest_value(values, load(x + at + i * BLOCK + j) * f.by[i]));
            pack(codes, b->q, NULL);
        }
    }
}
