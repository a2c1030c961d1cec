/* Quantised weights as float32: rows of them, and their products with one row of x, which are made as they are unpacked. The
 * numbers are those of lm_quantised_expand: products of codes and scales are exact before a low is added. Part of variant.c. */

enum { PER_BLOCK = BLOCK / LANES, SUMS = 4, AHEAD = 4096 };

INLINE vf from_signed_bytes(const uint8_t *p)
{
#if defined(__AVX512F__)
    return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
#elif defined(__AVX2__)
    return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
#else
    vf v;
    for (int i = 0; i < LANES; i++)
        v[i] = (float)(int8_t)p[i];
    return v;
#endif
}

/* Vector v of 32 signed bytes. */
INLINE vf from_codes(codes c, int v)
{
#if defined(__AVX512F__)
    __m128i part = v ? _mm256_extracti128_si256((__m256i)c, 1) : _mm256_castsi256_si128((__m256i)c);
    return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(part));
#elif defined(__AVX2__)
    __m128i half = v / 2 ? _mm256_extracti128_si256((__m256i)c, 1) : _mm256_castsi256_si128((__m256i)c);
    return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v % 2 ? _mm_unpackhi_epi64(half, half) : half));
#else
    vf out;
    for (int i = 0; i < LANES; i++)
        out[i] = (float)(int8_t)c[v * LANES + i];
    return out;
#endif
}

INLINE vf from_f16(const uint8_t *p)
{
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__F16C__)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#else
    vi h = (vi)from_halves((const uint16_t *)p), sign = (h & 0x8000) << 16, rest = h & 0x7fff;
    vf finite = (vf)(rest << 13) * 0x1p112f; /* the exponent's bias is another; subnormals become normal */
    return (vf)(sign | (vi)choose(rest >= 0x7c00, (vf)(rest << 13 | 0x7f800000), finite));
#endif
}

/* table[code] of 32 codes, two a byte, the first one in the high half. */
INLINE void looked_up(const float table[16], const uint8_t *p, vf out[PER_BLOCK])
{
#if defined(__AVX512F__)
    /* each lane's byte, and the half that is its code (more bits than the last four do not count) */
    const __m512i first = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i by = _mm512_set1_epi64(4);
    __m512i all = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p)), values = _mm512_castps_si512(_mm512_loadu_ps(table));
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) {
        __m512i at = _mm512_srlv_epi32(_mm512_shuffle_epi8(all, _mm512_add_epi32(first, _mm512_set1_epi32(8 * v))), by);
        out[v] = (vf)_mm512_permutexvar_ps(at, _mm512_castsi512_ps(values));
    }
#elif defined(__AVX2__)
    const __m256i by = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        int word;
        memcpy(&word, p + 4 * v, sizeof word);
        out[v] = pick(table, (vi)_mm256_srlv_epi32(_mm256_set1_epi32(word), by));
    }
#else
    for (int i = 0; i < BLOCK; i++)
        out[i / LANES][i % LANES] = table[p[i / 2] >> (i % 2 ? 0 : 4) & 15];
#endif
}

INLINE const float *values_by_code(lm_dtype t)
{
    return t == LM_NF4 ? lm_nf4_values : lm_fp4_values;
}

/* Weights of 32 columns; s->scale and s->low have what is theirs from `part` on. */
INLINE void weights_of(lm_dtype t, const uint8_t *at, int b, const scales *s, vf out[PER_BLOCK])
{
    const bool coded = !in_singles(t) && t != LM_Q8_0;
    const uint8_t *from = at + (size_t)b * block_bytes(t) + (t == LM_Q8_0 ? 2 : 0);
    codes c = {0};
    if (is_looked_up(t)) {
        looked_up(values_by_code(t), from, out);
#pragma GCC unroll 8
        for (int v = 0; v < PER_BLOCK; v++)
            out[v] *= s->scale[b];
        return;
    }
    if (coded)
        c = codes_of(t, at, b) - (uint8_t)zero_of(t);
#pragma GCC unroll 8
    for (int v = 0; v < PER_BLOCK; v++) {
        int part = is_fine(t) ? 2 * b + v * LANES / 16 : b;
        if (t == LM_F16)
            out[v] = from_f16(from + 2 * LANES * v);
        else if (t == LM_BF16)
            out[v] = (vf)(from_halves((const uint16_t *)(const void *)(from + 2 * LANES * v)) << 16);
        else if (has_lows(t))
            out[v] = fused(from_codes(c, v), splat(s->scale[part]), splat(s->low[part]));
        else
            out[v] = (coded ? from_codes(c, v) : from_signed_bytes(from + LANES * v)) * s->scale[part];
    }
}

