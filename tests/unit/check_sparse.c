/* Gradients and optimiser states by rows: the same bits as without; and those of a lazy table against torch.nn.EmbeddingBag
 * and torch.optim.SparseAdam (recurrent.json, made by PyTorch in float64). */
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "stream/json_tree.h"
#include "train/optimizer/optimizer.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 5000, WIDTH = 7, TOKENS = 12 };

static lm_scope at(const char *name)
{
    return lm_in((lm_scope){""}, name);
}

static void reference(const char *name, json_t **found)
{
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/recurrent.json", source ? source : "..");
    lm_status st = LM_STATUS_INIT;
    json_t *all = lm_json_read(path, 0, &st);
    assert_ok(&st);
    *found = json_incref(json_object_get(all, name));
    json_decref(all);
    free(path);
    ck_assert_ptr_nonnull(*found);
}

/* ------------------------------------------------------------------ by rows or not: the same bits */

typedef struct learner {
    lm_params *params;
    lm_graph *graph;
    lm_optimizer *optimizer;
    float *start; /* of the table */
    const float **starts; /* [1]: it, for the optimiser */
} learner;

/* A table that is by rows, or one of the same values that is not; what `how` leaves open is filled in. */
static learner learner_by(lm_optimizer_options how, bool by_rows, bool pull)
{
    learner l = {.params = lm_params_new()};
    lm_declare *d = lm_declare_begin(l.params);
    lm_status st = LM_STATUS_INIT;
    lm_declare_embedding(d, at("e"), ROWS, WIDTH, 0.5, 3);
    ck_assert(lm_declare_end(d, &st));
    lm_param *p = lm_params_at(l.params, 0);
    ck_assert(p->by_rows && !p->lazy);
    p->by_rows = by_rows;
    ck_assert(lm_param_initialise(p, 9, &st) && lm_param_train(p, true, &st));
    ck_assert((p->row_grad != NULL) == by_rows && (p->grad != NULL) == !by_rows);
    l.start = lm_malloc(p->elements, sizeof *l.start);
    memcpy(l.start, p->value, p->elements * sizeof *l.start);
    l.starts = lm_malloc(1, sizeof *l.starts);
    l.starts[0] = l.start;
    l.graph = lm_graph_new(l.params);
    how.beta1 = 0.9;
    how.beta2 = 0.99;
    how.epsilon = 1e-8;
    how.bias_correction = true;
    how.pull = pull ? 0.1 : 0;
    how.starts = pull ? l.starts : NULL;
    l.optimizer = lm_optimizer_new(l.params, &how, &st);
    assert_ok(&st);
    return l;
}

static learner learner_new(bool by_rows, double decay)
{
    return learner_by((lm_optimizer_options){.weight_decay = decay}, by_rows, false);
}

static void learner_free(learner *l)
{
    lm_optimizer_free(l->optimizer);
    lm_graph_free(l->graph);
    lm_params_free(l->params);
    free(l->start);
    free(l->starts);
}

/* Adds the gradient of a batch: of the rows it looks up, and where `whole` of a product with all of the table. */
static void add_gradient(learner *l, int step, bool whole)
{
    static const int32_t splits[] = {0, 5, TOKENS};
    int32_t ids[TOKENS];
    float target[TOKENS * WIDTH], wide[TOKENS];
    for (int t = 0; t < TOKENS; t++) {
        ids[t] = (int32_t)((step * 977 + t * t * 61) % (t % 2 ? ROWS : 9)); /* some come back, one is the padding */
        wide[t] = (float)(t + step);
    }
    for (int i = 0; i < TOKENS * WIDTH; i++)
        target[i] = (float)sin(i + step);
    lm_batch batch = {.rows = 2, .tokens = TOKENS, .row_splits = splits, .ids = ids};
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(l->graph, &batch, (lm_step){.training = true});
    lm_tensor *x = lm_embedding(l->graph, at("e"), ids, &batch);
    lm_tensor *loss = lm_squared_error(l->graph, x, target, NULL, NULL);
    if (whole) {
        lm_tensor *all = lm_linear(l->graph, at("e"), x);
        float *targets = lm_arena_alloc(lm_graph_arena(l->graph), TOKENS * ROWS, sizeof *targets);
        for (int i = 0; i < TOKENS * ROWS; i++)
            targets[i] = wide[i % TOKENS] * 1e-3f;
        loss = lm_add(l->graph, loss, lm_squared_error(l->graph, all, targets, NULL, NULL));
    }
    lm_graph_backward(l->graph, loss, 1);
    ck_assert_msg(lm_graph_end(l->graph, &st), "%s", st.message);
}

