#include "augment/quality/words.h"

#include "augment/quality/word_rules.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

/* A character of what stands between two blanks. */
struct lm_count_char {
    uint32_t code, at; /* byte of the text */
    uint16_t is;
    bool cut;          /* a suffix begins here */
};

typedef struct cutter {
    lm_count_words *w;
    lm_str text;
    const uint16_t *classes;
    const struct lm_count_char *c; /* and one behind the last, for its `at` */
} cutter;

/* ---------------------------------------------------------------- words */

static lm_count_word *push(lm_count_words *w, size_t from, size_t len)
{
    LM_GROW(w->items, w->count, w->cap);
    lm_count_word *word = &w->items[w->count++];
    *word = (lm_count_word){.from = (uint32_t)from, .len = (uint32_t)len};
    return word;
}

static void emit(const cutter *k, size_t from, size_t to) /* of characters */
{
    if (from == to)
        return;
    uint16_t any = 0, all = LM_CC_SYMBOL | LM_CC_PUNCT;
    for (size_t i = from; i < to; i++) {
        any |= k->c[i].is;
        all &= k->c[i].is;
    }
    lm_count_word *word = push(k->w, k->c[from].at, k->c[to].at - k->c[from].at);
    word->chars = (uint32_t)(to - from);
    word->is = (any & LM_CC_ALPHA ? LM_WORD_LETTERS : 0) | (all & LM_CC_SYMBOL ? LM_WORD_SYMBOLS : 0) |
               (all & LM_CC_PUNCT ? LM_WORD_PUNCT : 0) | (to - from == 1 && any & LM_CC_STOP ? LM_WORD_STOP : 0) |
               (k->c[from].is & LM_CC_HANGUL ? LM_WORD_HANGUL : 0);
}

static lm_str bytes_of(const cutter *k, size_t from, size_t to)
{
    return (lm_str){k->text.data + k->c[from].at, k->c[to].at - k->c[from].at};
}

static bool is_special(const cutter *k, size_t from, size_t to)
{
    uint8_t cuts[2];
    return to - from <= LM_SPECIAL_LONGEST && lm_special_word(bytes_of(k, from, to), cuts);
}

/* ---------------------------------------------------------------- what goes off at the ends */

/* Of `most` at the beginning, how many are this character? */
static size_t run(const cutter *k, size_t from, size_t to, uint32_t code)
{
    size_t n = 0;
    while (from + n < to && k->c[from + n].code == code)
        n++;
    return n;
}

static size_t prefix(const cutter *k, size_t from, size_t to)
{
    const struct lm_count_char *c = &k->c[from];
    if (c->code == '+')
        return !(to - from > 1 && c[1].is & LM_CC_DIGIT);
    if (c->is & (LM_CC_EDGE | LM_CC_PREFIX))
        return 1;
    if (c->code == '.') {
        size_t dots = run(k, from, to, '.');
        return dots >= 2 ? dots : 0;
    }
    bool of_a_country = to - from >= 2 && ((c->code == 'C' || c->code == 'A') && c[1].code == '$'); /* C$, A$, US$ */
    if (of_a_country)
        return 2;
    return to - from >= 3 && c->code == 'U' && c[1].code == 'S' && c[2].code == '$' ? 3 : 0;
}

/* Units that part from the number before them. */
static const char units[] =
    " km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar mb MB "
    "kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ нм кг г мг м/с км/ч кПа Па мбар Кб КБ кб "
    "Мб МБ мб Гб ГБ гб Тб ТБ тб US$ C$ A$ ";
enum { UNIT_MOST = 5 };

/* Characters behind the last digit that are a unit or a currency. */
static size_t unit(const cutter *k, size_t from, size_t to)
{
    size_t digit = to;
    while (digit > from && to - digit <= UNIT_MOST && !(k->c[digit - 1].is & LM_CC_DIGIT))
        digit--;
    if (digit == from || digit == to || to - digit > UNIT_MOST)
        return 0;
    if (to - digit == 1 && k->c[digit].is & LM_CC_MONEY)
        return 1;
    lm_str s = bytes_of(k, digit, to);
    char wanted[4 * UNIT_MOST + 3];
    wanted[0] = ' ';
    memcpy(wanted + 1, s.data, s.len);
    memcpy(wanted + 1 + s.len, " ", 2);
    return strstr(units, wanted) ? to - digit : 0;
}

