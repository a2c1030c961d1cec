#include "unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "compared_headers.h"
#include "stream/json.h"

#include <string.h>

static void pad(lm_buf *b)
{
    while ((b->len + 1) % 64)
        lm_buf_putc(b, ' ');
    lm_buf_putc(b, '\n');
}

static void compare(lm_str line, bool *quick)
{
    const char *why = headers_differ(line, quick);
    ck_assert_msg(!why, "%s: %.*s", why, (int)line.len, line.data);
}

/* `quick`: what programs write has to be taken apart by the scanner. */
static const struct {
    const char *header;
    bool quick;
} headers[] = {
    {"{}", true},
    {"{\"text\":\"a \\\"word\\\"\\n\\u00e9 \\ud83d\\ude00 \xc3\xa9\","
     "\"label\":\"x\",\"fields\":{\"a\":[1,{\"b\":null}],\"c\":-1.5e3}}", true},
    {"{\"n\":2,\"labels\":[\"a\",\"b\"],\"id\":[1,\"2\"],\"fields\":{\"f\":[true,false]},\"tensors\":{\"ids\":{\"dtype\":\"I32\","
     "\"shape\":[3],\"data_offsets\":[0,12]},\"ids.splits\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[12,24]}},\"bytes\":24}",
     true},
    {"{\"lms\":1,\"kind\":\"text\",\"via\":[]}", true},
    {"{\"end\":{\"records\":0,\"examples\":0,\"xxh3\":\"0123456789abcdef\"}}", true},
    {" {}", false},
    {"{\"a\" : [ 1 , 2 ] , \"b\" :\t{ } }", true},
    {"{\"\\u0061\":1,\"a\":2}", false},
    {"{\"\\u0061\":1}", false},
    {"{\"a\\\"b\":{\"dtype\":\"U8\"}}", false},
    {"{\"a\":1,\"a\":2}", false},
    {"{\"x\":{\"y\":{\"z\":{\"a\":1,\"a\":2}}}}", false},
    {"{\"a\":\"\\ud800\"}", false},
    {"{\"a\":\"\\udc00\\ud800\"}", false},
    {"{\"a\":\"\\u0000\"}", true},
    {"{\"a\":123456789012345678901234567890,\"b\":1e999}", false},
    {"{\"a\":999999999999999999,\"b\":-1e99}", true},
    {"{\"a\":01}", false},
    {"{\"a\":1.}", false},
    {"{\"a\":[1,]}", false},
    {"{\"a\":1,}", false},
    {"{\"a\":\"\t\"}", false},
    {"{\"a\":\"\xed\xa0\x80\"}", false},
    {"{\"a\":\"\xc0\x80\"}", false},
    {"{\"a\":nul}", false},
    {"{\"a\":1}x", false},
    {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", true},
    {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", false},
    {"{\"text\":\"a \\u00e9 \xc3\xa9 \\\\\"}", true},
    {"{\"text\":\"\"}", true},
    {"{\"text\":\"exactly as long as a line, so that its pad is one line feed...\"}", true},
    {"{\"text\":\"one byte more than that, so that its pad is the whole of a line..\"}", true},
};

START_TEST(as_jansson)
{
    lm_buf b = {0};
    bool quick;
    lm_buf_puts(&b, headers[_i].header);
    pad(&b);
    compare(lm_buf_str(&b), &quick);
    ck_assert_msg(quick == headers[_i].quick, "%s", headers[_i].header);
    lm_buf_free(&b);
}
END_TEST

START_TEST(many_names)
{
    for (int n = 250; n < 262; n++) {
        lm_buf b = {0};
        bool quick;
        lm_buf_puts(&b, "{\"fields\":{");
        for (int i = 0; i < n; i++)
            lm_buf_printf(&b, "%s\"column %d\":[]", i ? "," : "", i);
        lm_buf_puts(&b, "}}");
        pad(&b);
        compare(lm_buf_str(&b), &quick);
        ck_assert(quick == (n <= 256));
        lm_buf_free(&b);
    }
}
END_TEST

/* Some bytes of a good header changed. */
START_TEST(damaged)
{
    static const char bytes[] = "\"\\{}[],:0123456789.eE-+ntu \t\xc3\xa9\xed\x1f";
    const lm_philox_key key = lm_random_key(1, LM_FOR_SHUFFLE, (uint64_t)_i);
    size_t sure = 0;
    for (int turn = 0; turn < 8000; turn++) {
        lm_buf b = {0};
        bool quick;
        lm_buf_puts(&b, headers[_i].header);
        for (uint64_t k = 0; k <= (uint64_t)turn % 3; k++) {
            uint64_t draw = lm_random_u64(key, (uint64_t)turn, k);
            size_t at = draw % b.len;
            char byte = bytes[(draw >> 32) % (sizeof bytes - 1)];
            if (draw >> 63) {
                lm_buf_putc(&b, ' ');
                memmove(b.data + at + 1, b.data + at, b.len - 1 - at);
            }
            b.data[at] = byte;
        }
        pad(&b);
        compare(lm_buf_str(&b), &quick);
        sure += quick;
        lm_buf_free(&b);
    }
    ck_assert_msg(!headers[_i].quick || sure > 0, "%s", headers[_i].header);
}
END_TEST

/* What is a text's alone is seen to be. */
START_TEST(text_alone)
{
    static const char *const texts[] = {"", "a", "\\n\\u00e9\xc3\xa9", "exactly as long as a line, so that its pad is one line feed..."};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lm_buf b = {0};
        lm_buf_printf(&b, "{\"text\":\"%s\"}", texts[i]);
        pad(&b);
        ck_assert_uint_eq(lm_header_is_text(lm_buf_str(&b)), b.len);
        b.data[1] = ' ';
        ck_assert_uint_eq(lm_header_is_text(lm_buf_str(&b)), 0);
        lm_buf_free(&b);
    }
}
END_TEST

/* Blanks and a LF end a header at a multiple of 64, up to the longest that there may be, and nothing else does. */
START_TEST(ends)
{
    lm_header_view v = {0};
    for (size_t n = 0; n < 130; n++) {
        lm_buf b = {0};
        lm_buf_printf(&b, "{\"text\":\"%*s\"}", (int)n, "");
        size_t end = b.len;
        pad(&b);
        lm_str line = lm_buf_str(&b);
        ck_assert_uint_eq(lm_header_scan(line, &v), line.len);
        for (size_t i = end; i < line.len; i++) {
            b.data[i] ^= '\n' ^ ' '; /* too early, or none */
            ck_assert_uint_eq(lm_header_scan(line, &v), 0);
            ck_assert_uint_eq(lm_header_is_text(line), 0);
            b.data[i] ^= '\n' ^ ' ';
            ck_assert_uint_eq(lm_header_scan((lm_str){line.data, i}, &v), 0);
            ck_assert_uint_eq(lm_header_is_text((lm_str){line.data, i}), 0);
        }
        b.data[b.len - 1] = ' ';
        pad(&b); /* more blanks than it takes */
        ck_assert_uint_eq(lm_header_scan(lm_buf_str(&b), &v), b.len);
        lm_buf_free(&b);
    }
    for (int more = 0; more < 2; more++) {
        lm_buf b = {0};
        lm_buf_printf(&b, "{\"text\":\"%*s\"}", LM_LMS_HEADER_MAX - 12 + more, "");
        pad(&b);
        size_t wanted = more ? 0 : LM_LMS_HEADER_MAX;
        ck_assert_uint_eq(lm_header_scan(lm_buf_str(&b), &v), wanted);
        ck_assert_uint_eq(lm_header_is_text(lm_buf_str(&b)), wanted);
        lm_buf_free(&b);
    }
    lm_header_view_free(&v);
}
END_TEST

/* The same as values of text records. */
START_TEST(values)
{
    static const char bytes[] = "\"\\{}[],:0123456789.eE-+ntubfr/\xc3\xa9 \t";
    const lm_philox_key key = lm_random_key(2, LM_FOR_SHUFFLE, (uint64_t)_i);
    size_t right = 0, wrong = 0;
    for (int turn = 0; turn < 20000; turn++) {
        lm_buf b = {0};
        bool good = false;
        lm_buf_puts(&b, headers[_i].header);
        for (uint64_t k = 0; k < (uint64_t)turn % 3; k++) {
            uint64_t draw = lm_random_u64(key, (uint64_t)turn, k);
            b.data[draw % b.len] = bytes[(draw >> 32) % (sizeof bytes - 1)];
        }
        if (lm_utf8_valid(b.data, b.len)) {
            const char *why = values_differ(lm_buf_str(&b), &good);
            ck_assert_msg(!why, "%s: %.*s", why, (int)b.len, b.data);
            right += good;
            wrong += !good;
        }
        lm_buf_free(&b);
    }
    ck_assert(right + wrong == 0 || wrong > 0);
}
END_TEST

/* Runs of plain bytes of all lengths, from all places of a vector, ended by what ends them, or by the end. */
START_TEST(plain_bytes)
{
    char text[130];
    for (size_t from = 0; from < 20; from++)
        for (size_t n = 0; n + from < 100; n++)
            for (int last = 0; last < 256; last++) {
                size_t high = n ? (n * 7 + (size_t)last) % n : 0;
                memset(text, 'x', sizeof text);
                text[from + n] = (char)last;
                for (int some = 0; some < 2; some++) {
                    bool ascii = true, special = last == '"' || last == '\\' || last < 0x20;
                    if (some && n)
                        text[from + high] = '\xe9';
                    const char *p = lm_json_plain(text + from, text + from + n + 1, &ascii);
                    ck_assert_uint_eq((size_t)(p - text), from + n + !special);
                    ck_assert(ascii == !((some && n) || (!special && last >= 0x80)));
                }
            }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("header");
    TCase *c = tcase_create("header");
    int n = (int)(sizeof headers / sizeof *headers);
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, as_jansson, 0, n);
    tcase_add_loop_test(c, damaged, 0, n);
    tcase_add_loop_test(c, values, 0, n);
    tcase_add_test(c, many_names);
    tcase_add_test(c, text_alone);
    tcase_add_test(c, ends);
    tcase_add_test(c, plain_bytes);
    suite_add_tcase(s, c);
    return s;
}

UNIT_MAIN(suite)
