/* The examples of an epoch: packed texts, and that they change nothing but what they say. */
#include "scratch.h"
#include "unit.h"

#include "base/best_fit.h"
#include "base/memory.h"
#include "made_rows.h"
#include "model/model.h"
#include "train/data/data.h"
#include "train/objectives/micro_batch.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ best fit */

/* By the rule, in the plainest way. */
static uint32_t plain_best_fit(const uint32_t *lengths, uint32_t n, uint32_t size)
{
    uint32_t *left = lm_malloc(n, sizeof *left), bins = 0;
    for (uint32_t length = size; length > 0; length--)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t best = UINT32_MAX;
            if (lengths[i] != length)
                continue;
            for (uint32_t b = 0; b < bins; b++)
                if (left[b] >= length && (best == UINT32_MAX || left[b] < left[best]))
                    best = b;
            if (best == UINT32_MAX)
                left[best = bins++] = size;
            left[best] -= length;
        }
    free(left);
    return bins;
}

START_TEST(best_fit_by_hand)
{
    static const struct {
        uint32_t n, lengths[6], count, pieces[6], splits[4];
    } cases[] = {
        {5, {6, 2, 3, 4, 1}, 2, {0, 1, 2, 3, 4}, {0, 2, 5}}, /* 6 and 2; 4, 3 and 1 */
        {6, {6, 2, 3, 5, 6, 2}, 3, {0, 5, 1, 4, 2, 3}, {0, 2, 4, 6}}, /* the later 6 came to a room of 2 last */
        {1, {8}, 1, {0}, {0, 1}},
        {0, {0}, 0, {0}, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_bins bins;
        lm_best_fit(cases[i].lengths, cases[i].n, 8, &bins);
        ck_assert_uint_eq(bins.count, cases[i].count);
        ck_assert_mem_eq(bins.pieces, cases[i].pieces, cases[i].n * sizeof *bins.pieces);
        ck_assert_mem_eq(bins.splits, cases[i].splits, (bins.count + 1) * sizeof *bins.splits);
        lm_bins_free(&bins);
    }
}
END_TEST

START_TEST(best_fit_as_the_rule_says)
{
    for (int round = 0; round < 60; round++) {
        uint32_t n = made_draw(80) + 1, size = made_draw(40) + 1, lengths[80];
        for (uint32_t i = 0; i < n; i++)
            lengths[i] = 1 + made_draw(size);
        lm_bins bins;
        lm_best_fit(lengths, n, size, &bins);
        ck_assert_uint_eq(bins.count, plain_best_fit(lengths, n, size));
        bool seen[80] = {false};
        uint32_t first = 0;
        for (uint32_t b = 0; b < bins.count; b++) {
            uint32_t sum = 0;
            ck_assert_uint_lt(bins.splits[b], bins.splits[b + 1]);
            ck_assert(b == 0 || bins.pieces[bins.splits[b]] > first);
            first = bins.pieces[bins.splits[b]];
            for (uint32_t k = bins.splits[b]; k < bins.splits[b + 1]; k++) {
                ck_assert(!seen[bins.pieces[k]]);
                seen[bins.pieces[k]] = true;
                ck_assert(k == bins.splits[b] || bins.pieces[k] > bins.pieces[k - 1]);
                sum += lengths[bins.pieces[k]];
            }
            ck_assert_uint_le(sum, size);
        }
        ck_assert_uint_eq(bins.splits[bins.count], n);
        lm_bins_free(&bins);
    }
}
END_TEST

static void assert_shown(lm_instances_options how, const made *rows, int n, const char *const *wanted)
{
    lm_spool *s = made_spool(rows, n);
    lm_instances *in = made_instances(s, how);
    lm_arena *room = lm_arena_new(0);
    uint64_t i = 0;
    for (; wanted[i]; i++) {
        ck_assert_uint_gt(lm_instances_count(in), i);
        char *got = made_shown(in, i, room);
        ck_assert_str_eq(got, wanted[i]);
        free(got);
    }
    ck_assert_uint_eq(lm_instances_count(in), i);
    lm_arena_free(room);
    lm_instances_free(in);
    lm_spool_free(s);
}

/* ------------------------------------------------------------------ packing */

START_TEST(texts_are_concatenated_and_cut)
{
    static const made rows[] = {{10, 3, -1, 0, 0}, {20, 6, -1, 0, 0}, {0, 0, -1, 0, 0}, {30, 1, -1, 0, 0}, {40, 4, -1, 0, 0}};
    lm_instances_options how = {.kind = LM_INSTANCES_WRAPPED, .length = 4};
    assert_shown(how, rows, 5, (const char *const[]){"10 11 12 | 20", "21 22 23 24", "25 | 30 | 40 41", NULL});
    how.across = true;
    assert_shown(how, rows, 5, (const char *const[]){"10 11 12 20", "21 22 23 24", "25 30 40 41", NULL});
    how.length = 14; /* all of it */
    assert_shown(how, rows, 5, (const char *const[]){"10 11 12 20 21 22 23 24 25 30 40 41 42 43", NULL});
}
END_TEST

/* Rows of one document are one text. */
START_TEST(documents_are_texts)
{
    static const made rows[] = {{10, 3, 0, 0, 0}, {20, 2, 0, 0, 0}, {0, 0, 1, 0, 0}, {30, 2, 2, 0, 0}, {40, 4, 3, 0, 0}};
    lm_instances_options how = {.kind = LM_INSTANCES_WRAPPED, .length = 6};
    assert_shown(how, rows, 5, (const char *const[]){"10 11 12 20 21 | 30", NULL});
    how.kind = LM_INSTANCES_BEST_FIT; /* 5, 2 and 4 tokens */
    assert_shown(how, rows, 5, (const char *const[]){"10 11 12 20 21", "30 31 | 40 41 42 43", NULL});
    how.length = 4; /* 4 and 1, 2, 4 */
    assert_shown(how, rows, 5, (const char *const[]){"10 11 12 20", "21 | 30 31", "40 41 42 43", NULL});
}
END_TEST

START_TEST(columns_travel_along)
{
    static const made rows[] = {{10, 3, -1, 0, 1}, {21, 4, -1, 0, 1}, {30, 2, -1, 0, 1}};
    lm_spool *s = made_spool(rows, 3);
    lm_instances *in = made_instances(s, (lm_instances_options){.kind = LM_INSTANCES_WRAPPED, .length = 4});
    lm_arena *room = lm_arena_new(0);
    lm_tokens_row row;
    static const uint8_t masks[2][4] = {{0, 1, 0, 1}, {0, 1, 0, 0}};
    static const int32_t words[2][4] = {{0, 1, 2, 3}, {1, 2, 3, 4}}; /* words of several texts stay apart */
    for (int i = 0; i < 2; i++) {
        lm_instances_get(in, (uint64_t)i, room, &row);
        ck_assert_mem_eq(row.loss_mask, masks[i], 4);
        ck_assert_mem_eq(row.word_ids, words[i], sizeof words[i]);
        ck_assert_ptr_null(row.types);
    }
    lm_arena_free(room);
    lm_instances_free(in);
    lm_spool_free(s);
}
END_TEST

/* The same with a subset of the rows, which is all that is packed. */
START_TEST(subsets_are_packed)
{
    static const made rows[] = {{10, 3, -1, 0, 0}, {20, 3, -1, 0, 0}, {30, 3, -1, 0, 0}, {40, 3, -1, 0, 0}};
    uint32_t chosen[] = {1, 3}, lengths[] = {3, 3};
    lm_subset subset = {.rows = chosen, .lengths = lengths, .count = 2};
    lm_status st = LM_STATUS_INIT;
    lm_spool *s = made_spool(rows, 4);
    lm_arena *room = lm_arena_new(0);
    lm_instances *in =
        made_try_instances(s, &subset, &(lm_instances_options){.kind = LM_INSTANCES_WRAPPED, .length = 5}, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_instances_count(in), 1);
    char *got = made_shown(in, 0, room);
    ck_assert_str_eq(got, "20 21 22 | 40 41");
    free(got);
    lm_instances_free(in);
    in = made_try_instances(s, &subset, &(lm_instances_options){.kind = LM_INSTANCES_ROWS}, &st);
    ck_assert_uint_eq(lm_instances_count(in), 2);
    ck_assert_uint_eq(lm_instances_number(in, 1), 3);
    lm_instances_free(in);
    lm_arena_free(room);
    lm_spool_free(s);
}
END_TEST

START_TEST(what_cannot_be_packed)
{
    static const made mixed[] = {{10, 3, -1, 0, 0}, {20, 3, -1, 0, 1}};
    lm_status st = LM_STATUS_INIT;
    lm_spool *s = made_spool(mixed, 2);
    ck_assert(!made_try_instances(s, NULL, &(lm_instances_options){.kind = LM_INSTANCES_WRAPPED, .length = 4}, &st));
    assert_says(&st, "row 2: some rows have a column word_ids and others none");
    lm_spool_free(s);
}
END_TEST

/* ------------------------------------------------------------------ what a step makes of them */

static const lm_targets next_token = {.vocab_size = 5000};

/* A row of three texts is three rows of a step, in which nothing is predicted across, and masks are those of the row. */
START_TEST(packed_rows_in_a_step)
{
    static const int32_t ids[] = {10, 11, 12, 20, 30, 31}, texts[] = {3, 1, 0, 2};
    static const int32_t labels[] = {11, 12, LM_IGNORE, LM_IGNORE, 31, LM_IGNORE}, positions[] = {0, 1, 2, 0, 0, 1};
    static const int32_t splits[] = {0, 3, 4, 6};
    lm_status st = LM_STATUS_INIT;
    lm_tokens_row row = {.ids = ids, .len = 6, .seq_lengths = texts, .seq_count = 4};
    lm_targets t = next_token;
    lm_step_rows s = {0};
    t.objective = lm_objective_find("clm");
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    lm_step_rows_begin(&s, &t, 1, 6);
    ck_assert(lm_step_rows_add(&s, &t, &row, 0, 0, 7, &st));
    ck_assert_int_eq(s.rows, 3);
    ck_assert_int_eq(s.examples, 1);
    ck_assert_mem_eq(s.row_splits, splits, sizeof splits);
    ck_assert_mem_eq(s.token_label, labels, sizeof labels);
    ck_assert_mem_eq(s.positions, positions, sizeof positions);
    ck_assert_double_eq(s.token_count, 3);
    for (int k = 0; k < 3; k++)
        ck_assert_int_eq(s.place[k], 7 + ((int64_t)k << 32));
    /* texts of one row count once among the rows of a micro-batch */
    lm_micro_batch m = {0};
    ck_assert(lm_step_rows_add(&s, &t, &row, 0, 1, 8, &st));
    ck_assert_int_eq(lm_micro_batch_cut(&m, &s, &t, 0, 100, 1), 3);
    ck_assert_int_eq(lm_micro_batch_cut(&m, &s, &t, 1, 100, 2), 6);
    ck_assert_int_eq(lm_micro_batch_cut(&m, &s, &t, 0, 4, 2), 2);
    /* masks */
    t.objective = lm_objective_find("mlm");
    t.masking = (lm_masking){.probability = 0.5, .mask_id = 3, .vocab_size = 5000, .seed = 4};
    lm_step_rows whole = {0};
    lm_step_rows_begin(&s, &t, 1, 6);
    ck_assert(lm_step_rows_add(&s, &t, &row, 2, 9, 0, &st));
    row.seq_count = 0;
    lm_step_rows_begin(&whole, &t, 1, 6);
    ck_assert(lm_step_rows_add(&whole, &t, &row, 2, 9, 0, &st));
    ck_assert_mem_eq(s.ids, whole.ids, sizeof ids);
    ck_assert_mem_eq(s.token_label, whole.token_label, sizeof ids);
    ck_assert_double_eq(s.token_count, whole.token_count);
    lm_micro_batch_free(&m);
    lm_step_rows_free(&s);
    lm_step_rows_free(&whole);
}
END_TEST

START_TEST(texts_part_all_of_a_row)
{
    static const int32_t ids[] = {10, 11, 12}, cases[][2] = {{2, 2}, {-1, 4}, {1, 1}};
    static const char *const says[] = {"seq_lengths[1] is 2, and 1 tokens are left", "seq_lengths[0] is -1",
                                       "seq_lengths are 2 tokens in all, and the row has 3"};
    lm_targets t = next_token;
    t.objective = lm_objective_find("clm");
    for (int i = 0; i < 3; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_tokens_row row = {.ids = ids, .len = 3, .seq_lengths = cases[i], .seq_count = 2};
        ck_assert(!lm_targets_check(&t, &row, 0, &st));
        assert_says(&st, says[i]);
    }
}
END_TEST

/* The logits and the loss of a packed row are those of its texts by themselves. */
static void run_rows(lm_model *model, lm_graph *g, const lm_targets *t, const lm_tokens_row *rows, int n, float *logits,
                     double *loss)
{
    lm_status st = LM_STATUS_INIT;
    lm_step_rows s = {0};
    lm_micro_batch m = {0};
    lm_step_rows_begin(&s, t, n, 64);
    for (int i = 0; i < n; i++)
        lm_step_rows_add(&s, t, &rows[i], 0, (uint64_t)i, i, &st);
    lm_micro_batch_cut(&m, &s, t, 0, 1 << 20, 100);
    lm_select select = lm_micro_batch_select(&m, &s, t), all = {.count = m.batch.tokens, .token_logits = true};
    lm_graph_begin(g, &m.batch, (lm_step){0});
    const lm_tensor *x = lm_model_forward(model, g, &m.batch, &all).token_logits;
    memcpy(logits, lm_tensor_read(g, (lm_tensor *)x), (size_t)m.batch.tokens * 40 * sizeof *logits);
    ck_assert(lm_graph_end(g, &st));
    lm_graph_begin(g, &m.batch, (lm_step){0});
    *loss = *lm_tensor_read(g, lm_micro_batch_loss_of(&m, &s, t, lm_model_forward(model, g, &m.batch, &select), g));
    ck_assert(lm_graph_end(g, &st));
    lm_micro_batch_free(&m);
    lm_step_rows_free(&s);
}

START_TEST(texts_of_a_packed_row_do_not_see_one_another)
{
    static const char *const configs[] = {
        "{\"model_type\":\"gpt2\",\"n_embd\":16,\"n_layer\":2,\"n_head\":2,\"n_positions\":32,\"vocab_size\":40,"
        "\"initializer_range\":0.5}",
        "{\"model_type\":\"llama\",\"hidden_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
        "\"num_key_value_heads\":1,\"intermediate_size\":24,\"vocab_size\":40,\"initializer_range\":0.5}"};
    static const int32_t ids[] = {3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32}, texts[] = {5, 1, 6};
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(configs[_i]), "config", &st);
    lm_model *model = lm_model_create(c, &(lm_model_options){.task = "clm", .seed = 1}, &st);
    assert_ok(&st);
    lm_graph *g = lm_graph_new(model->params);
    lm_targets t = {.objective = lm_objective_find("clm"), .vocab_size = 40};
    lm_tokens_row packed = {.ids = ids, .len = 12, .seq_lengths = texts, .seq_count = 3}, across = {.ids = ids, .len = 12};
    lm_tokens_row alone[3] = {{.ids = ids, .len = 5}, {.ids = ids + 5, .len = 1}, {.ids = ids + 6, .len = 6}};
    float a[12 * 40], b[12 * 40], x[12 * 40];
    double loss_a, loss_b, loss_x;
    run_rows(model, g, &t, &packed, 1, a, &loss_a);
    run_rows(model, g, &t, alone, 3, b, &loss_b);
    run_rows(model, g, &t, &across, 1, x, &loss_x);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert_double_eq(loss_a, loss_b);
    ck_assert_mem_eq(a, x, 5 * 40 * sizeof *a); /* the first text has nothing before it */
    ck_assert_mem_ne(a + 5 * 40, x + 5 * 40, 7 * 40 * sizeof *a);
    ck_assert(fabs(loss_a - loss_x) > 1e-3);
    for (int k = 0; k < 3; k += 2) { /* and one by one, to the last digits */
        const float *of_text = a + (alone[k].ids - ids) * 40;
        run_rows(model, g, &t, &alone[k], 1, x, &loss_x);
        for (size_t i = 0; i < alone[k].len * 40; i++)
            ck_assert_float_eq_tol(x[i], of_text[i], 1e-4f);
    }
    lm_graph_free(g);
    lm_model_free(model);
}
END_TEST

