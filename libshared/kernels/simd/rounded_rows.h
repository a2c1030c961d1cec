/* Products with rows of x that were rounded, some at a time: for them a row of the matrix is unpacked once, as what a group is made of
 * stays in registers from one to the next. The sums of each are taken as if it were alone. Part of variant.c. */

enum { TOGETHER = 4, SIDE_BY_SIDE = 4 }; /* rows of x; rows of the matrix whose sums are added up at a time */

/* `n` is a constant wherever these are inlined; each of `lanes` is to be added up. */
#if defined(__AVX2__)
INLINE eight both_halves(vf v)
{
#if defined(__AVX512F__)
    return (eight)_mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
#else
    return (eight)v;
#endif
}

INLINE void unit_row(lm_dtype t, int n, const lm_quantised *w, int row, const lm_rounded *x, int x_row, eight lanes[TOGETHER])
{
    const uint8_t *at = row_of(t, w, row, 0).at, *end = at + bytes_of(t, w->columns);
    const size_t apart = (size_t)x->blocks;
    size_t block = (size_t)x_row * apart;
    vf sum[TOGETHER] = {{0}};
    eight rest[TOGETHER] = {{0}};
    for (; at < end; at += group_bytes(t), block += BLOCKS) {
        __m256i scale, low;
        ask_ahead(t, at);
        unit_scales(t, at, &scale, &low);
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) {
            size_t here = block + (size_t)i * apart;
            __m256i by = _mm256_loadu_si256((const __m256i *)(x->times + 2 * here));
            __m128 each = _mm_mul_ps(unit_floats(t, at), _mm_broadcast_ss(x->unit + here / BLOCKS));
            vi of_codes = unit_sums(t, at, x->q + here * BLOCK, _mm256_mullo_epi16(scale, by));
            __m256i of_lows = _mm256_madd_epi16(_mm256_mullo_epi16(low, by), _mm256_loadu_si256((const __m256i *)(x->whole + 2 * here)));
            eight of_low = (eight)_mm256_broadcastss_ps(t == LM_Q2_K ? _mm_movehdup_ps(each) : each);
            sum[i] = fused(__builtin_convertvector(of_codes, vf), first_lane(each), sum[i]);
            rest[i] = fused_eight(floats_of_sums((eight_sums)of_lows), of_low, rest[i]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
        lanes[i] = both_halves(sum[i]) - (float)(t == LM_Q2_K ? 1 : zero_of(t)) * rest[i];
}
#endif

/* What is left over of a row of I8: zeros of x meet whatever follows in the copy, zeros. */
INLINE void rounded_last(stored_row r, int n, const lm_rounded *x, size_t block, dot_sums to[TOGETHER])
{
    uint8_t rest[BLOCK] = {0};
    int column = r.of->columns / BLOCK * BLOCK;
    memcpy(rest, r.at + column, (size_t)(r.of->columns - column));
    block += (size_t)(column / BLOCK);
    for (int i = 0; i < n; i++, block += (size_t)x->blocks) {
        float by = r.of->scale[r.element] * x->scale[block];
        eight_sums dot = fours(true, all_codes(rest), all_codes((const uint8_t *)x->q + block * BLOCK));
        to[i].sum[0] = fused_eight(floats_of_sums(dot), one(&by), to[i].sum[0]);
    }
}

INLINE eight all_lanes(lm_dtype t, const dot_sums *of)
{
    eight all = of->sum[0] + of->sum[1];
#if defined(__AVX512F__)
    all += both_halves(of->wide[0] + of->wide[1]);
#endif
    if (has_lows(t))
        all += of->rest;
    else if (too_high(t))
        all -= (float)too_high(t) * of->rest;
    return all;
}

INLINE void group_row(lm_dtype t, int n, const lm_quantised *w, int row, const lm_rounded *x, int x_row, eight lanes[TOGETHER])
{
    stored_row r = row_of(t, w, row, 0);
    const size_t apart = (size_t)x->blocks, parts = is_fine(t) ? 2 : 1, first = (size_t)x_row * apart;
    dot_sums to[TOGETHER] = {{.rest = {0}}};
    int group = 0;
    for (; (group + 1) * GROUP <= w->columns; group++) {
        ask_ahead(t, r.at + (size_t)group * group_bytes(t));
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) {
            size_t at = first + (size_t)i * apart + (size_t)group * BLOCKS;
            rounded_group(t, r, group, x->q + at * BLOCK, x->scale + at * parts, x->sum + at * parts, &to[i]);
        }
    }
    for (int i = 0; w->columns % GROUP && i < n; i++) {
        size_t at = first + (size_t)i * apart + (size_t)group * BLOCKS;
        rounded_blocks(t, r, group, w->columns % GROUP / BLOCK, x->q + at * BLOCK, x->scale + at * parts, x->sum + at * parts, &to[i]);
    }
    if (t == LM_I8 && w->columns % BLOCK)
        rounded_last(r, n, x, first, to);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
        lanes[i] = all_lanes(t, &to[i]);
}

/* to[j] = the sum of lanes[j][i]. */
INLINE void add_up(const eight lanes[SIDE_BY_SIDE][TOGETHER], int i, float to[SIDE_BY_SIDE])
{
#if defined(__AVX2__)
    __m256 low = _mm256_hadd_ps((__m256)lanes[0][i], (__m256)lanes[1][i]), high = _mm256_hadd_ps((__m256)lanes[2][i], (__m256)lanes[3][i]);
    __m256 all = _mm256_hadd_ps(low, high);
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
#else
    for (int j = 0; j < SIDE_BY_SIDE; j++)
        to[j] = sum_of_eight(lanes[j][i]);
#endif
}

INLINE void rows_together(lm_dtype t, int n, const lm_quantised *w, int first, int count, const lm_rounded *x, int x_row,
                          const float *bias, float *y, size_t ldy)
{
    for (int j = 0; j < count; j += SIDE_BY_SIDE) {
        eight lanes[SIDE_BY_SIDE][TOGETHER];
        int rows = count - j < SIDE_BY_SIDE ? count - j : SIDE_BY_SIDE;
        for (int r = 0; r < SIDE_BY_SIDE; r++) { /* what is past the last is not looked at */
            int row = first + j + (r < rows ? r : 0);
#if defined(__AVX2__)
            if (has_units(t)) {
                unit_row(t, n, w, row, x, x_row, lanes[r]);
                continue;
            }
#endif
            group_row(t, n, w, row, x, x_row, lanes[r]);
        }
        for (int i = 0; i < n; i++) {
            float sum[SIDE_BY_SIDE];
            add_up((const eight(*)[TOGETHER])lanes, i, sum);
            for (int r = 0; r < rows; r++)
                y[(size_t)i * ldy + (size_t)(j + r)] = sum[r] + (bias ? bias[j + r] : 0);
        }
    }
}

static void rounded_dots(const lm_quantised *w, int first, int count, const lm_rounded *x, int rows, const float *bias, float *y,
                         size_t ldy)
{
    int i = 0;
#define DOTS(t)                                                                                              \
    for (; i + TOGETHER <= rows; i += TOGETHER)                                                              \
        rows_together(t, TOGETHER, w, first, count, x, i, bias, y + (size_t)i * ldy, ldy);                   \
    for (; i + 2 <= rows; i += 2)                                                                            \
        rows_together(t, 2, w, first, count, x, i, bias, y + (size_t)i * ldy, ldy);                          \
    for (; i < rows; i++)                                                                                    \
        rows_together(t, 1, w, first, count, x, i, bias, y + (size_t)i * ldy, ldy)
    OF_ROUNDED_TYPE(w->type, DOTS)
#undef DOTS
}
