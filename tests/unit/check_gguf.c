#include "unit.h"

#include "base/memory.h"
#include "tensor/gguf.h"

#include <unistd.h>

/* ---------------------------------------------------------------- making files */

static void put(lm_buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        lm_buf_putc(b, (char)(value >> 8 * i));
}

static void put_string(lm_buf *b, const char *s)
{
    put(b, strlen(s), 8);
    lm_buf_puts(b, s);
}

static void put_header(lm_buf *b, uint32_t version, uint64_t tensors, uint64_t entries)
{
    lm_buf_puts(b, "GGUF");
    put(b, version, 4);
    put(b, tensors, 8);
    put(b, entries, 8);
}

static void put_key(lm_buf *b, const char *key, lm_gguf_type type)
{
    put_string(b, key);
    put(b, type, 4);
}

static void put_tensor(lm_buf *b, const char *name, int dims, const uint64_t *size, uint32_t type,
                       uint64_t offset)
{
    put_string(b, name);
    put(b, (uint64_t)dims, 4);
    for (int i = 0; i < dims; i++)
        put(b, size[i], 8);
    put(b, type, 4);
    put(b, offset, 8);
}

/* Every type of value, two tensors of known types and one of an unknown one. */
static lm_buf good_file(void)
{
    lm_buf b = {0};
    put_header(&b, 3, 3, 14);
    static const struct {
        const char *key;
        lm_gguf_type type;
        uint64_t value;
        int bytes;
    } singles[] = {{"u8", LM_GGUF_U8, 200, 1},
                   {"i8", LM_GGUF_I8, (uint64_t)-2, 1},
                   {"u16", LM_GGUF_U16, 60000, 2},
                   {"i16", LM_GGUF_I16, (uint64_t)-300, 2},
                   {"u32", LM_GGUF_U32, 4000000000u, 4},
                   {"i32", LM_GGUF_I32, (uint64_t)-70000, 4},
                   {"f32", LM_GGUF_F32, 0x3fc00000, 4},
                   {"yes", LM_GGUF_BOOL, 1, 1},
                   {"u64", LM_GGUF_U64, UINT64_MAX, 8},
                   {"i64", LM_GGUF_I64, (uint64_t)-5, 8},
                   {"f64", LM_GGUF_F64, 0x4004000000000000, 8}};
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        put_key(&b, singles[i].key, singles[i].type);
        put(&b, singles[i].value, singles[i].bytes);
    }
    put_key(&b, "name", LM_GGUF_STRING);
    put_string(&b, "tiny");
    put_key(&b, "words", LM_GGUF_ARRAY);
    put(&b, LM_GGUF_STRING, 4);
    put(&b, 3, 8);
    put_string(&b, "a");
    put_string(&b, "");
    put_string(&b, "\xED\x95\x9C");
    put_key(&b, "numbers", LM_GGUF_ARRAY);
    put(&b, LM_GGUF_I32, 4);
    put(&b, 2, 8);
    put(&b, 7, 4);
    put(&b, (uint64_t)-7, 4);
    put_tensor(&b, "w", 2, (const uint64_t[]){2, 3}, 0, 0);
    put_tensor(&b, "q", 1, (const uint64_t[]){32}, 8, 32);
    put_tensor(&b, "odd", 1, (const uint64_t[]){5}, 99, 96);
    while (b.len % 32)
        lm_buf_putc(&b, 0);
    for (int i = 0; i < 96; i++)
        lm_buf_putc(&b, (char)i);
    return b;
}

/* ---------------------------------------------------------------- good files */

