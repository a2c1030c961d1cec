/* A regular expression as a tree. PCRE2 has compiled it before, so that it is well-formed. */
#include "base/utf8.h"
#include "generate/constraint/pattern_internal.h"

#include <ctype.h>

enum { DEPTH_MOST = 200 };

typedef struct options {
    bool caseless, dot_all, lines, extended;
} options;

typedef struct reader {
    lm_expressions *e;
    lm_classes *classes;
    lm_arena *arena;
    lm_str text;
    size_t at;
    int depth;
    options now;
    lm_status *st;
} reader;

static lm_part *refuse(reader *r, size_t at, const char *what)
{
    lm_fail(r->st, LM_FAILED, "at byte %zu: %s", at, what);
    return NULL;
}

static int peek(const reader *r, size_t ahead)
{
    return r->at + ahead < r->text.len ? (unsigned char)r->text.data[r->at + ahead] : -1;
}

static bool take(reader *r, const char *s)
{
    size_t n = strlen(s);
    bool there = r->text.len - r->at >= n && memcmp(r->text.data + r->at, s, n) == 0;
    r->at += there ? n : 0;
    return there;
}

static lm_part *new_part(reader *r, lm_part_kind kind)
{
    lm_part *p = lm_arena_alloc(r->arena, 1, sizeof *p);
    *p = (lm_part){.kind = kind};
    return p;
}

/* Without characters, like an empty sequence. */
static lm_part *point(reader *r, lm_part_kind kind)
{
    lm_part *p = new_part(r, kind);
    p->may_be_empty = p->is_empty = true;
    p->begins = kind == LM_PART_BEGIN;
    p->looks = kind == LM_PART_END || kind == LM_PART_AHEAD;
    return p;
}

/* ---------------------------------------------------------------- what stands for one character */

static lm_part *one_of(reader *r, lm_expr set)
{
    lm_part *p = new_part(r, LM_PART_CHARACTER);
    p->set = set;
    return lm_ok(r->st) ? p : NULL;
}

/* The text [from, at), as PCRE2 sees it with the options that hold. */
static lm_part *ask(reader *r, size_t from)
{
    lm_buf pattern = {0};
    if (r->now.caseless)
        lm_buf_puts(&pattern, "(?i)");
    if (r->now.dot_all)
        lm_buf_puts(&pattern, "(?s)");
    lm_buf_append(&pattern, r->text.data + from, r->at - from);
    lm_part *p = one_of(r, lm_classes_find(r->classes, r->e, lm_buf_str(&pattern), r->st));
    lm_buf_free(&pattern);
    return p;
}

static lm_part *read_literal(reader *r)
{
    uint32_t code;
    size_t from = r->at;
    r->at += lm_utf8_decode(r->text.data + r->at, r->text.len - r->at, &code);
    if (r->now.caseless && (code >= 0x80 || isalpha((int)code)))
        return ask(r, from);
    return one_of(r, lm_classes_range(r->classes, r->e, code, code));
}

static lm_part *read_class(reader *r)
{
    size_t from = r->at++;
    if (peek(r, 0) == '^')
        r->at++;
    if (peek(r, 0) == ']' && r->classes->use != LM_PATTERN_STRING)
        r->at++;
    for (; peek(r, 0) != ']'; r->at++) {
        if (peek(r, 0) < 0 || take(r, "\\Q"))
            return refuse(r, from, "a class with \\Q is not understood: escape the characters one by one");
        if (peek(r, 0) == '\\') {
            r->at++;
        } else if (peek(r, 0) == '[' && peek(r, 1) == ':') { /* [:alpha:] */
            size_t end = r->at + 2;
            while (end < r->text.len &&
                   (isalpha((unsigned char)r->text.data[end]) || r->text.data[end] == '^'))
                end++;
            if (end + 1 < r->text.len && r->text.data[end] == ':' && r->text.data[end + 1] == ']')
                r->at = end + 1;
        }
    }
    r->at++;
    return ask(r, from);
}

/* Behind \x and the like: digits of the base, up to `most`, or any number in braces. */
static void skip_digits(reader *r, int most, bool braces)
{
    if (braces && peek(r, 0) == '{') {
        while (peek(r, 0) >= 0 && peek(r, 0) != '}')
            r->at++;
        r->at++;
        return;
    }
    for (int i = 0; i < most && peek(r, 0) >= 0 && isxdigit(peek(r, 0)); i++)
        r->at++;
}

static bool hexadecimal(const reader *r, int n)
{
    for (int i = 0; i < n; i++)
        if (peek(r, (size_t)i) < 0 || !isxdigit(peek(r, (size_t)i)))
            return false;
    return true;
}

/* A character by its number, \x41 or \u0041: whether it is one, which ECMAScript says otherwise than Perl. */
static bool skip_number(reader *r, int letter)
{
    bool ecma = r->classes->use == LM_PATTERN_STRING;
    int digits = letter == 'u' ? 4 : 2;
    if (ecma && !hexadecimal(r, digits))
        return false; /* the letter itself */
    skip_digits(r, digits, !ecma);
    return true;
}

