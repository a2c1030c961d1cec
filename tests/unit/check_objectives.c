/* Objectives: which one a row speaks for, what is to be predicted, the rows of a step, and the losses. */
#include "unit.h"

#include "stream/labels.h"
#include "train/objectives/micro_batch.h"

#include <math.h>
#include <string.h>

enum { MASK = 4 };
static const int special[] = {0, 2, 3, MASK};

/* ------------------------------------------------------------------ which objective */

START_TEST(names_and_columns)
{
    static const int32_t one[2] = {1, 1};
    static const uint8_t bytes[2] = {0, 1};
    const struct {
        const char *name, *alias;
        lm_tokens_row row;
    } all[] = {
        {"mlm", "fill-mask", {.mlm_labels = one}},
        {"classify", "text-classification", {.has_label_word = true}},
        {"classify", "classify", {.has_label_id = true, .loss_mask = bytes}},
        {"multilabel", "multilabel", {.multi_label = bytes, .classes = 2}},
        {"regress", "regress", {.has_label_float = true}},
        {"tag", "token-classification", {.tags = one}},
        {"answer", "question-answering", {.answer = one, .has_label_word = true}},
        {"sft", "sft", {.loss_mask = bytes}},
        {"seq2seq", "text2text-generation", {.target_ids = one, .target_len = 2}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const lm_objective *o = lm_objective_find(all[i].name);
        ck_assert_ptr_nonnull(o);
        ck_assert_str_eq(o->name, all[i].name);
        ck_assert_ptr_eq(lm_objective_find(all[i].alias), o);
        ck_assert_ptr_eq(lm_objective_guess(&all[i].row), o);
    }
    lm_tokens_row nothing = {.ids = one, .len = 2};
    ck_assert_ptr_null(lm_objective_guess(&nothing));
    ck_assert_ptr_null(lm_objective_find("ner"));
    ck_assert_str_eq(lm_objective_find("text-generation")->name, "clm");
    for (size_t i = 0; lm_objective_at(i); i++)
        ck_assert_str_eq(lm_objective_find(lm_objective_at(i)->name)->name, lm_objective_at(i)->name);
}
END_TEST

/* ------------------------------------------------------------------ targets */

static const int32_t some_ids[] = {2, 10, 11, 12, 13, 14, 15, 3};

START_TEST(bad_rows_are_named)
{
    lm_targets t = {.objective = lm_objective_find("classify"),
                    .classes = 3,
                    .vocab_size = 20,
                    .type_vocab_size = 2,
                    .max_length = 8};
    lm_tokens_row row = {.ids = some_ids, .len = 8, .has_label_id = true, .label_id = 2};
    lm_status st = LM_STATUS_INIT;
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    struct {
        const char *says;
        int vocab, max_length;
        int32_t label;
    } bad[] = {{"row 7", 15, 8, 2},
               {"takes 7", 20, 7, 2},
               {"label 3 is not from 0 to 2", 20, 8, 3},
               {"label -1", 20, 8, -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        t.vocab_size = bad[i].vocab;
        t.max_length = bad[i].max_length;
        row.label_id = bad[i].label;
        ck_assert(!lm_targets_check(&t, &row, 6, &st));
        ck_assert_msg(strstr(st.message, bad[i].says) != NULL, "%s", st.message);
        ck_assert_msg(strstr(st.message, "row 7") != NULL, "%s", st.message);
        lm_status_clear(&st);
    }
    t.vocab_size = 20;
    t.max_length = 8;
    lm_labels *l = lm_labels_parse("neg,pos", &st);
    t.labels = l;
    row = (lm_tokens_row){
        .ids = some_ids, .len = 8, .has_label_word = true, .label_word = lm_str_of("neutral")};
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "'neutral'"));
    lm_status_clear(&st);
    static const uint8_t types[] = {0, 0, 0, 0, 0, 0, 0, 2};
    row.types = types;
    row.label_word = lm_str_of("pos");
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "segment 2"));
    lm_labels_free(l);
}
END_TEST

