#include "base/memory.h"
#include "generate/constraint/pattern_internal.h"

#include <stdlib.h>

enum { LENGTH_MOST = 64 << 10, UNROLLED_MOST = 1000 };

typedef struct maker {
    lm_expressions *e;
    lm_expr line_end; /* nothing, or a line feed */
    lm_status *st;
} maker;

/* The texts that match the part and then go on as `rest`. at_begin: nothing stands before it. */
static lm_expr make(maker *m, const lm_part *p, bool at_begin, lm_expr rest);

static lm_expr make_sequence(maker *m, const lm_part *p, bool at_begin, lm_expr rest)
{
    size_t n = 0, cap = 0;
    const lm_part **parts = NULL;
    for (const lm_part *i = p->parts; i; i = i->next) {
        LM_GROW(parts, n, cap);
        parts[n++] = i;
    }
    size_t begin = 0; /* up to here, nothing takes characters */
    while (begin < n && parts[begin]->is_empty)
        begin++;
    while (n-- > 0)
        rest = make(m, parts[n], at_begin && n <= begin, rest);
    free(parts);
    return rest;
}

static lm_expr make_choice(maker *m, const lm_part *p, bool at_begin, lm_expr rest)
{
    size_t n = 0, cap = 0;
    lm_expr *ways = NULL;
    for (const lm_part *i = p->parts; i; i = i->next) {
        LM_GROW(ways, n, cap);
        ways[n++] = make(m, i, at_begin, rest);
    }
    lm_expr all = lm_expr_any_of(m->e, ways, n);
    free(ways);
    return all;
}

/* What looks ahead sees what follows each of the times: a name stands for all that are to come. */
static lm_expr make_looking_repeat(maker *m, const lm_part *p, lm_expr rest)
{
    uint32_t most = p->most == LM_MANY ? p->least : p->most;
    if (p->parts->may_be_empty || most > UNROLLED_MOST) {
        lm_fail(
            m->st, LM_FAILED,
            "what looks ahead, or ^ or $, is repeated without characters of its own, or more than %d times: "
            "put it outside of the repetition",
            UNROLLED_MOST);
        return LM_EXPR_NONE;
    }
    lm_expr after = rest;
    if (p->most == LM_MANY) {
        after = lm_expr_name(m->e, lm_expr_has_empty(m->e, rest));
        lm_expr_define(m->e, after, lm_expr_or(m->e, rest, make(m, p->parts, false, after)));
    }
    for (uint32_t i = p->least; i < most; i++)
        after = lm_expr_or(m->e, rest, make(m, p->parts, false, after));
    for (uint32_t i = 0; i < p->least; i++)
        after = make(m, p->parts, false, after);
    return after;
}

static lm_expr make_repeat(maker *m, const lm_part *p, bool at_begin, lm_expr rest)
{
    if (p->begins && p->most > 1) {
        lm_fail(m->st, LM_FAILED, "^ within a repetition is not understood: put it before");
        return LM_EXPR_NONE;
    }
    if (p->begins) /* (^a)? */
        return lm_expr_or(m->e, make(m, p->parts, at_begin, rest), p->least ? LM_EXPR_NONE : rest);
    if (p->looks)
        return make_looking_repeat(m, p, rest);
    lm_expr once = make(m, p->parts, false, LM_EXPR_EMPTY);
    return lm_expr_then(m->e, lm_expr_repeat(m->e, once, p->least, p->most), rest);
}

static lm_expr make(maker *m, const lm_part *p, bool at_begin, lm_expr rest)
{
    switch (p->kind) {
    case LM_PART_CHARACTER:
        return lm_expr_then(m->e, p->set, rest);
    case LM_PART_SEQUENCE:
        return make_sequence(m, p, at_begin, rest);
    case LM_PART_CHOICE:
        return make_choice(m, p, at_begin, rest);
    case LM_PART_REPEAT:
        return make_repeat(m, p, at_begin, rest);
    case LM_PART_AHEAD: {
        lm_expr ahead = make(m, p->parts, at_begin, LM_EXPR_ANY);
        return lm_expr_and(m->e, p->flag ? lm_expr_not(m->e, ahead) : ahead, rest);
    }
    case LM_PART_BEGIN:
        return at_begin ? rest : LM_EXPR_NONE;
    case LM_PART_END:
        return lm_expr_and(m->e, p->flag ? m->line_end : LM_EXPR_EMPTY, rest);
    }
    return LM_EXPR_NONE;
}

/* A match that begins anywhere, and ends anywhere. */
static lm_expr search(maker *m, const lm_part *p, const lm_classes *c)
{
    lm_expr any = lm_expr_repeat(m->e, lm_classes_range(c, m->e, 0, 0x10FFFF), 0, LM_MANY);
    if (!p->begins)
        return lm_expr_then(m->e, any, make(m, p, false, any));
    lm_expr some = lm_expr_repeat(m->e, lm_classes_range(c, m->e, 0, 0x10FFFF), 1, LM_MANY);
    return lm_expr_or(m->e, make(m, p, true, any), lm_expr_then(m->e, some, make(m, p, false, any)));
}

lm_expr lm_expr_pattern(lm_expressions *e, lm_classes *c, lm_str pattern, lm_status *st)
{
    if (pattern.len > LENGTH_MOST) {
        lm_fail(st, LM_FAILED, "a pattern of %zu bytes: %d are the most", pattern.len, LENGTH_MOST);
        return LM_EXPR_NONE;
    }
    lm_arena *arena = lm_arena_new(0);
    maker m = {e, lm_expr_repeat(e, lm_classes_range(c, e, '\n', '\n'), 0, 1), st};
    lm_part *p = lm_pattern_parts(e, c, pattern, arena, st);
    lm_expr made = LM_EXPR_NONE;
    if (p)
        made = c->use == LM_PATTERN_STRING ? search(&m, p, c) : make(&m, p, true, LM_EXPR_EMPTY);
    lm_arena_free(arena);
    return lm_ok(st) ? made : LM_EXPR_NONE;
}
