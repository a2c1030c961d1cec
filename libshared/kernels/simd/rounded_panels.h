/* Products of quantised weights with many rows of activations that were rounded to int8. ROWS rows of the matrix are packed into
 * a panel, unpacked to bytes and interleaved by fours, so that a vector holds four columns of each row and a lane sums up its
 * row: block by block the codes [8][ROWS][4], scales [parts][ROWS], and lows alike where codes have no sign. Part of
 * variant.c. */

#if LANES == 16
enum { ROWS = 16, SIDE = 8 }; /* SIDE: rows of x that are multiplied side by side */
#else
enum { ROWS = 8, SIDE = 4 };
#endif

typedef uint8_t row_codes __attribute__((vector_size(4 * ROWS)));
typedef int32_t row_sums __attribute__((vector_size(4 * ROWS)));
typedef float row_floats __attribute__((vector_size(4 * ROWS)));

INLINE size_t panel_block(lm_dtype t)
{
    size_t parts = is_fine(t) ? 2 : 1;
    return ROWS * (BLOCK + (is_signed(t) ? 1 : 2) * parts * sizeof(float));
}

INLINE size_t panel_bytes(const lm_quantised *w)
{
    return (size_t)((w->columns + BLOCK - 1) / BLOCK) * panel_block(w->type);
}

static size_t rounded_panels_bytes(const lm_quantised *w, int count)
{
    return (size_t)((count + ROWS - 1) / ROWS) * panel_bytes(w);
}

/* ---- packing ---- */

