/* The quick way to the large members of a tokenizer.json, without a value of JSON for each of a million
 * strings. What it does not know to be right it leaves alone: then the slow way says what is wrong. */
#include "base/utf8.h"
#include "text/models/tables.h"

#include <stdlib.h>

typedef struct scan {
    const char *begin, *at, *end;
    lm_buf first, second; /* strings with escapes, decoded */
} scan;

static void skip_space(scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

/* Takes one character, and the white space around it. */
static bool take(scan *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    skip_space(s);
    return true;
}

/* The raw inside of a string; false if there is none. */
static bool take_raw(scan *s, lm_str *raw, bool *escapes)
{
    *escapes = false;
    skip_space(s);
    if (s->at == s->end || *s->at != '"')
        return false;
    const char *start = ++s->at;
    for (; s->at < s->end && *s->at != '"'; s->at++) {
        if ((unsigned char)*s->at < 0x20)
            return false;
        if (*s->at == '\\') {
            *escapes = true;
            if (++s->at == s->end)
                return false;
        }
    }
    *raw = (lm_str){start, (size_t)(s->at - start)};
    return s->at++ < s->end;
}

static bool hex4(lm_str raw, size_t i, uint32_t *code)
{
    *code = 0;
    for (size_t k = i; k < i + 4; k++) {
        int c = k < raw.len ? (unsigned char)raw.data[k] : 0;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return false;
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

/* The character of an escape at raw[*i], which is behind the backslash. */
static bool unescape(lm_str raw, size_t *i, uint32_t *code)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = raw.data[(*i)++];
    const char *known = memchr(from, c, sizeof from - 1);
    if (known) {
        *code = (unsigned char)to[known - from];
        return true;
    }
    uint32_t low;
    if (c != 'u' || !hex4(raw, *i, code) || *code == 0)
        return false;
    *i += 4;
    if (*code < 0xD800 || *code > 0xDFFF)
        return true;
    if (*code > 0xDBFF || *i + 6 > raw.len || raw.data[*i] != '\\' || raw.data[*i + 1] != 'u' ||
        !hex4(raw, *i + 2, &low) || low < 0xDC00 || low > 0xDFFF)
        return false;
    *i += 6;
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

/* A string: a slice of the source, or of `room` where it has escapes. */
static bool take_string(scan *s, lm_buf *room, lm_str *out)
{
    lm_str raw;
    bool escapes;
    if (!take_raw(s, &raw, &escapes))
        return false;
    *out = raw;
    if (!escapes)
        return true;
    room->len = 0;
    lm_buf_reserve(room, raw.len);
    for (size_t i = 0; i < raw.len;) {
        if (raw.data[i] != '\\') {
            room->data[room->len++] = raw.data[i++];
            continue;
        }
        uint32_t code;
        i++;
        if (!unescape(raw, &i, &code))
            return false;
        room->len += lm_utf8_encode(code, room->data + room->len); /* never longer than its escape */
    }
    *out = lm_buf_str(room);
    return true;
}

/* Whether a string is written without escapes: it stays where it is. */
static bool is_in_place(const scan *s, lm_str string)
{
    return string.data >= s->begin && string.data < s->end;
}

/* Steps over a value. Whether it is right is seen by who reads it: its brackets are counted here. */
static bool skip_value(scan *s, lm_str *out)
{
    size_t depth = 0;
    lm_str raw;
    bool escapes;
    skip_space(s);
    const char *start = s->at;
    while (s->at < s->end) {
        char c = *s->at;
        if (c == '"') {
            if (!take_raw(s, &raw, &escapes))
                return false;
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            break;
        } else {
            depth += c == '{' || c == '[';
            depth -= c == '}' || c == ']';
            s->at++;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            break;
    }
    *out = (lm_str){start, (size_t)(s->at - start)};
    return depth == 0 && s->at > start && s->at < s->end;
}

/* ---------------------------------------------------------------- the members themselves */

static bool take_id(scan *s, int64_t *id)
{
    int digits = 0;
    for (*id = 0; s->at < s->end && *s->at >= '0' && *s->at <= '9' && digits < 9; s->at++, digits++)
        *id = 10 * *id + (*s->at - '0');
    return digits > 0 && s->at < s->end && (*s->at < '0' || *s->at > '9') && *s->at != '.' && *s->at != 'e' &&
           *s->at != 'E';
}

static bool take_digits(scan *s)
{
    const char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > start;
}

static bool take_score(scan *s, double *score)
{
    const char *start = s->at;
    s->at += s->at < s->end && *s->at == '-';
    bool zero = s->at < s->end && *s->at == '0';
    const char *digits = s->at;
    if (!take_digits(s) || (zero && s->at - digits > 1))
        return false;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!take_digits(s))
            return false;
    }
    if (s->at < s->end && (*s->at | 32) == 'e') {
        s->at++;
        s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
        if (!take_digits(s))
            return false;
    }
    *score = strtod(start, NULL); /* something else than a number follows: `]` at least */
    return true;
}

/* Tokens that are still to be added, all of which stand in the source. */
typedef struct tokens {
    lm_str at[LM_VOCABULARY_AT_ONCE];
    int64_t ids[LM_VOCABULARY_AT_ONCE];
    size_t n;
} tokens;

static bool add_tokens(lm_token_tables *t, tokens *some, lm_status *st)
{
    bool ok = true;
    lm_vocabulary_fetch(&t->vocabulary, some->at, some->n);
    for (size_t i = 0; i < some->n && ok; i++)
        ok = lm_vocabulary_add(&t->vocabulary, some->at[i], some->ids[i], st);
    some->n = 0;
    return ok;
}

static bool scan_ids(lm_token_tables *t, scan *s, lm_status *st)
{
    tokens some;
    some.n = 0;
    if (!take(s, '{'))
        return false;
    if (take(s, '}'))
        return true;
    do {
        if (!take_string(s, &s->first, &some.at[some.n]) || !take(s, ':') || !take_id(s, &some.ids[some.n]))
            return false;
        bool in_place = is_in_place(s, some.at[some.n++]);
        if ((!in_place || some.n == LM_VOCABULARY_AT_ONCE) && !add_tokens(t, &some, st))
            return false;
    } while (take(s, ','));
    return add_tokens(t, &some, st) && take(s, '}');
}

static bool scan_scores(lm_token_tables *t, scan *s, lm_status *st)
{
    if (!take(s, '['))
        return false;
    do {
        lm_str token;
        double score;
        if (!take(s, '[') || !take_string(s, &s->first, &token) || !take(s, ',') || !take_score(s, &score) ||
            !take(s, ']') || !lm_token_tables_score(t, token, score, st))
            return false;
    } while (take(s, ','));
    return take(s, ']');
}

/* Left and right of a merge, in either form. */
static bool take_merge(scan *s, lm_str parts[2])
{
    if (take(s, '['))
        return take_string(s, &s->first, &parts[0]) && take(s, ',') && take_string(s, &s->second, &parts[1]) && take(s, ']');
    return take_string(s, &s->first, &parts[0]) && lm_merge_parts(parts[0], &parts[0], &parts[1]);
}

static bool scan_merges(lm_token_tables *t, scan *s, lm_status *st)
{
    lm_str parts[LM_VOCABULARY_AT_ONCE];
    size_t n = 0; /* of them */
    if (!take(s, '['))
        return false;
    if (take(s, ']'))
        return true;
    do {
        if (!take_merge(s, parts + n))
            return false;
        bool later = is_in_place(s, parts[n]) && is_in_place(s, parts[n + 1]);
        n += later ? 2 : 0;
        if ((!later || n == LM_VOCABULARY_AT_ONCE) && !lm_token_tables_merges(t, parts, n / 2))
            return false;
        if (!later && !lm_token_tables_merge(t, parts[n], parts[n + 1], st))
            return false;
        n = !later || n == LM_VOCABULARY_AT_ONCE ? 0 : n;
    } while (take(s, ','));
    return lm_token_tables_merges(t, parts, n / 2) && take(s, ']');
}

/* ---------------------------------------------------------------- where they are */

/* What is being made, and where its members stand. */
typedef struct finder {
    lm_token_tables *tables;
    lm_str model, vocab, merges;
    bool merges_first;
    lm_status st; /* a failure is found again on the slow way */
} finder;

/* An object, each member of which is taken by `take_member`, which is given its name. */
static bool take_members(scan *s, finder *f, bool (*take_member)(scan *s, finder *f, lm_str name))
{
    if (!take(s, '{'))
        return false;
    do {
        lm_str name;
        bool escapes;
        if (!take_raw(s, &name, &escapes) || escapes || !take(s, ':') || !take_member(s, f, name))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

static bool take_model_member(scan *s, finder *f, lm_str name)
{
    lm_str ignored, *value = lm_str_is(name, "vocab")    ? &f->vocab
                             : lm_str_is(name, "merges") ? &f->merges
                                                         : &ignored;
    if (value == &ignored)
        return skip_value(s, &ignored);
    if (value->data)
        return false; /* twice */
    value->data = s->at;
    bool ok;
    if (value == &f->merges) {
        f->merges_first = !f->vocab.data;
        ok = f->merges_first ? skip_value(s, value) : scan_merges(f->tables, s, &f->st);
    } else {
        ok = s->at < s->end && (*s->at == '[' ? scan_scores : scan_ids)(f->tables, s, &f->st);
    }
    value->len = (size_t)(s->at - value->data);
    return ok;
}

static bool take_top_member(scan *s, finder *f, lm_str name)
{
    lm_str ignored;
    if (!lm_str_is(name, "model"))
        return skip_value(s, &ignored);
    if (f->model.data)
        return false;
    f->model.data = s->at;
    return take_members(s, f, take_model_member);
}

static bool take_all(scan *s, finder *f)
{
    skip_space(s);
    if (!take_members(s, f, take_top_member) || s->at != s->end || !f->vocab.data)
        return false;
    if (!f->merges_first)
        return true;
    s->at = f->merges.data;
    s->end = f->merges.data + f->merges.len;
    return scan_merges(f->tables, s, &f->st) && s->at == s->end;
}

/* What is left of the source without one of its members. */
static const char *leave_out(const char *from, lm_str member, lm_buf *rest)
{
    if (!member.data)
        return from;
    lm_buf_append(rest, from, (size_t)(member.data - from));
    lm_buf_puts(rest, *member.data == '[' ? "[]" : "{}");
    return member.data + member.len;
}

bool lm_token_tables_scan(lm_token_tables *t, lm_str json, lm_buf *rest)
{
    enum { BYTES_A_TOKEN = 64 }; /* with its merges */
    scan s = {.begin = json.data, .at = json.data, .end = json.data + json.len};
    finder f = {.tables = t};
    lm_vocabulary_reserve(&t->vocabulary, json.len / BYTES_A_TOKEN);
    bool ok = lm_utf8_valid(json.data, json.len) && take_all(&s, &f);
    lm_buf_free(&s.first);
    lm_buf_free(&s.second);
    if (!ok) {
        lm_token_tables_free(t);
        return false;
    }
    const char *from = leave_out(json.data, f.merges_first ? f.merges : f.vocab, rest);
    from = leave_out(from, f.merges_first ? f.vocab : f.merges, rest);
    lm_buf_append(rest, from, (size_t)(json.data + json.len - from));
    return true;
}
