/* Products with quantised weights: every instruction set against weights that are expanded by the reference and multiplied in
 * double precision, with activations as they are and rounded to int8; each row alone as among others; any number of threads. */
#include "check_kernels.h"

#include "base/threads.h"
#include "kernels/quantised.h"
#include "kernels/rounded.h"
#include "tensor/blocks.h"

static const lm_dtype types[] = {LM_F16,  LM_BF16, LM_I8,   LM_NF4,  LM_FP4,  LM_Q8_0, LM_Q4_0, LM_Q4_1,
                                 LM_Q5_0, LM_Q5_1, LM_Q2_K, LM_Q3_K, LM_Q4_K, LM_Q5_K, LM_Q6_K, LM_IQ4_NL};
enum { TYPES = sizeof types / sizeof *types, MOST_ROWS = 35 };

static const int shapes[][2] = {{1, 256}, {7, 768}, {41, 512}, {150, 256}, {21, 2048}};
static const int short_shapes[][2] = {{5, 32}, {13, 96}, {20, 288}, {9, 480}, {6, 192}, {7, 384}}; /* of 32 columns at a time */
static const int odd_shapes[][2] = {{3, 1}, {6, 7}, {5, 31}, {11, 33}, {10, 100}, {9, 301}}; /* of any number */
static const int batches[] = {1, 2, 4, 7, 9, MOST_ROWS};

static uint16_t half_of(lm_dtype t, float x)
{
    uint16_t h;
    lm_from_f32(t, &x, 1, &h);
    return h;
}

/* Any bytes are codes; scales, which are halves, are made to be of weights' size. */
static void fill_blocks(lm_dtype t, uint8_t *at, size_t bytes)
{
    static const int halves[LM_DTYPE_COUNT][3] = {
        [LM_Q8_0] = {1, 0},    [LM_Q4_0] = {1, 0},   [LM_Q4_1] = {2, 0, 2}, [LM_Q5_0] = {1, 0},    [LM_Q5_1] = {2, 0, 2},
        [LM_Q2_K] = {2, 80, 82}, [LM_Q3_K] = {1, 108}, [LM_Q4_K] = {2, 0, 2}, [LM_Q5_K] = {2, 0, 2}, [LM_Q6_K] = {1, 208},
        [LM_IQ4_NL] = {1, 0}};
    float size = lm_dtype_block(t) > 32 ? 0.0005f : t == LM_Q8_0 || t == LM_IQ4_NL ? 0.007f : 0.05f;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(int)uniform(0, 256);
    if (t == LM_F16 || t == LM_BF16)
        for (size_t i = 0; i < bytes; i += 2)
            memcpy(at + i, &(uint16_t){half_of(t, uniform(-1, 1))}, 2);
    if (halves[t][0])
        for (size_t i = 0; i < bytes; i += lm_dtype_block_bytes(t))
            for (int h = 0; h < halves[t][0]; h++)
                memcpy(at + i + halves[t][1 + h], &(uint16_t){half_of(LM_F16, uniform(-size, size))}, 2);
}

typedef struct made {
    lm_quantised w;
    void *data; /* what w points to: of its size, so that a step past the end is seen */
    float *scale, *nested;
    uint8_t *code;
} made;

static made make(lm_dtype t, int rows, int columns, int heads, int block, bool nested)
{
    made m = {.w = {.type = t, .rows = rows, .columns = columns, .interleaved_heads = heads}};
    size_t elements = (size_t)rows * (size_t)columns, each = (size_t)lm_dtype_block(t);
    size_t bytes = (elements + each - 1) / each * lm_dtype_block_bytes(t);
    m.w.data = m.data = malloc(bytes + 1);
    fill_blocks(t, m.data, bytes);
    if (t == LM_I8)
        m.w.scale = m.scale = vector((size_t)rows, 0.001f, 0.01f);
    if (t == LM_NF4 || t == LM_FP4) {
        size_t blocks = (elements + (size_t)block - 1) / (size_t)block;
        m.w.block = block;
        if (nested) {
            m.w.nested.code = m.code = malloc(blocks);
            for (size_t b = 0; b < blocks; b++)
                m.code[b] = (uint8_t)(int)uniform(0, 256);
            m.w.nested.map = lm_bnb_dynamic_map;
            m.w.nested.block = LM_BNB_NESTED;
            m.w.nested.scale = m.nested = vector(blocks / LM_BNB_NESTED + 1, 0.1f, 0.2f);
            m.w.nested.offset = 0.3f;
        } else {
            m.w.scale = m.scale = vector(blocks, 0.1f, 1);
        }
    }
    return m;
}

