#include "unit.h"

#include "metrics/metrics.h"
#include "metrics/report.h"

#include <math.h>

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-12)

/* Expected values are worked out by hand from the definitions in scikit-learn's user guide ("Metrics and
 * scoring"). */

/* truth 0 0 0 1 1 2 2 2 2 2, predictions 0 0 1 1 2 2 2 2 0 0 */
static lm_confusion *three_classes(void)
{
    static const int truth[] = {0, 0, 0, 1, 1, 2, 2, 2, 2, 2}, predicted[] = {0, 0, 1, 1, 2, 2, 2, 2, 0, 0};
    lm_confusion *c = lm_confusion_new(3);
    for (int i = 0; i < 10; i++)
        lm_confusion_add(c, truth[i], predicted[i]);
    return c;
}

START_TEST(classes)
{
    lm_confusion *c = three_classes();
    NEAR(lm_confusion_accuracy(c), 0.6);
    lm_prf zero = lm_confusion_class(c, 0), one = lm_confusion_class(c, 1), two = lm_confusion_class(c, 2);
    NEAR(zero.precision, 2.0 / 4);
    NEAR(zero.recall, 2.0 / 3);
    NEAR(zero.f1, 4.0 / 7);
    NEAR(one.precision, 1.0 / 2);
    NEAR(one.recall, 1.0 / 2);
    NEAR(two.precision, 3.0 / 4);
    NEAR(two.recall, 3.0 / 5);
    NEAR(two.f1, 2.0 / 3);
    ck_assert_uint_eq(two.support, 5);
    lm_prf macro = lm_confusion_average(c, LM_MACRO), micro = lm_confusion_average(c, LM_MICRO);
    lm_prf weighted = lm_confusion_average(c, LM_WEIGHTED);
    NEAR(macro.f1, (4.0 / 7 + 1.0 / 2 + 2.0 / 3) / 3);
    NEAR(macro.precision, (0.5 + 0.5 + 0.75) / 3);
    NEAR(macro.recall, (2.0 / 3 + 0.5 + 0.6) / 3);
    NEAR(micro.f1, 0.6);
    NEAR(micro.precision, 0.6);
    NEAR(weighted.f1, (3 * 4.0 / 7 + 2 * 0.5 + 5 * 2.0 / 3) / 10);
    NEAR(weighted.recall, 0.6);
    /* (c s - t.p) / sqrt((s^2 - p.p)(s^2 - t.t)): c 6, s 10, t 3 2 5, p 4 2 4 */
    NEAR(lm_confusion_mcc(c), (60.0 - 36) / sqrt((100.0 - 36) * (100 - 38)));
    lm_confusion_free(c);
}
END_TEST

START_TEST(absent_classes_do_not_count)
{
    lm_confusion *c = lm_confusion_new(4); /* class 2 occurs nowhere, class 3 is only predicted */
    NEAR(lm_confusion_accuracy(c), 0);
    NEAR(lm_confusion_mcc(c), 0);
    NEAR(lm_confusion_average(c, LM_MACRO).f1, 0);
    lm_confusion_add(c, 0, 0);
    NEAR(lm_confusion_mcc(c), 0); /* one class on both sides */
    lm_confusion_add(c, 1, 3);
    lm_prf macro = lm_confusion_average(c, LM_MACRO);
    NEAR(macro.f1, 1.0 / 3);
    NEAR(macro.precision, 1.0 / 3);
    NEAR(lm_confusion_class(c, 1).f1, 0);
    NEAR(lm_confusion_class(c, 2).precision, 0);
    lm_confusion_free(c);
}
END_TEST

START_TEST(binary_mcc)
{
    /* tp 3, fn 1, fp 1, tn 2: the usual formula for two classes */
    static const int cells[4][3] = {{1, 1, 3}, {1, 0, 1}, {0, 1, 1}, {0, 0, 2}};
    lm_confusion *c = lm_confusion_new(2);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < cells[i][2]; k++)
            lm_confusion_add(c, cells[i][0], cells[i][1]);
    }
    NEAR(lm_confusion_mcc(c), (3.0 * 2 - 1) / sqrt(4.0 * 4 * 3 * 3));
    lm_confusion_free(c);
}
END_TEST

