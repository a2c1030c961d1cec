#include "base/memory.h"
#include "text/components/byte_level.h"
#include "text/components/split.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>

enum { MAX_DEPTH = 16 };

struct lm_pre_tokenizer_type {
    const char *name;
    bool (*read)(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st);
    void (*run)(const lm_pre_tokenizer *t, lm_pieces *p);
    void (*describe)(const lm_pre_tokenizer *t, lm_buf *out);
};

static bool read_one(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st);

static bool read_behavior(lm_pre_tokenizer *t, json_t *spec, const char *what, lm_status *st)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    lm_str name = lm_spec_string(spec, "behavior", lm_str_of("Isolated"), what, st);
    for (int i = 0; i < 5; i++)
        if (lm_str_is(name, names[i])) {
            t->behavior = (lm_split)i;
            return lm_ok(st);
        }
    return lm_fail(st, LM_FAILED, "%s: \"behavior\" is \"%.40s\", which is unknown", what, name.data);
}

/* ---------------------------------------------------------------- the types */

static void run_bert(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    lm_split_words(p, (lm_delimiter){LM_CP_SPACE, 0}, LM_SPLIT_REMOVED);
    lm_split_words(p, (lm_delimiter){LM_CP_PUNCT, 0}, LM_SPLIT_ISOLATED);
}

static void run_whitespace_split(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    lm_split_words(p, (lm_delimiter){LM_CP_SPACE, 0}, LM_SPLIT_REMOVED);
}

/* \w+|[^\w\s]+ */
static void run_whitespace(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    lm_split_words(p, (lm_delimiter){LM_CP_SPACE, 0}, LM_SPLIT_REMOVED);
    lm_split_words(p, (lm_delimiter){LM_CP_WORD, 0}, LM_SPLIT_CONTIGUOUS);
}

static bool read_punctuation(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    return read_behavior(t, spec, "Punctuation", st);
}

static void run_punctuation(const lm_pre_tokenizer *t, lm_pieces *p)
{
    lm_split_words(p, (lm_delimiter){LM_CP_PUNCT, 0}, t->behavior);
}

static void describe_punctuation(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%d)", (int)t->behavior);
}

static bool read_delimiter(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    if (!json_object_get(spec, "delimiter"))
        return lm_fail(st, LM_FAILED, "CharDelimiterSplit: it has no \"delimiter\"");
    t->delimiter = lm_spec_character(spec, "delimiter", 0, "CharDelimiterSplit", st);
    return lm_ok(st);
}

static void run_delimiter(const lm_pre_tokenizer *t, lm_pieces *p)
{
    lm_split_words(p, (lm_delimiter){0, t->delimiter}, LM_SPLIT_REMOVED);
}

static void describe_delimiter(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%x)", (unsigned)t->delimiter);
}

/* ---------------------------------------------------------------- Split */

static bool read_split(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    t->invert = lm_spec_bool(spec, "invert", false, "Split", st);
    return read_behavior(t, spec, "Split", st) && lm_pattern_read(&t->pattern, spec, "Split", st);
}

static void run_split(const lm_pre_tokenizer *t, lm_pieces *p)
{
    lm_split_words_by_pattern(p, &t->pattern, t->behavior, t->invert);
}

static void describe_split(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%d,%d,", (int)t->behavior, t->invert);
    lm_pattern_describe(&t->pattern, out);
    lm_buf_putc(out, ')');
}

/* ---------------------------------------------------------------- ByteLevel */

/* GPT-2's: https://github.com/openai/gpt-2/blob/master/src/encoder.py */
static const char gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static bool read_byte_level(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    t->add_prefix_space = lm_spec_bool(spec, "add_prefix_space", true, "ByteLevel", st);
    t->split = lm_spec_bool(spec, "use_regex", true, "ByteLevel", st);
    return lm_ok(st) && (!t->split || lm_pattern_read_regex(&t->pattern, lm_str_of(gpt2), "ByteLevel", st));
}

static bool begins_without_space(const void *option, const lm_char *first)
{
    (void)option;
    return first->code != ' ';
}

static void run_byte_level(const lm_pre_tokenizer *t, lm_pieces *p)
{
    if (t->add_prefix_space)
        lm_prepend_words(p, ' ', begins_without_space, t);
    if (t->split)
        lm_split_words_by_pattern(p, &t->pattern, LM_SPLIT_ISOLATED, false);
    lm_byte_level_words(p);
}

static void describe_byte_level(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%d,%d)", t->add_prefix_space, t->split);
}

/* ---------------------------------------------------------------- Metaspace */

static bool read_metaspace(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    static const char *const names[] = {"always", "first", "never"};
    (void)depth;
    lm_str scheme = lm_spec_string(spec, "prepend_scheme", lm_str_of("always"), "Metaspace", st);
    t->delimiter = lm_spec_character(spec, "replacement", 0x2581, "Metaspace", st);
    t->split = lm_spec_bool(spec, "split", true, "Metaspace", st);
    bool prefix = lm_spec_bool(spec, "add_prefix_space", true, "Metaspace", st);
    int i = 0;
    while (i < 3 && !lm_str_is(scheme, names[i]))
        i++;
    if (lm_ok(st) && i == 3)
        return lm_fail(st, LM_FAILED, "Metaspace: \"prepend_scheme\" is \"%.40s\", which is unknown",
                       scheme.data);
    if (lm_ok(st) && !prefix && json_object_get(spec, "prepend_scheme") && i != LM_PREPEND_NEVER)
        return lm_fail(st, LM_FAILED, "Metaspace: \"add_prefix_space\" contradicts \"prepend_scheme\"");
    t->prepend = prefix ? (lm_prepend)i : LM_PREPEND_NEVER;
    return lm_ok(st);
}

