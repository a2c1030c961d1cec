/* What the files of expressions share. */
#ifndef LM_GENERATE_CONSTRAINT_EXPRESSION_INTERNAL_H
#define LM_GENERATE_CONSTRAINT_EXPRESSION_INTERNAL_H

#include "generate/constraint/expression.h"

typedef enum lm_expr_kind {
    LM_EXPR_IS_NONE,
    LM_EXPR_IS_EMPTY,
    LM_EXPR_IS_BYTES,  /* first: index of the set */
    LM_EXPR_IS_THEN,   /* first, second; first is no THEN */
    LM_EXPR_IS_OR,     /* first: where its list begins, second: how many; sorted, none of them an OR */
    LM_EXPR_IS_AND,    /* the same */
    LM_EXPR_IS_NOT,    /* first */
    LM_EXPR_IS_REPEAT, /* first; least, most */
    LM_EXPR_IS_NAME    /* first: index of the name */
} lm_expr_kind;

/* Whether any text is in it, which does not show where AND or NOT are parts of it. */
enum { LM_LIFE_UNKNOWN, LM_LIFE_YES, LM_LIFE_NO };

typedef struct lm_expr_node {
    uint8_t kind, life;
    bool empty;   /* the empty text is in it */
    bool doubted; /* an AND or a NOT is in it, names aside */
    uint32_t first, second, least, most;
    uint32_t next;           /* of the same hash; 0 = none */
    uint32_t stamp, derived; /* the derivative of the call with that stamp */
    uint32_t pruned;         /* 1 + what lm_expr_prune makes of it; 0 = not known */
    uint32_t row;            /* 1 + the index of its row of `rows`; 0 = none */
} lm_expr_node;

struct lm_expressions {
    lm_expr_node *nodes;
    uint32_t count, cap, limit;
    uint32_t *buckets, bucket_count; /* a power of two */
    lm_byte_set *sets;
    uint32_t set_count, set_cap;
    lm_expr *lists; /* of OR and AND */
    uint32_t list_count, list_cap;
    lm_expr *names; /* what they are */
    uint32_t name_count, name_cap;
    uint32_t stamp;
    lm_expr (**rows)[256]; /* in blocks of LM_ROW_BLOCK, so that they stay where they are */
    uint32_t row_count, row_blocks;
    bool full;
};

enum { LM_ROW_BLOCK = 64 };

static inline const lm_expr_node *lm_expr_at(const lm_expressions *e, lm_expr a)
{
    return &e->nodes[a];
}

lm_expr lm_expr_new(lm_expressions *e, const lm_expr_node *like);
/* The derivative, with parts that no text is in. */
lm_expr lm_expr_derive(lm_expressions *e, lm_expr a, int byte);
/* of[i] is a byte of each class of those behind which the same is left, classes[b] the class of each. Returns
 * how many. */
int lm_expr_classes(lm_expressions *e, lm_expr a, uint8_t classes[256], uint8_t of[256]);
/* The same set, without parts that no text is in. */
lm_expr lm_expr_prune(lm_expressions *e, lm_expr a);

/* The same of other parts: of what `with` makes of each. Names, and what has no parts, stay as they are. */
typedef lm_expr lm_expr_change(lm_expressions *e, lm_expr a, const void *context);
lm_expr lm_expr_rebuild(lm_expressions *e, lm_expr a, lm_expr_change *with, const void *context);

#endif
