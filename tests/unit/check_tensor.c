#include "unit.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "tensor/dtype.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(dtypes_have_names_and_sizes)
{
    for (int t = 0; t < LM_DTYPE_COUNT; t++) {
        lm_dtype found;
        bool in_files = t != LM_NF4 && t != LM_FP4; /* what these are is said by other tensors */
        ck_assert_int_eq(lm_dtype_find(lm_str_of(lm_dtype_name((lm_dtype)t)), &found), in_files);
        ck_assert(!in_files || (int)found == t);
        ck_assert_int_gt(lm_dtype_block((lm_dtype)t), 0);
        ck_assert_uint_gt(lm_dtype_block_bytes((lm_dtype)t), 0);
    }
    lm_dtype none;
    ck_assert(!lm_dtype_find(lm_str_of("f32"), &none));
    ck_assert(!lm_dtype_find(lm_str_of(""), &none));
    ck_assert(!lm_dtype_find(lm_str_of("F8_E4M3"), &none));
}
END_TEST

START_TEST(sizes_are_checked)
{
    size_t n;
    ck_assert(lm_tensor_bytes(LM_F32, &(lm_shape){0}, &n));
    ck_assert_uint_eq(n, 4);
    ck_assert(lm_tensor_bytes(LM_F16, &(lm_shape){2, {3, 5}}, &n));
    ck_assert_uint_eq(n, 30);
    ck_assert(lm_tensor_bytes(LM_F16, &(lm_shape){2, {3, 0}}, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(lm_tensor_bytes(LM_Q4_K, &(lm_shape){2, {3, 512}}, &n));
    ck_assert_uint_eq(n, 3 * 2 * 144);
    ck_assert(!lm_tensor_bytes(LM_Q4_K, &(lm_shape){2, {512, 3}}, &n));
    ck_assert(!lm_tensor_bytes(LM_Q8_0, &(lm_shape){0}, &n));
    ck_assert(!lm_tensor_bytes(LM_U8, &(lm_shape){1, {-1}}, &n));
    ck_assert(!lm_tensor_bytes(LM_U8, &(lm_shape){3, {INT64_MAX, INT64_MAX, 0}}, &n));
    ck_assert(!lm_tensor_bytes(LM_F64, &(lm_shape){1, {INT64_MAX}}, &n));
    ck_assert(!lm_tensor_bytes(LM_U8, &(lm_shape){.dims = LM_MAX_DIMS + 1}, &n));
}
END_TEST

START_TEST(shapes_compare_and_print)
{
    lm_shape a = {2, {2, 3}}, b = {2, {2, 3}}, c = {1, {2}};
    ck_assert(lm_shape_equal(&a, &b));
    b.size[1] = 4;
    ck_assert(!lm_shape_equal(&a, &b));
    ck_assert(!lm_shape_equal(&a, &c));
    lm_buf out = {0};
    lm_shape_print(&a, &out);
    lm_shape_print(&(lm_shape){0}, &out);
    ck_assert_str_eq(lm_buf_cstr(&out), "[2, 3][]");
    lm_buf_free(&out);
}
END_TEST

/* Every half is exact in f32 and comes back; the spacing around every half rounds to nearest, ties to even.
 */
START_TEST(halves_round_to_even)
{
    unsigned wrong = 0; /* one assertion at the end: 65,536 would take their time */
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = lm_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff)) {
            wrong += !isnan(f) || !isnan(lm_f16_to_f32(lm_f32_to_f16(f)));
            continue;
        }
        wrong += lm_f32_to_f16(f) != h;
        if ((h & 0x7fff) >= 0x7bff)
            continue;
        float next = lm_f16_to_f32((uint16_t)(h + 1)), middle = f / 2 + next / 2; /* exact */
        unsigned even = h & 1 ? h + 1 : h;
        wrong += lm_f32_to_f16(middle) != even;
        wrong += lm_f32_to_f16(nextafterf(middle, f)) != h;
        wrong += lm_f32_to_f16(nextafterf(middle, next)) != h + 1;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(lm_f32_to_f16(65519.99f), 0x7bff);
    ck_assert_uint_eq(lm_f32_to_f16(65520.0f), 0x7c00);
    ck_assert_uint_eq(lm_f32_to_f16(-INFINITY), 0xfc00);
    ck_assert_uint_eq(lm_f32_to_f16(0x1p-26f), 0);
    ck_assert_uint_eq(lm_f32_to_f16(-0.0f), 0x8000);
    ck_assert_float_eq(lm_f16_to_f32(0x3c00), 1.0f);
    ck_assert_float_eq(lm_f16_to_f32(0x0001), 0x1p-24f);
}
END_TEST

