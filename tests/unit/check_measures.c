/* The measures that score reports, against scikit-learn's, SciPy's and seqeval's of the same tables (measures.json), each
 * row counted once or several times; and what the bootstrap draws. */
#include "unit.h"

#include "base/memory.h"
#include "metrics/bootstrap.h"
#include "metrics/outcomes.h"
#include "metrics/ranking.h"
#include "metrics/tally.h"
#include "model/config.h"
#include "stream/json_tree.h"

#include <math.h>
#include <string.h>

static json_t *open_tables(void)
{
    lm_status st = LM_STATUS_INIT;
    const char *source = getenv("abs_top_srcdir");
    char *path = lm_format("%s/tests/unit/measures.json", source ? source : "..");
    json_t *tables = lm_json_read(path, 0, &st);
    assert_ok(&st);
    free(path);
    return tables;
}

/* A config of so many classes, with names or without. */
static lm_config *new_config(int classes, const json_t *names)
{
    const char *all[64];
    static char usual[64][24];
    for (int k = 0; k < classes; k++) {
        snprintf(usual[k], sizeof usual[k], "LABEL_%d", k);
        all[k] = names ? json_string_value(json_array_get(names, (size_t)k)) : usual[k];
    }
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of("{}"), "config", &st);
    lm_config_set_labels(c, all, classes);
    return c;
}

/* How often each row counts; NULL = once. */
static uint32_t *times_of(const json_t *table)
{
    const json_t *list = json_object_get(table, "times");
    if (!json_is_array(list))
        return NULL;
    uint32_t *times = lm_calloc(json_array_size(list), sizeof *times);
    for (size_t i = 0; i < json_array_size(list); i++)
        times[i] = (uint32_t)json_integer_value(json_array_get(list, i));
    return times;
}

/* Every expected value is in the report, and is that. */
static void check(const lm_outcomes *o, const json_t *table, const uint32_t *times, double limit)
{
    lm_report *r = lm_report_new();
    lm_report_add(r, "loss", lm_outcomes_loss(o, times));
    lm_outcomes_measure(o, times, true, r);
    const char *name;
    json_t *expected;
    json_object_foreach(json_object_get(table, "expect"), name, expected)
    {
        double value = NAN;
        ck_assert_msg(lm_report_find(r, name, &value), "no %s", name);
        ck_assert_msg(fabs(value - json_number_value(expected)) <= limit, "%s of %s: %.17g, not %.17g", name,
                      lm_scheme_names[o->how.scheme], value, json_number_value(expected));
    }
    lm_report_free(r);
}

static void read_logits(const json_t *table, size_t row, float *logits, int classes)
{
    const json_t *list = json_array_get(json_object_get(table, "logits"), row);
    for (int k = 0; k < classes; k++)
        logits[k] = (float)json_number_value(json_array_get(list, (size_t)k));
}

START_TEST(classes_as_scikit_learn)
{
    json_t *tables = open_tables(), *table;
    size_t i;
    json_array_foreach(json_object_get(tables, "classes"), i, table)
    {
        int classes = (int)json_integer_value(json_object_get(table, "classes"));
        lm_config *c = new_config(classes, NULL);
        lm_outcomes *o = lm_outcomes_new(LM_MEASURE_CLASSES, classes, c, &(lm_measure_options){.ranks = true});
        const json_t *truth = json_object_get(table, "truth");
        for (size_t n = 0; n < json_array_size(truth); n++) {
            float logits[64];
            int class = (int)json_integer_value(json_array_get(truth, n));
            read_logits(table, n, logits, classes);
            size_t row = lm_outcomes_add(o, n);
            lm_outcomes_class(o, row, class, logits);
            o->loss[row] = lm_nll(logits, classes, class);
        }
        uint32_t *times = times_of(table);
        lm_outcomes_prepare(o);
        check(o, table, times, 1e-9);
        free(times);
        lm_outcomes_free(o);
        lm_config_free(c);
    }
    json_decref(tables);
}
END_TEST

START_TEST(several_classes_as_scikit_learn)
{
    json_t *tables = open_tables(), *table = json_array_get(json_object_get(tables, "several"), 0);
    const json_t *truths = json_object_get(table, "truth");
    int classes = (int)json_integer_value(json_object_get(table, "classes"));
    lm_config *c = new_config(classes, NULL);
    lm_outcomes *o = lm_outcomes_new(LM_MEASURE_MULTI_LABEL, classes, c, &(lm_measure_options){.ranks = true});
    for (size_t n = 0; n < json_array_size(truths); n++) {
        float logits[64];
        uint8_t truth[64];
        for (int k = 0; k < classes; k++)
            truth[k] = (uint8_t)json_integer_value(json_array_get(json_array_get(truths, n), (size_t)k));
        read_logits(table, n, logits, classes);
        lm_outcomes_classes(o, lm_outcomes_add(o, n), truth, logits);
    }
    lm_outcomes_prepare(o);
    check(o, table, NULL, 1e-9);
    lm_outcomes_free(o);
    lm_config_free(c);
    json_decref(tables);
}
END_TEST

