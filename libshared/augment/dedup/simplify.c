#include "augment/dedup/simplify.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/hangul.h"
#include "text/unicode/python_text.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

/* Of lm_simplifier.bytes: no character of itself; and white space that is to be one blank, a bit beside what stands for it. */
enum { STOP = 0xFF, GAP = 0x80 };
enum { MARGIN = 4 * 2 * LM_DECOMPOSITION_MAX + 8 }; /* more than one character becomes */

/* ------------------------------------------------------------------ characters */

/* What datatrove takes for punctuation: ASCII's, control characters, and these, in order. */
static bool is_datatrove_punctuation(uint32_t code)
{
    static const uint16_t others[] = {0xAB,   0xB4,   0xBB,   0x2013, 0x2014, 0x2019, 0x201C, 0x201D, 0x201E,
                                      0x2026, 0x2236, 0x2501, 0x25BA, 0x3001, 0x3002, 0x3008, 0x3009, 0x300A,
                                      0x300B, 0x300C, 0x300D, 0x3010, 0x3011, 0xFF01, 0xFF05, 0xFF08, 0xFF09,
                                      0xFF0C, 0xFF0E, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF5E};
    if (code >= 0x7F && code < 0xA0)
        return true;
    for (size_t i = 0; i < sizeof others / sizeof *others && others[i] <= code; i++)
        if (others[i] == code)
            return true;
    return false;
}

static bool is_punctuation(const lm_simplifier *s, uint32_t code)
{
    return s->ignored & LM_IGNORE_AS_DATATROVE ? is_datatrove_punctuation(code)
                                               : lm_unicode_is(s->unicode, code) & LM_CP_PUNCT;
}

static bool is_digit(const lm_simplifier *s, uint32_t code)
{
    if (code < 0x80)
        return code >= '0' && code <= '9';
    return (code >= LM_CP_TABLE || s->unicode[code] & LM_CP_NUMBER) &&
           utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_ND;
}

static bool is_decimal_separator(uint32_t code)
{
    return code == '.' || code == ',' || code == 0x60C || code == 0x66B || (code >= 0x2396 && code <= 0x2398);
}

static size_t after_digits(const lm_simplifier *s, lm_str text, size_t at)
{
    while (at < text.len) {
        uint32_t code;
        size_t size = lm_utf8_decode(text.data + at, text.len - at, &code);
        if (!is_digit(s, code))
            break;
        at += size;
    }
    return at;
}

/* Behind the number that begins at `at`. */
static size_t after_number(const lm_simplifier *s, lm_str text, size_t at)
{
    at = after_digits(s, text, at);
    uint32_t code;
    if (at == text.len)
        return at;
    size_t fraction = at + lm_utf8_decode(text.data + at, text.len - at, &code);
    size_t end = is_decimal_separator(code) ? after_digits(s, text, fraction) : fraction;
    return end > fraction ? end : at;
}

/* ------------------------------------------------------------------ writing */

typedef struct writer {
    const lm_simplifier *s;
    lm_buf *out;
    bool gap; /* the last character is a blank that others do not follow, or none was written yet */
    /* the marks that end what is written so far: where they begin, the last one's class, and whether they stand in another
     * order than that of their classes */
    size_t marks;
    int last_class;
    bool disordered;
} writer;

typedef struct mark {
    uint64_t order; /* class, then where it stood */
    uint32_t code;
} mark;

static int by_order(const void *a, const void *b)
{
    uint64_t x = ((const mark *)a)->order, y = ((const mark *)b)->order;
    return (x > y) - (x < y);
}

static void order_marks(writer *w)
{
    lm_buf *out = w->out;
    size_t n = 0, count = lm_utf8_count(out->data + w->marks, out->len - w->marks);
    mark *marks = lm_malloc(count, sizeof *marks);
    for (size_t at = w->marks; at < out->len; n++) {
        at += lm_utf8_decode(out->data + at, out->len - at, &marks[n].code);
        marks[n].order = (uint64_t)lm_unicode_class(marks[n].code) << 56 | n;
    }
    qsort(marks, n, sizeof *marks, by_order);
    char *to = out->data + w->marks;
    for (size_t i = 0; i < n; i++)
        to += lm_utf8_encode(marks[i].code, to);
    free(marks);
}

static inline void end_marks(writer *w)
{
    if (w->last_class) {
        if (w->disordered)
            order_marks(w);
        w->last_class = 0;
        w->disordered = false;
    }
}

static inline void put_ascii(writer *w, char c)
{
    end_marks(w);
    w->gap = false;
    w->out->data[w->out->len++] = c;
}

static void put_blank(writer *w)
{
    bool joins = w->s->ignored & LM_IGNORE_SPACE;
    if (!joins || !w->gap)
        put_ascii(w, ' ');
    w->gap = joins;
}

/* The bytes from i on that a table is enough for; returns where they end. Which of them are blanks nobody can foretell, so that it is
 * written without a branch on it. */
