/* Dropout: Philox in the lanes of a vector (kernels/kernels.h has the numbering). Part of variant.c. */

/* Low and high halves of the products of 32-bit lanes with a constant. */
INLINE void multiply(vu a, uint32_t by, vu *low, vu *high)
{
#if defined(__AVX512F__)
    __m512i m = _mm512_set1_epi32((int)by), even = _mm512_mul_epu32((__m512i)a, m);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), m);
    *low = (vu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    *high = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
#elif defined(__AVX2__)
    __m256i m = _mm256_set1_epi32((int)by), even = _mm256_mul_epu32((__m256i)a, m);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), m);
    *low = (vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    *high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
    for (int i = 0; i < LANES; i++) {
        uint64_t product = (uint64_t)a[i] * by;
        (*low)[i] = (uint32_t)product;
        (*high)[i] = (uint32_t)(product >> 32);
    }
#endif
}

/* Bit i is the top bit of lane i. */
INLINE uint32_t top_bits(vi v)
{
#if defined(__AVX512F__)
    return _mm512_cmplt_epi32_mask((__m512i)v, _mm512_setzero_si512());
#elif defined(__AVX2__)
    return (uint32_t)_mm256_movemask_ps((__m256)v);
#elif defined(__x86_64__)
    return (uint32_t)_mm_movemask_ps((__m128)v);
#else
    uint32_t bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= (uint32_t)(v[i] < 0) << i;
    return bits;
#endif
}

/* The four words of the blocks first, first+1 ... first+LANES-1. */
INLINE void philox(const uint32_t key[2], const uint32_t counter[3], uint32_t first, vu word[4])
{
    static const uint32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vu zero = {0}, c0 = zero + counter[0], c1 = zero + counter[1], c2 = zero + counter[2], c3;
    memcpy(&c3, numbers, sizeof c3);
    c3 += first;
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        vu low0, high0, low1, high1;
        multiply(c0, 0xD2511F53u, &low0, &high0);
        multiply(c2, 0xCD9E8D57u, &low1, &high1);
        c0 = high1 ^ c1 ^ k0;
        c2 = high0 ^ c3 ^ k1;
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/* The mask of n features, a bit each. */
static void keep_bits(const uint32_t key[2], const uint32_t counter[3], uint32_t threshold, uint8_t *mask,
                      int n)
{
    memset(mask, 0, ((size_t)n + 7) / 8);
    const vi least = (vi){0} + (int32_t)threshold;
    for (int group = 0; group < n; group += 128) {
        for (int lane = 0; lane < 16 && group + lane < n; lane += LANES) {
            vu word[4];
            philox(key, counter, (uint32_t)(group / 128 * 16 + lane), word);
            for (int slot = 0; slot < 8; slot++) {
                int f = group + 16 * slot + lane;
                if (f >= n)
                    break;
                vi number = (vi)(slot % 2 ? word[slot / 2] >> 16 : word[slot / 2] & 0xffff);
                uint32_t bits = top_bits(number >= least) << f % 8;
                if (n - f < LANES)
                    bits &= ((1u << (n - f)) - 1) << f % 8;
                mask[f / 8] |= (uint8_t)bits;
                if (LANES > 8 && n - f > 8)
                    mask[f / 8 + 1] |= (uint8_t)(bits >> 8);
            }
        }
    }
}

/* All ones in the lanes of the features f, f+1 ... that are kept; f is a multiple of LANES. */
INLINE vi kept_lanes(const uint8_t *mask, size_t f, size_t count)
{
    uint32_t bits = (uint32_t)mask[f / 8] >> f % 8;
    if (LANES > 8 && count > 8)
        bits |= (uint32_t)mask[f / 8 + 1] << 8;
    static const int32_t powers[16] = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                       1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
    vi lane;
    memcpy(&lane, powers, sizeof lane);
    return (((vi){0} + (int32_t)bits) & lane) != 0;
}

INLINE vf kept(vf x, const uint8_t *mask, size_t f, size_t count)
{
    return (vf)((vi)x & kept_lanes(mask, f, count));
}

INLINE void dropout_step(size_t at, size_t count, const uint8_t *mask, float scale_by, const float *x,
                         const float *residual, float *y)
{
    vf v = kept(get(x + at, count) * scale_by, mask, at, count);
    put(y + at, residual ? v + get(residual + at, count) : v, count);
}

static void dropout_forward(const uint32_t key[2], const uint32_t counter[3], uint32_t threshold,
                            float scale_by, const float *x, const float *residual, float *y, uint8_t *mask,
                            int width)
{
    keep_bits(key, counter, threshold, mask, width);
    EACH(width, dropout_step, mask, scale_by, x, residual, y);
}

static void dropout_backward(const uint8_t *mask, float scale_by, const float *dy, float *dx, bool add,
                             int width)
{
    EACH(width, dropout_step, mask, scale_by, dy, add ? dx : NULL, dx);
}
