/* The inverses of ggml's block types (dequantize_row_* of ggml-quants.c): to the bit, for any bytes. */

INLINE vi low_halves(const uint8_t *p)
{
    return from_bytes(p) & 15;
}

INLINE vi high_halves(const uint8_t *p)
{
    return from_bytes(p) >> 4;
}

/* Bits at, at + 1, ... of `bits`, one a lane, each as 16. */
INLINE vi fifth_bits(uint32_t bits, int at)
{
    static const int32_t lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vu by;
    memcpy(&by, lane, sizeof by);
    return (vi)(((bits >> at) >> by & 1) << 4);
}

INLINE vi signed_bytes(const int8_t *p)
{
    return ((from_bytes((const uint8_t *)p) ^ 128) - 128);
}

static void expand_q8_0(const uint8_t *blocks, size_t count, float *out)
{
    const q8_0_block *b = (const q8_0_block *)blocks;
    for (size_t i = 0; i < count; i++, out += BLOCK) {
        vf d = splat(read_half(b[i].d));
        for (int j = 0; j < BLOCK; j += LANES)
            store(out + j, from_ints(signed_bytes(b[i].q + j)) * d);
    }
}

static void expand_q4_0(const uint8_t *blocks, size_t count, float *out)
{
    const q4_0_block *b = (const q4_0_block *)blocks;
    for (size_t i = 0; i < count; i++, out += BLOCK) {
        vf d = splat(read_half(b[i].d));
        for (int j = 0; j < BLOCK / 2; j += LANES) {
            store(out + j, from_ints(low_halves(b[i].q + j) - 8) * d);
            store(out + BLOCK / 2 + j, from_ints(high_halves(b[i].q + j) - 8) * d);
        }
    }
}

/* lm_iq4_nl_values as numbers. */
INLINE void iq4_nl_numbers(float out[16])
{
    for (int i = 0; i < 16; i++)
        out[i] = lm_iq4_nl_values[i];
}

static void expand_iq4_nl(const uint8_t *blocks, size_t count, float *out)
{
    const iq4_nl_block *b = (const iq4_nl_block *)blocks;
    float values[16];
    iq4_nl_numbers(values);
    for (size_t i = 0; i < count; i++, out += BLOCK) {
        vf d = splat(read_half(b[i].d));
        for (int j = 0; j < BLOCK / 2; j += LANES) {
            store(out + j, pick(values, low_halves(b[i].q + j)) * d);
            store(out + BLOCK / 2 + j, pick(values, high_halves(b[i].q + j)) * d);
        }
    }
}

static void expand_q4_1(const uint8_t *blocks, size_t count, float *out)
{
    const q4_1_block *b = (const q4_1_block *)blocks;
    for (size_t i = 0; i < count; i++, out += BLOCK) {
        vf d = splat(read_half(b[i].d)), m = splat(read_half(b[i].m));
        for (int j = 0; j < BLOCK / 2; j += LANES) {
            store(out + j, from_ints(low_halves(b[i].q + j)) * d + m);
            store(out + BLOCK / 2 + j, from_ints(high_halves(b[i].q + j)) * d + m);
        }
    }
}

static void expand_q5_0(const uint8_t *blocks, size_t count, float *out)
{
    const q5_0_block *b = (const q5_0_block *)blocks;
    for (size_t i = 0; i < count; i++, out += BLOCK) {
        vf d = splat(read_half(b[i].d));
        uint32_t high;
        memcpy(&high, b[i].high, sizeof high);
        for (int j = 0; j < BLOCK / 2; j += LANES) {
            store(out + j, from_ints((low_halves(b[i].q + j) | fifth_bits(high, j)) - 16) * d);
            store(out + BLOCK / 2 + j, from_ints((high_halves(b[i].q + j) | fifth_bits(high, BLOCK / 2 + j)) - 16) * d);
        }
    }
}

static void expand_q5_1(const uint8_t *blocks, size_t count, float *out)
{
    const q5_1_block *b = (const q5_1_block *)blocks;
    for (size_t i = 0; i < count; i++, out += BLOCK) {
        vf d = splat(read_half(b[i].d)), m = splat(read_half(b[i].m));
        uint32_t high;
        memcpy(&high, b[i].high, sizeof high);
        for (int j = 0; j < BLOCK / 2; j += LANES) {
            store(out + j, from_ints(low_halves(b[i].q + j) | fifth_bits(high, j)) * d + m);
            store(out + BLOCK / 2 + j, from_ints(high_halves(b[i].q + j) | fifth_bits(high, BLOCK / 2 + j)) * d + m);
        }
    }
}