static void one_step(learner *l, int step, bool whole)
{
    lm_status st = LM_STATUS_INIT;
    add_gradient(l, 2 * step, whole);
    add_gradient(l, 2 * step + 1, false);
    ck_assert(lm_optimizer_update(l->optimizer, 1e-2, 0.5, &st));
}

static void assert_same(const learner *a, const learner *b)
{
    const lm_param *p = lm_params_at(a->params, 0), *q = lm_params_at(b->params, 0);
    ck_assert_mem_eq(p->value, q->value, p->elements * sizeof *p->value);
}

/* Decay by way of the gradient moves all rows. */
static const lm_optimizer_options ways[] = {{.weight_decay = 0},
                                            {.weight_decay = 0.01},
                                            {.weight_decay = 0}, /* with a pull */
                                            {.l1 = 0.5, .weight_decay = 0.01},
                                            {.kind = LM_OPTIMIZER_LION, .weight_decay = 0.01},
                                            {.kind = LM_OPTIMIZER_SGD, .momentum = 0.9},
                                            {.kind = LM_OPTIMIZER_SGD},
                                            {.kind = LM_OPTIMIZER_ADAM, .weight_decay = 0.01},
                                            {.kind = LM_OPTIMIZER_SGD, .momentum = 0.9, .nesterov = true, .l2 = 0.1}};
enum { WAYS = sizeof ways / sizeof *ways, ALL_ROWS = WAYS - 2 }; /* from which on all rows have states */

START_TEST(same_bits)
{
    bool pull = _i == 2;
    learner rows = learner_by(ways[_i], true, pull), whole = learner_by(ways[_i], false, pull);
    for (int step = 0; step < 6; step++) {
        one_step(&rows, step, false);
        one_step(&whole, step, false);
        assert_same(&rows, &whole);
    }
    if (_i < ALL_ROWS)
        ck_assert_uint_le(lm_optimizer_bytes(rows.optimizer), lm_optimizer_bytes(whole.optimizer) / 20);
    else
        ck_assert_uint_eq(lm_optimizer_bytes(rows.optimizer), lm_optimizer_bytes(whole.optimizer));
    ck_assert_uint_ge(lm_optimizer_growth(rows.optimizer), _i < ALL_ROWS ? lm_optimizer_bytes(whole.optimizer) : 1);
    ck_assert_uint_eq(lm_optimizer_growth(whole.optimizer), 0);
    /* the norm is that of the same numbers; and gradients can be dropped */
    add_gradient(&rows, 50, false);
    add_gradient(&whole, 50, false);
    double norm = lm_optimizer_gradient_norm(whole.optimizer);
    ck_assert_double_eq_tol(lm_optimizer_gradient_norm(rows.optimizer), norm, 1e-6 * norm);
    lm_optimizer_zero_gradients(rows.optimizer);
    lm_optimizer_zero_gradients(whole.optimizer);
    ck_assert_double_eq(lm_optimizer_gradient_norm(rows.optimizer), 0);
    one_step(&rows, 7, false);
    one_step(&whole, 7, false);
    assert_same(&rows, &whole);
    learner_free(&rows);
    learner_free(&whole);
}
END_TEST

/* An operation that needs the whole table makes its gradient dense, in the middle of a step, and the states with it. */
START_TEST(becomes_dense)
{
    learner rows = learner_new(true, 0.01), whole = learner_new(false, 0.01);
    for (int step = 0; step < 6; step++) {
        if (step == 3) { /* with a gradient by rows standing */
            add_gradient(&rows, 70, false);
            add_gradient(&whole, 70, false);
        }
        one_step(&rows, step, step >= 3);
        one_step(&whole, step, step >= 3);
        assert_same(&rows, &whole);
    }
    ck_assert_ptr_null(lm_params_at(rows.params, 0)->row_grad);
    ck_assert_uint_eq(lm_optimizer_bytes(rows.optimizer), lm_optimizer_bytes(whole.optimizer));
    learner_free(&rows);
    learner_free(&whole);
}
END_TEST

/* A parameter with a second name is read whole by whoever uses that. */
START_TEST(ties_are_dense)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    lm_declare_embedding(d, at("e"), ROWS, WIDTH, 1, -1);
    lm_declare_tied(d, at("head"), "weight", at("e"), "weight");
    lm_declare_embedding(d, at("few"), 512, WIDTH, 1, -1);
    ck_assert(lm_declare_end(d, &st));
    for (size_t i = 0; i < lm_params_count(p); i++) {
        ck_assert(lm_param_initialise(lm_params_at(p, i), 1, &st) && lm_param_train(lm_params_at(p, i), true, &st));
        ck_assert_ptr_nonnull(lm_params_at(p, i)->grad);
    }
    lm_params_free(p);
}
END_TEST

