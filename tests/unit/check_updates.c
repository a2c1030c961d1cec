/* The optimisers' kernels: every instruction set against the reference, the forms of states, and the same bits for any number
 * of threads. */
#include "check_kernels.h"

#include "base/random.h"
#include "base/threads.h"

/* ------------------------------------------------------------------ rules */

static const lm_update ways[] = {
    {.rule = LM_RULE_ADAM, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01, .correction1 = 0.19,
     .correction2 = 0.001999, .grad_scale = 0.5},
    {.rule = LM_RULE_ADAM, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .l2 = 0.1, .l1 = 3, .correction1 = 1,
     .correction2 = 1, .grad_scale = 2, .grad_limit = 0.7},
    {.rule = LM_RULE_SGD, .lr = 1e-1, .decay = 0.1, .l1 = 0.5, .l2 = 0.01, .grad_scale = 0.7},
    {.rule = LM_RULE_SGD, .lr = 1e-1, .beta1 = 0.9, .grad_scale = 1},
    {.rule = LM_RULE_SGD, .lr = 1e-1, .beta1 = 0.8, .nesterov = true, .l2 = 0.05, .grad_scale = 1, .grad_limit = 0.2},
    {.rule = LM_RULE_LION, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .decay = 0.1, .grad_scale = 1},
    {.rule = LM_RULE_LION, .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .l1 = 1, .l2 = 0.1, .grad_scale = 3, .grad_limit = 1},
};
enum { WAYS = sizeof ways / sizeof *ways, ARRAYS = 4 };

/* p, g, m and v; of a way without momentum there is no m. */
static lm_states states_of(const lm_update *how, float *const *x)
{
    bool plain = how->rule == LM_RULE_SGD && how->beta1 == 0;
    return (lm_states){.m = plain ? NULL : x[2], .v = how->rule == LM_RULE_ADAM ? x[3] : NULL};
}

/* kernels.h, once more. */
static double by_formula(const lm_update *how, double p, double g, double m, double v)
{
    double d = how->grad_scale * g, u = 0;
    if (how->grad_limit > 0)
        d = fmax(-how->grad_limit, fmin(how->grad_limit, d));
    d += how->l2 * p;
    if (how->rule == LM_RULE_ADAM)
        u = (how->beta1 * m + (1 - how->beta1) * d) / how->correction1 /
            (sqrt((how->beta2 * v + (1 - how->beta2) * d * d) / how->correction2) + how->eps);
    if (how->rule == LM_RULE_SGD) {
        double momentum = how->beta1 > 0 ? how->beta1 * m + d : d;
        u = how->nesterov ? d + how->beta1 * momentum : momentum;
    }
    if (how->rule == LM_RULE_LION) {
        double way = how->beta1 * m + (1 - how->beta1) * d;
        u = (way > 0) - (way < 0);
    }
    double q = (1 - how->lr * how->decay) * p - how->lr * u, left = fabs(q) - how->lr * how->l1;
    return left > 0 ? copysign(left, q) : 0;
}

START_TEST(rules)
{
    const lm_update *how = &ways[_i];
    for (size_t s = 0; s < SIZES; s++) {
        size_t n = sizes[s];
        float *start[ARRAYS] = {vector(n, -1, 1), vector(n, -1, 1), vector(n, -0.1f, 0.1f), vector(n, 0, 0.1f)};
        float *now[2][ARRAYS];
        use("scalar");
        for (int i = 0; i < ARRAYS; i++)
            now[0][i] = copy(start[i], n);
        lm_states states = states_of(how, now[0]);
        lm_update_step(how, now[0][0], now[0][1], &states, n, true);
        for (size_t i = 0; i < n; i++) {
            double want = by_formula(how, start[0][i], start[1][i], start[2][i], start[3][i]);
            ck_assert_double_le(fabs(want - now[0][0][i]), 1e-6);
            ck_assert_float_eq(now[0][1][i], 0);
        }
        FOR_EACH_ISA(isa)
        {
            for (int i = 0; i < ARRAYS; i++)
                now[1][i] = copy(start[i], n);
            states = states_of(how, now[1]);
            lm_update_step(how, now[1][0], now[1][1], &states, n, true);
            for (int i = 0; i < ARRAYS; i++) {
                near("update", now[1][i], now[0][i], n, 3e-7, 4);
                free(now[1][i]);
            }
        }
        for (int i = 0; i < ARRAYS; i++)
            free(start[i]), free(now[0][i]);
    }
}
END_TEST

