/* Attention of one row and key/value head, in blocks of queries. Part of variant.c.
 *
 * Everything is first packed without gaps, its width padded with zeros to whole vectors, keys also
 * transposed, so that each of the products is C = A B with B read by vectors and A by single elements with
 * any two strides. */

enum {
    QUERIES = 48, /* of a block */
    TILE = 6      /* rows of a product that are summed in registers, two vectors wide */
};

INLINE size_t padded(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

typedef struct operand {
    const float *at;
    size_t row, column; /* steps */
} operand;

/* C[rows, vectors LANES] (+)= A[rows, depth] B[depth, ...]: rows and vectors are constants where it is
 * inlined. */
INLINE void tile(int rows, int vectors, operand a, const float *b, size_t ldb, float *c, size_t ldc,
                 int depth, bool add)
{
    vf sum[TILE][2];
#define FOR_TILE(body)                                                                                       \
    do {                                                                                                     \
        {                                                                                                    \
            enum { i = 0 };                                                                                  \
            body                                                                                             \
        }                                                                                                    \
        if (rows > 1) {                                                                                      \
            enum { i = 1 };                                                                                  \
            body                                                                                             \
        }                                                                                                    \
        if (rows > 2) {                                                                                      \
            enum { i = 2 };                                                                                  \
            body                                                                                             \
        }                                                                                                    \
        if (rows > 3) {                                                                                      \
            enum { i = 3 };                                                                                  \
            body                                                                                             \
        }                                                                                                    \
        if (rows > 4) {                                                                                      \
            enum { i = 4 };                                                                                  \
            body                                                                                             \
        }                                                                                                    \
        if (rows > 5) {                                                                                      \
            enum { i = 5 };                                                                                  \
            body                                                                                             \
        }                                                                                                    \
    } while (0)
    FOR_TILE({
        sum[i][0] = add ? load(c + i * ldc) : (vf){0};
        sum[i][1] = add && vectors > 1 ? load(c + i * ldc + LANES) : (vf){0};
    });
    const float *column = a.at;
    for (int k = 0; k < depth; k++, b += ldb, column += a.column) {
        vf b0 = load(b), b1 = vectors > 1 ? load(b + LANES) : (vf){0};
        FOR_TILE({
            vf x = splat(column[i * a.row]);
            sum[i][0] += x * b0;
            if (vectors > 1)
                sum[i][1] += x * b1;
        });
    }
    FOR_TILE({
        store(c + i * ldc, sum[i][0]);
        if (vectors > 1)
            store(c + i * ldc + LANES, sum[i][1]);
    });
#undef FOR_TILE
}

INLINE void tile_row(int rows, operand a, const float *b, size_t ldb, float *c, size_t ldc, size_t columns,
                     int depth, bool add)
{
    size_t j = 0;
    for (; j + 2 * LANES <= columns; j += 2 * LANES)
        tile(rows, 2, a, b + j, ldb, c + j, ldc, depth, add);
    if (j < columns)
        tile(rows, 1, a, b + j, ldb, c + j, ldc, depth, add);
}

/* columns is a multiple of LANES. */
static void product(operand a, const float *b, size_t ldb, float *c, size_t ldc, int rows, size_t columns,
                    int depth, bool add)
{
    int i = 0;
    for (; i + TILE <= rows; i += TILE, a.at += TILE * a.row, c += TILE * ldc)
        tile_row(TILE, a, b, ldb, c, ldc, columns, depth, add);
    switch (rows - i) {
    case 1:
        tile_row(1, a, b, ldb, c, ldc, columns, depth, add);
        break;
    case 2:
        tile_row(2, a, b, ldb, c, ldc, columns, depth, add);
        break;
    case 3:
        tile_row(3, a, b, ldb, c, ldc, columns, depth, add);
        break;
    case 4:
        tile_row(4, a, b, ldb, c, ldc, columns, depth, add);
        break;
    case 5:
        tile_row(5, a, b, ldb, c, ldc, columns, depth, add);
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ packing */

static void pack(const float *from, size_t ld, float *to, size_t width, int rows, int dim)
{
    for (int r = 0; r < rows; r++, from += ld, to += width) {
        memcpy(to, from, (size_t)dim * sizeof *to);
        for (size_t c = (size_t)dim; c < width; c++)
            to[c] = 0;
    }
}

/* to[c, r] = from[r, c]; rows are padded with zeros to `width` columns. */
static void pack_transposed(const float *from, size_t ld, float *to, size_t width, int rows, int dim)
{
    int r = 0;
#if defined(__x86_64__)
    for (; r + 4 <= rows; r += 4, from += 4 * ld) {
        int c = 0;
        for (; c + 4 <= dim; c += 4) {
            __m128 x0 = _mm_loadu_ps(from + c), x1 = _mm_loadu_ps(from + ld + c);
            __m128 x2 = _mm_loadu_ps(from + 2 * ld + c), x3 = _mm_loadu_ps(from + 3 * ld + c);
            float *at = to + (size_t)c * width + (size_t)r;
            _MM_TRANSPOSE4_PS(x0, x1, x2, x3);
            _mm_storeu_ps(at, x0);
            _mm_storeu_ps(at + width, x1);
            _mm_storeu_ps(at + 2 * width, x2);
            _mm_storeu_ps(at + 3 * width, x3);
        }
        for (; c < dim; c++)
            for (size_t i = 0; i < 4; i++)
                to[(size_t)c * width + (size_t)r + i] = from[i * ld + (size_t)c];
    }
#endif
    for (; r < rows; r++, from += ld)
        for (int c = 0; c < dim; c++)
            to[(size_t)c * width + (size_t)r] = from[c];
    for (int c = 0; c < dim; c++)
        for (size_t i = (size_t)rows; i < width; i++)
            to[(size_t)c * width + i] = 0;
}

/* from [rows, width] without its padding; to has gaps. */
static void unpack(const float *from, size_t width, float *to, size_t ld, int rows, int dim, bool add)
{
    for (int r = 0; r < rows; r++, from += width, to += ld) {
        if (add)
            add_vectors(from, to, to, (size_t)dim);
        else
            memcpy(to, from, (size_t)dim * sizeof *to);
    }
}

/* ------------------------------------------------------------------ a row */

/* What one row works with. */
typedef struct frame {
    const lm_attention_task *t;
    size_t keys, width;         /* nk and dim, padded */
    float *k_across, *v_across; /* [dim, keys] */
    float *k, *v;               /* [nk, width] */
    float *q, *o;               /* [QUERIES, width]: queries, and out or dout */
    float *page;                /* [LM_PAGE, width] */
    float *scores, *slopes;     /* [QUERIES, keys] */
    float *dq, *dk, *dv;        /* [QUERIES, width], [nk, width] twice */
    float *bias, *dbias;        /* [nq + nk, padded] of one head, by distance from 1 - nk on; where the task has any */
    uint8_t *mask;
} frame;

static size_t attention_scratch(int nq, int nk, int dim, bool backward)
{
    size_t keys = padded((size_t)nk), width = padded((size_t)dim), d = (size_t)dim, n = (size_t)nk;
    size_t distances = padded((size_t)nq + n) + LANES;
    size_t forward = d * keys + n * width + QUERIES * (2 * width + keys) + keys + distances;
    return backward ? forward + d * keys + 2 * n * width + QUERIES * (width + keys) + distances : forward;
}

static frame lay_out(const lm_attention_task *t, bool backward)
{
    frame f = {.t = t, .keys = padded((size_t)t->nk), .width = padded((size_t)t->dim)};
    size_t across = (size_t)t->dim * f.keys, along = (size_t)t->nk * f.width;
    float *next = t->scratch;
    f.k_across = next, next += across;
    f.q = next, next += QUERIES * f.width;
    f.o = next, next += QUERIES * f.width;
    f.scores = next, next += QUERIES * f.keys;
    if (backward) {
        f.v_across = next, next += across;
        f.k = next, next += along;
        f.slopes = next, next += QUERIES * f.keys;
        f.dq = next, next += QUERIES * f.width;
        f.dk = next, next += along;
        f.dv = next, next += along;
    } else {
        f.v = next, next += along;
    }
    if (t->relative) {
        size_t distances = padded((size_t)t->nq + (size_t)t->nk) + LANES;
        f.bias = next, next += distances;
        f.dbias = backward ? next : NULL, next += backward ? distances : 0;
    }
    f.mask = (uint8_t *)next;
    return f;
}

/* Keys that query i sees. */
static int visible(const lm_attention_task *t, int i)
{
    int n = t->causal ? i + 1 + t->nk - t->nq : t->nk;
    return n < 0 ? 0 : n > t->nk ? t->nk : n;
}

/* The first of them. */
static int first_visible(const lm_attention_task *t, int i)
{
    int from = visible(t, i) - t->window;
    return t->window && from > 0 ? from : 0;
}

/* The same, at the edge of a vector of any instruction set. */
static int edge_before(const lm_attention_task *t, int i)
{
    return first_visible(t, i) / 16 * 16;
}

static void mask_of_query(const frame *f, int head, int i, int keys)
{
    const lm_attention_task *t = f->t;
    const uint32_t counter[3] = {t->counter[0], t->counter[1] ^ (uint32_t)(t->first_head + head) << 16,
                                 (uint32_t)i};
    keep_bits(t->key, counter, t->threshold, f->mask, keys);
}

INLINE void scale_max_step(size_t at, size_t count, float *x, float by, vf *max)
{
    (void)count;
    vf v = load(x + at) * by;
    store(x + at, v);
    *max = larger(*max, v);
}

INLINE void biased_max_step(size_t at, size_t count, float *x, float by, const float *bias, vf *max)
{
    (void)count;
    vf v = load(x + at) * by + load(bias + at);
    store(x + at, v);
    *max = larger(*max, v);
}

INLINE void exp_sum_step(size_t at, size_t count, float *x, float max, vf *sum)
{
    (void)count;
    vf e = exponential(load(x + at) - max);
    store(x + at, e);
    *sum += e;
}

INLINE void drop_step(size_t at, size_t count, float *x, const uint8_t *mask, float by)
{
    store(x + at, kept(load(x + at) * by, mask, at, count));
}

/* Keys past those that are seen, up to a whole vector. */
static void fill(float *x, size_t from, size_t to, float value)
{
    for (size_t j = from; j < to; j++)
        x[j] = value;
}

/* Where a query's distances begin: that of key 0. */
static size_t first_distance(const lm_attention_task *t, int i)
{
    return (size_t)(t->nq - 1 - i);
}

/* A head's bias, by distance; what a last vector reads beyond is 0. */
static void spread_bias(const frame *f, int head)
{
    const lm_attention_task *t = f->t;
    size_t n = (size_t)t->nq + (size_t)t->nk;
    if (!f->bias)
        return;
    for (int d = 1 - t->nk; d < t->nq; d++)
        f->bias[d + t->nk - 1] = t->relative[(size_t)t->bucket[d] * t->ldr + (size_t)head];
    fill(f->bias, n - 1, padded(n) + LANES, 0);
    if (f->dbias)
        fill(f->dbias, 0, padded(n) + LANES, 0);
}

/* Turns a row of products, computed from key `first` on, into probabilities, times the kept of dropout; less the
 * division by *sum, which comes last. Returns the log of the sum of exponents. */
static float softmax_row(const frame *f, int head, int i, float *x, int first, float *sum)
{
    const lm_attention_task *t = f->t;
    int n = visible(t, i), edge = edge_before(t, i);
    if (n == 0) {
        fill(x, 0, f->keys, 0);
        *sum = 1;
        return 0;
    }
    size_t end = padded((size_t)n), some = end - (size_t)edge;
    vf max = splat(-INFINITY), total = {0};
    fill(x, (size_t)first, (size_t)edge, 0);
    fill(x, (size_t)edge, (size_t)first_visible(t, i), -INFINITY);
    fill(x, (size_t)n, end, -INFINITY);
    if (f->bias)
        EACH(some, biased_max_step, x + edge, t->scale, f->bias + first_distance(t, i) + edge, &max);
    else
        EACH(some, scale_max_step, x + edge, t->scale, &max);
    float m = max_of(max);
    EACH(some, exp_sum_step, x + edge, m, &total);
    fill(x, end, f->keys, 0);
    *sum = sum_of(total);
    if (t->threshold) {
        mask_of_query(f, head, i, n);
        fill(x, (size_t)n, end, 0);
        EACH(n - edge, drop_step, x + edge, f->mask + edge / 8, t->keep_scale);
    }
    return m + logf(*sum);
}

/* Keys that any query below `end` sees. */
static int seen_by(const lm_attention_task *t, int end)
{
    return t->causal ? visible(t, end - 1) : t->nk;
}

static void forward_block(const frame *f, int head, int from, int rows)
{
    const lm_attention_task *t = f->t;
    size_t first = (size_t)head * (size_t)t->dim;
    int skip = edge_before(t, from), keys = seen_by(t, from + rows); /* keys [skip, keys) are seen by any */
    float sums[QUERIES];
    operand q = {t->q + (size_t)from * t->ldq + first, t->ldq, 1}, p = {f->scores + skip, f->keys, 1};
    product(q, f->k_across + skip, f->keys, f->scores + skip, f->keys, rows, padded((size_t)keys) - (size_t)skip, t->dim,
            false);
    for (int i = 0; i < rows; i++) {
        float log_sum = softmax_row(f, head, from + i, f->scores + (size_t)i * f->keys, skip, &sums[i]);
        if (t->log_sum)
            t->log_sum[(size_t)(from + i) * t->ldl + (size_t)head] = log_sum;
    }
    product(p, f->v + (size_t)skip * f->width, f->width, f->o, f->width, rows, f->width, keys - skip, false);
    for (int i = 0; i < rows; i++) /* padding is scaled too: whole vectors */
        scale(1 / sums[i], f->o + (size_t)i * f->width, f->o + (size_t)i * f->width, f->width);
    unpack(f->o, f->width, t->out + (size_t)from * t->ldo + first, t->ldo, rows, t->dim, false);
}

static void attention_forward(const lm_attention_task *t)
{
    frame f = lay_out(t, false);
    pack_transposed(t->k, t->ldkv, f.k_across, f.keys, t->nk, t->dim);
    pack(t->v, t->ldkv, f.v, f.width, t->nk, t->dim);
    for (int head = 0; head < t->group; head++) {
        spread_bias(&f, head);
        for (int from = 0; from < t->nq; from += QUERIES)
            forward_block(&f, head, from, t->nq - from < QUERIES ? t->nq - from : QUERIES);
    }
}

/* ------------------------------------------------------------------ backward */

INLINE void again_step(size_t at, size_t count, float *x, float by, float log_sum)
{
    (void)count;
    store(x + at, exponential(load(x + at) * by - log_sum));
}

INLINE void biased_again_step(size_t at, size_t count, float *x, float by, const float *bias, float log_sum)
{
    (void)count;
    store(x + at, exponential(load(x + at) * by + load(bias + at) - log_sum));
}

INLINE void dot_step(size_t at, size_t count, const float *p, const float *dp, vf *sum)
{
    (void)count;
    *sum += load(p + at) * load(dp + at);
}

INLINE void slope_step(size_t at, size_t count, const float *p, float *dp, float mean, float by)
{
    (void)count;
    store(dp + at, load(p + at) * (load(dp + at) - mean) * by);
}

/* The gradient of the bias is that of the scores: dp before it is scaled. */
static void bias_backward(const frame *f, int i, size_t from, size_t end, float *dp)
{
    float *db = f->dbias + first_distance(f->t, i);
    add_vectors(dp + from, db + from, db + from, end - from);
    scale(f->t->scale, dp + from, dp + from, end - from);
}

/* Gradients by distance into those by bucket. */
static void gather_bias(const frame *f, int head)
{
    const lm_attention_task *t = f->t;
    if (!t->drelative)
        return;
    float *to = t->drelative + (size_t)head * (size_t)t->buckets;
    fill(to, 0, (size_t)t->buckets, 0);
    for (int d = 1 - t->nk; d < t->nq; d++)
        to[t->bucket[d]] += f->dbias[d + t->nk - 1];
}

/* From a row of products p and the gradient dp of its dropped probabilities, both from key `first` on: p becomes what
 * the values were multiplied with, dp the gradient of the products: p (dp - sum p dp) scale. */
static void softmax_row_backward(const frame *f, int head, int i, float *p, float *dp, int first)
{
    const lm_attention_task *t = f->t;
    int n = visible(t, i), edge = edge_before(t, i);
    size_t end = padded((size_t)n), some = end - (size_t)edge;
    vf sum = {0};
    float log_sum = t->log_sum[(size_t)i * t->ldl + (size_t)head];
    if (f->bias)
        EACH(some, biased_again_step, p + edge, t->scale, f->bias + first_distance(t, i) + edge, log_sum);
    else
        EACH(some, again_step, p + edge, t->scale, log_sum);
    fill(p, (size_t)first, (size_t)first_visible(t, i), 0);
    fill(dp, (size_t)first, (size_t)first_visible(t, i), 0);
    fill(p, (size_t)n, f->keys, 0);
    fill(dp, (size_t)n, f->keys, 0);
    if (t->threshold) {
        mask_of_query(f, head, i, n);
        EACH(n - edge, drop_step, dp + edge, f->mask + edge / 8, t->keep_scale);
    }
    EACH(some, dot_step, p + edge, dp + edge, &sum);
    EACH(some, slope_step, p + edge, dp + edge, sum_of(sum), f->bias ? 1 : t->scale);
    if (f->bias)
        bias_backward(f, i, (size_t)edge, end, dp);
    if (t->threshold)
        EACH(n - edge, drop_step, p + edge, f->mask + edge / 8, t->keep_scale);
}

static void backward_block(const frame *f, int head, int from, int rows)
{
    const lm_attention_task *t = f->t;
    size_t first = (size_t)head * (size_t)t->dim;
    int skip = edge_before(t, from), keys = seen_by(t, from + rows), some = keys - skip;
    size_t columns = padded((size_t)keys) - (size_t)skip, skipped = (size_t)skip * f->width;
    float *scores = f->scores + skip, *slopes = f->slopes + skip;
    pack(t->q + (size_t)from * t->ldq + first, t->ldq, f->q, f->width, rows, t->dim);
    pack(t->dout + (size_t)from * t->ldo + first, t->ldo, f->o, f->width, rows, t->dim);
    product((operand){f->q, f->width, 1}, f->k_across + skip, f->keys, scores, f->keys, rows, columns, t->dim, false);
    product((operand){f->o, f->width, 1}, f->v_across + skip, f->keys, slopes, f->keys, rows, columns, t->dim, false);
    for (int i = 0; i < rows; i++)
        softmax_row_backward(f, head, from + i, f->scores + (size_t)i * f->keys,
                             f->slopes + (size_t)i * f->keys, skip);
    if (t->dv)
        product((operand){scores, 1, f->keys}, f->o, f->width, f->dv + skipped, f->width, some, f->width, rows, true);
    if (t->dk)
        product((operand){slopes, 1, f->keys}, f->q, f->width, f->dk + skipped, f->width, some, f->width, rows, true);
    if (t->dq) {
        product((operand){slopes, f->keys, 1}, f->k + skipped, f->width, f->dq, f->width, rows, f->width, some, false);
        unpack(f->dq, f->width, t->dq + (size_t)from * t->ldq + first, t->ldq, rows, t->dim, t->add_q);
    }
}

static void attention_backward(const lm_attention_task *t)
{
    frame f = lay_out(t, true);
    pack_transposed(t->k, t->ldkv, f.k_across, f.keys, t->nk, t->dim);
    pack_transposed(t->v, t->ldkv, f.v_across, f.keys, t->nk, t->dim);
    pack(t->k, t->ldkv, f.k, f.width, t->nk, t->dim);
    fill(f.dk, 0, 2 * (size_t)t->nk * f.width, 0); /* and dv, which lies behind it */
    for (int head = 0; head < t->group; head++) {
        spread_bias(&f, head);
        for (int from = 0; from < t->nq; from += QUERIES)
            backward_block(&f, head, from, t->nq - from < QUERIES ? t->nq - from : QUERIES);
        gather_bias(&f, head);
    }
    if (t->dk)
        unpack(f.dk, f.width, t->dk, t->ldkv, t->nk, t->dim, t->add_k);
    if (t->dv)
        unpack(f.dv, f.width, t->dv, t->ldkv, t->nk, t->dim, t->add_v);
}
