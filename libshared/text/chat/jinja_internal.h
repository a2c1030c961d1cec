/* The inside of the template interpreter: tokens, the syntax tree, and what its evaluation shares. */
#ifndef LM_TEXT_CHAT_JINJA_INTERNAL_H
#define LM_TEXT_CHAT_JINJA_INTERNAL_H

#include "text/chat/jinja.h"

/* ---------------------------------------------------------------- tokens */

typedef enum lm_token_kind {
    LM_TOKEN_END,
    LM_TOKEN_DATA,        /* text between tags */
    LM_TOKEN_PRINT,       /* {{ */
    LM_TOKEN_PRINT_END,
    LM_TOKEN_BLOCK,       /* {% */
    LM_TOKEN_BLOCK_END,
    LM_TOKEN_NAME,
    LM_TOKEN_STRING,      /* text: decoded */
    LM_TOKEN_INTEGER,
    LM_TOKEN_FLOAT,
    LM_TOKEN_OPERATOR     /* text: its spelling */
} lm_token_kind;

typedef struct lm_token {
    lm_token_kind kind;
    lm_str text;
    int line;
} lm_token;

/* Cuts a source into tokens, white space control applied; the last one is LM_TOKEN_END. Text is kept in `arena`, the
 * array is malloced. NULL on failure. */
lm_token *lm_jinja_tokens(lm_str source, const char *name, lm_arena *arena, lm_status *st);

/* ---------------------------------------------------------------- the tree */

typedef enum lm_node_kind {
    /* statements */
    LM_NODE_TEXT,       /* value */
    LM_NODE_PRINT,      /* a */
    LM_NODE_IF,         /* a: test; body; other: an elif's IF or, with the flag, what follows else */
    LM_NODE_FOR,        /* a: target; b: what is gone through; c: its if, or NULL; body; other: else; flag: recursive */
    LM_NODE_SET,        /* a: target; b: value */
    LM_NODE_SET_BLOCK,  /* a: target; b: filters over LM_NODE_HOLE, or NULL; body */
    LM_NODE_MACRO,      /* name; items: parameters; body */
    LM_NODE_CALL_BLOCK, /* a: the call; items: the caller's parameters; body */
    LM_NODE_FILTER_BLOCK, /* b: filters over LM_NODE_HOLE; body */
    LM_NODE_WITH,       /* items: SET nodes; body */
    LM_NODE_GENERATION, /* body */
    LM_NODE_BREAK,
    LM_NODE_CONTINUE,
    /* expressions */
    LM_NODE_HOLE,       /* the text that a block's filters work on */
    LM_NODE_CONST,      /* value */
    LM_NODE_NAME,       /* name */
    LM_NODE_MEMBER_TARGET, /* namespace `name`, its member: other name in value.text */
    LM_NODE_LIST,       /* items */
    LM_NODE_TUPLE,      /* items; as a target too */
    LM_NODE_DICT,       /* items: PAIRs */
    LM_NODE_PAIR,       /* a: key; b: value */
    LM_NODE_CHOICE,     /* a if b else c (or NULL) */
    LM_NODE_AND,        /* a, b */
    LM_NODE_OR,
    LM_NODE_NOT,        /* a */
    LM_NODE_COMPARE,    /* a; items: COMPARISONs */
    LM_NODE_COMPARISON, /* op; a: the right side */
    LM_NODE_BINARY,     /* op; a, b */
    LM_NODE_CONCAT,     /* items */
    LM_NODE_NEGATIVE,   /* a */
    LM_NODE_POSITIVE,
    LM_NODE_MEMBER,     /* a.name */
    LM_NODE_ITEM,       /* a[b] */
    LM_NODE_SLICE,      /* a:b:c, each or NULL */
    LM_NODE_CALL,       /* a; items: arguments */
    LM_NODE_FILTER,     /* a | name; items: arguments */
    LM_NODE_TEST,       /* a is name; items: arguments */
    LM_NODE_ARGUMENT,   /* a; name: of a keyword argument; op: 0, '*' or 'd' (two of them) */
    LM_NODE_PARAMETER   /* name; a: default, or NULL */
} lm_node_kind;

