/* Every optimiser against ten steps of the published one (optimizers.json: PyTorch in float64, and the formulas where it has
 * none); states in fewer bits; what they take; and that a run which goes on from disk ends in the same bits. */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "base/threads.h"
#include "stream/json_tree.h"
#include "train/optimizer/optimizer_options.h"
#include "train/optimizer/schedule.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static int index_in(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    ck_abort_msg("%s: no such name", name);
    return -1;
}

static lm_optimizer_options options_named(const char *name, const char *states)
{
    lm_train_options o = lm_train_defaults;
    o.optimizer = index_in(lm_optimizer_names, name);
    o.state_type = index_in(lm_state_type_names, states);
    return lm_optimizer_options_of(&o, 1);
}

/* a.weight [rows, columns] and a.bias [rows]. */
static lm_params *params_of(int rows, int columns)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *params = lm_params_new();
    lm_declare *d = lm_declare_begin(params);
    lm_declare_linear(d, (lm_scope){"a"}, columns, rows, 0.5);
    lm_declare_end(d, &st);
    for (size_t i = 0; i < lm_params_count(params); i++)
        ck_assert(lm_param_initialise(lm_params_at(params, i), 1, &st) && lm_param_train(lm_params_at(params, i), true, &st));
    return params;
}

/* ------------------------------------------------------------------ as published */

static void numbers(const json_t *list, float *to, size_t n)
{
    ck_assert_uint_eq(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)json_number_value(json_array_get(list, i));
}

static void assert_near(const char *name, size_t step, const lm_param *p, const json_t *want)
{
    ck_assert_uint_eq(json_array_size(want), p->elements);
    for (size_t i = 0; i < p->elements; i++) {
        double w = json_number_value(json_array_get(want, i));
        ck_assert_msg(fabs(p->value[i] - w) < 2e-6 * (1 + fabs(w)), "%s, step %zu: %s[%zu] is %.9g, and should be %.9g", name,
                      step + 1, p->name, i, (double)p->value[i], w);
    }
}

static double number(const json_t *o, const char *key, double other)
{
    const json_t *x = json_object_get(o, key);
    return x ? json_number_value(x) : other;
}

/* A case's options, as the command line would have them. */
static lm_train_options options_of(const json_t *c)
{
    lm_train_options o = lm_train_defaults;
    o.optimizer = index_in(lm_optimizer_names, json_string_value(json_object_get(c, "optimizer")));
    o.weight_decay = number(c, "weight_decay", 0);
    o.beta1 = number(c, "beta1", o.beta1);
    o.beta2 = number(c, "beta2", o.beta2);
    o.epsilon = number(c, "epsilon", o.epsilon);
    o.momentum = number(c, "momentum", 0);
    o.l1 = number(c, "l1", 0);
    o.l2 = number(c, "l2", 0);
    o.max_grad_value = number(c, "max_value", 0);
    o.clip_threshold = number(c, "clip", 0);
    o.factor_decay = number(c, "decay", 0);
    o.scale_parameter = json_is_true(json_object_get(c, "scale"));
    o.nesterov = json_is_true(json_object_get(c, "nesterov"));
    o.no_bias_correction = json_is_true(json_object_get(c, "no_correction"));
    const json_t *schedule = json_object_get(c, "schedule");
    if (schedule)
        o.schedule = index_in(lm_schedule_names, json_string_value(schedule));
    return o;
}

