/* Evaluation against the goldens of BERT: what the evaluator hands out is what transformers computed,
 * whatever the batches were. */
#include "golden.h"
#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "metrics/evaluate.h"
#include "metrics/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LIMIT 5e-5

typedef struct setting {
    golden g;
    golden_batch b;
    lm_model *m;
    lm_tokens_row *rows;
    uint8_t *types, *several;
} setting;

/* Model and batch A of a case, its rows as a stream would bring them. */
static setting set_up(const char *name)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("goldens/models/%s", name);
    setting s = {.g = golden_open(path)};
    free(path);
    setenv("LMUTILS_PLUGIN_PATH", PLUGIN_DIR, 1);
    s.m = lm_model_open(s.g.dir, NULL, &st);
    assert_ok(&st);
    s.b = golden_batch_read(json_array_get(json_object_get(s.g.json, "batches"), 0));
    size_t rows = (size_t)s.b.batch.rows, tokens = (size_t)s.b.batch.tokens, columns = (size_t)s.b.columns;
    s.rows = lm_calloc(rows, sizeof *s.rows);
    s.types = lm_calloc(tokens, 1);
    s.several = lm_calloc(rows * (columns + 1), 1);
    for (size_t t = 0; t < tokens; t++)
        s.types[t] = (uint8_t)s.b.types[t];
    for (size_t i = 0; i < rows * columns; i++)
        s.several[i] = s.b.values[i] != 0;
    for (size_t r = 0; r < rows; r++) {
        size_t at = (size_t)s.b.row_splits[r];
        lm_tokens_row *row = &s.rows[r];
        *row = (lm_tokens_row){
            .ids = s.b.ids + at, .len = (size_t)s.b.row_splits[r + 1] - at, .types = s.types + at};
        if (s.m->head->tokens) {
            row->mlm_labels = s.b.labels + at;
        } else if (s.b.labels) {
            row->has_label_id = true;
            row->label_id = s.b.labels[r];
        } else if (columns == 1) {
            row->has_label_float = true;
            row->label_float = s.b.values[r];
        } else {
            row->multi_label = s.several + r * columns;
            row->classes = columns;
        }
        if (s.b.next) {
            row->has_label_id = true;
            row->label_id = s.b.next[r];
        }
    }
    return s;
}

static void tear_down(setting *s)
{
    lm_model_free(s->m);
    golden_batch_free(&s->b);
    golden_close(&s->g);
    free(s->rows);
    free(s->types);
    free(s->several);
}

static double found(lm_evaluator *e, const char *name)
{
    lm_report *r = lm_evaluator_report(e, true);
    double v = 0;
    ck_assert_msg(lm_report_find(r, name, &v), "no %s in the report", name);
    lm_report_free(r);
    return v;
}

START_TEST(losses_are_those_of_transformers)
{
    static const char *const cases[] = {"bert-cls2",    "bert-cls3",        "bert-cls4",     "bert-mlm",
                                        "bert-mlm-f16", "bert-multilabel4", "bert-pretrain", "bert-reg1"};
    char *data = data_path("goldens");
    for (size_t i = 0; data && i < sizeof cases / sizeof *cases; i++) {
        setting s = set_up(cases[i]);
        lm_status st = LM_STATUS_INIT;
        for (int tokens = 1; tokens < 1000; tokens *= 30) {
            lm_evaluator *e =
                lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){.batch_tokens = tokens}, &st);
            lm_evaluator_run(e, s.rows, s.b.batch.rows, 0, NULL, &st);
            assert_ok(&st);
            ck_assert_msg(fabs(found(e, "loss") - s.b.loss) <= 1e-5, "%s: loss %.9g, not %.9g", cases[i],
                          found(e, "loss"), s.b.loss);
            ck_assert(found(e, "rows") == s.b.batch.rows && found(e, "tokens") == s.b.batch.tokens);
            lm_evaluator_free(e);
        }
        tear_down(&s);
    }
    free(data);
}
END_TEST

static void same(const char *name, const float *a, const float *b, size_t n)
{
    ck_assert(!a == !b);
    double d = a ? golden_difference(a, b, n) : 0;
    ck_assert_msg(d <= 1e-5, "%s differs by %g", name, d);
}

/* Each output is the same whether rows go one by one or all at once, but for the last digits: BLAS sums a row
 * of a product in an order that depends on its place. */
