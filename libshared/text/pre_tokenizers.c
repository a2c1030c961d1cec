#include "base/memory.h"
#include "base/utf8.h"
#include "text/components.h"
#include "text/unicode.h"

#include <stdlib.h>

enum { MAX_DEPTH = 16 };

struct lm_pre_tokenizer_type {
    const char *name;
    bool (*read)(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st);
    void (*run)(const lm_pre_tokenizer *t, lm_pieces *p);
    void (*describe)(const lm_pre_tokenizer *t, lm_buf *out);
};

static bool read_one(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st);

/* ---------------------------------------------------------------- splitting at single characters */

typedef struct delimiter {
    unsigned properties; /* any of these */
    uint32_t code;       /* or this character */
} delimiter;

static bool is_delimiter(const delimiter *d, const uint16_t *table, uint32_t code)
{
    return d->properties ? (lm_unicode_is(table, code) & d->properties) != 0 : code == d->code;
}

/* Each delimiter is a match of its own; what happens to it is `behavior`, as in the reference. */
static void split_word(lm_pieces *p, lm_word w, const delimiter *d, lm_split behavior)
{
    const uint16_t *table = lm_unicode_table();
    int32_t start = w.from; /* of the word that is being built */
    bool matched = false;   /* whether the character before was a delimiter */
    for (int32_t i = w.from; i < w.to; i++) {
        bool match = is_delimiter(d, table, p->chars.at[i].code);
        bool cut = false; /* a word ends before i */
        switch (behavior) {
        case LM_SPLIT_REMOVED:
        case LM_SPLIT_ISOLATED:
            cut = match || matched;
            break;
        case LM_SPLIT_CONTIGUOUS:
            cut = match != matched;
            break;
        case LM_SPLIT_PREVIOUS: /* a delimiter joins the text before it, a second one stands alone */
            cut = matched;
            break;
        case LM_SPLIT_NEXT:
            cut = match;
            break;
        }
        if (cut && i > w.from) {
            if (!(behavior == LM_SPLIT_REMOVED && matched))
                lm_pieces_push_word(p, start, i, -1);
            start = i;
        }
        matched = match;
    }
    if (!(behavior == LM_SPLIT_REMOVED && matched))
        lm_pieces_push_word(p, start, w.to, -1);
}

static void split_words(lm_pieces *p, delimiter d, lm_split behavior)
{
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        if (w.id >= 0)
            lm_pieces_push_word(p, w.from, w.to, w.id);
        else
            split_word(p, w, &d, behavior);
    }
    lm_pieces_swap_words(p);
}

/* ---------------------------------------------------------------- the types */

static void run_bert(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    split_words(p, (delimiter){LM_CP_SPACE, 0}, LM_SPLIT_REMOVED);
    split_words(p, (delimiter){LM_CP_PUNCT, 0}, LM_SPLIT_ISOLATED);
}

static void run_whitespace_split(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    split_words(p, (delimiter){LM_CP_SPACE, 0}, LM_SPLIT_REMOVED);
}

/* \w+|[^\w\s]+ */
static void run_whitespace(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    split_words(p, (delimiter){LM_CP_SPACE, 0}, LM_SPLIT_REMOVED);
    split_words(p, (delimiter){LM_CP_WORD, 0}, LM_SPLIT_CONTIGUOUS);
}

static bool read_punctuation(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    (void)depth;
    lm_str name = lm_spec_string(spec, "behavior", lm_str_of("Isolated"), "Punctuation", st);
    for (int i = 0; i < 5; i++)
        if (lm_str_is(name, names[i])) {
            t->behavior = (lm_split)i;
            return lm_ok(st);
        }
    return lm_fail(st, LM_FAILED, "Punctuation: \"behavior\" is \"%.40s\", which is unknown", name.data);
}

static void run_punctuation(const lm_pre_tokenizer *t, lm_pieces *p)
{
    split_words(p, (delimiter){LM_CP_PUNCT, 0}, t->behavior);
}

static void describe_punctuation(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%d)", (int)t->behavior);
}

static bool read_delimiter(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    lm_str s = lm_spec_string(spec, "delimiter", lm_str_of(""), "CharDelimiterSplit", st);
    if (lm_ok(st) && (s.len == 0 || lm_utf8_decode(s.data, s.len, &t->delimiter) != s.len))
        return lm_fail(st, LM_FAILED, "CharDelimiterSplit: \"delimiter\" is not one character");
    return lm_ok(st);
}

static void run_delimiter(const lm_pre_tokenizer *t, lm_pieces *p)
{
    split_words(p, (delimiter){0, t->delimiter}, LM_SPLIT_REMOVED);
}

static void describe_delimiter(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%x)", (unsigned)t->delimiter);
}

static bool read_sequence(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    json_t *parts = json_object_get(spec, "pretokenizers");
    if (!json_is_array(parts))
        return lm_fail(st, LM_FAILED, "Sequence: \"pretokenizers\" is no list");
    t->parts = lm_calloc(json_array_size(parts), sizeof *t->parts);
    for (; t->part_count < json_array_size(parts); t->part_count++)
        if (!read_one(&t->parts[t->part_count], json_array_get(parts, t->part_count), depth + 1, st))
            return false;
    return true;
}

static void run_sequence(const lm_pre_tokenizer *t, lm_pieces *p)
{
    for (size_t i = 0; i < t->part_count; i++)
        lm_pre_tokenizer_run(&t->parts[i], p);
}

static void describe_sequence(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_putc(out, '(');
    for (size_t i = 0; i < t->part_count; i++) {
        lm_pre_tokenizer_describe(&t->parts[i], out);
        lm_buf_putc(out, i + 1 < t->part_count ? ',' : ')');
    }
}

static const struct lm_pre_tokenizer_type types[] = {
    {"BertPreTokenizer", NULL, run_bert, NULL},
    {"CharDelimiterSplit", read_delimiter, run_delimiter, describe_delimiter},
    {"Punctuation", read_punctuation, run_punctuation, describe_punctuation},
    {"Sequence", read_sequence, run_sequence, describe_sequence},
    {"Whitespace", NULL, run_whitespace, NULL},
    {"WhitespaceSplit", NULL, run_whitespace_split, NULL},
};

static bool read_one(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    if (!spec || json_is_null(spec))
        return true;
    if (depth > MAX_DEPTH)
        return lm_fail(st, LM_FAILED, "pre-tokenizer: nested deeper than %d", MAX_DEPTH);
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "pre-tokenizer", st);
    if (i < 0)
        return false;
    t->type = &types[i];
    return !t->type->read || t->type->read(t, spec, depth, st);
}

bool lm_pre_tokenizer_read(lm_pre_tokenizer *t, json_t *spec, lm_status *st)
{
    *t = (lm_pre_tokenizer){0};
    return read_one(t, spec, 0, st);
}

void lm_pre_tokenizer_free(lm_pre_tokenizer *t)
{
    for (size_t i = 0; i < t->part_count; i++)
        lm_pre_tokenizer_free(&t->parts[i]);
    free(t->parts);
    *t = (lm_pre_tokenizer){0};
}

void lm_pre_tokenizer_run(const lm_pre_tokenizer *t, lm_pieces *p)
{
    if (t->type)
        t->type->run(t, p);
}

void lm_pre_tokenizer_describe(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_puts(out, t->type ? t->type->name : "none");
    if (t->type && t->type->describe)
        t->type->describe(t, out);
}

bool lm_pre_tokenizer_is_bert(const lm_pre_tokenizer *t)
{
    return t->type == &types[0];
}
