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
                ck_assert_msg(!strncmp(st.message, path, strlen(path)), "%s: %s", file, st.message);
                /* the name itself holds words of the reason */
                ck_assert_msg(strstr(st.message + strlen(path), reasons[i].says) != NULL, "%s: %s", file, st.message);
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

/* ---------------------------------------------------------------------------------------------------- damage */

static lm_buf slurp(int fd)
{
    lm_buf b = {0};
    char chunk[4096];
    ssize_t n;
    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        lm_buf_append(&b, chunk, (size_t)n);
    return b;
}

/* A small stream with all that a stream may have. */
static lm_buf make_stream(lm_lms_kind kind)
{
    lm_status st = LM_STATUS_INIT;
    char path[] = "/tmp/check_stream.XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    lm_lms_writer *w = lm_lms_writer_new(fd, "t", kind, NULL, NULL, "test", &st);
    if (kind == LM_KIND_TEXT) {
        static const char *const lines[] = {"\"text\":\"one\"", "\"text\":\"\",\"label\":\"a\",\"fields\":{\"x\":[1,{}]}"};
        for (int i = 0; i < 2; i++)
            lm_lms_write_members(w, lm_str_of(lines[i]), 1, NULL, 0, &st);
        lm_lms_write_flush(w, &st);
    } else if (kind == LM_KIND_TOKENS) {
        static const int32_t ids[] = {5, 6, 7}, splits[] = {0, 1, 3};
        static const uint8_t types[] = {0, 0, 1};
        const lm_column c[] = {
            {.name = "types", .dtype = LM_U8, .shape = {1, {3}}, .data = types, .bytes = 3},
            {.name = "ids", .dtype = LM_I32, .shape = {1, {3}}, .data = ids, .bytes = 12},
            {.name = "ids.splits", .dtype = LM_I32, .shape = {1, {3}}, .data = splits, .bytes = 12},
        };
        lm_lms_write_members(w, lm_str_of("\"n\":2,\"labels\":[\"a\",\"b\"]"), 2, c, 3, &st);
        lm_lms_write_members(w, lm_str_of("\"note\":true"), 0, NULL, 0, &st);
    } else {
        static const float x[] = {1, 2, 3, 4, 5, 6};
        const lm_column c = {.name = "w", .dtype = LM_F32, .shape = {2, {2, 3}}, .data = x, .bytes = sizeof x};
        json_t *file = json_pack("{s:s}", "file", "config.json");
        lm_lms_write_bytes(w, file, lm_str_of("{\"model_type\":\"bert\"}"), &st);
        json_decref(file);
        lm_lms_write_members(w, lm_str_of("\"index\":{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3]}}"), 0, NULL, 0, &st);
        lm_lms_write_members(w, lm_str_of("\"part\":[0,2,4]"), 0, &c, 1, &st);
    }
    ck_assert(lm_lms_writer_close(w, &st));
    assert_ok(&st);
    lm_lms_writer_free(w);
    lm_buf b = slurp(fd);
    close(fd);
    return b;
}

static int read_bytes(const char *bytes, size_t n, lm_status *st)
{
    /* memory of exactly that size, so that a sanitizer sees a byte too many */
    char *copy = lm_malloc(n, 1);
    uint64_t records, examples;
    memcpy(copy, bytes, n);
    lm_input *in = lm_input_memory(copy, n, "t");
    *st = (lm_status)LM_STATUS_INIT;
    int code = read_all(in, &records, &examples, st);
    lm_input_close(in);
    free(copy);
    return code;
}

START_TEST(cut_anywhere)
{
    lm_status st;
    lm_buf b = make_stream((lm_lms_kind)_i);
    ck_assert_int_eq(read_bytes(b.data, b.len, &st), LM_OK);
    ck_assert_uint_eq(b.len % 64, 0);
    for (size_t n = 0; n < b.len; n++) {
        int code = read_bytes(b.data, n, &st);
        ck_assert_msg(code == LM_ENDED, "cut at %zu: %d: %s", n, code, st.message);
        ck_assert_msg(n == 0 || strstr(st.message, "t: the stream ends"), "cut at %zu: %s", n, st.message);
    }
    lm_buf_free(&b);
}
END_TEST

