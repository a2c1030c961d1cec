/* What the halves of schemas share: schema.c, which finds out what holds for a value, and schema_values.c,
 * which writes what each type of value looks like. */
#ifndef LM_GENERATE_CONSTRAINT_SCHEMA_INTERNAL_H
#define LM_GENERATE_CONSTRAINT_SCHEMA_INTERNAL_H

#include "generate/constraint/pattern.h"
#include "generate/constraint/schema.h"

#include <jansson.h>

/* Schemas all of which hold for a value. */
typedef struct lm_schema_set {
    json_t **all;
    size_t n, cap;
    json_t **chosen; /* lists of alternatives of which one is among them already */
    size_t chosen_count, chosen_cap;
} lm_schema_set;

typedef struct lm_schema_memo lm_schema_memo;

typedef struct lm_schema_reader {
    lm_expressions *e;
    lm_classes classes;
    json_t *root;
    lm_schema_memo *memo; /* what was read before, or is being read */
    size_t memo_count, memo_cap;
    lm_buf path; /* where the reader is, for messages */
    int depth;
    size_t values; /* that were read */
    lm_expr space, character,
        any_character; /* " " or nothing; within a string, in the one way and in any way */
    lm_status *st;
} lm_schema_reader;

enum {
    LM_TYPE_NULL = 1,
    LM_TYPE_BOOLEAN = 2,
    LM_TYPE_INTEGER = 4,
    LM_TYPE_NUMBER = 8, /* an INTEGER, too, then */
    LM_TYPE_STRING = 16,
    LM_TYPE_ARRAY = 32,
    LM_TYPE_OBJECT = 64,
    LM_TYPE_ALL = 127
};

void lm_schema_add(lm_schema_set *s, json_t *schema);
void lm_schema_set_free(lm_schema_set *s);
/* Fails with the place: "/properties/a: ...". Returns LM_EXPR_NONE. */
lm_expr lm_schema_refuse(lm_schema_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The texts of a value for which all of the set hold; `name` is the step from where the reader is, for
 * messages. */
lm_expr lm_schema_value(lm_schema_reader *r, const lm_schema_set *s, const char *name);

/* Of one type. The set has neither references nor alternatives. */
lm_expr lm_schema_number(lm_schema_reader *r, const lm_schema_set *s, bool whole);
lm_expr lm_schema_string(lm_schema_reader *r, const lm_schema_set *s);
lm_expr lm_schema_array(lm_schema_reader *r, const lm_schema_set *s);
lm_expr lm_schema_object(lm_schema_reader *r, const lm_schema_set *s);

static inline lm_expr text(lm_schema_reader *r, const char *s)
{
    return lm_expr_text(r->e, lm_str_of(s));
}

static inline lm_expr then(lm_schema_reader *r, lm_expr a, lm_expr b)
{
    return lm_expr_then(r->e, a, b);
}

/* From `least` to `most` of them with commas between, before the first one, too, where something precedes, and the bracket. */
lm_expr lm_schema_listing(lm_schema_reader *r, lm_expr of, uint32_t least, uint32_t most, bool precedes, const char *bracket);

/* What is left of a count when some are there. */
static inline uint32_t less(uint32_t count, size_t by)
{
    return count == LM_MANY ? LM_MANY : count > by ? count - (uint32_t)by : 0;
}

/* The largest of a lower bound, the smallest of an upper one, of counts; `otherwise` where nobody says. */
uint32_t lm_schema_count(lm_schema_reader *r, const lm_schema_set *s, const char *key, uint32_t otherwise,
                         bool largest);

#endif
