#include "stream/json.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool fail(lm_json *j, const char *why)
{
    if (!j->why)
        j->why = why;
    return false;
}

/* ---------------------------------------------------------------------------------------------------- leaves */

/* The values of hexadecimal digits, plus 1; 0: it is none. */
static const uint8_t digit[256] = {
    ['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ['A'] = 11, 12, 13, 14, 15, 16, ['a'] = 11, 12, 13, 14, 15, 16,
};

static uint8_t digit_of(char c)
{
    return digit[(unsigned char)c];
}

/* Whether one of 8 bytes is a quote, a backslash or a control character (the usual test for a byte below a bound). */
static bool has_special(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
    uint64_t below = (w - ones * 0x20) & ~w;
    return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | below) & high;
}

static bool is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

const char *lm_json_plain(const char *p, const char *end, bool *ascii)
{
    uint64_t high = 0, w;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
    __m128i seen = _mm_setzero_si128();
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        int found = _mm_movemask_epi8(_mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v)));
        if (found) { /* what stands behind it is not ours */
            int n = __builtin_ctz((unsigned)found);
            *ascii &= !(_mm_movemask_epi8(seen) | (_mm_movemask_epi8(v) & ((1 << n) - 1)));
            return p + n;
        }
        seen = _mm_or_si128(seen, v);
    }
    high = (uint64_t)_mm_movemask_epi8(seen);
#endif
    for (; end - p >= 8 && (memcpy(&w, p, 8), !has_special(w)); p += 8)
        high |= w & UINT64_C(0x8080808080808080);
    for (; p < end && !is_special(*p); p++)
        high |= (unsigned char)*p & 0x80;
    *ascii &= !high;
    return p;
}

static bool skip_escape(lm_json *j)
{
    const char *p = j->p;
    if (j->end - p < 2)
        return fail(j, "a string does not end");
    if (p[1] == 'u') {
        if (j->end - p < 6 || !digit_of(p[2]) || !digit_of(p[3]) || !digit_of(p[4]) || !digit_of(p[5]))
            return fail(j, "\\u without four hexadecimal digits");
        j->p += 6;
        return true;
    }
    if (!memchr("\"\\/bfnrt", p[1], 8))
        return fail(j, "an unknown escape in a string");
    j->p += 2;
    return true;
}

static bool skip_string(lm_json *j)
{
    bool ignored = true;
    j->p++;
    for (;;) {
        j->p = lm_json_plain(j->p, j->end, &ignored);
        if (j->p == j->end)
            return fail(j, "a string does not end");
        if (*j->p == '"') {
            j->p++;
            return true;
        }
        if (*j->p != '\\')
            return fail(j, "a control character in a string");
        if (!skip_escape(j))
            return false;
        j->escapes = true;
    }
}

static size_t digits(lm_json *j)
{
    const char *start = j->p;
    while (j->p < j->end && *j->p >= '0' && *j->p <= '9')
        j->p++;
    return (size_t)(j->p - start);
}

static bool skip_number(lm_json *j)
{
    if (*j->p == '-')
        j->p++;
    const char *first = j->p;
    size_t n = digits(j);
    if (n == 0 || (n > 1 && *first == '0'))
        return fail(j, "a malformed number");
    if (j->p < j->end && *j->p == '.') {
        j->p++;
        if (!digits(j))
            return fail(j, "a malformed number");
    }
    if (j->p < j->end && (*j->p == 'e' || *j->p == 'E')) {
        j->p++;
        if (j->p < j->end && (*j->p == '+' || *j->p == '-'))
            j->p++;
        if (!digits(j))
            return fail(j, "a malformed number");
    }
    return true;
}

