/* Part of scalar.c: products with weights that are expanded by the reference, and with activations that are what their int8
 * codes stand for. */

static void weights_expand(const lm_quantised *w, int row, int from, int n, float *out)
{
    lm_quantised_part(w, row, from, n, out);
}

static const float *weights_order(const lm_quantised *w, const float *x, float *room)
{
    (void)w, (void)room;
    return x;
}

static void weights_dots(const lm_quantised *w, int first, int count, const float *x, const float *bias, float *y)
{
    float part[256];
    for (int j = 0; j < count; j++) {
        double sum = bias ? bias[j] : 0;
        for (int c = 0; c < w->columns; c += 256) {
            int n = w->columns - c < 256 ? w->columns - c : 256;
            lm_quantised_part(w, first + j, c, n, part);
            for (int i = 0; i < n; i++)
                sum += (double)part[i] * x[c + i];
        }
        y[j] = (float)sum;
    }
}

static void round_group(const float *x, int columns, lm_rounded *to, size_t block)
{
    float largest[LM_ROUNDED_GROUP] = {0}, scale[LM_ROUNDED_GROUP], inverse[LM_ROUNDED_GROUP];
    for (int c = 0; c < columns; c++)
        if (fabsf(x[c]) > largest[c / LM_ROUNDED_BLOCK] || isnan(x[c]))
            largest[c / LM_ROUNDED_BLOCK] = fabsf(x[c]);
    lm_rounded_scales(to, block, largest, scale, inverse);
    for (int b = 0; b < LM_ROUNDED_GROUP; b++) {
        int half[2] = {0};
        for (int i = 0; i < LM_ROUNDED_BLOCK; i++) {
            int c = b * LM_ROUNDED_BLOCK + i;
            int8_t *q = &to->q[(block + (size_t)b) * LM_ROUNDED_BLOCK + (size_t)i];
            *q = (int8_t)(c < columns && inverse[b] > 0 ? lrintf(x[c] * inverse[b]) : 0);
            half[2 * i / LM_ROUNDED_BLOCK] += *q;
        }
        lm_rounded_sums(to, block + (size_t)b, scale[b], half);
    }
}

static void round_row(const float *x, int columns, lm_rounded *to, int row)
{
    const int group = LM_ROUNDED_GROUP * LM_ROUNDED_BLOCK;
    for (int c = 0; c < to->blocks * LM_ROUNDED_BLOCK; c += group)
        round_group(x + c, columns - c < group ? columns - c : group, to,
                    (size_t)row * (size_t)to->blocks + (size_t)(c / LM_ROUNDED_BLOCK));
}

static double rounded_value(const lm_rounded *x, int row, int column)
{
    size_t block = (size_t)row * (size_t)x->blocks + (size_t)column / LM_ROUNDED_BLOCK;
    return (double)x->scale[block * (size_t)x->parts] * x->q[block * LM_ROUNDED_BLOCK + (size_t)column % LM_ROUNDED_BLOCK];
}

static float rounded_dot(const lm_quantised *w, int row, const lm_rounded *x, int x_row, float bias)
{
    float part[256];
    double sum = bias;
    for (int c = 0; c < w->columns; c++) {
        if (c % 256 == 0)
            lm_quantised_part(w, row, c, w->columns - c < 256 ? w->columns - c : 256, part);
        sum += part[c % 256] * rounded_value(x, x_row, c);
    }
    return (float)sum;
}

static void rounded_dots(const lm_quantised *w, int first, int count, const lm_rounded *x, int rows, const float *bias, float *y,
                         size_t ldy)
{
    for (int j = 0; j < count; j++)
        for (int i = 0; i < rows; i++)
            y[(size_t)i * ldy + (size_t)j] = rounded_dot(w, first + j, x, i, bias ? bias[j] : 0);
}

static size_t rounded_panels_bytes(const lm_quantised *w, int count)
{
    return (size_t)count * (size_t)w->columns * sizeof(float);
}

static void rounded_pack(const lm_quantised *w, int first, int count, void *panels)
{
    for (int r = 0; r < count; r++)
        lm_quantised_part(w, first + r, 0, w->columns, (float *)panels + (size_t)r * (size_t)w->columns);
}

static void rounded_products(const lm_quantised *w, const void *panels, int count, const lm_rounded *x, int from, int rows,
                             const float *bias, float *y, size_t ldy)
{
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < count; j++) {
            double sum = bias ? bias[j] : 0;
            for (int c = 0; c < w->columns; c++)
                sum += ((const float *)panels)[(size_t)j * (size_t)w->columns + (size_t)c] * rounded_value(x, from + i, c);
            y[(size_t)i * ldy + (size_t)j] = (float)sum;
        }
    }
}