START_TEST(outputs_do_not_depend_on_batches)
{
    static const char *const cases[] = {"bert-cls3", "bert-mlm", "bert-multilabel4", "bert-pretrain"};
    char *data = data_path("goldens");
    for (size_t i = 0; data && i < sizeof cases / sizeof *cases; i++) {
        setting s = set_up(cases[i]);
        lm_status st = LM_STATUS_INIT;
        unsigned emit = LM_EMIT_LOGITS | LM_EMIT_PROBS | LM_EMIT_PREDICTIONS | LM_EMIT_HIDDEN | LM_EMIT_LOSS;
        if (lm_model_has_pooler(s.m))
            emit |= LM_EMIT_POOLED;
        lm_evaluate_options alone = {.batch_tokens = 1, .emit = emit}, all = {.emit = emit};
        lm_evaluator *a = lm_evaluator_new(s.m, NULL, &alone, &st),
                     *b = lm_evaluator_new(s.m, NULL, &all, &st);
        lm_row_outputs x, y;
        lm_evaluator_run(a, s.rows, s.b.batch.rows, 0, &x, &st);
        lm_evaluator_run(b, s.rows, s.b.batch.rows, 0, &y, &st);
        assert_ok(&st);
        size_t rows = (size_t)x.rows, tokens = (size_t)x.tokens, width = (size_t)x.width;
        size_t units = x.kind == LM_MEASURE_TOKENS ? tokens : rows, cells = units * (size_t)x.columns;
        same("hidden", x.hidden, y.hidden, tokens * width);
        same("logits", x.logits, y.logits, cells);
        same("probs", x.probs, y.probs, cells);
        same("loss", x.loss, y.loss, rows);
        same("pooled", x.pooled, y.pooled, rows * width);
        if (x.kind == LM_MEASURE_MULTI_LABEL)
            ck_assert(memcmp(x.chosen, y.chosen, cells) == 0);
        else
            ck_assert(memcmp(x.classes, y.classes, units * sizeof(int32_t)) == 0);
        for (size_t u = 0; u < units; u++) {
            double sum = 0;
            for (size_t k = 0; k < (size_t)x.columns; k++)
                sum += x.probs[u * (size_t)x.columns + k];
            if (x.kind != LM_MEASURE_MULTI_LABEL)
                ck_assert_double_eq_tol(sum, 1, 1e-5);
        }
        if (x.kind == LM_MEASURE_CLASSES) {
            double d = golden_difference(x.logits, golden_find(&s.g, "A.logits", cells), cells);
            ck_assert_msg(d <= LIMIT, "%s: %g", cases[i], d);
        }
        lm_evaluator_free(a);
        lm_evaluator_free(b);
        tear_down(&s);
    }
    free(data);
}
END_TEST

START_TEST(classes_are_counted)
{
    char *data = data_path("goldens");
    if (!data)
        return;
    setting s = set_up("bert-cls3");
    lm_status st = LM_STATUS_INIT;
    lm_evaluator *e =
        lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_PREDICTIONS | LM_EMIT_LOSS}, &st);
    lm_row_outputs out;
    lm_evaluator_run(e, s.rows, 4, 0, &out, &st);
    assert_ok(&st);
    lm_confusion *c = lm_confusion_new(3);
    for (int r = 0; r < 4; r++)
        lm_confusion_add(c, s.rows[r].label_id, out.classes[r]);
    ck_assert(found(e, "accuracy") == lm_confusion_accuracy(c) && found(e, "mcc") == lm_confusion_mcc(c));
    ck_assert(found(e, "macro_f1") == lm_confusion_average(c, LM_MACRO).f1);
    ck_assert(found(e, "recall[LABEL_1]") == lm_confusion_class(c, 1).recall);
    lm_confusion_free(c);
    /* by word, by number, and without a label */
    lm_evaluator_reset(e);
    double before = out.loss[0];
    s.rows[0].has_label_id = false;
    s.rows[0].has_label_word = true;
    char word[16];
    snprintf(word, sizeof word, "LABEL_%d", s.rows[0].label_id);
    s.rows[0].label_word = lm_str_of(word);
    s.rows[1].has_label_id = false;
    s.rows[2].label_id = -100;
    lm_evaluator_run(e, s.rows, 4, 0, &out, &st);
    assert_ok(&st);
    ck_assert(found(e, "labelled") == 2 && fabs(out.loss[0] - before) < 1e-6 && isnan(out.loss[1]) &&
              isnan(out.loss[2]));
    s.rows[0].label_word = lm_str_of(word + 6);
    lm_evaluator_run(e, s.rows, 1, 0, &out, &st);
    assert_ok(&st);
    ck_assert(fabs(out.loss[0] - before) < 1e-6);
    lm_evaluator_free(e);
    tear_down(&s);
    free(data);
}
END_TEST

