#include "base/memory.h"
#include "generate/constraint/expression_internal.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- lists that grow */

typedef struct expr_list {
    lm_expr *at;
    size_t n, cap;
} expr_list;

static void push(expr_list *l, lm_expr a)
{
    LM_GROW(l->at, l->n, l->cap);
    l->at[l->n++] = a;
}

/* ---------------------------------------------------------------- the derivative */

static lm_expr derive(lm_expressions *e, lm_expr a, const void *byte);

/* a.b.c: of a, and of b where a may be empty, and so on. */
static lm_expr derive_then(lm_expressions *e, lm_expr a, const void *byte)
{
    expr_list ways = {0};
    bool goes_on = true;
    while (goes_on && lm_expr_at(e, a)->kind == LM_EXPR_IS_THEN) {
        lm_expr first = lm_expr_at(e, a)->first, rest = lm_expr_at(e, a)->second;
        push(&ways, lm_expr_then(e, derive(e, first, byte), rest));
        goes_on = lm_expr_has_empty(e, first);
        a = rest;
    }
    if (goes_on)
        push(&ways, derive(e, a, byte));
    lm_expr all = lm_expr_any_of(e, ways.at, ways.n);
    free(ways.at);
    return all;
}

static lm_expr derive_repeat(lm_expressions *e, const lm_expr_node *x, const void *byte)
{
    lm_expr once = derive(e, x->first, byte);
    uint32_t most = x->most == LM_MANY ? LM_MANY : x->most - 1;
    return lm_expr_then(e, once, lm_expr_repeat(e, x->first, x->least ? x->least - 1 : 0, most));
}

static lm_expr derive(lm_expressions *e, lm_expr a, const void *byte)
{
    lm_expr_node x = *lm_expr_at(e, a); /* a copy: there will be more nodes */
    if (x.stamp == e->stamp)
        return x.derived;
    lm_expr made = LM_EXPR_NONE;
    switch ((lm_expr_kind)x.kind) {
    case LM_EXPR_IS_NONE:
    case LM_EXPR_IS_EMPTY:
        break;
    case LM_EXPR_IS_BYTES:
        made = lm_byte_set_has(&e->sets[x.first], *(const uint8_t *)byte) ? LM_EXPR_EMPTY : LM_EXPR_NONE;
        break;
    case LM_EXPR_IS_THEN:
        made = derive_then(e, a, byte);
        break;
    case LM_EXPR_IS_REPEAT:
        made = derive_repeat(e, &x, byte);
        break;
    case LM_EXPR_IS_NAME:
        made = derive(e, e->names[x.first], byte);
        break;
    case LM_EXPR_IS_OR:
    case LM_EXPR_IS_AND:
    case LM_EXPR_IS_NOT:
        made = lm_expr_rebuild(e, a, derive, byte);
        break;
    }
    e->nodes[a].stamp = e->stamp;
    e->nodes[a].derived = made;
    return made;
}

lm_expr lm_expr_derive(lm_expressions *e, lm_expr a, int byte)
{
    uint8_t b = (uint8_t)byte;
    e->stamp++;
    return derive(e, a, &b);
}

/* ---------------------------------------------------------------- bytes that do the same */

typedef struct partition {
    uint8_t *of;
    int count;
} partition;

static void refine(partition *p, const lm_byte_set *set)
{
    int16_t split[256][2];
    memset(split, -1, sizeof split);
    int count = 0;
    for (int b = 0; b < 256; b++) {
        int16_t *to = &split[p->of[b]][lm_byte_set_has(set, b)];
        if (*to < 0)
            *to = (int16_t)count++;
        p->of[b] = (uint8_t)*to;
    }
    p->count = count;
}

/* By every set of bytes that a text may begin with. */
static void divide(lm_expressions *e, lm_expr a, partition *p)
{
    for (;;) {
        lm_expr_node *x = &e->nodes[a];
        if (x->stamp == e->stamp)
            return;
        x->stamp = e->stamp;
        switch ((lm_expr_kind)x->kind) {
        case LM_EXPR_IS_NONE:
        case LM_EXPR_IS_EMPTY:
            return;
        case LM_EXPR_IS_BYTES:
            refine(p, &e->sets[x->first]);
            return;
        case LM_EXPR_IS_THEN:
            divide(e, x->first, p);
            if (!lm_expr_has_empty(e, x->first))
                return;
            a = x->second;
            break;
        case LM_EXPR_IS_REPEAT:
        case LM_EXPR_IS_NOT:
            a = x->first;
            break;
        case LM_EXPR_IS_NAME:
            a = e->names[x->first];
            break;
        case LM_EXPR_IS_OR:
        case LM_EXPR_IS_AND:
            for (uint32_t i = 0; i < x->second; i++)
                divide(e, e->lists[x->first + i], p);
            return;
        }
    }
}

int lm_expr_classes(lm_expressions *e, lm_expr a, uint8_t classes[256], uint8_t of[256])
{
    partition p = {classes, 1};
    memset(classes, 0, 256);
    e->stamp++;
    divide(e, a, &p);
    for (int b = 255; b >= 0; b--)
        of[classes[b]] = (uint8_t)b;
    return p.count;
}