START_TEST(bfloats_round_to_even)
{
    unsigned wrong = 0;
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = lm_bf16_to_f32((uint16_t)h);
        wrong += isnan(f) ? !isnan(lm_bf16_to_f32(lm_f32_to_bf16(f))) : lm_f32_to_bf16(f) != h;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(lm_f32_to_bf16(1.00390625f), 0x3f80); /* tie: 1 + 2^-8 goes to even */
    ck_assert_uint_eq(lm_f32_to_bf16(1.01171875f), 0x3f82); /* tie: 1 + 3*2^-8 */
    ck_assert_uint_eq(lm_f32_to_bf16(1.00390637f), 0x3f81);
    ck_assert_uint_eq(lm_f32_to_bf16(3.4028235e38f), 0x7f80);
}
END_TEST

START_TEST(arrays_convert_unaligned)
{
    const float in[5] = {0, -1.5f, 1e-3f, 70000, 3.0e38f};
    const lm_dtype all[] = {LM_F64, LM_F32, LM_F16, LM_BF16};
    unsigned char bytes[1 + sizeof in * 2];
    float out[5];
    for (int t = 0; t < 4; t++) {
        ck_assert(lm_from_f32(all[t], in, 5, bytes + 1));
        ck_assert(lm_to_f32(all[t], bytes + 1, 5, out));
        for (int i = 0; i < 5; i++) {
            float expect = all[t] == LM_F16    ? lm_f16_to_f32(lm_f32_to_f16(in[i]))
                           : all[t] == LM_BF16 ? lm_bf16_to_f32(lm_f32_to_bf16(in[i]))
                                               : in[i];
            ck_assert_float_eq(out[i], expect);
        }
    }
    ck_assert(!lm_to_f32(LM_I32, bytes, 1, out));
    ck_assert(!lm_from_f32(LM_Q8_0, in, 1, bytes));
}
END_TEST

/* ------------------------------------------------------------------ safetensors */

/* A file of this header and n zero bytes. */
static lm_safetensors *parse(const char *header, size_t n, lm_status *st)
{
    lm_buf b = {0};
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        lm_buf_putc(&b, (char)((uint64_t)length >> 8 * i));
    lm_buf_puts(&b, header);
    for (size_t i = 0; i < n; i++)
        lm_buf_putc(&b, 0);
    lm_safetensors *f = lm_safetensors_from_memory(b.data, b.len, "f", st);
    lm_buf_free(&b);
    return f;
}

#define ONE "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

START_TEST(good_headers_are_read)
{
    static const struct {
        const char *header;
        size_t bytes, count;
    } good[] = {
        {"{}", 0, 0},
        {"{}      ", 0, 0},
        {"{\"__metadata__\":{}}", 0, 0},
        {"{" ONE "}", 8, 1},
        {"{" ONE ",\"__metadata__\":{\"format\":\"pt\"}}  ", 8, 1},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]}," ONE "}", 9, 2},
        {"{\"e\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[8,8]}," ONE "}", 8, 2},
        {"{\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}," ONE "}", 8, 2},
        {"{\"\u00e9\\n\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        lm_status st = LM_STATUS_INIT;
        lm_safetensors *f = parse(good[i].header, good[i].bytes, &st);
        assert_ok(&st);
        ck_assert_uint_eq(lm_safetensors_count(f), good[i].count);
        for (size_t k = 0; k < good[i].count; k++)
            ck_assert_ptr_eq(lm_safetensors_find(f, lm_safetensors_at(f, k)->name), lm_safetensors_at(f, k));
        ck_assert_ptr_null(lm_safetensors_find(f, "zz"));
        ck_assert_ptr_null(lm_safetensors_at(f, good[i].count));
        lm_safetensors_close(f);
    }
}
END_TEST