static size_t suffix(const cutter *k, size_t from, size_t to)
{
    const struct lm_count_char *last = &k->c[to - 1];
    size_t before = to - 1 - from; /* characters before the last */
    if (last->code == '.') {
        size_t dots = 1;
        while (dots <= before && k->c[to - 1 - dots].code == '.')
            dots++;
        if (dots >= 2)
            return dots;
        bool ends = before && last[-1].is & LM_CC_ENDS;
        bool of_capitals = before >= 2 && last[-1].is & last[-2].is & LM_CC_UPPER;
        return ends || of_capitals;
    }
    if ((last->code | 0x20) == 's' && before && (last[-1].code == '\'' || last[-1].code == 0x2019))
        return 2;
    if (last->is & LM_CC_EDGE)
        return 1 + (last->code == 0x2026 && before && last[-1].code == 0x2026);
    if (last->code == '+')
        return before && last[-1].is & LM_CC_DIGIT;
    return unit(k, from, to);
}

/* ---------------------------------------------------------------- what parts words within */

/* Characters at i, within [from, to), that stand between two words; 0: none. */
static size_t infix(const cutter *k, size_t from, size_t i, size_t to)
{
    const struct lm_count_char *c = &k->c[i];
    if (c->is & LM_CC_ALPHA)
        return 0;
    size_t dots = run(k, i, to, '.');
    if (dots >= 2)
        return dots;
    if (c->is & LM_CC_ICON)
        return 1;
    if (i == from || i + 1 == to)
        return 0;
    uint16_t before = c[-1].is, after = c[1].is;
    bool words_before = before & (LM_CC_ALPHA | LM_CC_DIGIT);
    switch (c->code) {
    case '.': return before & (LM_CC_LOWER | LM_CC_QUOTE) && after & (LM_CC_UPPER | LM_CC_QUOTE);
    case ',': return before & LM_CC_ALPHA && after & LM_CC_ALPHA;
    case ':':
    case '<':
    case '>':
    case '=':
    case '/': return words_before && after & LM_CC_ALPHA;
    case '+':
    case '*':
    case '^': return before & LM_CC_DIGIT && (after & LM_CC_DIGIT || c[1].code == '-');
    case '-':
        if (before & LM_CC_DIGIT && (after & LM_CC_DIGIT || c[1].code == '-'))
            return 1;
        break;
    case '~':
    case 0x2013:
    case 0x2014: break;
    default: return 0;
    }
    size_t hyphens = run(k, i, to, c->code);
    size_t most = c->code == '-' ? 3 : c->code == 0x2014 ? 2 : 1;
    return words_before && hyphens <= most && i + hyphens < to && k->c[i + hyphens].is & LM_CC_ALPHA ? hyphens : 0;
}

static void cut_middle(const cutter *k, size_t from, size_t to)
{
    uint8_t cuts[2];
    lm_str word = bytes_of(k, from, to);
    if (lm_special_word(word, cuts)) {
        size_t start = from;
        for (size_t i = from + 1; i < to; i++)
            if (k->c[i].at - k->c[from].at == cuts[0] || k->c[i].at - k->c[from].at == cuts[1])
                emit(k, start, i), start = i;
        emit(k, start, to);
        return;
    }
    size_t start = from;
    if (!lm_is_address(word))
        for (size_t i = from, n; i < to; i += n ? n : 1) {
            n = infix(k, from, i, to);
            if (n == 0 || i == from)
                continue;
            emit(k, start, i);
            emit(k, i, i + n);
            start = i + n;
        }
    emit(k, start, to);
}

/* What stands between two blanks: its ends go off until it is a special word, or nothing more does. */
static void cut_chunk(const cutter *k, struct lm_count_char *c, size_t n)
{
    size_t from = 0, to = n, pre, suf;
    while (from < to && !is_special(k, from, to)) {
        pre = prefix(k, from, to);
        suf = from + pre < to ? suffix(k, from + pre, to) : 0;
        bool special = pre && from + pre < to && is_special(k, from + pre, to);
        if (special)
            suf = 0;
        else if (suf && to - suf > from && is_special(k, from, to - suf))
            pre = 0, special = true;
        if (pre)
            emit(k, from, from + pre);
        if (suf)
            c[to - suf].cut = true;
        from += pre;
        to -= suf;
        if (special || pre + suf == 0)
            break;
    }
    if (from < to)
        cut_middle(k, from, to);
    for (size_t start = to, i = to + 1; i <= n; i++)
        if (i == n || c[i].cut)
            emit(k, start, i), start = i;
}

