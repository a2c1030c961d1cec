/* Products of a few rows with a matrix that is read once, at the speed of memory. Part of variant.c.
 *
 * An element is one sum, taken in one order whatever is computed beside it: so a row's results are the same bits with
 * any rows beside it. */

/* The rows of a product X W^T: `xs` and `ws` are constants where it is inlined; xs * ws sums run side by side. */
INLINE void dots(int xs, int ws, const float *x, const float *w, size_t k, const float *bias, float *y, size_t ldy)
{
    vf sum[3][8];
#pragma GCC unroll 3
    for (int i = 0; i < xs; i++)
#pragma GCC unroll 8
        for (int j = 0; j < ws; j++)
            sum[i][j] = (vf){0};
    size_t c = 0;
    for (; c + LANES <= k; c += LANES) {
        vf of_x[3];
#pragma GCC unroll 3
        for (int i = 0; i < xs; i++)
            of_x[i] = load(x + (size_t)i * k + c);
#pragma GCC unroll 8
        for (int j = 0; j < ws; j++) {
            vf of_w = load(w + (size_t)j * k + c);
#pragma GCC unroll 3
            for (int i = 0; i < xs; i++)
                sum[i][j] += of_x[i] * of_w;
        }
    }
    for (int i = 0; i < xs; i++) {
        for (int j = 0; j < ws; j++) {
            vf s = sum[i][j];
            if (c < k)
                s += load_part(x + (size_t)i * k + c, k - c) * load_part(w + (size_t)j * k + c, k - c);
            y[(size_t)i * ldy + (size_t)j] = sum_of(s) + (bias ? bias[j] : 0);
        }
    }
}

/* y [m, n] with leading dimension ldy = x [m, k] w [n, k]^T + bias [n], or NULL. */
static void few_rows(const float *x, int m, const float *w, int n, size_t k, const float *bias, float *y, size_t ldy)
{
    int j = 0;
    for (; j + 8 <= n; j += 8, w += 8 * k, y += 8, bias = bias ? bias + 8 : NULL) {
        int i = 0;
        for (; i + 3 <= m; i += 3) {
            dots(3, 4, x + (size_t)i * k, w, k, bias, y + (size_t)i * ldy, ldy);
            dots(3, 4, x + (size_t)i * k, w + 4 * k, k, bias ? bias + 4 : NULL, y + (size_t)i * ldy + 4, ldy);
        }
        for (; i < m; i++)
            dots(1, 8, x + (size_t)i * k, w, k, bias, y + (size_t)i * ldy, ldy);
    }
    for (; j < n; j++, w += k, y++, bias = bias ? bias + 1 : NULL)
        for (int i = 0; i < m; i++)
            dots(1, 1, x + (size_t)i * k, w, k, bias, y + (size_t)i * ldy, ldy);
}

/* y += the products of `xs` rows of x with `ws` rows of w: constants where it is inlined. */
INLINE void add_rows(int xs, int ws, const float *x, size_t k, const float *w, size_t ldw, size_t n, float *y,
                     size_t ldy)
{
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        vf of_w[8];
#pragma GCC unroll 8
        for (int r = 0; r < ws; r++)
            of_w[r] = load(w + (size_t)r * ldw + j);
#pragma GCC unroll 3
        for (int i = 0; i < xs; i++) {
            vf sum = load(y + (size_t)i * ldy + j);
#pragma GCC unroll 8
            for (int r = 0; r < ws; r++)
                sum += splat(x[(size_t)i * k + (size_t)r]) * of_w[r];
            store(y + (size_t)i * ldy + j, sum);
        }
    }
    for (int i = 0; j < n && i < xs; i++) {
        vf sum = load_part(y + (size_t)i * ldy + j, n - j);
        for (int r = 0; r < ws; r++)
            sum += splat(x[(size_t)i * k + (size_t)r]) * load_part(w + (size_t)r * ldw + j, n - j);
        store_part(y + (size_t)i * ldy + j, sum, n - j);
    }
}

/* As few_rows, for w [k, n] whose rows are ldw apart. */
static void few_rows_across(const float *x, int m, const float *w, size_t ldw, int n, size_t k, const float *bias,
                            float *y, size_t ldy)
{
    for (int i = 0; i < m; i++) {
        if (bias)
            memcpy(y + (size_t)i * ldy, bias, (size_t)n * sizeof *y);
        else
            memset(y + (size_t)i * ldy, 0, (size_t)n * sizeof *y);
    }
    size_t c = 0;
    for (; c + 8 <= k; c += 8) {
        int i = 0;
        for (; i + 3 <= m; i += 3)
            add_rows(3, 8, x + (size_t)i * k + c, k, w + c * ldw, ldw, (size_t)n, y + (size_t)i * ldy, ldy);
        for (; i < m; i++)
            add_rows(1, 8, x + (size_t)i * k + c, k, w + c * ldw, ldw, (size_t)n, y + (size_t)i * ldy, ldy);
    }
    for (; c < k; c++)
        for (int i = 0; i < m; i++)
            add_rows(1, 1, x + (size_t)i * k + c, k, w + c * ldw, ldw, (size_t)n, y + (size_t)i * ldy, ldy);
}