START_TEST(no_denormals_are_left)
{
    FOR_EACH_ISA(isa)
    {
        float p[3] = {1, 1, 1}, g[3] = {0}, m[3] = {1e-3f, -1e-3f, 0}, v[3] = {1e-30f, 1e-6f, 0};
        lm_update how = {.rule = LM_RULE_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .correction1 = 1,
                         .correction2 = 1, .grad_scale = 1};
        lm_states states = {.m = m, .v = v};
        for (int i = 0; i < 1000; i++)
            lm_update_step(&how, p, g, &states, 3, true);
        ck_assert_float_eq(m[0], 0);
        ck_assert_float_eq(m[1], 0);
        ck_assert_float_eq(p[2], 1);
        ck_assert_float_eq_tol(v[1], 3.677e-7f, 1e-9f);
    }
}
END_TEST

START_TEST(blends)
{
    for (size_t s = 0; s < SIZES; s++) {
        size_t n = sizes[s];
        float *from = vector(n, -1, 1), *start = vector(n, -1, 1), *want = copy(start, n);
        use("scalar");
        lm_vector_blend(0.01, from, want, n);
        for (size_t i = 0; i < n; i++)
            ck_assert_float_eq_tol(want[i], 0.01f * from[i] + 0.99f * start[i], 1e-6f);
        FOR_EACH_ISA(isa)
        {
            float *got = copy(start, n);
            lm_vector_blend(0.01, from, got, n);
            near("blend", got, want, n, 1e-7, 2);
            free(got);
        }
        free(from), free(start), free(want);
    }
}
END_TEST

/* ------------------------------------------------------------------ forms of states */

/* Each bit that the reference draws and cuts, for numbers of all sizes and what is no number. */
START_TEST(bf16_as_the_reference)
{
    enum { N = 1000 };
    float *x = vector(N, -1, 1);
    static const float odd[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1, 1.5f, 3e38f};
    for (int i = 0; i < N; i++)
        x[i] = i < 8 ? odd[i] : ldexpf(x[i], i % 200 - 100);
    for (size_t n = 0; n <= N; n += n < 40 ? 1 : 139) {
        uint16_t want[N], got[N];
        float back[2][N];
        lm_states reference = {.form = LM_STATE_BF16, .m = want, .v = want}, states = {.form = LM_STATE_BF16, .m = got, .v = got};
        use("scalar");
        lm_states_write(&reference, n % 2, 0, n, x, 77 + n, 3, 1024);
        lm_states_read(&reference, true, 0, n, back[0]);
        for (size_t i = 0; i < n; i++) {
            ck_assert(isnan(x[i]) == isnan(back[0][i]));
            ck_assert(isnan(x[i]) || back[0][i] == x[i] || fabs((double)back[0][i] - x[i]) < fabs((double)x[i]) / 128);
        }
        FOR_EACH_ISA(isa)
        {
            lm_states_write(&states, n % 2, 0, n, x, 77 + n, 3, 1024);
            ck_assert_mem_eq(got, want, n * sizeof *got);
            lm_states_read(&states, true, 0, n, back[1]);
            ck_assert_mem_eq(back[1], back[0], n * sizeof *back[0]);
        }
    }
    free(x);
}
END_TEST

/* As often up as it is near to what is above: the mean of many draws is the number itself. Another row, place, key and state
 * draws other numbers; the same ones the same, wherever the piece begins. */