static void unmake(made *m)
{
    free(m->data), free(m->scale), free(m->nested), free(m->code);
}

/* The product that each test asks for, into memory of its size. */
static float *product(const lm_quantised *w, int first, int count, const float *x, const float *bias, int m, lm_activations how)
{
    float *y = vector((size_t)m * (size_t)count, 9, 10), *scratch = malloc(lm_quantised_scratch(w, m, how) * sizeof *scratch + 1);
    lm_quantised_forward(w, first, count, x, bias, y, m, how, scratch);
    free(scratch);
    return y;
}

/* Sums of n products of numbers below 1 and what rounds in them: of expanded weights, in double. */
static double room(const lm_quantised *w)
{
    return 3e-6 * (w->columns < 64 ? 8 : sqrt(w->columns));
}

static void check(const lm_quantised *w)
{
    size_t k = (size_t)w->columns;
    int first = w->rows / 5, count = w->rows - first;
    float *x = vector(MOST_ROWS * k, -1, 1), *bias = vector((size_t)count, -1, 1);
    for (int how = LM_ACTIVATIONS_F32; how <= LM_ACTIVATIONS_INT8; how++) {
        use("scalar");
        float *want = product(w, first, count, x, bias, MOST_ROWS, (lm_activations)how);
        FOR_EACH_ISA(isa)
        {
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
                float *got = product(w, first, count, x, bias, batches[b], (lm_activations)how);
                near(lm_dtype_name(w->type), got, want, (size_t)batches[b] * (size_t)count, room(w), 10);
                free(got);
            }
            float *got = product(w, first, count, x, NULL, 1, (lm_activations)how);
            for (int i = 0; i < count; i++)
                got[i] += bias[i];
            near("without bias", got, want, (size_t)count, room(w), 10);
            free(got);
        }
        free(want);
    }
    free(x), free(bias);
}

static void check_shapes(const int (*shape)[2], size_t shapes_count, const lm_dtype *of, size_t of_count)
{
    for (size_t t = 0; t < of_count; t++) {
        for (size_t s = 0; s < shapes_count; s++) {
            int columns = shape[s][1];
            if (columns % lm_dtype_block(of[t]) && of[t] != LM_NF4 && of[t] != LM_FP4)
                continue;
            for (int form = 0; form < (of[t] == LM_NF4 ? 3 : 1); form++) {
                made m = make(of[t], shape[s][0], columns, 0, form == 1 ? 4096 : 64, form == 2);
                check(&m.w);
                unmake(&m);
            }
        }
    }
}

START_TEST(products)
{
    check_shapes(shapes, sizeof shapes / sizeof *shapes, types, TYPES);
}
END_TEST

START_TEST(short_rows)
{
    check_shapes(short_shapes, sizeof short_shapes / sizeof *short_shapes, types, TYPES);
    check_shapes(odd_shapes, sizeof odd_shapes / sizeof *odd_shapes, types, 5);
}
END_TEST

/* Rows of queries and keys as llama.cpp stores them. */
START_TEST(interleaved_rows)
{
    for (size_t t = 0; t < TYPES; t++) {
        made m = make(types[t], 48, 256, 3, 64, false);
        check(&m.w);
        unmake(&m);
    }
}
END_TEST

/* Rows that are looked up, and expanded where there are many rows of x, are the reference's to the bit. */
START_TEST(looked_up)
{
    static const int32_t index[] = {3, 0, 39, 3, 17};
    for (size_t t = 0; t < TYPES; t++) {
        for (int columns = 256; columns <= 768; columns += 512) {
            made m = make(types[t], 40, columns, t % 2 ? 0 : 2, 64, t % 2);
            float *want = malloc((size_t)columns * sizeof *want), *got = malloc(5 * (size_t)columns * sizeof *got);
            FOR_EACH_ISA(isa)
            {
                lm_quantised_gather(&m.w, index, got, 5);
                for (int i = 0; i < 5; i++) {
                    lm_quantised_expand(&m.w, index[i], 1, want);
                    ck_assert_msg(memcmp(want, got + i * columns, (size_t)columns * sizeof *want) == 0, "%s (%s): row %d",
                                  lm_dtype_name(types[t]), isa, i);
                }
            }
            free(want), free(got), unmake(&m);
        }
    }
}
END_TEST