/* to[v][r] = bytes 4v .. 4v + 3 of from[r], for eight rows of ROWS. */
INLINE void interleave(const codes from[8], uint8_t *to)
{
#if defined(__AVX2__)
    __m256i two[8], four[8]; /* fours v and v + 4 side by side */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        two[2 * i] = _mm256_unpacklo_epi32((__m256i)from[2 * i], (__m256i)from[2 * i + 1]);
        two[2 * i + 1] = _mm256_unpackhi_epi32((__m256i)from[2 * i], (__m256i)from[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        four[i] = _mm256_unpacklo_epi64(two[i], two[i + 2]);
        four[i + 1] = _mm256_unpackhi_epi64(two[i], two[i + 2]);
        four[i + 2] = _mm256_unpacklo_epi64(two[i + 1], two[i + 3]);
        four[i + 3] = _mm256_unpackhi_epi64(two[i + 1], two[i + 3]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        __m256i low = _mm256_permute2x128_si256(four[v], four[4 + v], 0x20);
        __m256i high = _mm256_permute2x128_si256(four[v], four[4 + v], 0x31);
        _mm256_storeu_si256((__m256i *)(to + v * ROWS * 4), low);
        _mm256_storeu_si256((__m256i *)(to + (v + 4) * ROWS * 4), high);
    }
#else
    for (int r = 0; r < 8; r++)
        for (int v = 0; v < 8; v++)
            memcpy(to + (v * ROWS + r) * 4, (const uint8_t *)&from[r] + 4 * v, 4);
#endif
}

/* Eight rows at most, to lanes [lane, lane + 8). */
INLINE void pack_group(lm_dtype t, const stored_row rows[8], int n, int lane, int group, int blocks, uint8_t *to)
{
    const int parts = is_fine(t) ? 2 : 1;
    scales s[8];
    if (n < 8)
        memset(s, 0, sizeof s);
    for (int r = 0; r < n; r++) {
        ask_for(rows[r].at + (size_t)group * group_bytes(t) + 8 * bytes_of(t, rows[r].of->columns), group_bytes(t)); /* the next eight */
        row_scales(t, rows[r], group, blocks, &s[r]);
        if (zero_of(t))
            for (int i = 0; i < blocks * parts; i++)
                s[r].low[i] = -(float)zero_of(t) * s[r].scale[i];
    }
    for (int b = 0; b < blocks; b++, to += panel_block(t)) {
        codes c[8] = {{0}};
        float *scale = (float *)(void *)(to + ROWS * BLOCK) + lane;
        for (int r = 0; r < n; r++)
            c[r] = codes_within(t, rows[r], group, b);
        interleave(c, to + lane * 4);
        for (int p = 0; p < parts; p++) {
            for (int r = 0; r < 8; r++) {
                scale[p * ROWS + r] = s[r].scale[b * parts + p];
                if (!is_signed(t))
                    scale[(parts + p) * ROWS + r] = s[r].low[b * parts + p];
            }
        }
    }
}

INLINE void pack_panel(lm_dtype t, const lm_quantised *w, int first, int n, uint8_t *panel)
{
    int blocks = (w->columns + BLOCK - 1) / BLOCK;
    for (int lane = 0; lane < ROWS; lane += 8) {
        stored_row rows[8];
        int here = n - lane < 0 ? 0 : n - lane < 8 ? n - lane : 8;
        for (int r = 0; r < here; r++)
            rows[r] = row_of(t, w, first + lane + r, 0);
        int group = 0;
        for (; here == 8 && (group + 1) * GROUP <= w->columns; group++)
            pack_group(t, rows, 8, lane, group, BLOCKS, panel + (size_t)group * BLOCKS * panel_block(t));
        for (; group * BLOCKS < blocks; group++) {
            int left = blocks - group * BLOCKS;
            pack_group(t, rows, here, lane, group, left < BLOCKS ? left : BLOCKS,
                       panel + (size_t)group * BLOCKS * panel_block(t));
        }
    }
}

static void rounded_pack(const lm_quantised *w, int first, int count, void *panels)
{
#define PACK(t)                                                                                              \
    for (int r = 0; r < count; r += ROWS, to += each)                                                        \
    pack_panel(t, w, first + r, count - r < ROWS ? count - r : ROWS, to)
    size_t each = panel_bytes(w);
    uint8_t *to = panels;
    OF_ROUNDED_TYPE(w->type, PACK)
#undef PACK
}

/* ---- multiplying ---- */

INLINE row_floats row_load(const void *p)
{
    row_floats v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE row_floats row_splat(float x)
{
    return x - (row_floats){0};
}

INLINE row_floats row_fused(row_floats a, row_floats b, row_floats c)
{
#if defined(__AVX512F__)
    return (row_floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (row_floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

INLINE row_codes row_four(const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    return (row_codes)(four - (row_sums){0});
}

#if defined(__AVX512F__)
#define ROW_(f) _mm512_##f
#define ROW_VECTOR __m512i
#elif defined(__AVX2__)
#define ROW_(f) _mm256_##f
#define ROW_VECTOR __m256i
#endif

#if defined(__AVX2__)
/* Of codes with a sign: w, and x with the signs of w. */
INLINE row_codes row_sizes(row_codes w)
{
    return (row_codes)ROW_(abs_epi8)((ROW_VECTOR)w);
}

INLINE row_codes row_signs(row_codes x, row_codes w)
{
#if defined(__AVX512F__)
    return (row_codes)_mm512_mask_sub_epi8((__m512i)x, _mm512_movepi8_mask((__m512i)w), _mm512_setzero_si512(), (__m512i)x);
#else
    return (row_codes)_mm256_sign_epi8((__m256i)x, (__m256i)w);
#endif
}

INLINE row_sums row_pairs(row_sums pairs, row_codes w, row_codes x)
{
    return (row_sums)ROW_(add_epi16)((ROW_VECTOR)pairs, ROW_(maddubs_epi16)((ROW_VECTOR)w, (ROW_VECTOR)x));
}

INLINE row_sums row_add_pairs(row_sums sum, row_sums pairs)
{
    return sum + (row_sums)ROW_(madd_epi16)((ROW_VECTOR)pairs, ROW_(set1_epi16)(1));
}
#endif

/* sum += fours of w and x; vnni: codes with a sign are shifted by 128, and sums begin with what that is too much. Elsewhere pairs
 * are added up as 16-bit numbers, `run` vectors of them, which is as many as fit. */
INLINE void row_fours(lm_dtype t, bool last, row_sums *sum, row_sums *pairs, row_codes w, row_codes x)
{
#if defined(__AVX512VNNI__)
    (void)t, (void)last, (void)pairs;
    *sum = (row_sums)_mm512_dpbusd_epi32((__m512i)*sum, (__m512i)w, (__m512i)x);
#elif defined(__AVX2__)
    if (is_signed(t)) {
        *sum = row_add_pairs(*sum, row_pairs((row_sums){0}, row_sizes(w), row_signs(x, w)));
        return;
    }
    *pairs = row_pairs(*pairs, w, x);
    if (last) {
        *sum = row_add_pairs(*sum, *pairs);
        *pairs = (row_sums){0};
    }
#else
    (void)last, (void)pairs;
    *sum += (row_sums)fours(is_signed(t), (codes)w, (codes)x);
#endif
}

INLINE row_sums first_sum(lm_dtype t, const lm_rounded *x, size_t block)
{
#if defined(__AVX512VNNI__)
    if (is_signed(t))
        return x->start[block] - (row_sums){0};
#endif
    (void)t, (void)x, (void)block;
    return (row_sums){0};
}

INLINE row_codes row_load_codes(lm_dtype t, const uint8_t *p)
{
    row_codes c;
    memcpy(&c, p, sizeof c);
#if defined(__AVX512VNNI__)
    if (is_signed(t))
        c ^= 0x80;
#endif
    (void)t;
    return c;
}

/* What a tile is made of: ROWS rows of the matrix, `side` rows of x, both constants. */
INLINE void rounded_tile(lm_dtype t, int side, const uint8_t *panel, const lm_rounded *x, int x_row, int blocks, row_floats *out)
{
    const int parts = is_fine(t) ? 2 : 1, vectors = 8 / parts;
    const int fit = most_of(t) <= 15 ? 8 : most_of(t) <= 31 ? 4 : 2, run = fit < vectors ? fit : vectors;
    size_t stride = (size_t)x->blocks, block = (size_t)x_row * stride;
    row_floats sums[2 * BLOCKS][SIDE]; /* those of rounded.h */
    for (int j = 0; j < BLOCKS * parts; j++)
#pragma GCC unroll 8
        for (int i = 0; i < side; i++)
            sums[j][i] = (row_floats){0};
    for (int b = 0; b < blocks; b++, block++, panel += panel_block(t)) {
        const uint8_t *w = panel, *scale = panel + ROWS * BLOCK;
        const int8_t *q = x->q + block * BLOCK;
#pragma GCC unroll 2
        for (int p = 0; p < parts; p++) {
            row_sums whole[SIDE], pairs[SIDE];
#pragma GCC unroll 8
            for (int i = 0; i < side; i++)
                whole[i] = first_sum(t, x, block + (size_t)i * stride), pairs[i] = (row_sums){0};
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++, w += sizeof(row_codes), q += 4) {
                row_codes c = row_load_codes(t, w);
#pragma GCC unroll 8
                for (int i = 0; i < side; i++)
                    row_fours(t, v % run == run - 1, &whole[i], &pairs[i], c, row_four(q + (size_t)i * stride * BLOCK));
            }
            row_floats s = row_load(scale + (size_t)p * sizeof s), *sum = sums[b % BLOCKS * parts + p];
#pragma GCC unroll 8
            for (int i = 0; i < side; i++) {
                size_t at = (block + (size_t)i * stride) * (size_t)parts + (size_t)p;
                sum[i] = row_fused(__builtin_convertvector(whole[i], row_floats), s * x->scale[at], sum[i]);
                if (!is_signed(t))
                    sum[i] = row_fused(row_load(scale + (size_t)(parts + p) * sizeof s), row_splat(x->sum[at]), sum[i]);
            }
        }
    }
    for (int i = 0; i < side; i++) {
        row_floats all[BLOCKS];
#pragma GCC unroll 8
        for (int j = 0; j < BLOCKS; j++)
            all[j] = parts == 2 ? sums[j][i] + sums[BLOCKS + j][i] : sums[j][i];
        out[i] = ((all[0] + all[1]) + (all[2] + all[3])) + ((all[4] + all[5]) + (all[6] + all[7]));
    }
}

INLINE void rounded_tiles(lm_dtype t, int side, const uint8_t *panel, int count, const lm_rounded *x, int x_row, int blocks,
                          const float *bias, float *y, size_t ldy)
{
    row_floats sum[SIDE], add = {0};
    rounded_tile(t, side, panel, x, x_row, blocks, sum);
    if (bias)
        memcpy(&add, bias, (size_t)count * sizeof *bias);
#pragma GCC unroll 8
    for (int i = 0; i < side; i++) {
        row_floats out = sum[i] + add;
        if (count == ROWS)
            memcpy(y + (size_t)i * ldy, &out, sizeof out);
        else
            memcpy(y + (size_t)i * ldy, &out, (size_t)count * sizeof *y);
    }
}

INLINE void rounded_panel(lm_dtype t, const uint8_t *panel, int count, const lm_rounded *x, int from, int rows, int blocks,
                          const float *bias, float *y, size_t ldy)
{
    int i = 0;
    for (; i + SIDE <= rows; i += SIDE)
        rounded_tiles(t, SIDE, panel, count, x, from + i, blocks, bias, y + (size_t)i * ldy, ldy);
    for (; i < rows; i++)
        rounded_tiles(t, 1, panel, count, x, from + i, blocks, bias, y + (size_t)i * ldy, ldy);
}

/* Types whose panels are alike, by one of them. */
static lm_dtype kind_of_panel(lm_dtype t)
{
    return is_signed(t)      ? LM_Q8_0
           : t == LM_Q6_K    ? LM_Q6_K
           : is_fine(t)      ? LM_Q2_K
           : most_of(t) > 15 ? LM_Q5_K
                             : LM_Q4_K;
}

static void rounded_products(const lm_quantised *w, const void *panels, int count, const lm_rounded *x, int from, int rows,
                             const float *bias, float *y, size_t ldy)
{
    size_t each = panel_bytes(w);
    const uint8_t *panel = panels;
    int blocks = (w->columns + BLOCK - 1) / BLOCK;
    for (int r = 0; r < count; r += ROWS, panel += each) {
        int n = count - r < ROWS ? count - r : ROWS;
        const float *b = bias ? bias + r : NULL;
        switch (kind_of_panel(w->type)) {
        case LM_Q8_0: rounded_panel(LM_Q8_0, panel, n, x, from, rows, blocks, b, y + r, ldy); break;
        case LM_Q6_K: rounded_panel(LM_Q6_K, panel, n, x, from, rows, blocks, b, y + r, ldy); break;
        case LM_Q2_K: rounded_panel(LM_Q2_K, panel, n, x, from, rows, blocks, b, y + r, ldy); break;
        case LM_Q5_K: rounded_panel(LM_Q5_K, panel, n, x, from, rows, blocks, b, y + r, ldy); break;
        default: rounded_panel(LM_Q4_K, panel, n, x, from, rows, blocks, b, y + r, ldy);
        }
    }
}