START_TEST(ten_steps_as_published)
{
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/optimizers.json", source ? source : "..");
    lm_status st = LM_STATUS_INIT;
    json_t *all = lm_json_read(path, 0, &st), *c;
    assert_ok(&st);
    const json_t *start = json_object_get(all, "start"), *gradients = json_object_get(all, "gradients");
    const json_t *rates = json_object_get(all, "rates");
    size_t i;
    json_array_foreach(json_object_get(all, "cases"), i, c) {
        const char *name = json_string_value(json_object_get(c, "name"));
        lm_train_options o = options_of(json_object_get(c, "options"));
        ck_assert_msg(lm_optimizer_options_check(&o, &st), "%s: %s", name, st.message);
        lm_optimizer_options how = lm_optimizer_options_of(&o, 1);
        lm_schedule schedule = {.kind = (lm_schedule_kind)o.schedule, .total = 10};
        lm_params *params = params_of(3, 5);
        lm_param *p[2] = {lm_params_at(params, 0), lm_params_at(params, 1)};
        static const char *const of[2] = {"w", "b"};
        for (int k = 0; k < 2; k++)
            numbers(json_object_get(start, of[k]), p[k]->value, p[k]->elements);
        lm_optimizer *optimizer = lm_optimizer_new(params, &how, &st);
        assert_ok(&st);
        for (size_t t = 0; t < json_array_size(rates); t++) {
            double rate = lm_schedule_is_absolute(schedule.kind) ? lm_schedule_factor(&schedule, t)
                                                                 : json_number_value(json_array_get(rates, t));
            for (int k = 0; k < 2; k++)
                numbers(json_array_get(json_object_get(gradients, of[k]), t), p[k]->grad, p[k]->elements);
            ck_assert(lm_optimizer_update(optimizer, rate, 1, &st));
            for (int k = 0; k < 2; k++) {
                assert_near(name, t, p[k], json_array_get(json_object_get(c, of[k]), t));
                for (size_t e = 0; e < p[k]->elements; e++)
                    ck_assert_float_eq(p[k]->grad[e], 0); /* left so for the next step */
            }
        }
        lm_optimizer_free(optimizer);
        lm_params_free(params);
    }
    ck_assert_uint_eq(i, 15);
    json_decref(all);
    free(path);
}
END_TEST

START_TEST(idle_options_are_refused)
{
    static const struct {
        const char *name, *says;
        lm_train_options o;
    } cases[] = {
        {"sgd", "--adam-beta1: --optimizer sgd has none", {.beta1 = 0.9, .beta2 = -1, .epsilon = -1}},
        {"adafactor", "--adam-beta2", {.beta1 = -1, .beta2 = 0.9, .epsilon = -1}},
        {"lion", "--adam-epsilon", {.beta1 = -1, .beta2 = -1, .epsilon = 1e-6}},
        {"lion", "--adam-no-bias-correction", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .no_bias_correction = true}},
        {"adamw", "--momentum", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .momentum = 0.9}},
        {"adafactor", "--nesterov: --optimizer adafactor", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .nesterov = true}},
        {"sgd", "give --momentum", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .nesterov = true}},
        {"adam", "--adafactor-scale-parameter", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .scale_parameter = true}},
        {"adam", "--adafactor-clip-threshold", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .clip_threshold = 2}},
        {"adam", "--adafactor-decay-rate", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .factor_decay = 0.8}},
        {"adafactor", "--state-dtype 8bit: adafactor", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .state_type = 3}},
        {"adamw-8bit", "--state-dtype says bf16", {.beta1 = -1, .beta2 = -1, .epsilon = -1, .state_type = 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_train_options o = cases[i].o;
        o.optimizer = index_in(lm_optimizer_names, cases[i].name);
        ck_assert(!lm_optimizer_options_check(&o, &st));
        ck_assert_int_eq(st.code, LM_USAGE);
        assert_says(&st, cases[i].says);
    }
}
END_TEST

/* ------------------------------------------------------------------ states in fewer bits */

enum { ROWS = 67, COLUMNS = 131, MANY = ROWS * COLUMNS }; /* of no whole number of blocks */

static void set_gradients(lm_params *params, int t)
{
    for (size_t i = 0; i < lm_params_count(params); i++) {
        lm_param *p = lm_params_at(params, i);
        for (size_t k = 0; k < p->elements; k++) /* sizes of a thousand to one, in each block */
            p->grad[k] = (float)(sin((double)(k * k % 997) + t) * pow(10, -(double)(k % 4)));
    }
}

