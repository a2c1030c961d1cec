/* Every operation of the table against finite differences of its own forward, in the shapes that break
 * things: odd widths, a row of one token, empty rows, an empty batch. An operation without a case here fails
 * the test. */
#include "unit.h"

#include "graph/adapter.h"
#include "graph/distillation.h"
#include "graph/graph.h"
#include "graph/logprobs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TOKENS = 9, SEQUENCES = 4, WIDTH = 6, OUT = 5, ROWS = 7, VOCAB = 1030, MOST = 3, PARAMS = 8, STATE = 3 };

static const int32_t splits[SEQUENCES + 1] = {0, 3, 3, 4, 9};
static const int32_t ids[TOKENS] = {1, 0, 6, 1, 3, 3, 2, 6, 6};
static const int32_t zeros[TOKENS];
static const int32_t places[TOKENS] = {0, 1, 2, 0, 0, 1, 2, 3, 4};
static const lm_batch batch = {SEQUENCES, TOKENS, splits, ids, zeros, places};
static const float waves[] = {1, 0.3f};
static const lm_rotation rotation = {4, waves}, half_rotation = {2, waves + 1};
static const int32_t labels[TOKENS] = {3, 0, 4, -100, 1, 2, 2, -100, 4};
static const int32_t words[TOKENS] = {3, 0, 1029, -100, 1024, 1023, 512, -100, 4};
static const int32_t chosen[] = {0, 3, 4, 8};
static const float row_weights[TOKENS] = {1, 0.5f, 2, 1, 0.25f, 1, 3, 1, 0.125f};
static const float classes[TOKENS * WIDTH] = {1, 0, 1, 0.5f, 0, 1, 1, 1, 0, 0, 0.25f, 1, 0, 0, 0, 1, 1, 1};

static lm_scope at(const char *name)
{
    return lm_in((lm_scope){""}, name);
}

#include "check_gradients.inc"

enum { CASES = sizeof cases / sizeof *cases };

/* ------------------------------------------------------------------ the check */

static float spread(uint32_t *state) /* in (-1.5, 1.5) */
{
    *state = *state * 1664525u + 1013904223u;
    return (float)((double)(*state >> 8) / (1 << 24) * 3 - 1.5);
}

static void attach(lm_params *p, const char *module, lm_adapter_spec spec)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_adapter_attach(p, module, &spec, &st) != NULL, "%s", st.message);
}

static lm_params *make_params(void)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_declare_embedding(d, at("embedding"), ROWS, WIDTH, 1, 3);
    lm_declare_linear(d, at("linear"), WIDTH, OUT, 1);
    lm_declare_linear_nobias(d, at("plain"), WIDTH, OUT, 1);
    lm_declare_linear(d, at("vocab"), WIDTH, VOCAB, 1);
    lm_declare_layer_norm(d, at("norm"), WIDTH);
    lm_declare_embedding(d, at("bias"), 6, 3, 1, -1);
    lm_declare_conv1d(d, at("conv1d"), WIDTH, OUT, 1);
    lm_declare_rms_norm(d, at("rms"), WIDTH, 0);
    lm_declare_rms_norm(d, at("rms_heads"), WIDTH / 2, 1);
    lm_declare_param(d, at("ngrams"), "weight", (int64_t[4]){ROWS + 4, WIDTH}, lm_normal(1));
    lm_declare_lstm(d, at("lstm"), WIDTH, 5, 0, false, true);
    lm_declare_lstm(d, at("lstm"), WIDTH, STATE, 1, true, true);
    lm_declare_lstm(d, at("plain_lstm"), 2 * STATE, STATE, 0, true, false);
    lm_declare_linear(d, at("adapted"), WIDTH, OUT, 1);
    lm_declare_conv1d(d, at("adapted1d"), WIDTH, OUT, 1);
    lm_declare_linear(d, at("dora"), WIDTH, OUT, 1);
    lm_declare_linear(d, at("dropped"), WIDTH, OUT, 1);
    lm_declare_embedding(d, at("words"), ROWS, WIDTH, 1, -1);
    lm_declare_embedding(d, at("dora_words"), ROWS, WIDTH, 1, -1);
    lm_status st = LM_STATUS_INIT;
    ck_assert(lm_declare_end(d, &st));
    attach(p, "adapted", (lm_adapter_spec){.rank = 2, .scale = 0.75f, .name = ""});
    attach(p, "adapted", (lm_adapter_spec){.rank = 3, .scale = 1.5f, .dropout = 0.3, .bias = true, .name = "two"});
    attach(p, "adapted1d", (lm_adapter_spec){.rank = 2, .scale = 0.5f, .dropout = 0.3, .bias = true, .name = ""});
    attach(p, "dora", (lm_adapter_spec){.rank = 2, .scale = 0.5f, .magnitude = true, .name = ""});
    attach(p, "dropped", (lm_adapter_spec){.rank = 2, .scale = 0.5f, .magnitude = true, .dropout = 0.3, .name = ""});
    attach(p, "words", (lm_adapter_spec){.place = LM_ADAPTS_TABLE, .rank = 2, .scale = 0.5f, .name = ""});
    attach(p, "dora_words", (lm_adapter_spec){.place = LM_ADAPTS_TABLE, .rank = 2, .scale = 2, .magnitude = true, .name = ""});
    for (size_t i = 0; i < lm_params_count(p); i++) {
        lm_param *q = lm_params_at(p, i);
        uint32_t state = (uint32_t)i + 77;
        ck_assert(lm_param_initialise(q, 1, &st) && lm_param_train(q, true, &st));
        for (size_t e = 0; e < q->elements; e++)
            q->value[e] = spread(&state);
    }
    return p;
}

