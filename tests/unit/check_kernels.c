/* Each inner loop of each instruction set that this processor has against the reference in double precision,
 * at sizes around the widths of vectors; products against plain sums; and the same bits for any number of
 * threads. */
#include "check_kernels.h"

#include "base/threads.h"

START_TEST(instruction_sets)
{
    lm_kernels_start();
    ck_assert_str_eq(lm_kernels_isa_at(0), "scalar");
    ck_assert_str_ne(lm_kernels_isa(), "scalar");
    ck_assert(!lm_kernels_use("abacus"));
    int usable = 0;
    FOR_EACH_ISA(isa) usable++;
    ck_assert_int_ge(usable, 1);
}
END_TEST

START_TEST(activations)
{
    for (size_t s = 0; s < SIZES; s++) {
        size_t n = sizes[s];
        float *x = vector(n, -12, 12), *dy = vector(n, -2, 2), *dx = vector(n, -1, 1);
        for (int act = 0; act < LM_ACT_COUNT; act++) {
            float y[2][1100], d[2][1100], sum[2][1100];
            use("scalar");
            lm_activation_forward((lm_act)act, x, y[0], n);
            lm_activation_backward((lm_act)act, x, dy, d[0], n, false);
            memcpy(sum[0], dx, n * sizeof *dx);
            lm_activation_backward((lm_act)act, x, dy, sum[0], n, true);
            FOR_EACH_ISA(isa)
            {
                lm_activation_forward((lm_act)act, x, y[1], n);
                lm_activation_backward((lm_act)act, x, dy, d[1], n, false);
                memcpy(sum[1], dx, n * sizeof *dx);
                lm_activation_backward((lm_act)act, x, dy, sum[1], n, true);
                near("activation", y[1], y[0], n, 1.2e-7, 5);
                near("its slope", d[1], d[0], n, 5e-7, 6);
                near("added slope", sum[1], sum[0], n, 6e-7, 6);
                memcpy(d[1], dy, n * sizeof *dy); /* in place */
                lm_activation_backward((lm_act)act, x, d[1], d[1], n, false);
                near("slope in place", d[1], d[0], n, 5e-7, 6);
            }
        }
        free(x), free(dy), free(dx);
    }
}
END_TEST

/* The whole range of floats that matter, NaN and infinities: to a few units in the last place of the result.
 */
START_TEST(activation_range)
{
    static const float odd[] = {0,  -0.0f, 1e-30f, -1e-30f, 1e-8f, 0.624999f, 0.625f, -0.625f, 20, -20,
                                88, -88,   104,    -104,    1000,  -1000,     1e30f,  -1e30f,  NAN};
    enum { N = 40000, ODD = sizeof odd / sizeof *odd };
    float *x = malloc(N * sizeof *x), *want = malloc(N * sizeof *want), *got = malloc(N * sizeof *got);
    for (int i = 0; i < N; i++)
        x[i] = i < ODD ? odd[i] : (float)(i - N / 2) * (14.0f / (N / 2));
    for (int act = 0; act < LM_ACT_COUNT; act++) {
        use("scalar");
        lm_activation_forward((lm_act)act, x, want, N);
        FOR_EACH_ISA(isa)
        {
            lm_activation_forward((lm_act)act, x, got, N);
            near("activation", got, want, N, 1e-30,
                 act <= LM_ACT_GELU_TANH ? 400 : 40); /* far tails: x^2/2 rounds */
            near("activation", got, want, N, 1.5e-7, 6);
        }
    }
    free(x), free(want), free(got);
}
END_TEST

START_TEST(vectors)
{
    for (size_t s = 0; s < SIZES; s++) {
        size_t n = sizes[s];
        float *a = vector(n, -3, 3), *b = vector(n, -3, 3), want[3][1100], got[3][1100];
        use("scalar");
        lm_vector_add(a, b, want[0], n);
        memcpy(want[1], b, n * sizeof *b);
        lm_vector_axpy(0.3f, a, want[1], n);
        lm_vector_scale(-0.7f, a, want[2], n);
        double squares = lm_vector_sum_squares(a, n);
        FOR_EACH_ISA(isa)
        {
            lm_vector_add(a, b, got[0], n);
            memcpy(got[1], b, n * sizeof *b);
            lm_vector_axpy(0.3f, a, got[1], n);
            lm_vector_scale(-0.7f, a, got[2], n);
            for (int i = 0; i < 3; i++)
                near("vector", got[i], want[i], n, 3e-7, 0);
            ck_assert_double_le(fabs(lm_vector_sum_squares(a, n) - squares), 1e-6 * squares);
        }
        free(a), free(b);
    }
}
END_TEST

START_TEST(column_sums)
{
    for (int m = 0; m < 200; m += 33) {
        for (int n = 1; n < 40; n += 6) {
            float *x = vector((size_t)m * (size_t)n, -1, 1), *to = vector((size_t)n, -1, 1), want[40],
                  got[40];
            float *scratch = vector(lm_column_sums_scratch(m, n), 0, 0);
            use("scalar");
            memcpy(want, to, (size_t)n * sizeof *to);
            lm_column_sums(x, want, m, n, scratch);
            FOR_EACH_ISA(isa)
            {
                memcpy(got, to, (size_t)n * sizeof *to);
                lm_column_sums(x, got, m, n, scratch);
                near("column sums", got, want, (size_t)n, 3e-6, 2);
            }
            free(x), free(to), free(scratch);
        }
    }
}
END_TEST

