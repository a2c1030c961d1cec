/* The parts of training that stand alone: schedules, AdamW, order, classes, checkpoints. */
#include "unit.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "stream/json_tree.h"
#include "stream/labels.h"
#include "train/checkpoint.h"
#include "train/optimizer/optimizer.h"
#include "train/data/order.h"
#include "train/reports/runlog.h"
#include "train/optimizer/schedule.h"
#include "train/reports/tensorboard.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------ schedules */

START_TEST(schedules_by_hand)
{
    lm_schedule s = {.kind = LM_SCHEDULE_LINEAR, .warmup = 4, .total = 23};
    ck_assert_double_eq(lm_schedule_factor(&s, 0), 0);
    ck_assert_double_eq_tol(lm_schedule_factor(&s, 1), 0.25, 1e-12);
    ck_assert_double_eq_tol(lm_schedule_factor(&s, 4), 1, 1e-12);
    ck_assert_double_eq_tol(lm_schedule_factor(&s, 22), 1.0 / 19, 1e-12);
    ck_assert_double_eq(lm_schedule_factor(&s, 23), 0);
    ck_assert_double_eq(lm_schedule_factor(&s, 1000), 0);
    s.kind = LM_SCHEDULE_COSINE;
    ck_assert_double_eq_tol(lm_schedule_factor(&s, 5), 0.5 * (1 + cos(M_PI / 19)), 1e-12);
    ck_assert_double_eq(lm_schedule_factor(&s, 24), 0);
    s = (lm_schedule){.kind = LM_SCHEDULE_STABLE_DECAY, .total = 95, .floor = 0.5, /* falls in the last 10 steps */
                      .decay_shape = LM_SHAPE_COSINE};
    ck_assert_double_eq(lm_schedule_factor(&s, 85), 1);
    ck_assert_double_eq_tol(lm_schedule_factor(&s, 90), 0.75, 1e-12);
    ck_assert_double_eq(lm_schedule_factor(&s, 95), 0.5);
    s = (lm_schedule){.kind = LM_SCHEDULE_LINEAR};
    ck_assert_double_eq(lm_schedule_factor(&s, 0), 1);
    ck_assert_uint_eq(lm_schedule_warmup_steps(LM_SCHEDULE_LINEAR, 0.1, 30), 3);
    ck_assert_uint_eq(lm_schedule_warmup_steps(LM_SCHEDULE_LINEAR, 0.1, 31), 4);
    ck_assert_uint_eq(lm_schedule_warmup_steps(LM_SCHEDULE_LINEAR, 0, 31), 0);
    ck_assert_uint_eq(lm_schedule_warmup_steps(LM_SCHEDULE_SLANTED_TRIANGULAR, 0.1, 30), 3);
    ck_assert_uint_eq(lm_schedule_warmup_steps(LM_SCHEDULE_SLANTED_TRIANGULAR, 0.1, 39), 3);
}
END_TEST

static double number(const json_t *entry, const char *key)
{
    return json_number_value(json_object_get(entry, key));
}

/* ULMFiT, eq. 3: cut = floor(T cut_frac); p = t/cut, then 1 - (t-cut)/(cut (1/cut_frac - 1)); (1 + p (ratio-1))/ratio. */
START_TEST(slanted_triangular)
{
    enum { T = 200, CUT = 20 };
    for (int t = 0; t < T; t++) {
        lm_schedule s = {.kind = LM_SCHEDULE_SLANTED_TRIANGULAR, .warmup = CUT, .total = T};
        double p = t < CUT ? t / 20.0 : 1 - (t - CUT) / (20 * (1 / 0.1 - 1));
        ck_assert_double_eq_tol(lm_schedule_factor(&s, (uint64_t)t), (1 + p * 31) / 32, 1e-12);
        s.floor = 0.125; /* ratio 8 */
        ck_assert_double_eq_tol(lm_schedule_factor(&s, (uint64_t)t), (1 + p * 7) / 8, 1e-12);
    }
}
END_TEST