static bool skip_word(lm_json *j, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
        return fail(j, "not a JSON value");
    j->p += n;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- values */

static bool skip_name(lm_json *j)
{
    lm_json_space(j);
    if (j->p == j->end || *j->p != '"')
        return fail(j, "a member without a name in quotes");
    if (!skip_string(j))
        return false;
    lm_json_space(j);
    if (j->p == j->end || *j->p != ':')
        return fail(j, "a member without a colon");
    j->p++;
    return true;
}

static bool skip_leaf(lm_json *j)
{
    switch (*j->p) {
    case '"': return skip_string(j);
    case 't': return skip_word(j, "true");
    case 'f': return skip_word(j, "false");
    case 'n': return skip_word(j, "null");
    default: return *j->p == '-' || (*j->p >= '0' && *j->p <= '9') ? skip_number(j) : fail(j, "not a JSON value");
    }
}

/* Without recursion: which of the open brackets are objects is kept in bits. */
static bool skip_nested(lm_json *j)
{
    uint64_t object[LM_JSON_DEPTH_MAX / 64] = {0};
    size_t depth = 0;
    bool first = false; /* just inside a bracket */
    for (;;) {
        bool closed = false;
        lm_json_space(j);
        if (j->p == j->end)
            return fail(j, "the text ends within a value");
        char c = *j->p;
        if (first && c == ((object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1) ? '}' : ']')) {
            closed = true;
        } else if (first && (object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1)) {
            if (!skip_name(j))
                return false;
            first = false;
            continue;
        } else if (c == '{' || c == '[') {
            if (depth == LM_JSON_DEPTH_MAX)
                return fail(j, "nested too deeply");
            uint64_t bit = (uint64_t)1 << (depth % 64);
            object[depth / 64] = c == '{' ? object[depth / 64] | bit : object[depth / 64] & ~bit;
            depth++;
            j->p++;
            first = true;
            continue;
        } else if (!skip_leaf(j)) {
            return false;
        }
        first = false;
        /* after a value: close brackets, or go on behind a comma */
        for (;;) {
            if (closed) {
                depth--;
                j->p++;
                closed = false;
            }
            if (depth == 0)
                return true;
            bool in_object = object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
            lm_json_space(j);
            if (j->p < j->end && *j->p == (in_object ? '}' : ']')) {
                closed = true;
                continue;
            }
            if (j->p == j->end || *j->p != ',')
                return fail(j, j->p == j->end ? "the text ends within a value" : "a comma is missing");
            j->p++;
            if (in_object && !skip_name(j))
                return false;
            break;
        }
    }
}

bool lm_json_value(lm_json *j, lm_str *value)
{
    lm_json_space(j);
    const char *start = j->p;
    j->escapes = false;
    if (start == j->end)
        return fail(j, "the text ends within a value");
    if (*start == '{' || *start == '[' ? !skip_nested(j) : !skip_leaf(j))
        return false;
    *value = (lm_str){start, (size_t)(j->p - start)};
    return true;
}

bool lm_json_enter(lm_json *j, char open)
{
    lm_json_space(j);
    if (j->p == j->end || *j->p != open)
        return fail(j, open == '{' ? "not an object" : "not an array");
    j->p++;
    return true;
}

/* Before a member: its comma, or the closing bracket. 1, 0, -1. */
static int next_item(lm_json *j, bool *first, char close)
{
    lm_json_space(j);
    if (j->p < j->end && *j->p == close) {
        j->p++;
        return 0;
    }
    if (!*first) {
        if (j->p == j->end || *j->p != ',') {
            fail(j, j->p == j->end ? "the text ends within a value" : "a comma is missing");
            return -1;
        }
        j->p++;
    }
    *first = false;
    return 1;
}

int lm_json_member(lm_json *j, bool *first, lm_str *name, lm_str *value)
{
    int rc = next_item(j, first, '}');
    if (rc <= 0)
        return rc;
    lm_json_space(j);
    const char *start = j->p;
    j->escapes = false;
    if (start == j->end || *start != '"' || !skip_string(j)) {
        fail(j, "a member without a name in quotes");
        return -1;
    }
    *name = (lm_str){start, (size_t)(j->p - start)};
    j->name_escapes = j->escapes;
    lm_json_space(j);
    if (j->p == j->end || *j->p != ':') {
        fail(j, "a member without a colon");
        return -1;
    }
    j->p++;
    return lm_json_value(j, value) ? 1 : -1;
}

int lm_json_element(lm_json *j, bool *first, lm_str *value)
{
    int rc = next_item(j, first, ']');
    if (rc <= 0)
        return rc;
    return lm_json_value(j, value) ? 1 : -1;
}

bool lm_json_find(lm_str object, lm_str name, lm_str *value)
{
    lm_json j = lm_json_over(object);
    bool first = true, found = false;
    lm_str key, v;
    if (!lm_json_enter(&j, '{'))
        return false;
    while (lm_json_member(&j, &first, &key, &v) > 0)
        if (lm_json_string_is(key, name)) {
            *value = v;
            found = true;
        }
    return found;
}

bool lm_json_at(lm_str array, size_t i, lm_str *value)
{
    lm_json j = lm_json_over(array);
    bool first = true;
    if (!lm_json_enter(&j, '['))
        return false;
    while (lm_json_element(&j, &first, value) > 0)
        if (i-- == 0)
            return true;
    return false;
}

bool lm_json_set_aside(lm_str object, lm_str name, lm_buf *rest, lm_str *value)
{
    lm_json j = lm_json_over(object);
    bool first = true;
    int more, found = 0;
    lm_str key, v;
    if (!lm_json_enter(&j, '{'))
        return false;
    while ((more = lm_json_member(&j, &first, &key, &v)) > 0)
        if (lm_json_string_is(key, name)) {
            *value = v;
            found++;
        }
    lm_json_space(&j);
    if (more < 0 || j.p != j.end || found != 1 || !lm_utf8_valid(object.data, object.len))
        return false;
    const char *behind = value->data + value->len;
    lm_buf_append(rest, object.data, (size_t)(value->data - object.data));
    lm_buf_puts(rest, "null");
    lm_buf_append(rest, behind, (size_t)(object.data + object.len - behind));
    return true;
}

/* ---------------------------------------------------------------------------------------------------- paths */

lm_json_path lm_json_path_over(const char *path)
{
    return (lm_json_path){path, true};
}

bool lm_json_path_next(lm_json_path *path, lm_str *step)
{
    const char *p = path->p;
    if (!*p)
        return false;
    size_t n = 0;
    if (*p == '.') {
        n = strcspn(p + 1, ".[");
        *step = (lm_str){p + 1, n};
        path->ok = n > 0;
        n++;
    } else if (*p == '[') {
        n = strspn(p + 1, "0123456789");
        path->ok = n > 0 && n < 10 && p[n + 1] == ']';
        n += 2;
        *step = (lm_str){p, n};
    } else {
        path->ok = false;
    }
    if (path->ok)
        path->p = p + n;
    return path->ok;
}

bool lm_json_path_follow(lm_json_path *path, lm_str *value)
{
    lm_str step;
    while (lm_json_path_next(path, &step)) {
        bool found = step.data[0] == '[' && step.data[-1] != '.'
                         ? lm_json_at(*value, strtoul(step.data + 1, NULL, 10), value)
                         : lm_json_find(*value, step, value);
        if (!found)
            return false;
    }
    return path->ok;
}

/* ---------------------------------------------------------------------------------------------------- strings */

bool lm_json_is_string(lm_str value)
{
    return value.len >= 2 && value.data[0] == '"';
}

static uint32_t hex4(const char *p)
{
    return (digit_of(p[0]) - 1u) << 12 | (digit_of(p[1]) - 1u) << 8 | (digit_of(p[2]) - 1u) << 4 | (digit_of(p[3]) - 1u);
}

/* The code point of the \u escape at p; *used is the bytes that it took. U+FFFD and false for a lone surrogate. */
static bool escaped_code(const char *p, const char *end, uint32_t *code, size_t *used)
{
    uint32_t c = hex4(p + 2);
    *used = 6;
    *code = c;
    if (c < 0xD800 || c > 0xDFFF)
        return true;
    if (c < 0xDC00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = hex4(p + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *code = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            *used = 12;
            return true;
        }
    }
    *code = 0xFFFD;
    return false;
}

bool lm_json_escape(lm_json *j, bool *whole)
{
    const char *at = j->p;
    uint32_t code;
    size_t used;
    *whole = true;
    if (!skip_escape(j))
        return false;
    if (at[1] == 'u') {
        *whole = escaped_code(at, j->end, &code, &used);
        j->p = at + used;
    }
    return true;
}

size_t lm_json_unquote_to(lm_str s, char *out, bool *whole)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *p = s.data + 1, *end = s.data + s.len - 1;
    char *o = out;
    *whole = true;
    while (p < end) {
        const char *slash = *p == '\\' ? p : memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash ? slash : end) - p);
        if (plain)
            memcpy(o, p, plain);
        o += plain;
        if (!slash)
            break;
        if (slash[1] == 'u') {
            uint32_t code;
            size_t used;
            *whole &= escaped_code(slash, end, &code, &used);
            o += lm_utf8_encode(code, o);
            p = slash + used;
            continue;
        }
        const char *known = strchr(names, slash[1]);
        *o++ = known ? values[known - names] : slash[1];
        p = slash + 2;
    }
    return (size_t)(o - out);
}