/* However a step is cut, each row, its place and its labels are there once. */
START_TEST(micro_batches_cover_a_step)
{
    lm_targets t = {.objective = lm_objective_find("mlm"),
                    .vocab_size = 20,
                    .max_length = 100,
                    .masking = {.probability = 0.5, .replaced = 0.8, .random = 0.1, .mask_id = MASK, .vocab_size = 20,
                                .special = special, .special_count = 4, .seed = 1}};
    lm_status st = LM_STATUS_INIT;
    lm_step_rows s = {0};
    lm_micro_batch m = {0};
    lm_step_rows_begin(&s, &t, 1, 1);
    for (int i = 0; i < 20; i++) {
        lm_tokens_row row = {.ids = some_ids, .len = (size_t)(8 - i / 4), .has_weight = true, .weight = 0.5f};
        lm_step_rows_add(&s, &t, &row, 0, (uint64_t)i, 19 - i, &st);
    }
    assert_ok(&st);
    ck_assert_int_eq(s.rows, 20);
    for (int64_t tokens = 1; tokens < 150; tokens += 13) {
        int rows = 0, labels = 0, token = 0;
        for (int first = 0; first < s.rows;) {
            int last = lm_micro_batch_cut(&m, &s, &t, first, tokens, 7);
            ck_assert_int_eq(m.batch.rows, last - first);
            ck_assert(m.batch.rows == 1 || m.batch.tokens <= tokens);
            ck_assert_int_le(m.batch.rows, 7);
            ck_assert_int_eq(m.batch.row_splits[0], 0);
            ck_assert_int_eq(m.batch.row_splits[m.batch.rows], m.batch.tokens);
            for (int i = 0; i < m.batch.tokens; i++)
                ck_assert_int_eq(m.batch.ids[i], s.ids[token + i]);
            for (int i = 0; i < m.count; i++) {
                ck_assert_int_eq(m.label[i], s.token_label[token + m.selected[i]]);
                ck_assert_float_eq(m.weight[i], 0.5f);
            }
            ck_assert_int_eq(m.place[0], 19 - first);
            rows += m.batch.rows;
            labels += m.count;
            token += m.batch.tokens;
            first = last;
        }
        ck_assert_int_eq(rows, 20);
        ck_assert_int_eq(token, s.tokens);
        ck_assert_double_eq(s.token_count, 0.5 * labels);
    }
    lm_micro_batch_free(&m);
    lm_step_rows_free(&s);
}
END_TEST

