/* Quantised weights as numbers: the codes of 32 columns at a time, and the scales of 256 columns, which are a block of the K
 * types and eight of the others. Layouts: ggml-common.h. `t` is a constant wherever these are inlined. Part of variant.c. */

#include "tensor/blocks.h"

enum { BLOCK = 32, GROUP = 256, BLOCKS = GROUP / BLOCK };

typedef uint8_t codes __attribute__((vector_size(BLOCK)));
typedef uint8_t half_codes __attribute__((vector_size(BLOCK / 2)));
typedef uint16_t half_words __attribute__((vector_size(BLOCK / 2)));
typedef uint16_t words __attribute__((vector_size(BLOCK)));
typedef float eight __attribute__((vector_size(BLOCK)));

/* Of 256 columns: a weight is scale * code + low. */
typedef struct scales {
    float scale[2 * BLOCKS] __attribute__((aligned(BLOCK)));
    float low[2 * BLOCKS] __attribute__((aligned(BLOCK)));
} scales;

/* Types that have a scale for each 16 columns, not 32. */
INLINE bool is_fine(lm_dtype t)
{
    return t == LM_Q2_K || t == LM_Q3_K || t == LM_Q6_K;
}

/* Types whose scales are small whole multiples of another. */
INLINE bool has_units(lm_dtype t)
{
    return t == LM_Q2_K || t == LM_Q3_K;
}

/* Types whose codes are, or stand for, signed bytes. */
INLINE bool is_signed(lm_dtype t)
{
    return t == LM_Q8_0 || t == LM_I8 || t == LM_IQ4_NL;
}

/* Types of which a row may end anywhere. */
INLINE bool in_singles(lm_dtype t)
{
    return t == LM_F16 || t == LM_BF16 || t == LM_I8;
}

/* Types whose codes stand for floats of a table. */
INLINE bool is_looked_up(lm_dtype t)
{
    return t == LM_NF4 || t == LM_FP4;
}

/* What a code stands for is less by so much; 0: as it is, or the type has lows of its own. */
INLINE int zero_of(lm_dtype t)
{
    return t == LM_Q4_0 ? 8 : t == LM_Q5_0 ? 16 : t == LM_Q6_K ? 32 : t == LM_Q3_K ? 4 : 0;
}

INLINE bool has_lows(lm_dtype t)
{
    return !is_signed(t) && zero_of(t) == 0;
}

/* The greatest code. */
INLINE int most_of(lm_dtype t)
{
    return t == LM_Q2_K ? 3 : t == LM_Q3_K ? 7 : t == LM_Q6_K ? 63 : t == LM_Q5_0 || t == LM_Q5_1 || t == LM_Q5_K ? 31 : 15;
}

/* Bytes of 32 columns, of types that have such blocks. */
INLINE size_t block_bytes(lm_dtype t)
{
    switch (t) {
    case LM_Q8_0: return 34;
    case LM_Q4_0: case LM_IQ4_NL: return 18;
    case LM_Q4_1: return 20;
    case LM_Q5_0: return 22;
    case LM_Q5_1: return 24;
    case LM_I8: return 32;
    case LM_NF4: case LM_FP4: return 16;
    default: return 64; /* F16, BF16 */
    }
}

/* Bytes of 256, and of any number, whole blocks of the type. */
INLINE size_t group_bytes(lm_dtype t)
{
    switch (t) {
    case LM_Q2_K: return 84;
    case LM_Q3_K: return 110;
    case LM_Q4_K: return 144;
    case LM_Q5_K: return 176;
    case LM_Q6_K: return 210;
    default: return BLOCKS * block_bytes(t);
    }
}

INLINE size_t bytes_of(lm_dtype t, int columns)
{
    if (in_singles(t))
        return (size_t)columns * (t == LM_I8 ? 1 : 2);
    size_t groups = (size_t)columns / GROUP, rest = (size_t)columns % GROUP / BLOCK;
    return groups * group_bytes(t) + rest * (group_bytes(t) / BLOCKS);
}

INLINE codes all_codes(const uint8_t *p)
{
    codes c;
    memcpy(&c, p, sizeof c);
    return c;
}

INLINE codes joined(half_codes low, half_codes high)
{
    codes c;
#if defined(__AVX2__)
    c = (codes)_mm256_inserti128_si256(_mm256_castsi128_si256((__m128i)low), (__m128i)high, 1);
#else
    memcpy(&c, &low, sizeof low);
    memcpy((uint8_t *)&c + sizeof low, &high, sizeof high);
#endif
    return c;
}

/* The low halves of 16 bytes, then the high ones. */
INLINE codes nibbles(const uint8_t *p)
{
    half_codes h;
    memcpy(&h, p, sizeof h);
    return joined(h, (half_codes)((half_words)h >> 4)) & 15;
}

