#include "unit.h"

#include "base/memory.h"
#include "tensor/gguf_write.h"

#include <stdint.h>

static const lm_shape matrix = {.dims = 2, .size = {3, 2}}, blocks = {.dims = 2, .size = {2, 32}},
                      none = {.dims = 2, .size = {0, 7}};

static lm_gguf_writer *described(void)
{
    lm_gguf_writer *w = lm_gguf_writer_new("out.gguf");
    lm_gguf_put_string(w, "general.architecture", lm_str_of("llama"));
    lm_gguf_put_u32(w, "u32", 4000000000u);
    lm_gguf_put_i32(w, "i32", -70000);
    lm_gguf_put_u64(w, "u64", 1ull << 40);
    lm_gguf_put_f32(w, "f32", 1.5f);
    lm_gguf_put_bool(w, "yes", true);
    lm_gguf_put_numbers(w, "numbers", LM_GGUF_I32, (const int32_t[]){7, -7}, 2);
    lm_gguf_put_strings(w, "words", 3);
    lm_gguf_put_next(w, lm_str_of("a"));
    lm_gguf_put_next(w, lm_str_of(""));
    lm_gguf_put_next(w, lm_str_of("\xED\x95\x9C"));
    lm_gguf_put_tensor(w, "none", LM_F32, &none);
    lm_gguf_put_tensor(w, "w", LM_F32, &matrix);
    lm_gguf_put_tensor(w, "q", LM_Q8_0, &blocks);
    return w;
}

/* The bytes of the tensors w and q, in pieces of `step`. */
static void write_all(lm_gguf_writer *w, size_t step, lm_buf *out)
{
    lm_status st = LM_STATUS_INIT;
    unsigned char data[24 + 68];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    ck_assert(lm_gguf_write_header(w, lm_buf_write, out, &st));
    for (size_t i = 0; i < sizeof data; i += step)
        ck_assert(lm_gguf_write_data(w, data + i, i + step < sizeof data ? step : sizeof data - i, &st));
    ck_assert_msg(lm_gguf_write_end(w, &st), "%s", st.message);
    ck_assert_uint_eq(lm_gguf_file_size(w), out->len);
}

START_TEST(read_again)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    lm_gguf_writer *w = described();
    write_all(w, 5, &b);
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "f", &st);
    assert_ok(&st);
    int64_t v = 0;
    double d = 0;
    bool yes = false;
    lm_str s = {NULL, 0};
    ck_assert(lm_gguf_int(f, "u32", &v, &st) && v == 4000000000);
    ck_assert(lm_gguf_int(f, "i32", &v, &st) && v == -70000);
    ck_assert(lm_gguf_int(f, "u64", &v, &st) && v == 1ll << 40);
    ck_assert(lm_gguf_number(f, "f32", &d, &st) && d == 1.5);
    ck_assert(lm_gguf_bool(f, "yes", &yes, &st) && yes);
    ck_assert(lm_gguf_string(f, "general.architecture", &s, &st) && lm_str_is(s, "llama"));
    const lm_gguf_entry *numbers = lm_gguf_numbers(f, "numbers", &st), *words = lm_gguf_strings(f, "words", &st);
    ck_assert(numbers->count == 2 && lm_gguf_number_at(numbers, 1) == -7);
    const unsigned char *at = words->data;
    ck_assert(words->count == 3 && lm_str_is(lm_gguf_next_string(&at), "a") && !lm_gguf_next_string(&at).len &&
              lm_str_is(lm_gguf_next_string(&at), "\xED\x95\x9C"));
    const lm_gguf_tensor *m = lm_gguf_tensor_find(f, "w"), *q = lm_gguf_tensor_find(f, "q");
    ck_assert(lm_shape_equal(&m->shape, &matrix) && m->dtype == LM_F32 && ((const uint8_t *)m->data)[23] == 23);
    ck_assert(lm_shape_equal(&q->shape, &blocks) && q->dtype == LM_Q8_0 && ((const uint8_t *)q->data)[67] == 91);
    ck_assert(lm_shape_equal(&lm_gguf_tensor_find(f, "none")->shape, &none));
    lm_gguf_close(f);
    lm_gguf_writer_free(w);
    lm_buf_free(&b);
}
END_TEST