START_TEST(several_classes_are_counted)
{
    char *data = data_path("goldens");
    if (!data)
        return;
    setting s = set_up("bert-multilabel4");
    lm_status st = LM_STATUS_INIT;
    lm_evaluator *e = lm_evaluator_new(
        s.m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_PREDICTIONS | LM_EMIT_LOGITS}, &st);
    lm_row_outputs out;
    int rows = s.b.batch.rows, columns = s.b.columns;
    lm_evaluator_run(e, s.rows, rows, 0, &out, &st);
    assert_ok(&st);
    int hits = 0, chosen = 0, truth = 0, right = 0;
    for (int r = 0; r < rows; r++) {
        int same_classes = 0;
        for (int k = 0; k < columns; k++) {
            int c = out.logits[r * columns + k] >= 0, t = s.several[r * columns + k];
            ck_assert_int_eq(out.chosen[r * columns + k], c);
            hits += c && t;
            chosen += c;
            truth += t;
            same_classes += c == t;
        }
        right += same_classes == columns;
    }
    ck_assert_double_eq_tol(found(e, "micro_f1"), 2.0 * hits / (chosen + truth), 1e-12);
    ck_assert_double_eq_tol(found(e, "micro_recall"), (double)hits / truth, 1e-12);
    ck_assert_double_eq_tol(found(e, "accuracy"), (double)right / rows, 1e-12);
    lm_evaluator_free(e);
    tear_down(&s);
    free(data);
}
END_TEST

static void refuses(lm_evaluator *e, const lm_tokens_row *row, const char *says)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert(!lm_evaluator_run(e, row, 1, 7, NULL, &st));
    assert_says(&st, says);
}

START_TEST(rows_that_do_not_fit_are_refused)
{
    char *data = data_path("goldens");
    if (!data)
        return;
    setting s = set_up("bert-cls3");
    lm_status st = LM_STATUS_INIT;
    lm_evaluator *e = lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){0}, &st);
    int32_t ids[65] = {1, 128, -1};
    uint8_t types[65] = {2};
    refuses(e, &(lm_tokens_row){.ids = ids, .len = 2},
            "record 7, row 1: token id 128 is not in the model's vocabulary");
    refuses(e, &(lm_tokens_row){.ids = ids + 2, .len = 1}, "token id -1");
    refuses(e, &(lm_tokens_row){.ids = ids + 3, .len = 62, .types = types}, "segment 2");
    ids[1] = ids[2] = 0;
    refuses(e, &(lm_tokens_row){.ids = ids, .len = 65}, "65 tokens, and the model takes 64");
    lm_tokens_row row = {.ids = ids, .len = 2};
    row.has_label_word = true;
    row.label_word = lm_str_of("sports");
    refuses(e, &row, "label \"sports\" is none of the model's classes (LABEL_0, LABEL_1, LABEL_2)");
    row.label_word = lm_str_of("3");
    refuses(e, &row, "label \"3\" is none");
    row.has_label_word = false;
    row.has_label_id = true;
    row.label_id = 3;
    refuses(e, &row, "class 3, and the model has 0 to 2");
    row.has_label_id = false;
    row.has_label_float = true;
    refuses(e, &row, "the label is a number");
    lm_evaluator_free(e);
    tear_down(&s);

    s = set_up("bert-mlm");
    ck_assert_ptr_null(lm_evaluator_new(
        s.m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_POOLED, .pool = LM_POOL_POOLER}, &st));
    assert_says(&st, "BertForMaskedLM has no pooler");
    e = lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){0}, &st);
    int32_t labels[2] = {-100, 128};
    refuses(e, &(lm_tokens_row){.ids = ids, .len = 2, .mlm_labels = labels}, "mlm_labels: id 128");
    lm_evaluator_free(e);
    tear_down(&s);

    s = set_up("bert-reg1");
    ck_assert_ptr_null(lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_PROBS}, &st));
    assert_says(&st, "no probabilities");
    e = lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){0}, &st);
    row = (lm_tokens_row){.ids = ids, .len = 2, .has_label_word = true, .label_word = lm_str_of("many")};
    refuses(e, &row, "label \"many\" is no number");
    row.label_word = lm_str_of("2.5");
    ck_assert(lm_evaluator_run(e, &row, 1, 0, NULL, &st));
    ck_assert(found(e, "labelled") == 1);
    lm_evaluator_free(e);
    tear_down(&s);
    free(data);
}
END_TEST