START_TEST(several_labels)
{
    static const uint8_t truth[4][3] = {{1, 0, 1}, {0, 1, 0}, {1, 1, 0}, {0, 0, 0}};
    static const uint8_t predicted[4][3] = {{1, 0, 0}, {0, 1, 0}, {1, 0, 0}, {0, 0, 1}};
    lm_multi_label *m = lm_multi_label_new(3);
    for (int i = 0; i < 4; i++)
        lm_multi_label_add(m, truth[i], predicted[i]);
    NEAR(lm_multi_label_accuracy(m), 0.25);
    NEAR(lm_multi_label_hamming(m), 3.0 / 12);
    NEAR(lm_multi_label_class(m, 0).f1, 1);
    NEAR(lm_multi_label_class(m, 1).recall, 0.5);
    NEAR(lm_multi_label_class(m, 2).f1, 0);
    lm_prf micro = lm_multi_label_average(m, LM_MICRO), macro = lm_multi_label_average(m, LM_MACRO);
    NEAR(micro.precision, 3.0 / 4);
    NEAR(micro.recall, 3.0 / 5);
    NEAR(micro.f1, 6.0 / 9);
    NEAR(macro.f1, (1 + 2.0 / 3 + 0) / 3);
    NEAR(lm_multi_label_average(m, LM_WEIGHTED).f1, (2 * 1 + 2 * 2.0 / 3) / 5);
    lm_multi_label_free(m);
}
END_TEST

START_TEST(numbers)
{
    static const double t[] = {3, -0.5, 2, 7}, p[] = {2.5, 0.0, 2, 8};
    NEAR(lm_mean_squared_error(t, p, NULL, 4), 0.375);
    NEAR(lm_mean_absolute_error(t, p, NULL, 4), 0.5);
    NEAR(lm_r2(t, p, NULL, 4), 1 - 1.5 / 29.1875); /* scikit-learn's documented example: 0.948... */
    static const double x[] = {1, 2, 3, 4, 5}, y[] = {5, 6, 7, 8, 7};
    NEAR(lm_spearman(x, y, NULL, NULL, NULL, 5), 0.82078268166812329); /* SciPy's documented example */
    NEAR(lm_pearson(x, y, NULL, 5), 6 / sqrt(10 * 5.2));
    NEAR(lm_pearson(x, x, NULL, 5), 1);
    static const double flat[] = {2, 2, 2, 2, 2}, down[] = {9, 7, 5, 3, 1};
    NEAR(lm_pearson(x, flat, NULL, 5), 0);
    NEAR(lm_spearman(flat, x, NULL, NULL, NULL, 5), 0);
    NEAR(lm_spearman(x, down, NULL, NULL, NULL, 5), -1);
    NEAR(lm_r2(flat, x, NULL, 5), 0);
    NEAR(lm_mean_squared_error(t, p, NULL, 0), 0);
    NEAR(lm_pearson(t, p, NULL, 0), 0);
    static const double broken[] = {1, NAN, 3, 4, 5}, endless[] = {1, 2, INFINITY, 4, 5};
    ck_assert(isnan(lm_pearson(x, broken, NULL, 5)) && isnan(lm_spearman(x, broken, NULL, NULL, NULL, 5)));
    ck_assert(isnan(lm_mean_squared_error(x, endless, NULL, 5)) && isnan(lm_spearman(endless, x, NULL, NULL, NULL, 5)));
}
END_TEST

START_TEST(scale_does_not_cost_digits)
{
    double x[100], y[100], small_x[100], small_y[100];
    for (int i = 0; i < 100; i++) {
        x[i] = sin(i) * 1e6;
        y[i] = cos(3 * i) * 1e6 + x[i];
        small_x[i] = x[i] * 1e-18;
        small_y[i] = y[i] * 1e-18;
    }
    NEAR(lm_pearson(x, y, NULL, 100), lm_pearson(small_x, small_y, NULL, 100));
    double big = lm_mean_squared_error(x, y, NULL, 100), small = lm_mean_squared_error(small_x, small_y, NULL, 100);
    ck_assert_double_eq_tol(small / big * 1e36, 1, 1e-12);
}
END_TEST

START_TEST(order_does_not_matter)
{
    double x[1000], y[1000], u[1000], v[1000];
    lm_exact_sum a = {0}, b = {0};
    for (int i = 0; i < 1000; i++) {
        x[i] = sin(i * i) * (i % 7 ? 1 : 1e5);
        y[i] = x[i] + cos(i);
        u[999 - i] = x[i];
        v[999 - i] = y[i];
    }
    for (int i = 0; i < 1000; i++) {
        lm_sum_add(&a, x[i]);
        lm_sum_add(&b, u[i]);
    }
    ck_assert(lm_sum_total(&a) == lm_sum_total(&b) && lm_sum_mean(&a) == lm_sum_mean(&b));
    ck_assert(lm_pearson(x, y, NULL, 1000) == lm_pearson(u, v, NULL, 1000));
    ck_assert(lm_spearman(x, y, NULL, NULL, NULL, 1000) == lm_spearman(u, v, NULL, NULL, NULL, 1000));
    ck_assert(lm_mean_squared_error(x, y, NULL, 1000) == lm_mean_squared_error(u, v, NULL, 1000));
}
END_TEST