START_TEST(values_are_read)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = good_file();
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "f", &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_gguf_entries(f), 14);
    ck_assert(lm_str_is(lm_gguf_entry_at(f, 0)->key, "u8"));
    ck_assert_ptr_null(lm_gguf_entry_at(f, 14));
    static const struct {
        const char *key;
        int64_t value;
    } ints[] = {{"u8", 200},         {"i8", -2},      {"u16", 60000}, {"i16", -300},
                {"u32", 4000000000}, {"i32", -70000}, {"i64", -5}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t v = 0;
        ck_assert(lm_gguf_int(f, ints[i].key, &v, &st));
        ck_assert_int_eq(v, ints[i].value);
        double d = 0;
        ck_assert(lm_gguf_number(f, ints[i].key, &d, &st));
        ck_assert(d == (double)ints[i].value);
    }
    double d = 0;
    ck_assert(lm_gguf_number(f, "f32", &d, &st) && d == 1.5);
    ck_assert(lm_gguf_number(f, "f64", &d, &st) && d == 2.5);
    ck_assert(lm_gguf_number(f, "u64", &d, &st) && d == 0x1p64);
    bool yes = false;
    ck_assert(lm_gguf_bool(f, "yes", &yes, &st) && yes);
    lm_str s = {NULL, 0};
    ck_assert(lm_gguf_string(f, "name", &s, &st) && lm_str_is(s, "tiny"));
    const lm_gguf_entry *words = lm_gguf_strings(f, "words", &st),
                        *numbers = lm_gguf_numbers(f, "numbers", &st);
    const unsigned char *at = words->data;
    ck_assert_uint_eq(words->count, 3);
    ck_assert(lm_str_is(lm_gguf_next_string(&at), "a"));
    ck_assert(lm_str_is(lm_gguf_next_string(&at), ""));
    ck_assert(lm_str_is(lm_gguf_next_string(&at), "\xED\x95\x9C"));
    ck_assert(numbers->count == 2 && lm_gguf_number_at(numbers, 0) == 7 &&
              lm_gguf_number_at(numbers, 1) == -7);
    assert_ok(&st);
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

START_TEST(absent_and_other_values)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = good_file();
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "f", &st);
    int64_t v = 42;
    double d = 4.5;
    bool yes = true;
    lm_str s = lm_str_of("kept");
    ck_assert(lm_gguf_int(f, "none", &v, &st) && v == 42);
    ck_assert(lm_gguf_number(f, "none", &d, &st) && d == 4.5);
    ck_assert(lm_gguf_bool(f, "none", &yes, &st) && yes);
    ck_assert(lm_gguf_string(f, "none", &s, &st) && lm_str_is(s, "kept"));
    ck_assert(!lm_gguf_strings(f, "none", &st) && !lm_gguf_numbers(f, "none", &st) && lm_ok(&st));
    static const char *const no_int[] = {"f32", "name", "numbers", "yes", "u64"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!lm_gguf_int(f, no_int[i], &v, &st) && strstr(st.message, "is no integer"));
        lm_status_clear(&st);
    }
    ck_assert(!lm_gguf_number(f, "words", &d, &st) && strstr(st.message, "\"words\" is no number"));
    lm_status_clear(&st);
    ck_assert(!lm_gguf_bool(f, "u8", &yes, &st) && strstr(st.message, "truth value"));
    lm_status_clear(&st);
    ck_assert(!lm_gguf_string(f, "words", &s, &st) && strstr(st.message, "string"));
    lm_status_clear(&st);
    ck_assert(!lm_gguf_strings(f, "numbers", &st) && strstr(st.message, "array of strings"));
    lm_status_clear(&st);
    ck_assert(!lm_gguf_numbers(f, "u8", &st) && strstr(st.message, "array of numbers"));
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

START_TEST(tensors_are_found)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf b = good_file();
    lm_gguf *f = lm_gguf_from_memory(b.data, b.len, "f", &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_gguf_tensors(f), 3);
    const lm_gguf_tensor *w = lm_gguf_tensor_find(f, "w"), *q = lm_gguf_tensor_find(f, "q"),
                         *odd = lm_gguf_tensor_find(f, "odd");
    ck_assert(w == lm_gguf_tensor_at(f, 0) && !lm_gguf_tensor_at(f, 3) && !lm_gguf_tensor_find(f, "none"));
    ck_assert(w->dtype == LM_F32 && w->shape.dims == 2 && w->shape.size[0] == 3 && w->shape.size[1] == 2);
    ck_assert_uint_eq(w->bytes, 24);
    ck_assert(q->dtype == LM_Q8_0 && q->bytes == 34 && (const char *)q->data == (const char *)w->data + 32);
    ck_assert(odd->dtype == LM_DTYPE_COUNT && odd->type == 99 && odd->bytes == 0);
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

