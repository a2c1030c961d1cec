/* GopherQualityFilter and GopherRepetitionFilter of datatrove. */
#include "augment/quality/judging.h"

#include "augment/quality/ngrams.h"
#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <xxhash.h>

/* ---------------------------------------------------------------- quality */

enum { MIN_WORDS, MAX_WORDS, MIN_LENGTH, MAX_LENGTH, SYMBOLS, BULLETS, ELLIPSES, LETTERS, STOP_WORDS };

static const lm_threshold quality[] = {
    [MIN_WORDS] = {"min-doc-words", NULL, {50, 50}},
    [MAX_WORDS] = {"max-doc-words", NULL, {100000, 100000}},
    [MIN_LENGTH] = {"min-avg-word-length", NULL, {3, 1}},
    [MAX_LENGTH] = {"max-avg-word-length", NULL, {10, 6}},
    [SYMBOLS] = {"max-symbol-word-ratio", NULL, {0.1, 0.1}},
    [BULLETS] = {"max-bullet-lines-ratio", NULL, {0.9, 0.9}},
    [ELLIPSES] = {"max-ellipsis-lines-ratio", NULL, {0.3, 0.3}},
    [LETTERS] = {"min-alpha-words-ratio", "max-non-alpha-words-ratio", {0.8, 0.791}}, /* the second one is its name in datatrove */
    [STOP_WORDS] = {"min-stop-words", NULL, {2, 2}},
    {0},
};

static bool begins(lm_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data, with, n) == 0;
}

static bool ends(lm_str s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.data + s.len - n, with, n) == 0;
}

/* How often it stands there; places do not overlap. */
static size_t occurrences(lm_str text, const char *what)
{
    size_t n = strlen(what), count = 0;
    const char *end = text.data + text.len;
    for (const char *p = text.data; p < end && (p = memmem(p, (size_t)(end - p), what, n)); p += n)
        count++;
    return count;
}

static bool judge_words(const lm_count_words *w, const double *limit, lm_verdict *v)
{
    double real = 0, chars = 0;
    for (size_t i = 0; i < w->count; i++)
        if (!(w->items[i].is & LM_WORD_SYMBOLS))
            real++, chars += w->items[i].chars;
    if (limit[MIN_WORDS] > 0 && real < limit[MIN_WORDS])
        return lm_drops(v, MIN_WORDS, real, "words");
    if (limit[MAX_WORDS] > 0 && real > limit[MAX_WORDS])
        return lm_drops(v, MAX_WORDS, real, "words");
    if (limit[MIN_LENGTH] > 0 && real && chars / real < limit[MIN_LENGTH])
        return lm_drops(v, MIN_LENGTH, chars / real, "characters a word");
    if (limit[MAX_LENGTH] > 0 && real && chars / real > limit[MAX_LENGTH])
        return lm_drops(v, MAX_LENGTH, chars / real, "characters a word");
    return false;
}

static bool judge_lines(lm_str text, const double *limit, lm_verdict *v)
{
    double lines = 0, bullets = 0, ellipses = 0;
    for (lm_str rest = text, line; lm_text_take_line(&rest, &line, NULL); lines++) {
        line = lm_text_trim(line, NULL, true, true);
        bullets += begins(line, "•") || begins(line, "-");
        ellipses += ends(line, "...") || ends(line, "…");
    }
    if (limit[BULLETS] > 0 && lines && bullets / lines > limit[BULLETS])
        return lm_drops(v, BULLETS, bullets / lines, "of the lines");
    if (limit[ELLIPSES] > 0 && lines && ellipses / lines > limit[ELLIPSES])
        return lm_drops(v, ELLIPSES, ellipses / lines, "of the lines");
    return false;
}

static bool judge_quality(lm_judging *j, const double *limit, lm_verdict *v)
{
    const lm_count_words *w = lm_judging_words(j);
    if (judge_words(w, limit, v))
        return true;
    double words = (double)w->count, letters = 0;
    double hashes = (double)occurrences(j->text, "#"),
           ellipses = (double)(occurrences(j->text, "...") + occurrences(j->text, "…"));
    if (limit[SYMBOLS] > 0 && words && hashes / words > limit[SYMBOLS])
        return lm_drops(v, SYMBOLS, hashes / words, "# a word");
    if (limit[SYMBOLS] > 0 && words && ellipses / words > limit[SYMBOLS])
        return lm_drops(v, SYMBOLS, ellipses / words, "ellipses a word");
    if (judge_lines(j->text, limit, v))
        return true;
    for (size_t i = 0; i < w->count; i++)
        letters += w->items[i].is & LM_WORD_LETTERS ? 1 : 0;
    if (limit[LETTERS] > 0 && words && letters / words < limit[LETTERS])
        return lm_drops(v, LETTERS, letters / words, "of the words have letters");
    if (limit[STOP_WORDS] > 0) {
        size_t most = limit[STOP_WORDS] < (double)j->stop_words->words.n ? (size_t)limit[STOP_WORDS] + 1 : j->stop_words->words.n;
        double found = (double)lm_stop_words_count(j->stop_words, w, j->text, j->korean, most, j->found);
        if (found < limit[STOP_WORDS])
            return lm_drops(v, STOP_WORDS, found, "stop words");
    }
    return false;
}

