/* Which characters a class has is asked of PCRE2: one text of all characters, in which runs of the class are
 * found. */
#include "base/memory.h"
#include "base/utf8.h"
#include "generate/constraint/pattern_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum { LAST_CHARACTER = 0x10FFFF, FIRST_SURROGATE = 0xD800, SURROGATES = 0x800 };

struct lm_class {
    lm_buf pattern;
    uint32_t *ranges; /* [n][2] of code points */
    size_t n;
};

void lm_classes_free(lm_classes *c)
{
    for (int i = 0; i < c->count; i++) {
        lm_buf_free(&c->sets[i].pattern);
        free(c->sets[i].ranges);
    }
    free(c->sets);
    lm_buf_free(&c->subject);
    *c = (lm_classes){.use = c->use};
}

static void write_subject(lm_buf *b)
{
    lm_buf_reserve(b, 4 * (LAST_CHARACTER + 1));
    for (uint32_t code = 0; code <= LAST_CHARACTER; code++) {
        if (code == FIRST_SURROGATE)
            code += SURROGATES;
        b->len += lm_utf8_encode(code, b->data + b->len);
    }
}

/* The character that begins at a byte of the subject. */
static uint32_t character_at(size_t byte)
{
    enum { TWO = 0x80, THREE = TWO + 2 * (0x800 - 0x80), FOUR = THREE + 3 * (0x10000 - 0x800 - SURROGATES) };
    if (byte < TWO)
        return (uint32_t)byte;
    if (byte < THREE)
        return 0x80 + (uint32_t)(byte - TWO) / 2;
    if (byte >= FOUR)
        return 0x10000 + (uint32_t)(byte - FOUR) / 4;
    uint32_t code = 0x800 + (uint32_t)(byte - THREE) / 3;
    return code < FIRST_SURROGATE ? code : code + SURROGATES;
}

static pcre2_code *compile(lm_str pattern, lm_pattern_use use, lm_status *st)
{
    uint32_t ecma = PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_DOLLAR_ENDONLY;
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | (use == LM_PATTERN_STRING ? ecma : PCRE2_UCP);
    int error;
    PCRE2_SIZE at;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, use == LM_PATTERN_STRING ? PCRE2_NEWLINE_ANY : PCRE2_NEWLINE_LF);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)(pattern.data ? pattern.data : ""), pattern.len, options,
                                     &error, &at, context);
    pcre2_compile_context_free(context);
    if (!code) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(error, message, sizeof message);
        lm_fail(st, LM_FAILED, "at byte %zu: %s", (size_t)at, (const char *)message);
    }
    return code;
}

/* Runs of it in the text of all characters, as ranges; malloced. */
static size_t find_runs(lm_classes *c, const pcre2_code *code, uint32_t **ranges, lm_status *st)
{
    size_t n = 0, cap = 0, at = 0;
    if (!c->subject.len)
        write_subject(&c->subject);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int rc;
    while ((rc = pcre2_match(code, (PCRE2_SPTR)c->subject.data, c->subject.len, at, PCRE2_NO_UTF_CHECK, match,
                             NULL)) >= 0) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(match);
        size_t last = span[1] - 1;
        while ((c->subject.data[last] & 0xC0) == 0x80)
            last--;
        LM_GROW(*ranges, 2 * n + 1, cap);
        (*ranges)[2 * n] = character_at(span[0]);
        (*ranges)[2 * n++ + 1] = character_at(last);
        at = span[1];
    }
    pcre2_match_data_free(match);
    if (rc != PCRE2_ERROR_NOMATCH)
        lm_fail(st, LM_FAILED, "PCRE2 fails on it, with error %d", rc);
    return n;
}

static lm_expr of_ranges(const lm_classes *c, lm_expressions *e, const uint32_t *ranges, size_t n)
{
    return c->use == LM_PATTERN_STRING ? lm_expr_json_characters(e, ranges, n)
                                       : lm_expr_characters(e, ranges, n);
}

lm_expr lm_classes_range(const lm_classes *c, lm_expressions *e, uint32_t first, uint32_t last)
{
    return of_ranges(c, e, (const uint32_t[]){first, last}, 1);
}

/* NULL: failed. */
static const struct lm_class *find(lm_classes *c, lm_str pattern, lm_status *st)
{
    for (int i = 0; i < c->count; i++)
        if (lm_str_equal(lm_buf_str(&c->sets[i].pattern), pattern))
            return &c->sets[i];
    lm_buf runs = {0};
    lm_buf_puts(&runs, "(?:");
    lm_buf_append(&runs, pattern.data, pattern.len);
    lm_buf_puts(&runs, ")++");
    pcre2_code *code = compile(lm_buf_str(&runs), c->use, st);
    lm_buf_free(&runs);
    if (!code)
        return NULL;
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    struct lm_class found = {0};
    found.n = find_runs(c, code, &found.ranges, st);
    pcre2_code_free(code);
    if (!lm_ok(st)) {
        free(found.ranges);
        return NULL;
    }
    lm_buf_append(&found.pattern, pattern.data, pattern.len);
    LM_GROW(c->sets, c->count, c->cap);
    c->sets[c->count] = found;
    return &c->sets[c->count++];
}

lm_expr lm_classes_find(lm_classes *c, lm_expressions *e, lm_str pattern, lm_status *st)
{
    const struct lm_class *found = find(c, pattern, st);
    return found ? of_ranges(c, e, found->ranges, found->n) : LM_EXPR_NONE;
}

bool lm_pattern_check(lm_str pattern, lm_pattern_use use, lm_status *st)
{
    pcre2_code *code = compile(pattern, use, st);
    pcre2_code_free(code);
    return code != NULL;
}

bool lm_pattern_finds(lm_str pattern, lm_str text, bool *found, lm_status *st)
{
    pcre2_code *code = compile(pattern, LM_PATTERN_STRING, st);
    if (!code)
        return false;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int rc = pcre2_match(code, (PCRE2_SPTR)(text.data ? text.data : ""), text.len, 0, 0, match, NULL);
    *found = rc >= 0;
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return rc >= 0 || rc == PCRE2_ERROR_NOMATCH ||
           lm_fail(st, LM_FAILED, "the pattern takes too long on the name \"%.*s\"",
                   (int)(text.len < 100 ? text.len : 100), text.data);
}