/* Any byte changed to any other is found; nothing crashes. */
START_TEST(one_byte_wrong)
{
    lm_status st;
    lm_buf b = make_stream((lm_lms_kind)_i);
    for (size_t i = 0; i < b.len; i++) {
        char right = b.data[i];
        for (int v = 1; v < 256; v++) {
            b.data[i] = (char)(right ^ v);
            ck_assert_msg(read_bytes(b.data, b.len, &st) != LM_OK, "byte %zu as %02x is accepted", i,
                          (unsigned char)b.data[i]);
        }
        b.data[i] = right;
    }
    lm_buf_free(&b);
}
END_TEST

START_TEST(concatenated)
{
    lm_status st;
    lm_buf b = make_stream((lm_lms_kind)_i);
    size_t n = b.len;
    lm_buf_reserve(&b, n); /* appending a buffer to itself */
    lm_buf_append(&b, b.data, n);
    ck_assert_int_eq(read_bytes(b.data, b.len, &st), LM_OK);
    lm_buf other = make_stream((lm_lms_kind)((_i + 1) % 3));
    lm_buf_append(&b, other.data, other.len);
    ck_assert_int_eq(read_bytes(b.data, b.len, &st), LM_FAILED);
    ck_assert_msg(strstr(st.message, "cannot be concatenated") != NULL, "%s", st.message);
    lm_buf_free(&other);
    lm_buf_free(&b);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- rules */

/* A stream of one record with this header (padded here) and payload. */
static int read_record(const char *header, const char *payload, size_t n, lm_status *st)
{
    lm_buf b = {0};
    lm_buf_printf(&b, "%-127s\n%-255s\n", "{\"lms\":1,\"kind\":\"tokens\"}", header);
    if (payload) {
        lm_buf_append(&b, payload, n);
        for (size_t pad = 63 - n % 64; pad; pad--)
            lm_buf_putc(&b, ' ');
        lm_buf_putc(&b, '\n');
    }
    int code = read_bytes(b.data, b.len, st);
    lm_buf_free(&b);
    return code;
}

static const struct {
    const char *header, *payload, *says; /* says NULL: the record is good, and only the end is missing */
    size_t n;
} rules[] = {
    {"{\"n\":1}", NULL, NULL, 0},
    {"{\"end\":{\"records\":0}}", NULL, NULL, 0},            /* not of these types: a member nobody knows */
    {"{\"flush\":false}", NULL, NULL, 0},
    {"{\"end\":{\"records\":0,\"examples\":0,\"xxh3\":\"0123456789abcdef\"},\"x\":1}", NULL, NULL, 0},
    {"{\"bytes\":0}", "", NULL, 0},
    {"{\"bytes\":3}", "abc", NULL, 3},
    {"{\"big\":123456789012345678901234567890,\"f\":1e999}", NULL, NULL, 0},
    {"{\"must\":[\"ids\",\"labels\"]}", NULL, NULL, 0},
    {"{\"must\":[\"later\"]}", NULL, "`later` has to be understood", 0},
    {"{\"must\":\"later\"}", NULL, "`must` is no list", 0},
    {"{\"n\":-1}", NULL, "`n` is not a number", 0},
    {"{\"n\":1.0}", NULL, "`n` is not a number", 0},
    {"{\"labels\":[]}", NULL, "`labels` without `n`", 0},
    {"{\"n\":1,\"labels\":[1]}", NULL, "no string", 0},
    {"{\"n\":1,\"id\":[null]}", NULL, "no string and no number", 0},
    {"{\"n\":2,\"id\":[\"a\",7]}", NULL, NULL, 0},
    {"{\"n\":1,\"fields\":{\"a\":[1,2]}}", NULL, "field `a` has 2 values", 0},
    {"{\"n\":1,\"fields\":[]}", NULL, "`fields` is no object", 0},
    {"{\"n\":1} \t", NULL, "something stands behind", 0},
    {"{\"n\":1}{}", NULL, "something stands behind", 0},
    {" {\"n\":1}", NULL, "no record begins here", 0},
    {"{\"x\":\"\xc3\x28\"}", NULL, "not UTF-8", 0},
    {"{\"tensors\":{}}", NULL, "`tensors` without `bytes`", 0},
    {"{\"n\":2,\"bytes\":2,\"tensors\":{\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}}", "\0\1", NULL, 2},
    {"{\"n\":2,\"bytes\":2,\"tensors\":{\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}}", "\0\2",
     "neither 0 nor 1", 2},
    {"{\"n\":2,\"bytes\":2,\"tensors\":{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}}", "\0\2",
     "the tensors end at byte 1", 2},
    {"{\"n\":2,\"bytes\":2,\"tensors\":{\"weight\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}}", "\0\2",
     "its dtype is U8 and not F32", 2},
    {"{\"n\":1,\"bytes\":2,\"tensors\":{\"truncated\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}}", "\0\2",
     "2 values for n = 1", 2},
    {"{\"n\":1,\"bytes\":4,\"tensors\":{\"ids\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}}", "\0\0\0\0",
     "its row splits are missing", 4},
    {"{\"n\":1,\"bytes\":1,\"tensors\":{\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"rows\":\"v\",\"data_offsets\":[0,1]}}}", "\0",
     "which is missing", 1},
    {"{\"n\":1,\"bytes\":1,\"tensors\":{\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"rows\":5,\"data_offsets\":[0,1]}}}", "\0",
     "`rows` is not a name", 1},
    {"{\"bytes\":1,\"tensors\":{\"u\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}}", "\0",
     "up to 8 sizes", 1},
    {"{\"bytes\":1,\"tensors\":[]}", "\0", "`tensors` is no object", 1},
    {"{\"bytes\":1,\"tensors\":{\"u\":1}}", "\0", "no dtype", 1},
};

START_TEST(each_rule)
{
    lm_status st;
    int code = read_record(rules[_i].header, rules[_i].payload, rules[_i].n, &st);
    if (rules[_i].says) {
        ck_assert_msg(code == LM_FAILED && strstr(st.message, rules[_i].says), "%s: %s", rules[_i].header, st.message);
    } else {
        ck_assert_msg(code == LM_ENDED && strstr(st.message, "last whole record is 1"), "%s: %s", rules[_i].header,
                      st.message);
    }
}
END_TEST

START_TEST(not_a_stream)
{
    lm_status st;
    ck_assert_int_eq(read_bytes("", 0, &st), LM_ENDED);
    ck_assert_int_eq(read_bytes("hello\n", 6, &st), LM_FAILED);
    ck_assert_ptr_nonnull(strstr(st.message, "no LMS stream"));
    lm_buf b = {0};
    lm_buf_printf(&b, "%-63s\n", "{\"text\":\"x\"}");
    ck_assert_int_eq(read_bytes(b.data, b.len, &st), LM_FAILED);
    ck_assert_ptr_nonnull(strstr(st.message, "no preamble"));
    lm_buf_free(&b);
}
END_TEST

/* A payload larger than every buffer, columns that are not aligned, a header of nearly 1 MiB and one beyond. */
START_TEST(large)
{
    enum { N = 5 << 20 };
    lm_status st = LM_STATUS_INIT;
    char path[] = "/tmp/check_stream.XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    char *bytes = lm_malloc(N + 1, 1);
    for (int i = 0; i < N + 1; i++)
        bytes[i] = (char)(i * 7 + i / 4096);
    int64_t *wide = lm_malloc(N / 8, 8);
    for (int i = 0; i < N / 8; i++)
        wide[i] = i;
    const lm_column c[] = {{.name = "u", .dtype = LM_U8, .shape = {1, {N + 1}}, .data = bytes, .bytes = N + 1},
                           {.name = "w", .dtype = LM_I64, .shape = {1, {N / 8}}, .data = wide, .bytes = N}};
    lm_buf label = {0};
    lm_buf_puts(&label, "\"n\":1,\"labels\":[\"");
    while (label.len < LM_LMS_HEADER_MAX - 600)
        lm_buf_putc(&label, 'x');
    lm_buf_puts(&label, "\"]");
    lm_lms_writer *w = lm_lms_writer_new(fd, "t", LM_KIND_TOKENS, NULL, NULL, NULL, &st);
    ck_assert(lm_lms_write_members(w, lm_str_of("\"n\":0"), 0, c, 2, &st));
    ck_assert(lm_lms_write_members(w, lm_buf_str(&label), 1, NULL, 0, &st));
    label.len -= 2;
    while (label.len < LM_LMS_HEADER_MAX)
        lm_buf_putc(&label, 'x');
    lm_buf_puts(&label, "\"]");
    ck_assert(!lm_lms_write_members(w, lm_buf_str(&label), 1, NULL, 0, &st));
    ck_assert_ptr_nonnull(strstr(st.message, "more than a stream can hold"));
    lm_status_clear(&st);
    ck_assert(lm_lms_writer_close(w, &st));
    lm_lms_writer_free(w);

    lseek(fd, 0, SEEK_SET);
    lm_input *in = lm_input_fd(fd, "t", &st);
    lm_lms_reader *r = lm_lms_reader_new(in, &st);
    lm_record record;
    ck_assert_int_eq(lm_lms_next(r, &record, &st), 1);
    ck_assert_mem_eq(lm_record_column(&record, "u")->data, bytes, N + 1);
    ck_assert_mem_eq(lm_record_column(&record, "w")->data, wide, N);
    ck_assert_uint_eq((uintptr_t)lm_record_column(&record, "w")->data % 8, 0);
    ck_assert_int_eq(lm_lms_next(r, &record, &st), 1);
    ck_assert_int_eq(lm_lms_next(r, &record, &st), 0);
    assert_ok(&st);
    lm_lms_reader_free(r);
    lm_input_close(in);
    lm_buf_free(&label);
    free(bytes);
    free(wide);
    close(fd);
}
END_TEST

/* What another writer laid out without alignment is aligned for the reader. */
START_TEST(unaligned_columns)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    static const char header[] = "{\"n\":1,\"bytes\":13,\"tensors\":{\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":"
                                 "[0,1]},\"w\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]},\"i\":{\"dtype\":"
                                 "\"I32\",\"shape\":[1],\"data_offsets\":[9,13]}}}";
    double w = 0.1;
    int32_t i = -7;
    lm_buf_printf(&b, "%-63s\n%-255s\n", "{\"lms\":1,\"kind\":\"tokens\"}", header);
    lm_buf_putc(&b, 'u');
    lm_buf_append(&b, &w, 8);
    lm_buf_append(&b, &i, 4);
    lm_buf_printf(&b, "%50s\n", "");
    lm_input *in = lm_input_memory(b.data, b.len, "t");
    lm_lms_reader *r = lm_lms_reader_new(in, &st);
    lm_record record;
    ck_assert_int_eq(lm_lms_next(r, &record, &st), 1);
    const double *got = lm_record_column(&record, "w")->data;
    ck_assert_uint_eq((uintptr_t)got % 8, 0);
    ck_assert(*got == 0.1);
    ck_assert_int_eq(*(const int32_t *)lm_record_column(&record, "i")->data, -7);
    lm_lms_reader_free(r);
    lm_input_close(in);
    lm_buf_free(&b);
}
END_TEST

