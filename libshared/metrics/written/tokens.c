#include "metrics/written/tokens.h"
#include "base/utf8.h"
#include "text/unicode/python_text.h"

#include <stdlib.h>
#include <utf8proc.h>

const char *const lm_bleu_token_names[] = {"13a", "intl", "char", "zh", "none", NULL};
const char *const lm_rouge_token_names[] = {"latin", "words", "chars", NULL};

void lm_cutter_free(lm_cutter *c)
{
    lm_pairs_free(&c->words);
    lm_buf_free(&c->text);
    lm_buf_free(&c->other);
    free(c->codes.at);
    free(c->spare.at);
}

void lm_codes_of(lm_str text, lm_ids *out)
{
    out->n = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        at += lm_utf8_decode(text.data + at, text.len - at, &code);
        lm_ids_add(out, code);
    }
}

/* Appends the words between blanks. */
static void split(lm_pairs *words, const lm_ids *codes, lm_ids *out)
{
    for (size_t i = 0, from; i < codes->n;) {
        for (; i < codes->n && lm_is_python_space(codes->at[i]); i++)
            ;
        for (from = i; i < codes->n && !lm_is_python_space(codes->at[i]); i++)
            ;
        if (i > from)
            lm_ids_add(out, lm_word_id(words, codes->at + from, i - from));
    }
}

void lm_cut_blanks(lm_cutter *c, lm_str text, lm_ids *out)
{
    lm_codes_of(text, &c->codes);
    split(&c->words, &c->codes, out);
}

/* ------------------------------------------------------------------ mteval's rules */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_stop(char c)
{
    return c == '.' || c == ',';
}

/* ASCII's punctuation but for ' - . and , */
static bool is_mark(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

static bool before_stop(char a, char b)
{
    return !is_digit(a) && is_stop(b);
}

static bool after_stop(char a, char b)
{
    return is_stop(a) && !is_digit(b);
}

static bool before_dash(char a, char b)
{
    return is_digit(a) && b == '-';
}

static void swap(lm_cutter *c)
{
    lm_buf text = c->text;
    c->text = c->other;
    c->other = text;
    c->other.len = 0;
}

/* Where two bytes are such a pair, one of them stands apart: the pair is written `with`, in which 1 and 2 stand for them. Pairs do not
 * overlap, as in a substitution by a regular expression. A character of several bytes is its first or last one there. */
static void part_pairs(lm_cutter *c, bool (*is)(char, char), const char *with)
{
    const char *s = c->text.data;
    c->other.len = 0;
    for (size_t i = 0; i < c->text.len; i++) {
        if (i + 1 == c->text.len || !is(s[i], s[i + 1])) {
            lm_buf_putc(&c->other, s[i]);
            continue;
        }
        for (const char *w = with; *w; w++)
            lm_buf_putc(&c->other, *w == ' ' ? ' ' : s[i + (size_t)(*w - '1')]);
        i++;
    }
    swap(c);
}

static void mteval_words(lm_cutter *c)
{
    c->other.len = 0;
    for (size_t i = 0; i < c->text.len; i++) {
        char byte = c->text.data[i];
        bool mark = is_mark(byte);
        lm_buf_append(&c->other, mark ? " " : "", mark);
        lm_buf_putc(&c->other, byte);
        lm_buf_append(&c->other, mark ? " " : "", mark);
    }
    swap(c);
    part_pairs(c, before_stop, "1 2 ");
    part_pairs(c, after_stop, " 1 2");
    part_pairs(c, before_dash, "1 2 ");
}

static void replace(lm_cutter *c, const char *what, const char *with)
{
    size_t n = strlen(what), at = 0;
    const char *found;
    c->other.len = 0;
    while (at < c->text.len && (found = memmem(c->text.data + at, c->text.len - at, what, n))) {
        lm_buf_append(&c->other, c->text.data + at, (size_t)(found - c->text.data) - at);
        lm_buf_puts(&c->other, with);
        at = (size_t)(found - c->text.data) + n;
    }
    lm_buf_append(&c->other, c->text.data + at, c->text.len - at);
    swap(c);
}

static void cut_13a(lm_cutter *c)
{
    static const char *const rules[][2] = {{"<skipped>", ""}, {"-\n", ""},    {"\n", " "},  {"&quot;", "\""},
                                           {"&amp;", "&"},    {"&lt;", "<"},  {"&gt;", ">"}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        replace(c, rules[i][0], rules[i][1]);
    c->other.len = 0; /* a stop at an end is beside a blank */
    lm_buf_putc(&c->other, ' ');
    lm_buf_append(&c->other, c->text.data, c->text.len);
    lm_buf_putc(&c->other, ' ');
    swap(c);
    mteval_words(c);
}

/* What sacreBLEU takes for a Chinese character. (Its ranges beyond U+FFFF are compared by their first four digits.) */
static bool is_chinese(uint32_t code)
{
    static const uint16_t ranges[][2] = {
        {0x2001, 0x2A6D}, {0x2E80, 0x2FDF}, {0x2FF0, 0x303F}, {0x3100, 0x312F}, {0x31A0, 0x31BF}, {0x31C0, 0x31EF}, {0x3200, 0x33FF},
        {0x3400, 0x4DB5}, {0x4E00, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A}, {0xFA70, 0xFAD9}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F},
        {0xFF00, 0xFFEF}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

static void cut_zh(lm_cutter *c)
{
    lm_codes_of(lm_text_trim(lm_buf_str(&c->text), NULL, true, false), &c->codes);
    c->text.len = 0;
    for (size_t i = 0; i < c->codes.n; i++) {
        char bytes[4];
        bool apart = is_chinese(c->codes.at[i]);
        lm_buf_append(&c->text, apart ? " " : "", apart);
        lm_buf_append(&c->text, bytes, lm_utf8_encode(c->codes.at[i], bytes));
        lm_buf_append(&c->text, apart ? " " : "", apart);
    }
    mteval_words(c);
}

/* ------------------------------------------------------------------ mteval's international rules */

static bool is_number(uint32_t code)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)code);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

static bool is_punctuation(uint32_t code)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)code);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

