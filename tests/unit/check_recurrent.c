/* Recurrent layers: against torch.nn.LSTM, in values and gradients (recurrent.json, made by PyTorch in float64), and each
 * instruction set against the reference. */
#include "unit.h"

#include "base/memory.h"
#include "base/threads.h"
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "stream/json_tree.h"

#include <math.h>
#include <string.h>

static json_t *reference(const char *part)
{
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/recurrent.json", source ? source : "..");
    lm_status st = LM_STATUS_INIT;
    json_t *all = lm_json_read(path, 0, &st), *found = json_incref(json_object_get(all, part));
    assert_ok(&st);
    json_decref(all);
    free(path);
    ck_assert_msg(found, "recurrent.json has no %s", part);
    return found;
}

static int number(const json_t *o, const char *key)
{
    return (int)json_integer_value(json_object_get(o, key));
}

static float *floats(const json_t *o, const char *key, size_t *n)
{
    const json_t *list = json_object_get(o, key);
    *n = json_array_size(list);
    ck_assert_msg(*n > 0, "no %s", key);
    float *x = lm_malloc(*n, sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = (float)json_number_value(json_array_get(list, i));
    return x;
}

static void assert_near(const char *what, const float *got, const json_t *o, const char *key, size_t n)
{
    size_t wanted;
    float *want = floats(o, key, &wanted);
    ck_assert_uint_eq(n, wanted);
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= 2e-6 * fmax(most, 1), "%s of %s: element %zu is %.8g, torch has %.8g",
                      key, what, i, (double)got[i], (double)want[i]);
    free(want);
}

/* A loss whose gradient at x is w. */
static lm_tensor *weighed(lm_graph *g, lm_tensor *x, const float *w)
{
    size_t n = (size_t)x->rows * (size_t)x->width;
    float *target = lm_arena_alloc(lm_graph_arena(g), n, sizeof *target);
    const float *value = lm_tensor_read(g, x);
    for (size_t i = 0; i < n; i++)
        target[i] = value[i] - w[i] / 2;
    return lm_squared_error(g, x, target, NULL, NULL);
}

static lm_params *params_of(const json_t *c)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    bool both = json_is_true(json_object_get(c, "bidirectional")), bias = json_is_true(json_object_get(c, "bias"));
    int hidden = number(c, "hidden"), width = both ? 2 * hidden : hidden;
    for (int i = 0; i < number(c, "layers"); i++)
        lm_declare_lstm(d, (lm_scope){""}, i ? width : number(c, "in"), hidden, i, both, bias);
    ck_assert(lm_declare_end(d, &st));
    const json_t *values = json_object_get(c, "parameters");
    ck_assert_uint_eq(lm_params_count(p), json_object_size(values));
    for (size_t i = 0; i < lm_params_count(p); i++) {
        lm_param *q = lm_params_at(p, i);
        size_t n;
        ck_assert(lm_param_initialise(q, 1, &st) && lm_param_train(q, true, &st));
        for (size_t k = 0; k < q->elements; k++)
            ck_assert(fabs((double)q->value[k]) <= 1 / sqrt(hidden));
        float *x = floats(json_object_get(values, q->name), "value", &n);
        ck_assert_uint_eq(n, q->elements);
        memcpy(q->value, x, n * sizeof *x);
        free(x);
    }
    return p;
}

START_TEST(lstm_as_torch)
{
    json_t *cases = reference("lstm"), *c;
    size_t k;
    json_array_foreach(cases, k, c) {
        lm_params *params = params_of(c);
        lm_graph *g = lm_graph_new(params);
        const json_t *lengths = json_object_get(c, "lengths");
        int32_t splits[16] = {0};
        int rows = (int)json_array_size(lengths);
        for (int r = 0; r < rows; r++)
            splits[r + 1] = splits[r] + (int32_t)json_integer_value(json_array_get(lengths, (size_t)r));
        lm_batch batch = {.rows = rows, .tokens = splits[rows], .row_splits = splits};
        size_t n, ny, nl;
        float *input = floats(c, "x", &n), *wy = floats(c, "weight_of_y", &ny), *wl = floats(c, "weight_of_last", &nl);
        bool both = json_is_true(json_object_get(c, "bidirectional"));
        lm_status st = LM_STATUS_INIT;
        lm_graph_begin(g, &batch, (lm_step){.training = true});
        lm_tensor *x = lm_graph_input(g, input, batch.tokens, number(c, "in"), true), *y = x;
        for (int i = 0; i < number(c, "layers"); i++)
            y = lm_lstm(g, (lm_scope){""}, y, i, both);
        lm_tensor *last = lm_final_state(g, y, both);
        assert_near("the last layer", lm_tensor_read(g, y), c, "y", ny);
        assert_near("the last layer", lm_tensor_read(g, last), c, "last", nl);
        lm_graph_backward(g, lm_add(g, weighed(g, y, wy), weighed(g, last, wl)), 1);
        ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
        assert_near("the input", x->grad, c, "dx", n);
        for (size_t i = 0; i < lm_params_count(params); i++) {
            lm_param *p = lm_params_at(params, i);
            assert_near(p->name, p->grad, json_object_get(json_object_get(c, "parameters"), p->name), "gradient", p->elements);
        }
        /* without a tape */
        lm_graph_begin(g, &batch, (lm_step){0});
        y = lm_graph_input(g, input, batch.tokens, number(c, "in"), false);
        for (int i = 0; i < number(c, "layers"); i++)
            y = lm_lstm(g, (lm_scope){""}, y, i, both);
        assert_near("the last layer", lm_tensor_read(g, y), c, "y", ny);
        ck_assert(lm_graph_end(g, &st));
        free(input), free(wy), free(wl);
        lm_graph_free(g);
        lm_params_free(params);
    }
    json_decref(cases);
}
END_TEST