START_TEST(sums_say_when_they_break)
{
    lm_exact_sum s = {0};
    NEAR(lm_sum_mean(&s), 0);
    lm_sum_add(&s, 0.1);
    lm_sum_add(&s, 0.2);
    NEAR(lm_sum_total(&s), 0.3);
    lm_exact_sum huge = s;
    lm_sum_add(&huge, 0x1p61);
    ck_assert(isnan(lm_sum_total(&huge)));
    lm_exact_sum over = {0};
    for (int i = 0; i < 200; i++)
        lm_sum_add(&over, 0x1.fp59);
    ck_assert(isnan(lm_sum_mean(&over)));
    lm_sum_add(&s, NAN);
    ck_assert(isnan(lm_sum_total(&s)));
    NEAR(lm_perplexity(log(20)), 20);
}
END_TEST

START_TEST(reports)
{
    lm_report *r = lm_report_new();
    lm_report_count(r, "rows", 12345678901);
    lm_report_add(r, "f1[a\\tb]", 1.0 / 3);
    lm_report_add(r, "f1[a\tb]", NAN);
    json_t *list = json_array();
    lm_report_detail(r, "labels", list);
    lm_buf out = {0};
    lm_report_print(r, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "rows\t12345678901\nf1[a\\tb]\t0.333333\nf1[a b]\tnan\n");
    double v;
    ck_assert(lm_report_find(r, "rows", &v) && v == 12345678901.0 && !lm_report_find(r, "row", &v));
    ck_assert_uint_eq(lm_report_size(r), 3);
    ck_assert_str_eq(lm_report_at(r, 0, &v), "rows");
    ck_assert_ptr_null(lm_report_at(r, 3, &v));
    json_t *json = lm_report_json(r);
    ck_assert(json_is_integer(json_object_get(json, "rows")) &&
              json_is_array(json_object_get(json, "labels")));
    ck_assert(json_is_null(json_object_get(json, "f1[a\tb]")));
    json_decref(json);
    lm_buf_free(&out);
    lm_report_free(r);
}
END_TEST

/* `n` classes NAME0, NAME1 ...; row i has i of class k for each k. */
static char *confusion_of(int n, const char *name)
{
    lm_report *r = lm_report_new();
    json_t *labels = json_array(), *rows = json_array();
    for (int i = 0; i < n; i++) {
        char label[64];
        snprintf(label, sizeof label, "%s%d", name, i);
        json_array_append_new(labels, json_string(label));
        json_t *row = json_array();
        for (int k = 0; k < n; k++)
            json_array_append_new(row, json_integer(i));
        json_array_append_new(rows, row);
    }
    lm_report_detail(r, "labels", labels);
    lm_report_detail(r, "confusion_matrix", rows);
    lm_buf out = {0};
    lm_report_print_confusion(r, &out);
    lm_report_drop_details(r);
    ck_assert_ptr_null(lm_report_detail_of(r, "labels"));
    lm_report_free(r);
    char *text = strdup(strstr(lm_buf_cstr(&out), "\n\n") + 2);
    lm_buf_free(&out);
    return text;
}

START_TEST(confusion_for_people)
{
    char *text = confusion_of(2, "가\t"); /* takes two columns of a terminal and one; no tab breaks the line */
    ck_assert_str_eq(text, "      가 0  가 1  recall\n"
                           "가 0     0     0       -\n"
                           "가 1     1     1   50.0%\n");
    free(text);
    text = confusion_of(11, "a-name-of-some-length-"); /* too many for names: numbers, which the rows have too */
    ck_assert_msg(strspn(text, " ") == 30 && strncmp(text + 30, "0   1   2", 9) == 0, "%s", text);
    ck_assert_msg(strstr(text, "\n 9 a-name-of-some-length-9    9") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\n10 a-name-of-some-length-10  10  10") != NULL, "%s", text);
    free(text);
    lm_report *r = lm_report_new();
    lm_buf out = {0};
    lm_report_print_confusion(r, &out);
    ck_assert_uint_eq(out.len, 0);
    lm_report_free(r);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("metrics");
    TCase *c = tcase_create("metrics");
    tcase_add_test(c, classes);
    tcase_add_test(c, absent_classes_do_not_count);
    tcase_add_test(c, binary_mcc);
    tcase_add_test(c, several_labels);
    tcase_add_test(c, numbers);
    tcase_add_test(c, scale_does_not_cost_digits);
    tcase_add_test(c, order_does_not_matter);
    tcase_add_test(c, sums_say_when_they_break);
    tcase_add_test(c, reports);
    tcase_add_test(c, confusion_for_people);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