#define T(dtype, shape, offsets)                                                                             \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

START_TEST(bad_headers_are_refused)
{
    static const struct {
        const char *header;
        size_t bytes;
        const char *says;
    } bad[] = {
        {"", 0, "begin with {"},
        {"[]", 0, "begin with {"},
        {" {}", 0, "begin with {"},
        {"{", 0, "header"},
        {"{} x", 0, "header"},
        {"{\"a\":1}", 0, "are needed"},
        {"{\"a\":{}}", 0, "are needed"},
        {"{" ONE "," ONE "}", 16, "duplicate"},
        {"{\"a\\u0000\":{}}", 0, "header"},
        {"{\"\xff\":{}}", 0, "decode byte"},
        {"{\"__metadata__\":[]}", 0, "no object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "no string"},
        {"{" ONE "}", 7, "cut off"},
        {"{" ONE "}", 9, "1 bytes follow"},
        {"{}", 1, "1 bytes follow"},
        {T("\"F32\"", "[2]", "[0,4]"), 4, "do not fit"},
        {T("\"F32\"", "[2]", "[8,0]"), 8, "bad data_offsets"},
        {T("\"F32\"", "[2]", "[-8,0]"), 8, "bad data_offsets"},
        {T("\"F32\"", "[2]", "[0]"), 8, "are needed"},
        {T("\"F32\"", "[2]", "[0,8,9]"), 8, "are needed"},
        {T("\"F32\"", "[2]", "[0,8.0]"), 8, "bad data_offsets"},
        {T("\"F32\"", "[2]", "[8,16]"), 16, "after a hole"},
        {T("\"F32\"", "[-2]", "[0,8]"), 8, "is no size"},
        {T("\"F32\"", "[2.0]", "[0,8]"), 8, "is no size"},
        {T("\"F32\"", "{}", "[0,8]"), 8, "are needed"},
        {T("\"F31\"", "[2]", "[0,8]"), 8, "unknown dtype"},
        {T("\"Q8_0\"", "[32]", "[0,34]"), 34, "unknown dtype"},
        {T("3", "[2]", "[0,8]"), 8, "are needed"},
        {T("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "dimensions"},
        {T("\"F64\"", "[4611686018427387904,4]", "[0,0]"), 0, "do not fit"},
        {T("\"F64\"", "[99999999999999999999]", "[0,0]"), 0, "header"},
        {"{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}," ONE "}", 12, "inside"},
        {"{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}," ONE "}", 8, "inside"},
        {"{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}," ONE "}", 16, "after a hole"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_msg(!parse(bad[i].header, bad[i].bytes, &st), "accepted: %s", bad[i].header);
        ck_assert_int_eq(st.code, LM_FAILED);
        ck_assert_msg(strstr(st.message, bad[i].says), "%s: %s", bad[i].header, st.message);
    }
}
END_TEST

START_TEST(bad_lengths_are_refused)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"", 0},
        {"\2\0\0\0\0\0\0", 7},
        {"\2\0\0\0\0\0\0\0{", 9},
        {"\377\377\377\377\377\377\377\377{}", 10},
        {"\1\341\365\5\0\0\0\0{}", 10},
        {"PK\3\4abcdefgh", 12},
        {"\x80\x02}q\0abcdef", 11},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lm_status st = LM_STATUS_INIT;
        ck_assert_ptr_null(lm_safetensors_from_memory(bad[i].bytes, bad[i].n, "f", &st));
        ck_assert_int_eq(st.code, LM_FAILED);
    }
    lm_status st = LM_STATUS_INIT; /* refused for its size, before anything else is looked at */
    ck_assert_ptr_null(lm_safetensors_from_memory("\1\341\365\5\0\0\0\0{}", 10, "f", &st));
    ck_assert_msg(strstr(st.message, "100000001 bytes (at most 100000000"), "%s", st.message);
}
END_TEST

static lm_buf written(const lm_safetensor *tensors, size_t count, lm_status *st)
{
    FILE *file = tmpfile();
    lm_buf b = {0};
    if (lm_safetensors_write(fileno(file), "out", tensors, count, st)) {
        lm_buf_reserve(&b, (size_t)lseek(fileno(file), 0, SEEK_END));
        rewind(file);
        b.len = fread(b.data, 1, b.cap, file);
    }
    fclose(file);
    return b;
}

START_TEST(written_files_are_read_back)
{
    const uint8_t bytes[24] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const lm_safetensor in[] = {
        {.name = "u\"\\\n\x01\xc3\xa9", .dtype = LM_U8, .shape = {1, {3}}, .data = bytes, .bytes = 3},
        {.name = "b", .dtype = LM_F32, .shape = {2, {1, 2}}, .data = bytes, .bytes = 8},
        {.name = "a", .dtype = LM_BF16, .shape = {0}, .data = bytes, .bytes = 2},
        {.name = "c", .dtype = LM_I64, .shape = {1, {1}}, .data = bytes, .bytes = 8},
        {.name = "aa", .dtype = LM_F32, .shape = {1, {0}}},
    };
    lm_status st = LM_STATUS_INIT;
    lm_buf b = written(in, 5, &st);
    assert_ok(&st);
    ck_assert_uint_eq(((unsigned char)b.data[0] + 256u * (unsigned char)b.data[1]) % 8, 0);
    lm_safetensors *f = lm_safetensors_from_memory(b.data, b.len, "f", &st);
    assert_ok(&st);
    static const int order[] = {3, 4, 1, 2, 0};
    for (size_t i = 0; i < 5; i++) {
        const lm_safetensor *t = lm_safetensors_at(f, i), *s = &in[order[i]];
        ck_assert_str_eq(t->name, s->name);
        ck_assert_int_eq(t->dtype, s->dtype);
        ck_assert(lm_shape_equal(&t->shape, &s->shape));
        ck_assert_uint_eq(t->bytes, s->bytes);
        ck_assert(!t->bytes || memcmp(t->data, s->data, t->bytes) == 0);
    }
    ck_assert_str_eq(lm_safetensors_metadata(f, "format"), "pt");
    ck_assert_ptr_null(lm_safetensors_metadata(f, "x"));
    lm_safetensors_close(f);
    lm_buf_free(&b);
    b = written(NULL, 0, &st);
    f = lm_safetensors_from_memory(b.data, b.len, "f", &st);
    assert_ok(&st);
    lm_safetensors_close(f);
    lm_buf_free(&b);
}
END_TEST

START_TEST(unwritable_tensors_are_refused)
{
    const uint8_t bytes[64] = {0};
    const lm_safetensor quantised = {.name = "q", .dtype = LM_Q8_0, .shape = {1, {32}}, .data = bytes, .bytes = 34},
                        lying = {.name = "l", .dtype = LM_F32, .shape = {1, {2}}, .data = bytes, .bytes = 4};
    const lm_safetensor twins[] = {{.name = "a", .dtype = LM_F32, .shape = {1, {1}}, .data = bytes, .bytes = 4},
                                   {.name = "a", .dtype = LM_U8, .shape = {1, {1}}, .data = bytes, .bytes = 1}};
    lm_status st = LM_STATUS_INIT;
    ck_assert(!lm_safetensors_write(-1, "o", &quantised, 1, &st) && strstr(st.message, "Q8_0"));
    lm_status_clear(&st);
    ck_assert(!lm_safetensors_write(-1, "o", &lying, 1, &st) && strstr(st.message, "size"));
    lm_status_clear(&st);
    ck_assert(!lm_safetensors_write(-1, "o", twins, 2, &st) && strstr(st.message, "two tensors"));
}
END_TEST

START_TEST(files_are_mapped)
{
    lm_status st = LM_STATUS_INIT;
    ck_assert_ptr_null(lm_safetensors_open("/nonexistent/model.safetensors", &st));
    ck_assert(strstr(st.message, "/nonexistent"));
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_safetensors_open("/", &st));
    lm_status_clear(&st);
    ck_assert_ptr_null(lm_safetensors_open("/dev/null", &st));
    lm_status_clear(&st);

    char path[] = "/tmp/lmutils-check-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_ptr_null(lm_safetensors_open(path, &st));
    lm_status_clear(&st);
    const float value = 1.5f;
    const lm_safetensor one = {.name = "x", .dtype = LM_F32, .shape = {0}, .data = &value, .bytes = sizeof value};
    ck_assert(lm_safetensors_write(fd, path, &one, 1, &st));
    close(fd);
    lm_safetensors *f = lm_safetensors_open(path, &st);
    assert_ok(&st);
    unlink(path);
    ck_assert(memcmp(lm_safetensors_find(f, "x")->data, &value, sizeof value) == 0);
    lm_safetensors_close(f);
}
END_TEST