static bool is_symbol(uint32_t code)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)code);
    return k >= UTF8PROC_CATEGORY_SM && k <= UTF8PROC_CATEGORY_SO;
}

static bool before_punctuation(uint32_t a, uint32_t b)
{
    return !is_number(a) && is_punctuation(b);
}

static bool after_punctuation(uint32_t a, uint32_t b)
{
    return is_punctuation(a) && !is_number(b);
}

static void swap_codes(lm_cutter *c)
{
    lm_ids codes = c->codes;
    c->codes = c->spare;
    c->spare = codes;
    c->spare.n = 0;
}

/* As part_pairs, of characters; the blanks stand between both, and before or behind. */
static void part_codes(lm_cutter *c, bool (*is)(uint32_t, uint32_t), bool before)
{
    for (size_t i = 0; i < c->codes.n; i++) {
        bool pair = i + 1 < c->codes.n && is(c->codes.at[i], c->codes.at[i + 1]);
        if (pair && before)
            lm_ids_add(&c->spare, ' ');
        lm_ids_add(&c->spare, c->codes.at[i]);
        if (!pair)
            continue;
        lm_ids_add(&c->spare, ' ');
        lm_ids_add(&c->spare, c->codes.at[++i]);
        if (!before)
            lm_ids_add(&c->spare, ' ');
    }
    swap_codes(c);
}

static void cut_intl(lm_cutter *c)
{
    c->spare.n = 0;
    part_codes(c, before_punctuation, false);
    part_codes(c, after_punctuation, true);
    for (size_t i = 0; i < c->codes.n; i++) {
        bool apart = is_symbol(c->codes.at[i]);
        if (apart)
            lm_ids_add(&c->spare, ' ');
        lm_ids_add(&c->spare, c->codes.at[i]);
        if (apart)
            lm_ids_add(&c->spare, ' ');
    }
    swap_codes(c);
}