typedef struct trial {
    const op_case *c;
    lm_graph *g;
    lm_params *params;
    float input[MOST][TOKENS * 8];
    lm_tensor *in[MOST];
} trial;

/* The loss of a trial in double: the case's own, or the squares of the differences from 0.1, 0.2 ... */
static double run(trial *t, bool backward)
{
    lm_graph_begin(t->g, &batch, (lm_step){.training = true, .recompute = true, .seed = 5, .optimiser_step = 3});
    for (int i = 0; i < MOST && t->c->width[i]; i++)
        t->in[i] = lm_graph_input(t->g, t->input[i], TOKENS, t->c->width[i], true);
    lm_tensor *y = t->c->build(t->g, t->in);
    lm_status st = LM_STATUS_INIT;
    if (t->c->loss) {
        if (backward)
            lm_graph_backward(t->g, y, 1);
        double loss = *lm_tensor_read(t->g, y);
        ck_assert_msg(lm_graph_end(t->g, &st), "%s", st.message);
        return loss;
    }
    float target[TOKENS * 8];
    for (int i = 0; i < y->rows * y->width; i++)
        target[i] = 0.1f * (float)(i % 7);
    const float *value = lm_tensor_read(t->g, y);
    double loss = 0;
    for (int i = 0; i < y->rows * y->width; i++)
        loss += ((double)value[i] - target[i]) * ((double)value[i] - target[i]);
    if (backward)
        lm_graph_backward(t->g, lm_squared_error(t->g, y, target, NULL, NULL), 1);
    ck_assert_msg(lm_graph_end(t->g, &st), "%s", st.message);
    return loss;
}

static void compare(trial *t, const char *name, float *value, const float *grad, size_t n, size_t step)
{
    double scale_of = 1e-3, h = t->c->loss ? 2e-2 : 5e-3; /* a loss is one float: its last bits limit h */
    for (size_t i = 0; i < n; i++)
        scale_of = fmax(scale_of, fabs(grad[i]));
    for (size_t i = 0; i < n; i += step) {
        float old = value[i];
        value[i] = (float)(old + h);
        double up = value[i], above = run(t, false);
        value[i] = (float)(old - h);
        double down = value[i], below = run(t, false), slope = (above - below) / (up - down);
        value[i] = old;
        ck_assert_msg(fabs(slope - grad[i]) < 4e-3 * scale_of, "%s (%s): d %s[%zu] is %g, by differences %g",
                      t->c->op, t->c->what, name, i, (double)grad[i], slope);
    }
}