static lm_part *read_escape(reader *r)
{
    size_t from = r->at++;
    int c = peek(r, 0);
    if (!isalnum(c))
        return read_literal(r);
    if (isdigit(c) && c != '0')
        return refuse(r, from, "a back reference cannot be met word by word: write what it stands for");
    r->at++;
    if (strchr("dDwWsShHvVaefnrt", c))
        return ask(r, from);
    switch (c) {
    case 'p':
    case 'P':
        if (peek(r, 0) == '{')
            skip_digits(r, 0, true);
        else
            r->at++;
        return ask(r, from);
    case 'x':
    case 'u':
        if (skip_number(r, c))
            return ask(r, from);
        r->at--;
        return read_literal(r);
    case 'o':
    case 'N':
        skip_digits(r, 0, true);
        return ask(r, from);
    case '0':
        for (int i = 0; i < 2 && peek(r, 0) >= '0' && peek(r, 0) <= '7'; i++)
            r->at++;
        return ask(r, from);
    case 'c':
        r->at++;
        return ask(r, from);
    case 'A':
        return point(r, LM_PART_BEGIN);
    case 'Z':
    case 'z': {
        lm_part *p = point(r, LM_PART_END);
        p->flag = c == 'Z';
        return p;
    }
    case 'b':
    case 'B':
        return refuse(r, from,
                      "\\b and \\B look back, which is not understood: say what stands on both sides");
    default:
        return refuse(r, from, "this escape is not understood here");
    }
}

/* ---------------------------------------------------------------- groups */

static lm_part *read_choice(reader *r);

static lm_part *read_group_end(reader *r, lm_part *p)
{
    if (p)
        r->at++; /* the parenthesis: PCRE2 saw to it */
    return p;
}

static lm_part *read_ahead(reader *r, bool negated)
{
    lm_part *p = point(r, LM_PART_AHEAD);
    p->flag = negated;
    p->parts = read_group_end(r, read_choice(r));
    if (p->parts && p->parts->begins)
        return refuse(r, r->at, "^ within what looks ahead is not understood: put it before");
    return p->parts ? p : NULL;
}

/* Behind "(?": option letters, for what follows in this group, or for a group of their own. */
static lm_part *read_options(reader *r, size_t from)
{
    options before = r->now;
    bool on = true;
    for (; peek(r, 0) >= 0 && strchr("^-imsxnUJ", peek(r, 0)); r->at++) {
        int c = peek(r, 0);
        if (c == '-')
            on = false;
        else if (c == '^')
            r->now = (options){0};
        else if (c == 'i')
            r->now.caseless = on;
        else if (c == 's')
            r->now.dot_all = on;
        else if (c == 'm')
            r->now.lines = on;
        else if (c == 'x')
            r->now.extended = on;
    }
    if (take(r, ")"))
        return point(r, LM_PART_SEQUENCE);
    if (!take(r, ":"))
        return refuse(r, from, "this kind of group is not understood");
    lm_part *p = read_group_end(r, read_choice(r));
    r->now = before;
    return p;
}

static lm_part *read_group(reader *r)
{
    size_t from = r->at++;
    options before = r->now;
    if (take(r, "*"))
        return refuse(
            r, from,
            "a verb says how a match is searched for, which an answer has no part in: leave it away");
    if (take(r, "?#")) {
        while (peek(r, 0) != ')')
            r->at++;
        r->at++;
        return point(r, LM_PART_SEQUENCE);
    }
    if (take(r, "?=") || take(r, "?!"))
        return read_ahead(r, r->text.data[r->at - 1] == '!');
    if (take(r, "?<=") || take(r, "?<!"))
        return refuse(r, from, "what looks back is not understood: say it where it stands");
    bool named = take(r, "?P<") || take(r, "?<") || take(r, "?'");
    while (named && peek(r, 0) != '>' && peek(r, 0) != '\'')
        r->at++;
    if (named)
        r->at++;
    else if (!take(r, "?:") && !take(r, "?|") && take(r, "?")) {
        if (isdigit(peek(r, 0)) || (strchr("-+", peek(r, 0)) && isdigit(peek(r, 1))) ||
            strchr("R&P(>C*", peek(r, 0)))
            return refuse(r, from,
                          "this kind of group (recursive, conditional, atomic) is not understood: write what "
                          "it stands for");
        return read_options(r, from);
    }
    lm_part *p = read_group_end(r, read_choice(r));
    r->now = before;
    return p;
}

/* ---------------------------------------------------------------- repetitions, sequences */

static void skip_space(reader *r)
{
    while (r->now.extended && peek(r, 0) >= 0) {
        if (peek(r, 0) == '#')
            while (peek(r, 0) >= 0 && peek(r, 0) != '\n')
                r->at++;
        else if (isspace(peek(r, 0)))
            r->at++;
        else
            return;
    }
}