/* ---------------------------------------------------------------- what no text is in */

enum { SEARCH_MOST = 20000 };

/* The expressions that were come to, and from which. */
typedef struct search {
    expr_list seen;
    size_t *from, from_cap;
} search;

static void reach(search *s, lm_expr a, size_t from)
{
    LM_GROW(s->from, s->seen.n, s->from_cap);
    s->from[s->seen.n] = from;
    push(&s->seen, a);
}

/* Whether any text is in it: breadth first, up to the first one. */
static bool alive(lm_expressions *e, lm_expr a)
{
    const lm_expr_node *x = lm_expr_at(e, a);
    if (x->life != LM_LIFE_UNKNOWN || !x->doubted || x->empty)
        return x->life != LM_LIFE_NO && a != LM_EXPR_NONE;
    search s = {0};
    bool found = false;
    size_t at = 0;
    reach(&s, a, 0);
    e->nodes[a].life = LM_LIFE_NO; /* unless it turns out otherwise */
    for (; at < s.seen.n && !found && !e->full; at++) {
        uint8_t classes[256], of[256];
        int n = lm_expr_classes(e, s.seen.at[at], classes, of);
        for (int i = 0; i < n && !found; i++) {
            lm_expr next = lm_expr_derive(e, s.seen.at[at], of[i]);
            lm_expr_node *y = &e->nodes[next];
            found = next != LM_EXPR_NONE && (!y->doubted || y->empty || y->life == LM_LIFE_YES);
            if (found || next == LM_EXPR_NONE || y->life == LM_LIFE_NO)
                continue;
            y->life = LM_LIFE_NO;
            reach(&s, next, at);
        }
        if (s.seen.n > SEARCH_MOST)
            e->full = true;
    }
    if (found) { /* of the others nothing is known: they may come to what was not looked at */
        for (size_t i = 0; i < s.seen.n; i++)
            e->nodes[s.seen.at[i]].life = LM_LIFE_UNKNOWN;
        for (size_t i = at - 1;; i = s.from[i]) {
            e->nodes[s.seen.at[i]].life = LM_LIFE_YES;
            if (i == 0)
                break;
        }
    }
    free(s.seen.at);
    free(s.from);
    return found;
}

static lm_expr prune(lm_expressions *e, lm_expr a, const void *context)
{
    lm_expr_node x = *lm_expr_at(e, a);
    if (!x.doubted)
        return a;
    if (x.pruned)
        return x.pruned - 1;
    lm_expr made = a;
    if (x.kind == LM_EXPR_IS_AND || x.kind == LM_EXPR_IS_NOT)
        made = alive(e, a) ? a : LM_EXPR_NONE;
    else
        made = lm_expr_rebuild(e, a, prune, context);
    e->nodes[a].pruned = made + 1;
    e->nodes[made].pruned = made + 1;
    return made;
}

lm_expr lm_expr_prune(lm_expressions *e, lm_expr a)
{
    return prune(e, a, NULL);
}

/* ---------------------------------------------------------------- rows */

static lm_expr (*new_row(lm_expressions *e))[256]
{
    if (e->row_count == e->row_blocks * LM_ROW_BLOCK) {
        e->rows = lm_realloc(e->rows, e->row_blocks + 1, sizeof *e->rows);
        e->rows[e->row_blocks++] = lm_malloc(LM_ROW_BLOCK, sizeof **e->rows);
    }
    return &e->rows[e->row_count / LM_ROW_BLOCK][e->row_count % LM_ROW_BLOCK];
}

const lm_expr *lm_expr_after(lm_expressions *e, lm_expr a)
{
    uint32_t row = lm_expr_at(e, a)->row;
    if (row--)
        return e->rows[row / LM_ROW_BLOCK][row % LM_ROW_BLOCK];
    uint8_t classes[256], of[256];
    lm_expr left[256];
    int n = lm_expr_classes(e, a, classes, of);
    for (int i = 0; i < n; i++)
        left[i] = lm_expr_prune(e, lm_expr_derive(e, a, of[i]));
    if (e->full)
        return NULL;
    lm_expr *to = *new_row(e);
    for (int b = 0; b < 256; b++)
        to[b] = left[classes[b]];
    e->nodes[a].row = ++e->row_count;
    return to;
}

void lm_expr_forget(lm_expressions *e, size_t bytes)
{
    if (e->row_count * sizeof(lm_expr[256]) <= bytes)
        return;
    for (uint32_t i = 0; i < e->row_blocks; i++)
        free(e->rows[i]);
    e->row_blocks = e->row_count = 0;
    for (uint32_t i = 0; i < e->count; i++)
        e->nodes[i].row = 0;
}

bool lm_expr_matches(lm_expressions *e, lm_expr a, lm_str text)
{
    for (size_t i = 0; i < text.len && a != LM_EXPR_NONE; i++)
        a = lm_expr_derive(e, a, (unsigned char)text.data[i]);
    return lm_expr_has_empty(e, a);
}