/* What each code stands for. */
INLINE codes values_of(const int8_t values[16], codes c)
{
#if defined(__AVX2__)
    __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)values));
    return (codes)_mm256_shuffle_epi8(table, (__m256i)c);
#else
    for (int i = 0; i < BLOCK; i++)
        c[i] = (uint8_t)values[c[i]];
    return c;
#endif
}

/* Bits [from, from + count) of each byte, as bits from `to` on. */
INLINE codes bits(codes c, int from, int count, int to)
{
    words moved = from > to ? (words)c >> (from - to) : (words)c << (to - from);
    return (codes)moved & (uint8_t)(((1 << count) - 1) << to);
}

/* Byte i is `one` where bit i is set, else 0. */
INLINE codes spread(const uint8_t *p, uint8_t one)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
#if defined(__AVX2__)
    const __m256i which = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    codes mask = (codes)_mm256_set1_epi64x((long long)0x8040201008040201);
    codes set = (codes)_mm256_shuffle_epi8(_mm256_set1_epi32((int)word), which);
    return (codes)((set & mask) == mask) & one;
#else
    codes c;
    for (int i = 0; i < BLOCK; i++)
        c[i] = word >> i & 1 ? one : 0;
    return c;
#endif
}

/* The codes of columns [32 b, 32 b + 32) after `at`, where 256 begin. */
INLINE codes codes_of(lm_dtype t, const uint8_t *at, int b)
{
    const uint8_t *p = at + (size_t)b * block_bytes(t); /* of the types that have blocks of 32 */
    switch (t) {
    case LM_Q8_0: return all_codes(p + 2);
    case LM_Q4_0: return nibbles(p + 2);
    case LM_IQ4_NL: return values_of(lm_iq4_nl_values, nibbles(p + 2));
    case LM_Q4_1: return nibbles(p + 4);
    case LM_Q5_0: return nibbles(p + 6) | spread(p + 2, 16);
    case LM_Q5_1: return nibbles(p + 8) | spread(p + 4, 16);
    case LM_Q2_K: return bits(all_codes(at + 16 + b / 4 * 32), b % 4 * 2, 2, 0);
    case LM_Q3_K: return bits(all_codes(at + 32 + b / 4 * 32), b % 4 * 2, 2, 0) | bits(all_codes(at), b, 1, 2);
    case LM_Q4_K: return bits(all_codes(at + 16 + b / 2 * 32), b % 2 * 4, 4, 0);
    case LM_Q5_K: return bits(all_codes(at + 48 + b / 2 * 32), b % 2 * 4, 4, 0) | bits(all_codes(at + 16), b, 1, 4);
    case LM_Q6_K:
        return bits(all_codes(at + b / 4 * 64 + b % 2 * 32), b % 4 / 2 * 4, 4, 0) |
               bits(all_codes(at + 128 + b / 4 * 32), b % 4 * 2, 2, 4);
    default: return all_codes(p); /* I8 */
    }
}

INLINE float half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
#if defined(__F16C__)
    return _cvtsh_ss(h);
#else
    return lm_f16_to_f32(h);
#endif
}

/* ---- scales, eight at a time: what is written to memory in pieces cannot be read as a vector at once ---- */

INLINE eight load_eight(const float *p)
{
    eight v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store_eight(float *p, eight v)
{
    memcpy(p, &v, sizeof v);
}

#if defined(__AVX512BW__)
/* Eight words, `stride` bytes apart, of eight blocks of as many bytes, beyond which nothing is read. */
INLINE __m128i words_apart(const uint8_t *p, size_t stride)
{
    const short step = (short)(stride / 2);
    if (stride <= 20) { /* four blocks' lie within 64 bytes */
        const __m512i which =
            _mm512_castsi128_si512(_mm_setr_epi16(0, step, 2 * step, 3 * step, 32, 32 + step, 32 + 2 * step, 32 + 3 * step));
        return _mm512_castsi512_si128(_mm512_permutex2var_epi16(_mm512_loadu_si512(p), which, _mm512_loadu_si512(p + 4 * stride)));
    }
    const __m512i low = _mm512_castsi128_si512(_mm_setr_epi16(0, step, 32, 32 + step, 0, 0, 0, 0));
    const __m512i high = _mm512_castsi128_si512(_mm_setr_epi16(0, 0, 0, 0, 0, step, 32, 32 + step));
    __m512i a = _mm512_permutex2var_epi16(_mm512_loadu_si512(p), low, _mm512_loadu_si512(p + 2 * stride));
    __m512i b = _mm512_permutex2var_epi16(_mm512_loadu_si512(p + 4 * stride), high, _mm512_loadu_si512(p + 6 * stride));
    return _mm_blend_epi16(_mm512_castsi512_si128(a), _mm512_castsi512_si128(b), 0xf0);
}
#endif

/* Eight halves, `stride` bytes apart: of eight blocks. */
INLINE eight halves(const uint8_t *p, size_t stride)
{
#if defined(__AVX512BW__)
    if (stride <= 20 || stride >= 32)
        return (eight)_mm256_cvtph_ps(words_apart(p, stride));
#endif
#if defined(__F16C__)
    uint16_t h[8];
    for (int i = 0; i < 8; i++)
        memcpy(&h[i], p + (size_t)i * stride, sizeof *h);
    half_words v = {h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]};
    return (eight)_mm256_cvtph_ps((__m128i)v);
#else
    eight v;
    for (int i = 0; i < 8; i++)
        v[i] = half_at(p + (size_t)i * stride);
    return v;
#endif
}