START_TEST(layer_norm)
{
    enum { ROWS = 70 };
    for (size_t s = 1; s < SIZES; s++) {
        int width = (int)sizes[s];
        size_t w = sizes[s], n = ROWS * w;
        float *x = vector(n, -2, 5), *dy = vector(n, -1, 1), *weight = vector(w, 0.5f, 2),
              *bias = vector(w, -1, 1);
        float *dx0 = vector(n, -1, 1), *scratch = vector(lm_norm_scratch(ROWS, width), 0, 0);
        float *y[2], *dx[2], *sum[2], *dw[2], mean[2][ROWS], rstd[2][ROWS];
        for (int i = 0; i < 2; i++)
            y[i] = vector(n, 0, 0), dx[i] = vector(n, 0, 0), sum[i] = copy(dx0, n),
            dw[i] = vector(2 * w, 1, 1);
        use("scalar");
        lm_norm_forward(x, weight, bias, 1e-5, y[0], mean[0], rstd[0], ROWS, width);
        lm_norm_backward(x, weight, mean[0], rstd[0], dy, dx[0], false, dw[0], dw[0] + w, ROWS, width,
                         scratch);
        lm_norm_backward(x, weight, mean[0], rstd[0], dy, sum[0], true, NULL, NULL, ROWS, width, scratch);
        FOR_EACH_ISA(isa)
        {
            for (size_t j = 0; j < 2 * w; j++)
                dw[1][j] = 1;
            memcpy(sum[1], dx0, n * sizeof *dx0);
            lm_norm_forward(x, weight, bias, 1e-5, y[1], mean[1], rstd[1], ROWS, width);
            double loose = width < 3 ? 2e-2 : 2e-5; /* hardly any variance: its inverse is large */
            near("norm", y[1], y[0], n, loose, 16);
            near("mean", mean[1], mean[0], ROWS, 1e-6, 4);
            lm_norm_backward(x, weight, mean[0], rstd[0], dy, dx[1], false, dw[1], dw[1] + w, ROWS, width,
                             scratch);
            lm_norm_backward(x, weight, mean[0], rstd[0], dy, sum[1], true, NULL, NULL, ROWS, width, scratch);
            near("norm's dx", dx[1], dx[0], n, loose, 32);
            near("norm's added dx", sum[1], sum[0], n, loose, 32);
            near("norm's parameters", dw[1], dw[0], 2 * w, 4e-5, 8);
            memcpy(dx[1], dy, n * sizeof *dy); /* in place */
            lm_norm_backward(x, weight, mean[0], rstd[0], dx[1], dx[1], false, NULL, NULL, ROWS, width,
                             scratch);
            near("norm's dx in place", dx[1], dx[0], n, loose, 32);
        }
        for (int i = 0; i < 2; i++)
            free(y[i]), free(dx[i]), free(sum[i]), free(dw[i]);
        free(x), free(dy), free(weight), free(bias), free(dx0), free(scratch);
    }
}
END_TEST

START_TEST(rms_norm)
{
    enum { ROWS = 70 };
    for (size_t s = 1; s < SIZES; s++) {
        int width = (int)sizes[s];
        size_t w = sizes[s], n = ROWS * w;
        float *x = vector(n, -2, 5), *dy = vector(n, -1, 1), *weight = vector(w, -1, 2), *dx0 = vector(n, -1, 1);
        float *scratch = vector(lm_rms_norm_scratch(ROWS, width), 0, 0);
        float *y[2], *dx[2], *sum[2], *dw[2], rstd[2][ROWS];
        for (int i = 0; i < 2; i++)
            y[i] = vector(n, 0, 0), dx[i] = vector(n, 0, 0), sum[i] = copy(dx0, n), dw[i] = vector(w, 1, 1);
        use("scalar");
        lm_rms_norm_forward(x, weight, 1, 1e-5, y[0], rstd[0], ROWS, width);
        lm_rms_norm_backward(x, weight, 1, rstd[0], dy, dx[0], false, dw[0], ROWS, width, scratch);
        lm_rms_norm_backward(x, weight, 1, rstd[0], dy, sum[0], true, NULL, ROWS, width, scratch);
        FOR_EACH_ISA(isa)
        {
            for (size_t j = 0; j < w; j++)
                dw[1][j] = 1;
            memcpy(sum[1], dx0, n * sizeof *dx0);
            lm_rms_norm_forward(x, weight, 1, 1e-5, y[1], rstd[1], ROWS, width);
            near("RMS norm", y[1], y[0], n, 1e-6, 8);
            near("root", rstd[1], rstd[0], ROWS, 0, 8);
            double loose = width < 2 ? 2e-3 : 4e-6; /* of one element nothing is left: the difference of equals */
            lm_rms_norm_backward(x, weight, 1, rstd[0], dy, dx[1], false, dw[1], ROWS, width, scratch);
            lm_rms_norm_backward(x, weight, 1, rstd[0], dy, sum[1], true, NULL, ROWS, width, scratch);
            near("RMS norm's dx", dx[1], dx[0], n, loose, 32);
            near("RMS norm's added dx", sum[1], sum[0], n, loose, 32);
            near("RMS norm's weight", dw[1], dw[0], w, 4e-5, 8);
            memcpy(dx[1], dy, n * sizeof *dy); /* in place */
            lm_rms_norm_backward(x, weight, 1, rstd[0], dx[1], dx[1], false, NULL, ROWS, width, scratch);
            near("RMS norm's dx in place", dx[1], dx[0], n, loose, 32);
        }
        for (int i = 0; i < 2; i++)
            free(y[i]), free(dx[i]), free(sum[i]), free(dw[i]);
        free(x), free(dy), free(weight), free(dx0), free(scratch);
    }
}
END_TEST

