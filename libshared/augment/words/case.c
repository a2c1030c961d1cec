#include "augment/words/case.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

#include <utf8proc.h>

static void append(uint32_t code, lm_buf *out)
{
    char bytes[4];
    lm_buf_append(out, bytes, lm_utf8_encode(code, bytes));
}

void lm_lower_case(lm_str text, lm_buf *out)
{
    lm_buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x80) {
            lm_buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : (char)c);
            i++;
            continue;
        }
        uint32_t code, lower[2];
        i += lm_utf8_decode(text.data + i, text.len - i, &code);
        int n = lm_unicode_lower_case(code, lower);
        for (int k = 0; k < n; k++)
            append(lower[k], out);
    }
}

static bool is_upper(uint32_t code)
{
    return code < 0x80 ? code >= 'A' && code <= 'Z' : utf8proc_tolower((utf8proc_int32_t)code) != (utf8proc_int32_t)code;
}

static bool is_lower(uint32_t code)
{
    return code < 0x80 ? code >= 'a' && code <= 'z' : utf8proc_toupper((utf8proc_int32_t)code) != (utf8proc_int32_t)code;
}

/* The first `letters` in capitals, the rest as it is. */
static void append_upper(lm_str word, size_t letters, lm_buf *out)
{
    uint32_t code;
    for (size_t i = 0; i < word.len;) {
        i += lm_utf8_decode(word.data + i, word.len - i, &code);
        append(letters ? (uint32_t)utf8proc_toupper((utf8proc_int32_t)code) : code, out);
        letters -= letters > 0;
    }
}

void lm_case_like(lm_str word, lm_str model, lm_buf *out)
{
    size_t upper = 0, lower = 0;
    bool first = false;
    uint32_t code;
    for (size_t i = 0; i < model.len;) {
        i += lm_utf8_decode(model.data + i, model.len - i, &code);
        if (is_upper(code)) {
            first |= upper + lower == 0;
            upper++;
        } else {
            lower += is_lower(code);
        }
    }
    if (!upper)
        lm_lower_case(word, out);
    else if (upper > 1 && !lower)
        append_upper(word, (size_t)-1, out);
    else if (first && upper == 1)
        append_upper(word, 1, out);
    else
        lm_buf_append(out, word.data, word.len);
}