typedef enum lm_operator {
    LM_OP_ADD, LM_OP_SUBTRACT, LM_OP_MULTIPLY, LM_OP_DIVIDE, LM_OP_FLOOR_DIVIDE, LM_OP_MODULO, LM_OP_POWER,
    LM_OP_EQUAL, LM_OP_UNEQUAL, LM_OP_LESS, LM_OP_LESS_EQUAL, LM_OP_GREATER, LM_OP_GREATER_EQUAL, LM_OP_IN, LM_OP_NOT_IN
} lm_operator;

/* What a macro's body reads without declaring it. */
enum { LM_USES_CALLER = 1, LM_USES_VARARGS = 2, LM_USES_KWARGS = 4 };

typedef struct lm_node {
    lm_node_kind kind;
    int line, op;
    bool flag;
    unsigned uses; /* MACRO, CALL_BLOCK */
    lm_str name;
    lm_value value;
    struct lm_node *a, *b, *c;
    struct lm_node *body, *other, *items; /* first of a chain */
    struct lm_node *next;                 /* in that chain */
} lm_node;

struct lm_jinja {
    char *name;
    lm_arena *arena;
    lm_node *body;
    bool marks_generation;
    lm_str *names; /* that are read, each once */
    size_t name_count, name_cap;
};

enum { LM_NESTING_MAX = 100 }; /* of tags and brackets in a source */

typedef struct lm_parser {
    lm_jinja *t;
    const lm_token *at;
    int depth;
    unsigned uses; /* of the macro in hand */
    lm_status *st;
} lm_parser;