static void check_case(const op_case *c, lm_params *params)
{
    trial t = {.c = c, .params = params, .g = lm_graph_new(params)};
    float *grads[MOST];
    uint32_t state = 99;
    for (int i = 0; i < MOST; i++)
        for (size_t e = 0; e < TOKENS * 8; e++)
            t.input[i][e] = spread(&state);
    for (size_t i = 0; i < lm_params_count(params); i++)
        memset(lm_params_at(params, i)->grad, 0, lm_params_at(params, i)->elements * sizeof(float));
    run(&t, true);
    for (int i = 0; i < MOST && c->width[i]; i++) {
        size_t n = (size_t)TOKENS * (size_t)c->width[i];
        ck_assert_ptr_nonnull(t.in[i]->grad);
        grads[i] = malloc(n * sizeof(float));
        memcpy(grads[i], t.in[i]->grad, n * sizeof(float));
    }
    for (int i = 0; i < MOST && c->width[i]; i++) {
        compare(&t, "input", t.input[i], grads[i], (size_t)TOKENS * (size_t)c->width[i], 1);
        free(grads[i]);
    }
    for (int i = 0; i < PARAMS && c->params[i]; i++) {
        lm_param *p = lm_params_find(params, c->params[i]);
        if (p->padding_row >= 0) { /* its look-ups train nothing */
            for (int j = 0; j < WIDTH; j++)
                ck_assert_float_eq(p->grad[p->padding_row * WIDTH + j], 0);
            memset(p->value + p->padding_row * WIDTH, 0, WIDTH * sizeof(float));
            continue;
        }
        compare(&t, c->params[i], p->value, p->grad, p->elements, c->every ? (size_t)c->every : 1);
    }
    lm_graph_free(t.g);
}

START_TEST(gradients)
{
    lm_params *p = make_params();
    check_case(&cases[_i], p);
    lm_params_free(p);
}
END_TEST

/* The embedding's rows but the padding one, each against the sum of what reaches it. */
START_TEST(embedding_rows)
{
    lm_params *p = make_params();
    trial t = {.c = &cases[0], .params = p, .g = lm_graph_new(p)};
    run(&t, true);
    lm_param *e = lm_params_find(p, "embedding.weight");
    for (size_t row = 0; row < ROWS; row++)
        if ((int)row != e->padding_row)
            compare(&t, "embedding.weight", e->value + row * WIDTH, e->grad + row * WIDTH, WIDTH, 1);
    lm_graph_free(t.g);
    lm_params_free(p);
}
END_TEST

/* The norms of DoRA are no part of the gradient: by differences it is that of A and B where the norms stay what they are, as they
 * do when nothing that they depend on is trained. */
START_TEST(norms_are_constants)
{
    static const char *const ends[] = {"lora_A.weight", "lora_B.weight", "weight"};
    const op_case *c = cases;
    while (strcmp(c->op, "dora") != 0 || (_i && !strstr(c->what, "dropout")))
        c++;
    lm_params *p = make_params();
    trial t = {.c = c, .params = p, .g = lm_graph_new(p)};
    uint32_t state = 99;
    for (size_t e = 0; e < TOKENS * 8; e++)
        t.input[0][e] = spread(&state);
    lm_param *of[3];
    for (int i = 0; i < 3; i++)
        of[i] = lm_params_find(p, lm_in(at(_i ? "dropped" : "dora"), ends[i]).name);
    of[2]->trainable = false; /* no other weight gets a gradient of its own through the norms */
    run(&t, true);
    of[0]->trainable = of[1]->trainable = false;
    run(&t, false);
    for (int i = 0; i < 2; i++)
        compare(&t, of[i]->name, of[i]->value, of[i]->grad, of[i]->elements, 1);
    lm_graph_free(t.g);
    lm_params_free(p);
}
END_TEST

/* What a plugin's author checks an operation with. */
START_TEST(custom_errors_are_seen)
{
    const int rows[] = {TOKENS, TOKENS}, gates[] = {WIDTH, WIDTH}, table[] = {TOKENS, 6}, widths[] = {3, 3};
    ck_assert_double_lt(lm_custom_error(&gate_op, WIDTH, rows, gates, 2, &gate_scale), 0.01);
    ck_assert_double_lt(lm_custom_error(&before_op, 3, table, widths, 2, NULL), 0.01);
    lm_custom_op wrong = gate_op;
    wrong.backward = before_backward; /* of another operation */
    ck_assert_double_gt(lm_custom_error(&wrong, 3, rows, widths, 2, &gate_scale), 0.1);
    wrong.backward = NULL;
    ck_assert(isnan(lm_custom_error(&wrong, WIDTH, rows, gates, 2, &gate_scale)));
}
END_TEST

