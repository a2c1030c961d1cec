/* Regular expressions as tokenizer.json means them: those of Oniguruma in its Ruby syntax, which is what the
 * Rust library uses, on PCRE2. What the two read differently is written anew for PCRE2 (regex_syntax.c), and
 * characters of which PCRE2's Unicode version may know something else are shown to it as older ones of the
 * same kind (unicode_classes.c). */
#ifndef LM_TEXT_REGEX_H
#define LM_TEXT_REGEX_H

#include "base/buffer.h"
#include "base/status.h"
#include "text/unicode/chars.h"

typedef struct lm_regex lm_regex; /* compiled; read-only, so that threads share it */

/* NULL and a failed status (naming `what`) for a pattern that cannot be used. */
lm_regex *lm_regex_new(lm_str pattern, const char *what, lm_status *st);
void lm_regex_free(lm_regex *re);

/* The pattern in PCRE2's syntax (for PCRE2_UTF, UCP and MULTILINE), appended to `out`. */
bool lm_regex_translate(lm_str pattern, lm_buf *out, lm_status *st);

/* Room for matching, one a thread. */
typedef struct lm_matcher lm_matcher;
lm_matcher *lm_matcher_new(void);
void lm_matcher_free(lm_matcher *m);

/* Appends the characters [from, to) as the expressions are to see them: UTF-8 of as many characters. */
void lm_regex_text(const lm_chars *c, size_t from, size_t to, lm_buf *out);

/* The matches in a subject, one after the other; an empty one that touches the match before it is none. */
typedef struct lm_find {
    lm_str subject; /* made by lm_regex_text */
    size_t next;    /* where the search goes on */
    bool found;     /* there was a match: it ended at `to` */
    size_t from, to;
} lm_find;

/* Finds the next match; begin with { .subject = ... }. False: there is none. */
bool lm_regex_find(const lm_regex *re, lm_matcher *m, lm_find *f);

#endif
