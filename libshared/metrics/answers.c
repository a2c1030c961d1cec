#include "metrics/answers.h"

#include "base/memory.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { LONGEST_ANSWER = 30, NO_LABEL = -100 };

const char *const lm_answer_style_names[] = {"squad", "korquad", NULL};

/* ------------------------------------------------------------------ texts */

/* As Python has them: str.isalnum() or an underscore, and str.isspace(). */
static bool is_word(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return c == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
           (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

static bool is_blank(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F) || c == 0x85 || k == UTF8PROC_CATEGORY_ZS ||
           k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

static bool is_punctuation(utf8proc_int32_t c)
{
    return c > 0 && c < 128 && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)c);
}

static utf8proc_int32_t next(lm_str text, size_t *at)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text.data + *at, (utf8proc_ssize_t)(text.len - *at), &c);
    *at += n > 0 ? (size_t)n : 1;
    return n > 0 ? c : 0xFFFD;
}

/* ' " ( ) < > and \u300a \u300b \u3008 \u3009 \u2018 \u2019, in whose place KorQuAD has a blank. */
static bool is_bracket(utf8proc_int32_t c)
{
    return (c > 0 && c < 128 && strchr("'\"()<>", (int)c)) || (c >= 0x3008 && c <= 0x300B) || c == 0x2018 || c == 0x2019;
}

