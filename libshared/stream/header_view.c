#include "stream/header_view.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/json.h"
#include "stream/lms.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Names of one object that are compared pair by pair; with more, jansson has a table. */
enum { NAMES_MAX = 256 };

typedef struct scan {
    const char *p, *end;
    lm_header_view *v;
    bool made; /* the text is of our making: nothing in it is doubtful */
    bool ascii; /* so far */
} scan;

typedef struct summary {
    size_t count;
    bool strings, scalars;
} summary;

static bool scan_value(scan *s, size_t depth, summary *about);

static char space(scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r')) /* LF is the end */
        s->p++;
    return s->p < s->end ? *s->p : '\0';
}

/* ---------------------------------------------------------------------------------------------------- leaves */

/* Behind the escape at p; NULL: it is wrong, or half of a pair. */
static const char *skip_escape(const char *p, const char *end)
{
    if (end - p >= 2 && (p[1] == 'n' || p[1] == '"')) /* most are one of these */
        return p + 2;
    lm_json j = {.p = p, .end = end};
    bool whole;
    return lm_json_escape(&j, &whole) && whole ? j.p : NULL;
}

static bool scan_string(scan *s, bool name, lm_str *out)
{
    const char *from = ++s->p, *p = from;
    for (;;) {
        p = lm_json_plain(p, s->end, &s->ascii);
        if (p == s->end)
            return false;
        if (*p == '"')
            break;
        if (*p != '\\' || (name && !s->made) || !(p = skip_escape(p, s->end)))
            return false;
    }
    *out = (lm_str){from, (size_t)(p - from)};
    s->p = p + 1;
    return true;
}

static size_t digits(scan *s)
{
    const char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return (size_t)(s->p - from);
}

/* Those that are surely in the range of a 64-bit integer or a double. */
static bool scan_number(scan *s)
{
    enum { SURE = 18, SURE_EXPONENT = 2 };
    s->p += *s->p == '-';
    const char *first = s->p;
    size_t n = digits(s);
    if (!n || (n > 1 && *first == '0') || (n > SURE && !s->made))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!(n = digits(s)))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        s->p += s->p < s->end && (*s->p == '+' || *s->p == '-');
        if (!(n = digits(s)) || (n > SURE_EXPONENT && !s->made))
            return false;
    }
    return true;
}