/* torch.optim.lr_scheduler: ExponentialLR and StepLR multiply by gamma, each step or each step_size steps. */
START_TEST(rates_that_fall_by_a_factor)
{
    double each = 1, stairs = 1;
    for (uint64_t t = 0; t < 40; t++) {
        lm_schedule s = {.kind = LM_SCHEDULE_EXPONENTIAL, .total = UINT64_MAX, .decay_rate = 0.95, .decay_every = 1};
        ck_assert_double_eq_tol(lm_schedule_factor(&s, t), each, 1e-12);
        each *= 0.95;
        s.kind = LM_SCHEDULE_STEP;
        s.decay_every = 7;
        s.warmup = 5; /* steps count from its end */
        if (t > 0 && t % 7 == 0)
            stairs *= 0.95;
        ck_assert_double_eq_tol(lm_schedule_factor(&s, t + 5), stairs, 1e-12);
    }
    lm_schedule slow = {.kind = LM_SCHEDULE_EXPONENTIAL, .decay_rate = 0.5, .decay_every = 100};
    ck_assert_double_eq_tol(lm_schedule_factor(&slow, 50), sqrt(0.5), 1e-12);
    ck_assert_double_eq_tol(lm_schedule_factor(&slow, 200), 0.25, 1e-12);
    for (int kind = 0; lm_schedule_names[kind]; kind++)
        ck_assert_int_eq(lm_schedule_has_end((lm_schedule_kind)kind) && lm_schedule_has_rate((lm_schedule_kind)kind), 0);
}
END_TEST

/* transformers' get_wsd_schedule, with its warmup_type and decay_type. */
START_TEST(shapes_of_stable_decay)
{
    enum { W = 10, STABLE = 20, D = 25 };
    for (int shape = 0; lm_schedule_shapes[shape]; shape++) {
        lm_schedule s = {.kind = LM_SCHEDULE_STABLE_DECAY, .warmup = W, .total = W + STABLE + D, .decay = D, .floor = 0.1,
                         .warmup_shape = (lm_schedule_shape)shape, .decay_shape = (lm_schedule_shape)shape};
        for (int t = 0; t <= W + STABLE + D + 3; t++) {
            double up = (double)t / W, down = (double)(t - W - STABLE) / D, want = 1;
            if (t < W)
                want = shape == 0 ? up : shape == 1 ? 0.5 * (1 - cos(M_PI * up)) : 1 - sqrt(1 - up);
            else if (t >= W + STABLE + D)
                want = 0.1;
            else if (t >= W + STABLE)
                want = 0.1 + 0.9 * (shape == 0 ? 1 - down : shape == 1 ? 0.5 * (1 + cos(M_PI * down)) : 1 - sqrt(down));
            ck_assert_double_eq_tol(lm_schedule_factor(&s, (uint64_t)t), want, 1e-12);
        }
    }
}
END_TEST

/* All steps of a short run; of a long one some, with both ends and the end of the warm-up. */
START_TEST(schedule_as_a_table)
{
    lm_buf out = {0};
    lm_schedule s = {.kind = LM_SCHEDULE_LINEAR, .warmup = 2, .total = 4};
    lm_schedule_print(&s, 0.5, 0, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "learning_rate\t1\t0\nlearning_rate\t2\t0.25\nlearning_rate\t3\t0.5\n"
                                        "learning_rate\t4\t0.25\n");
    out.len = 0;
    s = (lm_schedule){.kind = LM_SCHEDULE_LINEAR, .warmup = 777, .total = 100000};
    lm_schedule_print(&s, 1, 0, &out);
    ck_assert_ptr_nonnull(strstr(lm_buf_cstr(&out), "learning_rate\t1\t0\nlearning_rate\t778\t1\nlearning_rate\t2042\t"));
    ck_assert_ptr_nonnull(strstr(lm_buf_cstr(&out), "\nlearning_rate\t100000\t1.007"));
    int lines = 0;
    for (const char *p = lm_buf_cstr(&out); (p = strchr(p, '\n')); p++)
        lines++;
    ck_assert_int_eq(lines, 51);
    out.len = 0;
    s.total = UINT64_MAX; /* which nobody knows */
    lm_schedule_print(&s, 1, 0, &out);
    ck_assert_uint_eq(out.len, 0);
    lm_buf_free(&out);
}
END_TEST

