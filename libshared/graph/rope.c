/* Rotary positions. */
#include "base/memory.h"
#include "graph/tape.h"

#include <stdlib.h>
#include <string.h>

static bool same_rotation(lm_rotation a, const lm_rotation *b)
{
    return a.width == b->width && memcmp(a.frequency, b->frequency, (size_t)a.width / 2 * sizeof *a.frequency) == 0;
}

/* The number of a rotation's table, which has positions up to `last` then. Positions come again in each layer and each
 * step, so tables are kept; they are as long as the longest row that there was. */
static int table_of(lm_graph *g, const lm_rotation *r, int last)
{
    lm_turn_table *t = g->table;
    while (t < g->table + g->tables && !same_rotation(t->rotation, r))
        t++;
    if (t == g->table + g->tables) {
        g->table = lm_realloc(g->table, (size_t)g->tables + 1, sizeof *t);
        t = &g->table[g->tables++];
        *t = (lm_turn_table){.rotation = *r};
    }
    if (last >= t->positions) {
        int positions = last < 1 << 29 ? 2 * (last + 1) : last + 1; /* not anew for each token that is generated */
        t->turns = lm_realloc(t->turns, (size_t)positions * (size_t)r->width, sizeof *t->turns);
        lm_rope_turns(r->frequency, r->width, t->positions, positions, t->turns);
        t->positions = positions;
    }
    return (int)(t - g->table);
}

lm_tensor *lm_rope(lm_graph *g, lm_tensor *x, int heads, const lm_rotation *rotation)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    const int32_t *position = x->layout->position;
    if (!position)
        return lm_graph_fail(g, "rope", "its input does not have the rows of a batch: check the plugin");
    if (heads < 1 || x->width % heads || rotation->width < 0 || rotation->width % 2 ||
        rotation->width > x->width / heads)
        return lm_graph_fail(g, "rope", "%d columns of each of %d heads of an input that is %d wide: check the plugin",
                             rotation->width, heads, x->width);
    int last = 0;
    for (int t = 0; t < x->rows; t++) {
        if (position[t] < 0)
            return lm_graph_fail(g, "rope", "token %d is at position %d: this is a mistake in the program", t,
                                 (int)position[t]);
        last = position[t] > last ? position[t] : last;
    }
    lm_node *n = lm_node_new(g, LM_OP_ROPE, x->rows, x->width, x->layout, x, NULL, NULL);
    n->rope.table = table_of(g, rotation, last);
    n->rope.heads = heads;
    n->rope.columns = rotation->width;
    return lm_node_run(g, n);
}

void lm_rope_op_forward(lm_graph *g, lm_node *n)
{
    const lm_tensor *y = n->out;
    lm_rope_rows(lm_value(g, n->in[0]), y->layout->position, g->table[n->rope.table].turns, false, y->value, false, y->rows,
                 n->rope.heads, y->width / n->rope.heads, n->rope.columns);
}

void lm_rope_op_backward(lm_graph *g, lm_node *n)
{
    const lm_tensor *y = n->out;
    const float *dy = y->grad;
    bool add = false;
    float *dx = lm_grad_take(n, n->in[0]) ? n->in[0]->grad : lm_grad_of(g, n->in[0], &add);
    if (dx)
        lm_rope_rows(dy, y->layout->position, g->table[n->rope.table].turns, true, dx, add, y->rows, n->rope.heads,
                     y->width / n->rope.heads, n->rope.columns);
}