/* ---------------------------------------------------------------- texts */

/* Characters from byte `at` to the next white space. */
static size_t read_chunk(cutter *k, size_t at, struct lm_count_char **chars)
{
    lm_count_words *w = k->w;
    size_t n = 0;
    for (;;) {
        if (n + 1 >= w->char_cap) {
            w->char_cap = w->char_cap ? 2 * w->char_cap : 256;
            w->chars = lm_realloc(w->chars, w->char_cap, sizeof *w->chars);
        }
        struct lm_count_char *c = &w->chars[n];
        *c = (struct lm_count_char){.at = (uint32_t)at};
        if (at == k->text.len)
            break;
        size_t len = lm_utf8_decode(k->text.data + at, k->text.len - at, &c->code);
        c->is = c->code < LM_CC_TABLE ? k->classes[c->code] : lm_count_class(c->code);
        if (c->is & LM_CC_SPACE)
            break;
        at += len;
        n++;
    }
    k->c = *chars = w->chars;
    return n;
}

/* White space at byte `at`: where it ends. The first blank behind a word is the word's. */
static size_t skip_space(const cutter *k, size_t at, bool spaces)
{
    const size_t start = at;
    size_t from = at, chars = 0;
    while (at < k->text.len) {
        uint32_t code;
        size_t n = lm_utf8_decode(k->text.data + at, k->text.len - at, &code);
        if (!((code < LM_CC_TABLE ? k->classes[code] : 0) & LM_CC_SPACE))
            break;
        if (start && at == start && code == ' ')
            from++;
        else
            chars++;
        at += n;
    }
    if (spaces && chars)
        *push(k->w, from, at - from) =
            (lm_count_word){.from = (uint32_t)from, .len = (uint32_t)(at - from), .chars = (uint32_t)chars, .is = LM_WORD_SPACE};
    return at;
}

void lm_count_words_cut(lm_count_words *w, lm_str text, bool spaces)
{
    cutter k = {.w = w, .text = text, .classes = lm_count_classes()};
    w->count = 0;
    for (size_t at = 0; at < text.len;) {
        /* most words are letters between two blanks, and too long to be special, or not */
        size_t end = at;
        while (end < text.len && (unsigned char)((text.data[end] | 0x20) - 'a') < 26)
            end++;
        uint8_t cuts[2];
        if (end > at && (end == text.len || text.data[end] == ' ' || text.data[end] == '\n') &&
            !lm_special_word((lm_str){text.data + at, end - at}, cuts)) {
            lm_count_word *word = push(w, at, end - at);
            word->chars = (uint32_t)(end - at);
            word->is = LM_WORD_LETTERS;
            at = end;
        } else {
            struct lm_count_char *chars;
            size_t n = read_chunk(&k, at, &chars);
            cut_chunk(&k, chars, n);
            at = chars[n].at;
        }
        at = skip_space(&k, at, spaces);
    }
}

void lm_count_words_free(lm_count_words *w)
{
    free(w->items);
    free(w->chars);
    *w = (lm_count_words){0};
}

size_t lm_count_sentences(const lm_count_words *w)
{
    size_t sentences = w->count > 0;
    bool stopped = false;
    for (size_t i = 0; i < w->count; i++) {
        if (w->items[i].is & LM_WORD_STOP)
            stopped = true;
        else if (stopped && !(w->items[i].is & LM_WORD_PUNCT))
            sentences++, stopped = false;
    }
    return sentences;
}

bool lm_ends_with_stop(lm_str text)
{
    size_t at = text.len;
    while (at && ((unsigned char)text.data[--at] & 0xC0) == 0x80) {
    }
    uint32_t code = 0;
    if (text.len)
        lm_utf8_decode(text.data + at, text.len - at, &code);
    return text.len && lm_count_class(code) & LM_CC_STOP;
}

bool lm_mostly_hangul(lm_str text)
{
    size_t hangul = 0, letters = 0;
    for (size_t at = 0; at < text.len;) {
        unsigned char b = (unsigned char)text.data[at];
        if (b < 0x80) {
            letters += (unsigned char)((b | 0x20) - 'a') < 26;
            at++;
            continue;
        }
        uint32_t code;
        at += lm_utf8_decode(text.data + at, text.len - at, &code);
        uint16_t is = lm_count_class(code);
        letters += is & LM_CC_ALPHA ? 1 : 0;
        hangul += is & LM_CC_HANGUL ? 1 : 0;
    }
    return hangul && 2 * hangul >= letters;
}