/* The kind that is called so, by us or by transformers. */
static int kind_of(const char *name)
{
    for (size_t i = 0; lm_schedule_synonyms[i]; i += 2)
        if (strcmp(lm_schedule_synonyms[i], name) == 0)
            name = lm_schedule_synonyms[i + 1];
    int kind = 0;
    while (lm_schedule_names[kind] && strcmp(lm_schedule_names[kind], name) != 0)
        kind++;
    ck_assert_msg(lm_schedule_names[kind] != NULL, "%s", name);
    return kind;
}

/* Against transformers' own curves. */
START_TEST(schedules_golden)
{
    UNIT_NEEDS_DATA(data)
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/goldens/extras/golden.json", data);
    json_t *golden = lm_json_read(path, 0, &st), *entry;
    assert_ok(&st);
    size_t i;
    json_array_foreach(json_object_get(golden, "schedules"), i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        double base = number(entry, "base_lr");
        lm_schedule s = {.kind = (lm_schedule_kind)kind_of(name),
                         .warmup = (uint64_t)number(entry, "warmup_steps"),
                         .total = (uint64_t)number(entry, "total_steps"),
                         .floor = number(entry, "min_lr_rate") + number(entry, "min_lr_ratio") + number(entry, "lr_end") / base,
                         .cycles = number(entry, "num_cycles"),
                         .power = number(entry, "power"),
                         .decay = (uint64_t)number(entry, "num_decay_steps"),
                         .decay_shape = LM_SHAPE_COSINE};
        if (strcmp(name, "constant") == 0) /* which has no warm-up there, whatever is asked for */
            s.warmup = 0;
        json_t *rates = json_object_get(entry, "lr");
        ck_assert_uint_eq(json_array_size(rates), s.total);
        for (size_t step = 0; step < json_array_size(rates); step++)
            ck_assert_double_eq_tol(base * lm_schedule_factor(&s, step), json_number_value(json_array_get(rates, step)),
                                    1e-13);
    }
    ck_assert_uint_eq(i, 10);
    json_decref(golden);
    free(path);
}
END_TEST

/* ------------------------------------------------------------------ AdamW */

static lm_params *two_params(lm_status *st)
{
    lm_params *params = lm_params_new();
    lm_declare *d = lm_declare_begin(params);
    lm_declare_linear(d, (lm_scope){"a"}, 3, 2, 0.5);
    lm_declare_end(d, st);
    for (size_t i = 0; i < lm_params_count(params); i++) {
        lm_param_initialise(lm_params_at(params, i), 1, st);
        lm_param_train(lm_params_at(params, i), true, st);
    }
    return params;
}

/* The formulas of optimizer.h in double precision, three steps, decay on the weight and none on the bias. */
START_TEST(adamw_by_the_formula)
{
    for (int corrected = 0; corrected < 2; corrected++) {
        lm_status st = LM_STATUS_INIT;
        lm_params *params = two_params(&st);
        lm_param *w = lm_params_find(params, "a.weight"), *b = lm_params_find(params, "a.bias");
        lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6, .weight_decay = 0.1, .bias_correction = corrected};
        lm_optimizer *o = lm_optimizer_new(params, &how, &st);
        assert_ok(&st);
        ck_assert_uint_eq(lm_optimizer_parameters(o), 8);
        double p[2] = {w->value[1], b->value[1]}, m[2] = {0}, v[2] = {0};
        for (int t = 1; t <= 3; t++) {
            double lr = 0.01 * t, clip = 0.5, g[2] = {0.3 * t, -2.0 / t};
            w->grad[1] = (float)g[0];
            b->grad[1] = (float)g[1];
            ck_assert(lm_optimizer_update(o, lr, clip, &st));
            for (int i = 0; i < 2; i++) {
                double decay = i == 0 ? 0.1 : 0, c1 = corrected ? 1 - pow(0.9, t) : 1,
                       c2 = corrected ? 1 - pow(0.999, t) : 1;
                p[i] *= 1 - lr * decay;
                m[i] = 0.9 * m[i] + 0.1 * clip * g[i];
                v[i] = 0.999 * v[i] + 0.001 * clip * g[i] * clip * g[i];
                p[i] -= lr * (m[i] / c1) / (sqrt(v[i] / c2) + 1e-6);
            }
            ck_assert_float_eq(w->grad[1], 0); /* left at zero for the next step */
        }
        ck_assert_double_eq_tol(w->value[1], p[0], 2e-6);
        ck_assert_double_eq_tol(b->value[1], p[1], 2e-6);
        lm_optimizer_free(o);
        lm_params_free(params);
    }
}
END_TEST

