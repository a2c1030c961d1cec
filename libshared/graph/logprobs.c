#include "graph/logprobs.h"
#include "graph/tape.h"

#include <string.h>

/* ------------------------------------------------------------------ log-probabilities */

lm_tensor *lm_token_logprobs(lm_graph *g, lm_tensor *logits, const int32_t *label, float temperature)
{
    if (!lm_graph_ok(g) || !lm_loss_labels_fit(g, logits, label))
        return g->nothing;
    if (!(temperature > 0))
        return lm_graph_fail(g, "temperature", "%g: give one above 0", (double)temperature);
    bool projects = lm_loss_projects(logits);
    if (!projects && temperature != 1) {
        logits = lm_scale(g, logits, 1 / temperature);
        temperature = 1;
    }
    if (!projects)
        lm_value(g, logits);
    lm_node *n = lm_node_new(g, LM_OP_LOGPROBS, logits->rows, 1, logits->layout, logits, NULL, NULL);
    n->logprobs.label = label;
    n->logprobs.temperature = temperature;
    n->logprobs.projects = projects;
    return lm_node_run(g, n);
}

/* x or bias over the temperature, where it is not 1. */
static const float *cooled(lm_graph *g, const float *x, size_t n, float temperature)
{
    if (!x || temperature == 1)
        return x;
    float *copy = lm_graph_alloc(g, n, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = x[i] / temperature;
    return copy;
}

/* Where a gradient goes that is yet to be divided by the temperature: zeros, or where it is 1 its own place. */
static float *warm(lm_graph *g, float *gradient, size_t n, float temperature)
{
    if (!gradient || temperature == 1)
        return gradient;
    float *zeros = lm_graph_alloc(g, n, sizeof *zeros);
    memset(zeros, 0, n * sizeof *zeros);
    return zeros;
}

static lm_vocab_args of_projection(lm_graph *g, lm_node *n)
{
    lm_node *projection = n->in[0]->node;
    lm_weight_view w = lm_weight_of(projection);
    lm_tensor *x = projection->in[0];
    float t = n->logprobs.temperature;
    lm_vocab_args a = {.x = cooled(g, x->value, lm_elements(x), t), .w = w.weight, .quantised = w.quantised,
                       .bias = cooled(g, w.bias, (size_t)w.out, t), .rows = x->rows, .width = w.in, .vocab = w.out,
                       .label = n->logprobs.label};
    a.row_loss = lm_graph_alloc(g, (size_t)x->rows, sizeof *a.row_loss);
    return a;
}

void lm_logprobs_op_forward(lm_graph *g, lm_node *n)
{
    const lm_tensor *logits = n->in[0];
    if (n->logprobs.projects)
        lm_value(g, logits->node->in[0]);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    if (n->logprobs.projects) {
        lm_vocab_args a = of_projection(g, n);
        lm_vocab_cross_entropy(&a, lm_graph_alloc(g, lm_vocab_scratch(&a), sizeof(float)));
        memcpy(n->out->value, a.row_loss, (size_t)a.rows * sizeof *a.row_loss);
    } else {
        lm_cross_entropy_rows(logits->value, n->logprobs.label, 0, n->out->value, logits->rows, logits->width);
    }
    for (int r = 0; r < n->out->rows; r++)
        n->out->value[r] = -n->out->value[r];
    lm_arena_release(g->arena, mark);
}

/* A log-probability is a cross-entropy with the sign turned, so that its gradient is that of one which weighs -dy. */
static const float *turned(lm_graph *g, const float *dy, int rows)
{
    float *weight = lm_graph_alloc(g, (size_t)rows, sizeof *weight);
    for (int r = 0; r < rows; r++)
        weight[r] = -dy[r];
    return weight;
}

static void backward_projection(lm_graph *g, lm_node *n, float *dx, bool add)
{
    lm_weight_view w = lm_weight_of(n->in[0]->node);
    lm_tensor *x = n->in[0]->node->in[0];
    float t = n->logprobs.temperature;
    lm_vocab_args a = of_projection(g, n);
    a.backward = true;
    a.scale = 1;
    a.weight = turned(g, n->out->grad, x->rows);
    a.dw = w.dweight;
    a.dx = warm(g, dx, lm_elements(x), t);
    a.add_x = add && a.dx == dx;
    a.dbias = warm(g, w.dbias, (size_t)w.out, t);
    lm_vocab_cross_entropy(&a, lm_graph_alloc(g, lm_vocab_scratch(&a), sizeof(float)));
    if (a.dx != dx && !add)
        memset(dx, 0, lm_elements(x) * sizeof *dx);
    if (a.dx != dx)
        lm_vector_axpy(1 / t, a.dx, dx, lm_elements(x));
    if (a.dbias != w.dbias)
        lm_vector_axpy(1 / t, a.dbias, w.dbias, (size_t)w.out);
}

void lm_logprobs_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *logits = n->in[0];
    bool add = false;
    float *dx = lm_grad_of(g, n->logprobs.projects ? logits->node->in[0] : logits, &add);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    if (n->logprobs.projects)
        backward_projection(g, n, dx, add);
    else if (dx)
        lm_cross_entropy_grad(logits->value, n->logprobs.label, turned(g, n->out->grad, logits->rows), 0, 1, dx, add, logits->rows,
                              logits->width);
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ a loss that is known */

lm_tensor *lm_computed_loss(lm_graph *g, lm_tensor *x, double loss, const float *slope)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_COMPUTED_LOSS, 1, 1, NULL, x, NULL, NULL);
    float *kept = lm_graph_alloc(g, lm_elements(x) + 1, sizeof *kept);
    if (lm_elements(x))
        memcpy(kept, slope, lm_elements(x) * sizeof *kept);
    n->computed.slope = kept;
    n->computed.loss = loss;
    return lm_node_run(g, n);
}

void lm_computed_loss_op_forward(lm_graph *g, lm_node *n)
{
    (void)g;
    n->out->value[0] = (float)n->computed.loss;
}

void lm_computed_loss_op_backward(lm_graph *g, lm_node *n)
{
    float *dx = lm_grad_to_add(g, n->in[0]);
    if (dx)
        lm_vector_axpy(n->out->grad[0], n->computed.slope, dx, lm_elements(n->in[0]));
}