static bool scan_word(scan *s, lm_str word)
{
    if ((size_t)(s->end - s->p) < word.len || memcmp(s->p, word.data, word.len) != 0)
        return false;
    s->p += word.len;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- brackets */

static bool scan_list(scan *s, size_t depth, summary *about)
{
    *about = (summary){0, true, true};
    s->p++;
    if (space(s) == ']') {
        s->p++;
        return true;
    }
    for (;;) {
        char c = space(s);
        about->strings &= c == '"';
        about->scalars &= c == '"' || c == '-' || (c >= '0' && c <= '9');
        summary inner;
        if (!scan_value(s, depth, &inner))
            return false;
        about->count++;
        c = space(s);
        s->p++;
        if (c != ',')
            return c == ']';
    }
}

/* Whether no two names of the innermost object have one digest. */
static bool are_different(const lm_header_view *v, size_t from)
{
    if (v->name_count - from > NAMES_MAX)
        return false;
    for (size_t i = from; i < v->name_count; i++)
        for (size_t k = i + 1; k < v->name_count; k++)
            if (v->names[i] == v->names[k])
                return false;
    return true;
}

static bool scan_member(scan *s, size_t depth)
{
    lm_header_view *v = s->v;
    lm_str name;
    summary about = {0, false, false};
    if (space(s) != '"' || !scan_string(s, true, &name) || space(s) != ':')
        return false;
    s->p++;
    LM_GROW(v->names, v->name_count, v->name_cap);
    v->names[v->name_count++] = XXH3_64bits(name.data, name.len);
    size_t at = v->count;
    bool kept = depth <= LM_HEADER_LEVELS;
    if (kept) {
        LM_GROW(v->members, v->count, v->cap);
        v->count++;
    }
    space(s);
    const char *value = s->p;
    if (!scan_value(s, depth, &about))
        return false;
    if (kept)
        v->members[at] = (lm_header_member){name, {value, (size_t)(s->p - value)}, depth, about.count, about.strings,
                                            about.scalars};
    return true;
}

static bool scan_object(scan *s, size_t depth, summary *about)
{
    size_t from = s->v->name_count;
    *about = (summary){0, false, false};
    s->p++;
    if (space(s) == '}') {
        s->p++;
        return true;
    }
    for (;;) {
        if (!scan_member(s, depth))
            return false;
        about->count++;
        char c = space(s);
        s->p++;
        if (c == ',')
            continue;
        bool good = c == '}' && (s->made || are_different(s->v, from));
        s->v->name_count = from;
        return good;
    }
}

/* `depth`: brackets that are open around it. */
static bool scan_value(scan *s, size_t depth, summary *about)
{
    lm_str string;
    *about = (summary){0, false, false};
    if (s->p == s->end)
        return false;
    switch (*s->p) {
    case '"': return scan_string(s, false, &string);
    case '{': return depth < LM_LMS_DEPTH_MAX && scan_object(s, depth + 1, about);
    case '[': return depth < LM_LMS_DEPTH_MAX && scan_list(s, depth + 1, about);
    case 't': return scan_word(s, (lm_str){"true", 4});
    case 'f': return scan_word(s, (lm_str){"false", 5});
    case 'n': return scan_word(s, (lm_str){"null", 4});
    default: return scan_number(s);
    }
}

/* ---------------------------------------------------------------------------------------------------- headers */

static bool take_apart(lm_str text, bool made, lm_header_view *v, const char **behind)
{
    scan s = {text.data, text.data + text.len, v, made, true};
    summary about;
    v->count = v->name_count = 0;
    bool good = text.len && text.data[0] == '{' && scan_value(&s, 0, &about);
    *behind = s.p;
    return good && (s.ascii || made || lm_utf8_valid(text.data, (size_t)(s.p - text.data)));
}

/* The length of the line whose object ends at p, if it goes on as programs write it: with blanks up to a multiple of 64; else 0. */
static size_t padded(lm_str bytes, const char *p)
{
    static const char pad[] = "                                                               \n";
    size_t n = (size_t)(p - bytes.data), blanks = 63 - n % 64;
    bool good = bytes.len - n > blanks && n + blanks < LM_LMS_HEADER_MAX && memcmp(p, pad + 63 - blanks, blanks + 1) == 0;
    return good ? n + blanks + 1 : 0;
}

size_t lm_header_scan(lm_str bytes, lm_header_view *v)
{
    const char *p, *end = bytes.data + bytes.len;
    if (!take_apart(bytes, false, v, &p))
        return 0;
    size_t usual = padded(bytes, p);
    if (usual)
        return usual;
    while (p < end && *p == ' ')
        p++;
    size_t n = (size_t)(p - bytes.data) + 1;
    return p < end && *p == '\n' && n % 64 == 0 && n <= LM_LMS_HEADER_MAX ? n : 0;
}

size_t lm_header_is_text(lm_str bytes)
{
    static const char begin[] = "{\"text\":\"";
    scan s = {.end = bytes.data + bytes.len, .ascii = true};
    lm_str text;
    if (bytes.len < 64 || memcmp(bytes.data, begin, sizeof begin - 1) != 0)
        return 0;
    s.p = bytes.data + sizeof begin - 2;
    if (!scan_string(&s, false, &text) || s.p == s.end || *s.p != '}')
        return 0;
    size_t n = padded(bytes, s.p + 1);
    return n && (s.ascii || lm_utf8_valid(text.data, text.len)) ? n : 0;
}

bool lm_header_view_json(json_t *header, lm_header_view *v)
{
    const char *ignored;
    free(v->text);
    v->text = json_dumps(header, JSON_COMPACT);
    return v->text && take_apart(lm_str_of(v->text), true, v, &ignored);
}

void lm_header_view_free(lm_header_view *v)
{
    free(v->members);
    free(v->names);
    free(v->text);
    *v = (lm_header_view){0};
}

/* ---------------------------------------------------------------------------------------------------- looking */

/* The integer at *p, which is moved behind it. */
static bool take_integer(const char **p, const char *end, int64_t *out)
{
    bool minus = *p < end && **p == '-';
    uint64_t n = 0;
    const char *first = *p += minus;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        n = 10 * n + (uint64_t)(**p - '0'); /* checked: it is in range */
    *out = minus ? (int64_t)(0 - n) : (int64_t)n;
    return *p > first && (*p == end || !strchr(".eE", **p));
}

bool lm_header_integer(const lm_header_member *m, int64_t *out)
{
    if (!m)
        return false;
    const char *p = m->value.data, *end = p + m->value.len;
    return take_integer(&p, end, out);
}

int lm_header_integers(const lm_header_member *m, int64_t *out, int most)
{
    if (!lm_header_is(m, '[') || m->count > (size_t)most)
        return -1;
    const char *p = m->value.data + 1, *end = m->value.data + m->value.len;
    for (size_t i = 0; i < m->count; i++) {
        while (strchr(" \t\r\n,", *p))
            p++;
        if (!take_integer(&p, end, &out[i]))
            return -1;
    }
    return (int)m->count;
}