START_TEST(norm_and_clip)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *params = two_params(&st);
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0, .bias_correction = true};
    lm_optimizer *o = lm_optimizer_new(params, &how, &st);
    assert_ok(&st);
    lm_params_find(params, "a.weight")->grad[0] = 3;
    lm_params_find(params, "a.bias")->grad[0] = -4;
    ck_assert_double_eq_tol(lm_optimizer_gradient_norm(o), 5, 1e-12);
    ck_assert_double_eq_tol(lm_clip_coefficient(5, 1), 1 / (5 + 1e-6), 1e-12);
    ck_assert_double_eq(lm_clip_coefficient(0.5, 1), 1);
    ck_assert_double_eq(lm_clip_coefficient(5, 0), 1);
    lm_params_find(params, "a.bias")->grad[1] = NAN;
    ck_assert(isnan(lm_optimizer_gradient_norm(o)));
    lm_optimizer_zero_gradients(o);
    ck_assert_double_eq(lm_optimizer_gradient_norm(o), 0);
    lm_optimizer_free(o);
    lm_params_free(params);
}
END_TEST

static char *scratch_dir(void)
{
    char *dir = lm_format("%s/check_train.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *file = lm_format("%s/%s", path, e->d_name);
        if (unlink(file) != 0)
            remove_tree(file);
        free(file);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static void random_gradients(lm_params *params, int t)
{
    for (size_t i = 0; i < lm_params_count(params); i++)
        for (size_t k = 0; k < lm_params_at(params, i)->elements; k++)
            lm_params_at(params, i)->grad[k] = (float)sin((double)(k + 7 * i) + t);
}

/* Four steps, and two steps, a save, a load into a new optimiser, and two more: the same bits. */
START_TEST(optimizer_resumes_exactly)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *a = two_params(&st), *b = two_params(&st);
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .bias_correction = true};
    lm_optimizer *whole = lm_optimizer_new(a, &how, &st), *first = lm_optimizer_new(b, &how, &st);
    char *dir = scratch_dir(), *file = lm_format("%s/optimizer.safetensors", dir);
    for (int t = 0; t < 4; t++) {
        random_gradients(a, t);
        ck_assert(lm_optimizer_update(whole, 1e-2, 1, &st));
    }
    for (int t = 0; t < 2; t++) {
        random_gradients(b, t);
        ck_assert(lm_optimizer_update(first, 1e-2, 1, &st));
    }
    int fd = open(file, O_WRONLY | O_CREAT, 0666);
    lm_optimizer_save(first, fd, file, &st);
    close(fd);
    lm_optimizer_free(first);
    lm_optimizer *second = lm_optimizer_new(b, &how, &st);
    lm_safetensors *states = lm_safetensors_open(file, &st);
    assert_ok(&st);
    ck_assert(lm_optimizer_load(second, states, &st));
    for (int t = 2; t < 4; t++) {
        random_gradients(b, t);
        ck_assert(lm_optimizer_update(second, 1e-2, 1, &st));
    }
    for (size_t i = 0; i < lm_params_count(a); i++)
        ck_assert_mem_eq(lm_params_at(a, i)->value, lm_params_at(b, i)->value,
                         lm_params_at(a, i)->elements * sizeof(float));
    lm_safetensors_close(states);

    /* the states of another model are refused by name */
    lm_params *other = lm_params_new();
    lm_declare *d = lm_declare_begin(other);
    lm_declare_linear(d, (lm_scope){"b"}, 3, 2, 0.5);
    lm_declare_end(d, &st);
    lm_param_initialise(lm_params_at(other, 0), 1, &st);
    lm_param_train(lm_params_at(other, 0), true, &st);
    lm_optimizer *stranger = lm_optimizer_new(other, &how, &st);
    assert_ok(&st);
    states = lm_safetensors_open(file, &st);
    ck_assert(!lm_optimizer_load(stranger, states, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "b.weight.exp_avg: missing"));
    lm_safetensors_close(states);
    lm_optimizer_free(whole);
    lm_optimizer_free(second);
    lm_optimizer_free(stranger);
    lm_params_free(a);
    lm_params_free(b);
    lm_params_free(other);
    remove_tree(dir);
    free(file);
    free(dir);
}
END_TEST