/* Weights that do not fit are named. */
START_TEST(misfits_are_named)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    static const int32_t splits[] = {0, 2};
    static const float zeros[8];
    lm_declare_lstm(d, (lm_scope){"lstm"}, 4, 3, 0, false, true);
    lm_declare_param(d, (lm_scope){"lstm"}, "weight_ih_l1", (int64_t[4]){12, 4}, lm_uniform(1));
    lm_declare_param(d, (lm_scope){"lstm"}, "weight_hh_l1", (int64_t[4]){12, 4}, lm_uniform(1));
    ck_assert(lm_declare_end(d, &st));
    for (size_t i = 0; i < lm_params_count(p); i++)
        ck_assert(lm_param_initialise(lm_params_at(p, i), 1, &st));
    lm_graph *g = lm_graph_new(p);
    lm_batch batch = {.rows = 1, .tokens = 2, .row_splits = splits};
    static const struct {
        int width, layer;
        bool both;
        const char *says;
    } cases[] = {{3, 0, false, "lstm.weight_hh_l0: this layer's weights do not fit one another, or its input of 3 columns"},
                 {4, 1, false, "lstm.weight_hh_l1: this layer's weights do not fit"},
                 {4, 0, true, "lstm.weight_ih_l0_reverse: is not a parameter of this model"},
                 {4, 2, false, "lstm.weight_ih_l2: is not a parameter"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_graph_begin(g, &batch, (lm_step){0});
        lm_lstm(g, (lm_scope){"lstm"}, lm_graph_input(g, zeros, 2, cases[i].width, false), cases[i].layer, cases[i].both);
        ck_assert(!lm_graph_end(g, &st));
        ck_assert_msg(strstr(st.message, cases[i].says), "%s", st.message);
        lm_status_clear(&st);
    }
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_final_state(g, lm_graph_input(g, zeros, 2, 3, false), true);
    ck_assert(!lm_graph_end(g, &st));
    ck_assert_msg(strstr(st.message, "3 columns are no two directions"), "%s", st.message);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

/* ------------------------------------------------------------------ the kernel */

static float *vector(uint32_t *state, size_t n, float bound)
{
    float *v = lm_malloc(n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        *state = *state * 1664525u + 1013904223u;
        v[i] = bound * ((float)(*state >> 8) * 0x1p-23f - 1);
    }
    return v;
}

static void near(const char *what, const float *got, const float *want, size_t n, double limit)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= limit * fmax(1, fabs((double)want[i])),
                      "%s (%s): element %zu of %zu is %.9g, not %.9g", what, lm_kernels_isa(), i, n, (double)got[i],
                      (double)want[i]);
}

static const struct {
    int hidden;
    int32_t splits[9]; /* of eight rows */
} lstm_cases[] = {
    {1, {0, 1, 1, 1, 1, 1, 1, 1, 1}},
    {7, {0, 3, 3, 4, 9, 11, 11, 30, 31}},
    {8, {0, 2, 4, 6, 8, 10, 12, 14, 16}},
    {33, {0, 1, 3, 6, 10, 15, 21, 28, 36}},
    {64, {0, 17, 20, 20, 21, 22, 30, 31, 40}},
};

enum { LSTM_ROWS = 8 };