static size_t put_bytes(writer *w, lm_str text, size_t i)
{
    if (w->s->bytes[(unsigned char)text.data[i]] == STOP)
        return i;
    end_marks(w);
    char *to = w->out->data + w->out->len;
    unsigned gap = w->gap;
    for (; i < text.len; i++) {
        unsigned as = w->s->bytes[(unsigned char)text.data[i]];
        if (as == STOP)
            break;
        *to = (char)(as & 0x7F);
        to += !(as >> 7 & gap);
        gap = as >> 7;
    }
    w->gap = gap;
    w->out->len = (size_t)(to - w->out->data);
    return i;
}

/* A character that does not decompose. */
static void put(writer *w, uint32_t code)
{
    unsigned properties = lm_unicode_is(w->s->unicode, code);
    int class = properties & LM_CP_NFD ? lm_unicode_class(code) : 0;
    if (!class)
        end_marks(w);
    if (w->s->ignored & LM_IGNORE_ACCENTS && properties & LM_CP_NONSPACING)
        return;
    w->gap = false;
    if (class) {
        if (!w->last_class)
            w->marks = w->out->len;
        w->disordered |= class < w->last_class;
        w->last_class = class;
    }
    w->out->len += lm_utf8_encode(code, w->out->data + w->out->len);
}

/* The Hangul syllables from i on, as their jamo; returns where they end. Each takes three bytes, and nine at most. */
static size_t put_syllables(writer *w, lm_str text, size_t i, size_t most)
{
    char *to = w->out->data + w->out->len, *begin = to;
    for (uint32_t code; most && (code = lm_syllable_at(text.data + i, text.len - i)); most--, i += 3)
        to += lm_syllable_spell(code, to);
    if (to > begin) {
        end_marks(w);
        w->gap = false;
        w->out->len += (size_t)(to - begin);
    }
    return i;
}

/* One that is none of ASCII, a syllable, a digit, punctuation or white space that count. */
static void put_other(writer *w, lm_str text, size_t from, size_t to, uint32_t code)
{
    uint32_t lower[2] = {code}, parts[LM_DECOMPOSITION_MAX];
    int count = 1;
    if (w->s->ignored & LM_IGNORE_CASE) {
        count = lm_unicode_lower_case(code, lower);
        if (code == LM_SIGMA && lm_is_final_sigma(text, from, to))
            lower[0] = LM_FINAL_SIGMA;
    }
    for (int k = 0; k < count; k++) {
        int n = lm_unicode_decompose(lower[k], false, parts);
        for (int i = 0; i < n; i++)
            put(w, parts[i]);
    }
}

void lm_simplifier_init(lm_simplifier *s, unsigned ignored)
{
    *s = (lm_simplifier){.ignored = ignored, .unicode = lm_unicode_table()};
    memset(s->bytes, STOP, sizeof s->bytes);
    for (int c = 0; c < 128; c++) {
        unsigned p = s->unicode[c];
        bool control = (c < 9 || c == 11 || c == 12 || (c >= 13 && c < 32) || c == 127) && ignored & LM_IGNORE_AS_DATATROVE;
        bool letter = c >= 'A' && c <= 'Z' && ignored & LM_IGNORE_CASE;
        bool blank = (p & LM_CP_PUNCT || control) && ignored & LM_IGNORE_PUNCTUATION;
        if (ignored & LM_IGNORE_SPACE && (blank || p & LM_CP_SPACE))
            s->bytes[c] = GAP | ' ';
        else if (blank)
            s->bytes[c] = ' ';
        else if (!(ignored & LM_IGNORE_NUMBERS && c >= '0' && c <= '9'))
            s->bytes[c] = (uint8_t)(letter ? c + 'a' - 'A' : c);
    }
}

/* The character at i, which is not all in the table; returns its end. */
static size_t put_character(writer *w, lm_str text, size_t i)
{
    const lm_simplifier *s = w->s;
    uint32_t code;
    size_t end = i + lm_utf8_decode(text.data + i, text.len - i, &code);
    if (s->ignored & LM_IGNORE_NUMBERS && is_digit(s, code)) {
        put_ascii(w, '0');
        end = after_number(s, text, i);
    } else if ((s->ignored & LM_IGNORE_SPACE && lm_unicode_is(s->unicode, code) & LM_CP_SPACE) ||
               (s->ignored & LM_IGNORE_PUNCTUATION && is_punctuation(s, code))) {
        put_blank(w);
    } else {
        put_other(w, text, i, end, code);
    }
    return end;
}

void lm_simplify(const lm_simplifier *s, lm_str text, lm_buf *out)
{
    writer w = {.s = s, .out = out, .gap = true};
    size_t begin = out->len;
    for (size_t i = 0; i < text.len;) {
        lm_buf_reserve(out, text.len - i + MARGIN); /* a byte of the table gives one at most */
        i = put_bytes(&w, text, i);
        size_t before = i;
        i = put_syllables(&w, text, i, MARGIN / 9);
        if (i == before && i < text.len && s->bytes[(unsigned char)text.data[i]] == STOP)
            i = put_character(&w, text, i);
    }
    end_marks(&w);
    if (w.gap && out->len > begin) /* the blank that ends it */
        out->len--;
}