START_TEST(nothing_trainable_is_refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *params = two_params(&st);
    for (size_t i = 0; i < lm_params_count(params); i++)
        lm_param_train(lm_params_at(params, i), false, &st);
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0, .bias_correction = true};
    assert_ok(&st);
    ck_assert_ptr_null(lm_optimizer_new(params, &how, &st));
    ck_assert_int_eq(st.code, LM_FAILED);
    lm_params_free(params);
}
END_TEST

/* ------------------------------------------------------------------ order */

static void assert_each_once(lm_order *o, uint64_t epoch, uint32_t rows, uint32_t per_step)
{
    bool *seen = lm_calloc(rows, sizeof *seen);
    uint64_t steps = lm_order_steps(o);
    ck_assert_uint_eq(steps, (rows + per_step - 1) / per_step);
    for (uint64_t s = 0; s < steps; s++) {
        uint32_t n;
        const uint32_t *list = lm_order_step(o, epoch, s, &n);
        ck_assert_uint_eq(n, s + 1 < steps ? per_step : rows - (uint32_t)s * per_step);
        for (uint32_t i = 0; i < n; i++) {
            ck_assert(!seen[list[i]]);
            seen[list[i]] = true;
        }
    }
    free(seen);
}

START_TEST(order_visits_each_row_once)
{
    enum { N = 1237, STEP = 8 };
    uint32_t lengths[N], first[N], n;
    for (int i = 0; i < N; i++)
        lengths[i] = (uint32_t)(i * 31 % 97);
    for (int by_length = 0; by_length < 2; by_length++) {
        lm_order *o = lm_order_new(N, &(lm_order_options){STEP, 0, true, by_length, lengths, 42});
        assert_each_once(o, 0, N, STEP);
        memcpy(first, lm_order_step(o, 0, 0, &n), sizeof first);
        assert_each_once(o, 1, N, STEP);
        ck_assert_mem_ne(first, lm_order_step(o, 1, 0, &n), sizeof first);
        ck_assert_mem_eq(first, lm_order_step(o, 0, 0, &n), sizeof first); /* back again: the same */
        lm_order_free(o);
    }
    lm_order *plain = lm_order_new(N, &(lm_order_options){.rows_per_step = STEP, .seed = 42});
    const uint32_t *list = lm_order_step(plain, 5, 2, &n);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_uint_eq(list[i], 2 * STEP + i);
    ck_assert_uint_eq((lm_order_step(plain, 0, 1000, &n), n), 0);
    lm_order_free(plain);
}
END_TEST

START_TEST(grouped_steps_are_even)
{
    enum { N = 400, STEP = 8 };
    uint32_t lengths[N], n;
    for (int i = 0; i < N; i++)
        lengths[i] = (uint32_t)(i * 31 % 400);
    lm_order *o = lm_order_new(N, &(lm_order_options){STEP, 0, true, true, lengths, 42});
    for (uint64_t s = 0; s < lm_order_steps(o); s++) {
        const uint32_t *list = lm_order_step(o, 0, s, &n);
        uint32_t low = UINT32_MAX, high = 0;
        for (uint32_t i = 0; i < n; i++) {
            low = lengths[list[i]] < low ? lengths[list[i]] : low;
            high = lengths[list[i]] > high ? lengths[list[i]] : high;
        }
        ck_assert_uint_eq(high - low, STEP - 1); /* all 400 rows are one window */
    }
    lm_order_free(o);
}
END_TEST