/* Bytes that trickle in one at a time, as a slow pipe gives them. */
START_TEST(slow_pipe)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = make_stream(LM_KIND_TOKENS);
    int fds[2];
    uint64_t records, examples;
    ck_assert_int_eq(pipe(fds), 0);
    if (fork() == 0) {
        close(fds[0]);
        for (size_t i = 0; i < b.len; i++)
            if (write(fds[1], b.data + i, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(fds[1]);
    lm_input *in = lm_input_fd(fds[0], "pipe", &st);
    ck_assert_int_eq(read_all(in, &records, &examples, &st), LM_OK);
    ck_assert_uint_eq(examples, 2);
    lm_input_close(in);
    close(fds[0]);
    lm_buf_free(&b);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("stream");
    TCase *c = tcase_create("lms");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, goldens);
    tcase_add_loop_test(c, cut_anywhere, LM_KIND_TEXT, LM_KIND_MODEL + 1);
    tcase_add_loop_test(c, one_byte_wrong, LM_KIND_TEXT, LM_KIND_MODEL + 1);
    tcase_add_loop_test(c, concatenated, LM_KIND_TEXT, LM_KIND_MODEL + 1);
    tcase_add_loop_test(c, each_rule, 0, (int)(sizeof rules / sizeof *rules));
    tcase_add_test(c, not_a_stream);
    tcase_add_test(c, large);
    tcase_add_test(c, unaligned_columns);
    tcase_add_test(c, slow_pipe);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
