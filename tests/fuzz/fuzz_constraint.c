/* Any bytes as a regular expression, as the pattern of a string and as a schema, and behind the first NUL as
 * a text: what is taken for a form has answers, each of which can be come to byte by byte; and a regular
 * expression says of the text what PCRE2 says. */
#include "base/log.h"
#include "base/utf8.h"
#include "generate/constraint/pattern.h"
#include "generate/constraint/schema.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum { EXPRESSIONS_MOST = 5000, STEPS = 50, ASKED_MOST = 500 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Whatever can follow leads on: no state is one that nothing comes of. */
static void walk(lm_expressions *e, lm_expr a)
{
    uint32_t choice = 1;
    for (int i = 0; i < STEPS && a != LM_EXPR_NONE; i++) {
        const lm_expr *row = lm_expr_after(e, a);
        int count = 0;
        lm_expr next = LM_EXPR_NONE;
        for (int b = 0; row && b < 256; b++)
            if (row[b] != LM_EXPR_NONE &&
                (choice = choice * 1664525 + 1013904223) >> 8 < (1u << 24) / (uint32_t)++count)
                next = row[b];
        must(!row || count > 0 || lm_expr_has_empty(e, a));
        a = next; /* NONE: it ends there */
    }
}

static void compare(lm_expressions *e, lm_expr a, lm_str pattern, lm_str text)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)(pattern.data ? pattern.data : ""), pattern.len,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C,
                      &error, &at, NULL);
    must(code != NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int rc = pcre2_match(code, (PCRE2_SPTR)text.data, text.len, 0, 0, match, NULL);
    bool have = lm_expr_matches(e, a, text);
    must(lm_expressions_full(e, &(lm_status){0}) || (rc < 0 && rc != PCRE2_ERROR_NOMATCH) ||
         have == (rc >= 0));
    pcre2_match_data_free(match);
    pcre2_code_free(code);
}

static void try_pattern(lm_pattern_use use, lm_str pattern, lm_str text)
{
    static lm_classes asked[2]; /* before: PCRE2 takes its time over all characters */
    lm_status st = LM_STATUS_INIT;
    lm_classes *classes = &asked[use];
    classes->use = use;
    lm_expressions *e = lm_expressions_new(EXPRESSIONS_MOST);
    lm_expr a = lm_expr_pattern(e, classes, pattern, &st);
    if (lm_ok(&st) && !lm_expressions_full(e, &st) && lm_expr_finish(e, &a, &st)) {
        if (use == LM_PATTERN_WHOLE)
            compare(e, a, pattern, text);
        walk(e, a);
    }
    must(lm_ok(&st) || st.message[0]);
    if (classes->count > ASKED_MOST)
        lm_classes_free(classes);
    lm_expressions_free(e);
}

static void try_schema(lm_str schema)
{
    lm_status st = LM_STATUS_INIT;
    lm_expressions *e = lm_expressions_new(EXPRESSIONS_MOST);
    lm_expr a = lm_expr_schema(e, schema, &st);
    if (lm_ok(&st) && !lm_expressions_full(e, &st) && lm_expr_finish(e, &a, &st))
        walk(e, a);
    must(lm_ok(&st) || st.message[0]);
    lm_expressions_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lm_log_level(LM_ERROR);
    const uint8_t *nul = size ? memchr(bytes, '\0', size) : NULL;
    size_t n = nul ? (size_t)(nul - bytes) : size;
    lm_str form = {(const char *)bytes, n};
    lm_buf text = {0};
    if (nul)
        lm_utf8_replace_invalid((lm_str){(const char *)nul + 1, size - n - 1}, &text);
    lm_buf_reserve(&text, 1);
    if (n && bytes[0] == '{') {
        try_schema(form);
    } else {
        try_pattern(LM_PATTERN_WHOLE, form, lm_buf_str(&text));
        try_pattern(LM_PATTERN_STRING, form, lm_buf_str(&text));
    }
    lm_buf_free(&text);
    return 0;
}