/* ------------------------------------------------------------------ states on disk */

static void save(const learner *l, const char *path)
{
    lm_status st = LM_STATUS_INIT;
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ck_assert(lm_optimizer_save(l->optimizer, fd, path, &st));
    ck_assert_int_eq(close(fd), 0);
}

static bool load(learner *l, const char *path, lm_status *st)
{
    lm_safetensors *f = lm_safetensors_open(path, st);
    assert_ok(st);
    bool ok = lm_optimizer_load(l->optimizer, f, st);
    lm_safetensors_close(f);
    return ok;
}

START_TEST(goes_on_from_disk)
{
    const lm_optimizer_options how = {.weight_decay = 0.01, .states = _i ? LM_STATE_BF16 : LM_STATE_F32};
    char *dir = scratch_new(), *path = lm_format("%s/optimizer.safetensors", dir);
    learner through = learner_by(how, true, false), first = learner_by(how, true, false);
    lm_status st = LM_STATUS_INIT;
    save(&first, path); /* with no rows at all */
    ck_assert(load(&first, path, &st));
    for (int step = 0; step < 6; step++)
        one_step(&through, step, false);
    for (int step = 0; step < 3; step++)
        one_step(&first, step, false);
    save(&first, path);
    learner second = learner_by(how, true, false);
    lm_param *p = lm_params_at(second.params, 0);
    memcpy(p->value, lm_params_at(first.params, 0)->value, p->elements * sizeof *p->value);
    ck_assert(load(&second, path, &st));
    for (int step = 3; step < 6; step++)
        one_step(&second, step, false);
    assert_same(&second, &through);

    /* damage: the file's first rows are of the table's */
    size_t size;
    lm_str whole = scratch_read(dir, "optimizer.safetensors");
    size = whole.len;
    static const struct {
        int32_t row;
        const char *says;
    } bad[] = {{-1, "row -1 of 5000: the checkpoint is damaged"}, {ROWS, "row 5000 of 5000"}, {0, " twice: the checkpoint"}};
    lm_safetensors *f = lm_safetensors_from_memory(whole.data, size, "f", &st);
    const lm_safetensor *t = lm_safetensors_find(f, "e.weight.rows");
    ck_assert_ptr_nonnull(t);
    int32_t *stored = (int32_t *)(uintptr_t)t->data, was = stored[1];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        stored[1] = i == 2 ? stored[0] : bad[i].row;
        ck_assert(!lm_optimizer_load(second.optimizer, f, &st));
        assert_says(&st, bad[i].says);
    }
    stored[1] = was;
    learner dense = learner_by(how, false, false);
    ck_assert(!lm_optimizer_load(dense.optimizer, f, &st));
    assert_says(&st, "another dtype or shape: the checkpoint is not one of this model");
    save(&dense, path);
    ck_assert(!load(&second, path, &st));
    assert_says(&st, "e.weight.rows: missing: the checkpoint is not one of this model");
    lm_safetensors_close(f);
    free((char *)whole.data);
    learner_free(&through), learner_free(&first), learner_free(&second), learner_free(&dense);
    free(path);
    scratch_discard(dir);
}
END_TEST

/* Means of all rows and columns cannot be had of some rows. */
START_TEST(adafactor_has_no_rows)
{
    lm_status st = LM_STATUS_INIT;
    learner l = learner_new(true, 0);
    lm_optimizer_options how = {.kind = LM_OPTIMIZER_ADAFACTOR, .clip_threshold = 1, .decay_rate = -0.8};
    ck_assert_ptr_null(lm_optimizer_new(l.params, &how, &st));
    assert_says(&st, "adafactor: e.weight has gradients for the rows of a step alone");
    learner_free(&l);
}
END_TEST

/* ------------------------------------------------------------------ bags, against torch */

static void near(const char *what, const float *got, const json_t *want, size_t n)
{
    ck_assert_uint_eq(json_array_size(want), n);
    for (size_t i = 0; i < n; i++) {
        double w = json_number_value(json_array_get(want, i));
        ck_assert_msg(fabs(got[i] - w) < 2e-6, "%s: element %zu is %.8g, torch has %.8g", what, i, (double)got[i], w);
    }
}

static int integer(const json_t *o, const char *key)
{
    return (int)json_integer_value(json_object_get(o, key));
}

static lm_params *bag_params(const json_t *c)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    lm_declare_sparse_embedding(d, at("bag"), integer(c, "words") + integer(c, "buckets"), integer(c, "width"),
                                (lm_init){LM_INIT_ZERO, 0});
    ck_assert(lm_declare_end(d, &st));
    lm_param *table = lm_params_at(p, 0);
    ck_assert(table->lazy && lm_param_initialise(table, 1, &st) && lm_param_train(table, true, &st));
    for (size_t i = 0; i < table->elements; i++) {
        ck_assert_float_eq(table->value[i], 0);
        table->value[i] = (float)json_number_value(json_array_get(json_object_get(c, "table"), i));
    }
    return p;
}