START_TEST(gate)
{
    for (size_t s = 0; s < SIZES; s++) {
        size_t n = sizes[s];
        float *in = vector(n, -6, 6), *up = vector(n, -2, 2), *dy = vector(n, -2, 2), *there = vector(n, -1, 1);
        float *y[2], *dg[2], *du[2];
        for (int i = 0; i < 2; i++)
            y[i] = vector(n, 0, 0), dg[i] = vector(n, 0, 0), du[i] = vector(n, 0, 0);
        for (int act = 0; act < LM_ACT_COUNT; act++) {
            for (int add = 0; add < 2; add++) {
                use("scalar");
                memcpy(dg[0], there, n * sizeof *there), memcpy(du[0], there, n * sizeof *there);
                lm_gate_forward((lm_act)act, in, up, y[0], n);
                lm_gate_backward((lm_act)act, in, up, dy, (lm_gate_grads){dg[0], du[0], add, !add}, n);
                FOR_EACH_ISA(isa)
                {
                    memcpy(dg[1], there, n * sizeof *there), memcpy(du[1], there, n * sizeof *there);
                    lm_gate_forward((lm_act)act, in, up, y[1], n);
                    lm_gate_backward((lm_act)act, in, up, dy, (lm_gate_grads){dg[1], du[1], add, !add}, n);
                    near("gate", y[1], y[0], n, 4e-7, 8);
                    near("d gate", dg[1], dg[0], n, 3e-6, 12);
                    near("d up", du[1], du[0], n, 1e-6, 8);
                    memcpy(dg[1], dy, n * sizeof *dy); /* in place, and alone */
                    lm_gate_backward((lm_act)act, in, up, dg[1], (lm_gate_grads){.dgate = dg[1]}, n);
                    if (!add)
                        near("d gate in place", dg[1], dg[0], n, 3e-6, 12);
                }
            }
        }
        for (int i = 0; i < 2; i++)
            free(y[i]), free(dg[i]), free(du[i]);
        free(in), free(up), free(dy), free(there);
    }
}
END_TEST

START_TEST(rope)
{
    enum { ROWS = 5, HEADS = 3, POSITIONS = 1000 };
    static const int32_t position[ROWS] = {0, 1, 999, 3, 77};
    for (int width = 2; width < 140; width = width * 2 + width % 3 * 2) {
        int columns = width > 8 ? width - 4 : width;
        size_t n = (size_t)(ROWS * HEADS * width), half = (size_t)columns / 2;
        float *frequency = vector(half, 0.001f, 1), *turns = vector(POSITIONS * 2 * half, NAN, NAN);
        float *x = vector(n, -2, 2), *y = vector(n, 1, 1), *want = vector(n, 1, 1), *z = vector(n, 0, 0);
        lm_rope_turns(frequency, columns, 0, 10, turns);
        lm_rope_turns(frequency, columns, 10, POSITIONS, turns);
        for (size_t j = 0; j < half; j++)
            near("a cosine", &turns[999 * 2 * half + j], (float[]){(float)cos(999.0f * frequency[j])}, 1, 1e-7, 0);
        use("scalar");
        lm_rope_rows(x, position, turns, false, want, true, ROWS, HEADS, width, columns);
        FOR_EACH_ISA(isa)
        {
            for (size_t i = 0; i < n; i++)
                y[i] = 1;
            lm_rope_rows(x, position, turns, false, y, true, ROWS, HEADS, width, columns);
            near("turned", y, want, n, 1e-6, 2);
            memcpy(z, x, n * sizeof *x); /* in place, there and back */
            lm_rope_rows(z, position, turns, false, z, false, ROWS, HEADS, width, columns);
            ck_assert(memcmp(z, x, n * sizeof *x) != 0);
            lm_rope_rows(z, position, turns, true, z, false, ROWS, HEADS, width, columns);
            near("turned back", z, x, n, 1e-6, 2);
        }
        free(frequency), free(turns), free(x), free(y), free(want), free(z);
    }
}
END_TEST