/* {n}, {n,}, {n,m}: 1; 0: it is a brace; -1: versions of PCRE2 read it differently. */
static int read_interval(reader *r, uint32_t *least, uint32_t *most)
{
    size_t at = r->at + 1, end = r->text.len;
    const char *s = r->text.data;
    uint32_t n[2] = {0, LM_MANY};
    int digits[2] = {0, 0}, part = 0;
    for (; at < end && (isdigit((unsigned char)s[at]) || (s[at] == ',' && part == 0)); at++) {
        if (s[at] == ',') {
            part = 1;
            continue;
        }
        n[part] = (digits[part]++ ? n[part] * 10 : 0) + (uint32_t)(s[at] - '0');
        if (digits[part] > 5)
            return 0;
    }
    if (at < end && (s[at] == ' ' || s[at] == '\t') && digits[0] + part > 0)
        return -1;
    if (at >= end || s[at] != '}' || digits[0] + digits[1] == 0)
        return 0;
    if (digits[0] == 0)
        return -1;
    *least = n[0];
    *most = part ? n[1] : n[0];
    r->at = at + 1;
    return 1;
}

static lm_part *read_repeats(reader *r, lm_part *of)
{
    for (;;) {
        uint32_t least = 0, most = LM_MANY;
        skip_space(r);
        size_t from = r->at;
        if (take(r, "+")) {
            least = 1;
        } else if (take(r, "?")) {
            most = 1;
        } else if (peek(r, 0) == '{') {
            int kind = read_interval(r, &least, &most);
            if (kind < 0)
                return refuse(r, from, "write repetitions as {n}, {n,} or {n,m}; a brace as \\{");
            if (kind == 0)
                return of;
        } else if (!take(r, "*")) {
            return of;
        }
        if (take(r, "+"))
            return refuse(
                r, from, "a possessive repetition says how a match is searched for: leave its second + away");
        take(r, "?");
        lm_part *p = new_part(r, LM_PART_REPEAT);
        *p = (lm_part){LM_PART_REPEAT, .least = least,       .most = most,
                       .parts = of,    .begins = of->begins, .looks = of->looks};
        p->may_be_empty = of->may_be_empty || least == 0;
        p->is_empty = of->is_empty || most == 0;
        of = p;
    }
}

static lm_part *read_item(reader *r)
{
    size_t from = r->at;
    switch (peek(r, 0)) {
    case '(':
        return read_group(r);
    case '[':
        return read_class(r);
    case '\\':
        return read_escape(r);
    case '.':
        r->at++;
        return ask(r, from);
    case '^':
    case '$': {
        if (r->now.lines)
            return refuse(r, from, "^ and $ of lines, with (?m), are not understood: write \\n");
        lm_part *p = point(r, r->text.data[r->at++] == '^' ? LM_PART_BEGIN : LM_PART_END);
        p->flag = r->classes->use == LM_PATTERN_WHOLE;
        return p;
    }
    default:
        return read_literal(r);
    }
}

static lm_part *read_sequence(reader *r)
{
    lm_part *all = point(r, LM_PART_SEQUENCE), **end = &all->parts;
    for (skip_space(r); peek(r, 0) >= 0 && peek(r, 0) != '|' && peek(r, 0) != ')'; skip_space(r)) {
        lm_part *p = read_item(r);
        p = p ? read_repeats(r, p) : NULL;
        if (!p)
            return NULL;
        if (p->begins && !all->is_empty && all->may_be_empty)
            return refuse(r, r->at, "^ behind what may be empty is not understood: put it first");
        all->may_be_empty = all->may_be_empty && p->may_be_empty;
        all->is_empty = all->is_empty && p->is_empty;
        all->begins = all->begins || p->begins;
        all->looks = all->looks || p->looks;
        *end = p;
        end = &p->next;
    }
    return all;
}

static lm_part *read_choice(reader *r)
{
    lm_part *all = point(r, LM_PART_CHOICE), **end = &all->parts;
    all->may_be_empty = false;
    if (++r->depth > DEPTH_MOST)
        return refuse(r, r->at, "it is nested too deep");
    do {
        lm_part *p = read_sequence(r);
        if (!p)
            return NULL;
        all->may_be_empty = all->may_be_empty || p->may_be_empty;
        all->is_empty = all->is_empty && p->is_empty;
        all->begins = all->begins || p->begins;
        all->looks = all->looks || p->looks;
        *end = p;
        end = &p->next;
    } while (take(r, "|"));
    r->depth--;
    return all;
}

lm_part *lm_pattern_parts(lm_expressions *e, lm_classes *c, lm_str pattern, lm_arena *arena, lm_status *st)
{
    reader r = {.e = e, .classes = c, .arena = arena, .text = pattern, .st = st};
    if (!lm_pattern_check(pattern, c->use, st))
        return NULL;
    lm_part *all = read_choice(&r);
    return all && r.at < pattern.len ? refuse(&r, r.at, "a closing parenthesis without its group") : all;
}