/* A row of the matrix, from a column on where a block begins. */
typedef struct stored_row {
    const uint8_t *at;
    const lm_quantised *of;
    size_t element; /* NF4, FP4: the number of the first one; else the row's number */
} stored_row;

INLINE stored_row row_of(lm_dtype t, const lm_quantised *w, int row, int from)
{
    size_t stored = (size_t)lm_quantised_row(w, row);
    stored_row r = {w->data, w, stored};
    if (is_looked_up(t)) {
        r.element = stored * (size_t)w->columns + (size_t)from;
        r.at += r.element / 2;
    } else {
        r.at += stored * bytes_of(t, w->columns) + bytes_of(t, from);
    }
    return r;
}

/* Of blocks of 32 from an element on, where scales are those of a whole number of them: NF4 and FP4. */
INLINE void scales_of_run(const lm_quantised *w, size_t element, int blocks, float *scale)
{
    int shift = __builtin_ctz((unsigned)w->block); /* a power of two, as torn() has it */
    if (shift == 6 && blocks == BLOCKS && element % 64 == 0 && !w->nested.code) {
        const float *of = w->scale + element / 64;
        store_eight(scale, (eight){of[0], of[0], of[1], of[1], of[2], of[2], of[3], of[3]});
        return;
    }
    size_t last = SIZE_MAX;
    for (int b = 0; b < blocks; b++) {
        size_t at = (element + (size_t)b * BLOCK) >> shift;
        scale[b] = at == last ? scale[b - 1] : w->nested.code ? lm_quantised_absmax(w, at) : w->scale[at];
        last = at;
    }
}

INLINE void row_scales(lm_dtype t, stored_row r, int group, int blocks, scales *s)
{
    if (t == LM_I8)
        store_eight(s->scale, r.of->scale[r.element] - (eight){0});
    else if (is_looked_up(t))
        scales_of_run(r.of, r.element + (size_t)group * GROUP, blocks, s->scale);
    else if (t != LM_F16 && t != LM_BF16)
        scales_of(t, r.at + (size_t)group * group_bytes(t), blocks, s);
}

/* The weights of what is left over of a row of single elements, zeros after them. */
INLINE void last_weights(lm_dtype t, stored_row r, int column, int n, const scales *s, vf out[PER_BLOCK])
{
    uint8_t rest[2 * BLOCK] = {0};
    size_t each = lm_dtype_block_bytes(t);
    memcpy(rest, r.at + (size_t)column * each, (size_t)n * each);
    weights_of(t, rest, 0, s, out);
}

INLINE void expand_blocks(lm_dtype t, stored_row r, int group, int blocks, float *out)
{
    scales s;
    row_scales(t, r, group, blocks, &s);
#pragma GCC unroll 2
    for (int b = 0; b < blocks; b++) {
        vf w[PER_BLOCK];
        weights_of(t, r.at + (size_t)group * group_bytes(t), b, &s, w);
#pragma GCC unroll 8
        for (int v = 0; v < PER_BLOCK; v++)
            store(out + group * GROUP + b * BLOCK + v * LANES, w[v]);
    }
}

INLINE void expand_row(lm_dtype t, const lm_quantised *w, int row, int from, int n, float *out)
{
    stored_row r = row_of(t, w, row, from);
    int group = 0;
    for (; (group + 1) * GROUP <= n; group++)
        expand_blocks(t, r, group, BLOCKS, out);
    if (n % GROUP)
        expand_blocks(t, r, group, n % GROUP / BLOCK, out);
    if (in_singles(t) && n % BLOCK) {
        scales s;
        vf last[PER_BLOCK];
        row_scales(t, r, group, 1, &s);
        last_weights(t, r, n / BLOCK * BLOCK, n % BLOCK, &s, last);
        memcpy(out + n / BLOCK * BLOCK, last, (size_t)(n % BLOCK) * sizeof *out);
    }
}

INLINE void ask_for(const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(at + i);
}

/* What comes a page later is asked for: the processor does so by itself up to the end of a page. */
INLINE void ask_ahead(lm_dtype t, const uint8_t *at)
{
    ask_for(at + AHEAD, group_bytes(t));
}