bool lm_json_unquote(lm_str s, lm_buf *out)
{
    bool whole;
    lm_buf_reserve(out, s.len);
    out->len += lm_json_unquote_to(s, out->data + out->len, &whole);
    return whole;
}

bool lm_json_string_is(lm_str string, lm_str s)
{
    lm_str inner = {string.data + 1, string.len - 2};
    if (lm_json_is_string(string) && !memchr(inner.data, '\\', inner.len))
        return lm_str_equal(inner, s);
    lm_buf b = {0};
    lm_json_unquote(string, &b);
    bool same = lm_str_equal(lm_buf_str(&b), s);
    lm_buf_free(&b);
    return same;
}

void lm_json_string(lm_str s, lm_buf *out)
{
    static const char hex[] = "0123456789abcdef";
    const char *p = s.data, *end = s.data + s.len;
    bool ignored = true;
    lm_buf_reserve(out, s.len + 2);
    lm_buf_putc(out, '"');
    for (;; p++) {
        const char *plain = p;
        p = lm_json_plain(p, end, &ignored);
        lm_buf_append(out, plain, (size_t)(p - plain));
        if (p == end)
            break;
        unsigned char c = (unsigned char)*p;
        const char *known = c ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", c) : NULL;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (known)
            escape[1] = known[1];
        lm_buf_append(out, escape, known ? 2 : 6);
    }
    lm_buf_putc(out, '"');
}