/* The k largest logits of each unit, by the definition. */
static void check_top(const lm_row_outputs *all, const lm_row_outputs *kept, int k)
{
    int64_t units = all->per_token ? all->tokens : all->rows;
    for (int64_t u = 0; u < units; u++) {
        const float *x = all->logits + u * all->columns;
        const int32_t *index = kept->top_index + u * k;
        double sum = 0;
        for (int i = 0; i < k; i++) {
            ck_assert(index[i] >= 0 && index[i] < all->columns && kept->top_logits[u * k + i] == x[index[i]]);
            ck_assert(i == 0 || x[index[i - 1]] > x[index[i]] ||
                      (x[index[i - 1]] == x[index[i]] && index[i - 1] < index[i]));
        }
        for (int c = 0; c < all->columns; c++) {
            bool is_kept = false;
            for (int i = 0; i < k; i++)
                is_kept |= index[i] == c;
            ck_assert(is_kept || x[c] <= x[index[k - 1]]);
            sum += is_kept ? 0 : exp(x[c]);
        }
        ck_assert(sum > 0 ? fabs(kept->top_rest[u] - log(sum)) < 1e-5 : kept->top_rest[u] == -INFINITY);
    }
}

START_TEST(the_largest_logits)
{
    static const struct {
        const char *name;
        int top, kept;
    } cases[] = {{"bert-cls3", 1, 1},
                 {"bert-cls3", 2, 2},
                 {"bert-cls3", 64, 3},
                 {"bert-mlm", 7, 7},
                 {"bert-mlm", 128, 128}};
    char *data = data_path("goldens");
    for (size_t i = 0; data && i < sizeof cases / sizeof *cases; i++) {
        setting s = set_up(cases[i].name);
        lm_status st = LM_STATUS_INIT;
        lm_evaluate_options every = {.emit = LM_EMIT_LOGITS},
                            some = {.emit = LM_EMIT_LOGITS, .top = cases[i].top};
        lm_evaluator *a = lm_evaluator_new(s.m, NULL, &every, &st),
                     *b = lm_evaluator_new(s.m, NULL, &some, &st);
        lm_row_outputs all, kept;
        lm_evaluator_run(a, s.rows, s.b.batch.rows, 0, &all, &st);
        lm_evaluator_run(b, s.rows, s.b.batch.rows, 0, &kept, &st);
        assert_ok(&st);
        ck_assert(kept.top == cases[i].kept && !kept.logits && all.top == 0 && !all.top_index);
        check_top(&all, &kept, kept.top);
        lm_evaluator_free(a);
        lm_evaluator_free(b);
        tear_down(&s);
    }
    free(data);
}
END_TEST

START_TEST(rows_are_pooled)
{
    char *data = data_path("goldens");
    if (!data)
        return;
    setting s = set_up("bert-mlm");
    for (int pool = LM_POOL_AUTO; pool <= LM_POOL_CLS; pool++) {
        if (pool == LM_POOL_POOLER)
            continue;
        lm_status st = LM_STATUS_INIT;
        lm_evaluate_options o = {
            .emit = LM_EMIT_HIDDEN | LM_EMIT_POOLED, .pool = (lm_pool)pool, .batch_tokens = 50};
        lm_evaluator *e = lm_evaluator_new(s.m, NULL, &o, &st);
        lm_row_outputs out;
        s.rows[1].len = 0; /* a row without tokens is zeros */
        lm_evaluator_run(e, s.rows, s.b.batch.rows, 0, &out, &st);
        assert_ok(&st);
        const float *hidden = out.hidden;
        for (int64_t r = 0; r < out.rows; hidden += s.rows[r].len * (size_t)out.width, r++) {
            for (int c = 0; c < out.width; c++) {
                double mean = 0;
                for (size_t t = 0; t < s.rows[r].len; t++)
                    mean += hidden[t * (size_t)out.width + (size_t)c] / (double)s.rows[r].len;
                double want = pool == LM_POOL_CLS && s.rows[r].len ? hidden[c] : mean;
                ck_assert_double_eq_tol(out.pooled[r * out.width + c], want, 1e-6);
            }
        }
        lm_evaluator_free(e);
    }
    tear_down(&s);
    free(data);
}
END_TEST

/* Pseudo-log-likelihoods of the reference (goldens/extras): each token but the first and last masked alone.
 */
