/* What the graph and the parameter table promise beyond the operations themselves. */
#include "unit.h"

#include "base/threads.h"
#include "graph/graph.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 24, HEADS = 3, INNER = 50, VOCAB = 1300, ROWS = 6, TOKENS = 64, CLASSES = 5 };

static const int32_t splits[ROWS + 1] = {0, 20, 20, 21, 40, 52, TOKENS};

static lm_scope at(const char *name)
{
    return lm_in((lm_scope){""}, name);
}

/* ------------------------------------------------------------------ a small network with everything in it */

static lm_params *network(uint64_t seed)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_declare_embedding(d, at("words"), VOCAB, WIDTH, 0.3, 0);
    lm_declare_layer_norm(d, at("embed.norm"), WIDTH);
    for (int i = 0; i < 2; i++) {
        lm_scope s = lm_in_index(at("block"), "layer", i);
        lm_declare_linear(d, lm_in(s, "q"), WIDTH, WIDTH, 0.2);
        lm_declare_linear(d, lm_in(s, "k"), WIDTH, WIDTH, 0.2);
        lm_declare_linear_nobias(d, lm_in(s, "v"), WIDTH, WIDTH, 0.2);
        lm_declare_linear(d, lm_in(s, "up"), WIDTH, INNER, 0.2);
        lm_declare_linear(d, lm_in(s, "down"), INNER, WIDTH, 0.2);
        lm_declare_layer_norm(d, lm_in(s, "norm"), WIDTH);
    }
    lm_declare_param(d, at("head"), "bias", (int64_t[4]){VOCAB}, (lm_init){LM_INIT_ZERO, 0});
    lm_declare_tied(d, at("head"), "weight", at("words"), "weight");
    lm_declare_linear(d, at("classify"), WIDTH, CLASSES, 0.2);
    lm_status st = LM_STATUS_INIT;
    ck_assert_msg(lm_declare_end(d, &st), "%s", st.message);
    for (size_t i = 0; i < lm_params_count(p); i++)
        ck_assert(lm_param_initialise(lm_params_at(p, i), seed, &st) &&
                  lm_param_train(lm_params_at(p, i), true, &st));
    return p;
}

typedef struct rows {
    lm_batch batch;
    int32_t ids[TOKENS], zeros[TOKENS], splits[ROWS + 1], words[TOKENS], chosen[TOKENS], classes[ROWS];
    int64_t global_row[ROWS];
    int count;
} rows;

/* Rows [first, end) of the one batch that all tests use. */
static rows *some_rows(int first, int end)
{
    rows *r = calloc(1, sizeof *r);
    int from = splits[first], tokens = splits[end] - from;
    for (int i = first; i <= end; i++)
        r->splits[i - first] = splits[i] - from;
    for (int i = first; i < end; i++) {
        r->global_row[i - first] = 100 + i;
        r->classes[i - first] = splits[i] == splits[i + 1] ? -100 : i % CLASSES;
    }
    for (int t = 0; t < tokens; t++) {
        r->ids[t] = (from + t) * 37 % VOCAB;
        if ((from + t) % 5 == 1) {
            r->words[r->count] = (from + t) * 91 % VOCAB;
            r->chosen[r->count++] = t;
        }
    }
    r->batch = (lm_batch){end - first, tokens, r->splits, r->ids, r->zeros, r->zeros};
    return r;
}

static lm_tensor *body(lm_graph *g, const rows *r, double p)
{
    lm_graph_layer(g, -1);
    lm_tensor *x = lm_embedding(g, at("words"), r->batch.ids, &r->batch);
    x = lm_dropout(g, lm_layer_norm(g, at("embed.norm"), x, 1e-5), p);
    for (int i = 0; i < 2; i++) {
        lm_arena_mark mark = lm_graph_scope_open(g);
        lm_graph_layer(g, i);
        lm_scope s = lm_in_index(at("block"), "layer", i);
        lm_tensor *a = lm_attention(g, lm_linear(g, lm_in(s, "q"), x), lm_linear(g, lm_in(s, "k"), x),
                                    lm_linear(g, lm_in(s, "v"), x), (lm_attn){.heads = HEADS, .dropout = p});
        x = lm_dropout_add(g, a, x, p);
        a = lm_linear(g, lm_in(s, "down"), lm_activate(g, lm_linear(g, lm_in(s, "up"), x), LM_GELU));
        x = lm_layer_norm(g, lm_in(s, "norm"), lm_dropout_add(g, a, x, p), 1e-5);
        x = lm_graph_scope_close(g, mark, x);
    }
    lm_graph_layer(g, -1);
    return x;
}

