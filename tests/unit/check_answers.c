/* Answers that stand in texts: what is compared of them, which span logits name, windows of one text, questions without
 * an answer. Values by the formulas of SQuAD's evaluation script. */
#include "unit.h"

#include "metrics/outcomes.h"

#include <math.h>
#include <string.h>

static void assert_normal_as(lm_answer_style style, const char *text, const char *wanted)
{
    lm_buf out = {0};
    lm_answer_normalize(style, lm_str_of(text), &out);
    ck_assert_str_eq(lm_buf_cstr(&out), wanted);
    lm_buf_free(&out);
}

static void assert_normal(const char *text, const char *wanted)
{
    assert_normal_as(LM_ANSWERS_SQUAD, text, wanted);
}

static double f1(lm_answer_style style, const char *predicted, const char *gold)
{
    return lm_answer_f1(style, lm_str_of(predicted), lm_str_of(gold));
}

START_TEST(texts_are_normalised)
{
    assert_normal("The  Cat, sat.", "cat sat");
    assert_normal("An apple a day", "apple day");
    assert_normal("a", "");
    assert_normal("U.S.A.", "usa");
    assert_normal("the-a", "thea");
    assert_normal("\tTheatre \n AND\xC2\xA0the \xC3\x96", "theatre and \xC3\xB6");
    assert_normal("l\xE2\x80\x99" "an deux", "l\xE2\x80\x99 deux"); /* a word ends at what is none, ASCII or not */
    assert_normal("서울은 수도", "서울은 수도");
    assert_normal("...", "");
}
END_TEST

START_TEST(words_in_common)
{
    ck_assert_double_eq_tol(f1(LM_ANSWERS_SQUAD, "cat sat on mat", "cat on"), 2.0 / 3, 1e-12);
    ck_assert_double_eq_tol(f1(LM_ANSWERS_SQUAD, "b b", "b"), 2.0 / 3, 1e-12);
    ck_assert_double_eq(f1(LM_ANSWERS_SQUAD, "x", "y z"), 0);
    ck_assert_double_eq(f1(LM_ANSWERS_SQUAD, "", ""), 1);
    ck_assert_double_eq(f1(LM_ANSWERS_SQUAD, "", "y"), 0);
}
END_TEST

/* As evaluate-v1.0.py of KorQuAD has them. */
START_TEST(korean_answers)
{
    const lm_answer_style ko = LM_ANSWERS_KORQUAD;
    assert_normal_as(ko, "《왕의 남자》(2005년)", "왕의 남자 2005년");
    assert_normal_as(ko, "'한국'의〈수도〉", "한국 의 수도"); /* a quote parts words, ... */
    assert_normal_as(ko, "‘서울’은,  서울.", "서울 은 서울");
    assert_normal_as(ko, "U.S.A.", "usa"); /* ... other punctuation does not */
    assert_normal_as(ko, "The a", "the a"); /* articles stay */
    ck_assert_double_eq_tol(f1(ko, "서울에서", "서울"), 2.0 * 2 / (4 + 2), 1e-12); /* the particle costs half, not all */
    ck_assert_double_eq(f1(LM_ANSWERS_SQUAD, "서울에서", "서울"), 0);
    ck_assert_double_eq_tol(f1(ko, "가나 다", "다 가"), 2.0 * 2 / (3 + 2), 1e-12); /* neither order nor blanks count */
    ck_assert_double_eq_tol(f1(ko, "가가", "가"), 2.0 / 3, 1e-12);
    ck_assert_double_eq(f1(ko, "가", "나"), 0);
    ck_assert_double_eq(f1(ko, "", "나"), 0);
}
END_TEST

/* [CLS] who [SEP] it was the Ada [SEP], over "it was the Ada" */
static const int32_t ids[] = {0, 1, 2, 3, 4, 5, 6, 2};
static const int32_t offsets[] = {0, 0, 0, 3, 0, 0, 0, 2, 3, 6, 7, 10, 11, 14, 0, 0};

