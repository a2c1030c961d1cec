/* Products of quantised weights with activations that were rounded to int8: sums of 32 (or 16) products of whole numbers,
 * exact, each multiplied by the scales of both sides. Unsigned codes and lows: sum (s c + l) x = s sum c x + l sum x.
 * Part of variant.c. */

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

static float largest_of(const float *x)
{
    vi most = {0};
    for (int v = 0; v < PER_BLOCK; v++) {
        vi size = (vi)absolute(load(x + v * LANES));
        most = (vi)choose(size > most, (vf)size, (vf)most); /* as whole numbers NaN is the largest */
    }
    int32_t largest = 0;
    for (int i = 0; i < LANES; i++)
        largest = most[i] > largest ? most[i] : largest;
    float size;
    memcpy(&size, &largest, sizeof size);
    return size;
}

/* 256 columns, or those that are left. */
static void round_group(const float *x, int columns, lm_rounded *to, size_t block)
{
    float rest[GROUP] = {0}, largest[BLOCKS], scale[BLOCKS], inverse[BLOCKS];
    if (columns < GROUP) {
        memcpy(rest, x, (size_t)columns * sizeof *x);
        x = rest;
    }
    for (int b = 0; b < BLOCKS; b++)
        largest[b] = largest_of(x + b * BLOCK);
    lm_rounded_scales(to, block, largest, scale, inverse);
    for (int b = 0; b < BLOCKS; b++, block++, x += BLOCK) {
        for (int v = 0; v < PER_BLOCK; v++) /* where nothing is left, x may be anything */
            to_bytes((uint8_t *)to->q + block * BLOCK + v * LANES,
                     inverse[b] > 0 ? nearest(load(x + v * LANES) * inverse[b]) : (vi){0});
        lm_rounded_sums(to, block, scale[b]);
    }
}

static void round_row(const float *x, int columns, lm_rounded *to, int row)
{
    for (int b = 0; b < to->blocks; b += BLOCKS)
        round_group(x + b * BLOCK, columns - b * BLOCK < GROUP ? columns - b * BLOCK : GROUP, to,
                    (size_t)row * (size_t)to->blocks + (size_t)b);
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

INLINE float sum_of_eight(eight v)
{
#if defined(__AVX2__)
    __m128 x = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
#else
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#endif
}

/* Four lanes of scale 2b and four of the next one. */
INLINE eight two(const float *scale, int b)
{
    eight of = load_eight(scale + b / 4 * 8);
    int i = b % 4 * 2;
#if defined(__AVX2__)
    return (eight)_mm256_permutevar8x32_ps((__m256)of, _mm256_setr_epi32(i, i, i, i, i + 1, i + 1, i + 1, i + 1));
#else
    return (eight){of[i], of[i], of[i], of[i], of[i + 1], of[i + 1], of[i + 1], of[i + 1]};
#endif
}

INLINE eight one(const float *p)
{
    return *p - (eight){0};
}

/* Sums of products, side by side; and of what lows add, or of as many units as codes are too high. */
typedef struct dot_sums {
    eight sum[2], rest;
#if defined(__AVX512F__)
    vf wide[2];
#endif
} dot_sums;

/* Scales of both sides of 256 columns, those of x at its group. */
INLINE void both_scales(lm_dtype t, const scales *s, const float *x_scale, const float *x_sum, bool too_high, eight *rest,
                        eight scale[2])
{
    const int parts = is_fine(t) ? 2 : 1;
#pragma GCC unroll 2
    for (int i = 0; i < parts; i++) {
        eight of = load_eight(s->scale + 8 * i);
        if (has_lows(t) || too_high)
            *rest = fused_eight(has_lows(t) ? load_eight(s->low + 8 * i) : of, load_eight(x_sum + 8 * i), *rest);
        scale[i] = of * load_eight(x_scale + 8 * i);
    }
}

/* Blocks of 32 columns, eight at most. */
INLINE void rounded_blocks(lm_dtype t, stored_row r, int group, int blocks, const int8_t *q, const float *x_scale,
                           const float *x_sum, dot_sums *to)
{
    const uint8_t *at = r.at + (size_t)group * group_bytes(t);
    scales s;
    eight scale[2];
    ask_ahead(t, at);
    row_scales(t, r, group, blocks, &s);
    both_scales(t, &s, x_scale, x_sum, zero_of(t), &to->rest, scale);
    memcpy(s.scale, scale, sizeof scale);
#pragma GCC unroll 8
    for (int b = 0; b < blocks; b++) {
        eight by = is_fine(t) ? two(s.scale, b) : one(s.scale + b);
        eight_sums dot = fours(is_signed(t), codes_of(t, at, b), all_codes((const uint8_t *)q + b * BLOCK));
        to->sum[b % 2] = fused_eight(floats_of_sums(dot), by, to->sum[b % 2]);
    }
}
