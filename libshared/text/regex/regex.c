#include "text/regex/regex.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

enum { STACK_START = 32 << 10, STACK_MOST = 8 << 20, HEAP_MOST_KIB = 1 << 20 };

struct lm_regex {
    pcre2_code *code;
    bool jit;
};

struct lm_matcher {
    pcre2_match_data *match;
    pcre2_match_context *context, *patient;
    pcre2_jit_stack *stack;
};

static int shown(lm_str pattern) /* bytes of it in a message */
{
    return (int)(pattern.len < 200 ? pattern.len : 200);
}

lm_regex *lm_regex_new(lm_str pattern, const char *what, lm_status *st)
{
    lm_buf translated = {0};
    if (!lm_regex_translate(pattern, &translated, st)) {
        lm_buf_free(&translated);
        char *where = lm_format("%s: the regular expression \"%.*s\"", what, shown(pattern), pattern.data);
        lm_fail_prefix(st, where);
        free(where);
        return NULL;
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error = 0;
    PCRE2_SIZE at = 0;
    lm_regex *re = lm_calloc(1, sizeof *re);
    re->code = pcre2_compile((PCRE2_SPTR)lm_buf_cstr(&translated), translated.len,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at,
                             context);
    pcre2_compile_context_free(context);
    if (re->code) {
        re->jit = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0;
    } else {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(error, message, sizeof message);
        lm_fail(st, LM_FAILED, "%s: the regular expression \"%.*s\": %s", what, shown(pattern), pattern.data,
                (const char *)message);
        free(re);
        re = NULL;
    }
    lm_buf_free(&translated);
    return re;
}

void lm_regex_free(lm_regex *re)
{
    if (!re)
        return;
    pcre2_code_free(re->code);
    free(re);
}

lm_matcher *lm_matcher_new(void)
{
    lm_matcher *m = lm_calloc(1, sizeof *m);
    m->match = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    m->patient = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(STACK_START, STACK_MOST, NULL);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    pcre2_set_depth_limit(m->patient, UINT32_MAX);
    pcre2_set_heap_limit(m->patient, HEAP_MOST_KIB);
    return m;
}

void lm_matcher_free(lm_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->match);
    pcre2_match_context_free(m->context);
    pcre2_match_context_free(m->patient);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

void lm_regex_text(const lm_chars *c, size_t from, size_t to, lm_buf *out)
{
    const uint16_t *table = lm_unicode_table();
    lm_buf_reserve(out, 4 * (to - from));
    char *at = out->data + out->len;
    for (size_t i = from; i < to; i++) {
        uint32_t code = c->at[i].code;
        if (code < 0x80)
            *at++ = (char)code;
        else
            at += lm_utf8_encode(lm_unicode_is(table, code) & LM_CP_LATE ? lm_unicode_stand_in(code) : code,
                                 at);
    }
    out->len = (size_t)(at - out->data);
}

/* An expression that goes astray, trying ten million ways (PCRE2's limit, and Oniguruma's), matches nothing.
 */
static bool match(const lm_regex *re, lm_matcher *m, lm_str subject, size_t start)
{
    PCRE2_SPTR text = (PCRE2_SPTR)(subject.data ? subject.data : "");
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (re->jit)
        rc = pcre2_jit_match(re->code, text, subject.len, start, PCRE2_NO_UTF_CHECK, m->match, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) /* too much for the fast way: on the heap */
        rc = pcre2_match(re->code, text, subject.len, start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, m->match,
                         m->patient);
    return rc >= 0;
}

bool lm_regex_find(const lm_regex *re, lm_matcher *m, lm_find *f)
{
    while (f->next <= f->subject.len && match(re, m, f->subject, f->next)) {
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m->match);
        size_t from = span[0], to = span[1] > span[0] ? span[1] : span[0];
        if (from == to && f->found && f->to == to) {
            uint32_t code;
            f->next += f->next < f->subject.len
                           ? lm_utf8_decode(f->subject.data + f->next, f->subject.len - f->next, &code)
                           : 1;
            continue;
        }
        f->from = from;
        f->to = f->next = to;
        f->found = true;
        return true;
    }
    return false;
}