/* Masks that stand in the stream are taken as they are; weights count in what a loss is divided by. */
START_TEST(static_masks_and_weights)
{
    static const int32_t labels[] = {-100, 17, -100, -100, 12, -100, -100, -100};
    lm_targets t = {.objective = lm_objective_find("pretrain"),
                    .classes = 2,
                    .vocab_size = 20,
                    .max_length = 100,
                    .masking = {.probability = 1, .replaced = 0.8, .random = 0.1, .mask_id = MASK, .vocab_size = 20,
                                .special = special, .special_count = 4, .seed = 1}};
    lm_status st = LM_STATUS_INIT;
    lm_step_rows s = {0};
    lm_tokens_row row = {.ids = some_ids,
                         .len = 8,
                         .mlm_labels = labels,
                         .has_label_id = true,
                         .label_id = 1,
                         .has_weight = true,
                         .weight = 0.25f};
    lm_step_rows_begin(&s, &t, 3, 24);
    lm_step_rows_add(&s, &t, &row, 0, 0, 0, &st);
    row.label_id = LM_IGNORE;
    lm_step_rows_add(&s, &t, &row, 0, 1, 1, &st);
    row.label_id = 0;
    row.has_weight = false;
    lm_step_rows_add(&s, &t, &row, 0, 2, 2, &st);
    assert_ok(&st);
    ck_assert_mem_eq(s.ids, some_ids, sizeof some_ids);
    ck_assert_mem_eq(s.token_label + 8, labels, sizeof labels);
    ck_assert_double_eq(s.token_count, 2 * (0.25 + 0.25 + 1));
    ck_assert_double_eq(s.row_count, 0.25 + 1);
    ck_assert_int_eq(s.row_class[1], LM_IGNORE);
    ck_assert(s.weighted);
    static const int32_t beyond[] = {-100, 20, -100, -100, 12, -100, -100, -100};
    row.mlm_labels = beyond;
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "mlm_labels"));
    lm_step_rows_free(&s);

    /* several classes, and numbers: a mean over all elements */
    static const uint8_t several[] = {1, 0, 1};
    t = (lm_targets){.objective = lm_objective_find("multilabel"), .classes = 3, .vocab_size = 20};
    row = (lm_tokens_row){.ids = some_ids, .len = 8, .multi_label = several, .classes = 3};
    lm_status_clear(&st);
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    lm_step_rows_begin(&s, &t, 1, 8);
    lm_step_rows_add(&s, &t, &row, 0, 0, 0, &st);
    lm_step_rows_add(&s, &t, &row, 0, 1, 1, &st);
    ck_assert_double_eq(s.row_count, 6);
    ck_assert_float_eq(s.row_value[5], 1);
    ck_assert_float_eq(s.row_value[4], 0);
    lm_step_rows_free(&s);
    t = (lm_targets){.objective = lm_objective_find("regress"), .classes = 1, .vocab_size = 20};
    row =
        (lm_tokens_row){.ids = some_ids, .len = 8, .has_label_word = true, .label_word = lm_str_of("-2.5e1")};
    lm_step_rows_begin(&s, &t, 1, 8);
    lm_step_rows_add(&s, &t, &row, 0, 0, 0, &st);
    assert_ok(&st);
    ck_assert_float_eq(s.row_value[0], -25);
    row.label_word = lm_str_of("1.5x");
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    lm_step_rows_free(&s);
}
END_TEST

/* ------------------------------------------------------------------ of tokens */

/* Labels as lm_targets_tokens gives them. */
static void assert_labels(const lm_targets *t, const lm_tokens_row *row, const int32_t *wanted, size_t n)
{
    int32_t label[16];
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += wanted[i] != LM_IGNORE;
    ck_assert_int_eq(lm_targets_tokens(t, row, label), count);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(label[i] == wanted[i], "token %zu: %d, and %d is wanted", i, label[i], wanted[i]);
    ck_assert(lm_targets_any(t, row) == (count > 0));
}

START_TEST(next_tokens)
{
    static const uint8_t answer[] = {1, 0, 0, 1, 1, 0, 0, 1}, none[8] = {0}, first[8] = {1};
    static const int32_t all[] = {10, 11, 12, 13, 14, 15, 3, -100};
    static const int32_t some[] = {-100, -100, 12, 13, -100, -100, 3, -100};
    static const int32_t nothing[] = {-100, -100, -100, -100, -100, -100, -100, -100};
    lm_targets t = {.objective = lm_objective_find("clm"), .vocab_size = 20};
    lm_tokens_row row = {.ids = some_ids, .len = 8, .loss_mask = answer};
    lm_status st = LM_STATUS_INIT;
    assert_labels(&t, &row, all, 8); /* all of the text, whatever its mask */
    t.objective = lm_objective_find("sft");
    assert_labels(&t, &row, some, 8); /* the first token follows nothing */
    row.loss_mask = none;
    assert_labels(&t, &row, nothing, 8);
    row.loss_mask = first;
    assert_labels(&t, &row, nothing, 8);
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    row.loss_mask = NULL;
    ck_assert(!lm_targets_check(&t, &row, 4, &st));
    ck_assert_msg(strstr(st.message, "row 5: no loss_mask") != NULL, "%s", st.message);
    row.len = 1;
    t.objective = lm_objective_find("clm");
    assert_labels(&t, &row, nothing, 1);
    row.len = 0;
    assert_labels(&t, &row, nothing, 0);
}
END_TEST

