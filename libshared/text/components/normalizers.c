#include "base/memory.h"
#include "base/utf8.h"
#include "text/components/byte_level.h"
#include "text/components/components.h"
#include "text/unicode/unicode.h"

#include <stdlib.h>
#include <xxhash.h>

enum { MAX_DEPTH = 16 };

struct lm_normalizer_type {
    const char *name;
    bool (*read)(lm_normalizer *n, json_t *spec, int depth, lm_status *st); /* or NULL: no options */
    void (*run)(const lm_normalizer *n, lm_pieces *p);
    void (*describe)(const lm_normalizer *n, lm_buf *out); /* or NULL: its name says all */
};

static bool read_one(lm_normalizer *n, json_t *spec, int depth, lm_status *st);

/* ---------------------------------------------------------------- BertNormalizer */

static bool read_bert(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    n->clean_text = lm_spec_bool(spec, "clean_text", true, "BertNormalizer", st);
    n->cjk = lm_spec_bool(spec, "handle_chinese_chars", true, "BertNormalizer", st);
    n->lower_case = lm_spec_bool(spec, "lowercase", true, "BertNormalizer", st);
    n->strip_accents = lm_spec_bool(spec, "strip_accents", n->lower_case, "BertNormalizer", st);
    return lm_ok(st);
}

static void clean_text(lm_pieces *p)
{
    const uint16_t *table = lm_unicode_table();
    lm_pieces_remove(p, LM_CP_CONTROL);
    for (size_t i = 0; i < p->chars.n; i++)
        if (lm_unicode_is(table, p->chars.at[i].code) & LM_CP_SPACE)
            p->chars.at[i].code = ' ';
}

static void space_cjk(lm_pieces *p)
{
    const uint16_t *table = lm_unicode_table();
    p->spare.n = 0;
    for (size_t i = 0; i < p->chars.n; i++) {
        lm_char c = p->chars.at[i];
        bool cjk = lm_unicode_is(table, c.code) & LM_CP_CJK;
        if (cjk)
            lm_chars_push(&p->spare, ' ', c.from, c.to);
        lm_chars_push(&p->spare, c.code, c.from, c.to);
        if (cjk)
            lm_chars_push(&p->spare, ' ', c.from, c.to);
    }
    lm_pieces_swap(p);
}

static void run_bert(const lm_normalizer *n, lm_pieces *p)
{
    if (n->clean_text)
        clean_text(p);
    if (n->cjk)
        space_cjk(p);
    if (n->strip_accents) {
        lm_pieces_decompose(p, false);
        lm_pieces_remove(p, LM_CP_NONSPACING);
    }
    if (n->lower_case)
        lm_pieces_lower_case(p);
}

static void describe_bert(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_printf(out, "(clean=%d,cjk=%d,accents=%d,lower=%d)", n->clean_text, n->cjk, n->strip_accents,
                  n->lower_case);
}

/* ---------------------------------------------------------------- Unicode and case */

static void run_nfd(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_pieces_decompose(p, false);
}

static void run_nfkd(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_pieces_decompose(p, true);
}

static void run_nfc(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_pieces_compose(p, false);
}

static void run_nfkc(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_pieces_compose(p, true);
}

static void run_lowercase(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_pieces_lower_case(p);
}

static void run_strip_accents(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_pieces_remove(p, LM_CP_MARK);
}

/* The character map of NMT systems that SentencePiece calls nmt: some controls go, odd spaces become a space.
 */
static void run_nmt(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    size_t kept = 0;
    for (size_t i = 0; i < p->chars.n; i++) {
        lm_char c = p->chars.at[i];
        uint32_t x = c.code;
        if ((x >= 1 && x <= 8) || x == 0xB || (x >= 0xE && x <= 0x1F) || x == 0x7F || x == 0x8F || x == 0x9F)
            continue;
        if (x == 9 || x == 0xA || x == 0xC || x == 0xD || x == 0x1680 || (x >= 0x200B && x <= 0x200F) ||
            x == 0x2028 || x == 0x2029 || x == 0x2581 || x == 0xFEFF || x == 0xFFFD)
            c.code = ' ';
        p->chars.at[kept++] = c;
    }
    p->chars.n = kept;
}