START_TEST(embedding)
{
    enum { ROWS = 9, N = 50, WIDTH = 131 };
    float *table = vector(ROWS * WIDTH, -1, 1), *dy = vector(N * WIDTH, -1, 1), *y = vector(N * WIDTH, 0, 0);
    int32_t index[N];
    for (int i = 0; i < N; i++)
        index[i] = (int32_t)uniform(0, ROWS);
    lm_gather_forward(table, index, y, N, WIDTH);
    for (int i = 0; i < N; i++)
        ck_assert_mem_eq(y + i * WIDTH, table + index[i] * WIDTH, WIDTH * sizeof *y);
    FOR_EACH_ISA(isa)
    {
        float *dtable = vector(ROWS * WIDTH, 0, 0), *want = vector(ROWS * WIDTH, 0, 0);
        lm_gather_backward(dtable, index, dy, N, WIDTH, 4);
        for (int i = 0; i < N; i++)
            for (int c = 0; c < WIDTH && index[i] != 4; c++)
                want[index[i] * WIDTH + c] += dy[i * WIDTH + c];
        near("embedding", dtable, want, ROWS * WIDTH, 0, 0);
        free(dtable), free(want);
    }
    free(table), free(dy), free(y);
}
END_TEST

/* The masks are exactly those of the reference, which calls the generator itself. */
START_TEST(dropout)
{
    enum { ROWS = 3 };
    const int64_t rows[ROWS] = {0, 5, (int64_t)1 << 40};
    const int32_t tokens[ROWS] = {0, 7, 511};
    for (size_t s = 1; s < SIZES; s++) {
        int width = (int)sizes[s];
        size_t n = ROWS * sizes[s], bytes = lm_dropout_mask_bytes(ROWS, width);
        float *x = vector(n, 1, 2), *residual = vector(n, -1, 1), *y[2] = {vector(n, 0, 0), vector(n, 0, 0)};
        float *z[2] = {vector(n, 0, 0), vector(n, 0, 0)};
        uint8_t *mask[2] = {malloc(bytes), malloc(bytes)};
        lm_dropout_key key = {42, 17, 0x305};
        use("scalar");
        lm_dropout_forward(key, 0.3, rows, tokens, x, residual, y[0], mask[0], ROWS, width);
        lm_dropout_backward(0.3, mask[0], x, z[0], false, ROWS, width);
        lm_dropout_backward(0.3, mask[0], x, z[0], true, ROWS, width);
        FOR_EACH_ISA(isa)
        {
            lm_dropout_forward(key, 0.3, rows, tokens, x, residual, y[1], mask[1], ROWS, width);
            ck_assert_mem_eq(mask[0], mask[1], bytes);
            near("dropout", y[1], y[0], n, 1e-6, 2);
            lm_dropout_backward(0.3, mask[1], x, z[1], false, ROWS, width);
            lm_dropout_backward(0.3, mask[1], x, z[1], true, ROWS, width);
            near("dropout's dx", z[1], z[0], n, 1e-6, 2);
            lm_dropout_forward(key, 0.3, rows, tokens, x, NULL, y[1], mask[1], ROWS, width);
            for (size_t i = 0; i < n; i++)
                ck_assert(y[1][i] == 0 || fabsf(y[1][i] - x[i] / 0.7f) < 1e-5f);
        }
        free(x), free(residual);
        for (int i = 0; i < 2; i++)
            free(y[i]), free(z[i]), free(mask[i]);
    }
}
END_TEST

/* As many are kept as p says; another site, step, seed, row, token or feature draws anew. */
START_TEST(dropout_statistics)
{
    enum { ROWS = 64, WIDTH = 1024, N = ROWS * WIDTH };
    int64_t rows[ROWS];
    int32_t tokens[ROWS];
    static float x[N], y[N], other[N];
    static uint8_t mask[N / 8];
    for (int r = 0; r < ROWS; r++)
        rows[r] = r / 8, tokens[r] = r % 8;
    for (int i = 0; i < N; i++)
        x[i] = 1;
    const double rates[] = {0, 0.1, 0.5, 0.9, 1};
    for (int i = 0; i < 5; i++) {
        lm_dropout_forward((lm_dropout_key){1, 2, 3}, rates[i], rows, tokens, x, NULL, y, mask, ROWS, WIDTH);
        double kept = 0, expected = N * (1 - rates[i]);
        for (int j = 0; j < N; j++)
            kept += y[j] != 0;
        ck_assert_double_le(fabs(kept - expected), 5 * sqrt(N * rates[i] * (1 - rates[i])));
    }
    const lm_dropout_key keys[] = {{1, 2, 3}, {9, 2, 3}, {1, 9, 3}, {1, 2, 9}};
    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < a; b++) {
            lm_dropout_forward(keys[a], 0.5, rows, tokens, x, NULL, y, mask, ROWS, WIDTH);
            lm_dropout_forward(keys[b], 0.5, rows, tokens, x, NULL, other, mask, ROWS, WIDTH);
            double same = 0;
            for (int j = 0; j < N; j++)
                same += (y[j] != 0) == (other[j] != 0);
            ck_assert_double_le(fabs(same - N / 2), 5 * sqrt(N * 0.25));
        }
    }
    lm_dropout_forward(keys[0], 0.5, rows, tokens, x, NULL, y, mask, ROWS, WIDTH);
    for (int shift = 1; shift < WIDTH * 9; shift = shift * 3 + 1) { /* along features, tokens and rows */
        double same = 0;
        for (int j = 0; j + shift < N; j++)
            same += (y[j] != 0) == (y[j + shift] != 0);
        ck_assert_double_le(fabs(same - (N - shift) / 2.0), 5 * sqrt(N * 0.25));
    }
}
END_TEST

