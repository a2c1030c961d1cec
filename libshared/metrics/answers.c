#include "metrics/answers.h"

#include "base/memory.h"
#include "metrics/written/tokens.h"

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

static double f1_of(size_t common, size_t n, size_t m)
{
    return n && m ? 2.0 * (double)common / (double)(n + m) : n == m;
}

/* The words of a normalised text, or its characters but for the blanks, as numbers. */
static void parts_of(lm_answer_style style, lm_str text, lm_pairs *words, lm_ids *out)
{
    lm_ids codes = {0};
    lm_codes_of(text, &codes);
    for (size_t i = 0, from; i < codes.n; i++) {
        for (from = i; style == LM_ANSWERS_SQUAD && i < codes.n && codes.at[i] != ' '; i++)
            ;
        if (style == LM_ANSWERS_SQUAD)
            lm_ids_add(out, lm_word_id(words, codes.at + from, i - from));
        else if (codes.at[i] != ' ')
            lm_ids_add(out, codes.at[i]);
    }
    free(codes.at);
}

double lm_answer_f1(lm_answer_style style, lm_str predicted, lm_str gold)
{
    lm_pairs words = {0};
    lm_grams grams = {0};
    lm_ids p = {0}, g = {0};
    int64_t common;
    parts_of(style, predicted, &words, &p);
    parts_of(style, gold, &words, &g);
    lm_grams_match(&grams, &p, &g, 1, 1, &common);
    double f1 = f1_of((size_t)common, p.n, g.n);
    lm_grams_free(&grams);
    lm_pairs_free(&words);
    free(p.at);
    free(g.at);
    return f1;
}

/* ------------------------------------------------------------------ right answers */

static json_t *text_of(json_t *answer)
{
    return json_is_string(answer) ? answer : json_object_get(answer, "text");
}

static lm_str string_of(const json_t *s)
{
    return (lm_str){json_string_value(s), json_string_length(s)};
}

void lm_answer_compare(lm_answer_style style, lm_str text, const lm_str *right, size_t n, double *exact, double *f1)
{
    lm_buf predicted = {0}, gold = {0};
    bool any = false;
    lm_answer_normalize(style, text, &predicted);
    for (size_t i = 0; i < n; i++) {
        gold.len = 0;
        lm_answer_normalize(style, right[i], &gold);
        if (!gold.len)
            continue;
        any = true;
        double f = lm_answer_f1(style, lm_buf_str(&predicted), lm_buf_str(&gold));
        if (lm_str_equal(lm_buf_str(&predicted), lm_buf_str(&gold)))
            *exact = 1;
        *f1 = f > *f1 ? f : *f1;
    }
    if (!any && n && !predicted.len)
        *exact = *f1 = 1;
    lm_buf_free(&predicted);
    lm_buf_free(&gold);
}

/* The nearest of the answers that the record gives. */
static void compare_all(lm_answer_style style, const json_t *answers, lm_str text, lm_span_found *found)
{
    json_t *list = json_is_array(answers) ? (json_t *)answers : json_object_get(answers, "text"), *one;
    lm_str *right = lm_malloc(json_array_size(list) + 1, sizeof *right);
    size_t i, n = 0;
    if (json_is_string(answers) || json_is_string(list))
        right[n++] = string_of(json_is_string(answers) ? answers : list);
    json_array_foreach(list, i, one)
        if (json_is_string(text_of(one)))
            right[n++] = string_of(text_of(one));
    lm_answer_compare(style, text, right, n, &found->exact, &found->f1);
    free(right);
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
