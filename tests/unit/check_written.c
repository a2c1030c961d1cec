/* Measures of written texts: against sacreBLEU's, rouge-score's and NLTK's values of the same texts (written.json, made by written.py),
 * and against the formulas, written out, where these have none. */
#include "unit.h"

#include "base/memory.h"
#include "metrics/written/kinds.h"
#include "stream/json_tree.h"

#include <math.h>
#include <stdlib.h>

static json_t *open_values(void)
{
    lm_status st = LM_STATUS_INIT;
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/written.json", source ? source : "..");
    json_t *values = lm_json_read(path, 0, &st);
    assert_ok(&st);
    free(path);
    return values;
}

static lm_str string_at(const json_t *list, size_t i)
{
    const json_t *s = json_array_get(list, i);
    return (lm_str){json_string_value(s), json_string_length(s)};
}

/* Measures of the file's texts. The caller frees them. */
static lm_written *measured(const json_t *file, const lm_written_options *o)
{
    lm_written *w = lm_written_new(o);
    const json_t *texts = json_object_get(file, "texts"), *lists = json_object_get(file, "references");
    size_t n = json_array_size(texts), m = json_array_size(lists);
    lm_str *references = lm_malloc(n * m, sizeof *references);
    lm_written_row *rows = lm_malloc(n, sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < m; k++)
            references[i * m + k] = string_at(json_array_get(lists, k), i);
        rows[i] = (lm_written_row){string_at(texts, i), references + i * m, m};
    }
    lm_written_add(w, rows, n / 2); /* in two parts */
    lm_written_add(w, rows + n / 2, n - n / 2);
    free(references);
    free(rows);
    return w;
}

static int place_of(const char *const *names, const json_t *name)
{
    int at = 0;
    while (json_is_string(name) && strcmp(names[at], json_string_value(name)) != 0)
        at++;
    return at;
}

START_TEST(values_are_those_of_the_field)
{
    json_t *file = open_values(), *set, *value;
    lm_status st = LM_STATUS_INIT;
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(file, "sets"), i, set) {
        const json_t *how = json_object_get(set, "options"), *smooth_value = json_object_get(how, "smooth_value");
        lm_written_options o = {.bleu_tokens = place_of(lm_bleu_token_names, json_object_get(how, "tokenize")),
                                .smooth = place_of(lm_bleu_smooth_names, json_object_get(how, "smooth")),
                                .smooth_value = smooth_value ? json_number_value(smooth_value) : -1,
                                .lowercase = json_is_true(json_object_get(how, "lowercase")),
                                .stemmer = json_is_true(json_object_get(how, "stemmer"))};
        lm_written_choose(&o, json_string_value(json_object_get(how, "metrics")), &st);
        lm_written *w = measured(file, &o);
        lm_report *r = lm_report_new();
        lm_written_measure(w, NULL, r);
        json_object_foreach(json_object_get(set, "values"), name, value) {
            double found = NAN, expected = json_number_value(value);
            lm_report_find(r, name, &found);
            ck_assert_msg(fabs(found - expected) <= 1e-9 * fmax(1, fabs(expected)), "set %zu: %s is %.12g, not %.12g", i, name, found,
                          expected);
        }
        lm_report_free(r);
        lm_written_free(w);
    }
    ck_assert_uint_eq(i, 17);
    json_decref(file);
}
END_TEST

START_TEST(rows_are_those_of_the_field)
{
    json_t *file = open_values(), *rows = json_object_get(file, "rows");
    lm_status st = LM_STATUS_INIT;
    lm_written_options o = {.smooth_value = -1};
    ck_assert(lm_written_choose(&o, "ter,bleu", &st) && lm_written_choose(&o, "chrf++", &st));
    lm_written *w = measured(file, &o);
    ck_assert_uint_eq(lm_written_rows(w), json_array_size(rows));
    for (size_t i = 0; i < lm_written_rows(w); i++) {
        lm_buf line = {0};
        double found[3] = {NAN, NAN, NAN};
        lm_written_print_row(w, i, &line);
        ck_assert_int_eq(sscanf(lm_buf_cstr(&line), "%lf\t%lf\t%lf", &found[0], &found[1], &found[2]), 3);
        for (size_t k = 0; k < 3; k++) {
            double expected = json_number_value(json_array_get(json_array_get(rows, i), k));
            if (!(fabs(found[k] - expected) < 1e-6))
                ck_abort_msg("row %zu, value %zu: %.9g, not %.9g", i, k, found[k], expected);
        }
        lm_buf_free(&line);
    }
    lm_written_free(w);
    json_decref(file);
}
END_TEST

