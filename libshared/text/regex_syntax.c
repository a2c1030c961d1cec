/* From Oniguruma's Ruby syntax to PCRE2's. The differences that patterns of tokenizers meet:
 *  - character classes nest and intersect: [^(\s|[.,!?])], [\p{L}&&[^\p{Han}]];
 *  - {1,3}+ is a repetition of a repetition, not a possessive one, and {n}? is an optional one, not a lazy one;
 *  - (?m) makes the dot match a line end, (?i) without a colon holds to the end of the group, alternatives included;
 *  - \w has marks, connectors and circled letters; \h is a hexadecimal digit, \v one character, \uHHHH a character;
 *  - properties have long names and POSIX ones, in any case.
 * https://github.com/kkos/oniguruma/blob/master/doc/RE describes them. */
#include "text/regex.h"

#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>

enum { MAX_DEPTH = 64, MAX_NAME = 48 };

/* What stands between the brackets of a PCRE2 class. */
#define WORD                                                                                                           \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"
/* \w by itself has superscripts and fractions of Latin-1 as well, unlike [\w] and [[:word:]]. */
#define LONE_WORD WORD "\\xB2\\xB3\\xB9\\xBC-\\xBE"
#define HEX "0-9A-Fa-f"

typedef struct parser {
    const char *s;
    size_t len, at;
    int depth;
    bool extended; /* (?x): white space and comments mean nothing */
    lm_status *st;
} parser;

static bool bad(const parser *p, const char *what)
{
    return lm_fail(p->st, LM_FAILED, "at byte %zu: %s", p->at, what);
}

static bool at_string(const parser *p, const char *s)
{
    size_t n = strlen(s);
    return p->len - p->at >= n && memcmp(p->s + p->at, s, n) == 0;
}

static int peek(const parser *p)
{
    return p->at < p->len ? (unsigned char)p->s[p->at] : -1;
}

/* ---------------------------------------------------------------- properties */

/* A script is that of a character alone; PCRE2 from 10.40 on has its extensions under the plain name. */
static const char *script_prefix(void)
{
    char version[64] = "";
    pcre2_config(PCRE2_CONFIG_VERSION, version);
    int major = 0, minor = 0;
    return sscanf(version, "%d.%d", &major, &minor) == 2 && (major > 10 || minor >= 40) ? "sc:" : "";
}

