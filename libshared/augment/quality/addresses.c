/* Addresses that are one word, as spaCy's URL_PATTERN has them (lang/tokenizer_exceptions.py): a scheme and `://`, a user and `@`, a
 * host of labels that ends with a top level domain in lower case, or four numbers, then a port, a path; all but the host may
 * be missing. */
#include "augment/quality/word_rules.h"

#include "base/utf8.h"

#include <stdlib.h>

enum { LABEL_MOST = 64, TOP_LEAST = 2, TOP_MOST = 63, PORT_LEAST = 2, PORT_MOST = 5 };

static bool in_label(uint32_t code)
{
    return (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z') || (code >= 0xA1 && code <= 0xFFFF);
}

/* What may follow a host: nothing, or a port, then a path. */
static bool is_rest(const char *p, const char *end)
{
    if (p < end && *p == ':') {
        const char *digits = ++p;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
        if (p - digits < PORT_LEAST || p - digits > PORT_MOST)
            return false;
    }
    return p == end || *p == '/' || *p == '?' || *p == '#';
}

/* Four numbers below 256, the first and the last of them not 0, the first below 224, and not of a private network. */
static bool is_numbers(const char *p, const char *end)
{
    int part[4];
    for (int i = 0; i < 4; i++) {
        if (i && (p == end || *p++ != '.'))
            return false;
        const char *digits = p;
        for (part[i] = 0; p < end && p - digits < 3 && *p >= '0' && *p <= '9'; p++)
            part[i] = 10 * part[i] + *p - '0';
        if (p == digits || part[i] > 255)
            return false;
    }
    bool private = part[0] == 10 || part[0] == 127 || (part[0] == 169 && part[1] == 254) || (part[0] == 192 && part[1] == 168) ||
                   (part[0] == 172 && part[1] >= 16 && part[1] <= 31);
    return !private && part[0] >= 1 && part[0] <= 223 && part[3] >= 1 && part[3] <= 254 && is_rest(p, end);
}

static bool is_host(const char *p, const char *end)
{
    if (is_numbers(p, end))
        return true;
    for (int labels = 0;; labels++) {
        const char *from = p;
        size_t chars = 0, lower = 0; /* of the label, and how many of its first are lower case */
        uint32_t code = 0, last = 0;
        while (p < end) {
            size_t n = lm_utf8_decode(p, (size_t)(end - p), &code);
            if (!in_label(code) && !(chars && (code == '_' || code == '-')))
                break;
            if (lower == chars && lm_count_class(code) & LM_CC_LOWER)
                lower++;
            last = code;
            p += n;
            chars++;
        }
        bool dot = p < end && *p == '.' && chars && chars <= LABEL_MOST && last != '_' && last != '-';
        if (!dot)
            return labels && p > from && lower == chars && chars >= TOP_LEAST && chars <= TOP_MOST && is_rest(p, end);
        p++;
    }
}

bool lm_is_address(lm_str word)
{
    const char *p = word.data, *end = p + word.len;
    if (!memchr(p, '.', word.len))
        return false;
    const char *colon = memchr(p, ':', word.len);
    if (colon && colon - p >= 2 && end - colon > 3 && memcmp(colon, "://", 3) == 0) {
        bool scheme = true;
        for (const char *q = p; q < colon && scheme;) {
            uint32_t code;
            q += lm_utf8_decode(q, (size_t)(colon - q), &code);
            scheme = code == '+' || code == '-' || code == '.' || code == '_' || lm_count_class(code) & (LM_CC_ALPHA | LM_CC_DIGIT);
        }
        if (scheme)
            p = colon + 3;
    }
    if (is_host(p, end))
        return true;
    for (const char *at = p; p < end && (at = memchr(at, '@', (size_t)(end - at))); at++)
        if (at > p && is_host(at + 1, end))
            return true;
    return false;
}
