/* What the two halves of the translation of regular expressions share: regex_syntax.c, and regex_class.c for
 * what stands for one character. */
#ifndef LM_TEXT_REGEX_INTERNAL_H
#define LM_TEXT_REGEX_INTERNAL_H

#include "text/regex/regex.h"

enum { LM_REGEX_DEPTH = 64 };

/* What stands between the brackets of a PCRE2 class. */
#define LM_REGEX_WORD                                                                                        \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{"     \
    "1F170}-\\x{1F189}"
/* \w by itself has superscripts and fractions of Latin-1 as well, unlike [\w] and [[:word:]]. */
#define LM_REGEX_LONE_WORD LM_REGEX_WORD "\\xB2\\xB3\\xB9\\xBC-\\xBE"

typedef struct lm_regex_parser {
    const char *s;
    size_t len, at;
    int depth;
    bool extended; /* (?x): white space and comments mean nothing */
    lm_status *st;
} lm_regex_parser;

static inline bool bad(const lm_regex_parser *p, const char *what)
{
    return lm_fail(p->st, LM_FAILED, "at byte %zu: %s", p->at, what);
}

static inline bool at_string(const lm_regex_parser *p, const char *s)
{
    size_t n = strlen(s);
    return p->len - p->at >= n && memcmp(p->s + p->at, s, n) == 0;
}

static inline int peek(const lm_regex_parser *p)
{
    return p->at < p->len ? (unsigned char)p->s[p->at] : -1;
}

/* Behind a backslash, an escape that is one character; 0: another escape, and nothing is read; -1: failed. */
int lm_regex_character_escape(lm_regex_parser *p, bool in_class, uint32_t *code);
void lm_regex_put_character(uint32_t code, lm_buf *out);
/* Behind a backslash: \w \s \d \h \p and their opposites, as the items of a class. */
bool lm_regex_class_escape(lm_regex_parser *p, bool *negated, lm_buf *items);
/* A class from its opening bracket on. */
bool lm_regex_read_class(lm_regex_parser *p, lm_buf *out);

#endif