/* What PCRE2 has no name for, or an equal name with another meaning; the rest goes through as it stands. */
static const struct {
    const char *name, *items;
} properties[] = {
    {"alnum", "\\p{L}\\p{Nd}\\p{Nl}\\p{Alphabetic}"},
    {"alpha", "\\p{Alphabetic}"},
    {"ascii", "\\x00-\\x7F"},
    {"blank", "\\p{Zs}\\t"},
    {"cntrl", "\\p{Cc}"},
    {"digit", "\\p{Nd}"},
    {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"},
    {"lower", "\\p{Lowercase}"},
    {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
    {"punct", "\\p{P}"},
    {"space", "\\s"},
    {"upper", "\\p{Uppercase}"},
    {"word", WORD},
    {"xdigit", HEX},
    {"letter", "\\p{L}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"mark", "\\p{M}"},
    {"nonspacingmark", "\\p{Mn}"},
    {"spacingmark", "\\p{Mc}"},
    {"enclosingmark", "\\p{Me}"},
    {"number", "\\p{N}"},
    {"decimalnumber", "\\p{Nd}"},
    {"letternumber", "\\p{Nl}"},
    {"othernumber", "\\p{No}"},
    {"punctuation", "\\p{P}"},
    {"connectorpunctuation", "\\p{Pc}"},
    {"dashpunctuation", "\\p{Pd}"},
    {"openpunctuation", "\\p{Ps}"},
    {"closepunctuation", "\\p{Pe}"},
    {"initialpunctuation", "\\p{Pi}"},
    {"finalpunctuation", "\\p{Pf}"},
    {"otherpunctuation", "\\p{Po}"},
    {"symbol", "\\p{S}"},
    {"mathsymbol", "\\p{Sm}"},
    {"currencysymbol", "\\p{Sc}"},
    {"modifiersymbol", "\\p{Sk}"},
    {"othersymbol", "\\p{So}"},
    {"separator", "\\p{Z}"},
    {"spaceseparator", "\\p{Zs}"},
    {"lineseparator", "\\p{Zl}"},
    {"paragraphseparator", "\\p{Zp}"},
    {"other", "\\p{C}"},
    {"control", "\\p{Cc}"},
    {"format", "\\p{Cf}"},
    {"privateuse", "\\p{Co}"},
    {"unassigned", "\\p{Cn}"},
};

/* Properties that are neither categories nor scripts, and have the same name in both. */
static bool is_binary(const char *plain)
{
    static const char *const names[] = {
        "alphabetic", "any", "asciihexdigit", "cased", "caseignorable", "dash", "diacritic", "emoji", "emojicomponent",
        "emojimodifier", "emojimodifierbase", "emojipresentation", "extendedpictographic", "extender", "hexdigit",
        "idcontinue", "ideographic", "idstart", "joincontrol", "lowercase", "math", "quotationmark", "radical",
        "regionalindicator", "unifiedideograph", "uppercase", "variationselector", "whitespace", "xidcontinue",
        "xidstart"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(plain, names[i]) == 0)
            return true;
    return false;
}

/* The items of a property in a class, appended; `name` is as it stands in the pattern. */
static void property_items(lm_str name, lm_buf *out)
{
    char plain[MAX_NAME];
    size_t n = 0;
    for (size_t i = 0; i < name.len && n + 1 < sizeof plain; i++)
        if (name.data[i] != ' ' && name.data[i] != '_' && name.data[i] != '-')
            plain[n++] = (char)tolower((unsigned char)name.data[i]);
    plain[n] = 0;
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (strcmp(plain, properties[i].name) == 0) {
            lm_buf_puts(out, properties[i].items);
            return;
        }
    if (n <= 2) /* a general category, in its canonical case */
        lm_buf_printf(out, "\\p{%c%s}", toupper((unsigned char)plain[0]), plain + 1);
    else
        lm_buf_printf(out, "\\p{%s%.*s}", is_binary(plain) ? "" : script_prefix(), (int)name.len, name.data);
}

/* Behind \p or \P: {name}, {^name}. */
static bool read_property(parser *p, bool *negated, lm_buf *items)
{
    const char *end = peek(p) == '{' ? memchr(p->s + p->at, '}', p->len - p->at) : NULL;
    if (!end)
        return bad(p, "\\p without {name}");
    lm_str name = {p->s + p->at + 1, (size_t)(end - p->s) - p->at - 1};
    if (name.len && *name.data == '^') {
        *negated = !*negated;
        name.data++;
        name.len--;
    }
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.data[i]) && !strchr(" _-&=", name.data[i]))
            return bad(p, "\\p{} with a name that is none");
    if (name.len == 0 || name.len >= MAX_NAME)
        return bad(p, "\\p{} with a name that is none");
    p->at = (size_t)(end - p->s) + 1;
    property_items(name, items);
    return true;
}

/* ---------------------------------------------------------------- escapes */

static bool read_hex(parser *p, size_t most, uint32_t *code)
{
    size_t n = 0;
    *code = 0;
    while (n < most && p->at < p->len && isxdigit((unsigned char)p->s[p->at])) {
        char digit = p->s[p->at++];
        *code = *code * 16 + (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
        n++;
    }
    return n > 0 ? *code <= 0x10FFFF || bad(p, "a character beyond U+10FFFF") : bad(p, "an escape without digits");
}

/* Behind a backslash, an escape that is one character; 0: another escape, and nothing is read; -1: failed. */
static int character_escape(parser *p, bool in_class, uint32_t *code)
{
    static const char letters[] = "tnrfvae", values[] = "\t\n\r\f\v\a\x1B";
    int c = peek(p);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (c < 0) {
        bad(p, "it ends with a backslash");
        return -1;
    }
    if (letter || (in_class && c == 'b')) {
        p->at++;
        *code = letter ? (unsigned char)values[letter - letters] : '\b';
        return 1;
    }
    if (c == 'x' || c == 'u') {
        p->at++;
        bool braces = c == 'x' && peek(p) == '{';
        p->at += braces;
        if (!read_hex(p, braces ? 8 : c == 'x' ? 2 : 4, code))
            return -1;
        if (braces && peek(p) != '}') {
            bad(p, "\\x{ without }");
            return -1;
        }
        p->at += braces;
        return 1;
    }
    if (c == '0') {
        *code = 0;
        for (int i = 0; i < 3 && peek(p) >= '0' && peek(p) <= '7'; i++)
            *code = *code * 8 + (uint32_t)(p->s[p->at++] - '0');
        return 1;
    }
    if (isalnum(c) && strchr(in_class ? "wWsSdDhHpPRX" : "wWsSdDhHpPRXbBAzZGKkg123456789", c))
        return 0;
    p->at += lm_utf8_decode(p->s + p->at, p->len - p->at, code);
    return 1;
}

static void put_character(uint32_t code, lm_buf *out)
{
    if (code < 0x80 && isalnum((int)code))
        lm_buf_putc(out, (char)code);
    else
        lm_buf_printf(out, "\\x{%X}", (unsigned)code);
}

/* Behind a backslash: \w \s \d \h \p and their opposites, as the items of a class. */
static bool class_escape(parser *p, bool *negated, lm_buf *items)
{
    int c = p->s[p->at++];
    *negated = isupper(c);
    switch (tolower(c)) {
    case 'w':
        lm_buf_puts(items, WORD);
        return true;
    case 's':
        lm_buf_puts(items, "\\s");
        return true;
    case 'd':
        lm_buf_puts(items, "\\d");
        return true;
    case 'h':
        lm_buf_puts(items, HEX);
        return true;
    case 'p':
        return read_property(p, negated, items);
    default:
        return bad(p, "an escape that has no place in a class");
    }
}

/* ---------------------------------------------------------------- classes */

/* A union: simple items, and expressions for what is not simple, each behind a '|'. */
typedef struct class_union {
    lm_buf items, others;
} class_union;

static void put_union(const class_union *u, lm_buf *out)
{
    if (u->others.len == 0 && u->items.len) {
        lm_buf_printf(out, "[%.*s]", (int)u->items.len, u->items.data);
    } else if (u->items.len) {
        lm_buf_printf(out, "(?:[%.*s]%.*s)", (int)u->items.len, u->items.data, (int)u->others.len, u->others.data);
    } else if (u->others.len) {
        lm_buf_printf(out, "(?:%.*s)", (int)u->others.len - 1, u->others.data + 1);
    } else {
        lm_buf_puts(out, "(?!)");
    }
}

static bool read_class(parser *p, class_union *into, lm_buf *out);

/* [:name:] or [:^name:]; false without failure: it is none. */
static bool posix_bracket(parser *p, class_union *u)
{
    const char *s = p->s + p->at + 2, *end = s;
    bool negated = p->at + 2 < p->len && *s == '^';
    s += negated;
    for (end = s; end < p->s + p->len && isalpha((unsigned char)*end); end++)
        ;
    if (end == s || p->s + p->len - end < 2 || end[0] != ':' || end[1] != ']' || end - s >= MAX_NAME)
        return false;
    p->at = (size_t)(end - p->s) + 2;
    lm_str name = {s, (size_t)(end - s)};
    lm_buf_puts(&u->others, negated ? "|(?!" : "|");
    if (lm_str_is(name, "punct")) { /* wider than the property of this name */
        lm_buf_puts(&u->others, "[\\p{P}\\p{S}]");
    } else {
        lm_buf_puts(&u->others, "[");
        property_items(name, &u->others);
        lm_buf_putc(&u->others, ']');
    }
    lm_buf_puts(&u->others, negated ? ")(?s:.)" : "");
    return true;
}

/* A character of a class, or its escape; 0: a class escape, which is added to u; -1: failed. */
static int class_character(parser *p, class_union *u, uint32_t *code)
{
    if (peek(p) != '\\') {
        p->at += lm_utf8_decode(p->s + p->at, p->len - p->at, code);
        return 1;
    }
    p->at++;
    int kind = character_escape(p, true, code);
    if (kind != 0)
        return kind;
    lm_buf items = {0};
    bool negated, ok = class_escape(p, &negated, &items);
    if (ok && negated)
        lm_buf_printf(&u->others, "|[^%.*s]", (int)items.len, items.data);
    else if (ok)
        lm_buf_append(&u->items, items.data, items.len);
    lm_buf_free(&items);
    return ok ? 0 : -1;
}

static bool class_item(parser *p, class_union *u)
{
    if (peek(p) == '[') {
        if (at_string(p, "[:") && posix_bracket(p, u))
            return true;
        return read_class(p, u, NULL);
    }
    uint32_t code, last;
    int kind = class_character(p, u, &code);
    if (kind <= 0)
        return kind == 0;
    put_character(code, &u->items);
    if (peek(p) != '-' || p->at + 1 >= p->len || strchr("][", p->s[p->at + 1]) || at_string(p, "-&&"))
        return true;
    p->at++;
    kind = class_character(p, u, &last);
    if (kind == 0)
        lm_buf_puts(&u->items, "\\-"); /* not the end of a range: the hyphen is one */
    if (kind <= 0)
        return kind == 0;
    if (last < code)
        return bad(p, "a range of characters that goes backwards");
    lm_buf_putc(&u->items, '-');
    put_character(last, &u->items);
    return true;
}

/* The unions between && up to the closing bracket; the result without negation: one expression, and whether the last
 * union is all of it (then it stands in *last). */
static bool read_unions(parser *p, lm_buf *before, class_union *last)
{
    bool first = true;
    while (peek(p) != ']' || first) {
        if (peek(p) < 0)
            return bad(p, "a class without its closing bracket");
        if (at_string(p, "&&")) {
            p->at += 2;
            lm_buf_puts(before, "(?=");
            put_union(last, before);
            lm_buf_putc(before, ')');
            last->items.len = last->others.len = 0;
        } else if (!class_item(p, last)) {
            return false;
        }
        first = false;
    }
    p->at++;
    return true;
}

/* A class from its opening bracket on: added to the union that it is nested in, or written to `out`. */
static bool read_class(parser *p, class_union *into, lm_buf *out)
{
    if (++p->depth > MAX_DEPTH)
        return bad(p, "it is nested too deep");
    p->at++;
    bool negated = peek(p) == '^';
    p->at += negated;
    lm_buf before = {0}, whole = {0};
    class_union last = {{0}, {0}};
    bool ok = read_unions(p, &before, &last);
    bool simple = before.len == 0 && last.others.len == 0 && last.items.len > 0;
    if (ok && into && simple && !negated) {
        lm_buf_append(&into->items, last.items.data, last.items.len);
    } else if (ok) {
        if (simple) {
            lm_buf_printf(&whole, "[%s%.*s]", negated ? "^" : "", (int)last.items.len, last.items.data);
        } else {
            lm_buf_puts(&whole, negated ? "(?:(?!" : "(?:");
            lm_buf_append(&whole, before.data, before.len);
            put_union(&last, &whole);
            lm_buf_puts(&whole, negated ? ")(?s:.))" : ")");
        }
        if (into)
            lm_buf_putc(&into->others, '|');
        lm_buf_append(into ? &into->others : out, whole.data, whole.len);
    }
    lm_buf_free(&before);
    lm_buf_free(&whole);
    lm_buf_free(&last.items);
    lm_buf_free(&last.others);
    p->depth--;
    return ok;
}

/* ---------------------------------------------------------------- groups, atoms, repetitions */

static bool read_alternatives(parser *p, lm_buf *out);

/* out[start..) becomes a group. */
static void enclose(lm_buf *out, size_t start)
{
    lm_buf_puts(out, "(?:)");
    memmove(out->data + start + 3, out->data + start, out->len - start - 4);
    memcpy(out->data + start, "(?:", 3);
    out->data[out->len - 1] = ')';
}

/* Behind "(?": option letters up to ':' or ')'. */
static bool read_options(parser *p, lm_buf *out)
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
    if (!read_alternatives(p, out)) /* without a colon: up to the end of the group around it, which stays to be read */
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

static bool read_group(parser *p, lm_buf *out)
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

static bool read_escape(parser *p, lm_buf *out)
{
    uint32_t code;
    p->at++;
    int kind = character_escape(p, false, &code);
    if (kind != 0) {
        if (kind > 0)
            put_character(code, out);
        return kind > 0;
    }
    int c = p->s[p->at];
    if (strchr("wWsSdDhHpP", c)) {
        lm_buf items = {0};
        bool negated, ok = class_escape(p, &negated, &items);
        if (tolower(c) == 'w') {
            items.len = 0;
            lm_buf_puts(&items, LONE_WORD);
        }
        if (ok)
            lm_buf_printf(out, "[%s%.*s]", negated ? "^" : "", (int)items.len, items.data);
        lm_buf_free(&items);
        return ok;
    }
    p->at++;
    if (c == 'b')
        lm_buf_puts(out, "(?:(?<=[" LONE_WORD "])(?![" LONE_WORD "])|(?<![" LONE_WORD "])(?=[" LONE_WORD "]))");
    else if (c == 'B')
        lm_buf_puts(out, "(?:(?<=[" LONE_WORD "])(?=[" LONE_WORD "])|(?<![" LONE_WORD "])(?![" LONE_WORD "]))");
    else
        lm_buf_printf(out, "\\%c", c); /* what follows \k and \g is read as characters, and means the same */
    return true;
}

/* {n}, {n,}, {,m}, {n,m}; false: it is no interval. */
static bool read_interval(parser *p, char text[32], bool *fixed)
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
static bool skip_blanks(parser *p)
{
    size_t start = p->at;
    while (p->extended && p->at < p->len && (isspace(peek(p)) || peek(p) == '#')) {
        const char *end = peek(p) == '#' ? memchr(p->s + p->at, '\n', p->len - p->at) : p->s + p->at;
        p->at = end ? (size_t)(end - p->s) + 1 : p->len;
    }
    return p->at > start;
}

/* The repetitions behind the atom out[start..). */
static void read_repetitions(parser *p, size_t start, lm_buf *out)
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

static bool read_atom(parser *p, lm_buf *out)
{
    int c = peek(p);
    if (c == '[')
        return read_class(p, NULL, out);
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
static bool read_alternatives(parser *p, lm_buf *out)
{
    if (++p->depth > MAX_DEPTH)
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
    parser p = {.s = pattern.data, .len = pattern.len, .st = st};
    if (!read_alternatives(&p, out))
        return false;
    return p.at == p.len || bad(&p, "a closing parenthesis too many");
}
