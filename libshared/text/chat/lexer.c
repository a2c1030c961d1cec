/* A template's source as tokens. The rules are those of Jinja's lexer with trim_blocks and lstrip_blocks: one
 * line end behind a block or comment is taken off, and the blanks before one that stands first on its line;
 * `-` inside a tag takes all white space on its side, `+` keeps it. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/chat/jinja_internal.h"

#include <stdlib.h>

typedef struct lexer {
    const char *p, *end, *start;
    const char *name;
    int line;
    bool line_starting; /* the tag before ended its line */
    lm_arena *arena;
    lm_token *tokens;
    size_t count, cap;
    lm_status *st;
} lexer;

static bool fail(lexer *x, const char *what)
{
    return lm_fail(x->st, LM_FAILED, "%s:%d: %s", x->name, x->line, what);
}

static void add(lexer *x, lm_token_kind kind, lm_str text, int line)
{
    LM_GROW(x->tokens, x->count, x->cap);
    x->tokens[x->count++] = (lm_token){kind, text, line};
}

static void move(lexer *x, const char *to)
{
    for (; x->p < to; x->p++)
        x->line += *x->p == '\n';
}

static bool at(const lexer *x, const char *p, const char *s)
{
    size_t n = strlen(s);
    return (size_t)(x->end - p) >= n && memcmp(p, s, n) == 0;
}

static const char *skip_space(const lexer *x, const char *p)
{
    while (p < x->end) {
        uint32_t code;
        size_t n = lm_utf8_decode(p, (size_t)(x->end - p), &code);
        if (!lm_is_python_space(code))
            break;
        p += n;
    }
    return p;
}

/* ---------------------------------------------------------------- between tags */

/* Text before a tag whose sign is `sign`, with what the tag takes away. */
static void add_data(lexer *x, lm_str text, char sign, bool print)
{
    int line = x->line;
    lm_str kept = text;
    if (sign == '-') {
        kept = lm_text_trim(text, NULL, false, true);
    } else if (sign != '+' && !print) {
        size_t from = text.len;
        while (from && text.data[from - 1] != '\n')
            from--;
        lm_str blank = {text.data + from, text.len - from};
        if ((from > 0 || x->line_starting) && lm_text_trim(blank, NULL, true, false).len == 0)
            kept.len = from;
    }
    if (kept.len)
        add(x, LM_TOKEN_DATA, kept, line);
    move(x, text.data + text.len);
}

static char sign_at(const lexer *x, const char *p)
{
    return p < x->end && (*p == '-' || *p == '+') ? *p : '\0';
}

/* The end `mark` of a block or comment at p (its sign included): where the text goes on, or NULL. */
static const char *end_of_tag(const lexer *x, const char *p, const char *mark, bool trim)
{
    if (*p == '-' && at(x, p + 1, mark))
        return skip_space(x, p + 3);
    if (trim && *p == '+' && at(x, p + 1, mark))
        return p + 3;
    if (!at(x, p, mark))
        return NULL;
    p += 2;
    return trim && p < x->end && *p == '\n' ? p + 1 : p;
}

static bool lex_comment(lexer *x, const char *inside)
{
    for (const char *p = inside; p < x->end; p++) {
        const char *behind = end_of_tag(x, p, "#}", true);
        if (behind) {
            x->line_starting = behind[-1] == '\n';
            move(x, behind);
            return true;
        }
    }
    return fail(x, "the comment {# does not end: add #}");
}

/* {% raw %} ... {% endraw %}; p is behind the word. */
static bool lex_raw(lexer *x, const char *p)
{
    p = skip_space(x, p);
    const char *text = at(x, p, "-%}") ? skip_space(x, p + 3) : at(x, p, "%}") ? p + 2 : NULL;
    if (!text)
        return fail(x, "{% raw takes no arguments");
    move(x, text);
    x->line_starting = text[-1] == '\n';
    for (p = text; p < x->end; p++) {
        if (!at(x, p, "{%"))
            continue;
        char sign = sign_at(x, p + 2);
        const char *word = skip_space(x, p + 2 + (sign != 0));
        if (!at(x, word, "endraw"))
            continue;
        const char *close = skip_space(x, word + 6),
                   *behind = close < x->end ? end_of_tag(x, close, "%}", true) : NULL;
        if (!behind)
            continue;
        add_data(x, (lm_str){text, (size_t)(p - text)}, sign, false);
        x->line_starting = behind[-1] == '\n';
        move(x, behind);
        return true;
    }
    return fail(x, "{% raw %} does not end: add {% endraw %}");
}