START_TEST(pieces_of_any_size)
{
    lm_buf one = {0};
    lm_gguf_writer *w = described();
    write_all(w, 1, &one);
    lm_gguf_writer_free(w);
    for (size_t step = 2; step < 100; step += 3) {
        lm_buf b = {0};
        w = described();
        write_all(w, step, &b);
        ck_assert(b.len == one.len && memcmp(b.data, one.data, b.len) == 0);
        lm_gguf_writer_free(w);
        lm_buf_free(&b);
    }
    lm_buf_free(&one);
}
END_TEST

/* ---------------------------------------------------------------- what cannot be written */

static void key_twice(lm_gguf_writer *w)
{
    lm_gguf_put_bool(w, "yes", false);
}
static void few_strings(lm_gguf_writer *w)
{
    lm_gguf_put_strings(w, "more", 2);
    lm_gguf_put_next(w, lm_str_of("a"));
    lm_gguf_put_bool(w, "no", false);
}
static void few_last_strings(lm_gguf_writer *w)
{
    lm_gguf_put_strings(w, "more", 2);
}
static void many_strings(lm_gguf_writer *w)
{
    lm_gguf_put_next(w, lm_str_of("a"));
}
static void name_twice(lm_gguf_writer *w)
{
    lm_gguf_put_tensor(w, "w", LM_F16, &matrix);
}
static void long_name(lm_gguf_writer *w)
{
    lm_gguf_put_tensor(w, "0123456789012345678901234567890123456789012345678901234567890123", LM_F16, &matrix);
}
static void no_type(lm_gguf_writer *w)
{
    lm_gguf_put_tensor(w, "t", LM_NF4, &matrix);
}
static void half_block(lm_gguf_writer *w)
{
    lm_gguf_put_tensor(w, "t", LM_Q8_0, &matrix);
}
static void scalar(lm_gguf_writer *w)
{
    lm_gguf_put_tensor(w, "t", LM_F32, &(lm_shape){0});
}
static void large(lm_gguf_writer *w)
{
    lm_gguf_put_tensor(w, "t", LM_I8, &(lm_shape){.dims = 1, .size = {INT64_MAX - 3}});
}

static const struct {
    void (*spoil)(lm_gguf_writer *w);
    const char *why;
} bad[] = {
    {key_twice, "\"yes\" is said twice"},
    {few_strings, "1 strings are missing before \"no\""},
    {few_last_strings, "2 strings are missing"},
    {many_strings, "more strings than were said of \"words\""},
    {name_twice, "two tensors are called \"w\""},
    {long_name, "at most 63 bytes"},
    {no_type, "no type NF4"},
    {half_block, "whole blocks of Q8_0"},
    {scalar, "has 0 dimensions"},
    {large, "no file is that large"},
};

START_TEST(refused)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = {0};
    lm_gguf_writer *w = described();
    bad[_i].spoil(w);
    ck_assert(!lm_gguf_write_header(w, lm_buf_write, &b, &st));
    ck_assert_msg(strstr(st.message, bad[_i].why) && strncmp(st.message, "out.gguf: ", 10) == 0, "\"%s\" lacks \"%s\"",
                  st.message, bad[_i].why);
    ck_assert_uint_eq(b.len, 0);
    lm_gguf_writer_free(w);
}
END_TEST

START_TEST(too_few_and_too_many_bytes)
{
    lm_status st = LM_STATUS_INIT;
    static const char data[100];
    lm_buf b = {0};
    lm_gguf_writer *w = described();
    ck_assert(lm_gguf_write_header(w, lm_buf_write, &b, &st) && lm_gguf_write_data(w, data, 91, &st));
    ck_assert(!lm_gguf_write_end(w, &st) && strstr(st.message, "tensor \"q\" are missing"));
    lm_status_clear(&st);
    ck_assert(!lm_gguf_write_data(w, data, 3, &st) && strstr(st.message, "2 bytes more than its tensors have"));
    lm_gguf_writer_free(w);
    lm_buf_free(&b);
}
END_TEST

static bool full(void *context, const void *bytes, size_t n, lm_status *st)
{
    (void)bytes;
    size_t *room = context;
    if (n > *room)
        return lm_fail(st, LM_FAILED, "the disk is full");
    *room -= n;
    return true;
}

