/* Products of quantised weights with activations that were rounded to int8: sums of 32 (or 16) products of whole numbers,
 * exact, each multiplied by the scales of both sides. Unsigned codes and lows: sum (s c + l) x = s sum c x + l sum x.
 *
 * A sum is taken in one order, whichever loop takes it: eight sums (or 16), of what is at the same place in each group of 256 columns,
 * and in the end these by twos. So how many rows of x there are does not show in a result: a last bit that did would be rounded to
 * another int8 in the next layer. (Q2_K and Q3_K have another order where there are few rows.) Part of variant.c. */

typedef int32_t eight_sums __attribute__((vector_size(BLOCK)));

/* ---- rounding ---- */

INLINE vi nearest(vf x)
{
#if defined(__AVX512F__)
    return (vi)_mm512_cvtps_epi32((__m512)x);
#elif defined(__AVX2__)
    return (vi)_mm256_cvtps_epi32((__m256)x);
#else
    vi v;
    for (int i = 0; i < LANES; i++)
        v[i] = (int32_t)lrintf(x[i]);
    return v;
#endif
}

/* The largest of |x| in each of eight blocks; compared as whole numbers, so that NaN is the largest. */
#if defined(__AVX2__)
INLINE __m256i larger_whole(__m256i a, __m256i b)
{
    return _mm256_max_epi32(a, b);
}

/* Lanes of the largest of a block, eight of them. */
INLINE __m256i largest_lanes(const float *x)
{
    vi most = (vi)absolute(load(x));
#pragma GCC unroll 4
    for (int v = 1; v < PER_BLOCK; v++) {
        vi size = (vi)absolute(load(x + v * LANES));
        most = (vi)choose(size > most, (vf)size, (vf)most);
    }
#if defined(__AVX512F__)
    return larger_whole(_mm512_castsi512_si256((__m512i)most), _mm512_extracti64x4_epi64((__m512i)most, 1));
#else
    return (__m256i)most;
#endif
}

static void largest_of(const float *x, float largest[BLOCKS])
{
    __m256i two[4], four[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256i a = largest_lanes(x + 2 * i * BLOCK), b = largest_lanes(x + (2 * i + 1) * BLOCK);
        two[i] = larger_whole(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
        four[i] = larger_whole(_mm256_unpacklo_epi64(two[2 * i], two[2 * i + 1]), _mm256_unpackhi_epi64(two[2 * i], two[2 * i + 1]));
    _mm256_storeu_si256((__m256i *)(void *)largest, larger_whole(_mm256_permute2x128_si256(four[0], four[1], 0x20),
                                                                 _mm256_permute2x128_si256(four[0], four[1], 0x31)));
}
#else
static void largest_of(const float *x, float largest[BLOCKS])
{
    for (int b = 0; b < BLOCKS; b++) {
        vi most = {0};
        int32_t whole = 0;
        for (int v = 0; v < PER_BLOCK; v++) {
            vi size = (vi)absolute(load(x + b * BLOCK + v * LANES));
            most = (vi)choose(size > most, (vf)size, (vf)most);
        }
        for (int i = 0; i < LANES; i++)
            whole = most[i] > whole ? most[i] : whole;
        memcpy(&largest[b], &whole, sizeof whole);
    }
}
#endif

/* A block as bytes. */
INLINE codes nearest_bytes(const float *x, float inverse)
{
    if (!(inverse > 0)) /* x may be anything */
        return (codes){0};
    vi whole[PER_BLOCK];
#pragma GCC unroll 8
    for (int v = 0; v < PER_BLOCK; v++)
        whole[v] = nearest(load(x + v * LANES) * inverse);
#if defined(__AVX512F__)
    return joined((half_codes)_mm512_cvtepi32_epi8((__m512i)whole[0]), (half_codes)_mm512_cvtepi32_epi8((__m512i)whole[1]));
#elif defined(__AVX2__)
    __m256i first = _mm256_packs_epi32((__m256i)whole[0], (__m256i)whole[1]);
    __m256i second = _mm256_packs_epi32((__m256i)whole[2], (__m256i)whole[3]);
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return (codes)_mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), in_order);
#else
    codes c;
    for (int v = 0; v < PER_BLOCK; v++)
        to_bytes((uint8_t *)&c + v * LANES, whole[v]);
    return c;
#endif
}