const lm_quality_filter lm_gopher_quality_filter = {"gopher-quality", quality, judge_quality};

/* ---------------------------------------------------------------- repetition */

enum { DUP_LINES, DUP_PARAGRAPHS, DUP_LINE_CHARS, DUP_PARAGRAPH_CHARS, TOP_2, TOP_4 = TOP_2 + 2, DUP_5, DUP_10 = DUP_5 + 5 };

static const lm_threshold repetition[] = {
    [DUP_LINES] = {"dup-line-frac", NULL, {0.3, 0.374}},
    [DUP_PARAGRAPHS] = {"dup-para-frac", NULL, {0.3, 0}},
    [DUP_LINE_CHARS] = {"dup-line-char-frac", NULL, {0.2, 0}},
    [DUP_PARAGRAPH_CHARS] = {"dup-para-char-frac", NULL, {0.2, 0}},
    [TOP_2] = {"top-2-gram", NULL, {0.2, 0.282}},
    {"top-3-gram", NULL, {0.18, 0.228}},
    {"top-4-gram", NULL, {0.16, 0.185}},
    [DUP_5] = {"dup-5-gram", NULL, {0.15, 0.201}},
    {"dup-6-gram", NULL, {0.14, 0.184}},
    {"dup-7-gram", NULL, {0.13, 0.168}},
    {"dup-8-gram", NULL, {0.12, 0.154}},
    {"dup-9-gram", NULL, {0.11, 0.14}},
    {"dup-10-gram", NULL, {0.1, 0.127}},
    {0},
};

/* Elements of a text, how many of them were there before, and the characters of those (find_duplicates). */
typedef struct elements {
    size_t all, repeated, chars;
} elements;

static elements count_repeated(lm_judging *j, lm_str text, size_t least)
{
    elements r = {0};
    lm_repeats_begin(&j->repeats, 0);
    lm_str part;
    for (; lm_take_part(&text, least, true, &part); r.all++) {
        if (!lm_repeats_again(&j->repeats, XXH3_64bits(part.data, part.len)))
            continue;
        r.repeated++;
        r.chars += lm_utf8_count(part.data, part.len);
    }
    return r;
}

static bool judge_repetition(lm_judging *j, const double *limit, lm_verdict *v)
{
    double chars = (double)lm_utf8_count(j->text.data, j->text.len);
    if (!chars)
        return false;
    elements r = count_repeated(j, lm_text_trim(j->text, NULL, true, true), 2);
    if (limit[DUP_PARAGRAPHS] > 0 && (double)r.repeated / (double)r.all > limit[DUP_PARAGRAPHS])
        return lm_drops(v, DUP_PARAGRAPHS, (double)r.repeated / (double)r.all, "of the paragraphs");
    if (limit[DUP_PARAGRAPH_CHARS] > 0 && (double)r.chars / chars > limit[DUP_PARAGRAPH_CHARS])
        return lm_drops(v, DUP_PARAGRAPH_CHARS, (double)r.chars / chars, "of the characters");
    r = count_repeated(j, j->text, 1);
    if (limit[DUP_LINES] > 0 && (double)r.repeated / (double)r.all > limit[DUP_LINES])
        return lm_drops(v, DUP_LINES, (double)r.repeated / (double)r.all, "of the lines");
    if (limit[DUP_LINE_CHARS] > 0 && (double)r.chars / chars > limit[DUP_LINE_CHARS])
        return lm_drops(v, DUP_LINE_CHARS, (double)r.chars / chars, "of the characters");

    lm_ngrams g = lm_ngrams_of(j);
    for (int i = TOP_2; i <= DUP_10; i++) {
        size_t n = (size_t)(i <= TOP_4 ? i - TOP_2 + 2 : i - DUP_5 + 5);
        if (!(limit[i] > 0))
            continue;
        double share = (double)(i <= TOP_4 ? lm_ngrams_top(&g, n) : lm_ngrams_repeated(&g, n)) / chars;
        if (share > limit[i])
            return lm_drops(v, i, share, "of the characters");
    }
    return false;
}

const lm_quality_filter lm_gopher_repetition_filter = {"gopher-repetition", repetition, judge_repetition};