START_TEST(bf16_rounds_by_chance)
{
    enum { N = 1 << 16 };
    float *x = vector(N, 1, 1);
    uint16_t *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    static const float numbers[] = {1.001f, 1.0039f, 1.0069f, -1.002f};
    lm_kernels_start();
    for (size_t k = 0; k < 4; k++) {
        for (int i = 0; i < N; i++)
            x[i] = numbers[k];
        lm_states states = {.form = LM_STATE_BF16, .m = a}, other = {.form = LM_STATE_BF16, .m = b, .v = b};
        lm_states_write(&states, true, 0, N, x, 5, 0, 0);
        float *y = malloc(N * sizeof *y);
        lm_states_read(&states, true, 0, N, y);
        double sum = 0, part = fabs((double)numbers[k]) * 128 - 128;
        for (int i = 0; i < N; i++)
            sum += y[i];
        double spread = sqrt(part * (1 - part) / N) / 128;
        ck_assert_double_eq_tol(sum / N, numbers[k], 4.5 * spread);
        for (size_t from = 0; from < N; from += N / 4) /* in pieces */
            lm_states_write(&other, true, from, N / 4, x + from, 5, 0, from);
        ck_assert_mem_eq(a, b, N * sizeof *a);
        lm_states_write(&other, true, 0, N, x, 6, 0, 0);
        ck_assert_mem_ne(a, b, N * sizeof *a);
        lm_states_write(&other, true, 0, N, x, 5, 1, 0);
        ck_assert_mem_ne(a, b, N * sizeof *a);
        lm_states_write(&other, true, 0, N, x, 5, 0, N);
        ck_assert_mem_ne(a, b, N * sizeof *a);
        lm_states_write(&other, false, 0, N, x, 5, 0, 0);
        ck_assert_mem_ne(a, b, N * sizeof *a);
        free(y);
    }
    free(x), free(a), free(b);
}
END_TEST

/* The values of the codes, from the definition of the types: parts of decades. */
static void dynamic_type(bool is_signed, double value[256])
{
    int n = 0, signs = is_signed ? 2 : 1;
    for (int i = 0; i < 7; i++) {
        int parts = (is_signed ? 1 : 2) << i;
        for (int j = 0; j < parts; j++)
            for (int sign = 0; sign < signs; sign++)
                value[n++] = (sign ? -1 : 1) * pow(10, i - 6) * (0.1 + 0.9 * (j + 0.5) / parts);
    }
    value[n++] = 0;
    value[n++] = 1;
    ck_assert_int_eq(n, 256);
    for (int i = 1; i < n; i++) /* in order */
        for (int j = i; j > 0 && value[j - 1] > value[j]; j--) {
            double t = value[j];
            value[j] = value[j - 1];
            value[j - 1] = t;
        }
}

START_TEST(codes_are_the_dynamic_types)
{
    uint8_t codes[256];
    float got[256], scale = 2, back_scale = 0;
    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        double value[256];
        uint8_t again[256];
        dynamic_type(is_signed, value);
        for (size_t i = 0; lm_kernels_isa_at(i); i++) {
            if (!lm_kernels_use(lm_kernels_isa_at(i)))
                continue;
            lm_states states = {.form = LM_STATE_8BIT, .m = codes, .v = codes, .m_scale = &scale, .v_scale = &scale};
            lm_states_read(&states, is_signed, 0, 256, got);
            for (int c = 0; c < 256; c++)
                ck_assert_double_le(fabs(got[c] - 2 * value[c]), 3e-7 * fabs(value[c]));
            states = (lm_states){.form = LM_STATE_8BIT, .m = again, .v = again, .m_scale = &back_scale, .v_scale = &back_scale};
            lm_states_write(&states, is_signed, 0, 256, got, 0, 0, 0);
            ck_assert_mem_eq(again, codes, 256);
            ck_assert_float_eq(back_scale, 2);
        }
    }
}
END_TEST

