/* Products with a row of x that was rounded, 256 columns of it at a time in the way that suits the processor: the codes of two blocks
 * side by side with AVX-512, scales as whole numbers with AVX2 in Q2_K and Q3_K. Part of variant.c. */

#if defined(__AVX512F__)
typedef uint8_t wide __attribute__((vector_size(2 * BLOCK)));
typedef int32_t wide_sums __attribute__((vector_size(2 * BLOCK)));

/* ---- codes ---- */

INLINE wide wide_joined(codes low, codes high)
{
    return (wide)_mm512_inserti64x4(_mm512_castsi256_si512((__m256i)low), (__m256i)high, 1);
}

/* Bits of 32 bytes, those of the first block from bit `low` on and those of the second from bit `high` on, moved down to bit 0. */
INLINE wide moved_down(const uint8_t *p, int low, int high)
{
    __m512i by = (__m512i)wide_joined((codes)_mm256_set1_epi16((short)low), (codes)_mm256_set1_epi16((short)high));
    return (wide)_mm512_srlv_epi16(_mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p)), by);
}

/* The low halves of 16 bytes, then the high ones; of two times 16 bytes. */
INLINE wide wide_nibbles(const uint8_t *p, size_t stride)
{
    codes low = (codes)_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    codes high = (codes)_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(p + stride)));
    const __m512i by = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0);
    return (wide)_mm512_srlv_epi16((__m512i)wide_joined(low, high), by) & 15;
}

/* What is less than `one`, and more by it where a bit is set. */
INLINE wide with_bits(wide c, uint64_t set, uint8_t one)
{
    return (wide)_mm512_mask_add_epi8((__m512i)c, set, (__m512i)c, _mm512_set1_epi8((char)one));
}

/* The same where bit b of 32 bytes is set, and bit b + 1 for the second block. */
INLINE wide with_bits_of(wide c, const uint8_t *p, int b, uint8_t one)
{
    wide which = wide_joined((codes)_mm256_set1_epi8((char)(1 << b)), (codes)_mm256_set1_epi8((char)(2 << b)));
    __m512i bytes = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p));
    return with_bits(c, _mm512_test_epi8_mask(bytes, (__m512i)which), one);
}

INLINE uint32_t word_at(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Codes of blocks b and b + 1 of 256 columns, b even; codes_of says where they are. */
INLINE wide wide_codes(lm_dtype t, const uint8_t *at, int b)
{
    size_t each = block_bytes(t);
    const uint8_t *p = at + (size_t)b * each;
    switch (t) {
    case LM_Q4_0: return wide_nibbles(p + 2, each);
    case LM_Q4_1: return wide_nibbles(p + 4, each);
    case LM_IQ4_NL: {
        __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)lm_iq4_nl_values));
        return (wide)_mm512_shuffle_epi8(table, (__m512i)wide_nibbles(p + 2, each));
    }
    case LM_Q5_0: return with_bits(wide_nibbles(p + 6, each), both(word_at(p + 2), word_at(p + each + 2)), 16);
    case LM_Q5_1: return with_bits(wide_nibbles(p + 8, each), both(word_at(p + 4), word_at(p + each + 4)), 16);
    case LM_Q2_K: return moved_down(at + 16 + b / 4 * 32, b % 4 * 2, b % 4 * 2 + 2) & 3;
    case LM_Q3_K: return with_bits_of(moved_down(at + 32 + b / 4 * 32, b % 4 * 2, b % 4 * 2 + 2) & 3, at, b, 4);
    case LM_Q4_K: return moved_down(at + 16 + b / 2 * 32, 0, 4) & 15;
    case LM_Q5_K: return with_bits_of(moved_down(at + 48 + b / 2 * 32, 0, 4) & 15, at + 16, b, 16);
    default: return wide_joined(codes_of(t, at, b), codes_of(t, at, b + 1));
    }
}

/* ---- sums ---- */

