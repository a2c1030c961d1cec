/* The file of --rules: lines to rules. */
#include "augment/rules/rule.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

enum { LINE_MOST = 1 << 16 };

/* A line that is being read. */
typedef struct parser {
    lm_rules *rules;
    lm_rule *rule;
    lm_str line;
    size_t at;
    const char *fields;
    lm_status *st;
} parser;

/* ---------------------------------------------------------------- what is wrong */

/* Columns on a terminal, of the first n bytes, as the log shows them. */
static int columns(lm_str line, size_t n)
{
    int sum = 0;
    for (size_t at = 0; at < n;) {
        uint32_t code;
        at += lm_utf8_decode(line.data + at, line.len - at, &code);
        sum += code < 0x20 || code == 0x7F ? 4 : utf8proc_charwidth((utf8proc_int32_t)code); /* the log writes \x09 */
    }
    return sum;
}

/* Fails with the line and a caret under its byte `at`. */
__attribute__((format(printf, 3, 4))) static bool wrong(const parser *p, size_t at, const char *format, ...)
{
    if (!lm_ok(p->st))
        return false;
    char why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    lm_info("%s: %.*s", p->rule->where, (int)p->line.len, p->line.data);
    lm_info("%s: %*s^", p->rule->where, columns(p->line, at), "");
    return lm_fail(p->st, LM_FAILED, "%s:%zu: %s", p->rule->where, lm_utf8_count(p->line.data, at) + 1, why);
}

/* ---------------------------------------------------------------- pieces of a line */

static int peek(const parser *p)
{
    return p->at < p->line.len ? (unsigned char)p->line.data[p->at] : -1;
}

static void skip_blanks(parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t')
        p->at++;
}

static bool take_word(parser *p, const char *word)
{
    size_t n = strlen(word);
    if (p->line.len - p->at < n || memcmp(p->line.data + p->at, word, n) != 0)
        return false;
    p->at += n;
    return true;
}

