/* Sets of texts, as expressions over bytes: regular ones, with intersection and complement, and names by
 * which they refer to one another and to themselves, as JSON does. An expression is a number; equal ones have
 * the same (they are hash-consed).
 *
 * What may follow a text is found byte by byte, as the derivative of the expression (Brzozowski 1964,
 * "Derivatives of Regular Expressions"): the set of what is left of those texts that begin with the byte.
 * Repetitions are counted, not unrolled, and a name is replaced by its expression when it is come to, so that
 * what is left is the stack of what is to be closed.
 *
 *     {"a":[1,  of  object  =  digits* . ("," number)* . "]" . "}"
 */
#ifndef LM_GENERATE_CONSTRAINT_EXPRESSION_H
#define LM_GENERATE_CONSTRAINT_EXPRESSION_H

#include "base/buffer.h"
#include "base/status.h"

#include <stdint.h>

typedef struct lm_expressions lm_expressions;
typedef uint32_t lm_expr;

enum {
    LM_EXPR_NONE = 0,  /* no text at all */
    LM_EXPR_EMPTY = 1, /* the empty text alone */
    LM_EXPR_ANY = 2,   /* all sequences of bytes */
    LM_MANY = 0x7fffffff
};

/* Bytes, as bits. */
typedef struct lm_byte_set {
    uint64_t bits[4];
} lm_byte_set;

static inline void lm_byte_set_add(lm_byte_set *s, int first, int last)
{
    for (int b = first; b <= last; b++)
        s->bits[b >> 6] |= UINT64_C(1) << (b & 63);
}

static inline bool lm_byte_set_has(const lm_byte_set *s, int byte)
{
    return s->bits[byte >> 6] >> (byte & 63) & 1;
}

/* Beyond `limit` expressions it is full: what is made then is LM_EXPR_NONE, and lm_expressions_full says so
 * for good. */
lm_expressions *lm_expressions_new(uint32_t limit);
void lm_expressions_free(lm_expressions *e);
bool lm_expressions_full(const lm_expressions *e, lm_status *st); /* fails the status with what to do */
size_t lm_expressions_bytes(const lm_expressions *e);

/* ---- making them */
lm_expr lm_expr_bytes(lm_expressions *e, const lm_byte_set *set); /* one byte */
lm_expr lm_expr_text(lm_expressions *e, lm_str text);
lm_expr lm_expr_then(lm_expressions *e, lm_expr a, lm_expr b);
lm_expr lm_expr_or(lm_expressions *e, lm_expr a, lm_expr b);
lm_expr lm_expr_any_of(lm_expressions *e, const lm_expr *of, size_t n);
lm_expr lm_expr_repeat(lm_expressions *e, lm_expr a, uint32_t least, uint32_t most); /* LM_MANY: no limit */
lm_expr lm_expr_and(lm_expressions *e, lm_expr a, lm_expr b);
lm_expr lm_expr_all_of(lm_expressions *e, const lm_expr *of, size_t n);
lm_expr lm_expr_not(lm_expressions *e, lm_expr a);
/* A name, to be given its expression later, of which it must be known whether the empty text is in it. */
lm_expr lm_expr_name(lm_expressions *e, bool has_empty);
void lm_expr_define(lm_expressions *e, lm_expr name, lm_expr is);

/* One character of the sorted, disjoint ranges [n][2] of code points, in UTF-8; surrogates are left out. As
 * it stands within a JSON string, where quotation mark, backslash and what is below U+0020 are escaped, in
 * one way each. */
lm_expr lm_expr_characters(lm_expressions *e, const uint32_t *ranges, size_t n);
lm_expr lm_expr_json_characters(lm_expressions *e, const uint32_t *ranges, size_t n);

/* ---- using them */
/* Once all names have expressions, and before anything below: *root without what no text is in. Fails where a
 * name begins with itself. */
bool lm_expr_finish(lm_expressions *e, lm_expr *root, lm_status *st);

bool lm_expr_has_empty(const lm_expressions *e, lm_expr a);
bool lm_expr_matches(lm_expressions *e, lm_expr a,
                     lm_str text); /* of an expression without names also before finish */

/* What is left behind each byte, [256]; LM_EXPR_NONE where nothing is. It is kept until lm_expr_forget; NULL:
 * full. */
const lm_expr *lm_expr_after(lm_expressions *e, lm_expr a);
/* Gives back what was kept so, if it takes more than that many bytes; expressions stay. */
void lm_expr_forget(lm_expressions *e, size_t bytes);

#endif