/* Steps cut by tokens: each row once in each epoch, in as many steps, whose tokens differ by less than two rows. */
START_TEST(steps_of_tokens_are_even)
{
    enum { N = 1237, MOST = 97, TOKENS = 1500 };
    uint32_t lengths[N], n, all = 0;
    for (int i = 0; i < N; i++)
        all += lengths[i] = (uint32_t)(i * 31 % MOST);
    for (int how = 0; how < 4; how++) {
        lm_order *o = lm_order_new(
            N, &(lm_order_options){.tokens_per_step = TOKENS, .shuffle = how & 1, .by_length = how & 2, .lengths = lengths, .seed = 42});
        ck_assert_uint_eq(lm_order_steps(o), (all + TOKENS - 1) / TOKENS);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            bool seen[N] = {false};
            uint64_t before = 0;
            for (uint64_t s = 0; s < lm_order_steps(o); s++) {
                const uint32_t *list = lm_order_step(o, epoch, s, &n);
                uint32_t tokens = 0, low = UINT32_MAX, high = 0;
                ck_assert_uint_eq(lm_order_before(o, s), before);
                before += n;
                for (uint32_t i = 0; i < n; i++) {
                    ck_assert(!seen[list[i]]);
                    seen[list[i]] = true;
                    tokens += lengths[list[i]];
                    low = lengths[list[i]] < low ? lengths[list[i]] : low;
                    high = lengths[list[i]] > high ? lengths[list[i]] : high;
                }
                ck_assert_uint_lt(tokens, TOKENS + MOST);
                ck_assert_uint_gt(tokens + MOST, all / lm_order_steps(o));
                ck_assert(how < 2 || high - low < MOST / 2); /* all rows are one window */
            }
            ck_assert_uint_eq(before, N);
        }
        lm_order_free(o);
    }
}
END_TEST

START_TEST(each_step_of_tokens_has_a_row)
{
    static const uint32_t lengths[] = {1000, 1, 1, 0, 0, 900, 1};
    uint32_t n;
    for (uint64_t tokens = 1; tokens < 2500; tokens += 7) {
        lm_order *o = lm_order_new(7, &(lm_order_options){.tokens_per_step = tokens, .lengths = lengths});
        uint64_t rows = 0;
        for (uint64_t s = 0; s < lm_order_steps(o); s++, rows += n)
            ck_assert((lm_order_step(o, 0, s, &n), n) > 0);
        ck_assert_uint_eq(rows, 7);
        lm_order_free(o);
    }
}
END_TEST

/* ------------------------------------------------------------------ classes */

static void assert_sorted(const char *const *words, int n, const char *wanted)
{
    lm_labels *l = lm_labels_new();
    for (int i = 0; i < n; i++)
        lm_labels_add(l, lm_str_of(words[i]));
    lm_labels_sort(l);
    lm_buf b = {0};
    for (int i = 0; i < lm_labels_count(l); i++) {
        lm_buf_printf(&b, "%s%s", i ? " " : "", lm_labels_name(l, i));
        ck_assert_int_eq(lm_labels_find(l, lm_str_of(lm_labels_name(l, i))), i);
    }
    ck_assert_str_eq(lm_buf_cstr(&b), wanted);
    ck_assert_int_eq(lm_labels_find(l, lm_str_of("never")), -1);
    lm_buf_free(&b);
    lm_labels_free(l);
}

START_TEST(classes_are_sorted)
{
    assert_sorted((const char *const[]){"10", "9", "-1", "9", "-20", "0"}, 6, "-20 -1 0 9 10");
    assert_sorted((const char *const[]){"10", "9", "x"}, 3, "10 9 x");
    assert_sorted((const char *const[]){"b", "B", "a", "\xc3\xa9"}, 4, "B a b \xc3\xa9");
    assert_sorted((const char *const[]){"01", "1", "99999999999999999999999", "2"}, 4,
                  "01 1 2 99999999999999999999999");
    lm_labels *l = lm_labels_new();
    for (int i = 0; i < 5000; i++) {
        char word[16];
        snprintf(word, sizeof word, "w%d", i % 2500);
        ck_assert_int_eq(lm_labels_add(l, lm_str_of(word)), i % 2500);
    }
    ck_assert_int_eq(lm_labels_count(l), 2500);
    lm_labels_free(l);
}
END_TEST