static bool begins_without_replacement(const void *option, const lm_char *first)
{
    const lm_pre_tokenizer *t = option;
    return first->code != t->delimiter && (t->prepend == LM_PREPEND_ALWAYS || first->from == 0);
}

static void run_metaspace(const lm_pre_tokenizer *t, lm_pieces *p)
{
    for (size_t i = 0; i < p->word_count; i++)
        for (int32_t k = p->words[i].from; p->words[i].id < 0 && k < p->words[i].to; k++)
            if (p->chars.at[k].code == ' ')
                p->chars.at[k].code = t->delimiter;
    if (t->prepend != LM_PREPEND_NEVER)
        lm_prepend_words(p, t->delimiter, begins_without_replacement, t);
    if (t->split)
        lm_split_words(p, (lm_delimiter){0, t->delimiter}, LM_SPLIT_NEXT);
}

static void describe_metaspace(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%x,%d,%d)", (unsigned)t->delimiter, (int)t->prepend, t->split);
}

/* ---------------------------------------------------------------- Digits, FixedLength, UnicodeScripts */

static bool read_digits(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    t->individual = lm_spec_bool(spec, "individual_digits", false, "Digits", st);
    return lm_ok(st);
}

static void run_digits(const lm_pre_tokenizer *t, lm_pieces *p)
{
    lm_split_words(p, (lm_delimiter){LM_CP_NUMBER, 0},
                   t->individual ? LM_SPLIT_ISOLATED : LM_SPLIT_CONTIGUOUS);
}

static void describe_digits(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%d)", t->individual);
}

static bool read_length(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    t->length = lm_spec_count(spec, "length", 5, "FixedLength", st);
    if (lm_ok(st) && (t->length == 0 || t->length > INT32_MAX))
        return lm_fail(st, LM_FAILED, "FixedLength: \"length\" is not from 1 to %d", INT32_MAX);
    return lm_ok(st);
}

static void run_length(const lm_pre_tokenizer *t, lm_pieces *p)
{
    int32_t length = (int32_t)t->length;
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        for (; w.id < 0 && w.to - w.from > length; w.from += length)
            lm_pieces_push_word(p, w.from, w.from + length, -1);
        lm_pieces_push_word(p, w.from, w.to, w.id);
    }
    lm_pieces_swap_words(p);
}

static void describe_length(const lm_pre_tokenizer *t, lm_buf *out)
{
    lm_buf_printf(out, "(%zu)", t->length);
}

/* A word ends where the script changes. Characters of no script change nothing, and are lost where no other
 * stands before them, as in the reference. */
static void run_scripts(const lm_pre_tokenizer *t, lm_pieces *p)
{
    (void)t;
    for (size_t i = 0; i < p->word_count; i++) {
        lm_word w = p->words[i];
        if (w.id >= 0) {
            lm_pieces_push_word(p, w.from, w.to, w.id);
            continue;
        }
        int last = 0;
        int32_t start = w.to;
        for (int32_t k = w.from; k < w.to; k++) {
            int script = lm_unicode_script(p->chars.at[k].code);
            if (script == 0 || script == last)
                continue;
            if (last)
                lm_pieces_push_word(p, start, k, -1);
            start = k;
            last = script;
        }
        lm_pieces_push_word(p, start, w.to, -1);
    }
    lm_pieces_swap_words(p);
}

/* ---------------------------------------------------------------- Sequence */

static bool read_sequence(lm_pre_tokenizer *t, json_t *spec, int depth, lm_status *st)
{
    json_t *parts = json_object_get(spec, "pretokenizers");
    if (!json_is_array(parts))
        return lm_fail(st, LM_FAILED, "Sequence: \"pretokenizers\" is no list");
    t->parts = lm_calloc(json_array_size(parts), sizeof *t->parts);
    while (t->part_count < json_array_size(parts)) { /* one that fails counts, too: it is freed with the others */
        size_t i = t->part_count++;
        if (!read_one(&t->parts[i], json_array_get(parts, i), depth + 1, st))
            return false;
    }
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
    {"ByteLevel", read_byte_level, run_byte_level, describe_byte_level},
    {"CharDelimiterSplit", read_delimiter, run_delimiter, describe_delimiter},
    {"Digits", read_digits, run_digits, describe_digits},
    {"FixedLength", read_length, run_length, describe_length},
    {"Metaspace", read_metaspace, run_metaspace, describe_metaspace},
    {"Punctuation", read_punctuation, run_punctuation, describe_punctuation},
    {"Sequence", read_sequence, run_sequence, describe_sequence},
    {"Split", read_split, run_split, describe_split},
    {"UnicodeScripts", NULL, run_scripts, NULL},
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
    lm_pattern_free(&t->pattern);
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

const char *lm_pre_tokenizer_name(const lm_pre_tokenizer *t)
{
    return t->type ? t->type->name : NULL;
}

bool lm_pre_tokenizer_is_bert(const lm_pre_tokenizer *t)
{
    return t->type == &types[0];
}