/* What is written is nearest to what was there, to within float32; the greatest of a block is exact; a block of zeros stays so. */
START_TEST(codes_are_nearest)
{
    enum { N = 3 * LM_STATE_BLOCK + 100 };
    float *x = vector(N, -1, 1), back[N], scale[4];
    uint8_t codes[N];
    double value[2][256];
    dynamic_type(false, value[0]);
    dynamic_type(true, value[1]);
    for (int i = 0; i < N; i++)
        x[i] = i / LM_STATE_BLOCK == 1 ? 0 : x[i] * powf(10, (float)(-(i % 9))) * (i % 2 ? 1e-20f : 1);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        for (int i = 0; i < N && !is_signed; i++)
            x[i] = fabsf(x[i]);
        for (size_t k = 0; lm_kernels_isa_at(k); k++) {
            if (!lm_kernels_use(lm_kernels_isa_at(k)))
                continue;
            lm_states states = {.form = LM_STATE_8BIT, .m = codes, .v = codes, .m_scale = scale, .v_scale = scale};
            lm_states_write(&states, is_signed, 0, N, x, 0, 0, 0);
            lm_states_read(&states, is_signed, 0, N, back);
            for (int i = 0; i < N; i++) {
                double most = scale[i / LM_STATE_BLOCK], least = INFINITY;
                for (int c = 0; c < 256; c++)
                    least = fmin(least, fabs(value[is_signed][c] * most - x[i]));
                bool near_enough = fabs((double)back[i] - x[i]) <= least * (1 + 1e-5) + 1e-7 * most;
                if (!near_enough || (x[i] == (float)most && back[i] != x[i]))
                    ck_abort_msg("%g has become %g", (double)x[i], (double)back[i]);
            }
            ck_assert_float_eq(scale[1], 0);
        }
        for (int i = 0; i < N; i++)
            x[i] = i % 3 ? x[i] : -x[i];
    }
    free(x);
}
END_TEST

/* ------------------------------------------------------------------ Adafactor */

