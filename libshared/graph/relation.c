#include "graph/distillation.h"
#include "graph/tape.h"

#include <string.h>

/* The loss is one number of which each sequence's part has a known weight, so that the forward pass, which has the scores at hand, leaves
 * the gradient but for the factor that comes from above. */
struct lm_relation_node {
    lm_relation_args args;
    float *da, *db; /* [tokens, width], one where a and b are; NULL where nobody wants it */
};

static bool is_sound(lm_graph *g, const lm_tensor *a, const lm_tensor *b, const lm_relation *r)
{
    bool divides = r->heads > 0 && r->b_heads > 0 && r->heads % r->b_heads == 0 && a->width % r->heads == 0 &&
                   (int64_t)a->width * r->b_heads == (int64_t)b->width * r->heads;
    bool teaches = r->teacher.b_heads > 0 && r->heads % r->teacher.b_heads == 0 && r->teacher.dim > 0;
    if (divides && teaches && a->layout->row_splits && a->layout == b->layout)
        return true;
    lm_graph_fail(g, "relation", "%d heads (%d of b, %d of the teacher's) do not divide a [%d, %d] and b [%d, %d] of whole sequences",
                  r->heads, r->b_heads, r->teacher.b_heads, a->rows, a->width, b->rows, b->width);
    return false;
}

lm_tensor *lm_relation_loss(lm_graph *g, lm_tensor *a, lm_tensor *b, const lm_relation *how)
{
    if (!lm_graph_ok(g) || !is_sound(g, a, b, how))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_RELATION, 1, 1, NULL, a, b, NULL);
    n->relation = lm_graph_alloc(g, 1, sizeof *n->relation);
    *n->relation = (struct lm_relation_node){.args = {.sequences = a->layout->sequences,
                                                      .heads = how->heads,
                                                      .splits = a->layout->row_splits,
                                                      .student = {.b_heads = how->b_heads,
                                                                  .dim = a->width / how->heads,
                                                                  .scale = how->scale},
                                                      .teacher = how->teacher,
                                                      .causal = how->causal,
                                                      .window = how->window,
                                                      .scores = how->scores,
                                                      .weight = how->weight}};
    return lm_node_run(g, n);
}

static float *zeros(lm_graph *g, const lm_tensor *t)
{
    float *all = lm_graph_alloc(g, lm_elements(t), sizeof *all);
    if (lm_elements(t))
        memset(all, 0, lm_elements(t) * sizeof *all);
    return all;
}

void lm_relation_op_forward(lm_graph *g, lm_node *n)
{
    lm_relation_args *args = &n->relation->args;
    lm_tensor *a = n->in[0], *b = n->in[1];
    args->student.a = lm_value(g, a);
    args->student.b = lm_value(g, b);
    if (n->out->needs_grad && (g->step.training || g->step.taping)) {
        n->relation->da = args->da = zeros(g, a);
        n->relation->db = args->db = a == b ? args->da : zeros(g, b);
    }
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    args->loss = lm_graph_alloc(g, (size_t)args->sequences, sizeof *args->loss);
    lm_compare_relations(args, lm_graph_alloc(g, lm_compare_relations_scratch(args), sizeof(float)));
    double sum = 0;
    for (int s = 0; s < args->sequences; s++)
        sum += (double)args->weight[s] * args->loss[s];
    n->out->value[0] = (float)sum;
    lm_arena_release(g->arena, mark);
}

static void pass_on(lm_graph *g, lm_tensor *t, float factor, const float *from)
{
    bool add;
    float *dt = lm_grad_of(g, t, &add);
    if (dt && add)
        lm_vector_axpy(factor, from, dt, lm_elements(t));
    else if (dt)
        lm_vector_scale(factor, from, dt, lm_elements(t));
}

void lm_relation_op_backward(lm_graph *g, lm_node *n)
{
    pass_on(g, n->in[0], n->out->grad[0], n->relation->da);
    if (n->in[1] != n->in[0])
        pass_on(g, n->in[1], n->out->grad[0], n->relation->db);
}
