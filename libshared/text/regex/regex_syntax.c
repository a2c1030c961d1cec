/* From Oniguruma's Ruby syntax to PCRE2's. The differences that patterns of tokenizers meet:
 *  - character classes nest and intersect: [^(\s|[.,!?])], [\p{L}&&[^\p{Han}]];
 *  - {1,3}+ is a repetition of a repetition, not a possessive one, and {n}? is an optional one, not a lazy
 * one;
 *  - (?m) makes the dot match a line end, (?i) without a colon holds to the end of the group, alternatives
 * included;
 *  - \w has marks, connectors and circled letters; \h is a hexadecimal digit, \v one character, \uHHHH a
 * character;
 *  - properties have long names and POSIX ones, in any case.
 * https://github.com/kkos/oniguruma/blob/master/doc/RE describes them. */
#include "text/regex/regex_internal.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>

/* ---------------------------------------------------------------- groups, atoms, repetitions */

static bool read_alternatives(lm_regex_parser *p, lm_buf *out);

/* out[start..) becomes a group. */
static void enclose(lm_buf *out, size_t start)
{
    lm_buf_puts(out, "(?:)");
    memmove(out->data + start + 3, out->data + start, out->len - start - 4);
    memcpy(out->data + start, "(?:", 3);
    out->data[out->len - 1] = ')';
}

/* Behind "(?": option letters up to ':' or ')'. */
static bool read_options(lm_regex_parser *p, lm_buf *out)
{
    bool on = true, extended = p->extended;
    lm_buf_puts(out, "(?");
    while (peek(p) >= 0 && strchr("imx-s", peek(p))) {
        char c = p->s[p->at++];
        on = on && c != '-';
        if (c == 'x')
            p->extended = on;
        lm_buf_putc(out, c == 'm' ? 's' : c);
    }
    int end = peek(p);
    if (end != ':' && end != ')')
        return bad(p, "a kind of group that is not known");
    p->at++;
    lm_buf_putc(out, ':');
    if (!read_alternatives(
            p, out)) /* without a colon: up to the end of the group around it, which stays to be read */
        return false;
    if (end == ':') {
        if (peek(p) != ')')
            return bad(p, "a group without its closing parenthesis");
        p->at++;
        p->extended = extended;
    }
    lm_buf_putc(out, ')');
    return true;
}