START_TEST(tags_by_name)
{
    static const int32_t tags[] = {-100, 0, 1, -100, 2, 0, 1, -100};
    static const int32_t mapped[] = {-100, 2, -100, -100, 0, 2, -100, -100};
    lm_status st = LM_STATUS_INIT;
    lm_targets t = {.objective = lm_objective_find("tag"), .vocab_size = 20, .classes = 3};
    lm_tokens_row row = {.ids = some_ids, .len = 8, .tags = tags};
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    assert_labels(&t, &row, tags, 8);
    lm_labels *model = lm_labels_parse("B-LOC,I-LOC,O", &st);
    json_t *names = json_pack("[s,s,s]", "O", "B-ORG", "B-LOC");
    int32_t *map = lm_labels_map(model, names);
    t.class_of = map;
    t.stream_classes = 3;
    assert_labels(&t, &row, mapped, 8);
    static const uint8_t several[] = {1, 1, 0};
    float value[3];
    row.multi_label = several;
    row.classes = 3;
    lm_targets_several(&t, &row, value);
    ck_assert(value[0] == 0 && value[1] == 0 && value[2] == 1);
    free(map);
    json_array_append_new(names, json_integer(3));
    ck_assert_ptr_null(lm_labels_map(model, names));
    json_decref(names);
    lm_labels_free(model);

    t.class_of = NULL;
    t.classes = 2;
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_msg(strstr(st.message, "token 5 has tag 2") != NULL, "%s", st.message);
    lm_status_clear(&st);
    t.skip_unknown = true;
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    static const int32_t known[] = {-100, 0, 1, -100, -100, 0, 1, -100};
    assert_labels(&t, &row, known, 8);
    static const int32_t negative[] = {-100, -1, 1, -100, -100, 0, 1, -100};
    row.tags = negative;
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    lm_status_clear(&st);
    row.tags = NULL;
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_msg(strstr(st.message, "no tags column") != NULL, "%s", st.message);
}
END_TEST

/* A class that the model does not have is an error, or carries no loss. */
START_TEST(unknown_classes_are_skipped)
{
    lm_status st = LM_STATUS_INIT;
    lm_labels *l = lm_labels_parse("no,yes", &st);
    lm_targets t = {.objective = lm_objective_find("classify"), .vocab_size = 20, .classes = 2, .labels = l,
                    .skip_unknown = true};
    lm_tokens_row row = {.ids = some_ids, .len = 8, .has_label_word = true, .label_word = lm_str_of("-")};
    lm_step_rows s = {0};
    ck_assert(lm_targets_check(&t, &row, 0, &st));
    ck_assert(!lm_targets_any(&t, &row));
    lm_step_rows_begin(&s, &t, 2, 16);
    ck_assert(lm_step_rows_add(&s, &t, &row, 0, 0, 0, &st));
    row.label_word = lm_str_of("yes");
    ck_assert(lm_targets_any(&t, &row));
    ck_assert(lm_step_rows_add(&s, &t, &row, 0, 1, 1, &st));
    ck_assert_int_eq(s.row_class[0], LM_IGNORE);
    ck_assert_int_eq(s.row_class[1], 1);
    ck_assert_double_eq(s.row_count, 1);
    lm_step_rows_free(&s);
    t.skip_unknown = false;
    row.label_word = lm_str_of("-");
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_msg(strstr(st.message, "'-' is none") && strstr(st.message, "--skip-unknown"), "%s", st.message);
    lm_labels_free(l);
}
END_TEST