START_TEST(class_lists_are_parsed)
{
    lm_status st = LM_STATUS_INIT;
    lm_labels *l = lm_labels_parse("neg,pos", &st);
    assert_ok(&st);
    ck_assert_str_eq(lm_labels_name(l, 1), "pos");
    lm_labels_free(l);
    ck_assert_ptr_null(lm_labels_parse("a,,b", &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_labels_parse("a,b,a", &st));
    ck_assert_ptr_nonnull(strstr(st.message, "twice"));
}
END_TEST

/* ------------------------------------------------------------------ checkpoints */

static bool write_files(void *context, const char *path, lm_status *st)
{
    char *a = lm_format("%s/model.safetensors", path), *b = lm_format("%s/state.json", path);
    bool ok = lm_file_write(a, context, strlen(context), st) && lm_file_write(b, "{}", 2, st);
    free(a);
    free(b);
    return ok;
}

static bool write_half(void *context, const char *path, lm_status *st)
{
    write_files(context, path, st);
    return lm_fail(st, LM_FAILED, "the disk is full");
}

static void assert_newest(const char *dir, const char *wanted)
{
    lm_status st = LM_STATUS_INIT;
    char *path;
    uint64_t step;
    ck_assert(lm_checkpoint_find(dir, &path, &step, &st));
    if (!wanted) {
        ck_assert_ptr_null(path);
        return;
    }
    ck_assert_ptr_nonnull(path);
    ck_assert_str_eq(strrchr(path, '/') + 1, wanted);
    free(path);
}

static void damage(const char *dir, const char *file, int how)
{
    char *path = lm_format("%s/%s", dir, file);
    struct stat s;
    ck_assert_int_eq(stat(path, &s), 0);
    if (how == 0) {
        ck_assert_int_eq(truncate(path, s.st_size / 2), 0);
    } else if (how == 1) {
        ck_assert_int_eq(unlink(path), 0);
    } else {
        FILE *f = fopen(path, "r+b");
        int c = fgetc(f);
        rewind(f);
        fputc(c ^ 1, f);
        fclose(f);
    }
    free(path);
}

START_TEST(damaged_checkpoints_are_passed_over)
{
    lm_status st = LM_STATUS_INIT;
    lm_log_level(LM_ERROR);
    static const char *const files[] = {"model.safetensors", "state.json", "MANIFEST"};
    char *top = scratch_dir();
    for (int i = 0; i < 9; i++) {
        char *dir = lm_format("%s/deep/%d", top, i), *newest = lm_format("%s/checkpoint-12", dir);
        assert_newest(dir, NULL);
        lm_checkpoint_save(dir, 9, 0, write_files, (char[]){"nine"}, &st);
        lm_checkpoint_save(dir, 12, 0, write_files, (char[]){"twelve"}, &st);
        assert_ok(&st);
        assert_newest(dir, "checkpoint-12");
        damage(newest, files[i / 3], i % 3);
        assert_newest(dir, "checkpoint-9");
        free(newest);
        free(dir);
    }
    remove_tree(top);
    free(top);
}
END_TEST

START_TEST(failed_checkpoint_leaves_the_old)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_dir();
    lm_checkpoint_save(dir, 5, 0, write_files, (char[]){"five"}, &st);
    assert_ok(&st);
    ck_assert(!lm_checkpoint_save(dir, 6, 1, write_half, (char[]){"six"}, &st));
    assert_newest(dir, "checkpoint-5");
    int entries = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        entries += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    ck_assert_int_eq(entries, 1); /* and nothing half-made beside it */
    remove_tree(dir);
    free(dir);
}
END_TEST

START_TEST(old_checkpoints_go)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_dir();
    for (uint64_t step = 90; step < 130; step += 10)
        lm_checkpoint_save(dir, step, 2, write_files, (char[]){"x"}, &st);
    assert_ok(&st);
    int found = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        found += strcmp(e->d_name, "checkpoint-110") == 0 || strcmp(e->d_name, "checkpoint-120") == 0;
        ck_assert_str_ne(e->d_name, "checkpoint-90"); /* 90 < 110 as a number, not as a string */
        ck_assert_str_ne(e->d_name, "checkpoint-100");
    }
    closedir(d);
    ck_assert_int_eq(found, 2);
    remove_tree(dir);
    free(dir);
}
END_TEST

/* ------------------------------------------------------------------ log */

