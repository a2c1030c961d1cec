/* Properties, escapes and classes of regular expressions: Oniguruma's, as items of PCRE2's classes. */
#include "text/regex/regex_internal.h"

#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>

enum { MAX_NAME = 48 };

#define HEX "0-9A-Fa-f"

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
    {"word", LM_REGEX_WORD},
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
    static const char *const names[] = {"alphabetic",
                                        "any",
                                        "asciihexdigit",
                                        "cased",
                                        "caseignorable",
                                        "dash",
                                        "diacritic",
                                        "emoji",
                                        "emojicomponent",
                                        "emojimodifier",
                                        "emojimodifierbase",
                                        "emojipresentation",
                                        "extendedpictographic",
                                        "extender",
                                        "hexdigit",
                                        "idcontinue",
                                        "ideographic",
                                        "idstart",
                                        "joincontrol",
                                        "lowercase",
                                        "math",
                                        "quotationmark",
                                        "radical",
                                        "regionalindicator",
                                        "unifiedideograph",
                                        "uppercase",
                                        "variationselector",
                                        "whitespace",
                                        "xidcontinue",
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
static bool read_property(lm_regex_parser *p, bool *negated, lm_buf *items)
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

static bool read_hex(lm_regex_parser *p, size_t most, uint32_t *code)
{
    size_t n = 0;
    *code = 0;
    while (n < most && p->at < p->len && isxdigit((unsigned char)p->s[p->at])) {
        char digit = p->s[p->at++];
        *code = *code * 16 + (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
        n++;
    }
    return n > 0 ? *code <= 0x10FFFF || bad(p, "a character beyond U+10FFFF")
                 : bad(p, "an escape without digits");
}

int lm_regex_character_escape(lm_regex_parser *p, bool in_class, uint32_t *code)
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

void lm_regex_put_character(uint32_t code, lm_buf *out)
{
    if (code < 0x80 && isalnum((int)code))
        lm_buf_putc(out, (char)code);
    else
        lm_buf_printf(out, "\\x{%X}", (unsigned)code);
}

bool lm_regex_class_escape(lm_regex_parser *p, bool *negated, lm_buf *items)
{
    int c = p->s[p->at++];
    *negated = isupper(c);
    switch (tolower(c)) {
    case 'w':
        lm_buf_puts(items, LM_REGEX_WORD);
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
        lm_buf_printf(out, "(?:[%.*s]%.*s)", (int)u->items.len, u->items.data, (int)u->others.len,
                      u->others.data);
    } else if (u->others.len) {
        lm_buf_printf(out, "(?:%.*s)", (int)u->others.len - 1, u->others.data + 1);
    } else {
        lm_buf_puts(out, "(?!)");
    }
}

static bool read_nested(lm_regex_parser *p, class_union *into, lm_buf *out);

/* [:name:] or [:^name:]; false without failure: it is none. */
static bool posix_bracket(lm_regex_parser *p, class_union *u)
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
static int class_character(lm_regex_parser *p, class_union *u, uint32_t *code)
{
    if (peek(p) != '\\') {
        p->at += lm_utf8_decode(p->s + p->at, p->len - p->at, code);
        return 1;
    }
    p->at++;
    int kind = lm_regex_character_escape(p, true, code);
    if (kind != 0)
        return kind;
    lm_buf items = {0};
    bool negated, ok = lm_regex_class_escape(p, &negated, &items);
    if (ok && negated)
        lm_buf_printf(&u->others, "|[^%.*s]", (int)items.len, items.data);
    else if (ok)
        lm_buf_append(&u->items, items.data, items.len);
    lm_buf_free(&items);
    return ok ? 0 : -1;
}

static bool class_item(lm_regex_parser *p, class_union *u)
{
    if (peek(p) == '[') {
        if (at_string(p, "[:") && posix_bracket(p, u))
            return true;
        return read_nested(p, u, NULL);
    }
    uint32_t code, last;
    int kind = class_character(p, u, &code);
    if (kind <= 0)
        return kind == 0;
    lm_regex_put_character(code, &u->items);
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
    lm_regex_put_character(last, &u->items);
    return true;
}

/* The unions between && up to the closing bracket; the result without negation: one expression, and whether
 * the last union is all of it (then it stands in *last). */
static bool read_unions(lm_regex_parser *p, lm_buf *before, class_union *last)
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
static bool read_nested(lm_regex_parser *p, class_union *into, lm_buf *out)
{
    if (++p->depth > LM_REGEX_DEPTH)
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

bool lm_regex_read_class(lm_regex_parser *p, lm_buf *out)
{
    return read_nested(p, NULL, out);
}