START_TEST(cross_entropy)
{
    enum { ROWS = 6 };
    static const int columns[] = {1, 2, 3, 7, 9, 17, 100, 1500};
    for (int s = 0; s < 8; s++) {
        int n = columns[s];
        size_t all = ROWS * (size_t)n;
        float *x = vector(all, -20, 20), *d[2] = {vector(all, 0, 0), vector(all, 0, 0)}, loss[2][ROWS];
        float weight[ROWS] = {1, 2, 0, 1, 1, 0.5f};
        int32_t label[ROWS];
        for (int r = 0; r < ROWS; r++)
            label[r] = r == 2 ? LM_IGNORED : (int32_t)uniform(0, (float)n - 0.01f);
        for (int smooth = 0; smooth < 2; smooth++) {
            float e = smooth ? 0.1f : 0;
            use("scalar");
            lm_cross_entropy_rows(x, label, e, loss[0], ROWS, n);
            lm_cross_entropy_grad(x, label, weight, e, 0.5f, d[0], false, ROWS, n);
            lm_cross_entropy_grad(x, label, weight, e, 0.5f, d[0], true, ROWS, n);
            FOR_EACH_ISA(isa)
            {
                lm_cross_entropy_rows(x, label, e, loss[1], ROWS, n);
                lm_cross_entropy_grad(x, label, weight, e, 0.5f, d[1], false, ROWS, n);
                lm_cross_entropy_grad(x, label, weight, e, 0.5f, d[1], true, ROWS, n);
                near("cross-entropy", loss[1], loss[0], ROWS, 8e-6, 4);
                near("its gradient", d[1], d[0], all, 4e-6, 8);
            }
            ck_assert_float_eq(loss[0][2], 0);
        }
        free(x), free(d[0]), free(d[1]);
    }
}
END_TEST

/* In double precision, whatever the length; the largest is the first of equals, also where those are in different pieces. */
START_TEST(log_sums)
{
    static const int columns[] = {1, 5, 64, 65, 256, 257, 1025, 32000};
    for (int s = 0; s < 8; s++) {
        int n = columns[s], place;
        float *x = vector((size_t)n, -20, 12);
        x[n / 3] = x[n - 1] = 12.5f;
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += exp((double)x[i]);
        FOR_EACH_ISA(isa)
        {
            ck_assert_double_eq_tol(lm_log_sum(x, n, &place), log(sum), 3e-7);
            ck_assert_int_eq(place, n / 3);
            ck_assert(lm_log_sum(x, n, NULL) == lm_log_sum(x, n, &place));
        }
        for (int i = 0; i < n - 1; i++) /* whole pieces that are impossible */
            x[i] = -INFINITY;
        FOR_EACH_ISA(isa)
        {
            ck_assert_double_eq_tol(lm_log_sum(x, n, &place), 12.5, 3e-7);
            ck_assert_int_eq(place, n - 1);
        }
        for (int at = 0; at < n; at += n / 2 + 1) {
            float was = x[at];
            x[at] = NAN;
            FOR_EACH_ISA(isa)
                ck_assert(isnan(lm_log_sum(x, n, NULL)));
            x[at] = was;
        }
        free(x);
    }
}
END_TEST