START_TEST(backward)
{
    static const int shape[][2] = {{40, 256}, {300, 768}, {9, 1024}};
    for (size_t t = 0; t < TYPES; t++) {
        for (size_t s = 0; s < 3; s++) {
            int rows = shape[s][0], columns = shape[s][1], first = rows / 3, count = rows - first;
            made q = make(types[t], rows, columns, 0, 64, s == 1);
            for (int m = 0; m <= 5; m += 5) {
                size_t n = (size_t)m * (size_t)columns;
                float *dy = vector((size_t)m * (size_t)count, -1, 1), *dx = vector(n, -1, 1), *w = vector((size_t)columns, 0, 0);
                float *scratch = malloc(lm_quantised_scratch(&q.w, m, LM_ACTIVATIONS_F32) * sizeof *scratch);
                for (int add = 0; add <= 1; add++) {
                    float *want = malloc((n + 1) * sizeof *want), *got = copy(dx, n);
                    double *sum = calloc(n + 1, sizeof *sum);
                    for (int r = 0; r < count; r++) {
                        lm_quantised_expand(&q.w, first + r, 1, w);
                        for (int i = 0; i < m; i++)
                            for (int c = 0; c < columns; c++)
                                sum[i * columns + c] += (double)dy[i * count + r] * w[c];
                    }
                    for (size_t i = 0; i < n; i++)
                        want[i] = (float)(sum[i] + (add ? dx[i] : 0));
                    lm_quantised_backward_input(&q.w, first, count, dy, got, m, add, scratch);
                    near("dx", got, want, n, 2e-5, 4);
                    free(want), free(got), free(sum);
                }
                free(dy), free(dx), free(w), free(scratch);
            }
            unmake(&q);
        }
    }
    made q = make(LM_Q8_0, 4, 32, 0, 0, false); /* no rows of it: zeros, or what there was */
    float dx[64], scratch[1];
    for (int i = 0; i < 64; i++)
        dx[i] = 1;
    lm_quantised_backward_input(&q.w, 2, 0, NULL, dx, 2, true, scratch);
    ck_assert_float_eq(dx[63], 1);
    lm_quantised_backward_input(&q.w, 2, 0, NULL, dx, 2, false, scratch);
    ck_assert_float_eq(dx[63], 0);
    unmake(&q);
}
END_TEST

/* How far int8 activations are from the others: half a step of 1/127 of the largest in 32, at most, each. */
START_TEST(rounding)
{
    made q = make(LM_Q8_0, 64, 1024, 0, 0, false);
    float *x = vector(5 * 1024, -1, 1);
    for (int m = 1; m <= 5; m += 4) {
        float *exact = product(&q.w, 0, 64, x, NULL, m, LM_ACTIVATIONS_F32);
        float *got = product(&q.w, 0, 64, x, NULL, m, LM_ACTIVATIONS_INT8);
        double error = 0, size = 0;
        for (int i = 0; i < 64 * m; i++) {
            error += (got[i] - exact[i]) * (got[i] - exact[i]);
            size += exact[i] * exact[i];
        }
        ck_assert_double_gt(error, 0);
        ck_assert_double_lt(sqrt(error / size), 0.006);
        free(exact), free(got);
    }
    free(x), unmake(&q);
}
END_TEST

/* NaN and infinity are seen in the result, and zeros are zeros. */
START_TEST(not_finite)
{
    made q = make(LM_Q4_K, 20, 256, 0, 0, false);
    FOR_EACH_ISA(isa)
    {
        for (int m = 1; m <= 6; m += 5) {
            float *x = vector(6 * 256, 0, 0);
            x[100] = m == 1 ? NAN : INFINITY, x[200] = 1e-44f;
            float *y = product(&q.w, 0, 20, x, NULL, m, LM_ACTIVATIONS_INT8);
            for (int i = 0; i < 20 * m; i++)
                ck_assert_msg(i < 20 ? isnan(y[i]) : y[i] == 0, "%s: %d of %d rows: %g", isa, i, m, (double)y[i]);
            free(x), free(y);
        }
    }
    unmake(&q);
}
END_TEST

