/* Attention over keys and values that are kept in pages (kernels.h), which are packed as the products want them. Part of
 * variant.c, after attention.h.
 *
 * The queries of all heads that share the keys are rows of one product, token by token, so that a page is read once for
 * a block of them. */

_Static_assert((int)LM_KEPT_ROWS == (int)QUERIES, "a block of rows has the room of a block of queries");

static size_t attention_kept_scratch(int nq, int nk, int dim)
{
    size_t distances = padded((size_t)nq + (size_t)nk) + LANES;
    return QUERIES * (2 * lm_page_width(dim) + (size_t)(nk + LM_PAGE)) + distances + (size_t)(nk + LM_PAGE);
}

static frame lay_out_kept(const lm_attention_task *t)
{
    size_t keys = ((size_t)t->nk + LM_PAGE - 1) / LM_PAGE * LM_PAGE;
    frame f = {.t = t, .keys = keys, .width = lm_page_width(t->dim), .q = t->scratch};
    f.o = f.q + QUERIES * f.width;
    f.scores = f.o + QUERIES * f.width;
    f.bias = t->relative ? f.scores + QUERIES * keys : NULL;
    f.mask = (uint8_t *)(f.scores + QUERIES * keys + (f.bias ? padded((size_t)t->nq + (size_t)t->nk) + LANES : 0));
    return f;
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
    size_t values = (size_t)t->dim * LM_PAGE;
    float sums[QUERIES];
    for (int r = 0; r < rows; r++)
        memcpy(f.q + (size_t)r * (size_t)t->dim, t->q + place_of_row(t, from + r, t->ldq), (size_t)t->dim * sizeof *f.q);
    for (int j = first; j < keys; j += LM_PAGE)
        product((operand){f.q, (size_t)t->dim, 1}, t->pages[j / LM_PAGE] + t->in_page, LM_PAGE, f.scores + j, f.keys, rows,
                LM_PAGE, t->dim, false);
    for (int r = 0; r < rows; r++) {
        if (r == 0 || t->group > 1)
            spread_bias(&f, (from + r) % t->group);
        softmax_row(&f, (from + r) % t->group, (from + r) / t->group, f.scores + (size_t)r * f.keys, first,
                    &sums[r]);
    }
    for (int j = first; j < keys; j += LM_PAGE)
        product((operand){f.scores + j, f.keys, 1}, t->pages[j / LM_PAGE] + t->in_page + values, f.width, f.o, f.width,
                rows, f.width, keys - j < LM_PAGE ? keys - j : LM_PAGE, j > first);
    if (keys == 0)
        fill(f.o, 0, (size_t)rows * f.width, 0);
    for (int r = 0; r < rows; r++) {
        scale(1 / sums[r], f.o + (size_t)r * f.width, f.o + (size_t)r * f.width, f.width);
        memcpy(t->out + place_of_row(t, from + r, t->ldo), f.o + (size_t)r * f.width, (size_t)t->dim * sizeof *f.o);
    }
}
