/* C4QualityFilter of datatrove: lines that are no sentences go, then records that have too few left. */
#include "augment/quality/judging.h"

#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <utf8proc.h>

enum { SENTENCES, WORDS, WORD_LENGTH, STOPS, CITATIONS, LOREM_IPSUM, JAVASCRIPT, BRACKETS, POLICY };

static const lm_threshold thresholds[] = {
    [SENTENCES] = {"min-num-sentences", NULL, {5, 5}},
    [WORDS] = {"min-words-per-line", NULL, {3, 3}},
    [WORD_LENGTH] = {"max-word-length", NULL, {1000, 1000}},
    [STOPS] = {"filter-no-terminal-punct", NULL, {1, 1}}, /* these: 1 or 0 */
    [CITATIONS] = {"remove-citations", NULL, {1, 1}},
    [LOREM_IPSUM] = {"filter-lorem-ipsum", NULL, {1, 1}},
    [JAVASCRIPT] = {"filter-javascript", NULL, {1, 1}},
    [BRACKETS] = {"filter-curly-bracket", NULL, {1, 1}},
    [POLICY] = {"filter-policy", NULL, {1, 1}},
    {0},
};

/* Words between white space, and the length of the longest. */
static size_t count_words(lm_str line, size_t *longest)
{
    size_t words = 0, chars = 0;
    *longest = 0;
    for (size_t at = 0; at < line.len;) {
        uint32_t code;
        at += lm_utf8_decode(line.data + at, line.len - at, &code);
        if (lm_is_python_space(code)) {
            chars = 0;
            continue;
        }
        words += chars++ == 0;
        if (chars > *longest)
            *longest = chars;
    }
    return words;
}

/* Length of the citation at the start of s: [12], [], [edit], [citation needed]; 0: there is none. */
static size_t citation(lm_str s)
{
    static const char *const words[] = {"[edit]", "[citation needed]"};
    for (int i = 0; i < 2; i++)
        if (s.len >= strlen(words[i]) && memcmp(s.data, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    for (size_t at = 1; at < s.len;) {
        uint32_t code;
        size_t n = lm_utf8_decode(s.data + at, s.len - at, &code);
        if (code == ']')
            return at + 1;
        if (utf8proc_category((utf8proc_int32_t)code) != UTF8PROC_CATEGORY_ND)
            break;
        at += n;
    }
    return 0;
}

static lm_str without_citations(lm_str line, lm_buf *out)
{
    out->len = 0;
    for (const char *p = line.data, *end = p + line.len; p < end;) {
        const char *bracket = memchr(p, '[', (size_t)(end - p)), *to = bracket ? bracket : end;
        lm_buf_append(out, p, (size_t)(to - p));
        size_t n = bracket ? citation((lm_str){bracket, (size_t)(end - bracket)}) : 0;
        if (bracket && !n)
            lm_buf_putc(out, '[');
        p = to + (bracket ? n + (n == 0) : 0);
    }
    return lm_buf_str(out);
}

static bool has(lm_str s, const char *what)
{
    return s.len && memmem(s.data, s.len, what, strlen(what));
}

static bool ends_sentence(lm_str line)
{
    bool ellipsis = line.len >= 3 && memcmp(line.data + line.len - 3, "...", 3) == 0;
    return line.len && strchr(".?!\"'", line.data[line.len - 1]) && !ellipsis;
}

static bool is_policy(lm_str lower)
{
    static const char *const phrases[] = {"terms of use", "privacy policy", "cookie policy",
                                          "uses cookies", "use of cookies", "use cookies"};
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (has(lower, phrases[i]))
            return true;
    return false;
}

typedef enum line_fate { KEPT, REMOVED, DROPS } line_fate;

/* What becomes of a line; *line loses its citations. What is looked for in it is ASCII, and only ASCII is made lower case. */
static line_fate judge_line(lm_judging *j, const double *limit, lm_str *line, lm_verdict *v)
{
    size_t longest, words = count_words(*line, &longest);
    if (limit[WORD_LENGTH] > 0 && (double)longest > limit[WORD_LENGTH])
        return REMOVED;
    if (limit[CITATIONS] > 0 && has(*line, "["))
        *line = without_citations(*line, &j->line);
    if ((limit[STOPS] > 0 && !ends_sentence(*line)) || (double)words < limit[WORDS])
        return REMOVED;
    j->lower.len = 0;
    lm_buf_append(&j->lower, line->data, line->len);
    for (size_t i = 0; i < j->lower.len; i++)
        if (j->lower.data[i] >= 'A' && j->lower.data[i] <= 'Z')
            j->lower.data[i] |= 0x20;
    lm_str lower = lm_buf_str(&j->lower);
    if (limit[LOREM_IPSUM] > 0 && has(lower, "lorem ipsum"))
        return lm_drops(v, LOREM_IPSUM, 1, "lorem ipsum"), DROPS;
    if (limit[JAVASCRIPT] > 0 && has(lower, "javascript"))
        return REMOVED;
    if (limit[BRACKETS] > 0 && has(*line, "{"))
        return lm_drops(v, BRACKETS, 1, "{"), DROPS;
    return limit[POLICY] > 0 && is_policy(lower) ? REMOVED : KEPT;
}

static bool judge_c4(lm_judging *j, const double *limit, lm_verdict *v)
{
    lm_draft *d = j->draft;
    lm_str *kept = lm_arena_alloc(j->arena, (size_t)d->text_count, sizeof *kept);
    double sentences = 0;
    for (int i = 0; i < d->text_count; i++) {
        lm_buf *out = &j->joined; /* its text is judged from scratch below */
        out->len = 0;
        for (lm_str rest = d->texts[i], line; lm_text_take_line(&rest, &line, NULL);) {
            line = lm_text_trim(line, NULL, true, true);
            line_fate fate = judge_line(j, limit, &line, v);
            if (fate == DROPS)
                return true;
            if (fate == REMOVED)
                continue;
            if (limit[SENTENCES] > 0) {
                lm_count_words_cut(&j->words, line, true);
                sentences += (double)lm_count_sentences(&j->words);
            }
            if (out->len)
                lm_buf_putc(out, '\n');
            lm_buf_append(out, line.data, line.len);
        }
        kept[i] = lm_text_trim(lm_buf_str(out), NULL, true, true);
        if (!lm_str_equal(kept[i], d->texts[i]))
            kept[i].data = lm_arena_strndup(j->arena, kept[i].data ? kept[i].data : "", kept[i].len);
        else
            kept[i] = d->texts[i];
    }
    if (sentences < limit[SENTENCES])
        return lm_drops(v, SENTENCES, sentences, "sentences");
    memcpy(d->texts, kept, (size_t)d->text_count * sizeof *kept);
    lm_judging_take(j);
    return false;
}

const lm_quality_filter lm_c4_filter = {"c4", thresholds, judge_c4};
