#include "scratch.h"
#include "unit.h"

#include "base/memory.h"
#include "base/python_float.h"
#include "model/config.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

static lm_config *config_of(const char *json)
{
    lm_status st = LM_STATUS_INIT;
    lm_config *c = lm_config_parse(lm_str_of(json), "c", &st);
    assert_ok(&st);
    return c;
}

START_TEST(floats_as_python_prints_them)
{
    static const struct {
        double value;
        const char *text;
    } table[] = {{0.1, "0.1"},
                 {1e-12, "1e-12"},
                 {0, "0.0"},
                 {1, "1.0"},
                 {-0.5, "-0.5"},
                 {1e-5, "1e-05"},
                 {0.0001, "0.0001"},
                 {500000, "500000.0"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1.5e300, "1.5e+300"},
                 {0.02, "0.02"},
                 {1.0 / 3, "0.3333333333333333"},
                 {5e-324, "5e-324"},
                 {123456.789, "123456.789"},
                 {9007199254740993.0, "9007199254740992.0"},
                 {-0.0, "-0.0"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        lm_buf out = {0};
        lm_python_float(table[i].value, &out);
        ck_assert_str_eq(lm_buf_cstr(&out), table[i].text);
        lm_buf_free(&out);
    }
}
END_TEST

START_TEST(json_as_python_prints_it)
{
    lm_config *c =
        config_of("{\"b\":[],\"a\":{},\"id2label\":{\"10\":\"k\",\"9\":\"j\",\"0\":\"a\",\"1\":\"b\","
                  "\"2\":\"c\",\"3\":\"d\",\"4\":\"e\",\"5\":\"f\",\"6\":\"g\",\"7\":\"h\",\"8\":\"i\"},"
                  "\"s\":\"\\u00e9\\ud83d\\ude00\\\"\\n\\u0001\\u007f/\",\"l\":[1,true,null,[2.0]]}");
    lm_buf out = {0};
    lm_config_print(c, &out);
    ck_assert_str_eq(
        lm_buf_cstr(&out),
        "{\n  \"a\": {},\n  \"b\": [],\n  \"id2label\": {\n    \"0\": \"a\",\n    \"1\": \"b\",\n"
        "    \"2\": \"c\",\n    \"3\": \"d\",\n    \"4\": \"e\",\n    \"5\": \"f\",\n    \"6\": \"g\",\n"
        "    \"7\": \"h\",\n    \"8\": \"i\",\n    \"9\": \"j\",\n    \"10\": \"k\"\n  },\n"
        "  \"l\": [\n    1,\n    true,\n    null,\n    [\n      2.0\n    ]\n  ],\n"
        "  \"s\": \"\\u00e9\\ud83d\\ude00\\\"\\n\\u0001\x7f/\"\n}\n");
    lm_buf_free(&out);
    lm_config_free(c);
}
END_TEST

START_TEST(config_getters)
{
    lm_config *c =
        config_of("{\"i\":3,\"f\":0.5,\"b\":true,\"s\":\"x\",\"n\":null,\"neg\":-1,\"big\":2147483648,"
                  "\"act\":\"gelu_new\",\"odd\":\"mish\"}");
    lm_status st = LM_STATUS_INIT;
    ck_assert_int_eq(lm_config_int(c, "i", 9), 3);
    ck_assert_int_eq(lm_config_int(c, "absent", 9), 9);
    ck_assert_int_eq(lm_config_int(c, "n", 9), 9);
    ck_assert_double_eq(lm_config_float(c, "f", 1), 0.5);
    ck_assert_double_eq(lm_config_float(c, "i", 1), 3);
    ck_assert(lm_config_bool(c, "b", false) && lm_config_bool(c, "absent", true));
    ck_assert_str_eq(lm_config_string(c, "s", "y"), "x");
    ck_assert_ptr_null(lm_config_string(c, "n", NULL));
    ck_assert(lm_config_has(c, "i") && !lm_config_has(c, "n") && !lm_config_has(c, "absent"));
    ck_assert_int_eq(lm_config_activation(c, "act", "gelu"), LM_GELU_TANH);
    ck_assert_int_eq(lm_config_activation(c, "absent", "relu"), LM_RELU);
    ck_assert_int_eq(*(int *)lm_config_alloc(c, sizeof(int)), 0);
    ck_assert(!lm_config_failed(c, &st));
    lm_config_int(c, "neg", 0);
    lm_config_int(c, "s", 0);
    ck_assert_int_eq(lm_config_int(c, "i", 9), 9); /* after a failure every getter gives its fallback */
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "c: neg: an integer");
    lm_config_int(c, "big", 0);
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "big");
    lm_config_int(c, "f", 0);
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "f: an integer");
    lm_config_bool(c, "i", true);
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "i: true or false");
    lm_config_float(c, "s", 0);
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "s: a number");
    lm_config_string(c, "i", "");
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "i: a string");
    lm_config_activation(c, "odd", "gelu");
    ck_assert(lm_config_failed(c, &st));
    assert_says(&st, "unknown activation \"mish\": known are gelu");
    lm_config_free(c);
}
END_TEST