START_TEST(files_are_mapped)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(lm_gguf_open("/nonexistent/model.gguf", &st));
    ck_assert(strstr(st.message, "/nonexistent/model.gguf"));
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_gguf_open("/dev/null", &st));
    lm_status_clear(&st);
    char path[] = "/tmp/lmutils-check-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_ptr_null(lm_gguf_open(path, &st)); /* empty */
    lm_status_clear(&st);
    lm_buf b = good_file();
    ck_assert(write(fd, b.data, b.len) == (ssize_t)b.len);
    close(fd);
    lm_gguf *f = lm_gguf_open(path, &st);
    assert_ok(&st);
    unlink(path);
    ck_assert_str_eq(lm_gguf_name(f), path);
    ck_assert(memcmp(lm_gguf_tensor_find(f, "q")->data, b.data + b.len - 64, 34) == 0);
    lm_gguf_close(f);
    lm_buf_free(&b);
}
END_TEST

/* ---------------------------------------------------------------- bad files */

/* In memory of exactly that size. */
static void refused(const char *bytes, size_t n, const char *why)
{
    lm_status st = LM_STATUS_INIT;
    char *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    ck_assert_ptr_null(lm_gguf_from_memory(copy, n, "bad.gguf", &st));
    ck_assert_msg(strstr(st.message, why) && strncmp(st.message, "bad.gguf: ", 10) == 0,
                  "\"%s\" lacks \"%s\"", st.message, why);
    free(copy);
}

START_TEST(cut_at_every_byte)
{
    lm_buf b = good_file();
    size_t needed = b.len; /* the last tensor's type is unknown: it takes no bytes */
    for (size_t n = 0; n < needed; n++)
        if (n < b.len - 30) /* behind that stands padding */
            refused(b.data, n, "");
    lm_buf_free(&b);
}
END_TEST

typedef void (*spoil)(lm_buf *b);

static void other_magic(lm_buf *b)
{
    lm_buf_puts(b, "GGML and more bytes than 24");
}
static void version_1(lm_buf *b)
{
    put_header(b, 1, 0, 0);
}
static void version_9(lm_buf *b)
{
    put_header(b, 9, 0, 0);
}
static void big_endian(lm_buf *b)
{
    put_header(b, 3u << 24, 0, 0);
}
static void many_entries(lm_buf *b)
{
    put_header(b, 3, 0, UINT64_MAX);
}
static void many_tensors(lm_buf *b)
{
    put_header(b, 3, UINT64_MAX / 2, 0);
}
static void long_key(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put(b, UINT64_MAX, 8);
    put(b, 0, 8);
}
static void nul_key(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put(b, 1, 8);
    put(b, 0, 1);
    put(b, 0, 8);
}
static void unknown_type(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "k", LM_GGUF_TYPES);
    put(b, 0, 8);
}
static void cut_alignment(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "general.alignment", LM_GGUF_U32);
    put(b, 1, 1);
}
static void nested(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "k", LM_GGUF_ARRAY);
    put(b, LM_GGUF_ARRAY, 4);
    put(b, 0, 8);
}
static void long_array(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "k", LM_GGUF_ARRAY);
    put(b, LM_GGUF_F64, 4);
    put(b, UINT64_MAX / 4, 8);
}
static void many_strings(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "k", LM_GGUF_ARRAY);
    put(b, LM_GGUF_STRING, 4);
    put(b, UINT64_MAX, 8);
}
static void half_true(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "k", LM_GGUF_BOOL);
    put(b, 2, 1);
}
static void same_key(lm_buf *b)
{
    put_header(b, 3, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_key(b, "k", LM_GGUF_U8);
        put(b, 2, 1);
    }
}
static void alignment(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "general.alignment", LM_GGUF_U32);
    put(b, 12, 4);
}
static void alignment_string(lm_buf *b)
{
    put_header(b, 3, 0, 1);
    put_key(b, "general.alignment", LM_GGUF_STRING);
    put_string(b, "32");
}
static void tensor_of(lm_buf *b, int dims, uint64_t size, uint32_t type, uint64_t offset)
{
    uint64_t sizes[5] = {size, size, size, size, size};
    put_header(b, 3, 1, 0);
    put_tensor(b, "t", dims, sizes, type, offset);
    for (int i = 0; i < 128; i++)
        lm_buf_putc(b, 0);
}
static void five_dims(lm_buf *b)
{
    tensor_of(b, 5, 1, 0, 0);
}
static void negative_size(lm_buf *b)
{
    tensor_of(b, 1, UINT64_MAX, 0, 0);
}
static void overflow(lm_buf *b)
{
    tensor_of(b, 4, 1ull << 32, 99, 0);
}
static void half_block(lm_buf *b)
{
    tensor_of(b, 1, 31, 8, 0);
}
static void unaligned(lm_buf *b)
{
    tensor_of(b, 1, 1, 0, 4);
}
static void behind_the_end(lm_buf *b)
{
    tensor_of(b, 1, 1, 0, 1ull << 63);
}
static void too_large(lm_buf *b)
{
    tensor_of(b, 1, 1000, 0, 0);
}
static void same_name(lm_buf *b)
{
    put_header(b, 3, 2, 0);
    put_tensor(b, "t", 0, NULL, 99, 0);
    put_tensor(b, "t", 0, NULL, 99, 0);
    for (int i = 0; i < 64; i++)
        lm_buf_putc(b, 0);
}