lm_node *lm_node_make(lm_parser *p, lm_node_kind kind); /* at the token in hand */
bool lm_parse_fail(lm_parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool lm_parse_is(const lm_parser *p, const char *operator_or_name);
bool lm_parse_skip(lm_parser *p, const char *operator_or_name); /* whether it was there */
bool lm_parse_expect(lm_parser *p, const char *operator_or_name);
bool lm_parse_deeper(lm_parser *p); /* fails beyond LM_NESTING_MAX; each success is paired with p->depth-- */

/* Expressions. With `choices` off, `a if b` is not one expression. Each returns NULL on failure. */
lm_node *lm_parse_expression(lm_parser *p, bool choices);
/* a, b, c: a tuple where there is a comma. `stop`: a name that ends it, or NULL. */
lm_node *lm_parse_tuple(lm_parser *p, bool choices, const char *stop);
lm_node *lm_parse_target(lm_parser *p, bool members, const char *stop);
lm_node *lm_parse_filters(lm_parser *p, lm_node *over, bool piped); /* name(args)|name ...; piped: begins with | */
lm_node *lm_parse_arguments(lm_parser *p);                          /* ( ... ): the chain; NULL may be an empty one */
lm_node *lm_parse_postfix(lm_parser *p);                            /* a primary with .a [b] (c) */

/* ---------------------------------------------------------------- evaluation */

typedef struct lm_variable {
    lm_str name;
    lm_value value;
} lm_variable;

typedef struct lm_jinja_scope {
    struct lm_jinja_scope *parent;
    lm_variable *items;
    size_t count, cap;
} lm_jinja_scope;

typedef struct lm_eval {
    const lm_jinja *t;
    lm_jinja_run *run;
    lm_jinja_memory *m;
    lm_status *st;
    lm_jinja_scope *scope;
    lm_value variables; /* of the caller of the rendering */
    lm_buf *out;
    lm_value hole;
    uint64_t steps;
    int depth, line, capturing;
} lm_eval;

enum { LM_EVAL_DEPTH_MAX = 1000 };

/* Arguments of a call, evaluated. */
typedef struct lm_call {
    lm_value *args;
    size_t count;
    lm_value_pair *named; /* keys are strings */
    size_t named_count;
} lm_call;

typedef struct lm_builtin lm_builtin;

/* What can be called. */
typedef struct lm_function {
    const lm_builtin *builtin; /* a method or a global; else a macro */
    lm_value self;             /* of a method */
    const lm_node *macro;
    lm_jinja_scope *scope;           /* that the macro stands in */
    lm_str name;
} lm_function;

typedef struct lm_loop {
    lm_value items;
    size_t index;
    int depth;
    lm_value changed; /* of the last call of changed() */
    const lm_node *node; /* recursive: the loop */
    lm_jinja_scope *scope;     /* and where it stands */
} lm_loop;

enum { LM_ARGUMENTS_MAX = 6 };

/* A filter, test, method or global. `parameters` names them, separated by spaces, those that must be given first and
 * ended by a bar: "old new| count". "..." takes the call as it is. An argument that is not given is undefined. */
struct lm_builtin {
    const char *name, *parameters;
    lm_value (*run)(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call);
};

const lm_builtin *lm_filter_find(lm_str name);
const lm_builtin *lm_test_find(lm_str name);
const lm_builtin *lm_global_find(lm_str name);
const lm_builtin *lm_method_find(lm_value self, lm_str name); /* NULL: there is none */
extern const lm_builtin lm_filters_of_values[], lm_filters_of_lists[], lm_filters_of_text[], lm_string_methods[];

lm_value lm_run_builtin(lm_eval *e, const lm_builtin *b, lm_value self, const lm_call *call);
lm_value lm_run_call(lm_eval *e, lm_value callee, const lm_call *call);
lm_value lm_run_filter(lm_eval *e, lm_str name, lm_value self, const lm_call *call);
bool lm_run_test(lm_eval *e, lm_str name, lm_value self, const lm_call *call);

/* Fails with file and line; returns an undefined value. */
lm_value lm_eval_fail(lm_eval *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool lm_eval_step(lm_eval *e, size_t work); /* counts; false where the rendering has failed */
lm_value lm_evaluate(lm_eval *e, const lm_node *n);
/* x.name and x[key] */
lm_value lm_member_of(lm_eval *e, lm_value x, lm_str name);
lm_value lm_item_of(lm_eval *e, lm_value x, lm_value key);
lm_value lm_slice_of(lm_eval *e, lm_value x, const lm_value bounds[3]); /* undefined or none: left out */
lm_value lm_binary(lm_eval *e, lm_operator op, lm_value a, lm_value b);
bool lm_comparison(lm_eval *e, lm_operator op, lm_value a, lm_value b);
/* The items of what can be gone through, as a list; strings by characters, dicts by keys. */
lm_value_list *lm_items_of(lm_eval *e, lm_value x);
bool lm_is_iterable(lm_value x);
int64_t lm_length_of(lm_value x); /* -1: it has none */
lm_value lm_percent_format(lm_eval *e, lm_str format, lm_value args); /* format % args */
lm_value lm_value_from_buf(lm_eval *e, lm_buf *b);                    /* a string of it; frees it */
lm_value lm_escaped(lm_eval *e, lm_value v);                          /* as `escape` does; markup */

void lm_execute(lm_eval *e, const lm_node *body);
lm_value lm_run_macro(lm_eval *e, const lm_function *f, const lm_call *call);
lm_value lm_run_recursion(lm_eval *e, lm_loop *outer, lm_value items); /* loop(...) of a recursive loop */
lm_value *lm_jinja_scope_find(lm_jinja_scope *s, lm_str name);                /* in it and around it; NULL if absent */
void lm_jinja_scope_set(lm_eval *e, lm_jinja_scope *s, lm_str name, lm_value v);
lm_jinja_scope *lm_jinja_scope_new(lm_eval *e, lm_jinja_scope *parent);

static inline lm_str lm_value_text(lm_value v) /* of a string; else empty */
{
    return v.kind == LM_VALUE_STRING ? v.text : (lm_str){"", 0};
}
static inline bool lm_value_absent(lm_value v) /* an argument that was not given */
{
    return v.kind == LM_VALUE_UNDEFINED;
}

#endif