/* ---------------------------------------------------------------- inside tags */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 ||
           (!first && is_digit(c));
}

static const char *digits(const lexer *x, const char *p, bool hex)
{
    while (p < x->end && (is_digit(*p) || (hex && strchr("abcdefABCDEF", *p) && *p) ||
                          (*p == '_' && p + 1 < x->end && is_digit(p[1]))))
        p++;
    return p;
}

static void lex_number(lexer *x)
{
    const char *p = x->p;
    lm_token_kind kind = LM_TOKEN_INTEGER;
    if (*p == '0' && p + 2 < x->end && strchr("xXbBoO", p[1]) && p[1]) {
        p = digits(x, p + 2, true);
    } else {
        p = digits(x, p, false);
        bool place = x->count && lm_str_is(x->tokens[x->count - 1].text, "."); /* of a list: x.0 */
        if (!place && p + 1 < x->end && *p == '.' && is_digit(p[1])) {
            kind = LM_TOKEN_FLOAT;
            p = digits(x, p + 1, false);
        }
        const char *e = p < x->end && (*p == 'e' || *p == 'E') ? p + 1 : NULL;
        if (e && e < x->end && (*e == '+' || *e == '-'))
            e++;
        if (e && e < x->end && is_digit(*e)) {
            kind = LM_TOKEN_FLOAT;
            p = digits(x, e, false);
        }
    }
    char *text = lm_arena_strndup(x->arena, x->p, (size_t)(p - x->p));
    size_t n = 0;
    for (const char *s = x->p; s < p; s++)
        if (*s != '_')
            text[n++] = *s;
    text[n] = '\0';
    add(x, kind, (lm_str){text, n}, x->line);
    move(x, p);
}

/* The code of `count` hexadecimal digits at p. */
static bool hex_escape(const lexer *x, const char *p, int count, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < count; i++, p++) {
        if (p >= x->end || !((is_digit(*p)) || (*p && strchr("abcdefABCDEF", *p))))
            return false;
        *code = *code * 16 + (uint32_t)(is_digit(*p) ? *p - '0' : (*p | 32) - 'a' + 10);
    }
    return true;
}

/* The escape at p (behind its backslash) into out, as Python's unicode_escape; returns what is behind it. */
static const char *unescape(const lexer *x, const char *p, lm_buf *out)
{
    static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    const char *known = *p ? strchr(names, *p) : NULL;
    uint32_t code = 0;
    char utf8[4];
    if (known) {
        lm_buf_putc(out, values[known - names]);
        return p + 1;
    }
    if (*p == '\n')
        return p + 1;
    if (*p >= '0' && *p <= '7') {
        for (int i = 0; i < 3 && p < x->end && *p >= '0' && *p <= '7'; i++)
            code = code * 8 + (uint32_t)(*p++ - '0');
        lm_buf_append(out, utf8, lm_utf8_encode(code, utf8));
        return p;
    }
    int count = *p == 'x' ? 2 : *p == 'u' ? 4 : *p == 'U' ? 8 : 0;
    if (!count || !hex_escape(x, p + 1, count, &code)) {
        lm_buf_putc(out, '\\');
        return p;
    }
    p += 1 + count;
    uint32_t low;
    if (code >= 0xD800 && code < 0xDC00 && at(x, p, "\\u") && hex_escape(x, p + 2, 4, &low) &&
        low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    lm_buf_append(out, utf8, lm_utf8_encode(code, utf8));
    return p;
}

static bool lex_string(lexer *x)
{
    const char quote = *x->p, *p = x->p + 1;
    lm_buf text = {0};
    while (p < x->end && *p != quote) {
        if (*p == '\\' && p + 1 < x->end)
            p = unescape(x, p + 1, &text);
        else
            lm_buf_putc(&text, *p++);
    }
    bool ok = p < x->end || fail(x, "a string does not end");
    add(x, LM_TOKEN_STRING,
        (lm_str){lm_arena_strndup(x->arena, text.data ? text.data : "", text.len), text.len}, x->line);
    lm_buf_free(&text);
    if (ok)
        move(x, p + 1);
    return ok;
}

static bool lex_operator(lexer *x, char *open, int *depth)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<=", NULL};
    size_t n = 1;
    for (int i = 0; two[i]; i++)
        if (at(x, x->p, two[i]))
            n = 2;
    char c = *x->p;
    if (n == 1 && (!c || !strchr("+-/*%~[](){}><=.:|,;", c)))
        return fail(x, "a character that has no meaning in a tag");
    if (strchr("([{", c)) {
        if (*depth == LM_NESTING_MAX)
            return fail(x, "brackets are nested too deeply");
        open[(*depth)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c) && (*depth == 0 || open[--*depth] != c)) {
        return fail(x, "a bracket closes that is not open");
    }
    add(x, LM_TOKEN_OPERATOR, (lm_str){x->p, n}, x->line);
    move(x, x->p + n);
    return true;
}

