#include "text/unicode/python_text.h"

#include "base/utf8.h"

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