START_TEST(a_sink_that_fails)
{
    lm_gguf_writer *w = described();
    size_t whole = (size_t)lm_gguf_file_size(w);
    lm_gguf_writer_free(w);
    for (size_t room = 0; room < whole; room += 7) {
        lm_status st = LM_STATUS_INIT;
        static const char data[92];
        size_t left = room;
        w = described();
        ck_assert(!(lm_gguf_write_header(w, full, &left, &st) && lm_gguf_write_data(w, data, sizeof data, &st) &&
                    lm_gguf_write_end(w, &st)));
        ck_assert_str_eq(st.message, "the disk is full");
        lm_gguf_writer_free(w);
    }
}
END_TEST

/* A file that another program wrote: entry by entry and tensor by tensor it is the same again. */
START_TEST(files_of_others)
{
    UNIT_NEEDS_DATA(data);
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/models/stories260K/stories260K.f32.gguf", data);
    lm_gguf *f = lm_gguf_open(path, &st);
    assert_ok(&st);
    lm_gguf_writer *w = lm_gguf_writer_new("copy");
    for (size_t i = 0; i < lm_gguf_entries(f); i++)
        lm_gguf_put_entry(w, lm_gguf_entry_at(f, i));
    for (size_t i = 0; i < lm_gguf_tensors(f); i++) {
        const lm_gguf_tensor *t = lm_gguf_tensor_at(f, i);
        char *name = lm_strndup(t->name.data, t->name.len);
        lm_gguf_put_tensor(w, name, t->dtype, &t->shape);
        free(name);
    }
    lm_buf b = {0};
    ck_assert(lm_gguf_write_header(w, lm_buf_write, &b, &st));
    for (size_t i = 0; i < lm_gguf_tensors(f); i++)
        ck_assert(lm_gguf_write_data(w, lm_gguf_tensor_at(f, i)->data, lm_gguf_tensor_at(f, i)->bytes, &st));
    ck_assert(lm_gguf_write_end(w, &st));
    FILE *in = fopen(path, "rb");
    char *bytes = malloc(b.len + 1);
    ck_assert_uint_eq(fread(bytes, 1, b.len + 1, in), b.len);
    ck_assert(memcmp(bytes, b.data, b.len) == 0);
    fclose(in);
    free(bytes);
    lm_buf_free(&b);
    lm_gguf_writer_free(w);
    lm_gguf_close(f);
    free(path);
}
END_TEST

/* Tensors of the other file may lie at multiples of more bytes than here. */
START_TEST(alignment_of_others)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf aligned = {0}, copy = {0};
    lm_gguf_writer *w = lm_gguf_writer_new("aligned");
    lm_gguf_put_u32(w, "general.alignment", 4096);
    lm_gguf_put_u32(w, "kept", 3);
    ck_assert(lm_gguf_write_header(w, lm_buf_write, &aligned, &st) && lm_gguf_write_end(w, &st));
    lm_gguf_writer_free(w);
    lm_gguf *f = lm_gguf_from_memory(aligned.data, aligned.len, "aligned", &st);
    assert_ok(&st);
    w = described();
    for (size_t i = 0; i < lm_gguf_entries(f); i++)
        lm_gguf_put_entry(w, lm_gguf_entry_at(f, i));
    write_all(w, 24 + 68, &copy);
    lm_gguf_writer_free(w);
    lm_gguf_close(f);
    f = lm_gguf_from_memory(copy.data, copy.len, "copy", &st);
    assert_ok(&st);
    int64_t alignment = 0;
    ck_assert(lm_gguf_int(f, "general.alignment", &alignment, &st) && alignment == 32 && lm_gguf_entry_find(f, "kept"));
    lm_gguf_close(f);
    lm_buf_free(&copy);
    lm_buf_free(&aligned);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gguf_write");
    TCase *c = tcase_create("gguf_write");
    tcase_add_test(c, read_again);
    tcase_add_test(c, pieces_of_any_size);
    tcase_add_loop_test(c, refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, too_few_and_too_many_bytes);
    tcase_add_test(c, a_sink_that_fails);
    tcase_add_test(c, files_of_others);
    tcase_add_test(c, alignment_of_others);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