/* The sums of 16 and 16 bytes with a sign. */
INLINE void half_sums(codes q, int half[2])
{
#if defined(__AVX2__)
    __m256i eights = _mm256_sad_epu8((__m256i)(q ^ 0x80), _mm256_setzero_si256()); /* each of which is 128 more */
    __m256i sums = _mm256_add_epi32(eights, _mm256_unpackhi_epi64(eights, eights));
    half[0] = _mm_cvtsi128_si32(_mm256_castsi256_si128(sums)) - 128 * 16;
    half[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(sums, 1)) - 128 * 16;
#else
    half[0] = half[1] = 0;
    for (int i = 0; i < BLOCK; i++)
        half[i / 16] += (int8_t)q[i];
#endif
}

/* 256 columns. */
static void round_group(const float *x, lm_rounded *to, size_t block)
{
    float largest[BLOCKS], scale[BLOCKS], inverse[BLOCKS];
    int half[2];
    largest_of(x, largest);
    lm_rounded_scales(to, block, largest, scale, inverse);
    for (int b = 0; b < BLOCKS; b++, block++, x += BLOCK) {
        codes q = nearest_bytes(x, inverse[b]);
        memcpy(to->q + block * BLOCK, &q, sizeof q);
        half_sums(q, half);
        lm_rounded_sums(to, block, scale[b], half);
    }
}

static void round_row(const float *x, int columns, lm_rounded *to, int row)
{
    size_t block = (size_t)row * (size_t)to->blocks;
    int column = 0;
    for (; column + GROUP <= columns; column += GROUP, block += BLOCKS)
        round_group(x + column, to, block);
    if (column < columns) {
        float rest[GROUP] = {0};
        memcpy(rest, x + column, (size_t)(columns - column) * sizeof *x);
        round_group(rest, to, block);
    }
}

/* ---- a row of the matrix and a row of x ---- */

/* Sums of four products side by side: of columns 0 to 15 in the first half. */
INLINE eight_sums fours(bool with_sign, codes w, codes x)
{
#if defined(__AVX2__)
    __m256i a = (__m256i)w, b = (__m256i)x;
    if (with_sign) {
        b = _mm256_sign_epi8(b, a);
        a = _mm256_abs_epi8(a);
    }
#if defined(__AVX512VNNI__)
    return (eight_sums)_mm256_dpbusd_epi32(_mm256_setzero_si256(), a, b);
#else
    return (eight_sums)_mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
#endif
#elif defined(__ARM_NEON)
    eight_sums sum; /* codes without a sign are less than 128 */
    (void)with_sign;
    for (int half = 0; half < 2; half++) {
        int8x16_t a = vld1q_s8((const int8_t *)&w + 16 * half), b = vld1q_s8((const int8_t *)&x + 16 * half);
#if defined(__ARM_FEATURE_DOTPROD)
        int32x4_t four = vdotq_s32(vdupq_n_s32(0), a, b);
#else
        int32x4_t four = vpaddq_s32(vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b))),
                                    vpaddlq_s16(vmull_s8(vget_high_s8(a), vget_high_s8(b))));
#endif
        vst1q_s32((int32_t *)&sum + 4 * half, four);
    }
    return sum;
#else
    eight_sums sum;
    (void)with_sign;
    for (int i = 0; i < 8; i++) {
        sum[i] = 0;
        for (int j = 4 * i; j < 4 * i + 4; j++)
            sum[i] += (int8_t)w[j] * (int8_t)x[j];
    }
    return sum;
#endif
}

INLINE eight fused_eight(eight a, eight b, eight c)
{
#if defined(__AVX2__)
    return (eight)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

INLINE eight floats_of_sums(eight_sums v)
{
    return __builtin_convertvector(v, eight);
}