static bool read_group(lm_regex_parser *p, lm_buf *out)
{
    static const char *const starts[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?<"};
    bool extended = p->extended;
    if (at_string(p, "(?#")) {
        const char *end = memchr(p->s + p->at, ')', p->len - p->at);
        if (!end)
            return bad(p, "a comment without its closing parenthesis");
        p->at = (size_t)(end - p->s) + 1;
        return true;
    }
    size_t n = 1;
    if (at_string(p, "(?")) {
        n = 0;
        for (size_t i = 0; i < sizeof starts / sizeof *starts && n == 0; i++)
            if (at_string(p, starts[i]))
                n = strlen(starts[i]);
        if (n == 0) {
            p->at += 2;
            return read_options(p, out);
        }
    }
    lm_buf_append(out, p->s + p->at, n);
    p->at += n;
    if (!read_alternatives(p, out))
        return false;
    if (peek(p) != ')')
        return bad(p, "a group without its closing parenthesis");
    p->at++;
    p->extended = extended;
    lm_buf_putc(out, ')');
    return true;
}

static bool read_escape(lm_regex_parser *p, lm_buf *out)
{
    uint32_t code;
    p->at++;
    int kind = lm_regex_character_escape(p, false, &code);
    if (kind != 0) {
        if (kind > 0)
            lm_regex_put_character(code, out);
        return kind > 0;
    }
    int c = p->s[p->at];
    if (strchr("wWsSdDhHpP", c)) {
        lm_buf items = {0};
        bool negated, ok = lm_regex_class_escape(p, &negated, &items);
        if (tolower(c) == 'w') {
            items.len = 0;
            lm_buf_puts(&items, LM_REGEX_LONE_WORD);
        }
        if (ok)
            lm_buf_printf(out, "[%s%.*s]", negated ? "^" : "", (int)items.len, items.data);
        lm_buf_free(&items);
        return ok;
    }
    p->at++;
    if (c == 'b')
        lm_buf_puts(out, "(?:(?<=[" LM_REGEX_LONE_WORD "])(?![" LM_REGEX_LONE_WORD
                         "])|(?<![" LM_REGEX_LONE_WORD "])(?=[" LM_REGEX_LONE_WORD "]))");
    else if (c == 'B')
        lm_buf_puts(out, "(?:(?<=[" LM_REGEX_LONE_WORD "])(?=[" LM_REGEX_LONE_WORD
                         "])|(?<![" LM_REGEX_LONE_WORD "])(?![" LM_REGEX_LONE_WORD "]))");
    else
        lm_buf_printf(out, "\\%c", c); /* what follows \k and \g is read as characters, and means the same */
    return true;
}

/* {n}, {n,}, {,m}, {n,m}; false: it is no interval. */
static bool read_interval(lm_regex_parser *p, char text[32], bool *fixed)
{
    unsigned low = 0, high = 0;
    int n = 0, digits_low = 0, digits_high = 0;
    size_t i = p->at + 1;
    for (; i < p->len && isdigit((unsigned char)p->s[i]) && digits_low < 6; i++, digits_low++)
        low = low * 10 + (unsigned)(p->s[i] - '0');
    *fixed = i < p->len && p->s[i] == '}';
    if (i < p->len && p->s[i] == ',')
        for (i++; i < p->len && isdigit((unsigned char)p->s[i]) && digits_high < 6; i++, digits_high++)
            high = high * 10 + (unsigned)(p->s[i] - '0');
    if (i >= p->len || p->s[i] != '}' || digits_low + digits_high == 0)
        return false;
    if (*fixed)
        n = snprintf(text, 32, "{%u}", low);
    else if (digits_high)
        n = snprintf(text, 32, "{%u,%u}", low, high);
    else
        n = snprintf(text, 32, "{%u,}", low);
    p->at = i + 1;
    return n > 0;
}

/* What means nothing under (?x). */
static bool skip_blanks(lm_regex_parser *p)
{
    size_t start = p->at;
    while (p->extended && p->at < p->len && (isspace(peek(p)) || peek(p) == '#')) {
        const char *end = peek(p) == '#' ? memchr(p->s + p->at, '\n', p->len - p->at) : p->s + p->at;
        p->at = end ? (size_t)(end - p->s) + 1 : p->len;
    }
    return p->at > start;
}

/* The repetitions behind the atom out[start..). */
static void read_repetitions(lm_regex_parser *p, size_t start, lm_buf *out)
{
    for (bool repeated = false;; repeated = true) {
        char interval[32];
        skip_blanks(p);
        bool fixed = false, simple = peek(p) == '*' || peek(p) == '+' || peek(p) == '?';
        if (!simple && (peek(p) != '{' || !read_interval(p, interval, &fixed)))
            return;
        if (repeated)
            enclose(out, start);
        if (simple)
            lm_buf_putc(out, p->s[p->at++]);
        else
            lm_buf_puts(out, interval);
        if ((simple && peek(p) == '+') || (!fixed && peek(p) == '?'))
            lm_buf_putc(out, p->s[p->at++]);
    }
}

static bool read_atom(lm_regex_parser *p, lm_buf *out)
{
    int c = peek(p);
    if (c == '[')
        return lm_regex_read_class(p, out);
    if (c == '(')
        return read_group(p, out);
    if (c == '\\')
        return read_escape(p, out);
    if (c == '{') { /* no interval, else it had been read */
        p->at++;
        lm_buf_puts(out, "\\{");
        return true;
    }
    uint32_t code;
    size_t n = lm_utf8_decode(p->s + p->at, p->len - p->at, &code);
    lm_buf_append(out, p->s + p->at, n);
    p->at += n;
    return true;
}

/* Up to the closing parenthesis or the end. */
static bool read_alternatives(lm_regex_parser *p, lm_buf *out)
{
    if (++p->depth > LM_REGEX_DEPTH)
        return bad(p, "it is nested too deep");
    while (p->at < p->len && peek(p) != ')') {
        if (skip_blanks(p))
            continue;
        int c = peek(p);
        if (c == '|') {
            p->at++;
            lm_buf_putc(out, '|');
            continue;
        }
        if (c == '*' || c == '+' || c == '?')
            return bad(p, "a repetition of nothing");
        size_t start = out->len;
        if (!read_atom(p, out))
            return false;
        read_repetitions(p, start, out);
    }
    p->depth--;
    return true;
}

bool lm_regex_translate(lm_str pattern, lm_buf *out, lm_status *st)
{
    lm_regex_parser p = {.s = pattern.data, .len = pattern.len, .st = st};
    if (!read_alternatives(&p, out))
        return false;
    return p.at == p.len || bad(&p, "a closing parenthesis too many");
}