/* Each file of the reference data that the crate wrote: read and written again, it has the same bytes. */
START_TEST(rewritten_files_are_identical)
{
    static const char *const files[] = {
        "goldens/models/bert-mlm",   "goldens/models/bert-mlm-f16",        "goldens/models/bert-cls3",
        "goldens/models/llama-bf16", "goldens/models/t5-v1.1-gated",       "goldens/extras/bert-gammabeta",
        "goldens/e2e/bert-cls",      "goldens/extras/roberta-positionids",
    };
    const char *root = unit_testdata();
    if (!root) {
        printf("SKIP rewritten_files_are_identical: LMUTILS_TESTDATA is not set\n");
        return;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        lm_status st = LM_STATUS_INIT;
        char *path = lm_format("%s/%s/model.safetensors", root, files[i]), *bytes;
        size_t n;
        lm_file_read(path, 1 << 24, &bytes, &n, &st);
        assert_ok(&st);
        lm_safetensors *f = lm_safetensors_open(path, &st);
        assert_ok(&st);
        size_t count = lm_safetensors_count(f);
        lm_safetensor *tensors = lm_calloc(count, sizeof *tensors);
        for (size_t k = 0; k < count; k++) /* the other way round: the writer sorts */
            tensors[k] = *lm_safetensors_at(f, count - 1 - k);
        lm_buf b = written(tensors, count, &st);
        assert_ok(&st);
        ck_assert_msg(b.len == n && memcmp(b.data, bytes, n) == 0, "%s differs", path);
        lm_buf_free(&b);
        free(tensors);
        lm_safetensors_close(f);
        free(bytes);
        free(path);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tensor");
    TCase *c = tcase_create("dtype");
    tcase_add_test(c, dtypes_have_names_and_sizes);
    tcase_add_test(c, sizes_are_checked);
    tcase_add_test(c, shapes_compare_and_print);
    tcase_add_test(c, halves_round_to_even);
    tcase_add_test(c, bfloats_round_to_even);
    tcase_add_test(c, arrays_convert_unaligned);
    suite_add_tcase(s, c);
    c = tcase_create("safetensors");
    tcase_add_test(c, good_headers_are_read);
    tcase_add_test(c, bad_headers_are_refused);
    tcase_add_test(c, bad_lengths_are_refused);
    tcase_add_test(c, written_files_are_read_back);
    tcase_add_test(c, unwritable_tensors_are_refused);
    tcase_add_test(c, files_are_mapped);
    tcase_add_test(c, rewritten_files_are_identical);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
