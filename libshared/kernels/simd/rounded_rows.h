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

/* The codes of block b of the group; what is left over of a row of I8 is filled up with zeros. */
INLINE codes codes_within(lm_dtype t, stored_row r, int group, int b)
{
    int column = group * GROUP + b * BLOCK, columns = r.of->columns;
    if (t == LM_I8 && column + BLOCK > columns) {
        uint8_t rest[BLOCK] = {0};
        memcpy(rest, r.at + column, (size_t)(columns - column));
        return all_codes(rest);
    }
    return codes_of(t, r.at + (size_t)group * group_bytes(t), b);
}

/* Less than a group that is left over at the end of a row, or of I8 less than a block. */
INLINE void last_group(lm_dtype t, int n, stored_row r, int group, const lm_rounded *x, size_t first, eight sum[TOGETHER][2])
{
    const size_t apart = (size_t)x->blocks, parts = is_fine(t) ? 2 : 1;
    int blocks = (r.of->columns % GROUP + BLOCK - 1) / BLOCK;
    scales s;
    row_scales(t, r, group, blocks, &s);
    for (int i = 0; i < n; i++) {
        size_t at = first + (size_t)i * apart + (size_t)group * BLOCKS;
        eight_sums of[BLOCKS] = {{0}}, sums[2];
        for (int b = 0; b < blocks; b++)
            of[b] = fours(is_signed(t), codes_within(t, r, group, b), all_codes((const uint8_t *)x->q + (at + (size_t)b) * BLOCK));
        block_sums(t, of, sums);
        add_scaled(t, &s, sums, x->scale + at * parts, x->sum + at * parts, sum[i]);
    }
}

INLINE void group_row(lm_dtype t, int n, const lm_quantised *w, int row, const lm_rounded *x, int x_row, eight lanes[TOGETHER])
{
    stored_row r = row_of(t, w, row, 0);
    const size_t apart = (size_t)x->blocks, parts = is_fine(t) ? 2 : 1, first = (size_t)x_row * apart;
    eight sum[TOGETHER][2] = {{{0}}};
    int group = 0;
    for (; (group + 1) * GROUP <= w->columns; group++) {
        const uint8_t *at = r.at + (size_t)group * group_bytes(t);
        scales s;
        ask_ahead(t, at);
        row_scales(t, r, group, BLOCKS, &s);
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) {
            size_t block = first + (size_t)i * apart + (size_t)group * BLOCKS;
            eight_sums of[2];
            group_sums(t, at, x->q + block * BLOCK, is_signed(t) ? x->start + block : NULL, of);
            add_scaled(t, &s, of, x->scale + block * parts, x->sum + block * parts, sum[i]);
        }
    }
    if (w->columns % GROUP)
        last_group(t, n, r, group, x, first, sum);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
        lanes[i] = is_fine(t) ? sum[i][0] + sum[i][1] : sum[i][0];
}

/* to[j] = the sum of lanes[j][i], taken by twos. */
INLINE void add_up(const eight lanes[SIDE_BY_SIDE][TOGETHER], int i, float to[SIDE_BY_SIDE])
{
#if defined(__AVX2__)
    __m256 low = _mm256_hadd_ps((__m256)lanes[0][i], (__m256)lanes[1][i]), high = _mm256_hadd_ps((__m256)lanes[2][i], (__m256)lanes[3][i]);
    __m256 all = _mm256_hadd_ps(low, high);
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
#else
    for (int j = 0; j < SIDE_BY_SIDE; j++)
        to[j] = ((lanes[j][i][0] + lanes[j][i][1]) + (lanes[j][i][2] + lanes[j][i][3])) +
                ((lanes[j][i][4] + lanes[j][i][5]) + (lanes[j][i][6] + lanes[j][i][7]));
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