START_TEST(numbers_as_scikit_learn_and_scipy)
{
    json_t *tables = open_tables(), *table;
    size_t i;
    json_array_foreach(json_object_get(tables, "numbers"), i, table)
    {
        const json_t *truth = json_object_get(table, "truth"), *estimates = json_object_get(table, "estimates");
        lm_outcomes *o = lm_outcomes_new(LM_MEASURE_VALUES, 1, NULL, &(lm_measure_options){0});
        for (size_t n = 0; n < json_array_size(truth); n++)
            lm_outcomes_value(o, lm_outcomes_add(o, n), json_number_value(json_array_get(truth, n)),
                              json_number_value(json_array_get(estimates, n)));
        uint32_t *times = times_of(table);
        lm_outcomes_prepare(o);
        check(o, table, times, 1e-12);
        free(times);
        lm_outcomes_free(o);
    }
    json_decref(tables);
}
END_TEST

START_TEST(entities_as_seqeval)
{
    json_t *tables = open_tables(), *table;
    size_t i;
    json_array_foreach(json_object_get(tables, "entities"), i, table)
    {
        const json_t *tags = json_object_get(table, "tags"), *truth = json_object_get(table, "truth");
        const char *scheme = json_string_value(json_object_get(table, "scheme"));
        lm_measure_options how = {0};
        while (strcmp(lm_scheme_names[how.scheme], scheme) != 0)
            how.scheme++;
        lm_config *c = new_config((int)json_array_size(tags), tags);
        lm_outcomes *o = lm_outcomes_new(LM_MEASURE_TAGS, (int)json_array_size(tags), c, &how);
        ck_assert(o->tags->entities && lm_tag_set_misfit(o->tags, how.scheme) < 0);
        for (size_t n = 0; n < json_array_size(truth); n++) {
            const json_t *row = json_array_get(truth, n),
                         *predicted = json_array_get(json_object_get(table, "predicted"), n);
            lm_outcomes_add(o, n);
            for (size_t t = 0; t < json_array_size(row); t++)
                lm_outcomes_token(o, (int32_t)json_integer_value(json_array_get(row, t)),
                                  (int32_t)json_integer_value(json_array_get(predicted, t)), 0);
        }
        lm_outcomes_prepare(o);
        check(o, table, NULL, 1e-12);
        /* all rows twice are the same measures */
        uint32_t *twice = lm_malloc(o->rows, sizeof *twice);
        for (size_t n = 0; n < o->rows; n++)
            twice[n] = 2;
        for (size_t n = 0; n < 2; n++) {
            double f1[2];
            lm_report *r = lm_report_new();
            lm_outcomes_measure(o, n ? twice : NULL, false, r);
            lm_report_find(r, "f1", &f1[n]);
            lm_report_free(r);
            ck_assert(n == 0 || f1[0] == f1[1]);
        }
        free(twice);
        lm_outcomes_free(o);
        lm_config_free(c);
    }
    json_decref(tables);
}
END_TEST

START_TEST(tags_that_are_no_entities)
{
    static const char *const words[] = {"NOUN", "VERB", "O"}, *const lone[] = {"B", "I", "O"};
    lm_tag_set *s = lm_tag_set_new(words, 3);
    ck_assert(!s->entities);
    lm_tag_set_free(s);
    s = lm_tag_set_new(lone, 3);
    ck_assert(s->entities && s->types == 1 && s->type[2] == -1);
    ck_assert_str_eq(s->type_names[0], "_");
    ck_assert_int_eq(lm_tag_set_misfit(s, LM_SCHEME_IOE2), 0);
    ck_assert_int_eq(lm_tag_set_misfit(s, LM_SCHEME_IOB2), -1);
    lm_tag_set_free(s);
}
END_TEST