static bool is_delimiter(int c)
{
    return c > ' ' && c < 0x7F && c != '\\' && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* What stands before the next `delimiter`, which is passed. */
static bool take_part(parser *p, int delimiter, const char *what, lm_str *part)
{
    size_t from = p->at;
    while (peek(p) != delimiter) {
        p->at += peek(p) == '\\' && p->at + 1 < p->line.len ? 2 : 1;
        if (p->at >= p->line.len)
            return wrong(p, p->line.len, "no '%c' behind the %s: it has to end with one", delimiter, what);
    }
    *part = (lm_str){p->line.data + from, p->at++ - from};
    return true;
}

/* Behind a backslash at *at of `s`: a character by itself, by its letter or by its number. */
static bool take_escape(const parser *p, lm_str s, size_t *at, uint32_t *code)
{
    const char *q = s.data + *at;
    size_t left = s.len - *at;
    if (left > 2 && q[0] == 'x' && q[1] == '{') {
        char *end;
        unsigned long value = strtoul(q + 2, &end, 16);
        if (end == q + 2 || *end != '}' || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
            return wrong(p, (size_t)(q - p->line.data), "\\x{...} wants the number of a character, in hexadecimal");
        *code = (uint32_t)value;
        *at += (size_t)(end + 1 - q);
        return true;
    }
    *at += lm_utf8_decode(q, left, code);
    *code = *code == 'n' ? '\n' : *code == 't' ? '\t' : *code;
    return true;
}

/* ---------------------------------------------------------------- expressions */

/* Letters behind the last delimiter: options for PCRE2, and whether there was a g. */
static bool take_flags(parser *p, uint32_t *options)
{
    const bool g = p->rule->verb == LM_RULE_SUBSTITUTE;
    for (int c; (c = peek(p)) > ' '; p->at++) {
        if (c == 'g' && g)
            p->rule->global = true;
        else if (c == 'i')
            *options |= PCRE2_CASELESS;
        else if (c == 'm')
            *options |= PCRE2_MULTILINE;
        else if (c == 's')
            *options |= PCRE2_DOTALL;
        else if (c == 'x')
            *options |= PCRE2_EXTENDED;
        else
            return wrong(p, p->at, "flags are %si, m, s and x", g ? "g, " : "");
    }
    return true;
}

static bool compile(parser *p, lm_str expression, uint32_t options)
{
    size_t at = (size_t)(expression.data - p->line.data);
    if (!expression.len)
        return wrong(p, at, "the expression is empty: say what is to be found");
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error = 0;
    PCRE2_SIZE offset = 0;
    p->rule->code = pcre2_compile((PCRE2_SPTR)expression.data, expression.len,
                                  options | PCRE2_UTF | PCRE2_UCP | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                  context);
    pcre2_compile_context_free(context);
    if (!p->rule->code) {
        PCRE2_UCHAR message[256];
        pcre2_get_error_message(error, message, sizeof message);
        return wrong(p, at + (offset < expression.len ? offset : expression.len), "%s", (const char *)message);
    }
    p->rule->jit = pcre2_jit_compile(p->rule->code, PCRE2_JIT_COMPLETE) == 0;
    return true;
}

/* ---------------------------------------------------------------- replacements */

static lm_rule_piece *add_piece(lm_rule *rule, lm_rule_piece piece)
{
    LM_GROW(rule->pieces, rule->piece_count, rule->piece_cap);
    rule->pieces[rule->piece_count] = piece;
    return &rule->pieces[rule->piece_count++];
}

static void add_text(parser *p, lm_buf *text)
{
    if (text->len)
        add_piece(p->rule, (lm_rule_piece){.kind = LM_PIECE_TEXT,
                                           .text = {lm_arena_strndup(p->rules->arena, text->data, text->len), text->len}});
    text->len = 0;
}

/* A group by number or name, between braces or not, at *at of the replacement. */
static bool take_group(parser *p, lm_str s, size_t *at)
{
    const size_t from = *at;
    const bool braces = s.data[from] == '{';
    size_t begin = from + braces, end = begin;
    while (end < s.len && (braces ? s.data[end] != '}' : s.data[end] >= '0' && s.data[end] <= '9'))
        end++;
    size_t place = (size_t)(s.data + from - p->line.data);
    if (braces && end == s.len)
        return wrong(p, place, "no '}' behind the name of a group");
    char *name = lm_strndup(s.data + begin, end - begin), *rest;
    unsigned long number = strtoul(name, &rest, 10);
    uint32_t groups = 0;
    pcre2_pattern_info(p->rule->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    bool known = *name && !*rest && number <= groups;
    if (*rest) {
        int by_name = pcre2_substring_number_from_name(p->rule->code, (PCRE2_SPTR)name);
        known = by_name > 0;
        number = known ? (unsigned long)by_name : 0;
    }
    if (known)
        add_piece(p->rule, (lm_rule_piece){.kind = LM_PIECE_GROUP, .group = (uint32_t)number});
    else
        wrong(p, place, "the expression has no group '%s'%s", name, *rest || !*name ? "" : ": it has fewer");
    free(name);
    *at = end + braces;
    return known;
}

static bool read_replacement(parser *p, lm_str s)
{
    lm_buf text = {0};
    for (size_t at = 0; at < s.len && lm_ok(p->st);) {
        char c = s.data[at++], next = at < s.len ? s.data[at] : '\0';
        if (c == '$' && (next == '{' || (next >= '0' && next <= '9'))) {
            add_text(p, &text);
            take_group(p, s, &at);
        } else if (c == '$' && next == '&') {
            add_text(p, &text);
            add_piece(p->rule, (lm_rule_piece){.kind = LM_PIECE_GROUP});
            at++;
        } else if (c == '\\' && next >= '1' && next <= '9') {
            add_text(p, &text);
            take_group(p, (lm_str){s.data, at + 1}, &at); /* one digit, as in sed */
        } else if (c == '\\' && next && strchr("ULEul", next)) {
            add_text(p, &text);
            add_piece(p->rule, (lm_rule_piece){.kind = LM_PIECE_CASE, .letter = next});
            at++;
        } else if (c == '\\' && at < s.len) {
            uint32_t code = 0;
            char utf8[4];
            if (take_escape(p, s, &at, &code))
                lm_buf_append(&text, utf8, lm_utf8_encode(code, utf8));
        } else {
            lm_buf_putc(&text, c);
        }
    }
    add_text(p, &text);
    lm_buf_free(&text);
    return lm_ok(p->st);
}

/* ---------------------------------------------------------------- y/// */

/* The next character or range of `s`; false at the end, or where something is wrong. */
static bool take_range(const parser *p, lm_str s, size_t *at, uint32_t *first, uint32_t *last)
{
    uint32_t *const ends[] = {first, last};
    if (*at >= s.len)
        return false;
    for (int i = 0; i < 2; i++) {
        if (i && !(*at + 1 < s.len && s.data[*at] == '-')) {
            *last = *first;
            return true;
        }
        *at += (size_t)i;
        if (s.data[*at] == '\\' && *at + 1 < s.len) {
            ++*at;
            if (!take_escape(p, s, at, ends[i]))
                return false;
        } else {
            *at += lm_utf8_decode(s.data + *at, s.len - *at, ends[i]);
        }
    }
    return *first <= *last || wrong(p, (size_t)(s.data + *at - p->line.data), "the range before this ends before it begins");
}

static int by_first(const void *a, const void *b)
{
    uint32_t x = ((const lm_rule_range *)a)->first, y = ((const lm_rule_range *)b)->first;
    return (x > y) - (x < y);
}

static bool read_characters(parser *p, lm_str from, lm_str to)
{
    lm_rule *rule = p->rule;
    uint32_t first = 1, last = 0, other = 1, other_last = 0; /* what is left of a range of each side */
    size_t at = 0, to_at = 0;
    for (;;) {
        const size_t before = at, to_before = to_at;
        bool more = first <= last || take_range(p, from, &at, &first, &last);
        bool more_to = other <= other_last || take_range(p, to, &to_at, &other, &other_last);
        if (!lm_ok(p->st))
            return false;
        if (more != more_to)
            return wrong(p, (size_t)((more ? from.data + before : to.data + to_before) - p->line.data),
                         "these are more characters than on the other side");
        if (!more)
            break;
        uint32_t n = last - first < other_last - other ? last - first : other_last - other;
        LM_GROW(rule->ranges, rule->range_count, rule->range_cap);
        rule->ranges[rule->range_count++] = (lm_rule_range){first, first + n, other};
        first += n + 1;
        other += n + 1;
    }
    if (rule->range_count)
        qsort(rule->ranges, rule->range_count, sizeof *rule->ranges, by_first);
    for (size_t i = 1; i < rule->range_count; i++)
        if (rule->ranges[i].first <= rule->ranges[i - 1].last)
            return wrong(p, (size_t)(from.data - p->line.data), "U+%04X stands twice among these characters", rule->ranges[i].first);
    return true;
}

/* ---------------------------------------------------------------- rules */

/* `NAME:` before a rule: which text it is for. */
static void take_field(parser *p)
{
    p->rule->field = -1;
    const char *names = p->fields ? p->fields : "text";
    for (int i = 0;; i++) {
        size_t n = strcspn(names, ","), left = p->line.len - p->at;
        if (n && left > n && memcmp(p->line.data + p->at, names, n) == 0 && p->line.data[p->at + n] == ':') {
            p->rule->field = i;
            p->at += n + 1;
            skip_blanks(p);
            return;
        }
        if (!names[n])
            return;
        names += n + 1;
    }
}

static bool take_rule(parser *p)
{
    lm_rule *rule = p->rule;
    lm_str expression, replacement = {0};
    uint32_t options = 0;
    size_t from = p->at;
    take_field(p);
    if (take_word(p, "drop-if"))
        rule->verb = LM_RULE_DROP_IF;
    else if (take_word(p, "keep-if"))
        rule->verb = LM_RULE_KEEP_IF;
    else if (take_word(p, "s"))
        rule->verb = LM_RULE_SUBSTITUTE;
    else if (take_word(p, "y"))
        rule->verb = LM_RULE_TRANSLITERATE;
    else
        return wrong(p, from, "a rule is s/.../.../, y/.../.../, drop-if /.../ or keep-if /.../, behind a field of --text and ':' or not");
    bool two = rule->verb == LM_RULE_SUBSTITUTE || rule->verb == LM_RULE_TRANSLITERATE;
    if (!two)
        skip_blanks(p);
    int delimiter = peek(p);
    if (!is_delimiter(delimiter))
        return wrong(p, p->at, "here a '/' is missing, or another sign that stands around the expression");
    p->at++;
    if (!take_part(p, delimiter, two ? "first part" : "expression", &expression) ||
        (two && !take_part(p, delimiter, "second part", &replacement)))
        return false;
    if (rule->verb == LM_RULE_TRANSLITERATE)
        return read_characters(p, expression, replacement);
    return take_flags(p, &options) && compile(p, expression, options) && (!two || read_replacement(p, replacement));
}

static bool read_line(parser *p, const char *name, size_t number)
{
    skip_blanks(p);
    if (p->at == p->line.len || peek(p) == '#')
        return true;
    lm_rules *r = p->rules;
    LM_GROW(r->items, r->count, r->cap);
    p->rule = &r->items[r->count++];
    memset(p->rule, 0, sizeof *p->rule);
    p->rule->where = lm_format("%s:%zu", name, number);
    p->rule->source = lm_strndup(p->line.data + p->at, p->line.len - p->at);
    if (!take_rule(p))
        return false;
    skip_blanks(p);
    return p->at == p->line.len || peek(p) == '#' || wrong(p, p->at, "this is behind the end of the rule: write one rule a line");
}

bool lm_rules_read(lm_rules *r, lm_input *in, const char *fields, lm_status *st)
{
    const char *name = lm_input_name(in);
    r->arena = lm_arena_new(0);
    lm_str line;
    bool end = false;
    for (size_t number = 1; lm_input_line(in, LINE_MOST, &line, &end, NULL, st) && !end; number++) {
        if (number == 1 && line.len >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0)
            line = (lm_str){line.data + 3, line.len - 3};
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        if (!lm_utf8_valid(line.data, line.len)) {
            lm_fail(st, LM_FAILED, "%s:%zu: this is not UTF-8: write rules in UTF-8", name, number);
            break;
        }
        if (!read_line(&(parser){.rules = r, .line = line, .fields = fields, .st = st}, name, number))
            break;
    }
    if (lm_ok(st) && !r->count)
        lm_fail(st, LM_FAILED, "%s: no rules are in it: write one a line, as s/.../.../", name);
    return lm_ok(st);
}

void lm_rules_free(lm_rules *r)
{
    for (size_t i = 0; i < r->count; i++) {
        lm_rule *rule = &r->items[i];
        pcre2_code_free(rule->code);
        free(rule->where);
        free(rule->source);
        free(rule->pieces);
        free(rule->ranges);
    }
    free(r->items);
    lm_arena_free(r->arena);
    *r = (lm_rules){0};
}