static const struct {
    spoil make;
    const char *why;
} bad[] = {
    {other_magic, "no GGUF file"},
    {version_1, "needs: version 1"},
    {version_9, "needs: version 9"},
    {big_endian, "big-endian"},
    {many_entries, "metadata entries"},
    {many_tensors, "tensors in"},
    {long_key, "cut off"},
    {nul_key, "a NUL"},
    {unknown_type, "has the type 13"},
    {cut_alignment, "cut off"},
    {nested, "arrays of arrays"},
    {long_array, "cut off"},
    {many_strings, "cut off"},
    {half_true, "neither true nor false"},
    {same_key, "\"k\" is there twice"},
    {alignment, "no power of two"},
    {alignment_string, "is no integer"},
    {five_dims, "5 dimensions"},
    {negative_size, "shape"},
    {overflow, "shape"},
    {half_block, "shape"},
    {unaligned, "not aligned"},
    {behind_the_end, "cut off"},
    {too_large, "cut off"},
    {same_name, "two tensors are called \"t\""},
};

START_TEST(bad_files_are_refused)
{
    lm_buf b = {0};
    bad[_i].make(&b);
    refused(b.data, b.len, bad[_i].why);
    lm_buf_free(&b);
}
END_TEST

START_TEST(files_of_others)
{
    UNIT_NEEDS_DATA(data);
    static const char *const names[] = {"tiny.gguf", "empty.gguf"};
    for (int i = 0; i < 2; i++) {
        lm_status st = LM_STATUS_INIT;
        char *path = lm_format("%s/data/bad/fixtures/%s", data, names[i]);
        lm_gguf *f = lm_gguf_open(path, &st);
        ck_assert_msg((f != NULL) == (i == 1), "%s",
                      st.message); /* the first announces a tensor and has none */
        ck_assert(f || strstr(st.message, "cut off"));
        lm_gguf_close(f);
        free(path);
    }
    lm_status st = LM_STATUS_INIT;
    char *path = lm_format("%s/models/stories260K/stories260K.f32.gguf", data);
    lm_gguf *f = lm_gguf_open(path, &st);
    assert_ok(&st);
    ck_assert_uint_eq(lm_gguf_tensors(f), 48);
    const lm_gguf_tensor *t = lm_gguf_tensor_find(f, "token_embd.weight");
    ck_assert(t && t->dtype == LM_F32 && t->shape.dims == 2 && t->shape.size[0] == 512 &&
              t->shape.size[1] == 64);
    lm_gguf_close(f);
    free(path);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("gguf");
    TCase *c = tcase_create("gguf");
    tcase_add_test(c, values_are_read);
    tcase_add_test(c, absent_and_other_values);
    tcase_add_test(c, tensors_are_found);
    tcase_add_test(c, files_are_mapped);
    tcase_add_test(c, cut_at_every_byte);
    tcase_add_loop_test(c, bad_files_are_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(c, files_of_others);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