/* ---------------------------------------------------------------- Strip, Prepend */

static bool read_strip(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    n->left = lm_spec_bool(spec, "strip_left", true, "Strip", st);
    n->right = lm_spec_bool(spec, "strip_right", true, "Strip", st);
    return lm_ok(st);
}

static void run_strip(const lm_normalizer *n, lm_pieces *p)
{
    size_t from = 0, to = p->chars.n;
    if (n->left)
        while (from < to && lm_unicode_properties(p->chars.at[from].code) & LM_CP_SPACE)
            from++;
    if (n->right)
        while (to > from && lm_unicode_properties(p->chars.at[to - 1].code) & LM_CP_SPACE)
            to--;
    memmove(p->chars.at, p->chars.at + from, (to - from) * sizeof *p->chars.at);
    p->chars.n = to - from;
}

static void describe_strip(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_printf(out, "(%d,%d)", n->left, n->right);
}

static void read_chars(lm_str s, lm_chars *out)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t code;
        i += lm_utf8_decode(s.data + i, s.len - i, &code);
        lm_chars_push(out, code, 0, 0);
    }
}

static bool read_prepend(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    read_chars(lm_spec_string(spec, "prepend", lm_str_of(""), "Prepend", st), &n->prefix);
    return lm_ok(st);
}

static void run_prepend(const lm_normalizer *n, lm_pieces *p)
{
    if (p->chars.n == 0)
        return;
    p->spare.n = 0;
    for (size_t i = 0; i < n->prefix.n; i++)
        lm_chars_push(&p->spare, n->prefix.at[i].code, p->chars.at[0].from, p->chars.at[0].to);
    for (size_t i = 0; i < p->chars.n; i++)
        lm_chars_push(&p->spare, p->chars.at[i].code, p->chars.at[i].from, p->chars.at[i].to);
    lm_pieces_swap(p);
}

static void describe_prepend(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_putc(out, '(');
    lm_chars_utf8(&n->prefix, 0, n->prefix.n, out);
    lm_buf_putc(out, ')');
}

/* ---------------------------------------------------------------- Replace */

static bool read_replace(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    if (!lm_pattern_read(&n->pattern, spec, "Replace", st))
        return false;
    read_chars(lm_spec_string(spec, "content", lm_str_of(""), "Replace", st), &n->prefix);
    return lm_ok(st);
}

/* What replaces a match has the span of the match's last character, or, for an empty one, of the character
 * before. */
static void run_replace(const lm_normalizer *n, lm_pieces *p)
{
    lm_matches m;
    size_t done = 0;
    p->spare.n = 0;
    lm_matches_begin(&m, &n->pattern, p, 0, p->chars.n);
    while (lm_matches_next(&m)) {
        lm_pieces_copy(p, (lm_word){(int32_t)done, (int32_t)m.begin, -1});
        lm_char like = p->chars.at[m.end ? m.end - 1 : 0];
        for (size_t i = 0; i < n->prefix.n; i++)
            lm_chars_push(&p->spare, n->prefix.at[i].code, like.from, m.end ? like.to : like.from);
        done = m.end;
    }
    lm_pieces_copy(p, (lm_word){(int32_t)done, (int32_t)p->chars.n, -1});
    lm_pieces_swap(p);
}

static void describe_replace(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_putc(out, '(');
    lm_pattern_describe(&n->pattern, out);
    lm_buf_puts(out, " by ");
    describe_prepend(n, out);
    lm_buf_putc(out, ')');
}

/* ---------------------------------------------------------------- Precompiled, ByteLevel */

static bool read_precompiled(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    (void)depth;
    lm_str map = lm_spec_string(spec, "precompiled_charsmap", lm_str_of(""), "Precompiled", st);
    n->map_digest = XXH3_64bits(map.data, map.len);
    return lm_ok(st) && lm_precompiled_read(&n->map, map, st);
}

static void run_precompiled(const lm_normalizer *n, lm_pieces *p)
{
    lm_precompiled_run(&n->map, p);
}

