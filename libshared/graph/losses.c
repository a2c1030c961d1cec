#include "graph/tape.h"

#include <math.h>
#include <string.h>

/* Weighted sum of the rows' losses, in their order. */
static void total(lm_node *n, const float *row_loss)
{
    double sum = 0;
    int rows = n->in[0]->rows;
    for (int r = 0; r < rows; r++)
        sum += (double)(n->loss.weight ? n->loss.weight[r] : 1) * row_loss[r];
    n->out->value[0] = (float)sum;
    if (n->loss.per_row && rows)
        memcpy(n->loss.per_row, row_loss, (size_t)rows * sizeof *row_loss);
}

lm_node *lm_loss_node(lm_graph *g, lm_op_id op, lm_tensor *x, const int32_t *label, const float *target,
                      const float *weight, float *per_row)
{
    lm_node *n = lm_node_new(g, op, 1, 1, NULL, x, NULL, NULL);
    n->loss.label = label;
    n->loss.target = target;
    n->loss.weight = weight;
    n->loss.per_row = per_row;
    return n;
}

bool lm_loss_labels_fit(lm_graph *g, const lm_tensor *logits, const int32_t *label)
{
    for (int r = 0; r < logits->rows; r++) {
        if (label[r] != LM_IGNORED && (label[r] < 0 || label[r] >= logits->width)) {
            lm_graph_fail(g, "label", "row %d has %d, but the head has %d classes: check num_labels", r,
                          (int)label[r], logits->width);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ cross-entropy */

bool lm_loss_projects(const lm_tensor *logits)
{
    return !logits->value && logits->node && logits->node->op == lm_op_at(LM_OP_VOCAB_LINEAR);
}

lm_tensor *lm_cross_entropy(lm_graph *g, lm_tensor *logits, const int32_t *label, const float *weight,
                            float smoothing, float *per_row)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (!lm_loss_labels_fit(g, logits, label))
        return g->nothing;
    if (!(smoothing >= 0 && smoothing <= 1))
        return lm_graph_fail(g, "label smoothing", "%g: give a value from 0 to 1", (double)smoothing);
    lm_node *n = lm_loss_node(g, LM_OP_CROSS_ENTROPY, logits, label, NULL, weight, per_row);
    n->loss.how.smoothing = smoothing;
    bool wants_grad = logits->needs_grad && (g->step.training || g->step.taping);
    return lm_loss_projects(n->in[0]) && wants_grad ? lm_node_defer(g, n) : lm_node_run(g, n);
}

/* Loss, and gradients too if `backward`, from the projection's input. */
static void fused_cross_entropy(lm_graph *g, lm_node *n, bool backward)
{
    lm_node *projection = n->in[0]->node;
    lm_weight_view w = lm_weight_of(projection);
    lm_tensor *x = projection->in[0];
    lm_vocab_args a = {.x = lm_value(g, x),
                       .w = w.weight,
                       .quantised = w.quantised,
                       .bias = w.bias,
                       .rows = x->rows,
                       .width = w.in,
                       .vocab = w.out,
                       .label = n->loss.label,
                       .weight = n->loss.weight,
                       .smoothing = n->loss.how.smoothing,
                       .backward = backward};
    if (backward) {
        a.scale = n->out->grad[0];
        a.dw = w.dweight;
        a.dbias = w.dbias;
        a.dx = lm_grad_of(g, x, &a.add_x);
        if (!n->out->value)
            n->out->value = lm_graph_alloc(g, 1, sizeof(float));
    }
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    a.row_loss = lm_graph_alloc(g, (size_t)x->rows, sizeof *a.row_loss);
    float *scratch = lm_graph_alloc(g, lm_vocab_scratch(&a), sizeof *scratch);
    lm_vocab_cross_entropy(&a, scratch);
    total(n, a.row_loss);
    lm_arena_release(g->arena, mark);
}

void lm_cross_entropy_op_forward(lm_graph *g, lm_node *n)
{
    if (lm_loss_projects(n->in[0])) {
        fused_cross_entropy(g, n, false);
        return;
    }
    const lm_tensor *logits = n->in[0];
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    float *row_loss = lm_graph_alloc(g, (size_t)logits->rows, sizeof *row_loss);
    lm_cross_entropy_rows(logits->value, n->loss.label, n->loss.how.smoothing, row_loss, logits->rows,
                          logits->width);
    total(n, row_loss);
    lm_arena_release(g->arena, mark);
}

void lm_cross_entropy_op_backward(lm_graph *g, lm_node *n)
{
    if (lm_loss_projects(n->in[0])) {
        fused_cross_entropy(g, n, true);
        return;
    }
    lm_tensor *logits = n->in[0];
    bool add;
    float *dx = lm_grad_of(g, logits, &add);
    if (dx)
        lm_cross_entropy_grad(logits->value, n->loss.label, n->loss.weight, n->loss.how.smoothing,
                              n->out->grad[0], dx, add, logits->rows, logits->width);
}

/* ------------------------------------------------------------------ squared error and binary cross-entropy
 * Few columns and one row a sequence: plain loops. */

typedef struct pair {
    double loss, slope;
} pair;

static pair squared_error(double x, double target)
{
    return (pair){(x - target) * (x - target), 2 * (x - target)};
}

/* max(x,0) - x t + log(1 + exp(-|x|)), whose derivative is sigmoid(x) - t. */
static pair binary_cross_entropy(double x, double target)
{
    double e = exp(-fabs(x)), sigmoid = x >= 0 ? 1 / (1 + e) : e / (1 + e);
    return (pair){fmax(x, 0) - x * target + log1p(e), sigmoid - target};
}

static void elementwise_forward(lm_graph *g, lm_node *n, pair (*f)(double, double))
{
    const lm_tensor *x = n->in[0];
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    float *row_loss = lm_graph_alloc(g, (size_t)x->rows, sizeof *row_loss);
    for (int r = 0; r < x->rows; r++) {
        double sum = 0;
        for (int c = 0; c < x->width; c++) {
            size_t at = (size_t)r * (size_t)x->width + (size_t)c;
            sum += f(x->value[at], n->loss.target[at]).loss;
        }
        row_loss[r] = (float)sum;
    }
    total(n, row_loss);
    lm_arena_release(g->arena, mark);
}

static void elementwise_backward(lm_graph *g, lm_node *n, pair (*f)(double, double))
{
    lm_tensor *x = n->in[0];
    bool add;
    float *dx = lm_grad_of(g, x, &add);
    if (!dx)
        return;
    for (int r = 0; r < x->rows; r++) {
        float factor = n->out->grad[0] * (n->loss.weight ? n->loss.weight[r] : 1);
        for (int c = 0; c < x->width; c++) {
            size_t at = (size_t)r * (size_t)x->width + (size_t)c;
            dx[at] = (add ? dx[at] : 0) + factor * (float)f(x->value[at], n->loss.target[at]).slope;
        }
    }
}

lm_tensor *lm_squared_error(lm_graph *g, lm_tensor *x, const float *target, const float *weight,
                            float *per_row)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    lm_value(g, x);
    return lm_node_run(g, lm_loss_node(g, LM_OP_SQUARED_ERROR, x, NULL, target, weight, per_row));
}

lm_tensor *lm_binary_cross_entropy(lm_graph *g, lm_tensor *logits, const float *target, const float *weight,
                                   float *per_row)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    lm_value(g, logits);
    return lm_node_run(g, lm_loss_node(g, LM_OP_BINARY_CROSS_ENTROPY, logits, NULL, target, weight, per_row));
}

void lm_squared_error_op_forward(lm_graph *g, lm_node *n)
{
    elementwise_forward(g, n, squared_error);
}

void lm_squared_error_op_backward(lm_graph *g, lm_node *n)
{
    elementwise_backward(g, n, squared_error);
}

void lm_binary_cross_entropy_op_forward(lm_graph *g, lm_node *n)
{
    elementwise_forward(g, n, binary_cross_entropy);
}

void lm_binary_cross_entropy_op_backward(lm_graph *g, lm_node *n)
{
    elementwise_backward(g, n, binary_cross_entropy);
}