START_TEST(the_best_span)
{
    float logits[16] = {0};
    int32_t answer[2] = {6, 6};
    lm_tokens_row row = {.ids = ids, .len = 8, .offsets = offsets, .pair = lm_str_of("it was the Ada"), .answer = answer};
    json_t *answers = json_pack("{s:[s,s], s:[i,i]}", "text", "Ada", "was the Ada", "answer_start", 11, 3);
    row.answers = answers;
    logits[2 * 1] = 9;      /* the question is no part of the text */
    logits[2 * 6] = 3;      /* begins with Ada, ... */
    logits[2 * 5 + 1] = 4;  /* ... which would end before */
    logits[2 * 6 + 1] = 2.5f;
    logits[2 * 5] = 1;      /* "the", and the article is not compared */
    lm_span_found f = lm_span_find(LM_ANSWERS_SQUAD, &row, logits);
    ck_assert(f.labelled && f.any && !f.no_answer);
    ck_assert_double_eq_tol(f.score, 5.5, 1e-6); /* 6..6 before 5..5, which has 5 */
    ck_assert_double_eq(f.null_score, 0);
    ck_assert_double_eq(f.exact, 1);
    ck_assert_double_eq(f.f1, 1);
    double start = log(exp(9) + exp(3) + exp(1) + 5) - 3, end = log(exp(4) + exp(2.5) + 6) - 2.5;
    ck_assert_double_eq_tol(f.loss, (start + end) / 2, 1e-6);
    logits[2 * 5 + 1] = 9; /* now "the" alone */
    f = lm_span_find(LM_ANSWERS_SQUAD, &row, logits);
    ck_assert_double_eq(f.exact, 0);
    ck_assert_double_eq(f.f1, 0);
    logits[2 * 4] = 9; /* "was the", of "was the Ada" */
    f = lm_span_find(LM_ANSWERS_SQUAD, &row, logits);
    ck_assert_double_eq(f.exact, 0);
    ck_assert_double_eq_tol(f.f1, 2.0 / 3, 1e-12);
    /* by the tokens alone */
    row.answers = NULL;
    f = lm_span_find(LM_ANSWERS_SQUAD, &row, logits);
    ck_assert_double_eq(f.exact, 0);
    ck_assert_double_eq(f.f1, 0);
    answer[0] = 4;
    f = lm_span_find(LM_ANSWERS_SQUAD, &row, logits);
    ck_assert_double_eq_tol(f.f1, 2.0 * 2 / (3 + 2), 1e-12);
    /* not known, and none */
    answer[0] = answer[1] = -100;
    ck_assert(!lm_span_find(LM_ANSWERS_SQUAD, &row, logits).labelled);
    answer[0] = answer[1] = 0;
    json_t *none = json_pack("{s:[], s:[]}", "text", "answer_start");
    row.answers = none;
    f = lm_span_find(LM_ANSWERS_SQUAD, &row, logits);
    ck_assert(f.labelled && f.no_answer);
    json_decref(none);
    json_decref(answers);
    row.len = 0;
    ck_assert(!lm_span_find(LM_ANSWERS_SQUAD, &row, logits).any);
}
END_TEST

static double value_of(const lm_report *r, const char *name)
{
    double value = NAN;
    ck_assert_msg(lm_report_find(r, name, &value), "%s", name);
    return value;
}

START_TEST(windows_and_questions_without_answer)
{
    lm_measure_options how = {0};
    lm_outcomes *o = lm_outcomes_new(LM_MEASURE_SPAN, 2, NULL, &how);
    const struct {
        uint64_t number;
        lm_span_found found;
    } seen[] = {
        {0, {.labelled = true, .any = true, .score = 2, .null_score = 5, .no_answer = true, .exact = 0, .f1 = 0, .loss = 1}},
        {0, {.labelled = true, .any = true, .score = 4, .null_score = 3, .exact = 1, .f1 = 1, .loss = 3}}, /* the better window */
        {1, {.labelled = true, .any = true, .score = 1, .null_score = 0, .exact = 0, .f1 = 0.5, .loss = 2}},
    };
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        lm_outcomes_span(o, o->rows && o->number[o->rows - 1] == seen[i].number ? o->rows - 1
                                                                                : lm_outcomes_add(o, seen[i].number),
                         &seen[i].found);
    lm_report *r = lm_report_new();
    lm_outcomes_measure(o, NULL, false, r);
    ck_assert_double_eq(value_of(r, "exact_match"), 0.5);
    ck_assert_double_eq(value_of(r, "f1"), 0.75);
    ck_assert_double_eq(lm_outcomes_loss(o, NULL), 2);
    ck_assert(!lm_report_find(r, "no_answer_exact_match", &(double){0}));
    lm_report_free(r);
    /* one question has none, and that is said of it; and, wrongly, of another */
    lm_outcomes_span(o, lm_outcomes_add(o, 2),
                     &(lm_span_found){.labelled = true, .any = true, .score = 1, .null_score = 2, .no_answer = true, .f1 = 1});
    lm_outcomes_span(o, lm_outcomes_add(o, 3),
                     &(lm_span_found){.labelled = true, .any = true, .score = 1, .null_score = 2, .exact = 1, .f1 = 1});
    r = lm_report_new();
    lm_outcomes_measure(o, NULL, false, r);
    ck_assert_double_eq(value_of(r, "exact_match"), 2.0 / 4);
    ck_assert_double_eq(value_of(r, "f1"), 2.5 / 4);
    ck_assert_double_eq_tol(value_of(r, "has_answer_f1"), 1.5 / 3, 1e-12);
    ck_assert_double_eq(value_of(r, "no_answer_exact_match"), 1);
    lm_report_free(r);
    lm_outcomes_free(o);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("answers");
    TCase *t = tcase_create("answers");
    tcase_add_test(t, texts_are_normalised);
    tcase_add_test(t, words_in_common);
    tcase_add_test(t, korean_answers);
    tcase_add_test(t, the_best_span);
    tcase_add_test(t, windows_and_questions_without_answer);
    suite_add_tcase(s, t);
    return s;
}

UNIT_MAIN(suite)