/* The projection in slices and blocks of rows against the whole of it. */
START_TEST(vocabulary)
{
    static const int shapes[][3] = {{1, 3, 5}, {5, 8, 1024}, {7, 16, 1025}, {300, 12, 2100}, {0, 4, 9}, {1300, 5, 1100}};
    int rows = shapes[_i][0], width = shapes[_i][1], vocab = shapes[_i][2];
    size_t r = (size_t)rows, w = (size_t)width, v = (size_t)vocab;
    float *x = vector(r * w, -1, 1), *table = vector(v * w, -1, 1), *bias = vector(v, -1, 1),
          *weight = vector(r, 0, 2);
    float *logits = vector(r * v, 0, 0), *dlogits = vector(r * v, 0, 0), *loss = vector(r, 0, 0),
          *got = vector(r, 0, 0);
    float *dx = vector(r * w, 0, 0), *dw = vector(v * w, 0, 0), *db = vector(v, 0, 0),
          *dx1 = vector(r * w, 9, 9);
    float *dw1 = vector(v * w, 0, 0), *db1 = vector(v, 0, 0);
    float *sums = vector(lm_column_sums_scratch(rows, vocab), 0, 0);
    int32_t *label = malloc((r + 1) * sizeof *label);
    for (size_t i = 0; i < r; i++)
        label[i] = i % 5 == 4 ? LM_IGNORED : (int32_t)uniform(0, (float)vocab - 0.5f);
    lm_linear_forward(x, table, bias, logits, rows, vocab, width);
    lm_cross_entropy_rows(logits, label, 0.1f, loss, rows, vocab);
    lm_cross_entropy_grad(logits, label, weight, 0.1f, 0.25f, dlogits, false, rows, vocab);
    lm_linear_backward_input(dlogits, table, dx, rows, vocab, width, false);
    lm_linear_backward_weight(dlogits, x, dw, rows, vocab, width);
    lm_column_sums(dlogits, db, rows, vocab, sums);
    lm_vocab_args a = {.x = x,
                       .w = table,
                       .bias = bias,
                       .rows = rows,
                       .width = width,
                       .vocab = vocab,
                       .label = label,
                       .weight = weight,
                       .smoothing = 0.1f,
                       .row_loss = got,
                       .backward = true,
                       .scale = 0.25f,
                       .dx = dx1,
                       .dw = dw1,
                       .dbias = db1};
    float *scratch = vector(lm_vocab_scratch(&a), 0, 0);
    lm_vocab_cross_entropy(&a, scratch);
    near("loss", got, loss, r, 4e-6, 4);
    near("dx", dx1, dx, r * w, 2e-6, 8);
    near("dw", dw1, dw, v * w, 4e-6, 8);
    near("dbias", db1, db, v, 4e-6, 8);
    a.backward = false;
    free(scratch);
    scratch = vector(lm_vocab_scratch(&a), 0, 0);
    lm_vocab_cross_entropy(&a, scratch);
    near("loss alone", got, loss, r, 4e-6, 4);
    free(x), free(table), free(bias), free(weight), free(logits), free(dlogits), free(loss), free(got),
        free(dx), free(dw);
    free(db), free(dx1), free(dw1), free(db1), free(scratch), free(sums), free(label);
}
END_TEST

/* ------------------------------------------------------------------ products */

static const int products[][3] = {{0, 3, 4},    {3, 0, 4},     {3, 4, 0},      {1, 1, 1},     {2, 3, 5},
                                  {65, 33, 17}, {200, 7, 130}, {130, 400, 64}, {1000, 50, 20}};
enum { PRODUCTS = sizeof products / sizeof *products };

/* The same with the matrix stored across, among columns that are not its own; wdx is twice dX. */
static void transposed(int m, int n, int k, const float *x, const float *w, const float *b, const float *dy,
                       const float *wy, const float *wdx, const float *wdw)
{
    enum { OTHERS = 3 };
    size_t M = (size_t)m, N = (size_t)n, K = (size_t)k, ld = N + OTHERS;
    float *across = vector(K * ld, NAN, NAN), *dacross = vector(K * ld, 1, 1), *dw = vector(N * K, 0, 0);
    float *y = vector(M * N, 9, 9), *dx = vector(M * K, 9, 9);
    for (size_t j = 0; j < N; j++)
        for (size_t c = 0; c < K; c++)
            across[c * ld + j] = w[j * K + c];
    lm_linear_transposed_forward(x, across, (int)ld, b, y, m, n, k);
    near("y across", y, wy, k ? M * N : 0, 2e-5, 8);
    lm_linear_transposed_backward_input(dy, across, (int)ld, dx, m, n, k, false);
    lm_linear_transposed_backward_input(dy, across, (int)ld, dx, m, n, k, true);
    near("dx across", dx, wdx, M * K, 2e-4, 8);
    lm_linear_transposed_backward_weight(dy, x, dacross, (int)ld, m, n, k);
    for (size_t j = 0; j < ld; j++)
        for (size_t c = 0; c < K; c++)
            if (j < N)
                dw[j * K + c] = dacross[c * ld + j];
            else
                ck_assert_float_eq(dacross[c * ld + j], 1);
    near("dw across", dw, wdw, N * K, 4e-4, 8);
    free(across), free(dacross), free(dw), free(y), free(dx);
}

