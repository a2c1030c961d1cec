#include "unit.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "stream/lms.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads a whole LMS input. Returns the status's code; counts what came. */
static int read_all(lm_input *in, uint64_t *records, uint64_t *examples, lm_status *st)
{
    lm_record record;
    *records = *examples = 0;
    lm_lms_reader *r = lm_lms_reader_new(in, st);
    if (!r)
        return st->code;
    while (lm_lms_next(r, &record, st) > 0)
        ;
    *records = lm_lms_reader_records(r);
    *examples = lm_lms_reader_examples(r);
    lm_lms_reader_free(r);
    return st->code;
}

/* What the message of each refused golden has to say. */
static const struct {
    const char *name, *says;
} reasons[] = {
    {"bad-cut-header", "inside a header"},
    {"bad-cut-payload", "inside a payload"},
    {"bad-no-end", "without an end record"},
    {"bad-abort", "invalid UTF-8"},
    {"bad-bitflip", "digest"},
    {"bad-count", "records, the end record says"},
    {"bad-newer", "newer"},
    {"bad-kind", "unknown kind"},
    {"bad-json", "not JSON"},
    {"bad-utf8", "UTF-8"},
    {"bad-deep", "nested"},
    {"bad-long-header", "more than"},
    {"bad-overlap", "overlaps"},
    {"bad-hole", "hole"},
    {"bad-beyond", "within the payload"},
    {"bad-negative", "within the payload"},
    {"bad-shape-lies", "shape makes"},
    {"bad-shape-overflow", "shape is not possible"},
    {"bad-dtype", "unknown dtype"},
    {"bad-bytes-huge", "`bytes`"},
    {"bad-bytes-negative", "`bytes`"},
    {"bad-pad", "pad"},
    {"bad-splits-decrease", "decrease"},
    {"bad-splits-last", "row splits end"},
    {"bad-splits-count", "row splits for n"},
    {"bad-labels-count", "`labels` has 2 values for n = 1"},
    {"bad-must", "must"},
    {"bad-duplicate", "twice"},
    {"bad-second-preamble", "preamble inside"},
    {"bad-mixed-kinds", "cannot be concatenated"},
    {"bad-trailing", "what follows the end record is no stream"},
};

static void check_golden(const char *dir, const char *file, json_t *expected)
{
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/goldens/lms/%s", dir, file);
    uint64_t records, examples;
    lm_input *in = lm_input_open(path, &st);
    assert_ok(&st);
    int code = read_all(in, &records, &examples, &st);
    if (json_is_true(json_object_get(expected, "ok"))) {
        ck_assert_msg(lm_ok(&st), "%s: %s", file, st.message);
        ck_assert_int_eq((int)records, (int)json_integer_value(json_object_get(expected, "records")));
        ck_assert_int_eq((int)examples, (int)json_integer_value(json_object_get(expected, "examples")));
    } else {
        json_t *exit_status = json_object_get(expected, "exit");
        ck_assert_msg(code == (exit_status ? json_integer_value(exit_status) : LM_FAILED), "%s: %d: %s", file, code,
                      st.message);
        bool said = false;
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
            if (!strncmp(file, reasons[i].name, strlen(reasons[i].name)) &&
                file[strlen(reasons[i].name)] == '.') {
                said = true;
                ck_assert_msg(strstr(st.message, reasons[i].says) != NULL, "%s: %s", file, st.message);
            }
        ck_assert_msg(said, "%s: no reason is known", file);
    }
    lm_input_close(in);
    free(path);
}

START_TEST(goldens)
{
    const char *dir = unit_testdata(), *file;
    if (!dir) {
        fprintf(stderr, "check_stream: SKIP goldens: LMUTILS_TESTDATA is not set\n");
        return;
    }
    char *path = lm_format("%s/goldens/lms/expected.json", dir);
    json_t *all = json_load_file(path, 0, NULL), *expected;
    ck_assert_ptr_nonnull(all);
    ck_assert_uint_eq(json_object_size(all), 40);
    json_object_foreach(all, file, expected)
        if (!strstr(file, ".jsonl"))
            check_golden(dir, file, expected);
    json_decref(all);
    free(path);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("stream");
    TCase *c = tcase_create("lms");
    tcase_add_test(c, goldens);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