START_TEST(log_goes_on_after_a_resume)
{
    lm_status st = LM_STATUS_INIT;
    char *dir = scratch_dir(), *file = lm_format("%s/run.jsonl", dir), *text;
    size_t n;
    lm_runlog_options how = {.file = file};
    lm_runlog *l = lm_runlog_open(&how, &st);
    lm_runlog_add(l, json_pack("{s:i}", "step", 1));
    json_t *history = json_deep_copy(lm_runlog_history(l)), *state = lm_runlog_state(l), *kept = json_deep_copy(state);
    json_decref(state);
    lm_runlog_add(l, json_pack("{s:i}", "step", 2)); /* after the checkpoint: lost, and done again */
    lm_runlog_free(l);
    how.history = history;
    how.state = kept;
    l = lm_runlog_open(&how, &st);
    lm_runlog_add(l, json_pack("{s:i}", "step", 2));
    json_decref(history);
    json_decref(kept);
    lm_runlog_free(l);
    lm_file_read(file, 1000, &text, &n, &st);
    assert_ok(&st);
    ck_assert_str_eq(text, "{\"step\":1}\n{\"step\":2}\n");
    free(text);
    ck_assert_ptr_null(lm_runlog_open(&(lm_runlog_options){.file = "/nowhere/run.jsonl"}, &st));
    ck_assert(lm_runlog_is_time("eval_runtime") && lm_runlog_is_time("train_steps_per_second"));
    ck_assert(!lm_runlog_is_time("train_loss") && !lm_runlog_is_time("runtime_steps"));
    ck_assert(lm_runlog_is_measure("eval_f1") && !lm_runlog_is_measure("eval_rows") && !lm_runlog_is_measure("eval_runtime"));
    ck_assert(lm_runlog_due(1, 100) && lm_runlog_due(64, 100) && lm_runlog_due(100, 100) &&
              lm_runlog_due(300, 100));
    ck_assert(!lm_runlog_due(3, 100) && !lm_runlog_due(128, 100) && !lm_runlog_due(150, 100));
    remove_tree(dir);
    free(file);
    free(dir);
}
END_TEST

/* RFC 3720, B.4, and the check value of every catalogue of CRCs. */
START_TEST(crc_of_castagnoli)
{
    uint8_t zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++)
        rising[i] = (uint8_t)i;
    ck_assert_uint_eq(lm_crc32c(zeros, 32), 0x8a9136aa);
    ck_assert_uint_eq(lm_crc32c(ones, 32), 0x62a8ab43);
    ck_assert_uint_eq(lm_crc32c(rising, 32), 0x46dd794e);
    ck_assert_uint_eq(lm_crc32c("123456789", 9), 0xe3069283);
    ck_assert_uint_eq(lm_crc32c("", 0), 0);
}
END_TEST

static Suite *suite(void)
{
    const struct {
        const char *name;
        const TTest *test;
    } tests[] = {{"schedules", schedules_by_hand},
                 {"schedules", slanted_triangular},
                 {"schedules", rates_that_fall_by_a_factor},
                 {"schedules", shapes_of_stable_decay},
                 {"schedules", schedule_as_a_table},
                 {"schedules", schedules_golden},
                 {"optimizer", adamw_by_the_formula},
                 {"optimizer", norm_and_clip},
                 {"optimizer", optimizer_resumes_exactly},
                 {"optimizer", nothing_trainable_is_refused},
                 {"order", order_visits_each_row_once},
                 {"order", grouped_steps_are_even},
                 {"order", steps_of_tokens_are_even},
                 {"order", each_step_of_tokens_has_a_row},
                 {"labels", classes_are_sorted},
                 {"labels", class_lists_are_parsed},
                 {"checkpoint", damaged_checkpoints_are_passed_over},
                 {"checkpoint", failed_checkpoint_leaves_the_old},
                 {"checkpoint", old_checkpoints_go},
                 {"log", crc_of_castagnoli},
                 {"log", log_goes_on_after_a_resume}};
    Suite *s = suite_create("train");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        TCase *c = tcase_create(tests[i].name);
        tcase_add_test(c, tests[i].test);
        suite_add_tcase(s, c);
    }
    return s;
}

UNIT_MAIN(suite)