static const size_t shapes[][3] = {{1, 1, 1}, {1, 1, 37}, {1, 5, 1}, {1, 7, 33}, {1, 300, 64}, {2, 70, 65}, {3, 2, 16}, {1, 64, 1031}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct factors {
    float *p, *g, *m, *row, *column;
} factors;

static factors copy_of(const factors *f, size_t n, size_t rows, size_t columns)
{
    return (factors){copy(f->p, n), copy(f->g, n), copy(f->m, n), copy(f->row, rows), copy(f->column, columns)};
}

static void free_factors(factors *f)
{
    free(f->p), free(f->g), free(f->m), free(f->row), free(f->column);
}

static void factor_step(const factors *f, const size_t *shape, bool vector, bool mean, double l2)
{
    lm_adafactor a = {.step = {.rule = LM_RULE_SGD, .lr = 0.02, .beta1 = 0.9, .beta2 = 0.7, .decay = 0.1, .l2 = l2,
                               .grad_scale = 0.5},
                      .epsilon = 1e-30, .clip_threshold = 0.9, .p = f->p, .g = f->g, .m = mean ? f->m : NULL,
                      .row = vector ? NULL : f->row, .column = f->column,
                      .matrices = shape[0], .rows = shape[1], .columns = shape[2]};
    float *scratch = malloc(lm_adafactor_scratch(&a) * sizeof *scratch);
    lm_adafactor_step(&a, scratch, true);
    free(scratch);
}

/* transformers' steps, for the whole tensor at once. */
static void factors_by_formula(factors *f, const size_t *shape, bool is_vector, bool mean, double l2)
{
    size_t K = shape[0], R = shape[1], C = shape[2];
    double size = 0, *u = malloc(K * R * C * sizeof *u);
    for (size_t k = 0; k < K; k++) {
        double rows = 0;
        for (size_t i = 0; i < R; i++) {
            double sum = 0;
            for (size_t j = 0; j < C; j++)
                sum += pow(0.5 * f->g[(k * R + i) * C + j] + l2 * f->p[(k * R + i) * C + j], 2) + 1e-30;
            f->row[k * R + i] = (float)(0.7 * f->row[k * R + i] + 0.3 * sum / (double)C);
            rows += f->row[k * R + i];
        }
        for (size_t j = 0; j < C; j++) {
            double sum = 0;
            for (size_t i = 0; i < R; i++)
                sum += pow(0.5 * f->g[(k * R + i) * C + j] + l2 * f->p[(k * R + i) * C + j], 2) + 1e-30;
            f->column[k * C + j] = (float)(0.7 * f->column[k * C + j] + 0.3 * sum / (double)R);
        }
        for (size_t i = 0; i < R * C; i++) {
            double d = 0.5 * f->g[k * R * C + i] + l2 * f->p[k * R * C + i];
            double row = is_vector ? 1 : f->row[k * R + i / C] / (rows / (double)R);
            u[k * R * C + i] = d / sqrt(row * f->column[k * C + i % C]);
            size += pow(u[k * R * C + i], 2);
        }
    }
    double clip = fmax(1, sqrt(size / (double)(K * R * C)) / 0.9);
    for (size_t i = 0; i < K * R * C; i++) {
        double by = 0.02 * u[i] / clip;
        if (mean)
            by = f->m[i] = (float)(0.9 * f->m[i] + 0.1 * by);
        f->p[i] = (float)(f->p[i] * (1 - 0.002) - by);
    }
    free(u);
}

START_TEST(adafactor)
{
    const size_t *shape = shapes[_i];
    size_t n = shape[0] * shape[1] * shape[2], rows = shape[0] * shape[1], columns = shape[0] * shape[2];
    factors start = {vector(n, -1, 1), vector(n, -1, 1), vector(n, -0.01f, 0.01f), vector(rows, 0.01f, 0.1f),
                     vector(columns, 0.01f, 0.1f)};
    for (int way = 0; way < 8; way++) {
        bool is_vector = (way & 2) && shape[1] == 1, mean = way & 1;
        double l2 = way & 4 ? 0.01 : 0;
        factors want = copy_of(&start, n, rows, columns);
        factors_by_formula(&want, shape, is_vector, mean, l2);
        for (size_t k = 0; lm_kernels_isa_at(k); k++) {
            if (!lm_kernels_use(lm_kernels_isa_at(k)))
                continue;
            factors got = copy_of(&start, n, rows, columns);
            factor_step(&got, shape, is_vector, mean, l2);
            near("p", got.p, want.p, n, 2e-7, 3);
            near("m", got.m, want.m, n, 1e-7, 3);
            if (!is_vector)
                near("row", got.row, want.row, rows, 1e-7, 8);
            near("column", got.column, want.column, columns, 1e-7, 8);
            for (size_t i = 0; i < n; i++)
                ck_assert_float_eq(got.g[i], 0);
            free_factors(&got);
        }
        free_factors(&want);
    }
    free_factors(&start);
}
END_TEST

/* ------------------------------------------------------------------ threads */

START_TEST(any_number_of_threads)
{
    enum { R = 300, C = 400, N = R * C };
    float *start[5] = {vector(N, -1, 1), vector(N, -1, 1), vector(N, -0.1f, 0.1f), vector(N, 0, 0.1f), vector(N, 0, 0.1f)};
    lm_kernels_start();
    for (int form = LM_STATE_F32; form <= LM_STATE_8BIT + 1; form++) {
        float *p[2];
        for (int many = 0; many < 2; many++) {
            p[many] = copy(start[0], N);
            float *g = copy(start[1], N), *m = copy(start[2], N), *v = copy(start[3], N), *scale = calloc(2 * N, sizeof *scale);
            lm_threads_set(many ? 4 : 1);
            if (form > LM_STATE_8BIT) {
                factor_step(&(factors){p[many], g, m, scale, v}, (size_t[]){1, R, C}, false, true, 0.01);
            } else {
                lm_states states = {.form = (lm_state_form)form, .m = m, .v = v, .m_scale = scale, .v_scale = scale + N};
                if (form != LM_STATE_F32)
                    memset(m, 0, N * sizeof *m), memset(v, 0, N * sizeof *v);
                for (int t = 0; t < 3; t++) {
                    memcpy(g, start[1], N * sizeof *g);
                    lm_update_step(&ways[0], p[many], g, &states, N, true);
                }
            }
            free(g), free(m), free(v), free(scale);
        }
        ck_assert_mem_eq(p[0], p[1], N * sizeof *p[0]);
        free(p[0]), free(p[1]);
    }
    lm_threads_set(1);
    for (int i = 0; i < 5; i++)
        free(start[i]);
}
END_TEST

TCase *kernels_updates(void)
{
    TCase *t = tcase_create("optimisers");
    tcase_add_loop_test(t, rules, 0, WAYS);
    tcase_add_test(t, no_denormals_are_left);
    tcase_add_test(t, blends);
    tcase_add_test(t, bf16_as_the_reference);
    tcase_add_test(t, bf16_rounds_by_chance);
    tcase_add_test(t, codes_are_the_dynamic_types);
    tcase_add_test(t, codes_are_nearest);
    tcase_add_loop_test(t, adafactor, 0, SHAPES);
    tcase_add_test(t, any_number_of_threads);
    return t;
}