/* From behind {{ or {% to its end. */
static bool lex_tag(lexer *x, bool print)
{
    char open[LM_NESTING_MAX];
    int depth = 0;
    for (;;) {
        move(x, skip_space(x, x->p));
        if (x->p == x->end)
            return fail(x, print ? "{{ does not end: add }}" : "{% does not end: add %}");
        const char *behind = depth ? NULL : end_of_tag(x, x->p, print ? "}}" : "%}", !print);
        if (behind) {
            add(x, print ? LM_TOKEN_PRINT_END : LM_TOKEN_BLOCK_END, (lm_str){x->p, 0}, x->line);
            x->line_starting = behind[-1] == '\n';
            move(x, behind);
            return true;
        }
        if (is_digit(*x->p)) {
            lex_number(x);
        } else if (is_name(*x->p, true)) {
            const char *p = x->p;
            while (p < x->end && is_name(*p, false))
                p++;
            add(x, LM_TOKEN_NAME, (lm_str){x->p, (size_t)(p - x->p)}, x->line);
            move(x, p);
        } else if (*x->p == '"' || *x->p == '\'') {
            if (!lex_string(x))
                return false;
        } else if (!lex_operator(x, open, &depth)) {
            return false;
        }
    }
}

/* ---------------------------------------------------------------- all of it */

static bool lex(lexer *x)
{
    while (x->p < x->end) {
        const char *p = x->p;
        while (p < x->end && !(*p == '{' && p + 1 < x->end && strchr("{%#", p[1]) && p[1]))
            p++;
        lm_str data = {x->p, (size_t)(p - x->p)};
        if (p == x->end) {
            add(x, LM_TOKEN_DATA, data, x->line);
            move(x, p);
            break;
        }
        char sign = sign_at(x, p + 2);
        bool print = p[1] == '{';
        if (data.len)
            add_data(x, data, sign, print);
        const char *inside = p + 2 + (sign != 0), *word = skip_space(x, inside);
        if (p[1] == '#') {
            if (!lex_comment(x, inside))
                return false;
            continue;
        }
        if (!print && at(x, word, "raw") && (word + 3 == x->end || !is_name(word[3], false))) {
            if (!lex_raw(x, word + 3))
                return false;
            continue;
        }
        add(x, print ? LM_TOKEN_PRINT : LM_TOKEN_BLOCK, (lm_str){p, 2}, x->line);
        move(x, inside);
        if (!lex_tag(x, print))
            return false;
    }
    return true;
}

/* With line ends of one kind, and without the last one. */
static lm_str normalized(lm_str source, lm_arena *arena)
{
    char *text = lm_arena_strndup(arena, source.data ? source.data : "", source.len);
    size_t n = 0;
    for (size_t i = 0; i < source.len; i++) {
        if (source.data[i] == '\r' && i + 1 < source.len && source.data[i + 1] == '\n')
            continue;
        text[n++] = source.data[i] == '\r' ? '\n' : source.data[i];
    }
    if (n && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    return (lm_str){text, n};
}

lm_token *lm_jinja_tokens(lm_str source, const char *name, lm_arena *arena, lm_status *st)
{
    if (!lm_utf8_valid(source.data, source.len)) {
        lm_fail(st, LM_FAILED, "%s: it is not UTF-8", name);
        return NULL;
    }
    source = normalized(source, arena);
    lexer x = {.p = source.data,
               .end = source.data + source.len,
               .start = source.data,
               .name = name,
               .line = 1,
               .line_starting = true,
               .arena = arena,
               .st = st};
    bool ok = lex(&x);
    add(&x, LM_TOKEN_END, (lm_str){"", 0}, x.line);
    if (ok)
        return x.tokens;
    free(x.tokens);
    return NULL;
}