START_TEST(masked_models_give_logprobs)
{
    char *data = data_path("goldens");
    if (!data)
        return;
    setting s = set_up("bert-mlm");
    char *path = data_path("goldens/extras/golden.json");
    json_t *extras = json_load_file(path, 0, NULL), *score;
    size_t i, seen = 0;
    json_array_foreach(json_object_get(extras, "scores"), i, score) {
        json_t *ids = json_object_get(score, "ids"), *types = json_object_get(score, "token_type_ids"),
               *want = json_object_get(score, "token_logprobs");
        int32_t id[64];
        uint8_t type[64];
        size_t n = json_array_size(ids);
        if (strcmp(json_string_value(json_object_get(score, "model")), "bert-mlm") != 0 || n < 3)
            continue;
        for (size_t t = 0; t < n; t++) {
            id[t] = (int32_t)json_integer_value(json_array_get(ids, t));
            type[t] = (uint8_t)json_integer_value(json_array_get(types, t));
        }
        lm_tokenizer_info info = LM_TOKENIZER_INFO_NONE;
        info.cls_id = id[0];
        info.sep_id = id[n - 1];
        info.mask_id = 4;
        lm_tokens_row rows[2] = {{.ids = id, .len = 1}, {.ids = id, .len = n, .types = type}};
        for (int tokens = 1; tokens < 5000; tokens *= 60) {
            lm_status st = LM_STATUS_INIT;
            lm_evaluate_options o = {.batch_tokens = tokens, .emit = LM_EMIT_LOGPROBS};
            lm_evaluator *e = lm_evaluator_new(s.m, NULL, &o, &st);
            lm_row_outputs out;
            lm_evaluator_tokenizer(e, &info, &st);
            lm_evaluator_run(e, rows, 2, 0, &out, &st);
            assert_ok(&st);
            ck_assert(out.tokens == (int64_t)n + 1);
            ck_assert(isnan(out.logprobs[0]) && isnan(out.logprobs[1]) && isnan(out.logprobs[n]));
            for (size_t t = 1; t + 1 < n; t++)
                ck_assert_double_eq_tol(out.logprobs[1 + t], json_real_value(json_array_get(want, t - 1)),
                                        1e-4);
            lm_evaluator_free(e);
        }
        seen++;
    }
    ck_assert_uint_eq(seen, 2);
    lm_status st = LM_STATUS_INIT;
    lm_tokenizer_info none = LM_TOKENIZER_INFO_NONE;
    lm_evaluator *e = lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_LOGPROBS}, &st);
    ck_assert(!lm_evaluator_tokenizer(e, &none, &st));
    assert_says(&st, "names no token for that");
    lm_evaluator_free(e);
    tear_down(&s);
    s = set_up("bert-cls3");
    ck_assert_ptr_null(lm_evaluator_new(s.m, NULL, &(lm_evaluate_options){.emit = LM_EMIT_LOGPROBS}, &st));
    assert_says(&st, "predicts no tokens");
    tear_down(&s);
    json_decref(extras);
    free(path);
    free(data);
}
END_TEST

START_TEST(the_body_alone)
{
    char *data = data_path("goldens");
    if (!data)
        return;
    setting s = set_up("bert-cls3");
    lm_status st = LM_STATUS_INIT;
    lm_model *base = lm_model_open(s.g.dir, &(lm_model_options){.task = "base"}, &st);
    assert_ok(&st);
    ck_assert_ptr_null(lm_evaluator_new(base, NULL, &(lm_evaluate_options){.emit = LM_EMIT_LOGITS}, &st));
    assert_says(&st, "BertModel has no logits");
    lm_evaluator *e =
        lm_evaluator_new(base, NULL, &(lm_evaluate_options){.emit = LM_EMIT_POOLED | LM_EMIT_HIDDEN}, &st);
    lm_row_outputs out;
    lm_evaluator_run(e, s.rows, s.b.batch.rows, 0, &out, &st);
    assert_ok(&st);
    size_t n = (size_t)(out.rows * out.width);
    ck_assert(golden_difference(out.pooled, golden_find(&s.g, "A.pooled", n), n) <= LIMIT);
    ck_assert(!out.logits && out.hidden);
    lm_evaluator_run(e, NULL, 0, 0, &out, &st);
    assert_ok(&st);
    lm_evaluator_free(e);
    lm_model_free(base);
    tear_down(&s);
    free(data);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("evaluate");
    TCase *c = tcase_create("evaluate");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, losses_are_those_of_transformers);
    tcase_add_test(c, outputs_do_not_depend_on_batches);
    tcase_add_test(c, classes_are_counted);
    tcase_add_test(c, several_classes_are_counted);
    tcase_add_test(c, rows_that_do_not_fit_are_refused);
    tcase_add_test(c, the_largest_logits);
    tcase_add_test(c, rows_are_pooled);
    tcase_add_test(c, masked_models_give_logprobs);
    tcase_add_test(c, the_body_alone);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