/* Sums of four products side by side; with VNNI codes that have a sign are 128 too high. */
INLINE wide_sums wide_fours(lm_dtype t, wide w, const int8_t *q)
{
    __m512i a = (__m512i)w, b = _mm512_loadu_si512(q);
#if defined(__AVX512VNNI__)
    if (is_signed(t))
        a = (__m512i)(w ^ 0x80);
    return (wide_sums)_mm512_dpbusd_epi32(_mm512_setzero_si512(), a, b);
#else
    if (is_signed(t)) {
        b = _mm512_mask_sub_epi8(b, _mm512_movepi8_mask(a), _mm512_setzero_si512(), b);
        a = _mm512_abs_epi8(a);
    }
    return (wide_sums)_mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1));
#endif
}

INLINE __m512i added_by_twos(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* Of 256 columns the sum of products of each block, or of each half of one, in their order. */
INLINE void group_sums(lm_dtype t, const uint8_t *at, const int8_t *q, const int32_t *start, eight_sums out[2])
{
    __m512i d[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        d[i] = (__m512i)wide_fours(t, wide_codes(t, at, 2 * i), q + 2 * i * BLOCK);
    __m512i low = added_by_twos(d[0], d[1]), high = added_by_twos(d[2], d[3]); /* each 128 bits: of a half block of four */
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
    if (is_fine(t)) {
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        all = _mm512_permutexvar_epi32(order, all);
        out[0] = (eight_sums)_mm512_castsi512_si256(all);
        out[1] = (eight_sums)_mm512_extracti64x4_epi64(all, 1);
        return;
    }
    __m256i first = _mm512_castsi512_si256(all), second = _mm512_extracti64x4_epi64(all, 1);
    __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31));
    out[0] = (eight_sums)_mm256_permutevar8x32_epi32(sum, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
#if defined(__AVX512VNNI__)
    if (is_signed(t))
        out[0] += (eight_sums)_mm256_loadu_si256((const __m256i *)start);
#endif
    (void)start;
}
#endif

/* The same of fours that were taken block by block. */
INLINE void block_sums(lm_dtype t, const eight_sums of[BLOCKS], eight_sums out[2])
{
#if defined(__AVX2__)
    __m256i two[4], four[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        two[i] = _mm256_hadd_epi32((__m256i)of[2 * i], (__m256i)of[2 * i + 1]);
    four[0] = _mm256_hadd_epi32(two[0], two[1]), four[1] = _mm256_hadd_epi32(two[2], two[3]);
    __m256i first = _mm256_permute2x128_si256(four[0], four[1], 0x20), second = _mm256_permute2x128_si256(four[0], four[1], 0x31);
    if (is_fine(t)) {
        __m256i low = _mm256_unpacklo_epi32(first, second), high = _mm256_unpackhi_epi32(first, second);
        out[0] = (eight_sums)_mm256_permute2x128_si256(low, high, 0x20);
        out[1] = (eight_sums)_mm256_permute2x128_si256(low, high, 0x31);
    } else {
        out[0] = (eight_sums)_mm256_add_epi32(first, second);
    }
#else
    for (int b = 0; b < BLOCKS; b++) {
        int32_t half[2] = {of[b][0] + of[b][1] + of[b][2] + of[b][3], of[b][4] + of[b][5] + of[b][6] + of[b][7]};
        if (is_fine(t))
            out[b / 4][b % 4 * 2] = half[0], out[b / 4][b % 4 * 2 + 1] = half[1];
        else
            out[0][b] = half[0] + half[1];
    }
#endif
}

#if !defined(__AVX512F__)
INLINE void group_sums(lm_dtype t, const uint8_t *at, const int8_t *q, const int32_t *start, eight_sums out[2])
{
    eight_sums of[BLOCKS];
    (void)start;
#pragma GCC unroll 8
    for (int b = 0; b < BLOCKS; b++)
        of[b] = fours(is_signed(t), codes_of(t, at, b), all_codes((const uint8_t *)q + b * BLOCK));
    block_sums(t, of, out);
}
#endif

/* What the scales of both sides make of sums of products: sum[i] is of the blocks (or halves) i of all groups. */
INLINE void add_scaled(lm_dtype t, const scales *s, const eight_sums of[2], const float *x_scale, const float *x_sum, eight sum[2])
{
    const int parts = is_fine(t) ? 2 : 1;
#pragma GCC unroll 2
    for (int i = 0; i < parts; i++) {
        eight scale = load_eight(s->scale + 8 * i);
        sum[i] = fused_eight(floats_of_sums(of[i]), scale * load_eight(x_scale + 8 * i), sum[i]);
        if (!is_signed(t))
            sum[i] = fused_eight(has_lows(t) ? load_eight(s->low + 8 * i) : -(float)zero_of(t) * scale, load_eight(x_sum + 8 * i), sum[i]);
    }
}

/* ---- scales that are whole numbers on both sides ---- */

#if defined(__AVX2__)
INLINE __m256i words_of(__m128i bytes)
{
    return _mm256_cvtepi8_epi16(bytes);
}

/* What they are multiples of: of scales, then, in Q2_K, of lows. */
INLINE __m128 unit_floats(lm_dtype t, const uint8_t *at)
{
    return _mm_cvtph_ps(t == LM_Q2_K ? _mm_loadu_si32(at + 80) : _mm_loadu_si16(at + 108));
}

/* 16 scales and 16 lows, which are the scales again where codes are too high. */
INLINE void unit_scales(lm_dtype t, const uint8_t *at, __m256i *scale, __m256i *low)
{
    if (t == LM_Q2_K) {
        __m128i both_halves = _mm_loadu_si128((const __m128i *)at), mask = _mm_set1_epi8(15);
        *scale = words_of(_mm_and_si128(both_halves, mask));
        *low = words_of(_mm_and_si128(_mm_srli_epi16(both_halves, 4), mask));
    } else {
        *scale = *low = words_of(_mm_set_epi64x((long long)whole_scales(t, at, 8), (long long)whole_scales(t, at, 0)));
    }
}

/* Of 256 columns: sums of codes, q and scales. */
#if defined(__AVX512F__)
INLINE vf first_lane(__m128 x)
{
    return (vf)_mm512_broadcastss_ps(x);
}

INLINE vi unit_sums(lm_dtype t, const uint8_t *at, const int8_t *q, __m256i scale)
{
    __m512i sum = _mm512_setzero_si512(), all = _mm512_castsi256_si512(scale);
#pragma GCC unroll 4
    for (int b = 0; b < BLOCKS; b += 2) {
        __m512i pairs = _mm512_maddubs_epi16((__m512i)wide_codes(t, at, b), _mm512_loadu_si512(q + b * BLOCK));
        const long long first = 0x0001000100010001 * 2 * b, step = 0x0001000100010001;
        __m512i which = _mm512_set_epi64(first + 3 * step, first + 3 * step, first + 2 * step, first + 2 * step, first + step,
                                         first + step, first, first);
        __m512i by = _mm512_permutexvar_epi16(which, all);
#if defined(__AVX512VNNI__)
        sum = _mm512_dpwssd_epi32(sum, pairs, by);
#else
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, by));
#endif
    }
    return (vi)sum;
}
#else
INLINE vf first_lane(__m128 x)
{
    return (vf)_mm256_broadcastss_ps(x);
}

INLINE vi unit_sums(lm_dtype t, const uint8_t *at, const int8_t *q, __m256i scale)
{
    __m256i sum = _mm256_setzero_si256();
    __m256i half[2] = {_mm256_permute2x128_si256(scale, scale, 0x00), _mm256_permute2x128_si256(scale, scale, 0x11)};
#pragma GCC unroll 8
    for (int b = 0; b < BLOCKS; b++) {
        __m256i c = (__m256i)codes_of(t, at, b), pairs = _mm256_maddubs_epi16(c, (__m256i)all_codes((const uint8_t *)q + b * BLOCK));
        const short first = (short)(0x0100 + b % 4 * 0x0404), second = (short)(first + 0x0202);
        __m256i which = (__m256i)joined((half_codes)_mm_set1_epi16(first), (half_codes)_mm_set1_epi16(second));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_shuffle_epi8(half[b / 4], which)));
    }
    return (vi)sum;
}
#endif
#endif
