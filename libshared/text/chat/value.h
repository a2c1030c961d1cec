/* The values of a template: what Python would hold, as far as chat templates see it.
 *
 * A value is small and passed by copy; what it points to belongs to the memory of the rendering (lm_jinja_memory), which is
 * given back at once. Strings are UTF-8 slices; their length, indices and slices count code points, as Python's do. */
#ifndef LM_TEXT_CHAT_VALUE_H
#define LM_TEXT_CHAT_VALUE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "text/unicode/python_text.h"

#include <stdint.h>

typedef enum lm_value_kind {
    LM_VALUE_UNDEFINED, /* `text` says what was looked for */
    LM_VALUE_NONE,
    LM_VALUE_BOOL,
    LM_VALUE_INT,
    LM_VALUE_BIG, /* an integer beyond int64_t: its digits, which are printed and compared, never computed with */
    LM_VALUE_FLOAT,
    LM_VALUE_STRING,
    LM_VALUE_LIST,
    LM_VALUE_DICT,
    LM_VALUE_NAMESPACE, /* a dict whose members can be set */
    LM_VALUE_FUNCTION,
    LM_VALUE_LOOP
} lm_value_kind;

enum { LM_VALUE_DEPTH_MAX = 300 };

/* What Python would make of a list value. */
typedef enum lm_list_shape {
    LM_IS_LIST,
    LM_IS_TUPLE,
    LM_IS_RANGE,
    LM_IS_VIEW,     /* of a dict: has a length, but no places */
    LM_IS_GENERATOR /* neither, and is true though it may be empty */
} lm_list_shape;

typedef struct lm_value {
    uint8_t kind;
    bool markup; /* of a string: `safe` and `escape` made it; what is added to it is escaped */
    union {
        bool truth;
        int64_t integer;
        double real;
        lm_str text;
        struct lm_value_list *list;
        struct lm_value_dict *dict;
        const struct lm_function *function;
        struct lm_loop *loop;
    };
} lm_value;

typedef struct lm_value_list {
    lm_value *items;
    size_t count, cap;
    lm_list_shape shape;
    int depth; /* of what is in it: at most LM_VALUE_DEPTH_MAX, which fails the memory's status */
} lm_value_list;

typedef struct lm_value_pair {
    lm_value key, value;
} lm_value_pair;

/* In the order of insertion. */
typedef struct lm_value_dict {
    lm_value_pair *pairs;
    size_t count, cap;
    uint32_t *slots; /* open addressing over pairs, index + 1; NULL while there are few */
    size_t slot_count;
    int depth;
} lm_value_dict;

/* Memory with one lifetime and a limit. Going beyond the limit fails the status once, and what is allocated then is
 * taken from the allowance all the same, so that callers need not look at each result. */
typedef struct lm_jinja_memory {
    lm_arena *arena;
    char *chunk;
    size_t left, used, limit;
    lm_status *status;
} lm_jinja_memory;

void *lm_jinja_alloc(lm_jinja_memory *m, size_t count, size_t size); /* 16-byte aligned, zeroed */
lm_str lm_jinja_copy(lm_jinja_memory *m, lm_str s);

static inline lm_value lm_value_none(void)
{
    return (lm_value){.kind = LM_VALUE_NONE};
}
static inline lm_value lm_value_bool(bool b)
{
    return (lm_value){.kind = LM_VALUE_BOOL, .truth = b};
}
static inline lm_value lm_value_int(int64_t i)
{
    return (lm_value){.kind = LM_VALUE_INT, .integer = i};
}
static inline lm_value lm_value_float(double f)
{
    return (lm_value){.kind = LM_VALUE_FLOAT, .real = f};
}
static inline lm_value lm_value_string(lm_str s) /* borrowed */
{
    return (lm_value){.kind = LM_VALUE_STRING, .text = s};
}
static inline lm_value lm_value_undefined(lm_str what) /* borrowed */
{
    return (lm_value){.kind = LM_VALUE_UNDEFINED, .text = what};
}
static inline bool lm_value_is(lm_value v, lm_value_kind kind)
{
    return v.kind == kind;
}
/* int, or a bool that counts as one */
static inline bool lm_value_is_whole(lm_value v)
{
    return v.kind == LM_VALUE_INT || v.kind == LM_VALUE_BOOL;
}
static inline int64_t lm_value_whole(lm_value v)
{
    return v.kind == LM_VALUE_BOOL ? v.truth : v.integer;
}
static inline bool lm_value_is_number(lm_value v)
{
    return lm_value_is_whole(v) || v.kind == LM_VALUE_FLOAT;
}
static inline double lm_value_real(lm_value v)
{
    return v.kind == LM_VALUE_FLOAT ? v.real : (double)lm_value_whole(v);
}

lm_value lm_value_list_new(lm_jinja_memory *m, lm_list_shape shape, size_t room);
void lm_value_push(lm_jinja_memory *m, lm_value list, lm_value item);
lm_value lm_value_dict_new(lm_jinja_memory *m, lm_value_kind kind); /* LM_VALUE_DICT or LM_VALUE_NAMESPACE */
void lm_value_put(lm_jinja_memory *m, lm_value dict, lm_value key, lm_value value); /* replaces one with that key */
void lm_value_put_name(lm_jinja_memory *m, lm_value dict, const char *name, lm_value value); /* name: borrowed */
lm_value *lm_value_find(const lm_value_dict *d, lm_value key); /* NULL if absent */
lm_value *lm_value_find_name(lm_value dict, const char *name); /* NULL if absent, or no dict */

bool lm_value_truth(lm_value v);
bool lm_value_equal(lm_value a, lm_value b); /* == of Python: 1, 1.0 and True are one */
/* *order: below, at or above 0. False: Python would not order the two. */
bool lm_value_compare(lm_value a, lm_value b, int *order);
const char *lm_value_type(lm_value v); /* Python's name of its type */

/* str() and repr() as Python has them, appended; undefined is the empty string. */
void lm_value_print(lm_value v, lm_buf *out);
void lm_value_repr(lm_value v, lm_buf *out);
/* str(), as a string: itself where it is one. */
lm_value lm_value_str(lm_jinja_memory *m, lm_value v);

/* JSON text (checked, as stream/json.h cuts it out) as a value. Deep or long text fails the memory's status. */
lm_value lm_value_from_json(lm_jinja_memory *m, lm_str json);
/* json.dumps. `indent` below 0: on one line. False, with *what the type that has no JSON. */
typedef struct lm_json_style {
    bool ascii, sort_keys;
    lm_str indent;                  /* what each level adds; data NULL = all on one line */
    lm_str item_separator, key_separator;
} lm_json_style;
bool lm_value_to_json(lm_value v, const lm_json_style *style, lm_buf *out, const char **what);

#endif