/* Half an operation is refused, and so is one that cannot be. */
START_TEST(custom_operations_are_whole)
{
    static const struct {
        lm_custom_op op;
        int width, count;
        const char *says;
    } bad[] = {{{.name = "half", .forward = gate_forward}, 3, 1, "half: it has no backward"},
               {{.name = "half", .backward = gate_backward}, 3, 1, "half: it has no forward"},
               {{.forward = gate_forward, .backward = gate_backward}, 3, 1, "custom: it has no name"},
               {{.name = "none", .forward = gate_forward, .backward = gate_backward}, 3, 0, "from one to four inputs"},
               {{.name = "none", .forward = gate_forward, .backward = gate_backward}, 0, 1, "a result without columns"},
               {{.name = "row", .forward = gate_forward, .backward = gate_backward, .sequences = true}, 3, 1,
                "row: its input is not whole sequences"}};
    lm_params *p = make_params();
    lm_graph *g = lm_graph_new(p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_graph_begin(g, &batch, (lm_step){0});
        lm_tensor *table = lm_parameter(g, at("bias"), "weight");
        lm_custom(g, &bad[i].op, bad[i].width, &table, bad[i].count, NULL);
        ck_assert(!lm_graph_end(g, &st));
        ck_assert_msg(strstr(st.message, bad[i].says) != NULL, "%s", st.message);
    }
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_tensor *table = lm_parameter(g, at("bias"), "weight");
    lm_custom_sized(g, &gate_op, sizeof gate_op + 8, 3, &table, 1, NULL);
    ck_assert(!lm_graph_end(g, &st) && strstr(st.message, "built for a newer version"));
    /* one that does not say how far it looks back has whole rows, or nothing */
    lm_status_clear(&st);
    lm_kv_cache *cache = lm_kv_cache_new(SEQUENCES);
    const float zero[TOKENS * 3] = {0};
    lm_graph_begin(g, &batch, (lm_step){.cache = cache});
    lm_tensor *in = lm_graph_input(g, zero, TOKENS, 3, false);
    custom_sequences(g, &in);
    ck_assert(!lm_graph_end(g, &st) && strstr(st.message, "before: rows are to be read piece by piece, and it needs"));
    lm_kv_cache_free(cache);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(every_operation_is_checked)
{
    for (size_t i = 0; lm_op_at(i); i++) {
        const lm_op *op = lm_op_at(i);
        bool found = strcmp(op->name, "distillation") == 0 || strcmp(op->name, "cosine") == 0; /* check_distillation.c */
        ck_assert(op->forward || strcmp(op->name, "recompute") == 0);
        ck_assert_ptr_nonnull(op->backward);
        for (size_t c = 0; c < CASES; c++)
            found |= strcmp(cases[c].op, op->name) == 0;
        ck_assert_msg(found, "operation %s has no case in check_gradients.c", op->name);
    }
}
END_TEST

/* Each operation on no tokens at all: nothing happens, and nothing is trained. */
START_TEST(empty_batch)
{
    static const int32_t none[3] = {0, 0, 0};
    for (int rows = 0; rows < 3; rows++) {
        lm_params *p = make_params();
        lm_graph *g = lm_graph_new(p);
        lm_batch nothing = {rows, 0, none, ids, zeros, zeros};
        const op_case *c = &cases[_i];
        lm_tensor *in[MOST] = {NULL};
        float value[1] = {0};
        lm_status st = LM_STATUS_INIT;
        lm_graph_begin(g, &nothing, (lm_step){.training = true, .recompute = true});
        for (int i = 0; i < MOST && c->width[i]; i++)
            in[i] = lm_graph_input(g, value, 0, c->width[i], true);
        bool skip = c->build == gather_rows || c->build == embedding || c->build == recompute_look_up ||
                    c->build == parameter || c->build == adapted_table || c->build == dora_table; /* which no tokens reach */
        if (!skip) {
            lm_tensor *y = c->build(g, in);
            float target[3 * 8] = {0};
            lm_tensor *loss = c->loss ? y : lm_squared_error(g, y, target, NULL, NULL);
            lm_graph_backward(g, loss, 1);
            ck_assert_float_eq(*lm_tensor_read(g, loss), 0);
        } else {
            lm_tensor *y = lm_embedding(g, at("embedding"), ids, &nothing);
            y = lm_gather_rows(g, y, chosen, 0);
            ck_assert_int_eq(y->rows, 0);
            lm_graph_backward(g, lm_squared_error(g, y, value, NULL, NULL), 1);
        }
        ck_assert_msg(lm_graph_end(g, &st), "%s (%s): %s", c->op, c->what, st.message);
        lm_graph_free(g);
        lm_params_free(p);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gradients");
    TCase *t = tcase_create("table");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_operation_is_checked);
    tcase_add_loop_test(t, gradients, 0, CASES);
    tcase_add_test(t, embedding_rows);
    tcase_add_loop_test(t, norms_are_constants, 0, 2);
    tcase_add_test(t, custom_errors_are_seen);
    tcase_add_test(t, custom_operations_are_whole);
    tcase_add_loop_test(t, empty_batch, 0, CASES);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
