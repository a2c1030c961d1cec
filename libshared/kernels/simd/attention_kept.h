/* Attention over keys and values that are kept in pages (kernels.h), which are packed as the products want them. Part of
 * variant.c, after attention.h.
 *
 * What is kept in fewer bits is made floats page by page, in a block that stays in the nearest cache.
 *
 * The queries of all heads that share the keys are rows of one product, token by token, so that a page is read once for
 * a block of them. */

_Static_assert((int)LM_KEPT_ROWS == (int)QUERIES, "a block of rows has the room of a block of queries");

static size_t attention_kept_scratch(int nq, int nk, int dim)
{
    size_t distances = padded((size_t)nq + (size_t)nk) + LANES;
    return QUERIES * (2 * lm_page_width(dim) + (size_t)(nk + LM_PAGE)) + LM_PAGE * lm_page_width(dim) + distances + (size_t)(nk + LM_PAGE);
}

static frame lay_out_kept(const lm_attention_task *t)
{
    size_t keys = ((size_t)t->nk + LM_PAGE - 1) / LM_PAGE * LM_PAGE;
    frame f = {.t = t, .keys = keys, .width = lm_page_width(t->dim), .q = t->scratch};
    f.o = f.q + QUERIES * f.width;
    f.page = f.o + QUERIES * f.width;
    f.scores = f.page + LM_PAGE * f.width;
    f.bias = t->relative ? f.scores + QUERIES * keys : NULL;
    f.mask = (uint8_t *)(f.scores + QUERIES * keys + (f.bias ? padded((size_t)t->nq + (size_t)t->nk) + LANES : 0));
    return f;
}

INLINE vf widened(const uint16_t *p)
{
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif defined(__F16C__)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#else
    float x[LANES];
    for (int i = 0; i < LANES; i++)
        x[i] = lm_f16_to_f32(p[i]);
    return load(x);
#endif
}

INLINE vf of_bytes(const uint8_t *p)
{
    typedef int8_t bytes __attribute__((vector_size(LANES)));
    bytes b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, vf);
}

static void widen(const uint16_t *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        store(to + i, widened(from + i));
}

/* The keys of a page, [dim, LM_PAGE], and its first `count` values, [count, width], as floats. */
static const float *keys_of_page(const frame *f, const uint8_t *page)
{
    const uint8_t *p = page + f->t->in_page;
    size_t dim = (size_t)f->t->dim;
    if (f->t->kept == LM_F32)
        return (const float *)(const void *)p;
    if (f->t->kept == LM_F16) {
        widen((const uint16_t *)(const void *)p, f->page, dim * LM_PAGE);
        return f->page;
    }
    const uint16_t *scales = (const uint16_t *)(const void *)(p + dim * LM_PAGE);
    for (size_t b = 0; b < lm_page_scales(f->t->dim); b++) {
        for (size_t j = 0; j < LM_PAGE; j += LANES) {
            vf by = widened(scales + b * LM_PAGE + j);
            for (size_t c = 32 * b; c < 32 * b + 32 && c < dim; c++)
                store(f->page + c * LM_PAGE + j, of_bytes(p + c * LM_PAGE + j) * by);
        }
    }
    return f->page;
}

static const float *values_of_page(const frame *f, const uint8_t *page, int count)
{
    const uint8_t *p = page + f->t->in_values;
    size_t n = (size_t)count, blocks = lm_page_scales(f->t->dim);
    if (f->t->kept == LM_F32)
        return (const float *)(const void *)p;
    if (f->t->kept == LM_F16) {
        widen((const uint16_t *)(const void *)p, f->page, n * f->width);
        return f->page;
    }
    const uint16_t *scales = (const uint16_t *)(const void *)(p + LM_PAGE * f->width);
    for (size_t j = 0; j < n; j++) {
        for (size_t b = 0; b < blocks; b++) {
            vf by = splat(lm_f16_to_f32(scales[j * blocks + b]));
            for (size_t c = 32 * b; c < 32 * b + 32 && c < f->width; c += LANES)
                store(f->page + j * f->width + c, of_bytes(p + j * f->width + c) * by);
        }
    }
    return f->page;
}

/* Row r of a block that begins at row `from`: head r % group of query r / group. */
static size_t place_of_row(const lm_attention_task *t, int row, size_t ld)
{
    return (size_t)(row / t->group) * ld + (size_t)(row % t->group) * (size_t)t->dim;
}

/* Rows [from, from + rows) of nq * group; QUERIES of them at most. */
static void attention_kept(const lm_attention_task *t, int from, int rows)
{
    frame f = lay_out_kept(t);
    int keys = seen_by(t, (from + rows - 1) / t->group + 1);
    int first = first_visible(t, from / t->group) / LM_PAGE * LM_PAGE; /* of the keys that any of them sees */
    float sums[QUERIES];
    for (int r = 0; r < rows; r++)
        memcpy(f.q + (size_t)r * (size_t)t->dim, t->q + place_of_row(t, from + r, t->ldq), (size_t)t->dim * sizeof *f.q);
    for (int j = first; j < keys; j += LM_PAGE)
        product((operand){f.q, (size_t)t->dim, 1}, keys_of_page(&f, t->pages[j / LM_PAGE]), LM_PAGE, f.scores + j, f.keys,
                rows, LM_PAGE, t->dim, false);
    for (int r = 0; r < rows; r++) {
        if (r == 0 || t->group > 1)
            spread_bias(&f, (from + r) % t->group);
        softmax_row(&f, (from + r) % t->group, (from + r) / t->group, f.scores + (size_t)r * f.keys, first,
                    &sums[r]);
    }
    for (int j = first; j < keys; j += LM_PAGE) {
        int count = keys - j < LM_PAGE ? keys - j : LM_PAGE;
        product((operand){f.scores + j, f.keys, 1}, values_of_page(&f, t->pages[j / LM_PAGE], count), f.width, f.o, f.width,
                rows, f.width, count, j > first);
    }
    if (keys == 0)
        fill(f.o, 0, (size_t)rows * f.width, 0);
    for (int r = 0; r < rows; r++) {
        scale(1 / sums[r], f.o + (size_t)r * f.width, f.o + (size_t)r * f.width, f.width);
        memcpy(t->out + place_of_row(t, from + r, t->ldo), f.o + (size_t)r * f.width, (size_t)t->dim * sizeof *f.o);
    }
}