START_TEST(stems_are_those_of_nltk)
{
    json_t *file = open_values(), *stem;
    const char *word;
    json_object_foreach(json_object_get(file, "stems"), word, stem) {
        char *room = lm_strdup(word);
        room[lm_porter_stem(room, strlen(room))] = '\0';
        if (strcmp(room, json_string_value(stem)) != 0)
            ck_abort_msg("the stem of %s is %s, not %s", word, room, json_string_value(stem));
        free(room);
    }
    ck_assert_uint_gt(json_object_size(json_object_get(file, "stems")), 1000);
    json_decref(file);
}
END_TEST

/* One text, one or two references, and a value of the measure. */
static double value_of(lm_written_options o, const char *metrics, const char *name, const char *text, const char *first, const char *second)
{
    lm_status st = LM_STATUS_INIT;
    lm_str references[] = {lm_str_of(first), lm_str_of(second ? second : "")};
    double value = NAN;
    ck_assert(lm_written_choose(&o, metrics, &st));
    lm_written *w = lm_written_new(&o);
    lm_report *r = lm_report_new();
    lm_written_add(w, &(lm_written_row){lm_str_of(text), references, second ? 2 : 1}, 1);
    lm_written_measure(w, NULL, r);
    ck_assert_msg(lm_report_find(r, name, &value), "there is no %s", name);
    lm_report_free(r);
    lm_written_free(w);
    return value;
}

START_TEST(answers_are_compared)
{
    lm_written_options squad = {.answers = LM_ANSWERS_SQUAD}, korquad = {.answers = LM_ANSWERS_KORQUAD};
    ck_assert_double_eq(value_of(squad, "exact_match", "exact_match", " 서울 \n", "서울", NULL), 1);
    ck_assert_double_eq(value_of(squad, "exact_match", "exact_match", "-5", "5", "5.0"), 0);
    ck_assert_double_eq(value_of(squad, "exact_match", "exact_match", "5.0", "5", "5.0"), 1);
    ck_assert_double_eq(value_of(squad, "answers", "squad_exact_match", "The cat!", "a CAT", NULL), 1);
    ck_assert_double_eq_tol(value_of(squad, "answers", "squad_f1", "the black cat sat", "cat on a mat", "white cats"), 1. / 3, 1e-9);
    ck_assert_double_eq(value_of(squad, "answers", "squad_f1", "the", "the", NULL), 1); /* nothing, and nothing is right */
    ck_assert_double_eq(value_of(squad, "answers", "squad_f1", "the", "the", "cat"), 0); /* what is nothing does not count */
    ck_assert_double_eq_tol(value_of(korquad, "answers", "korquad_f1", "서울에서", "서울", NULL), 2 * .5 / 1.5, 1e-9);
}
END_TEST

START_TEST(rouge_takes_letters_of_any_script)
{
    lm_written_options latin = {.rouge_tokens = LM_ROUGE_LATIN}, words = {.rouge_tokens = LM_ROUGE_WORDS},
                       chars = {.rouge_tokens = LM_ROUGE_CHARS};
    const char *text = "나는 학교에 간다.", *reference = "나는 집에 간다!";
    ck_assert_double_eq(value_of(latin, "rouge", "rouge1", text, reference, NULL), 0);
    ck_assert_double_eq_tol(value_of(words, "rouge", "rouge1", text, reference, NULL), 2. / 3, 1e-9);
    ck_assert_double_eq_tol(value_of(words, "rouge", "rougeL", text, reference, NULL), 2. / 3, 1e-9);
    ck_assert_double_eq_tol(value_of(chars, "rouge", "rouge1", text, reference, NULL), 2 * 5. / (7 + 6), 1e-9); /* 나 는 에 간 다 */
    ck_assert_double_eq_tol(value_of(words, "rouge", "rouge2", "ÉTÉ 2023", "été 2023", NULL), 1, 1e-9);

    lm_str korean = lm_str_of(reference), blank = lm_str_of(" ");
    lm_written *w = lm_written_new(&(lm_written_options){0});
    lm_written_add(w, &(lm_written_row){lm_str_of(text), &korean, 1}, 1);
    lm_written_add(w, &(lm_written_row){lm_str_of(text), &blank, 1}, 1);
    ck_assert_uint_eq(lm_written_unseen(w), 1);
    lm_written_free(w);
}
END_TEST

/* ------------------------------------------------------------------ parts */

static lm_ids drawn(size_t n, uint32_t kinds, uint32_t *state)
{
    lm_ids ids = {0};
    for (size_t i = 0; i < n; i++) {
        *state = *state * 1664525 + 1013904223;
        lm_ids_add(&ids, (*state >> 8) % kinds);
    }
    return ids;
}

