/* The types of 32 numbers (quantize_row_*_ref of ggml-quants.c). */

INLINE float largest(const float *x)
{
    vf most = splat(0);
    for (int j = 0; j < BLOCK; j += LANES)
        most = larger(absolute(load(x + j)), most);
    return max_of(most);
}

/* The first of those that are largest in magnitude; 0 has its sign only if it is not all there is. */
INLINE float extreme(const float *x)
{
    float most = largest(x);
    for (int j = 0; most > 0; j++)
        if (fabsf(x[j]) == most)
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
        float d = largest(x) / 127, id;
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
INLINE void codes_around(const float *x, int half, uint8_t *d, uint8_t *codes)
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
INLINE void codes_above(const float *x, int most, uint8_t *d, uint8_t *m, uint8_t *codes)
{
    vf lows = load(x), highs = lows;
    for (int j = LANES; j < BLOCK; j += LANES) {
        lows = smaller(load(x + j), lows);
        highs = larger(load(x + j), highs);
    }
    float low = -max_of(-lows), scale = (max_of(highs) - low) / (float)most, id;
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

/* The quantisers of a type without importance, from what gives its codes. */
#define SIMPLE(name, block, give_codes, high)                                                                \
    static void name(const float *x, size_t width, const float *importance, uint8_t *out)                                           \
    {                                                                                                        \
        (void)importance;\
        block *b = (block *)out;                                                                             \
        uint8_t codes[BLOCK];                                                                                \
        for (size_t i = 0; i < width / BLOCK; i++, x += BLOCK) {                                             \
            give_codes;                                                                                      \
            pack(codes, b[i].q, high);                                                                       \
        }                                                                                                    \
    }
SIMPLE(plain_q4_0, q4_0_block, codes_around(x, 8, b[i].d, codes), NULL)
SIMPLE(plain_q5_0, q5_0_block, codes_around(x, 16, b[i].d, codes), b[i].high)
SIMPLE(plain_q4_1, q4_1_block, codes_above(x, 15, b[i].d, b[i].m, codes), NULL)
SIMPLE(plain_q5_1, q5_1_block, codes_above(x, 31, b[i].d, b[i].m, codes), b[i].high)