START_TEST(config_labels)
{
    lm_config *c = config_of("{}");
    lm_status st = LM_STATUS_INIT;
    ck_assert_int_eq(lm_config_labels(c), 2);
    ck_assert_str_eq(lm_config_label(c, 1), "LABEL_1");
    ck_assert_ptr_null(lm_config_label(c, 2));
    ck_assert_ptr_null(lm_config_label(c, -1));
    lm_config_set_labels(c, (const char *[]){"no", "yes", "perhaps"}, 3);
    ck_assert_int_eq(lm_config_labels(c), 3);
    ck_assert_int_eq(lm_config_label_id(c, lm_str_of("perhaps")), 2);
    ck_assert_int_eq(lm_config_label_id(c, lm_str_of("LABEL_0")), -1);
    lm_config_set_labels(c, (const char *[]){"LABEL_0", "LABEL_1"}, 2);
    lm_buf out = {0};
    lm_config_print(c, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "{}\n");
    lm_buf_free(&out);
    lm_config_free(c);
    c = config_of("{\"num_labels\":5}");
    ck_assert_int_eq(lm_config_labels(c), 5);
    ck_assert_str_eq(lm_config_label(c, 4), "LABEL_4");
    lm_config_free(c);
    static const char *const bad[] = {"{\"num_labels\":-1}", "{\"num_labels\":99999999}",
                                      "{\"id2label\":{\"1\":\"a\"}}", "{\"id2label\":{\"0\":1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c = config_of(bad[i]);
        ck_assert_msg(lm_config_failed(c, &st), "%s", bad[i]);
        lm_status_clear(&st);
        lm_config_free(c);
    }
}
END_TEST

START_TEST(bad_configs_are_refused)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "3",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":01}",
                                      "{} x",
                                      "{\"\xff\":1}",
                                      "{\"a\":1e999}",
                                      "{\"a\":123456789012345678901234567890}"};
    lm_status st = LM_STATUS_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!lm_config_parse(lm_str_of(bad[i]), "c", &st), "accepted: %s", bad[i]);
        assert_says(&st, "c:");
    }
    lm_buf deep = {0};
    for (int i = 0; i < 100000; i++)
        lm_buf_puts(&deep, "{\"a\":");
    ck_assert_ptr_null(lm_config_parse(lm_buf_str(&deep), "c", &st));
    lm_buf_free(&deep);
}
END_TEST

static void assert_prints(const char *dir, const char *read, const char *print)
{
    lm_status st = LM_STATUS_INIT;
    char *file = lm_format("%s/%s", dir, read);
    lm_config *c = lm_config_read(file, &st);
    assert_ok(&st);
    lm_buf out = {0};
    lm_config_print(c, &out);
    lm_str want = scratch_read(dir, print);
    /* Llama's own default, which the fifth version does not write */
    static const char null_scaling[] = "  \"rope_scaling\": null,\n";
    char *extra = strcmp(read, print) ? strstr(want.data, null_scaling) : NULL;
    if (extra)
        memmove(extra, extra + strlen(null_scaling), strlen(extra + strlen(null_scaling)) + 1);
    ck_assert_str_eq(lm_buf_cstr(&out), want.data);
    free((char *)want.data);
    free(file);
    lm_buf_free(&out);
    lm_config_free(c);
}

START_TEST(configs_are_printed_as_transformers_does)
{
    char *models = data_path("goldens/models");
    if (!models)
        return;
    DIR *d = opendir(models);
    int n = 0, fifth = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        char *dir = lm_format("%s/%s", models, e->d_name), *new = lm_format("%s/config_v5.json", dir);
        assert_prints(dir, "config.json", "config.json");
        if (access(new, F_OK) == 0) {
            assert_prints(dir, "config_v5.json", "config.json");
            fifth++;
        }
        n++;
        free(dir);
        free(new);
    }
    closedir(d);
    free(models);
    ck_assert_int_ge(n, 30);
    ck_assert_int_eq(fifth, 6);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("config");
    TCase *c = tcase_create("config");
    tcase_add_test(c, floats_as_python_prints_them);
    tcase_add_test(c, json_as_python_prints_it);
    tcase_add_test(c, config_getters);
    tcase_add_test(c, config_labels);
    tcase_add_test(c, bad_configs_are_refused);
    tcase_add_test(c, configs_are_printed_as_transformers_does);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