INLINE void dot_blocks(lm_dtype t, stored_row r, int group, int blocks, const float *x, vf sum[SUMS])
{
    ask_ahead(t, r.at + (size_t)group * group_bytes(t));
    scales s;
    row_scales(t, r, group, blocks, &s);
#pragma GCC unroll 8
    for (int b = 0; b < blocks; b++) {
        vf w[PER_BLOCK];
        if (is_looked_up(t)) {
            const float *of_x = x + group * GROUP + b * BLOCK;
            looked_up(values_by_code(t), r.at + (size_t)group * group_bytes(t) + (size_t)b * block_bytes(t), w);
            vf of_block = w[0] * load(of_x);
#pragma GCC unroll 8
            for (int v = 1; v < PER_BLOCK; v++)
                of_block = fused(w[v], load(of_x + v * LANES), of_block);
            sum[b % SUMS] = fused(of_block, splat(s.scale[b]), sum[b % SUMS]);
            continue;
        }
        weights_of(t, r.at + (size_t)group * group_bytes(t), b, &s, w);
#pragma GCC unroll 8
        for (int v = 0; v < PER_BLOCK; v++)
            sum[(b * PER_BLOCK + v) % SUMS] =
                fused(w[v], load(x + group * GROUP + b * BLOCK + v * LANES), sum[(b * PER_BLOCK + v) % SUMS]);
    }
}

INLINE float dot_row(lm_dtype t, const lm_quantised *w, int row, const float *x)
{
    stored_row r = row_of(t, w, row, 0);
    int n = w->columns, group = 0;
    vf sum[SUMS] = {{0}};
    for (; (group + 1) * GROUP <= n; group++)
        dot_blocks(t, r, group, BLOCKS, x, sum);
    if (n % GROUP)
        dot_blocks(t, r, group, n % GROUP / BLOCK, x, sum);
    if (in_singles(t) && n % BLOCK) {
        scales s;
        vf last[PER_BLOCK];
        float rest[BLOCK] = {0};
        row_scales(t, r, group, 1, &s);
        last_weights(t, r, n / BLOCK * BLOCK, n % BLOCK, &s, last);
        memcpy(rest, x + n / BLOCK * BLOCK, (size_t)(n % BLOCK) * sizeof *x);
        for (int v = 0; v < PER_BLOCK; v++)
            sum[v % SUMS] = fused(last[v], load(rest + v * LANES), sum[v % SUMS]);
    }
    return sum_of((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* One loop for each type: `do_(t)` with t a constant. */
#define OF_TYPE(type, do_)                                                                                   \
    switch (type) {                                                                                          \
    case LM_F16: do_(LM_F16); break;                                                                         \
    case LM_BF16: do_(LM_BF16); break;                                                                       \
    case LM_NF4: do_(LM_NF4); break;                                                                         \
    case LM_FP4: do_(LM_FP4); break;                                                                         \
    default: OF_ROUNDED_TYPE(type, do_)                                                                      \
    }
#define OF_ROUNDED_TYPE(type, do_)                                                                           \
    switch (type) {                                                                                          \
    case LM_I8: do_(LM_I8); break;                                                                           \
    case LM_Q8_0: do_(LM_Q8_0); break;                                                                       \
    case LM_Q4_0: do_(LM_Q4_0); break;                                                                       \
    case LM_Q4_1: do_(LM_Q4_1); break;                                                                       \
    case LM_Q5_0: do_(LM_Q5_0); break;                                                                       \
    case LM_Q5_1: do_(LM_Q5_1); break;                                                                       \
    case LM_Q2_K: do_(LM_Q2_K); break;                                                                       \
    case LM_Q3_K: do_(LM_Q3_K); break;                                                                       \
    case LM_Q4_K: do_(LM_Q4_K); break;                                                                       \
    case LM_Q5_K: do_(LM_Q5_K); break;                                                                       \
    case LM_Q6_K: do_(LM_Q6_K); break;                                                                       \
    case LM_IQ4_NL: do_(LM_IQ4_NL); break;                                                                   \
    default: break;                                                                                          \
    }

/* A block of 32 columns with two scales, or whose codes begin within a byte. */
static bool torn(const lm_quantised *w)
{
    return is_looked_up(w->type) && (w->columns % BLOCK || w->block % BLOCK || (w->block & (w->block - 1)));
}

static void weights_expand(const lm_quantised *w, int row, int from, int n, float *out)
{
#define EXPAND(t) expand_row(t, w, row, from, n, out)
    if (torn(w))
        lm_quantised_part(w, row, from, n, out);
    else
        OF_TYPE(w->type, EXPAND)
#undef EXPAND
}
