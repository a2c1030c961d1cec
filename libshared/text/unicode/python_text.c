#include "text/unicode/python_text.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <utf8proc.h>

bool lm_is_python_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

size_t lm_text_place(lm_str s, size_t index)
{
    size_t i = 0;
    while (i < s.len && index) {
        i++;
        while (i < s.len && ((unsigned char)s.data[i] & 0xC0) == 0x80)
            i++;
        index--;
    }
    return i;
}

static bool is_among(const char *p, size_t n, const lm_str *chars)
{
    if (!chars) {
        uint32_t code;
        lm_utf8_decode(p, n, &code);
        return lm_is_python_space(code);
    }
    for (size_t i = 0; i + n <= chars->len; i++)
        if (memcmp(chars->data + i, p, n) == 0)
            return true;
    return false;
}

lm_str lm_text_trim(lm_str s, const lm_str *chars, bool left, bool right)
{
    while (left && s.len) {
        size_t n = lm_text_place(s, 1);
        if (!is_among(s.data, n, chars))
            break;
        s.data += n;
        s.len -= n;
    }
    while (right && s.len) {
        size_t at = s.len - 1;
        while (at && ((unsigned char)s.data[at] & 0xC0) == 0x80)
            at--;
        if (!is_among(s.data + at, s.len - at, chars))
            break;
        s.len = at;
    }
    return s;
}

bool lm_text_take_line(lm_str *rest, lm_str *line, lm_str *with_end)
{
    if (rest->len == 0)
        return false;
    const char *p = rest->data, *end = p + rest->len;
    size_t n = 0; /* bytes of what ends the line */
    for (; p < end; p++) {
        unsigned char b = (unsigned char)*p;
        if (b >= 0x20 && b != 0xC2 && b != 0xE2)
            continue; /* no line ends with anything that begins so, or goes on so */
        uint32_t c;
        n = lm_utf8_decode(p, (size_t)(end - p), &c);
        if ((c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029)
            break;
        n = 0;
    }
    if (n && *p == '\r' && p + 1 < end && p[1] == '\n')
        n = 2;
    *line = (lm_str){rest->data, (size_t)(p - rest->data)};
    if (with_end)
        *with_end = (lm_str){rest->data, line->len + n};
    *rest = (lm_str){p + n, (size_t)(end - p) - n};
    return true;
}

/* ------------------------------------------------------------------ lower case */

static bool is_cased(uint32_t code)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

static bool is_case_ignorable(uint32_t code)
{
    static const uint16_t within_words[] = {'\'', '.', ':', 0xB7, 0x387, 0x55F, 0x5F4, 0x2018, 0x2019, 0x2024, 0x2027,
                                            0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    if (c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_LM ||
        c == UTF8PROC_CATEGORY_SK)
        return true;
    for (size_t i = 0; i < sizeof within_words / sizeof *within_words; i++)
        if (within_words[i] == code)
            return true;
    return false;
}

bool lm_is_final_sigma(lm_str text, size_t from, size_t to)
{
    uint32_t code = 0;
    size_t at = from;
    bool ignorable = true;
    while (at && ignorable) {
        do
            at--;
        while (at && (text.data[at] & 0xC0) == 0x80);
        lm_utf8_decode(text.data + at, from - at, &code);
        ignorable = is_case_ignorable(code);
    }
    if (ignorable || !is_cased(code))
        return false;
    for (at = to; at < text.len;) {
        at += lm_utf8_decode(text.data + at, text.len - at, &code);
        if (!is_case_ignorable(code))
            return !is_cased(code);
    }
    return true;
}

void lm_text_lower(lm_str text, lm_buf *out)
{
    for (size_t from = 0, to; from < text.len; from = to) {
        uint32_t code, lower[2];
        char bytes[4];
        to = from + lm_utf8_decode(text.data + from, text.len - from, &code);
        int n = lm_unicode_lower_case(code, lower);
        if (code == LM_SIGMA && lm_is_final_sigma(text, from, to))
            lower[0] = LM_FINAL_SIGMA;
        for (int i = 0; i < n; i++)
            lm_buf_append(out, bytes, lm_utf8_encode(lower[i], bytes));
    }
}