/* Eight bytes, the first one lowest. */
INLINE eight floats_of(uint64_t bytes, bool with_sign)
{
#if defined(__AVX2__)
    __m128i b = _mm_cvtsi64_si128((long long)bytes);
    return (eight)_mm256_cvtepi32_ps(with_sign ? _mm256_cvtepi8_epi32(b) : _mm256_cvtepu8_epi32(b));
#else
    eight v;
    for (int i = 0; i < 8; i++)
        v[i] = with_sign ? (float)(int8_t)(bytes >> 8 * i) : (float)(uint8_t)(bytes >> 8 * i);
    return v;
#endif
}

INLINE uint64_t bytes_at(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE uint64_t both(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

/* Q4_K and Q5_K: 8 scales and 8 lows of 6 bits in 12 bytes. */
INLINE void scales_of_32(const uint8_t *at, scales *s)
{
    uint32_t p[3];
    memcpy(p, at + 4, sizeof p);
    uint64_t scale = both(p[0] & 0x3f3f3f3f, (p[2] & 0x0f0f0f0f) | (p[0] >> 6 & 0x03030303) << 4);
    uint64_t low = both(p[1] & 0x3f3f3f3f, (p[2] >> 4 & 0x0f0f0f0f) | (p[1] >> 6 & 0x03030303) << 4);
    store_eight(s->scale, half_at(at) * floats_of(scale, false));
    store_eight(s->low, -half_at(at + 2) * floats_of(low, false));
}

/* Q2_K, Q3_K, Q6_K: the whole numbers that scales are of one float, the first eight (i = 0) or the others of 16. */
INLINE uint64_t whole_scales(lm_dtype t, const uint8_t *at, int i)
{
    if (t == LM_Q2_K) /* in the low halves, and the lows in the high ones */
        return bytes_at(at + i) & 0x0f0f0f0f0f0f0f0f;
    if (t == LM_Q6_K)
        return bytes_at(at + 192 + i);
    uint32_t p[3]; /* Q3_K: four bits in 8 bytes, then two in four, and 32 too much */
    memcpy(p, at + 96, sizeof p);
    uint64_t v = both((p[0] >> i / 2 & 0x0f0f0f0f) | (p[2] >> i / 2 & 0x03030303) << 4,
                      (p[1] >> i / 2 & 0x0f0f0f0f) | (p[2] >> (i / 2 + 2) & 0x03030303) << 4);
    return ((v | 0x8080808080808080) - 0x2020202020202020) ^ 0x8080808080808080;
}

/* What they are multiplied with. */
INLINE float fine_scale(lm_dtype t, const uint8_t *at)
{
    return half_at(at + (t == LM_Q2_K ? 80 : t == LM_Q3_K ? 108 : 208));
}

INLINE void scales_of_16(lm_dtype t, const uint8_t *at, int i, scales *s)
{
    store_eight(s->scale + i, fine_scale(t, at) * floats_of(whole_scales(t, at, i), true));
    if (t == LM_Q2_K)
        store_eight(s->low + i, -half_at(at + 82) * floats_of(bytes_at(at + i) >> 4 & 0x0f0f0f0f0f0f0f0f, false));
}

/* Those of `blocks` blocks: 8, or fewer at the end of a row of small blocks, whose others are 0. Where a type has no lows
 * they are left alone. */
INLINE void scales_of(lm_dtype t, const uint8_t *at, int blocks, scales *s)
{
    if (is_fine(t)) {
        scales_of_16(t, at, 0, s);
        scales_of_16(t, at, 8, s);
    } else if (t == LM_Q4_K || t == LM_Q5_K) {
        scales_of_32(at, s);
    } else if (blocks == BLOCKS) {
        store_eight(s->scale, halves(at, block_bytes(t)));
        if (has_lows(t))
            store_eight(s->low, halves(at + 2, block_bytes(t)));
    } else {
        memset(s, 0, sizeof *s);
        for (int i = 0; i < blocks; i++) {
            s->scale[i] = half_at(at + (size_t)i * block_bytes(t));
            if (has_lows(t))
                s->low[i] = half_at(at + (size_t)i * block_bytes(t) + 2);
        }
    }
}