/* gates, c and h of a forward, the states at its end, and gates of a backward: how many floats. */
static size_t run_lstm(int which, int rows, bool reverse, bool states, float *to)
{
    uint32_t state = 12 + (uint32_t)which;
    size_t n = (size_t)lstm_cases[which].hidden, tokens = (size_t)lstm_cases[which].splits[rows], ldh = n + 3;
    float *w = vector(&state, 4 * n * n, 1), *x = vector(&state, tokens * 4 * n, 3), *dh = vector(&state, tokens * ldh, 1);
    float *first = vector(&state, 2 * (size_t)rows * n, 1), *start = to;
    int32_t order[LSTM_ROWS], room[2 * LSTM_ROWS];
    lm_lstm_order(lstm_cases[which].splits, rows, order, room);
    lm_lstm_args a = {.sequences = rows, .hidden = (int)n, .row_splits = lstm_cases[which].splits, .order = order,
                      .reverse = reverse, .w = w};
    a.gates = memcpy(to, x, tokens * 4 * n * sizeof *x), to += tokens * 4 * n;
    a.c = to, to += tokens * n;
    a.h = memset(to, 0, (tokens * ldh + 2 * (size_t)rows * n) * sizeof *to), to += tokens * ldh;
    a.ldh = ldh;
    if (states) {
        a.h_first = first, a.c_first = first + (size_t)rows * n;
        a.h_last = to, a.c_last = to + (size_t)rows * n;
    }
    to += 2 * (size_t)rows * n;
    size_t forward = lm_lstm_scratch(&a, false), backward = lm_lstm_scratch(&a, true);
    float *scratch = malloc((forward > backward ? forward : backward) * sizeof *scratch + 1);
    lm_lstm_forward(&a, scratch);
    a.gates = memcpy(to, a.gates, tokens * 4 * n * sizeof *x), to += tokens * 4 * n;
    lm_lstm_backward(&a, dh, scratch);
    lm_lstm_states_before(&a, to), to += tokens * n;
    free(w), free(x), free(dh), free(first), free(scratch);
    return (size_t)(to - start);
}

START_TEST(instruction_sets_and_threads)
{
    enum { ROOM = 64 * 1024 };
    float *want = malloc(ROOM * sizeof *want), *got = malloc(ROOM * sizeof *got),
          *again = malloc(ROOM * sizeof *again);
    for (int mode = 0; mode < 8; mode++) {
        int rows = mode & 4 ? LSTM_ROWS : 5;
        ck_assert(lm_kernels_use("scalar"));
        size_t n = run_lstm(_i, rows, mode & 1, mode & 2, want);
        ck_assert_uint_le(n, ROOM);
        for (size_t isa = 1; lm_kernels_isa_at(isa); isa++) {
            if (!lm_kernels_use(lm_kernels_isa_at(isa)))
                continue;
            lm_threads_set(1);
            ck_assert_uint_eq(run_lstm(_i, rows, mode & 1, mode & 2, got), n);
            near("lstm", got, want, n, 2e-5);
            for (int threads = 2; threads < 4; threads++) { /* the same bits */
                lm_threads_set(threads);
                run_lstm(_i, rows, mode & 1, mode & 2, again);
                ck_assert_mem_eq(again, got, n * sizeof *got);
            }
        }
    }
    free(want), free(got), free(again);
}
END_TEST

/* One time after the other, each from the states that the one before it ended with, is all at once. */
START_TEST(lstm_goes_on)
{
    enum { HIDDEN = 9, TOKENS = 7 };
    static const int32_t all[] = {0, TOKENS}, one[] = {0, 1};
    int32_t order[1], room[2];
    lm_lstm_order(all, 1, order, room);
    uint32_t state = 7;
    float *w = vector(&state, 4 * HIDDEN * HIDDEN, 1), *x = vector(&state, TOKENS * 4 * HIDDEN, 3);
    float *y = lm_malloc(TOKENS * 4 * HIDDEN, sizeof *y);
    memcpy(y, x, TOKENS * 4 * HIDDEN * sizeof *y);
    float c[TOKENS * HIDDEN], h[TOKENS * HIDDEN], states[4][HIDDEN] = {{0}}, scratch[4096];
    lm_lstm_args a = {.sequences = 1, .hidden = HIDDEN, .row_splits = all, .order = order, .w = w, .gates = x, .c = c, .h = h,
                      .ldh = HIDDEN};
    ck_assert_uint_le(lm_lstm_scratch(&a, false), 4096);
    lm_lstm_forward(&a, scratch);
    for (int t = 0; t < TOKENS; t++) {
        float step_c[HIDDEN], step_h[HIDDEN];
        a.row_splits = one;
        a.gates = y + t * 4 * HIDDEN, a.c = step_c, a.h = step_h;
        a.h_first = states[2 * (t % 2)], a.c_first = states[2 * (t % 2) + 1];
        a.h_last = states[2 - 2 * (t % 2)], a.c_last = states[3 - 2 * (t % 2)];
        lm_lstm_forward(&a, scratch);
        near("a step", step_h, h + t * HIDDEN, HIDDEN, 2e-6);
    }
    free(w), free(x), free(y);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("recurrent");
    TCase *t = tcase_create("lstm");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, lstm_as_torch);
    tcase_add_test(t, misfits_are_named);
    tcase_add_loop_test(t, instruction_sets_and_threads, 0, sizeof lstm_cases / sizeof *lstm_cases);
    tcase_add_test(t, lstm_goes_on);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