static double code_value(int code, bool is_signed)
{
    int q = is_signed ? abs(code - 127) : code + 1, e = 0, decades = is_signed ? 6 : 7;
    while (2 << e <= q)
        e++;
    double value = q == (is_signed ? 0 : 1) ? 0
                   : e > decades            ? 1
                                            : pow(10, e - decades) * (0.1 + 0.9 * (q - (1 << e) + 0.5) / (1 << e));
    return is_signed && code < 127 ? -value : value;
}

/* What is left of a block's numbers when they have been codes. */
static void through_codes(double *x, size_t n, bool is_signed)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    for (size_t i = 0; i < n; i++) {
        double best = 0;
        for (int c = 0; c < 256; c++)
            if (fabs(code_value(c, is_signed) * most - x[i]) < fabs(best - x[i]))
                best = code_value(c, is_signed) * most;
        x[i] = best;
    }
}

/* bitsandbytes' scheme: means out of their codes, a step of AdamW, new codes by blocks of 256. A number near the middle of two
 * codes may become the other one in float32; then it differs by a part of the step. The bias is too small for codes. */
START_TEST(codes_of_adamw)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *params = params_of(ROWS, COLUMNS), *plain = params_of(ROWS, COLUMNS);
    lm_optimizer_options how = options_named("adamw-8bit", "auto"), exact = options_named("adamw", "auto");
    lm_optimizer *o = lm_optimizer_new(params, &how, &st), *other = lm_optimizer_new(plain, &exact, &st);
    const lm_param *w = lm_params_at(params, 0), *b = lm_params_at(params, 1);
    double *p = lm_malloc(MANY, sizeof *p), *m = lm_calloc(MANY, sizeof *m), *v = lm_calloc(MANY, sizeof *v);
    for (size_t i = 0; i < MANY; i++)
        p[i] = w->value[i];
    for (int t = 1; t <= 5; t++) {
        set_gradients(params, t);
        set_gradients(plain, t);
        for (size_t i = 0; i < MANY; i++) {
            double g = w->grad[i];
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            p[i] = p[i] * (1 - 1e-2 * 0.01) -
                   1e-2 * (m[i] / (1 - pow(0.9, t))) / (sqrt(v[i] / (1 - pow(0.999, t))) + 1e-8);
        }
        for (size_t i = 0; i < MANY; i += 256) {
            through_codes(m + i, MANY - i < 256 ? MANY - i : 256, true);
            through_codes(v + i, MANY - i < 256 ? MANY - i : 256, false);
        }
        ck_assert(lm_optimizer_update(o, 1e-2, 1, &st) && lm_optimizer_update(other, 1e-2, 1, &st));
    }
    int differ = 0;
    double apart = 0;
    for (size_t i = 0; i < MANY; i++) {
        differ += fabs(w->value[i] - p[i]) > 1e-6;
        ck_assert_double_le(fabs(w->value[i] - p[i]), 1e-2);
        apart = fmax(apart, fabs(w->value[i] - lm_params_at(plain, 0)->value[i]));
    }
    ck_assert_int_le(differ, MANY / 100);
    ck_assert_double_gt(apart, 1e-4); /* codes it was */
    ck_assert_mem_eq(b->value, lm_params_at(plain, 1)->value, b->elements * sizeof *b->value);
    lm_optimizer_free(o), lm_optimizer_free(other);
    lm_params_free(params), lm_params_free(plain);
    free(p), free(m), free(v);
}
END_TEST

/* What a mean gains in a step is less than half of bfloat16's last place long before it is there: rounded to the nearest it
 * would stop, and steps would be too large for ever. */