START_TEST(answers_are_checked)
{
    static const int32_t good[][2] = {{0, 0}, {2, 7}, {7, 7}, {-100, -100}};
    static const int32_t bad[][2] = {{3, 2}, {-1, 2}, {0, 8}, {-100, 2}, {2, -100}};
    lm_status st = LM_STATUS_INIT;
    lm_targets t = {.objective = lm_objective_find("answer"), .vocab_size = 20};
    lm_tokens_row row = {.ids = some_ids, .len = 8};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        row.answer = good[i];
        ck_assert(lm_targets_check(&t, &row, 0, &st));
        ck_assert(lm_targets_any(&t, &row) == (good[i][0] >= 0));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        row.answer = bad[i];
        ck_assert_msg(!lm_targets_check(&t, &row, 0, &st), "%d to %d", bad[i][0], bad[i][1]);
        lm_status_clear(&st);
    }
    row.answer = NULL;
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_msg(strstr(st.message, "tok --answer") != NULL, "%s", st.message);
}
END_TEST

/* ------------------------------------------------------------------ losses */

static float some_logit(int row, int column)
{
    return (float)((row * 31 + column * 17) % 23) / 7 - 1.5f;
}

/* -log softmax(x)[at] of n values, `step` apart. */
static double nll(const float *x, int n, int step, int at)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp(x[i * step]);
    return log(sum) - x[at * step];
}

/* transformers' LabelSmoother: (1-e) nll of the label + e the mean of all. */
static double smoothing;
static double smooth_nll(const float *x, int n, int at)
{
    double mean = 0;
    for (int i = 0; i < n; i++)
        mean += nll(x, n, 1, i) / n;
    return (1 - smoothing) * nll(x, n, 1, at) + smoothing * mean;
}

typedef struct step_case {
    const char *objective;
    int columns;                                             /* of the logits */
    double (*wanted)(const lm_step_rows *s, const float *x); /* x: the logits of all tokens, or of all of the target */
} step_case;

static double token_loss(const lm_step_rows *s, const int32_t *splits, const int32_t *label, const float *x, int n)
{
    double sum = 0, count = 0;
    for (int r = 0; r < s->rows; r++)
        for (int i = splits[r]; i < splits[r + 1]; i++)
            if (label[i] != LM_IGNORE) {
                sum += s->weight[r] * smooth_nll(x + (size_t)i * (size_t)n, n, label[i]);
                count += s->weight[r];
            }
    return sum / count;
}

static double next_loss(const lm_step_rows *s, const float *x)
{
    return token_loss(s, s->row_splits, s->token_label, x, 20);
}

static double target_loss(const lm_step_rows *s, const float *x)
{
    return token_loss(s, s->target_splits, s->target_label, x, 20);
}

/* With a class for each row, of two: their logits are the first of the row's number. */
static double pair_loss(const lm_step_rows *s, const float *x)
{
    double sum = 0, count = 0;
    for (int r = 0; r < s->rows; r++) {
        sum += s->weight[r] * smooth_nll(x + 20 * (size_t)r, 2, s->row_class[r]);
        count += s->weight[r];
    }
    return token_loss(s, s->row_splits, s->token_label, x, 20) + sum / count;
}

static double tag_loss(const lm_step_rows *s, const float *x)
{
    return token_loss(s, s->row_splits, s->token_label, x, 3);
}

static double span_loss(const lm_step_rows *s, const float *x)
{
    double sum = 0, count = 0;
    for (int r = 0; r < s->rows; r++) {
        const float *from = x + 2 * (size_t)s->row_splits[r];
        int n = s->row_splits[r + 1] - s->row_splits[r];
        if (s->span[2 * r] == LM_IGNORE)
            continue;
        for (int c = 0; c < 2; c++)
            sum += s->weight[r] * nll(from + c, n, 2, s->span[2 * r + c]) / 2;
        count += s->weight[r];
    }
    return sum / count;
}