static void describe_precompiled(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_printf(out, "(%016llx)", (unsigned long long)n->map_digest);
}

static void run_byte_level(const lm_normalizer *n, lm_pieces *p)
{
    (void)n;
    lm_byte_level_chars(p);
}

/* ---------------------------------------------------------------- Sequence */

static bool read_sequence(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    json_t *parts = json_object_get(spec, "normalizers");
    if (!json_is_array(parts))
        return lm_fail(st, LM_FAILED, "Sequence: \"normalizers\" is no list");
    n->parts = lm_calloc(json_array_size(parts), sizeof *n->parts);
    while (n->part_count < json_array_size(parts)) { /* one that fails counts, too: it is freed with the others */
        size_t i = n->part_count++;
        if (!read_one(&n->parts[i], json_array_get(parts, i), depth + 1, st))
            return false;
    }
    return true;
}

static void run_sequence(const lm_normalizer *n, lm_pieces *p)
{
    for (size_t i = 0; i < n->part_count; i++)
        lm_normalizer_run(&n->parts[i], p);
}

static void describe_sequence(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_putc(out, '(');
    for (size_t i = 0; i < n->part_count; i++) {
        lm_normalizer_describe(&n->parts[i], out);
        lm_buf_putc(out, i + 1 < n->part_count ? ',' : ')');
    }
}

/* ---------------------------------------------------------------- the table */

static const struct lm_normalizer_type types[] = {
    {"BertNormalizer", read_bert, run_bert, describe_bert},
    {"ByteLevel", NULL, run_byte_level, NULL},
    {"Lowercase", NULL, run_lowercase, NULL},
    {"NFC", NULL, run_nfc, NULL},
    {"NFD", NULL, run_nfd, NULL},
    {"NFKC", NULL, run_nfkc, NULL},
    {"NFKD", NULL, run_nfkd, NULL},
    {"Nmt", NULL, run_nmt, NULL},
    {"Precompiled", read_precompiled, run_precompiled, describe_precompiled},
    {"Prepend", read_prepend, run_prepend, describe_prepend},
    {"Replace", read_replace, run_replace, describe_replace},
    {"Sequence", read_sequence, run_sequence, describe_sequence},
    {"Strip", read_strip, run_strip, describe_strip},
    {"StripAccents", NULL, run_strip_accents, NULL},
};

static bool read_one(lm_normalizer *n, json_t *spec, int depth, lm_status *st)
{
    if (!spec || json_is_null(spec))
        return true;
    if (depth > MAX_DEPTH)
        return lm_fail(st, LM_FAILED, "normalizer: nested deeper than %d", MAX_DEPTH);
    int i = lm_spec_type(spec, types, sizeof types / sizeof *types, sizeof *types, "normalizer", st);
    if (i < 0)
        return false;
    n->type = &types[i];
    return !n->type->read || n->type->read(n, spec, depth, st);
}

bool lm_normalizer_read(lm_normalizer *n, json_t *spec, lm_status *st)
{
    *n = (lm_normalizer){0};
    return read_one(n, spec, 0, st);
}

void lm_normalizer_free(lm_normalizer *n)
{
    for (size_t i = 0; i < n->part_count; i++)
        lm_normalizer_free(&n->parts[i]);
    free(n->parts);
    free(n->prefix.at);
    lm_pattern_free(&n->pattern);
    lm_precompiled_free(&n->map);
    *n = (lm_normalizer){0};
}

void lm_normalizer_run(const lm_normalizer *n, lm_pieces *p)
{
    if (n->type && p->chars.n)
        n->type->run(n, p);
}

void lm_normalizer_describe(const lm_normalizer *n, lm_buf *out)
{
    lm_buf_puts(out, n->type ? n->type->name : "none");
    if (n->type && n->type->describe)
        n->type->describe(n, out);
}

const char *lm_normalizer_name(const lm_normalizer *n)
{
    return n->type ? n->type->name : NULL;
}

bool lm_normalizer_is_bert(const lm_normalizer *n)
{
    return n->type == &types[0];
}
