/* What the two halves of patterns share: pattern_read.c, which makes a tree of one, and pattern.c, which
 * makes its set of texts. */
#ifndef LM_GENERATE_CONSTRAINT_PATTERN_INTERNAL_H
#define LM_GENERATE_CONSTRAINT_PATTERN_INTERNAL_H

#include "base/arena.h"
#include "generate/constraint/pattern.h"

typedef enum lm_part_kind {
    LM_PART_CHARACTER, /* one of `set` */
    LM_PART_SEQUENCE,
    LM_PART_CHOICE,
    LM_PART_REPEAT,
    LM_PART_AHEAD, /* (?=, or (?! where negated */
    LM_PART_BEGIN, /* ^, \A */
    LM_PART_END    /* \z; $ and \Z, also before a last newline, where loose */
} lm_part_kind;

typedef struct lm_part {
    lm_part_kind kind;
    lm_expr set;
    uint32_t least, most;
    bool flag;                   /* negated, loose */
    struct lm_part *parts;       /* the first of them */
    struct lm_part *next;        /* the one beside it */
    bool begins;                 /* there is a BEGIN in it, */
    bool looks;                  /* or something that looks ahead */
    bool may_be_empty, is_empty; /* it may match no characters; it always does */
} lm_part;

/* NULL: failed. Parts live in the arena. */
lm_part *lm_pattern_parts(lm_expressions *e, lm_classes *c, lm_str pattern, lm_arena *arena, lm_status *st);

/* Whether PCRE2 takes it. */
bool lm_pattern_check(lm_str pattern, lm_pattern_use use, lm_status *st);
/* The characters that a pattern of one character matches, as `use` writes them. */
lm_expr lm_classes_find(lm_classes *c, lm_expressions *e, lm_str pattern, lm_status *st);
lm_expr lm_classes_range(const lm_classes *c, lm_expressions *e, uint32_t first, uint32_t last);

#endif