static lm_tensor *word_loss(lm_graph *g, const rows *r, lm_tensor *x, bool materialise)
{
    lm_tensor *y = lm_vocab_linear(g, at("head"), lm_gather_rows(g, x, r->chosen, r->count));
    if (materialise)
        lm_tensor_read(g, y);
    return lm_cross_entropy(g, y, r->words, NULL, 0, NULL);
}

static lm_tensor *class_loss(lm_graph *g, const rows *r, lm_tensor *x, double p)
{
    lm_tensor *y = lm_linear(g, at("classify"), lm_dropout(g, lm_first_token(g, x), p));
    return lm_cross_entropy(g, y, r->classes, NULL, 0.1f, NULL);
}

/* Both losses and their gradients; the gradients are added to those that are there. */
static float step(lm_graph *g, const rows *r, double p)
{
    lm_status st = LM_STATUS_INIT;
    lm_graph_begin(g, &r->batch,
                   (lm_step){.training = true, .seed = 3, .optimiser_step = 9, .global_row = r->global_row});
    lm_tensor *x = body(g, r, p), *loss = lm_add(g, word_loss(g, r, x, false), class_loss(g, r, x, p));
    lm_graph_backward(g, loss, 0.5f);
    float value = *lm_tensor_read(g, loss);
    ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
    return value;
}

static void zero(lm_params *p)
{
    for (size_t i = 0; i < lm_params_count(p); i++)
        if (lm_params_at(p, i)->grad)
            memset(lm_params_at(p, i)->grad, 0, lm_params_at(p, i)->elements * sizeof(float));
}

static float *all_gradients(lm_params *p, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < lm_params_count(p); i++)
        *n += lm_params_at(p, i)->elements;
    float *all = malloc(*n * sizeof *all), *next = all;
    for (size_t i = 0; i < lm_params_count(p); i++) {
        memcpy(next, lm_params_at(p, i)->grad, lm_params_at(p, i)->elements * sizeof *next);
        next += lm_params_at(p, i)->elements;
    }
    return all;
}

/* ------------------------------------------------------------------ the graph */

START_TEST(same_bits_for_any_number_of_threads)
{
    lm_kernels_start();
    if (!lm_kernels_deterministic())
        return; /* a BLAS that threads itself; check_kernels says so */
    lm_params *p = network(1);
    rows *r = some_rows(0, ROWS);
    float *first = NULL, loss = 0;
    for (int threads = 1; threads < 4; threads++) {
        lm_threads_set(threads);
        lm_graph *g = lm_graph_new(p);
        size_t n;
        zero(p);
        float l = step(g, r, 0.2), *grads = all_gradients(p, &n);
        if (!first) {
            first = grads, loss = l;
        } else {
            ck_assert_mem_eq(&l, &loss, sizeof l);
            ck_assert_mem_eq(grads, first, n * sizeof *grads);
            free(grads);
        }
        lm_graph_free(g);
    }
    free(first), free(r);
    lm_params_free(p);
}
END_TEST