START_TEST(linear)
{
    int m = products[_i][0], n = products[_i][1], k = products[_i][2];
    size_t M = (size_t)m, N = (size_t)n, K = (size_t)k;
    float *x = vector(M * K, -1, 1), *w = vector(N * K, -1, 1), *b = vector(N, -1, 1),
          *dy = vector(M * N, -1, 1);
    float *y = vector(M * N, 9, 9), *dx = vector(M * K, 9, 9), *dw = vector(N * K, 1, 1);
    float *wy = vector(M * N, 0, 0), *wdx = vector(M * K, 0, 0), *wdw = vector(N * K, 1, 1);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            double sum = b[j];
            for (size_t c = 0; c < K; c++) {
                sum += (double)x[i * K + c] * w[j * K + c];
                wdx[i * K + c] += dy[i * N + j] * w[j * K + c];
                wdw[j * K + c] += dy[i * N + j] * x[i * K + c];
            }
            wy[i * N + j] = (float)sum;
        }
    }
    lm_linear_forward(x, w, b, y, m, n, k);
    near("y", y, wy, k ? M * N : 0, 2e-5, 8); /* without an inner dimension there is no layer */
    lm_linear_backward_input(dy, w, dx, m, n, k, false);
    near("dx", dx, wdx, M * K, 1e-4, 8);
    lm_linear_backward_input(dy, w, dx, m, n, k, true);
    for (size_t i = 0; i < M * K; i++)
        wdx[i] *= 2;
    near("dx added", dx, wdx, M * K, 2e-4, 8);
    lm_linear_backward_weight(dy, x, dw, m, n, k);
    near("dw", dw, wdw, N * K, 4e-4, 8);
    transposed(m, n, k, x, w, b, dy, wy, wdx, wdw);
    free(x), free(w), free(b), free(dy), free(y), free(dx), free(dw), free(wy), free(wdx), free(wdw);
}
END_TEST

/* Few rows do not go to BLAS. Each row's results are the same bits whatever rows are beside it. */
START_TEST(few_rows)
{
    static const int columns[] = {1, 7, 8, 31, 100}, widths[] = {1, 3, 8, 17, 64, 131};
    for (int shape = 0; shape < 30; shape++) {
        int n = columns[shape % 5], k = widths[shape / 5], m = 1 + shape % 9;
        size_t M = (size_t)m, N = (size_t)n, K = (size_t)k;
        float *x = vector(M * K, -1, 1), *w = vector(N * K, -1, 1), *b = vector(N, -1, 1);
        float *want = vector(M * N, 0, 0), *got = vector(M * N, 0, 0), *one = vector(N, 0, 0);
        int ld = n + 3, few = m < 3 ? m : 3;
        float *across = vector(K * (size_t)ld, -1, 1);
        const float *bias = shape % 2 ? b : NULL;
        use("scalar");
        lm_linear_forward(x, w, bias, want, m, n, k);
        FOR_EACH_ISA(isa)
        {
            lm_linear_forward(x, w, bias, got, m, n, k);
            near("a few rows", got, want, M * N, 5e-6, 4);
            for (size_t i = 0; i < M; i++) {
                lm_linear_forward(x + i * K, w, bias, one, 1, n, k);
                ck_assert_msg(memcmp(one, got + i * N, N * sizeof *one) == 0, "row %zu of %d (%s)", i, m, isa);
            }
        }
        use("scalar");
        lm_linear_transposed_forward(x, across, ld, bias, want, few, n, k);
        FOR_EACH_ISA(isa)
        {
            lm_linear_transposed_forward(x, across, ld, bias, got, few, n, k);
            near("a few rows across", got, want, (size_t)few * N, 5e-6, 4);
        }
        free(across);
        free(x), free(w), free(b), free(want), free(got), free(one);
    }
}
END_TEST

START_TEST(minhash)
{
    enum { ITEMS = 70, MOST = 130 };
    uint64_t items[ITEMS], a[MOST], b[MOST], want[MOST], got[MOST], draw = 88172645463325252u;
    uint64_t *all[] = {items, a, b};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < (k ? MOST : ITEMS); i++) { /* xorshift64: Marsaglia 2003 */
            draw ^= draw << 13, draw ^= draw >> 7, draw ^= draw << 17;
            all[k][i] = k ? draw >> 3 : draw;
        }
    a[0] = 1, b[0] = 0;
    items[3] = ((uint64_t)1 << 61) - 1; /* 0 of the field, and the largest of 64 bits */
    items[4] = UINT64_MAX;
    for (int hashes = 1; hashes <= MOST; hashes += 1 + hashes / 8) {
        use("scalar");
        for (int h = 0; h < hashes; h++)
            want[h] = h % 3 ? INT64_MAX : a[h] >> 4;
        memcpy(got, want, sizeof want);
        lm_minhash(items, ITEMS, a, b, hashes, want);
        FOR_EACH_ISA(isa)
        {
            uint64_t least[MOST];
            memcpy(least, got, sizeof least);
            lm_minhash(items, ITEMS, a, b, hashes, least);
            ck_assert_msg(memcmp(least, want, (size_t)hashes * sizeof *least) == 0, "%d hashes (%s)", hashes, isa);
        }
    }
    ck_assert_uint_eq(want[0], 0);
}
END_TEST

/* ------------------------------------------------------------------ threads */