START_TEST(bf16_means_arrive)
{
    enum { STEPS = 3000 };
    lm_status st = LM_STATUS_INIT;
    lm_params *params = params_of(32, 32);
    lm_optimizer_options how = options_named("adamw", "bf16");
    how.weight_decay = 0;
    lm_optimizer *o = lm_optimizer_new(params, &how, &st);
    const lm_param *w = lm_params_at(params, 0);
    double before = 0, after = 0;
    for (int t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < w->elements && t == STEPS - 100; i++)
            before += w->value[i];
        for (size_t i = 0; i < w->elements; i++)
            w->grad[i] = 1;
        ck_assert(lm_optimizer_update(o, 1e-3, 1, &st));
    }
    for (size_t i = 0; i < w->elements; i++)
        after += w->value[i];
    ck_assert_double_eq_tol((before - after) / (double)w->elements / 100, 1e-3, 2e-5);
    lm_optimizer_free(o);
    lm_params_free(params);
}
END_TEST

/* ------------------------------------------------------------------ what they take */

START_TEST(bytes)
{
    enum { BLOCKS = (MANY + 255) / 256 };
    static const struct {
        const char *name, *states;
        double momentum;
        size_t bytes; /* of the weight and of the bias */
    } cases[] = {
        {"adamw", "auto", 0, 8 * (MANY + ROWS)},
        {"adam", "bf16", 0, 4 * (MANY + ROWS)},
        {"adamw-8bit", "auto", 0, 2 * MANY + 8 * BLOCKS + 8 * ROWS},
        {"adamw", "8bit", 0, 2 * MANY + 8 * BLOCKS + 8 * ROWS},
        {"lion", "auto", 0, 4 * (MANY + ROWS)},
        {"lion-8bit", "auto", 0, MANY + 4 * BLOCKS + 4 * ROWS},
        {"sgd", "auto", 0, 0},
        {"sgd", "auto", 0.9, 4 * (MANY + ROWS)},
        {"sgd", "bf16", 0.9, 2 * (MANY + ROWS)},
        {"adafactor", "auto", 0, 4 * (ROWS + COLUMNS + ROWS)},
        {"adafactor", "auto", 0.9, 4 * (ROWS + COLUMNS + ROWS + MANY + ROWS)},
    };
    lm_status st = LM_STATUS_INIT;
    lm_params *params = params_of(ROWS, COLUMNS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_optimizer_options how = options_named(cases[i].name, cases[i].states), adamw = options_named("adamw", "f32");
        adamw.momentum = how.momentum = cases[i].momentum;
        lm_optimizer *o = lm_optimizer_new(params, &how, &st), *other = lm_optimizer_new(params, &adamw, &st);
        assert_ok(&st);
        ck_assert_uint_eq(lm_optimizer_bytes(o), cases[i].bytes);
        ck_assert_uint_eq(lm_optimizer_bytes_as(other, how.kind, how.states), cases[i].bytes);
        ck_assert_uint_eq(lm_optimizer_growth(o), 0);
        lm_optimizer_free(o), lm_optimizer_free(other);
    }
    lm_params_free(params);
}
END_TEST

/* ------------------------------------------------------------------ on disk */