/* Dropout included: what is dropped depends on the row, not on the batch that it came in. */
START_TEST(micro_batches_equal_a_batch)
{
    static const int cuts[][4] = {
        {0, ROWS, ROWS, ROWS}, {0, 1, 3, ROWS}, {0, 2, 2, ROWS}, {0, 5, ROWS, ROWS}};
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    float *first = NULL, loss = 0;
    size_t n;
    for (size_t c = 0; c < 4; c++) {
        float sum = 0;
        zero(p);
        for (int i = 0; i < 3; i++) {
            rows *r = some_rows(cuts[c][i], cuts[c][i + 1]);
            sum += step(g, r, 0.2);
            free(r);
        }
        float *grads = all_gradients(p, &n);
        if (!first) {
            first = grads, loss = sum;
            continue;
        }
        ck_assert_float_eq_tol(sum, loss, 1e-4f);
        for (size_t i = 0; i < n; i++)
            ck_assert_msg(fabsf(grads[i] - first[i]) < 2e-5f, "gradient %zu is %g in parts, %g at once", i,
                          (double)grads[i], (double)first[i]);
        free(grads);
    }
    free(first);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(deferred_projection_equals_the_whole)
{
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    rows *r = some_rows(0, ROWS);
    float loss[3], *grads[3];
    size_t n;
    for (int way = 0; way < 3; way++) { /* in one pass; loss read first; all logits */
        zero(p);
        lm_graph_begin(g, &r->batch, (lm_step){.taping = true});
        lm_tensor *l = word_loss(g, r, body(g, r, 0), way == 2);
        if (way == 1)
            loss[1] = *lm_tensor_read(g, l);
        lm_graph_backward(g, l, 1);
        ck_assert(way != 1 || loss[1] == *lm_tensor_read(g, l));
        loss[way] = *lm_tensor_read(g, l);
        grads[way] = all_gradients(p, &n);
    }
    for (int way = 1; way < 3; way++) {
        ck_assert_float_eq_tol(loss[way], loss[0], 1e-4f);
        for (size_t i = 0; i < n; i++)
            ck_assert_float_eq_tol(grads[way][i], grads[0][i], 1e-5f);
    }
    /* inference: the same loss, and the loss of each row */
    float per_row[TOKENS];
    lm_graph_begin(g, &r->batch, (lm_step){0});
    lm_tensor *y = lm_vocab_linear(g, at("head"), lm_gather_rows(g, body(g, r, 0.5), r->chosen, r->count));
    ck_assert_ptr_null(y->value);
    float whole = *lm_tensor_read(g, lm_cross_entropy(g, y, r->words, NULL, 0, per_row)), sum = 0;
    for (int i = 0; i < r->count; i++)
        sum += per_row[i];
    ck_assert_float_eq_tol(whole, loss[0], 1e-4f);
    ck_assert_float_eq_tol(sum, whole, 1e-3f);
    for (int way = 0; way < 3; way++)
        free(grads[way]);
    free(r);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(no_malloc_after_the_largest_step)
{
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    rows *large = some_rows(0, ROWS), *small = some_rows(2, 4);
    step(g, small, 0.1);
    step(g, large, 0.1);
    step(g, small, 0.1); /* joins the chunks */
    size_t before = lm_graph_mallocs(g);
    for (int i = 0; i < 5; i++) {
        step(g, large, 0.1);
        step(g, small, 0.1);
    }
    ck_assert_uint_eq(lm_graph_mallocs(g), before);
    lm_graph_free(g);

    g = lm_graph_new(p); /* inference gives a block's memory back */
    size_t peak = 0;
    for (int i = 0; i < 4; i++) {
        lm_graph_begin(g, &large->batch, (lm_step){0});
        lm_tensor *x = body(g, large, 0);
        ck_assert_int_eq(x->rows, TOKENS);
        ck_assert_ptr_nonnull(x->layout->row_splits);
        if (i == 1)
            before = lm_graph_mallocs(g);
        if (i == 1)
            peak = lm_arena_peak(lm_graph_arena(g));
    }
    ck_assert_uint_eq(lm_graph_mallocs(g), before);
    ck_assert_uint_eq(lm_arena_peak(lm_graph_arena(g)), peak);
    free(large), free(small);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(inference_equals_training_without_dropout)
{
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    rows *r = some_rows(0, ROWS);
    float kept[TOKENS * WIDTH];
    lm_graph_begin(g, &r->batch, (lm_step){.training = true});
    memcpy(kept, body(g, r, 0)->value, sizeof kept);
    lm_graph_begin(g, &r->batch, (lm_step){0});
    ck_assert_mem_eq(body(g, r, 0.9)->value, kept, sizeof kept);
    lm_graph_begin(g, &r->batch, (lm_step){.taping = true});
    ck_assert_mem_eq(body(g, r, 0.9)->value, kept, sizeof kept);
    free(r);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

/* Nothing below the lowest trained parameter has a gradient, and what is frozen gets none. */
START_TEST(frozen_parts)
{
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    rows *r = some_rows(0, ROWS);
    lm_status st = LM_STATUS_INIT;
    size_t n;
    zero(p);
    step(g, r, 0.1);
    float *want = all_gradients(p, &n);
    for (size_t i = 0; i < lm_params_count(p); i++) {
        lm_param *q = lm_params_at(p, i);
        bool train =
            strncmp(q->name, "block.layer.1.down", 18) == 0 || strcmp(q->name, "classify.weight") == 0;
        ck_assert(lm_param_train(q, train, &st));
    }
    zero(p);
    step(g, r, 0.1);
    for (size_t i = 0, from = 0; i < lm_params_count(p); from += lm_params_at(p, i++)->elements) {
        lm_param *q = lm_params_at(p, i);
        ck_assert(q->trainable == (q->grad != NULL));
        for (size_t e = 0; q->grad && e < q->elements; e++)
            ck_assert_float_eq_tol(q->grad[e], want[from + e], 1e-6f);
    }
    lm_graph_begin(g, &r->batch, (lm_step){.training = true});
    lm_tensor *x = lm_layer_norm(g, at("embed.norm"), lm_embedding(g, at("words"), r->ids, &r->batch), 1e-5);
    ck_assert(!x->needs_grad);
    for (size_t i = 0; i < lm_params_count(p); i++)
        ck_assert(lm_param_train(lm_params_at(p, i), false, &st));
    step(g, r, 0.1); /* nothing at all is trained: a loss, no gradients */
    free(want), free(r);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(errors_stick_and_name_the_scope)
{
    static const struct {
        int what;
        const char *words;
    } wrong[] = {
        {0, "nowhere.weight: is not a parameter"},
        {1, "classify.weight: has 24 columns, but its input is 5 wide"},
        {2, "embed.norm: its weight and bias do not have the 5 elements"},
        {3, "words: token 1 has id 1300"},
        {4, "add: [64, 24] and [64, 5]"},
        {5, "attention: 5 heads"},
        {6, "label: row 0 has 9"},
        {7, "dropout: a probability of 1.5"},
        {8, "first_token: its input is not whole sequences"},
        {9, "gather_rows: index 64"},
        {10, "activation: there is none of number 77"},
        {11, "has no value"},
        {13, "attention: a bias [5, 24] for distances to 128 does not suit 3 heads"},
        {14, "attention: a bias [50, 24] for distances to 12 does not suit 24 heads"},
        {15, "last_with_id: its input is not as long"},
        {16, "batch: 1 rows for the second stack, and 6 for the first"},
        {17, "nowhere.weight: is not a parameter"},
        {12, "backward: a loss is [1, 1], not [64, 24]"},
    };
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    rows *r = some_rows(0, ROWS);
    lm_status st = LM_STATUS_INIT;
    static const int32_t two_tokens[] = {0, 2};
    const lm_batch one_row = {.rows = 1, .tokens = 2, .row_splits = two_tokens};
    int32_t ids[TOKENS] = {1, VOCAB}, labels[TOKENS] = {9}, outside[1] = {TOKENS};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lm_graph_begin(g, &r->batch, (lm_step){.training = true});
        lm_tensor *x = body(g, r, 0), *y = lm_linear(g, at("classify"), x);
        lm_batch with_ids = r->batch;
        with_ids.ids = ids;
        lm_param *head = lm_params_find(p, "classify.weight");
        switch (wrong[i].what) {
        case 0:
            y = lm_linear(g, at("nowhere"), x);
            break;
        case 1:
            y = lm_linear(g, at("classify"), y);
            break;
        case 2:
            y = lm_layer_norm(g, at("embed.norm"), y, 1e-5);
            break;
        case 3:
            y = lm_embedding(g, at("words"), ids, &with_ids);
            break;
        case 4:
            y = lm_add(g, x, y);
            break;
        case 5:
            y = lm_attention(g, x, x, x, (lm_attn){.heads = 5});
            break;
        case 6:
            y = lm_cross_entropy(g, y, labels, NULL, 0, NULL);
            break;
        case 7:
            y = lm_dropout(g, x, 1.5);
            break;
        case 8:
            y = lm_first_token(g, lm_first_token(g, x));
            break;
        case 9:
            y = lm_gather_rows(g, x, outside, 1);
            break;
        case 10:
            y = lm_activate(g, x, (lm_activation)77);
            break;
        case 11: {
            lm_param bare = *head;
            head->value = NULL, head->data = NULL;
            y = lm_linear(g, at("classify"), x);
            *head = bare;
            break;
        }
        case 13:
            y = lm_attention(g, x, x, x, (lm_attn){.heads = HEADS, .relative = lm_parameter(g, at("classify"), "weight"),
                                                   .relative_distance = 128});
            break;
        case 14: /* half of 50 buckets are for keys before the query, and half of those for a distance each */
            y = lm_attention(g, x, x, x, (lm_attn){.heads = WIDTH, .relative_distance = 12, .relative =
                                                   lm_parameter(g, at("block.layer.0.up"), "weight")});
            break;
        case 15:
            y = lm_last_with_id(g, lm_first_token(g, x), 1);
            break;
        case 16:
            lm_graph_target(g, &one_row);
            break;
        case 17:
            y = lm_parameter(g, at("nowhere"), "weight");
            break;
        default:
            lm_graph_backward(g, x, 1);
        }
        /* whatever comes now is harmless */
        y = lm_add(g, lm_layer_norm(g, at("embed.norm"), y, 1e-5), x);
        y = lm_attention(g, y, x, y, (lm_attn){.heads = 7});
        y = lm_vocab_linear(g, at("words"), lm_first_token(g, lm_dropout_add(g, y, x, 0.1)));
        lm_tensor *loss = lm_cross_entropy(g, y, labels, NULL, 0, NULL);
        lm_graph_backward(g, loss, 1);
        ck_assert_ptr_nonnull(lm_tensor_read(g, loss));
        lm_status_clear(&st);
        ck_assert(!lm_graph_end(g, &st));
        ck_assert_msg(strstr(st.message, wrong[i].words) != NULL, "\"%s\" lacks \"%s\"", st.message,
                      wrong[i].words);
    }
    step(g, r, 0); /* and the next step is good again */
    free(r);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

START_TEST(batches_that_are_none)
{
    static const int32_t bad[][3] = {{0, 5, 3}, {1, 2, 3}, {0, 2, 4}};
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    int32_t ids[8] = {0};
    for (int i = 0; i < 3; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_batch b = {2, 3, bad[i], ids, ids, ids};
        lm_graph_begin(g, &b, (lm_step){.training = true});
        lm_embedding(g, at("words"), ids, &b);
        ck_assert(!lm_graph_end(g, &st));
    }
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

/* Sites differ between layers and inside them, and the steps of an optimiser differ. */
START_TEST(dropout_sites)
{
    lm_params *p = network(1);
    lm_graph *g = lm_graph_new(p);
    rows *r = some_rows(0, ROWS);
    float ones[TOKENS * WIDTH], seen[8][TOKENS * WIDTH];
    int n = 0;
    for (int i = 0; i < TOKENS * WIDTH; i++)
        ones[i] = 1;
    for (uint64_t optimiser_step = 0; optimiser_step < 2; optimiser_step++) {
        lm_graph_begin(g, &r->batch, (lm_step){.training = true, .optimiser_step = optimiser_step});
        lm_tensor *x = lm_graph_input(g, ones, TOKENS, WIDTH, false);
        memcpy(seen[n++], lm_dropout(g, x, 0.5)->value, sizeof ones); /* outside */
        lm_graph_layer(g, 0);
        memcpy(seen[n++], lm_dropout(g, x, 0.5)->value, sizeof ones);
        memcpy(seen[n++], lm_dropout(g, x, 0.5)->value, sizeof ones);
        lm_graph_layer(g, -1);
        memcpy(seen[n++], lm_dropout(g, x, 0.5)->value, sizeof ones); /* outside, and not the first again */
    }
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < a; b++) {
            int same = 0;
            for (int i = 0; i < TOKENS * WIDTH; i++)
                same += seen[a][i] == seen[b][i];
            ck_assert_int_lt(abs(same - TOKENS * WIDTH / 2), 100);
        }
    }
    free(r);
    lm_graph_free(g);
    lm_params_free(p);
}
END_TEST

/* ------------------------------------------------------------------ parameters */

START_TEST(scopes)
{
    ck_assert_str_eq(at("a").name, "a");
    ck_assert_str_eq(lm_in(at("a"), "b.c").name, "a.b.c");
    ck_assert_str_eq(lm_in_index(at("a"), "layer", 12).name, "a.layer.12");
    ck_assert_str_eq(lm_in_index((lm_scope){""}, "h", 0).name, "h.0");
    ck_assert_str_eq(lm_in(at("a"), "").name, "a");
    char part[LM_NAME_MAX] = "";
    memset(part, 'x', LM_NAME_MAX - 1);
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    lm_declare_linear(d, lm_in(at("a"), part), 2, 2, 1);
    ck_assert(!lm_declare_end(d, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "over 191 bytes"));
    lm_params_free(p);
}
END_TEST

START_TEST(table)
{
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    for (int i = 0; i < 500; i++)
        lm_declare_linear(d, lm_in_index(at("m"), "layer", i), 2, 3, 1);
    lm_declare_tied(d, at("t"), "weight", at("m.layer.7"), "weight");
    lm_declare_tied(d, at("u"), "weight", at("t"), "weight"); /* a tie of a tie */
    lm_declare_old_name(d, "LayerNorm.gamma", "LayerNorm.weight");
    ck_assert(lm_declare_end(d, &st));
    ck_assert_uint_eq(lm_params_count(p), 1000);
    ck_assert_str_eq(lm_params_at(p, 14)->name, "m.layer.7.weight");
    ck_assert_ptr_eq(lm_params_find(p, "u.weight"), lm_params_at(p, 14));
    ck_assert_ptr_eq(lm_params_find(p, "m.layer.499.bias"), lm_params_at(p, 999));
    ck_assert_ptr_null(lm_params_find(p, "m.layer.500.bias"));
    ck_assert_ptr_null(lm_params_find(p, ""));
    lm_param *target;
    ck_assert_uint_eq(lm_params_aliases(p), 2);
    ck_assert_str_eq(lm_params_alias(p, 1, &target), "u.weight");
    ck_assert_ptr_eq(target, lm_params_at(p, 14));
    char name[LM_NAME_MAX];
    lm_params_current_name(p, "a.LayerNorm.gamma", name);
    ck_assert_str_eq(name, "a.LayerNorm.weight");
    lm_params_current_name(p, "LayerNorm.gamma", name);
    ck_assert_str_eq(name, "LayerNorm.weight");
    lm_params_current_name(p, "a.XLayerNorm.gamma", name);
    ck_assert_str_eq(name, "a.XLayerNorm.gamma");
    lm_params_free(p);
}
END_TEST

START_TEST(declarations_that_are_refused)
{
    static const char *const words[] = {
        "a.weight: declared twice", "b.weight: tied to c.weight, which is not declared",
        "a.weight: impossible shape [-3, 2", "the padding row 9 is not one of 4 rows",
        "a.weight: impossible shape [0, 2"};
    for (int i = 0; i < 5; i++) {
        lm_params *p = lm_params_new();
        lm_declare *d = lm_declare_begin(p);
        lm_status st = LM_STATUS_INIT;
        switch (i) {
        case 0:
            lm_declare_linear(d, at("a"), 2, 2, 1), lm_declare_linear(d, at("a"), 2, 2, 1);
            break;
        case 1:
            lm_declare_tied(d, at("b"), "weight", at("c"), "weight");
            break;
        case 2:
            lm_declare_linear(d, at("a"), 2, -3, 1);
            break;
        case 3:
            lm_declare_embedding(d, at("a"), 4, 2, 1, 9);
            break;
        default:
            lm_declare_linear(d, at("a"), 2, 0, 1);
        }
        lm_declare_layer_norm(d, at("later"), 2);
        ck_assert(!lm_declare_end(d, &st));
        ck_assert_msg(strstr(st.message, words[i]) != NULL, "%s", st.message);
        lm_params_free(p);
    }
}
END_TEST

/* transformers' rule, and its own names. */
START_TEST(weight_decay)
{
    static const struct {
        const char *scope;
        bool decays;
    } rule[] = {
        {"bert.encoder.layer.0.attention.output.dense", true},
        {"bert.embeddings.LayerNorm", false},
        {"model.norm", false},
        {"model.layers.0.input_layernorm", false},
        {"norm", false},
        {"q_norm", false},
        {"normal", true},
        {"enorm", true},
        {"x.normalise", true},
        {"RMSNorm_3", false},
        {"a.norm.b", false},
        {"relative_attention_bias", false},
        {"wte", true},
    };
    lm_params *p = lm_params_new();
    lm_declare *d = lm_declare_begin(p);
    lm_status st = LM_STATUS_INIT;
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++)
        lm_declare_linear(d, at(rule[i].scope), 2, 2, 1);
    lm_declare_layer_norm(d, at("ln_1"), 2);
    ck_assert(lm_declare_end(d, &st));
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++) {
        ck_assert_msg(lm_params_at(p, 2 * i)->decay == rule[i].decays, "%s", rule[i].scope);
        ck_assert(!lm_params_at(p, 2 * i + 1)->decay);
    }
    ck_assert(!lm_params_find(p, "ln_1.weight")->decay);
    lm_params_free(p);
}
END_TEST

/* By seed, name and element: neither the order of declaration nor the number of threads matters. */
START_TEST(initial_values)
{
    float *first = NULL;
    for (int order = 0; order < 3; order++) {
        lm_threads_set(order + 1);
        lm_params *p = lm_params_new();
        lm_declare *d = lm_declare_begin(p);
        lm_status st = LM_STATUS_INIT;
        if (order == 1)
            lm_declare_linear(d, at("before"), 9, 9, 1);
        lm_declare_embedding(d, at("a"), 100, 300, 0.02, 7);
        lm_declare_linear(d, at("b"), 300, 100, 0.02);
        lm_declare_layer_norm(d, at("n"), 3);
        ck_assert(lm_declare_end(d, &st));
        for (size_t i = 0; i < lm_params_count(p); i++)
            ck_assert(lm_param_initialise(lm_params_at(p, i), order < 2 ? 42 : 43, &st));
        const lm_param *a = lm_params_find(p, "a.weight"), *b = lm_params_find(p, "b.weight");
        double sum = 0, squares = 0, same = 0;
        for (size_t i = 0; i < b->elements; i++) {
            sum += b->value[i];
            squares += (double)b->value[i] * b->value[i];
            same += b->value[i] == a->value[i];
        }
        ck_assert_double_le(fabs(sum / 30000), 5e-4);
        ck_assert_double_le(fabs(sqrt(squares / 30000) - 0.02), 5e-4);
        ck_assert_double_le(same, 3);
        for (int i = 0; i < 300; i++)
            ck_assert_float_eq(a->value[7 * 300 + i], 0);
        ck_assert_float_eq(lm_params_find(p, "n.weight")->value[2], 1);
        ck_assert_float_eq(lm_params_find(p, "n.bias")->value[2], 0);
        if (!first) {
            first = malloc(b->elements * sizeof *first);
            memcpy(first, b->value, b->elements * sizeof *first);
        } else {
            ck_assert_int_eq(memcmp(first, b->value, b->elements * sizeof *first) == 0, order == 1);
        }
        lm_params_free(p);
    }
    free(first);
}
END_TEST

START_TEST(values_mapped_and_owned)
{
    static const float mapped[4] = {1, 2, 3, 4};
    static const uint16_t bf16[4] = {0x3f80, 0x4000, 0x4040, 0x4080};
    for (int kind = 0; kind < 3; kind++) {
        lm_params *p = lm_params_new();
        lm_declare *d = lm_declare_begin(p);
        lm_status st = LM_STATUS_INIT;
        lm_declare_linear_nobias(d, at("a"), 2, 2, 1);
        ck_assert(lm_declare_end(d, &st));
        lm_param *a = lm_params_at(p, 0);
        char odd[17];
        memcpy(odd + 1, mapped, 16);
        a->data = kind == 0 ? (const void *)mapped : kind == 1 ? (const void *)bf16 : odd + 1;
        a->dtype = kind == 1 ? LM_BF16 : LM_F32;
        ck_assert(lm_param_ready(a, &st));
        ck_assert_int_eq(a->owned, kind != 0);
        ck_assert_float_eq(a->value[3], 4);
        ck_assert(lm_param_train(a, true, &st));
        ck_assert(a->owned && a->trainable && a->value != mapped);
        a->value[0] = 9;
        ck_assert_float_eq(a->grad[3], 0);
        ck_assert(lm_param_train(a, false, &st));
        ck_assert_ptr_null(a->grad);
        ck_assert_float_eq(a->value[0], 9);
        lm_params_free(p);
    }
    ck_assert_float_eq(mapped[0], 1);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, same_bits_for_any_number_of_threads);
    tcase_add_test(t, micro_batches_equal_a_batch);
    tcase_add_test(t, deferred_projection_equals_the_whole);
    tcase_add_test(t, no_malloc_after_the_largest_step);
    tcase_add_test(t, inference_equals_training_without_dropout);
    tcase_add_test(t, frozen_parts);
    tcase_add_test(t, errors_stick_and_name_the_scope);
    tcase_add_test(t, batches_that_are_none);
    tcase_add_test(t, dropout_sites);
    suite_add_tcase(s, t);
    TCase *q = tcase_create("params");
    tcase_add_test(q, scopes);
    tcase_add_test(q, table);
    tcase_add_test(q, declarations_that_are_refused);
    tcase_add_test(q, weight_decay);
    tcase_add_test(q, initial_values);
    tcase_add_test(q, values_mapped_and_owned);
    suite_add_tcase(s, q);
    return s;
}

UNIT_MAIN(suite)
