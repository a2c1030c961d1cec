/* What is known once every name has its expression: which names have no text, and whether one begins with
 * itself. */
#include "base/memory.h"
#include "generate/constraint/expression_internal.h"

#include <stdlib.h>

static lm_expr rebuild_then(lm_expressions *e, lm_expr a, lm_expr_change *with, const void *context)
{
    size_t n = 0, cap = 0;
    lm_expr *parts = NULL;
    for (; lm_expr_at(e, a)->kind == LM_EXPR_IS_THEN; a = lm_expr_at(e, a)->second) {
        LM_GROW(parts, n, cap);
        parts[n++] = lm_expr_at(e, a)->first;
    }
    lm_expr made = with(e, a, context);
    while (n-- > 0)
        made = lm_expr_then(e, with(e, parts[n], context), made);
    free(parts);
    return made;
}

lm_expr lm_expr_rebuild(lm_expressions *e, lm_expr a, lm_expr_change *with, const void *context)
{
    lm_expr_node x = *lm_expr_at(e, a);
    if (x.kind == LM_EXPR_IS_THEN)
        return rebuild_then(e, a, with, context);
    if (x.kind == LM_EXPR_IS_NOT)
        return lm_expr_not(e, with(e, x.first, context));
    if (x.kind == LM_EXPR_IS_REPEAT)
        return lm_expr_repeat(e, with(e, x.first, context), x.least, x.most);
    if (x.kind != LM_EXPR_IS_OR && x.kind != LM_EXPR_IS_AND)
        return a;
    lm_expr *list = lm_malloc(x.second, sizeof *list);
    for (uint32_t i = 0; i < x.second; i++)
        list[i] = with(e, e->lists[x.first + i], context);
    lm_expr made =
        x.kind == LM_EXPR_IS_OR ? lm_expr_any_of(e, list, x.second) : lm_expr_all_of(e, list, x.second);
    free(list);
    return made;
}

/* ---------------------------------------------------------------- names that have texts */

/* Optimistic of AND and NOT, which are looked at later. */
static bool has_texts(lm_expressions *e, lm_expr a, const bool *names)
{
    lm_expr_node *x = &e->nodes[a];
    if (x->stamp == e->stamp)
        return x->derived;
    bool has = a != LM_EXPR_NONE;
    switch ((lm_expr_kind)x->kind) {
    case LM_EXPR_IS_NONE:
    case LM_EXPR_IS_EMPTY:
    case LM_EXPR_IS_BYTES:
    case LM_EXPR_IS_NOT:
        break;
    case LM_EXPR_IS_THEN:
        for (lm_expr i = a; has && lm_expr_at(e, i)->kind == LM_EXPR_IS_THEN;) {
            has = has_texts(e, lm_expr_at(e, i)->first, names);
            i = lm_expr_at(e, i)->second;
            if (has && lm_expr_at(e, i)->kind != LM_EXPR_IS_THEN)
                has = has_texts(e, i, names);
        }
        break;
    case LM_EXPR_IS_REPEAT:
        has = x->least == 0 || has_texts(e, x->first, names);
        break;
    case LM_EXPR_IS_NAME:
        has = names[x->first];
        break;
    case LM_EXPR_IS_OR:
        has = false;
        for (uint32_t i = 0; i < x->second && !has; i++)
            has = has_texts(e, e->lists[x->first + i], names);
        break;
    case LM_EXPR_IS_AND:
        for (uint32_t i = 0; i < x->second && has; i++)
            has = has_texts(e, e->lists[x->first + i], names);
        break;
    }
    x->stamp = e->stamp;
    x->derived = has;
    return has;
}

/* names[i]: there is a text that ends. */
static void find_names_with_texts(lm_expressions *e, bool *names)
{
    for (bool more = true; more;) {
        more = false;
        e->stamp++;
        for (uint32_t i = 0; i < e->name_count; i++) {
            if (names[i] || !has_texts(e, e->names[i], names))
                continue;
            names[i] = more = true;
            e->stamp++;
        }
    }
}

static lm_expr without_names(lm_expressions *e, lm_expr a, const void *context)
{
    const bool *names = context;
    lm_expr_node x = *lm_expr_at(e, a);
    if (x.stamp == e->stamp)
        return x.derived;
    lm_expr made = a;
    if (x.kind == LM_EXPR_IS_NAME)
        made = names[x.first] ? a : LM_EXPR_NONE;
    else
        made = lm_expr_rebuild(e, a, without_names, context);
    e->nodes[a].stamp = e->stamp;
    e->nodes[a].derived = made;
    return made;
}

/* ---------------------------------------------------------------- names that begin with themselves */

enum { BEGUN = 1, DONE };

/* False: an expression is come to from itself without a byte between. */
static bool begins_well(lm_expressions *e, lm_expr a)
{
    lm_expr_node *x = &e->nodes[a];
    if (x->stamp == e->stamp)
        return x->derived == DONE;
    x->stamp = e->stamp;
    x->derived = BEGUN;
    bool well = true;
    switch ((lm_expr_kind)x->kind) {
    case LM_EXPR_IS_NONE:
    case LM_EXPR_IS_EMPTY:
    case LM_EXPR_IS_BYTES:
        break;
    case LM_EXPR_IS_THEN:
        well = begins_well(e, x->first) && (!lm_expr_has_empty(e, x->first) || begins_well(e, x->second));
        break;
    case LM_EXPR_IS_REPEAT:
    case LM_EXPR_IS_NOT:
        well = begins_well(e, x->first);
        break;
    case LM_EXPR_IS_NAME:
        well = begins_well(e, e->names[x->first]);
        break;
    case LM_EXPR_IS_OR:
    case LM_EXPR_IS_AND:
        for (uint32_t i = 0; i < x->second && well; i++)
            well = begins_well(e, e->lists[x->first + i]);
        break;
    }
    x->derived = DONE;
    return well;
}

bool lm_expr_finish(lm_expressions *e, lm_expr *root, lm_status *st)
{
    e->stamp++;
    bool well = begins_well(e, *root);
    for (uint32_t i = 0; i < e->name_count && well; i++)
        well = begins_well(e, e->names[i]);
    if (!well)
        return lm_fail(
            st, LM_FAILED,
            "it refers to itself before anything is written: let something stand before the reference");
    bool *names = lm_malloc((size_t)e->name_count + 1, sizeof *names);
    for (bool more = true;
         more && !e->full;) { /* what AND leaves nothing of may have been all that a name had */
        more = false;
        memset(names, 0, e->name_count);
        find_names_with_texts(e, names);
        e->stamp++;
        for (uint32_t i = 0; i < e->name_count; i++)
            e->names[i] = without_names(e, e->names[i], names);
        *root = without_names(e, *root, names);
        for (uint32_t i = 0; i < e->count; i++)
            e->nodes[i].pruned = e->nodes[i].life = 0;
        for (uint32_t i = 0; i < e->name_count; i++) {
            lm_expr pruned = lm_expr_prune(e, e->names[i]);
            more = more || pruned != e->names[i];
            e->names[i] = pruned;
        }
        *root = lm_expr_prune(e, *root);
    }
    free(names);
    return !lm_expressions_full(e, st);
}
