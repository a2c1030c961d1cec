/* Fake quantisation: what is computed with is what a file would hold, and the gradient goes straight through. */
#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "graph/fake.h"
#include "graph/graph.h"
#include "tensor/blocks.h"
#include "tensor/quantised.h"

#include <string.h>

enum { TOKENS = 7, OUT = 70, WORDS = 11 };

static const int32_t splits[] = {0, 3, 7}, ids[TOKENS] = {1, 0, 6, 10, 3, 3, 2}, zeros[TOKENS],
                     places[TOKENS] = {0, 1, 2, 0, 1, 2, 3}, labels[TOKENS] = {3, 69, 4, -100, 1, 2, 2},
                     words[TOKENS] = {3, 0, 10, -100, 4, 5, 2};
static const lm_batch batch = {2, TOKENS, splits, ids, zeros, places};
static const char *const names[] = {"embedding.weight", "linear.weight", "conv.weight"};
enum { EMBEDDING, LINEAR, CONV, MATRICES };

static lm_params *make(int width, uint64_t seed)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_scope all = {""};
    lm_declare_embedding(d, lm_in(all, "embedding"), WORDS, width, 0.5, -1);
    lm_declare_linear(d, lm_in(all, "linear"), width, OUT, 0.3);
    lm_declare_conv1d(d, lm_in(all, "conv"), width, width, 0.2);
    ck_assert(lm_declare_end(d, &st));
    for (size_t i = 0; i < lm_params_count(p); i++)
        ck_assert(lm_param_initialise(lm_params_at(p, i), seed, &st) && lm_param_train(lm_params_at(p, i), true, &st));
    return p;
}

/* The table is looked up in, and what classes are predicted with. */
static float loss_of(lm_params *params, lm_graph *g)
{
    lm_status st = LM_STATUS_INIT;
    lm_scope all = {""};
    for (size_t i = 0; i < lm_params_count(params); i++)
        lm_param_zero_grad(lm_params_at(params, i));
    lm_graph_begin(g, &batch, (lm_step){.taping = true});
    lm_tensor *x = lm_linear(g, lm_in(all, "conv"), lm_embedding(g, lm_in(all, "embedding"), ids, &batch));
    lm_tensor *a = lm_cross_entropy(g, lm_linear(g, lm_in(all, "linear"), x), labels, NULL, 0, NULL);
    lm_tensor *b = lm_cross_entropy(g, lm_vocab_linear(g, lm_in(all, "embedding"), x), words, NULL, 0, NULL);
    lm_tensor *loss = lm_add(g, a, b);
    lm_graph_backward(g, loss, 1);
    float value = *lm_tensor_read(g, loss);
    lm_graph_end(g, &st);
    assert_ok(&st);
    return value;
}

/* A matrix as it is after quantisation, by rows of the layer, all at once. */
static float *expected(const lm_param *p, lm_dtype type)
{
    size_t rows = (size_t)p->shape.size[p->transposed ? 1 : 0], columns = (size_t)p->shape.size[p->transposed ? 0 : 1];
    float *x = lm_malloc(p->elements, sizeof *x), *y = lm_malloc(p->elements, sizeof *y);
    float *scale = lm_malloc(p->elements, sizeof *scale);
    uint8_t *codes = lm_malloc(p->elements, sizeof(float));
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            x[r * columns + c] = p->value[p->transposed ? c * rows + r : r * columns + c];
    lm_quantised q = {.type = type, .rows = (int)rows, .columns = (int)columns, .data = codes, .scale = scale,
                      .block = LM_BNB_BLOCK};
    if (type == LM_I8)
        lm_bnb_int8(x, rows, columns, (int8_t *)codes, scale);
    else if (type == LM_NF4 || type == LM_FP4)
        lm_bnb_quantise(type, x, p->elements, LM_BNB_BLOCK, codes, scale);
    else if (type == LM_F16 || type == LM_BF16)
        lm_from_f32(type, x, p->elements, codes);
    else
        lm_quantise(type, x, rows, columns, NULL, codes);
    for (size_t r = 0; type == LM_I8 && r < rows; r++)
        scale[r] /= 127;
    lm_quantised_expand(&q, 0, (int)rows, x);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            y[p->transposed ? c * rows + r : r * columns + c] = x[r * columns + c];
    free(x);
    free(scale);
    free(codes);
    return y;
}

static void same_bits(const float *a, const float *b, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(memcmp(&a[i], &b[i], sizeof *a) == 0, "%s[%zu]: %.9g and %.9g", what, i, (double)a[i], (double)b[i]);
}