void lm_cut_bleu(lm_cutter *c, lm_bleu_tokens how, lm_str text, lm_ids *out)
{
    text = lm_text_trim(text, NULL, false, true);
    c->text.len = 0;
    lm_buf_append(&c->text, text.data, text.len);
    if (how == LM_BLEU_13A)
        cut_13a(c);
    if (how == LM_BLEU_ZH)
        cut_zh(c);
    lm_codes_of(lm_buf_str(&c->text), &c->codes);
    if (how == LM_BLEU_INTL)
        cut_intl(c);
    if (how != LM_BLEU_CHAR)
        split(&c->words, &c->codes, out);
    for (size_t i = 0; i < c->codes.n && how == LM_BLEU_CHAR; i++)
        if (!lm_is_python_space(c->codes.at[i]))
            lm_ids_add(out, lm_word_id(&c->words, c->codes.at + i, 1));
}

/* ------------------------------------------------------------------ chrF */

static bool is_ascii_punctuation(uint32_t code)
{
    return code < 128 && code > ' ' && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)code);
}

void lm_cut_chrf(lm_cutter *c, lm_str text, lm_ids *characters, lm_ids *words)
{
    lm_codes_of(text, &c->codes);
    const uint32_t *s = c->codes.at;
    for (size_t i = 0, from, end; i < c->codes.n;) {
        for (; i < c->codes.n && lm_is_python_space(s[i]); i++)
            ;
        for (from = i; i < c->codes.n && !lm_is_python_space(s[i]); i++)
            lm_ids_add(characters, s[i]);
        if (i == from)
            continue;
        end = i;
        if (i - from > 1 && is_ascii_punctuation(s[i - 1]))
            end = i - 1;
        else if (i - from > 1 && is_ascii_punctuation(s[from]))
            end = from + 1;
        lm_ids_add(words, lm_word_id(&c->words, s + from, end - from));
        if (end < i)
            lm_ids_add(words, lm_word_id(&c->words, s + end, i - end));
    }
}

/* ------------------------------------------------------------------ ROUGE */

/* A letter, a mark or a number. */
static bool is_of_word(uint32_t code, bool latin)
{
    if (latin)
        return (code >= 'a' && code <= 'z') || (code >= '0' && code <= '9');
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)code);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO;
}

/* Words of up to this many letters are their own stems, as in ROUGE-1.5.5. */
enum { SHORT_WORD = 3 };

/* The number of a word's stem; the word is ASCII. */
static uint32_t stem_id(lm_cutter *c, size_t from, size_t n)
{
    c->other.len = 0;
    for (size_t i = 0; i < n; i++)
        lm_buf_putc(&c->other, (char)c->codes.at[from + i]);
    n = lm_porter_stem(c->other.data, n);
    c->spare.n = 0;
    for (size_t i = 0; i < n; i++)
        lm_ids_add(&c->spare, (unsigned char)c->other.data[i]);
    return lm_word_id(&c->words, c->spare.at, n);
}

void lm_cut_rouge(lm_cutter *c, lm_rouge_tokens how, bool stemmer, lm_str text, lm_ids *out)
{
    c->text.len = 0;
    lm_text_lower(text, &c->text);
    lm_codes_of(lm_buf_str(&c->text), &c->codes);
    for (size_t i = 0; i < c->codes.n;) {
        size_t from = i;
        bool ascii = true;
        for (; i < c->codes.n && is_of_word(c->codes.at[i], how == LM_ROUGE_LATIN) && (how != LM_ROUGE_CHARS || i == from); i++)
            ascii = ascii && c->codes.at[i] < 128;
        if (i == from)
            i++;
        else if (stemmer && ascii && i - from > SHORT_WORD)
            lm_ids_add(out, stem_id(c, from, i - from));
        else
            lm_ids_add(out, lm_word_id(&c->words, c->codes.at + from, i - from));
    }
}