/* Everything whose sums could depend on who computes what; bytes of all results. */
static size_t all_results(float *to)
{
    enum { M = 700, N = 260, K = 200, VOCAB = 3000 };
    float *start = to;
    state = 4;
    float *x = vector(M * K, -1, 1), *w = vector(N * K, -1, 1), *dy = vector(M * N, -1, 1), *scratch;
    lm_linear_forward(x, w, w, to, M, N, K), to += M * N;
    lm_linear_forward(x, w, w, to, 20, N, K), to += 20 * N;
    lm_linear_backward_input(dy, w, to, M, N, K, false), to += M * K;
    memset(to, 0, N * K * sizeof *to);
    lm_linear_backward_weight(dy, x, to, M, N, K), to += N * K;
    memset(to, 0, N * sizeof *to);
    scratch = vector(lm_column_sums_scratch(M, N), 0, 0);
    lm_column_sums(dy, to, M, N, scratch), to += N;
    free(scratch);
    float *mean = to, *rstd = to + M, *y = to + 2 * M;
    lm_norm_forward(x, w, w + K, 1e-5, y, mean, rstd, M, K), to += 2 * M + M * K;
    memset(to, 0, 2 * K * sizeof *to);
    scratch = vector(lm_norm_scratch(M, K), 0, 0);
    lm_norm_backward(x, w, mean, rstd, y, to + 2 * K, false, to, to + K, M, K, scratch), to += 2 * K + M * K;
    free(scratch);
    *to++ = (float)lm_vector_sum_squares(x, M * K);
    int32_t index[M], label[M], splits[] = {0, 300, 310, 310, M};
    int64_t rows[] = {0, 1, 2, 3};
    for (int i = 0; i < M; i++)
        index[i] = i % 7, label[i] = i * 4;
    memset(to, 0, 7 * K * sizeof *to);
    lm_gather_backward(to, index, x, M, K, -1), to += 7 * K;
    lm_attention_args a = {.sequences = 4, .q_splits = splits, .k_splits = splits, .heads = 8, .kv_heads = 8,
                           .dim = 25, .scale = 0.2f, .dropout = 0.1, .key = {1, 2, 3}, .global_row = rows,
                           .q = x, .k = y, .v = x, .relative = y, .bucket = buckets_of(9), .buckets = 9};
    scratch = malloc(lm_attention_scratch(&a, true) * sizeof *scratch);
    float *log_sum = to + M * K;
    lm_attention_forward(&a, to, log_sum, scratch), to += M * K + M * 8;
    lm_attention_grads grads = {y, log_sum, to, to + M * K, to + 2 * M * K, false, false, false, to + 3 * M * K};
    memset(grads.drelative, 0, 72 * sizeof(float));
    lm_attention_backward(&a, &grads, scratch), to += 3 * M * K + 72;
    free(scratch);
    float *table = vector(VOCAB * K, -1, 1);
    lm_vocab_args v = {.x = x,
                       .w = table,
                       .rows = M,
                       .width = K,
                       .vocab = VOCAB,
                       .label = label,
                       .row_loss = to,
                       .backward = true,
                       .scale = 1,
                       .dx = to + M,
                       .dw = to + M + M * K};
    scratch = malloc(lm_vocab_scratch(&v) * sizeof *scratch);
    memset(v.dw, 0, VOCAB * K * sizeof *to);
    lm_vocab_cross_entropy(&v, scratch), to += M + M * K + VOCAB * K;
    free(scratch);
    v.backward = false, v.row_loss = to;
    scratch = malloc(lm_vocab_scratch(&v) * sizeof *scratch);
    lm_vocab_cross_entropy(&v, scratch), to += M;
    free(scratch), free(table), free(x), free(w), free(dy);
    return (size_t)(to - start);
}

START_TEST(same_bits_for_any_number_of_threads)
{
    enum { ROOM = 4000000 };
    float *one = malloc(ROOM * sizeof *one), *many = malloc(ROOM * sizeof *many);
    lm_threads_set(1);
    lm_kernels_start();
    if (!lm_kernels_deterministic()) {
        printf("SKIP: this BLAS threads itself: results may depend on -j\n");
        return;
    }
    size_t n = all_results(one);
    ck_assert_uint_le(n, ROOM);
    for (int threads = 2; threads < 4; threads++) {
        lm_threads_set(threads);
        ck_assert_uint_eq(all_results(many), n);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(memcmp(&one[i], &many[i], sizeof *one) == 0,
                          "result %zu with %d threads: %.9g, not %.9g", i, threads, (double)many[i],
                          (double)one[i]);
    }
    free(one), free(many);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("kernels");
    TCase *t = tcase_create("reference");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, instruction_sets);
    tcase_add_test(t, activations);
    tcase_add_test(t, activation_range);
    tcase_add_test(t, vectors);
    tcase_add_test(t, column_sums);
    tcase_add_test(t, layer_norm);
    tcase_add_test(t, rms_norm);
    tcase_add_test(t, gate);
    tcase_add_test(t, rope);
    tcase_add_test(t, embedding);
    tcase_add_test(t, dropout);
    tcase_add_test(t, dropout_statistics);
    tcase_add_test(t, cross_entropy);
    tcase_add_test(t, log_sums);
    tcase_add_loop_test(t, vocabulary, 0, 6);
    tcase_add_loop_test(t, linear, 0, PRODUCTS);
    tcase_add_test(t, few_rows);
    tcase_add_test(t, minhash);
    tcase_add_test(t, same_bits_for_any_number_of_threads);
    suite_add_tcase(s, t);
    suite_add_tcase(s, kernels_attention());
    suite_add_tcase(s, kernels_updates());
    return s;
}

UNIT_MAIN(suite)