static void check_type(lm_dtype type, int width)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *faked = make(width, 5), *real = make(width, 5);
    lm_graph *g = lm_graph_new(faked), *h = lm_graph_new(real);
    float before = loss_of(real, h);
    for (int i = 0; i < MATRICES; i++) {
        lm_param *p = lm_params_find(faked, names[i]), *q = lm_params_find(real, names[i]);
        ck_assert(lm_param_fake(p, type, &st));
        float *as = expected(p, type);
        memcpy(q->value, as, q->elements * sizeof *as);
        free(as);
    }
    lm_params_fake_again(faked);
    for (int i = 0; i < MATRICES; i++) {
        const lm_param *p = lm_params_find(faked, names[i]);
        same_bits(p->fake_value, lm_params_find(real, names[i])->value, p->elements, names[i]);
    }
    float a = loss_of(faked, g), b = loss_of(real, h);
    same_bits(&a, &b, 1, "loss");
    ck_assert(type == LM_F16 || type == LM_BF16 || before != b);
    for (size_t i = 0; i < lm_params_count(faked); i++) {
        const lm_param *p = lm_params_at(faked, i);
        same_bits(p->grad, lm_params_at(real, i)->grad, p->elements, p->name);
    }
    /* what moves is the value */
    lm_param *p = lm_params_find(faked, names[LINEAR]);
    p->value[0] += 1;
    lm_params_fake_again(faked);
    float *as = expected(p, type);
    same_bits(p->fake_value, as, p->elements, "after an update");
    free(as);
    /* what is not trained is not quantised again, until somebody has moved it */
    float is = p->fake_value[3];
    for (int trained = 0; trained < 2; trained++) {
        ck_assert(lm_param_train(p, trained, &st));
        lm_params_fake_again(faked);
        same_bits(&p->fake_value[3], &is, 1, "frozen, or trained again");
        p->fake_value[3] = is + 1;
        lm_params_fake_again(faked);
        ck_assert_msg((p->fake_value[3] == is) == trained, "quantised again: %d", trained);
    }
    lm_graph_free(g);
    lm_graph_free(h);
    lm_params_free(faked);
    lm_params_free(real);
}

START_TEST(every_type)
{
    static const lm_dtype types[] = {LM_Q8_0, LM_Q4_0, LM_Q4_1, LM_Q5_0, LM_Q5_1, LM_F16, LM_BF16, LM_I8, LM_NF4, LM_FP4};
    static const lm_dtype wide[] = {LM_Q2_K, LM_Q3_K, LM_Q4_K, LM_Q5_K, LM_Q6_K};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        check_type(types[i], 96); /* NF4's blocks run on over the ends of rows */
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        check_type(wide[i], 256);
    check_type(LM_I8, 5); /* fewer columns than a tile has rows */
    check_type(LM_NF4, 1);
}
END_TEST

START_TEST(refuses)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *p = make(40, 1);
    ck_assert(!lm_param_fake(lm_params_find(p, names[LINEAR]), LM_Q8_0, &st));
    ck_assert_msg(strstr(st.message, "linear.weight") && strstr(st.message, "rows of 40"), "%s", st.message);
    lm_status_clear(&st);
    ck_assert(!lm_param_fake(lm_params_find(p, "linear.bias"), LM_Q8_0, &st));
    lm_status_clear(&st);
    ck_assert(!lm_param_fake(lm_params_find(p, names[LINEAR]), LM_F64, &st));
    lm_params_free(p);
}
END_TEST

/* ------------------------------------------------------------------ what layers read */

typedef struct seen {
    int linear, conv, other;
    float first;
} seen;

static void watch(void *context, const lm_param *weight, const float *x, int rows)
{
    seen *s = context;
    ck_assert_int_eq(rows, TOKENS);
    s->linear += strcmp(weight->name, names[LINEAR]) == 0;
    s->conv += strcmp(weight->name, names[CONV]) == 0;
    s->other += strcmp(weight->name, names[EMBEDDING]) == 0;
    if (strcmp(weight->name, names[CONV]) == 0)
        s->first = x[0];
}

START_TEST(watches_layers)
{
    lm_status st = LM_STATUS_INIT;
    lm_params *p = make(96, 1);
    lm_graph *g = lm_graph_new(p);
    lm_scope all = {""};
    seen s = {0};
    lm_graph_watch(g, watch, &s);
    lm_graph_begin(g, &batch, (lm_step){0});
    lm_tensor *e = lm_embedding(g, lm_in(all, "embedding"), ids, &batch);
    float first = lm_tensor_read(g, e)[0];
    lm_tensor *x = lm_add(g, lm_linear_part(g, lm_in(all, "conv"), e, 0, 48), lm_linear_part(g, lm_in(all, "conv"), e, 48, 48));
    ck_assert_int_eq(x->width, 48);
    lm_linear(g, lm_in(all, "linear"), e);
    lm_tensor_read(g, lm_vocab_linear(g, lm_in(all, "embedding"), e));
    ck_assert(lm_graph_end(g, &st));
    ck_assert(s.linear == 1 && s.conv == 1 && s.other == 1 && memcmp(&s.first, &first, sizeof first) == 0);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fake");
    TCase *t = tcase_create("fake");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_type);
    tcase_add_test(t, refuses);
    tcase_add_test(t, watches_layers);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
