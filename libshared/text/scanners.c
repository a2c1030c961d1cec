/* What pre-tokenizers' commonest expressions find, by hand: the alternatives are tried in their order, and
 * each character is in one of four classes, so that some alternative always matches. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/byte_path.h"
#include "text/unicode/unicode_data.h"

#include <pthread.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- classes */

static uint8_t *classes;
static pthread_once_t classes_once = PTHREAD_ONCE_INIT;

static void make_classes(void)
{
    classes = lm_calloc(0x110000, 1); /* of which most is never touched */
    for (unsigned i = 0; i < lm_unicode_kinds_count; i++) {
        const lm_range_value *range = &lm_unicode_kinds[i];
        memset(classes + range->first, (int)range->value, range->last - range->first + 1);
    }
}

const uint8_t *lm_char_classes(void)
{
    pthread_once(&classes_once, make_classes);
    return classes;
}

/* ---------------------------------------------------------------- scanning */

typedef struct scanner {
    const uint8_t *class;
    const char *s;
    size_t to;
} scanner;

enum { END = LM_CLASS_KIND + 1 };

/* The class of the character at i, and its bytes. */
static inline unsigned kind_at(const scanner *c, size_t i, size_t *n)
{
    uint32_t code;
    *n = 0;
    if (i >= c->to)
        return END;
    *n = lm_utf8_known(c->s + i, &code);
    return c->class[code] & LM_CLASS_KIND;
}

/* Behind the characters of one kind from i on, `most` at most. */
static inline size_t run_of(const scanner *c, size_t i, unsigned kind, size_t most)
{
    for (size_t n; most > 0 && kind_at(c, i, &n) == kind; most--)
        i += n;
    return i;
}

size_t lm_contraction(const char *s, size_t i, size_t to, bool any_case)
{
    char a = i + 1 < to ? s[i + 1] : 0, b = i + 2 < to ? s[i + 2] : 0;
    if (any_case) {
        if (a == '\xC5' && b == '\xBF') /* long s, which is an s in lower case */
            return 2;
        a = a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 1;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 2 : 0;
}

/* White space from i on: \s+(?!\S)|\s+ leaves the last character to what follows, unless it is the only one.
 */
static size_t space_run(const scanner *c, size_t i)
{
    size_t last = i, n, end = i;
    while (kind_at(c, end, &n) == LM_CLASS_SPACE) {
        last = end;
        end += n;
    }
    return end == c->to || last == i ? end : last;
}

size_t lm_scan_gpt2(const uint8_t *class, const char *s, size_t i, size_t to)
{
    const scanner c = {class, s, to};
    size_t n;
    if (s[i] == '\'' && (n = lm_contraction(s, i, to, false)))
        return i + 1 + n;
    unsigned kind = kind_at(&c, i, &n);
    if (s[i] == ' ') {
        unsigned next = kind_at(&c, i + 1, &n);
        if (next != LM_CLASS_SPACE && next != END)
            return run_of(&c, i + 1, next, SIZE_MAX);
    }
    return kind == LM_CLASS_SPACE ? space_run(&c, i) : run_of(&c, i, kind, SIZE_MAX);
}

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

/* \s*[\r\n]+: up to the last line end among the white space from i on; i: there is none. */
static size_t newline_run(const scanner *c, size_t i)
{
    size_t end = i, n;
    for (; kind_at(c, i, &n) == LM_CLASS_SPACE; i += n)
        if (is_newline(c->s[i]))
            end = i + 1;
    return end;
}

size_t lm_scan_cl100k(const uint8_t *class, const char *s, size_t i, size_t to, size_t digits)
{
    const scanner c = {class, s, to};
    size_t n, next_n;
    if (s[i] == '\'' && (n = lm_contraction(s, i, to, true)))
        return i + 1 + n;
    unsigned kind = kind_at(&c, i, &n);
    if (kind == LM_CLASS_LETTER)
        return run_of(&c, i, kind, SIZE_MAX);
    if (kind == LM_CLASS_NUMBER)
        return run_of(&c, i, kind, digits);
    unsigned next = kind_at(&c, i + n, &next_n);
    if (next == LM_CLASS_LETTER && !is_newline(s[i]))
        return run_of(&c, i + n, next, SIZE_MAX);
    if (kind == LM_CLASS_OTHER || (s[i] == ' ' && next == LM_CLASS_OTHER)) {
        i = run_of(&c, kind == LM_CLASS_OTHER ? i : i + 1, LM_CLASS_OTHER, SIZE_MAX);
        while (i < to && is_newline(s[i]))
            i++;
        return i;
    }
    size_t end = newline_run(&c, i);
    return end > i ? end : space_run(&c, i);
}

enum lm_scanner lm_scanner_of(lm_str expression, size_t *digits)
{
#define CL100K(number)                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" number                                     \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    static const struct {
        const char *expression;
        enum lm_scanner scanner;
        size_t digits;
    } known[] = {
        {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", LM_SCAN_GPT2,
         0},
        {CL100K("\\p{N}{1,3}"), LM_SCAN_CL100K, 3},
        {CL100K("\\p{N}"), LM_SCAN_CL100K, 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (lm_str_is(expression, known[i].expression)) {
            *digits = known[i].digits;
            return known[i].scanner;
        }
    return LM_SCAN_REGEX;
}
