/* Products of rows of the matrix with one row of x, as float32. Codes of four bits that stand for floats (NF4, FP4) are looked up as
 * they lie: a vector takes one from each of many bytes, and it is x that is put into that order, once for all rows. Part of
 * variant.c. */

enum { RUN = 8 * LANES, RUN_BLOCKS = RUN / BLOCK }; /* columns of eight vectors */

#if defined(__AVX2__)
INLINE bool is_ordered(const lm_quantised *w)
{
    return is_looked_up(w->type) && !torn(w) && w->columns % RUN == 0;
}

/* What a code is worth, of the codes of RUN columns. */
#if defined(__AVX512F__)
typedef __m512 code_values;

INLINE code_values values_of_codes(const float table[16])
{
    return _mm512_loadu_ps(table);
}

/* A lane has the codes of eight columns that follow one another, the first of two in the high half of a byte. */
INLINE int column_of(int vector, int lane)
{
    return 8 * lane + (vector ^ 1);
}

INLINE void run_of_codes(const code_values *values, const uint8_t *at, vf out[8])
{
    __m512i all = _mm512_loadu_si512(at);
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) /* more bits than the last four do not count */
        out[v] = (vf)_mm512_permutexvar_ps(_mm512_srli_epi32(all, (unsigned)(4 * v)), *values);
}

INLINE vf run_scales(const float *scale)
{
    const __m512i each = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    return (vf)_mm512_permutexvar_ps(each, _mm512_castps128_ps512(_mm_loadu_ps(scale)));
}
#else
typedef struct code_values {
    __m256i byte[4]; /* of the floats, in both halves */
} code_values;

INLINE code_values values_of_codes(const float table[16])
{
    uint8_t byte[4][16];
    code_values v;
    for (int b = 0; b < 4; b++) {
        for (int i = 0; i < 16; i++)
            memcpy(&byte[b][i], (const uint8_t *)&table[i] + b, 1);
        v.byte[b] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)byte[b]));
    }
    return v;
}

/* The first four vectors are those of the low halves, of four bytes of each half of 32. */
INLINE int column_of(int vector, int lane)
{
    return 2 * (lane / 4 * 16 + vector % 4 * 4 + lane % 4) + (vector < 4);
}

INLINE void run_of_codes(const code_values *values, const uint8_t *at, vf out[8])
{
    __m256i all = _mm256_loadu_si256((const __m256i *)at), mask = _mm256_set1_epi8(15);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++, out += 4) {
        __m256i code = _mm256_and_si256(h ? _mm256_srli_epi16(all, 4) : all, mask), byte[4];
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++)
            byte[b] = _mm256_shuffle_epi8(values->byte[b], code);
        __m256i low = _mm256_unpacklo_epi8(byte[0], byte[1]), high = _mm256_unpacklo_epi8(byte[2], byte[3]);
        out[0] = (vf)_mm256_unpacklo_epi16(low, high), out[1] = (vf)_mm256_unpackhi_epi16(low, high);
        low = _mm256_unpackhi_epi8(byte[0], byte[1]), high = _mm256_unpackhi_epi8(byte[2], byte[3]);
        out[2] = (vf)_mm256_unpacklo_epi16(low, high), out[3] = (vf)_mm256_unpackhi_epi16(low, high);
    }
}

INLINE vf run_scales(const float *scale)
{
    return (vf)_mm256_set_m128(_mm_broadcast_ss(scale + 1), _mm_broadcast_ss(scale));
}
#endif

INLINE void ordered_blocks(const code_values *values, stored_row r, int group, int blocks, const float *x, vf sum[2])
{
    const uint8_t *at = r.at + (size_t)group * GROUP / 2;
    scales s;
    ask_for(at + AHEAD, GROUP / 2);
    row_scales(LM_NF4, r, group, blocks, &s);
    x += group * GROUP;
#pragma GCC unroll 4
    for (int b = 0; b < blocks; b += RUN_BLOCKS, at += RUN / 2, x += RUN) {
        vf w[8];
        run_of_codes(values, at, w);
        vf even = w[0] * load(x), odd = w[1] * load(x + LANES);
#pragma GCC unroll 4
        for (int v = 2; v < 8; v += 2) {
            even = fused(w[v], load(x + v * LANES), even);
            odd = fused(w[v + 1], load(x + (v + 1) * LANES), odd);
        }
        vf by = run_scales(s.scale + b);
        sum[0] = fused(even, by, sum[0]);
        sum[1] = fused(odd, by, sum[1]);
    }
}

static float ordered_dot(const code_values *values, const lm_quantised *w, int row, const float *x)
{
    stored_row r = row_of(LM_NF4, w, row, 0);
    vf sum[2] = {{0}};
    int group = 0;
    for (; (group + 1) * GROUP <= w->columns; group++)
        ordered_blocks(values, r, group, BLOCKS, x, sum);
    if (w->columns % GROUP)
        ordered_blocks(values, r, group, w->columns % GROUP / BLOCK, x, sum);
    return sum_of(sum[0] + sum[1]);
}

static void ordered_dots(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y)
{
    code_values values = values_of_codes(values_by_code(w->type));
    for (int j = 0; j < count; j++)
        y[j] = ordered_dot(&values, w, first + j, x) + (bias ? bias[j] : 0);
}

static const float *weights_order(const lm_quantised *w, const float *x, float *room)
{
    if (!is_ordered(w))
        return x;
    for (int c = 0; c < w->columns; c += RUN)
        for (int v = 0; v < 8; v++)
            for (int i = 0; i < LANES; i++)
                room[c + v * LANES + i] = x[c + column_of(v, i)];
    return room;
}
#else
INLINE bool is_ordered(const lm_quantised *w)
{
    (void)w;
    return false;
}

static void ordered_dots(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y)
{
    (void)w, (void)first, (void)count, (void)x, (void)bias, (void)y;
}

static const float *weights_order(const lm_quantised *w, const float *x, float *room)
{
    (void)w, (void)room;
    return x;
}
#endif

static float torn_dot(const lm_quantised *w, int row, const float *x)
{
    float part[GROUP], sum = 0;
    for (int c = 0; c < w->columns; c += GROUP) {
        int n = w->columns - c < GROUP ? w->columns - c : GROUP;
        lm_quantised_part(w, row, c, n, part);
        for (int i = 0; i < n; i++)
            sum += part[i] * x[c + i];
    }
    return sum;
}

static void weights_dots(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y)
{
#define DOTS(t)                                                                                              \
    for (int j = 0; j < count; j++)                                                                          \
    y[j] = dot_row(t, w, first + j, x) + (bias ? bias[j] : 0)
#define TORN_DOTS                                                                                            \
    for (int j = 0; j < count; j++)                                                                          \
    y[j] = torn_dot(w, first + j, x) + (bias ? bias[j] : 0)
    if (is_ordered(w))
        ordered_dots(w, first, count, x, bias, y);
    else if (torn(w))
        TORN_DOTS;
    else
        OF_TYPE(w->type, DOTS)
#undef DOTS
#undef TORN_DOTS
}