START_TEST(rankings_at_the_edges)
{
    /* two rows of each class, scores tied across the classes: half of the pairs are in order */
    static const float tied[] = {1, 1, 1, 1}, apart[] = {0, 1, 2, 3};
    static const int32_t truth[] = {0, 0, 1, 1}, one[] = {1, 1, 1, 1};
    uint32_t *order = lm_ranking_order(apart, 4, 1, 0);
    lm_ranking r = {4, 1, 0, tied, one, NULL, order};
    r.truth = truth; /* class 0 holds the first two rows */
    ck_assert_double_eq_tol(lm_roc_auc(&r, NULL), 0.5, 1e-15);
    ck_assert_double_eq_tol(lm_average_precision(&r, NULL), 0.5, 1e-15);
    r.score = apart; /* and they score lowest */
    ck_assert_double_eq_tol(lm_roc_auc(&r, NULL), 0, 1e-15);
    ck_assert_double_eq_tol(lm_average_precision(&r, NULL), (1.0 / 3 + 2.0 / 4) / 2, 1e-15);
    r.truth = one; /* nothing is of class 0 */
    ck_assert(isnan(lm_roc_auc(&r, NULL)) && isnan(lm_average_precision(&r, NULL)));
    free(order);
}
END_TEST

typedef struct list {
    const double *x;
    size_t n;
} list;

static void mean_and_count(const void *context, const uint32_t *times, double *values)
{
    const list *l = context;
    double sum = 0;
    values[1] = 0;
    for (size_t i = 0; i < l->n; i++) {
        sum += times[i] * l->x[i];
        values[1] += times[i];
    }
    values[0] = sum / values[1];
}

/* The bootstrap of a mean: its spread is the standard error, and the interval of 95 % is about 1.96 of these wide to
 * either side. */
START_TEST(bootstrap_of_a_mean)
{
    enum { N = 400, RESAMPLES = 2000 };
    double x[N], mean = 0, square = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (double)((i * 7919) % N) / N;
        mean += x[i] / N;
        square += x[i] * x[i] / N;
    }
    list l = {x, N};
    double *values = lm_bootstrap(N, RESAMPLES, 42, 2, mean_and_count, &l), error = sqrt((square - mean * mean) / N);
    for (int b = 0; b < RESAMPLES; b++)
        ck_assert(values[2 * b + 1] == N);
    lm_interval ci = lm_bootstrap_interval(values, RESAMPLES, 2, 0, 0.95);
    ck_assert_double_eq_tol(ci.low, mean - 1.96 * error, 0.2 * error);
    ck_assert_double_eq_tol(ci.high, mean + 1.96 * error, 0.2 * error);
    /* another time, and another seed */
    double *again = lm_bootstrap(N, RESAMPLES, 42, 2, mean_and_count, &l);
    ck_assert(memcmp(values, again, sizeof *values * 2 * RESAMPLES) == 0);
    free(again);
    again = lm_bootstrap(N, RESAMPLES, 43, 2, mean_and_count, &l);
    ck_assert(memcmp(values, again, sizeof *values * 2 * RESAMPLES) != 0);
    free(again);
    free(values);
}
END_TEST

START_TEST(intervals_and_p_values)
{
    /* quantiles as numpy interpolates them */
    const double x[] = {5, 1, 4, 2, 3};
    lm_interval ci = lm_bootstrap_interval(x, 5, 1, 0, 0.5);
    ck_assert(ci.low == 2 && ci.high == 4);
    ci = lm_bootstrap_interval(x, 5, 1, 0, 0.9);
    ck_assert_double_eq_tol(ci.low, 1.2, 1e-12);
    ck_assert_double_eq_tol(ci.high, 4.8, 1e-12);
    const double holes[] = {NAN, 2, NAN, 4}, none[] = {NAN, NAN};
    ci = lm_bootstrap_interval(holes, 4, 1, 0, 0.5);
    ck_assert(ci.low == 2.5 && ci.high == 3.5);
    ck_assert(isnan(lm_bootstrap_interval(none, 2, 1, 0, 0.5).low));
    /* mean 3; three of five are at least 1 away from it, one of five at least 2 ... */
    ck_assert_double_eq_tol(lm_bootstrap_p(x, 5, 1, 0, 1), 5.0 / 6, 1e-12);
    ck_assert_double_eq_tol(lm_bootstrap_p(x, 5, 1, 0, -2), 3.0 / 6, 1e-12);
    ck_assert_double_eq_tol(lm_bootstrap_p(x, 5, 1, 0, 3), 1.0 / 6, 1e-12);
    ck_assert(isnan(lm_bootstrap_p(none, 2, 1, 0, 1)));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("measures");
    TCase *c = tcase_create("measures");
    tcase_add_test(c, classes_as_scikit_learn);
    tcase_add_test(c, several_classes_as_scikit_learn);
    tcase_add_test(c, numbers_as_scikit_learn_and_scipy);
    tcase_add_test(c, entities_as_seqeval);
    tcase_add_test(c, tags_that_are_no_entities);
    tcase_add_test(c, rankings_at_the_edges);
    tcase_add_test(c, bootstrap_of_a_mean);
    tcase_add_test(c, intervals_and_p_values);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
