#include "base/utf8.h"

/* Length of the well-formed sequence at s (Unicode 15, table 3-7), or 0; *bad is then the length of the maximal
 * subpart: the longest beginning of a well-formed sequence, at least one byte. n > 0. */
static size_t sequence(const unsigned char *s, size_t n, size_t *bad)
{
    unsigned char lead = s[0], low = 0x80, high = 0xBF; /* bounds of the second byte */
    size_t len;
    *bad = 1;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2)
        return 0; /* a continuation byte, or an overlong form of ASCII */
    if (lead < 0xE0) {
        len = 2;
    } else if (lead < 0xF0) {
        len = 3;
        if (lead == 0xE0)
            low = 0xA0; /* overlong below */
        else if (lead == 0xED)
            high = 0x9F; /* surrogates above */
    } else if (lead < 0xF5) {
        len = 4;
        if (lead == 0xF0)
            low = 0x90; /* overlong below */
        else if (lead == 0xF4)
            high = 0x8F; /* beyond U+10FFFF above */
    } else {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if (i >= n || s[i] < low || s[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80, high = 0xBF;
    }
    return len;
}

size_t lm_ascii_prefix(const char *s, size_t len)
{
    size_t i = 0;
    uint64_t some[4];
    for (; i + sizeof some <= len; i += sizeof some) {
        memcpy(some, s + i, sizeof some);
        if ((some[0] | some[1] | some[2] | some[3]) & UINT64_C(0x8080808080808080))
            break;
    }
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, s + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < len && (unsigned char)s[i] < 0x80)
        i++;
    return i;
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* How far from i > 2 on bytes are what may stand behind the three before them, but for a sequence that is cut there: 16 at a time, then
 * the last 16. */
static size_t goes_on(const char *s, size_t i, size_t len)
{
    for (size_t at; i < len; i = at + 16) {
        bytes16 c, one, two, three; /* each byte, and those before it */
        at = i + 16 <= len ? i : len - 16;
        memcpy(&c, s + at, 16);
        memcpy(&one, s + at - 1, 16);
        memcpy(&two, s + at - 2, 16);
        memcpy(&three, s + at - 3, 16);
        bytes16 due = (bytes16)(one >= 0xC0) | (bytes16)(two >= 0xE0) | (bytes16)(three >= 0xF0);
        bytes16 bad = due ^ (bytes16)((c & 0xC0) == 0x80);
        bad |= (bytes16)(c >= 0xF5) | (bytes16)((c & 0xFE) == 0xC0); /* beyond U+10FFFF, overlong forms of ASCII */
        bad |= (bytes16)(one == 0xE0) & (bytes16)(c < 0xA0);         /* the bounds of `sequence` */
        bad |= (bytes16)(one == 0xED) & (bytes16)(c > 0x9F);
        bad |= (bytes16)(one == 0xF0) & (bytes16)(c < 0x90);
        bad |= (bytes16)(one == 0xF4) & (bytes16)(c > 0x8F);
        uint64_t any[2];
        memcpy(any, &bad, 16);
        if (any[0] | any[1])
            break;
    }
    return i;
}

/* From i, the begin of a sequence, on: until a sequence ends at `to` or behind it, or is ill-formed. */
static size_t sequences(const char *s, size_t len, size_t i, size_t to, bool *ill)
{
    *ill = false;
    while (i < to) {
        i += lm_ascii_prefix(s + i, len - i);
        if (i >= to)
            break;
        size_t bad, n = sequence((const unsigned char *)s + i, len - i, &bad);
        *ill = !n;
        if (!n)
            break;
        i += n;
    }
    return i;
}

size_t lm_utf8_valid_prefix(const char *s, size_t len)
{
    enum { SHORT = 3 + 16 }; /* what is shorter has no last 16 with three before them */
    bool ill = false;
    size_t i = len < SHORT ? 0 : sequences(s, len, 0, 3, &ill);
    if (len < SHORT || ill)
        return ill ? i : sequences(s, len, 0, len, &ill);
    i = goes_on(s, i, len);
    size_t back = 0; /* what is cut there, or does not go on */
    while (back < 3 && ((unsigned char)s[i - back - 1] & 0xC0) == 0x80)
        back++;
    if ((unsigned char)s[i - back - 1] >= 0xC0)
        i -= back + 1;
    return sequences(s, len, i, len, &ill);
}

size_t lm_utf8_decode(const char *s, size_t n, uint32_t *code)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t bad, len = sequence(u, n, &bad);
    switch (len) {
    case 1:
        *code = u[0];
        break;
    case 2:
        *code = (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
        break;
    case 3:
        *code = (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
        break;
    case 4:
        *code = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 | (uint32_t)(u[2] & 0x3F) << 6 |
                (u[3] & 0x3F);
        break;
    default:
        *code = 0xFFFD;
        return bad;
    }
    return len;
}

size_t lm_utf8_encode(uint32_t code, char out[4])
{
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        code = 0xFFFD;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t lm_utf8_count(const char *s, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; count++) {
        uint32_t code;
        i += lm_utf8_decode(s + i, len - i, &code);
    }
    return count;
}

/* The sequences that begin in in[i..to), one by one; returns where the last of them ends. */
static size_t replace_some(lm_str in, size_t i, size_t to, lm_buf *out)
{
    enum { MOST = 3 }; /* bytes out of one */
    lm_buf_reserve(out, MOST * (to - i) + sizeof(uint32_t));
    char *at = out->data + out->len;
    while (i < to) {
        unsigned char c = (unsigned char)in.data[i], next = i + 1 < in.len ? (unsigned char)in.data[i + 1] : 0;
        if (c >= 0xC2 && (next & 0xC0) == 0x80) {
            size_t bad, n = sequence((const unsigned char *)in.data + i, in.len - i, &bad);
            memcpy(at, n ? in.data + i : "\xEF\xBF\xBD", n ? n : 3);
            at += n ? n : 3;
            i += n ? n : bad;
            continue;
        }
        bool ascii = c < 0x80; /* else ill-formed by itself; as good as random, so nothing branches here */
        at[0] = (char)(ascii ? c : 0xEF);
        at[1] = (char)0xBF;
        at[2] = (char)0xBD;
        at += ascii ? 1 : 3;
        i++;
    }
    out->len = (size_t)(at - out->data);
    return i;
}

/* Where something is ill-formed, there is often more of it. */
void lm_utf8_replace_invalid(lm_str in, lm_buf *out)
{
    enum { NEAR = 64 };
    for (size_t i = 0; i < in.len;) {
        size_t good = lm_utf8_valid_prefix(in.data + i, in.len - i);
        lm_buf_append(out, in.data + i, good);
        i = replace_some(in, i + good, in.len - i - good < NEAR ? in.len : i + good + NEAR, out);
    }
}
