/* Types without scales of their own among their codes: halves, bfloat16, bitsandbytes' four bits and int8. */

/* Exponent and mantissa move to their places, 2^112 corrects the bias and makes normal what was not. */
INLINE vf from_f16(vu h)
{
    vu size = (h & 0x7fff) << 13, sign = (h & 0x8000) << 16;
    vf f = (vf)size * 0x1p112f;
    return (vf)(sign | (vu)choose((vi)(size >= 0x0f800000), (vf)(size | 0x7f800000), f)); /* infinity, NaN */
}

/* As lm_f32_to_f16. */
INLINE void store_f16(uint16_t *to, vf f)
{
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph((__m512)f, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__F16C__)
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)f, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
    vu sign = (vu)f >> 16 & 0x8000, a = (vu)f & 0x7fffffff;
    vu normal = (a - (112u << 23) + 0xfff + (a >> 13 & 1)) >> 13;
    vu small = (vu)((vf)a + 0.5f) - 0x3f000000; /* rounds to a multiple of 2^-24 */
    vu nan = 0x7e00 | (a >> 13 & 0x3ff);
    vf h = choose((vi)(a < 0x38800000), (vf)small, (vf)normal);
    h = choose((vi)(a >= 0x477ff000), (vf)((vu){0} + 0x7c00), h);
    h = choose((vi)(a > 0x7f800000), (vf)nan, h);
    to_halves(to, sign | (vu)h);
#endif
}

INLINE vf from_bf16(vu b)
{
    return (vf)(b << 16);
}

/* As lm_f32_to_bf16. */
INLINE void store_bf16(uint16_t *to, vf f)
{
    vu u = (vu)f, rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
    to_halves(to, (vu)choose((vi)((u & 0x7fffffff) > 0x7f800000), (vf)nan, (vf)rounded));
}

/* Both ways, for a 16-bit type; what is stored need not be aligned. */
#define SIXTEEN_BITS(type)                                                                                   \
    static void expand_##type(const uint8_t *data, size_t n, float *out)                                     \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        uint16_t h[LANES] = {0};                                                                             \
        for (; i + LANES <= n; i += LANES) {                                                                 \
            memcpy(h, data + 2 * i, sizeof h);                                                               \
            store(out + i, from_##type(from_halves(h)));                                                     \
        }                                                                                                    \
        memcpy(h, data + 2 * i, 2 * (n - i));                                                                \
        store_part(out + i, from_##type(from_halves(h)), n - i);                                             \
    }                                                                                                        \
    static void narrow_##type(const float *x, size_t n, const float *importance, uint8_t *out)               \
    {                                                                                                        \
        size_t i = 0;                                                                                        \
        uint16_t h[LANES];                                                                                   \
        (void)importance;                                                                                    \
        for (; i + LANES <= n; i += LANES) {                                                                 \
            store_##type(h, load(x + i));                                                                    \
            memcpy(out + 2 * i, h, sizeof h);                                                                \
        }                                                                                                    \
        store_##type(h, load_part(x + i, n - i));                                                            \
        memcpy(out + 2 * i, h, 2 * (n - i));                                                                 \
    }
SIXTEEN_BITS(f16)
SIXTEEN_BITS(bf16)

static float magnitude(const float *x, size_t n)
{
    vf most = splat(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        most = larger(absolute(load(x + i)), most);
    return max_of(larger(absolute(load_part(x + i, n - i)), most));
}

static uint32_t greatest(const float *x, size_t n)
{
    vi most = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vi size = (vi)absolute(load(x + i));
        most = (vi)choose(size > most, (vf)size, (vf)most);
    }
    vi size = (vi)absolute(load_part(x + i, n - i));
    most = (vi)choose(size > most, (vf)size, (vf)most);
    int32_t largest = 0;
    for (int k = 0; k < LANES; k++)
        largest = most[k] > largest ? most[k] : largest;
    return (uint32_t)largest;
}

static void fours(const float *x, size_t n, float by, bool divides, const float *middles, const float *order, uint8_t *out)
{
    enum { AT_ONCE = 64 };
    for (size_t at = 0; at < n; at += AT_ONCE) {
        size_t count = n - at < AT_ONCE ? n - at : AT_ONCE;
        uint8_t codes[AT_ONCE] = {0};
        for (size_t i = 0; i < count; i += LANES) { /* a 0 follows the last of an odd number */
            vf v = count - i < LANES ? load_part(x + at + i, count - i) : load(x + at + i);
            v = divides ? v / by : v * by;
            vi below = (v > middles[7]) & 8;
            below |= (v > pick(middles, below + 3)) & 4;
            below |= (v > pick(middles, below + 1)) & 2;
            below |= (v > pick(middles, below)) & 1;
            to_bytes(codes + i, to_ints(pick(order, below)));
        }
        uint16_t pairs[AT_ONCE / 2];
        uint8_t packed[AT_ONCE / 2];
        memcpy(pairs, codes, sizeof pairs);
        for (int i = 0; i < AT_ONCE / 2; i++)
            packed[i] = (uint8_t)(pairs[i] << 4 | pairs[i] >> 8);
        memcpy(out + at / 2, packed, (count + 1) / 2);
    }
}

static void int8(const float *x, size_t n, float by, int8_t *out)
{
    size_t i = 0;
    uint8_t rest[LANES];
    for (; i + LANES <= n; i += LANES)
        to_bytes((uint8_t *)out + i, nearest(load(x + i) * by));
    to_bytes(rest, nearest(load_part(x + i, n - i) * by));
    memcpy(out + i, rest, n - i);
}
