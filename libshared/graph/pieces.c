/* Pieces of a forward pass: what they have allocated is given back, or they are run again when the backward pass reaches
 * them. */
#include "base/memory.h"
#include "graph/tape.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ scopes */

lm_arena_mark lm_graph_scope_open(lm_graph *g)
{
    return lm_arena_mark_get(g->arena);
}

/* What lies behind the mark is given back, after the value of `keep` has been put aside for a tensor of its size. Returns keep
 * with the layout that outlives the release; NULL if it has none such. */
static lm_tensor carry_out(lm_graph *g, lm_arena_mark mark, lm_tensor *keep)
{
    lm_tensor kept = *keep;
    size_t n = lm_elements(keep);
    if (n > g->carry_room) {
        free(g->carry);
        g->carry = lm_malloc(n, sizeof *g->carry);
        g->carry_room = n;
        g->carry_mallocs++;
    }
    if (n)
        memcpy(g->carry, lm_value(g, keep), n * sizeof *g->carry);
    lm_arena_release(g->arena, mark);
    if (kept.layout != g->layout && kept.layout != g->target_layout)
        kept.layout = NULL;
    return kept;
}

static void carry_in(lm_graph *g, lm_tensor *t)
{
    t->value = lm_graph_alloc(g, lm_elements(t), sizeof *t->value);
    if (lm_elements(t))
        memcpy(t->value, g->carry, lm_elements(t) * sizeof *t->value);
}

lm_tensor *lm_graph_scope_close(lm_graph *g, lm_arena_mark mark, lm_tensor *keep)
{
    bool taping = g->step.training || g->step.taping;
    if ((taping && (g->last || keep->needs_grad)) || !lm_graph_ok(g))
        return keep;
    lm_tensor kept = carry_out(g, mark, keep);
    lm_tensor *t = lm_tensor_new(g, kept.rows, kept.width, kept.layout);
    carry_in(g, t);
    return t;
}

/* ------------------------------------------------------------------ recomputing */

/* What a piece's operations are numbered by. */
typedef struct numbering {
    int layer, site, outside_site;
    lm_scope body;
} numbering;

struct lm_again {
    lm_piece piece;
    numbering from; /* where the forward pass stood */
};

static numbering numbering_of(const lm_graph *g)
{
    return (numbering){g->layer, g->site, g->outside_site, g->body};
}

static void number_from(lm_graph *g, numbering from)
{
    g->layer = from.layer;
    g->site = from.site;
    g->outside_site = from.outside_site;
    g->body = from.body;
}

lm_tensor *lm_graph_piece(lm_graph *g, lm_arena_mark start, lm_piece piece, lm_tensor *x, lm_tensor *memory)
{
    if (!g->step.recompute || !(g->step.training || g->step.taping))
        return lm_graph_scope_close(g, start, piece.run(g, piece.context, x, memory));
    numbering from = numbering_of(g);
    lm_arena_mark mark = lm_graph_scope_open(g);
    g->untaped = true;
    lm_tensor *y = piece.run(g, piece.context, x, memory);
    g->untaped = false;
    if (!lm_graph_ok(g) || y == x || y == memory)
        return y;
    if (!y->needs_grad)
        return lm_graph_scope_close(g, start, y);
    lm_tensor kept = carry_out(g, mark, y);
    if (!kept.layout)
        return lm_graph_fail(g, "recompute", "a block gives other rows than it takes: leave --recompute out");
    lm_node *n = lm_node_new(g, LM_OP_RECOMPUTE, kept.rows, kept.width, kept.layout, x, memory, NULL);
    n->again = lm_graph_alloc(g, 1, sizeof *n->again);
    *n->again = (lm_again){piece, from};
    carry_in(g, n->out);
    lm_node_tape(g, n);
    return n->out;
}

/* An input as the piece sees it when it runs again: the same value and gradient, and nothing below. */
typedef struct leaf {
    lm_tensor seen;
    float *room; /* for the gradient, where there is none yet: what the piece allocates is given back */
    size_t floats;
} leaf;

static lm_tensor *open_leaf(lm_graph *g, leaf *l, lm_tensor *t)
{
    *l = (leaf){.room = NULL};
    if (!t)
        return NULL;
    l->seen = *t;
    l->seen.node = NULL;
    if (t->needs_grad && !t->grad)
        l->room = lm_grad_buffer(g, lm_elements(t), &l->floats);
    return &l->seen;
}

/* Takes the gradient out of what will be given back. */
static void save_gradient(leaf *l, lm_node *n, lm_tensor *t)
{
    if (!l->room || !l->seen.grad)
        return;
    if (l->seen.grad == n->out->grad) { /* handed through: it is not of the piece */
        t->grad = l->seen.grad;
        t->grad_room = l->seen.grad_room;
        n->out->grad = NULL;
        return;
    }
    memcpy(l->room, l->seen.grad, lm_elements(t) * sizeof *l->room);
    t->grad = l->room;
    t->grad_room = l->floats;
}

static void close_leaf(lm_graph *g, leaf *l, const lm_tensor *t)
{
    if (l->room && t->grad != l->room)
        lm_grad_give_back(g, &(lm_tensor){.grad = l->room, .grad_room = l->floats});
}

void lm_recompute_op_backward(lm_graph *g, lm_node *n)
{
    leaf of_x, of_memory;
    lm_tensor *x = open_leaf(g, &of_x, n->in[0]), *memory = open_leaf(g, &of_memory, n->in[1]);
    lm_grad_pool pool = g->pool; /* buffers that the piece adds to it are given back with the piece */
    numbering now = numbering_of(g);
    lm_node *rest = g->last;
    lm_arena_mark mark = lm_graph_scope_open(g);
    g->last = NULL;
    number_from(g, n->again->from);
    lm_tensor *y = n->again->piece.run(g, n->again->piece.context, x, memory);
    if (lm_graph_ok(g)) {
        y->grad = n->out->grad;
        y->grad_room = n->out->grad_room;
        lm_tape_backward(g);
        save_gradient(&of_x, n, n->in[0]);
        save_gradient(&of_memory, n, n->in[1]);
    }
    g->last = rest;
    number_from(g, now);
    g->pool = pool;
    close_leaf(g, &of_x, n->in[0]);
    close_leaf(g, &of_memory, n->in[1]);
    lm_arena_release(g->arena, mark);
}
