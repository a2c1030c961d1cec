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

static void round_block(const float *x, lm_rounded *to, size_t block)
{
    vi most = {0};
    int8_t *q = to->q + block * BLOCK;
    for (int v = 0; v < PER_BLOCK; v++) {
        vi size = (vi)absolute(load(x + v * LANES));
        most = (vi)choose(size > most, (vf)size, (vf)most); /* as whole numbers NaN is the largest */
    }
    int32_t largest = 0;
    for (int i = 0; i < LANES; i++)
        largest = most[i] > largest ? most[i] : largest;
    float size, scale, inverse;
    memcpy(&size, &largest, sizeof size);
    lm_rounded_scale(size, &scale, &inverse);
    for (int v = 0; v < PER_BLOCK; v++) /* where nothing is left, x may be anything */
        to_bytes((uint8_t *)q + v * LANES, inverse > 0 ? nearest(load(x + v * LANES) * inverse) : (vi){0});
    lm_rounded_sums(to, block, scale);
}

static void round_row(const float *x, int columns, lm_rounded *to, int row)
{
    size_t block = (size_t)row * (size_t)to->blocks, end = block + (size_t)to->blocks;
    for (; columns >= BLOCK; columns -= BLOCK, x += BLOCK)
        round_block(x, to, block++);
    for (; block < end; columns = 0) {
        float rest[BLOCK] = {0};
        memcpy(rest, x, (size_t)columns * sizeof *x);
        round_block(rest, to, block++);
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

/* sum[0] and sum[1] of the products, sum[2] of what lows add, or what the zeros of the codes take; x is at its group. */
INLINE void rounded_blocks(lm_dtype t, stored_row r, int group, int blocks, const int8_t *q, const float *x_scale,
                           const float *x_sum, eight sum[3])
{
    const int parts = is_fine(t) ? 2 : 1;
    const uint8_t *at = r.at + (size_t)group * group_bytes(t);
    scales s;
    ask_ahead(t, at);
    row_scales(t, r, group, blocks, &s);
    for (int i = 0; i < BLOCKS * parts; i += 8) {
        eight scale = load_eight(s.scale + i);
        if (!is_signed(t))
            sum[2] = fused_eight(has_lows(t) ? load_eight(s.low + i) : scale, load_eight(x_sum + i), sum[2]);
        scale *= load_eight(x_scale + i);
        store_eight(s.scale + i, scale);
    }
#pragma GCC unroll 8
    for (int b = 0; b < blocks; b++) {
        eight by = is_fine(t) ? two(s.scale, b) : one(s.scale + b);
        eight_sums dot = fours(is_signed(t), codes_of(t, at, b), all_codes((const uint8_t *)q + b * BLOCK));
        sum[b % 2] = fused_eight(floats_of_sums(dot), by, sum[b % 2]);
    }
}

INLINE float rounded_dot(lm_dtype t, const lm_quantised *w, int row, const lm_rounded *x, int x_row)
{
    stored_row r = row_of(t, w, row, 0);
    size_t block = (size_t)x_row * (size_t)x->blocks, parts = is_fine(t) ? 2 : 1;
    const int8_t *q = x->q + block * BLOCK;
    const float *scale = x->scale + block * parts, *sums = x->sum + block * parts;
    eight sum[3] = {{0}};
    int group = 0;
    for (; (group + 1) * GROUP <= w->columns; group++, q += GROUP, scale += BLOCKS * parts, sums += BLOCKS * parts)
        rounded_blocks(t, r, group, BLOCKS, q, scale, sums, sum);
    if (w->columns % GROUP)
        rounded_blocks(t, r, group, w->columns % GROUP / BLOCK, q, scale, sums, sum);
    if (t == LM_I8 && w->columns % BLOCK) { /* zeros of x meet whatever follows in the copy: zeros */
        uint8_t rest[BLOCK] = {0};
        int column = w->columns / BLOCK * BLOCK, b = w->columns % GROUP / BLOCK;
        memcpy(rest, r.at + column, (size_t)(w->columns - column));
        float by = w->scale[r.element] * scale[b];
        eight_sums dot = fours(true, all_codes(rest), all_codes((const uint8_t *)q + b * BLOCK));
        sum[0] = fused_eight(floats_of_sums(dot), one(&by), sum[0]);
    }
    float total = sum_of_eight(sum[0] + sum[1]);
    return is_signed(t) ? total : has_lows(t) ? total + sum_of_eight(sum[2]) : total - (float)zero_of(t) * sum_of_eight(sum[2]);
}

static void rounded_dots(const lm_quantised *w, int first, int count, const lm_rounded *x, int x_row, const float *bias, float *y)
{
#define DOTS(t)                                                                                              \
    for (int j = 0; j < count; j++)                                                                          \
    y[j] = rounded_dot(t, w, first + j, x, x_row) + (bias ? bias[j] : 0)
    OF_ROUNDED_TYPE(w->type, DOTS)
#undef DOTS
}