/* Lower case, without punctuation. */
static void fold(lm_answer_style style, lm_str text, lm_buf *out)
{
    for (size_t at = 0; at < text.len;) {
        utf8proc_int32_t c = utf8proc_tolower(next(text, &at));
        utf8proc_uint8_t bytes[4];
        if (style == LM_ANSWERS_KORQUAD && is_bracket(c))
            lm_buf_putc(out, ' ');
        else if (!is_punctuation(c))
            lm_buf_append(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
    }
}

/* The length of a run of characters that are of words, or are not. */
static size_t run_of(lm_str text, size_t from, bool word)
{
    size_t at = from;
    while (at < text.len) {
        size_t after = at;
        if (is_word(next(text, &after)) != word)
            break;
        at = after;
    }
    return at - from;
}

static bool is_article(lm_str s)
{
    return lm_str_is(s, "a") || lm_str_is(s, "an") || lm_str_is(s, "the");
}

/* Appends the text with a blank in place of each article. */
static void drop_articles(lm_str all, lm_buf *out)
{
    for (size_t at = 0; at < all.len;) {
        size_t word = run_of(all, at, true), other = word ? 0 : run_of(all, at, false);
        lm_str part = {all.data + at, word + other};
        if (word && is_article(part))
            lm_buf_putc(out, ' ');
        else
            lm_buf_append(out, part.data, part.len);
        at += part.len;
    }
}

/* Appends the text with one blank where it has any, and none at its ends. */
static void join_words(lm_str all, lm_buf *out)
{
    bool gap = false, any = false;
    for (size_t at = 0; at < all.len;) {
        size_t from = at;
        if (is_blank(next(all, &at))) {
            gap = any;
            continue;
        }
        if (gap)
            lm_buf_putc(out, ' ');
        lm_buf_append(out, all.data + from, at - from);
        gap = false;
        any = true;
    }
}

void lm_answer_normalize(lm_answer_style style, lm_str text, lm_buf *out)
{
    lm_buf folded = {0}, kept = {0};
    fold(style, text, &folded);
    if (style == LM_ANSWERS_SQUAD)
        drop_articles(lm_buf_str(&folded), &kept);
    join_words(lm_buf_str(style == LM_ANSWERS_SQUAD ? &kept : &folded), out);
    lm_buf_free(&folded);
    lm_buf_free(&kept);
}

/* ------------------------------------------------------------------ what they have in common */

/* The next word of a normalised text; false where there is none. */
static bool next_word(lm_str *rest, lm_str *word)
{
    const char *blank = memchr(rest->data, ' ', rest->len);
    *word = (lm_str){rest->data, blank ? (size_t)(blank - rest->data) : rest->len};
    size_t taken = word->len + (blank != NULL);
    *rest = (lm_str){rest->data + taken, rest->len - taken};
    return word->len > 0;
}

static size_t words_of(lm_str text, lm_str **out)
{
    size_t count = 0, cap = 0;
    lm_str word;
    *out = NULL;
    while (text.len && next_word(&text, &word)) {
        LM_GROW(*out, count, cap);
        (*out)[count++] = word;
    }
    return count;
}

/* Words of two texts that are in both, each as often as it is in both. */
static size_t common_words(lm_str *p, size_t n, lm_str *g, size_t m)
{
    size_t common = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            if (g[k].data && lm_str_equal(p[i], g[k])) {
                g[k].data = NULL; /* each counts once */
                common++;
                break;
            }
    return common;
}

static double f1_of(size_t common, size_t n, size_t m)
{
    return n && m ? 2.0 * (double)common / (double)(n + m) : n == m;
}

static double words_f1(lm_str predicted, lm_str gold)
{
    lm_str *p, *g;
    size_t n = words_of(predicted, &p), m = words_of(gold, &g), common = common_words(p, n, g, m);
    free(p);
    free(g);
    return f1_of(common, n, m);
}

static int by_code(const void *a, const void *b)
{
    const utf8proc_int32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The characters of the words, sorted. */
static size_t characters_of(lm_str text, utf8proc_int32_t **out)
{
    size_t count = 0;
    *out = lm_malloc(text.len + 1, sizeof **out);
    for (size_t at = 0; at < text.len;) {
        utf8proc_int32_t c = next(text, &at);
        if (c != ' ')
            (*out)[count++] = c;
    }
    qsort(*out, count, sizeof **out, by_code);
    return count;
}

static double characters_f1(lm_str predicted, lm_str gold)
{
    utf8proc_int32_t *p, *g;
    size_t n = characters_of(predicted, &p), m = characters_of(gold, &g), common = 0;
    for (size_t i = 0, k = 0; i < n && k < m;) {
        int order = by_code(&p[i], &g[k]);
        common += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    free(p);
    free(g);
    return f1_of(common, n, m);
}

double lm_answer_f1(lm_answer_style style, lm_str predicted, lm_str gold)
{
    return style == LM_ANSWERS_KORQUAD ? characters_f1(predicted, gold) : words_f1(predicted, gold);
}

/* ------------------------------------------------------------------ right answers */

static json_t *text_of(json_t *answer)
{
    return json_is_string(answer) ? answer : json_object_get(answer, "text");
}

static void compare(lm_answer_style style, lm_str predicted, const json_t *text, lm_span_found *found)
{
    lm_buf gold = {0};
    lm_answer_normalize(style, (lm_str){json_string_value(text), json_string_length(text)}, &gold);
    double f1 = lm_answer_f1(style, predicted, lm_buf_str(&gold));
    if (gold.len && lm_str_equal(predicted, lm_buf_str(&gold)))
        found->exact = 1;
    if (gold.len && f1 > found->f1)
        found->f1 = f1;
    lm_buf_free(&gold);
}

/* The nearest of the answers that the record gives. */
static void compare_all(lm_answer_style style, const json_t *answers, lm_str text, lm_span_found *found)
{
    lm_buf predicted = {0};
    lm_answer_normalize(style, text, &predicted);
    json_t *list = json_is_array(answers) ? (json_t *)answers : json_object_get(answers, "text"), *one;
    size_t i;
    if (json_is_string(answers) || json_is_string(list))
        compare(style, lm_buf_str(&predicted), json_is_string(answers) ? answers : list, found);
    json_array_foreach(list, i, one)
        if (json_is_string(text_of(one)))
            compare(style, lm_buf_str(&predicted), text_of(one), found);
    lm_buf_free(&predicted);
}

/* ------------------------------------------------------------------ spans */

static double log_sum_exp(const float *x, size_t n)
{
    double largest = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        largest = fmax(largest, x[2 * i]);
    for (size_t i = 0; i < n; i++)
        sum += exp(x[2 * i] - largest);
    return largest + log(sum);
}

static bool is_special(const lm_tokens_row *row, size_t t)
{
    return row->offsets[2 * t] == 0 && row->offsets[2 * t + 1] == 0;
}

/* The tokens of the text: behind the question, and before the special tokens at the end, which have empty spans. */
static void find_text(const lm_tokens_row *row, size_t *from, size_t *to)
{
    *to = row->len;
    *from = row->len > 0; /* but for the token that says that there is none, if it is not known which are special */
    if (!row->offsets)
        return;
    while (*to > 0 && is_special(row, *to - 1))
        --*to;
    for (*from = *to; *from > 0 && !is_special(row, *from - 1);)
        --*from;
}

lm_span_found lm_span_find(lm_answer_style style, const lm_tokens_row *row, const float *logits)
{
    lm_span_found found = {.score = -INFINITY, .null_score = -INFINITY};
    size_t from, to, best[2] = {0, 0};
    if (!row->len)
        return found;
    find_text(row, &from, &to);
    for (size_t i = from; i < to; i++)
        for (size_t k = i; k < to && k < i + LONGEST_ANSWER; k++) {
            double score = (double)logits[2 * i] + logits[2 * k + 1];
            if (found.any && !(score > found.score))
                continue;
            found.any = true;
            found.score = score;
            best[0] = i;
            best[1] = k;
        }
    found.first = (int32_t)best[0];
    found.last = (int32_t)best[1];
    found.null_score = (double)logits[0] + logits[1];
    if (!row->answer || row->answer[0] == NO_LABEL)
        return found;
    found.labelled = true;
    for (int c = 0; c < 2; c++)
        found.loss += (log_sum_exp(logits + c, row->len) - logits[2 * row->answer[c] + c]) / 2;
    bool texts = row->answers && row->offsets && row->pair.data;
    found.no_answer = row->answer[0] == 0 && row->answer[1] == 0;
    if (texts) {
        json_t *list = json_is_array(row->answers) ? (json_t *)row->answers : json_object_get(row->answers, "text");
        found.no_answer = !json_is_string(row->answers) && !json_is_string(list) && json_array_size(list) == 0;
        int32_t start = row->offsets[2 * best[0]], end = row->offsets[2 * best[1] + 1];
        if (found.any && start >= 0 && start <= end && (size_t)end <= row->pair.len)
            compare_all(style, row->answers, (lm_str){row->pair.data + start, (size_t)(end - start)}, &found);
        return found;
    }
    int32_t first = row->answer[0] > (int32_t)best[0] ? row->answer[0] : (int32_t)best[0];
    int32_t last = row->answer[1] < (int32_t)best[1] ? row->answer[1] : (int32_t)best[1];
    double common = last >= first ? last - first + 1 : 0;
    found.exact = (int32_t)best[0] == row->answer[0] && (int32_t)best[1] == row->answer[1];
    found.f1 = 2 * common / ((double)(row->answer[1] - row->answer[0] + 1) + (double)(best[1] - best[0] + 1));
    return found;
}