static const step_case step_cases[] = {
    {"clm", 20, next_loss}, {"sft", 20, next_loss}, {"tag", 3, tag_loss}, {"answer", 2, span_loss},
    {"seq2seq", 20, target_loss}, {"mlm", 20, next_loss}, {"pretrain", 20, pair_loss},
};

/* Rows of 8, 7, 6, 5 tokens; the third carries no loss, the fourth half of one. */
static void fill_step(lm_step_rows *s, const lm_targets *t)
{
    static const int32_t tags[][8] = {{-100, 0, 1, -100, 2, 0, 1, -100}, {-100, 2, 2, 1, 0, -100, -100},
                                      {-100, -100, -100, -100, -100, -100}, {0, 1, 2, 0, 1}};
    static const uint8_t masks[][8] = {{0, 0, 1, 1, 0, 0, 1, 1}, {1, 1, 1, 1, 1, 1, 1}, {0}, {0, 0, 0, 0, 1}};
    static const int32_t answers[][2] = {{3, 5}, {0, 0}, {-100, -100}, {4, 4}};
    static const int32_t hidden[][8] = {{-100, 9, -100, -100, 4, -100, -100, -100}, {-100, 8, 7, -100, -100, -100, -100},
                                        {-100, -100, -100, -100, -100, -100}, {-100, -100, 19, -100, -100}};
    lm_status st = LM_STATUS_INIT;
    lm_step_rows_begin(s, t, 1, 1);
    for (int i = 0; i < 4; i++) {
        lm_tokens_row row = {.ids = some_ids, .len = (size_t)(8 - i), .tags = tags[i], .loss_mask = masks[i],
                             .answer = answers[i], .mlm_labels = hidden[i], .has_label_id = true, .label_id = i % 2,
                             .target_ids = some_ids + i, .target_len = i == 2 ? 0 : (size_t)(i + 2),
                             .has_weight = true, .weight = i == 3 ? 0.5f : 1};
        ck_assert_msg(lm_targets_check(t, &row, (uint64_t)i, &st), "%s", st.message);
        lm_step_rows_add(s, t, &row, 0, (uint64_t)i, i, &st);
        assert_ok(&st);
    }
}

/* The outputs that were asked for, of made-up logits. */
static lm_outputs answer_of(const lm_micro_batch *m, const lm_select *select, const float *logits, int columns, int first,
                            lm_graph *g)
{
    static float rows[64 * 20];
    int n = 0, of = select->tokens ? select->count : m->batch.tokens;
    for (int i = 0; i < of; i++, n++)
        memcpy(rows + (size_t)n * (size_t)columns,
               logits + (size_t)(first + (select->tokens ? select->tokens[i] : i)) * (size_t)columns,
               (size_t)columns * sizeof *rows);
    lm_outputs out = {.token_logits = select->token_logits ? lm_graph_input(g, rows, n, columns, true) : NULL};
    if (!select->row_logits)
        return out;
    static float classes[2 * 4];
    for (int i = 0; i < m->batch.rows; i++)
        memcpy(classes + 2 * i, logits + (size_t)(m->first + i) * (size_t)columns, 2 * sizeof *classes);
    out.row_logits = lm_graph_input(g, classes, m->batch.rows, 2, true);
    return out;
}