static void expand_q2_k(const uint8_t *blocks, size_t count, float *out)
{
    const q2_k_block *b = (const q2_k_block *)blocks;
    for (size_t i = 0; i < count; i++, out += SUPER) {
        float d = read_half(b[i].d), dmin = read_half(b[i].dmin);
        for (int j = 0; j < SUPER; j += 16) {
            vf scale = splat(d * (float)(b[i].scales[j / 16] & 15)), less = splat(dmin * (float)(b[i].scales[j / 16] >> 4));
            const uint8_t *q = b[i].q + j / 128 * 32 + j % 32;
            for (int k = 0; k < 16; k += LANES)
                store(out + j + k, scale * from_ints(from_bytes(q + k) >> j % 128 / 32 * 2 & 3) - less);
        }
    }
}

static void expand_q3_k(const uint8_t *blocks, size_t count, float *out)
{
    const q3_k_block *b = (const q3_k_block *)blocks;
    for (size_t i = 0; i < count; i++, out += SUPER) {
        float d = read_half(b[i].d);
        for (int j = 0; j < SUPER; j += 16) {
            vf scale = splat(d * (float)k3_scale(b[i].scales, j / 16));
            const uint8_t *q = b[i].q + j / 128 * 32 + j % 32, *high = b[i].high + j % 32;
            for (int k = 0; k < 16; k += LANES) {
                vi low = from_bytes(q + k) >> j % 128 / 32 * 2 & 3;
                store(out + j + k, scale * from_ints((low | (from_bytes(high + k) >> j / 32 & 1) << 2) - 4));
            }
        }
    }
}

static void expand_q4_k(const uint8_t *blocks, size_t count, float *out)
{
    const q4_k_block *b = (const q4_k_block *)blocks;
    for (size_t i = 0; i < count; i++, out += SUPER) {
        float d = read_half(b[i].d), dmin = read_half(b[i].dmin);
        for (int j = 0; j < 8; j++) {
            int scale, minimum;
            k4_scale(b[i].scales, j, &scale, &minimum);
            vf by = splat(d * (float)scale), less = splat(dmin * (float)minimum);
            for (int k = 0; k < 32; k += LANES)
                store(out + 32 * j + k, by * from_ints(from_bytes(b[i].q + j / 2 * 32 + k) >> j % 2 * 4 & 15) - less);
        }
    }
}

static void expand_q5_k(const uint8_t *blocks, size_t count, float *out)
{
    const q5_k_block *b = (const q5_k_block *)blocks;
    for (size_t i = 0; i < count; i++, out += SUPER) {
        float d = read_half(b[i].d), dmin = read_half(b[i].dmin);
        for (int j = 0; j < 8; j++) {
            int scale, minimum;
            k4_scale(b[i].scales, j, &scale, &minimum);
            vf by = splat(d * (float)scale), less = splat(dmin * (float)minimum);
            for (int k = 0; k < 32; k += LANES) {
                vi low = from_bytes(b[i].q + j / 2 * 32 + k) >> j % 2 * 4 & 15;
                store(out + 32 * j + k, by * from_ints(low | (from_bytes(b[i].high + k) >> j & 1) << 4) - less);
            }
        }
    }
}

static void expand_q6_k(const uint8_t *blocks, size_t count, float *out)
{
    const q6_k_block *b = (const q6_k_block *)blocks;
    for (size_t i = 0; i < count; i++, out += SUPER) {
        float d = read_half(b[i].d);
        for (int j = 0; j < SUPER; j += 16) {
            vf scale = splat(d * (float)b[i].scales[j / 16]);
            const uint8_t *low = b[i].low + j / 128 * 64 + j % 64, *high = b[i].high + j / 128 * 32 + j % 32;
            for (int k = 0; k < 16; k += LANES) {
                vi q = (from_bytes(low + k) >> j % 128 / 64 * 4 & 15) | (from_bytes(high + k) >> j % 128 / 32 * 2 & 3) << 4;
                store(out + j + k, scale * from_ints(q - 32));
            }
        }
    }
}