/* The bits of a row's results whatever the other rows hold, and of any number of threads. */
START_TEST(independence)
{
    enum { K = 512, N = 200, M = 37 };
    for (size_t t = 0; t < TYPES; t++) {
        made q = make(types[t], N, K, 0, 64, false);
        float *x = vector(M * K, -1, 1), *other = copy(x, M * K);
        for (int i = 0; i < M * K; i++)
            if (i / K % 5 != 2)
                other[i] = uniform(-30, 30);
        for (int how = LM_ACTIVATIONS_F32; how <= LM_ACTIVATIONS_INT8; how++) {
            for (int m = 3; m <= M; m += 17) {
                lm_threads_set(1);
                float *want = product(&q.w, 0, N, x, NULL, m, (lm_activations)how);
                lm_threads_set(3);
                float *got = product(&q.w, 0, N, x, NULL, m, (lm_activations)how);
                float *beside = product(&q.w, 0, N, other, NULL, m, (lm_activations)how);
                if (lm_kernels_deterministic())
                    ck_assert_msg(memcmp(want, got, (size_t)m * N * sizeof *want) == 0, "%s: threads", lm_dtype_name(types[t]));
                for (int i = 2; i < m; i += 5)
                    ck_assert_msg(memcmp(got + i * N, beside + i * N, N * sizeof *got) == 0, "%s, %d rows: row %d",
                                  lm_dtype_name(types[t]), m, i);
                free(want), free(got), free(beside);
            }
        }
        free(x), free(other), unmake(&q);
    }
    lm_threads_set(0);
}
END_TEST

/* Rows are answered as each would be alone, however many there are, where activations are rounded; a few, of Q2_K and Q3_K; and where
 * they are not, since no block divides the matrix's rows, in a model that rounds them elsewhere. */
START_TEST(together)
{
    enum { N = 19, M = 9 };
    static const int columns[] = {512, 96, 301}, counts[] = {2, 3, LM_FEW_ROUNDED, LM_FEW_ROUNDED + 1, M};
    for (size_t t = 0; t < TYPES; t++) {
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
            int k = columns[c], most = types[t] == LM_Q2_K || types[t] == LM_Q3_K ? LM_FEW_ROUNDED : M;
            bool floats = types[t] == LM_F16 || types[t] == LM_BF16 || types[t] == LM_NF4 || types[t] == LM_FP4;
            if (k % lm_dtype_block(types[t]) || (floats && k % LM_ROUNDED_BLOCK == 0))
                continue;
            made q = make(types[t], N + 1, k, 0, 64, false);
            float *x = vector((size_t)(M * k), -1, 1), *bias = vector(N, -1, 1);
            FOR_EACH_ISA(isa)
            {
                float *alone[M];
                for (int r = 0; r < M; r++)
                    alone[r] = product(&q.w, 1, N, x + r * k, bias, 1, LM_ACTIVATIONS_INT8);
                for (size_t i = 0; i < sizeof counts / sizeof *counts && counts[i] <= most; i++) {
                    float *all = product(&q.w, 1, N, x, bias, counts[i], LM_ACTIVATIONS_INT8);
                    for (int r = 0; r < counts[i]; r++)
                        ck_assert_msg(memcmp(alone[r], all + r * N, N * sizeof *all) == 0, "%s (%s): row %d of %d, %d columns",
                                      lm_dtype_name(types[t]), isa, r, counts[i], k);
                    free(all);
                }
                for (int r = 0; r < M; r++)
                    free(alone[r]);
            }
            free(x), free(bias), unmake(&q);
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("quantised");
    TCase *c = tcase_create("products");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, products);
    tcase_add_test(c, short_rows);
    tcase_add_test(c, interleaved_rows);
    tcase_add_test(c, looked_up);
    tcase_add_test(c, backward);
    tcase_add_test(c, rounding);
    tcase_add_test(c, not_finite);
    tcase_add_test(c, independence);
    tcase_add_test(c, together);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