/* The table itself, and the way back through it. */
static size_t plain_subsequence(const lm_ids *a, const lm_ids *b, uint8_t *marks)
{
    size_t width = b->n + 1, *t = lm_calloc((a->n + 1) * width, sizeof *t);
    for (size_t i = 1; i <= a->n; i++)
        for (size_t k = 1; k <= b->n; k++) {
            size_t up = t[(i - 1) * width + k], left = t[i * width + k - 1];
            bool same = a->at[i - 1] == b->at[k - 1];
            t[i * width + k] = same ? t[(i - 1) * width + k - 1] + 1 : up > left ? up : left;
        }
    for (size_t i = a->n, k = b->n; i && k;) {
        if (a->at[i - 1] == b->at[k - 1])
            marks[--i] = 1, k--;
        else if (t[i * width + k - 1] > t[(i - 1) * width + k])
            k--;
        else
            i--;
    }
    size_t length = t[a->n * width + b->n];
    free(t);
    return length;
}

START_TEST(subsequences_are_those_of_the_table)
{
    lm_lcs *l = lm_lcs_new();
    uint32_t state = 1;
    for (size_t i = 0; i < 60; i++) {
        lm_ids a = drawn(i * 7 % 150, 2 + (uint32_t)i % 9, &state), b = drawn(i * 13 % 200, 2 + (uint32_t)i % 9, &state);
        uint8_t expected[150] = {0}, found[150] = {0};
        size_t length = plain_subsequence(&a, &b, expected);
        ck_assert_uint_eq(lm_lcs_length(l, &a, &b), length);
        lm_lcs_mark(l, &a, &b, found);
        ck_assert_msg(memcmp(expected, found, sizeof found) == 0, "pair %zu: other words are marked", i);
        free(a.at);
        free(b.at);
    }
    lm_lcs_free(l);
}
END_TEST

START_TEST(runs_are_counted_as_often_as_in_both)
{
    lm_grams g = {0};
    int64_t matches[3];
    uint32_t text[] = {1, 1, 1, 2, 1, 1}, first[] = {1, 1, 3}, second[] = {1, 2, 1, 4, 1, 1, 1};
    lm_ids own = {text, 6, 6}, references[] = {{first, 3, 3}, {second, 7, 7}};
    lm_grams_match(&g, &own, references, 1, 3, matches);
    ck_assert_int_eq(matches[0], 2);
    ck_assert_int_eq(matches[1], 1);
    ck_assert_int_eq(matches[2], 0);
    lm_grams_match(&g, &own, references, 2, 3, matches);
    ck_assert_int_eq(matches[0], 6); /* five of 1, one of 2 */
    ck_assert_int_eq(matches[1], 4); /* 1 1 twice, 1 2, 2 1 */
    ck_assert_int_eq(matches[2], 2); /* 1 1 1, 1 2 1 */
    g.pairs.age = UINT32_MAX;        /* the ages begin anew */
    lm_grams_match(&g, &own, references, 2, 3, matches);
    ck_assert_int_eq(matches[1], 4);
    lm_grams_free(&g);
}
END_TEST

START_TEST(orders_and_counts_of_rows_change_nothing)
{
    json_t *file = open_values();
    lm_status st = LM_STATUS_INIT;
    lm_written_options o = {.smooth_value = -1};
    ck_assert(lm_written_choose(&o, "all", &st));
    lm_written *w = measured(file, &o);
    size_t n = lm_written_rows(w);
    uint32_t *times = lm_malloc(n, sizeof *times);
    for (size_t i = 0; i < n; i++)
        times[i] = 3;
    lm_report *once = lm_report_new(), *thrice = lm_report_new();
    lm_written_measure(w, NULL, once);
    lm_written_measure(w, times, thrice);
    ck_assert_uint_eq(lm_report_size(once), 13);
    for (size_t i = 0; i < lm_report_size(once); i++) {
        double a, b;
        const char *name = lm_report_at(once, i, &a);
        lm_report_at(thrice, i, &b);
        ck_assert_msg(fabs(a - b) < 1e-12 * fmax(1, fabs(a)), "%s: %.15g, and of rows that count thrice %.15g", name, a, b);
    }
    lm_report_free(once);
    lm_report_free(thrice);
    free(times);
    lm_written_free(w);
    ck_assert(!lm_written_choose(&o, "bleu,bleurt", &st));
    ck_assert_int_eq(st.code, LM_USAGE);
    json_decref(file);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("written");
    TCase *c = tcase_create("written");
    tcase_add_test(c, values_are_those_of_the_field);
    tcase_add_test(c, rows_are_those_of_the_field);
    tcase_add_test(c, stems_are_those_of_nltk);
    tcase_add_test(c, answers_are_compared);
    tcase_add_test(c, rouge_takes_letters_of_any_script);
    tcase_add_test(c, subsequences_are_those_of_the_table);
    tcase_add_test(c, runs_are_counted_as_often_as_in_both);
    tcase_add_test(c, orders_and_counts_of_rows_change_nothing);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