START_TEST(bag_as_torch)
{
    json_t *c, *step;
    reference("bag", &c);
    lm_params *params = bag_params(c);
    lm_param *table = lm_params_at(params, 0);
    lm_status st = LM_STATUS_INIT;
    /* decay is not for a lazy table */
    lm_optimizer_options how = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-14, .weight_decay = 0.5, .bias_correction = true};
    lm_optimizer *o = lm_optimizer_new(params, &how, &st);
    lm_graph *g = lm_graph_new(params);
    size_t k, width = (size_t)integer(c, "width");
    json_array_foreach(json_object_get(c, "steps"), k, step) {
        int32_t ids[16], splits[8] = {0};
        const json_t *lengths = json_object_get(step, "lengths"), *w = json_object_get(step, "weight_of_y");
        int rows = (int)json_array_size(lengths);
        for (int r = 0; r < rows; r++)
            splits[r + 1] = splits[r] + (int32_t)json_integer_value(json_array_get(lengths, (size_t)r));
        for (int t = 0; t < splits[rows]; t++)
            ids[t] = (int32_t)json_integer_value(json_array_get(json_object_get(step, "ids"), (size_t)t));
        lm_batch batch = {.rows = rows, .tokens = splits[rows], .row_splits = splits, .ids = ids};
        lm_graph_begin(g, &batch, (lm_step){.training = true});
        lm_tensor *y = lm_mean_token(g, lm_ngrams(g, at("bag"), &batch, integer(c, "longest"), integer(c, "buckets")));
        const float *value = lm_tensor_read(g, y);
        near("mean", value, json_object_get(step, "y"), (size_t)rows * width);
        float target[8 * 8];
        for (size_t i = 0; i < (size_t)rows * width; i++)
            target[i] = value[i] - (float)json_number_value(json_array_get(w, i)) / 2;
        lm_graph_backward(g, lm_squared_error(g, y, target, NULL, NULL), 1);
        ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
        float *dense = lm_calloc(table->elements, sizeof *dense);
        for (int i = 0; i < table->row_grad->rows.count; i++)
            memcpy(dense + (size_t)table->row_grad->rows.row[i] * width, table->row_grad->value + (size_t)i * width,
                   width * sizeof *dense);
        near("gradient", dense, json_object_get(step, "gradient"), table->elements);
        free(dense);
        ck_assert(lm_optimizer_update(o, json_number_value(json_object_get(c, "rate")), 1, &st));
        near("table", table->value, json_object_get(step, "table"), table->elements);
    }
    lm_graph_free(g);
    lm_optimizer_free(o);
    lm_params_free(params);
    json_decref(c);
}
END_TEST

START_TEST(bags_that_do_not_fit)
{
    json_t *c;
    reference("bag", &c);
    lm_params *params = bag_params(c);
    lm_graph *g = lm_graph_new(params);
    static const int32_t splits[] = {0, 1}, last[] = {7}, past[] = {8};
    static const struct {
        const int32_t *ids;
        int longest, buckets;
        const char *says;
    } cases[] = {{last, 2, 5, NULL},
                 {last, 0, 5, "bag.weight: 13 rows are no table of words and 5 buckets for n-grams of up to 0 words"},
                 {last, 2, 0, "13 rows are no table of words and 0 buckets"},
                 {last, 2, 13, "13 rows are no table of words and 13 buckets"},
                 {last, 2, -1, "no table"},
                 {past, 2, 5, "bag: token 0 has id 8, but there are 8: use the model's own tokenizer"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_batch batch = {.rows = 1, .tokens = 1, .row_splits = splits, .ids = cases[i].ids};
        lm_graph_begin(g, &batch, (lm_step){0});
        lm_ngrams(g, at("bag"), &batch, cases[i].longest, cases[i].buckets);
        ck_assert(lm_graph_end(g, &st) == !cases[i].says);
        if (cases[i].says)
            assert_says(&st, cases[i].says);
    }
    lm_graph_free(g);
    lm_params_free(params);
    json_decref(c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sparse");
    TCase *t = tcase_create("rows");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, same_bits, 0, WAYS);
    tcase_add_test(t, becomes_dense);
    tcase_add_test(t, ties_are_dense);
    tcase_add_loop_test(t, goes_on_from_disk, 0, 2);
    tcase_add_test(t, adafactor_has_no_rows);
    tcase_add_test(t, bag_as_torch);
    tcase_add_test(t, bags_that_do_not_fit);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