/* ------------------------------------------------------------------ steps */

/* As they arrive: the same examples window by window, each once, over windows of which none comes too. */
START_TEST(steps_of_a_stream)
{
    enum { ROWS = 3500 };
    static const lm_instance_kind kinds[] = {LM_INSTANCES_WRAPPED, LM_INSTANCES_BEST_FIT, LM_INSTANCES_NEXT_SENTENCE};
    char *dir = scratch_new(), *path = lm_format("%s/rows.lms", dir);
    made *rows = lm_malloc(ROWS, sizeof *rows);
    int tokens = 0;
    for (int i = 0; i < ROWS; i++) {
        rows[i] = (made){1000 + i * 5, i / 1000 == 1 ? 0 : 1 + i % 5, i / 10, false, false}; /* the second thousand are empty */
        tokens += rows[i].len;
    }
    made_write(path, rows, ROWS);
    lm_targets t = {.objective = lm_objective_find(kinds[_i] == LM_INSTANCES_NEXT_SENTENCE ? "pretrain" : "clm"),
                    .vocab_size = 1 << 20, .type_vocab_size = 2, .classes = 2};
    lm_instances_options how = {.kind = kinds[_i], .length = 32, .cls_id = MADE_CLS, .sep_id = MADE_SEP, .seed = 7};
    lm_data_options piped = {.streaming = true, .window = 500};
    lm_data *d = made_data(path, piped, &how), *skipped = made_data(path, piped, &how);
    lm_status st = LM_STATUS_INIT;
    bool end = false, end_too = false;
    int got = 0;
    for (uint64_t step = 0;; step++) {
        char *one = made_step(d, step, &t, &end), *other = NULL;
        if (step < 20)
            ck_assert(lm_data_step(skipped, step, NULL, NULL, &end_too, &st));
        else
            other = made_step(skipped, step, &t, &end_too);
        ck_assert(!other || strcmp(one, other) == 0);
        for (const char *p = one; *p; p++)
            got += *p == ' ' || *p == ',';
        free(one);
        free(other);
        if (end)
            break;
    }
    if (kinds[_i] == LM_INSTANCES_WRAPPED) /* the ends of three windows */
        ck_assert(got <= tokens && got > tokens - 3 * 32 && got % 32 == 0);
    else if (kinds[_i] == LM_INSTANCES_BEST_FIT)
        ck_assert_int_eq(got, tokens);
    else
        ck_assert_int_gt(got, tokens);
    lm_data_free(d);
    lm_data_free(skipped);
    free(rows);
    free(path);
    scratch_discard(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("instances");
    TCase *packing = tcase_create("packing"), *steps = tcase_create("steps");
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    tcase_add_test(packing, best_fit_by_hand);
    tcase_add_test(packing, best_fit_as_the_rule_says);
    tcase_add_test(packing, texts_are_concatenated_and_cut);
    tcase_add_test(packing, documents_are_texts);
    tcase_add_test(packing, columns_travel_along);
    tcase_add_test(packing, subsets_are_packed);
    tcase_add_test(packing, what_cannot_be_packed);
    tcase_add_test(steps, packed_rows_in_a_step);
    tcase_add_test(steps, texts_part_all_of_a_row);
    tcase_add_loop_test(steps, texts_of_a_packed_row_do_not_see_one_another, 0, 2);
    tcase_add_loop_test(steps, steps_of_a_stream, 0, 3);
    suite_add_tcase(s, packing);
    suite_add_tcase(s, steps);
    return s;
}

UNIT_MAIN(suite)