/* However a step is cut, its loss is the one by the formula. */
START_TEST(losses_of_a_step)
{
    enum { CASES = sizeof step_cases / sizeof *step_cases };
    const step_case *c = &step_cases[_i % CASES];
    smoothing = _i < CASES ? 0 : 0.25;
    lm_targets t = {.objective = lm_objective_find(c->objective), .vocab_size = 20, .classes = 3, .start_id = 1,
                    .label_smoothing = (float)smoothing};
    lm_step_rows s = {0};
    lm_micro_batch m = {0};
    lm_params *params = lm_params_new();
    lm_graph *g = lm_graph_new(params);
    float logits[64 * 20];
    fill_step(&s, &t);
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < c->columns; k++)
            logits[i * c->columns + k] = some_logit(i, k);
    double wanted = c->wanted(&s, logits);
    ck_assert_double_gt(wanted, 0.1);
    for (int tokens = 1; tokens < 40; tokens += 6) {
        double loss = 0;
        int rows = 0;
        for (int first = 0; first < s.rows; rows++) {
            int at = c->wanted == target_loss ? s.target_splits[first] : s.row_splits[first];
            first = lm_micro_batch_cut(&m, &s, &t, first, tokens, 3);
            lm_select select = lm_micro_batch_select(&m, &s, &t);
            if (!select.token_logits && !select.row_logits)
                continue;
            lm_graph_begin(g, &m.batch, (lm_step){.taping = true});
            lm_tensor *part = lm_micro_batch_loss_of(&m, &s, &t, answer_of(&m, &select, logits, c->columns, at, g), g);
            lm_graph_backward(g, part, 1);
            loss += *lm_tensor_read(g, part);
            lm_status st = LM_STATUS_INIT;
            ck_assert_msg(lm_graph_end(g, &st), "%s", st.message);
        }
        ck_assert_double_eq_tol(loss, wanted, 2e-6);
        ck_assert_int_ge(rows, tokens < 8 ? 4 : 2);
    }
    lm_micro_batch_free(&m);
    lm_step_rows_free(&s);
    lm_graph_free(g);
    lm_params_free(params);
}
END_TEST

/* The second stack reads its target shifted by one, from its start token. */
START_TEST(second_stack_reads_shifted)
{
    lm_targets t = {.objective = lm_objective_find("seq2seq"), .vocab_size = 20, .start_id = 1};
    lm_step_rows s = {0};
    lm_micro_batch m = {0};
    fill_step(&s, &t);
    static const int32_t splits[] = {0, 2, 5, 5, 10};
    ck_assert_mem_eq(s.target_splits, splits, sizeof splits);
    ck_assert_int_eq(lm_micro_batch_cut(&m, &s, &t, 1, 100, 2), 3);
    ck_assert_int_eq(m.target.rows, 2);
    ck_assert_int_eq(m.target.tokens, 3);
    ck_assert_int_eq(m.target.row_splits[1], 3);
    ck_assert_int_eq(m.target.row_splits[2], 3);
    static const int32_t ids[] = {1, 10, 11}, labels[] = {10, 11, 12}, places[] = {0, 1, 2};
    ck_assert_mem_eq(m.target.ids, ids, sizeof ids);
    ck_assert_mem_eq(m.target.positions, places, sizeof places);
    ck_assert_mem_eq(m.label, labels, sizeof labels);
    ck_assert_int_eq(m.count, 3);
    lm_status st = LM_STATUS_INIT;
    static const int32_t beyond[] = {5, 20};
    lm_tokens_row row = {.ids = some_ids, .len = 8, .target_ids = beyond, .target_len = 2};
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    ck_assert_msg(strstr(st.message, "row 1: target_ids") != NULL, "%s", st.message);
    lm_status_clear(&st);
    row.target_ids = NULL;
    ck_assert(!lm_targets_check(&t, &row, 0, &st));
    lm_micro_batch_free(&m);
    lm_step_rows_free(&s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("objectives");
    TCase *t = tcase_create("objectives");
    tcase_add_test(t, names_and_columns);
    tcase_add_test(t, bad_rows_are_named);
    tcase_add_test(t, micro_batches_cover_a_step);
    tcase_add_test(t, static_masks_and_weights);
    tcase_add_test(t, next_tokens);
    tcase_add_test(t, tags_by_name);
    tcase_add_test(t, unknown_classes_are_skipped);
    tcase_add_test(t, answers_are_checked);
    tcase_add_loop_test(t, losses_of_a_step, 0, 2 * sizeof step_cases / sizeof *step_cases);
    tcase_add_test(t, second_stack_reads_shifted);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