static const struct {
    const char *name, *states;
    double momentum;
} kinds[] = {{"adamw", "auto", 0},      {"adamw", "bf16", 0}, {"adamw-8bit", "auto", 0}, {"adam", "auto", 0}, {"sgd", "auto", 0},
             {"sgd", "auto", 0.9},      {"sgd", "8bit", 0.9}, {"lion", "auto", 0},       {"lion", "bf16", 0}, {"lion-8bit", "auto", 0},
             {"adafactor", "auto", 0},  {"adafactor", "auto", 0.9}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static lm_optimizer *optimizer_of(int kind, lm_params *params)
{
    lm_status st = LM_STATUS_INIT;
    lm_optimizer_options how = options_named(kinds[kind].name, kinds[kind].states);
    how.momentum = kinds[kind].momentum;
    lm_optimizer *o = lm_optimizer_new(params, &how, &st);
    assert_ok(&st);
    return o;
}

static void steps(lm_optimizer *o, lm_params *params, int from, int to)
{
    lm_status st = LM_STATUS_INIT;
    for (int t = from; t < to; t++) {
        set_gradients(params, t);
        ck_assert(lm_optimizer_update(o, 1e-2, 0.5, &st));
    }
}

static lm_safetensors *saved(const lm_optimizer *o, const char *dir, const char *name)
{
    lm_status st = LM_STATUS_INIT;
    char *file = lm_format("%s/%s", dir, name);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ck_assert(lm_optimizer_save(o, fd, file, &st));
    close(fd);
    lm_safetensors *f = lm_safetensors_open(file, &st);
    assert_ok(&st);
    free(file);
    return f;
}

/* Four steps; and two, a save, a load into a new optimiser, and two more, with another number of threads: the same bits. */
START_TEST(goes_on_in_the_same_bits)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_new();
    lm_params *a = params_of(ROWS, COLUMNS), *b = params_of(ROWS, COLUMNS);
    lm_optimizer *whole = optimizer_of(_i, a), *first = optimizer_of(_i, b), *second = optimizer_of(_i, b);
    lm_threads_set(1);
    steps(whole, a, 0, 4);
    lm_threads_set(3);
    steps(first, b, 0, 2);
    lm_safetensors *f = saved(first, dir, "first");
    ck_assert_msg(lm_optimizer_load(second, f, &st), "%s", st.message);
    steps(second, b, 2, 4);
    for (size_t i = 0; i < lm_params_count(a); i++)
        ck_assert_mem_eq(lm_params_at(a, i)->value, lm_params_at(b, i)->value, lm_params_at(a, i)->elements * sizeof(float));
    lm_safetensors_close(f);
    lm_safetensors_close(saved(whole, dir, "whole"));
    lm_safetensors_close(saved(second, dir, "second"));
    lm_str x = scratch_read(dir, "whole"), y = scratch_read(dir, "second");
    ck_assert_uint_eq(x.len, y.len);
    ck_assert_mem_eq(x.data, y.data, x.len);
    free((char *)x.data), free((char *)y.data);
    lm_optimizer_free(whole), lm_optimizer_free(first), lm_optimizer_free(second);
    lm_params_free(a), lm_params_free(b);
    scratch_discard(dir);
}
END_TEST

/* The states of another optimiser, or in another form, are refused by name. */
START_TEST(other_states_are_refused)
{
    static const struct {
        int mine, theirs;
        const char *says;
    } cases[] = {{0, 7, "a.weight.exp_avg_sq: missing"},
                 {0, 1, "a.weight.exp_avg: another dtype or shape"},
                 {2, 0, "a.weight.exp_avg: another dtype or shape"},
                 {5, 0, "a.weight.momentum_buffer: missing"},
                 {10, 0, "a.weight.exp_avg_sq_row: missing"},
                 {11, 10, "a.weight.exp_avg: missing"},
                 {0, 11, "a.weight.exp_avg_sq: missing"}};
    char *dir = scratch_new();
    lm_params *params = params_of(ROWS, COLUMNS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_optimizer *mine = optimizer_of(cases[i].mine, params), *theirs = optimizer_of(cases[i].theirs, params);
        lm_safetensors *f = saved(theirs, dir, "states");
        ck_assert(!lm_optimizer_load(mine, f, &st));
        assert_says(&st, cases[i].says);
        lm_safetensors_close(f);
        lm_optimizer_free(mine), lm_optimizer_free(theirs);
    }
    lm_params_free(params);
    scratch_discard(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("optimizers");
    TCase *t = tcase_create("published");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ten_steps_as_published);
    tcase_add_test(t, idle_options_are_refused);
    suite_add_tcase(s, t);
    t = tcase_create("states");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, codes_of_adamw);
    tcase_add_test(t, bf16_means_arrive);
    tcase_add_test(t, bytes);
    tcase_add_loop_test(t, goes_on_in_the_same_bits, 0, KINDS);
    tcase_add_test(t, other_states_are_refused);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
