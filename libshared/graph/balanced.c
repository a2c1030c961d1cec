/* Losses over classes that are not alike: weighted, focal and smoothed cross-entropy. A head for rows has few
 * columns, so these are plain loops in double. */
#include "graph/tape.h"

#include <math.h>
#include <string.h>

/* (1-p)^gamma log p and its slope in log-odds terms, from log p and log(1-p), which neither overflow nor
 * cancel. */
typedef struct part {
    double loss;  /* -(1-p)^gamma log p */
    double slope; /* p d loss / d p, for a softmax; times (1-p), for a sigmoid */
} part;

static part focal(double log_p, double log_rest, double gamma)
{
    if (gamma <= 0)
        return (part){-log_p, -1};
    double modulation = exp(gamma * log_rest);
    /* log p / (1-p) tends to -1 where p tends to 1 */
    double ratio = log_p < -1e-12 ? log_p / -expm1(log_p) : -1;
    return (part){-modulation * log_p, modulation * (gamma * exp(log_p) * ratio - 1)};
}

/* log(1-p) from log p; -infinity where p is 1. */
static double log_rest_of(double log_p)
{
    return log_p < -M_LN2 ? log1p(-exp(log_p)) : log(-expm1(log_p));
}

static bool check_balance(lm_graph *g, const lm_balance *how, int classes)
{
    for (int c = 0; how->class_weight && c < classes; c++)
        if (!(how->class_weight[c] >= 0 && isfinite(how->class_weight[c]))) {
            lm_graph_fail(g, "class weights", "class %d has %g: give a finite one that is not negative", c,
                          (double)how->class_weight[c]);
            return false;
        }
    if (!(how->gamma >= 0 && isfinite(how->gamma))) {
        lm_graph_fail(g, "focal loss", "gamma %g: give a finite one that is not negative", (double)how->gamma);
        return false;
    }
    if (!(how->smoothing >= 0 && how->smoothing <= 1)) {
        lm_graph_fail(g, "label smoothing", "%g: give a value from 0 to 1", (double)how->smoothing);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ one class of several */

lm_tensor *lm_balanced_cross_entropy(lm_graph *g, lm_tensor *logits, const int32_t *label, const float *weight,
                                     const lm_balance *how, float *per_row)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (!how->class_weight && how->gamma == 0)
        return lm_cross_entropy(g, logits, label, weight, how->smoothing, per_row);
    if (!lm_loss_labels_fit(g, logits, label) || !check_balance(g, how, logits->width))
        return g->nothing;
    lm_value(g, logits);
    lm_node *n = lm_loss_node(g, LM_OP_BALANCED_CROSS_ENTROPY, logits, label, NULL, weight, per_row);
    n->loss.how = *how;
    return lm_node_run(g, n);
}

static double log_sum_of(const float *x, int n)
{
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < n; c++)
        max = fmax(max, x[c]);
    for (int c = 0; c < n; c++)
        sum += exp(x[c] - max);
    return max + log(sum);
}

/* What class c weighs in the loss of a row: its share of the smoothed target, times its weight. */
static double share_of(const lm_balance *how, int classes, int c, int32_t label)
{
    double share = (c == label ? 1 - (double)how->smoothing : 0) + (double)how->smoothing / classes;
    return share * (how->class_weight ? (double)how->class_weight[c] : 1);
}

/* The loss of a row, and h[c] = p_c times the derivative by p_c, of which the gradient is made. */
static double row_of(const lm_balance *how, const float *x, int classes, int32_t label, double *h)
{
    double log_sum = log_sum_of(x, classes), loss = 0;
    for (int c = 0; c < classes; c++) {
        double share = share_of(how, classes, c, label), log_p = fmin(x[c] - log_sum, 0);
        part f = share > 0 ? focal(log_p, how->gamma > 0 ? log_rest_of(log_p) : 0, how->gamma) : (part){0, 0};
        loss += share > 0 ? share * f.loss : 0;
        h[c] = share * f.slope;
    }
    return loss;
}

static void add_plain(const lm_balance *how, double loss)
{
    if (!how->plain)
        return;
    how->plain->sum += loss;
    how->plain->rows++;
}

void lm_balanced_cross_entropy_op_forward(lm_graph *g, lm_node *n)
{
    const lm_tensor *x = n->in[0];
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    double *h = lm_graph_alloc(g, (size_t)x->width, sizeof *h), sum = 0;
    for (int r = 0; r < x->rows; r++) {
        const float *row = x->value + (size_t)r * (size_t)x->width;
        double loss = 0;
        if (n->loss.label[r] != LM_IGNORED) {
            loss = row_of(&n->loss.how, row, x->width, n->loss.label[r], h);
            add_plain(&n->loss.how, log_sum_of(row, x->width) - row[n->loss.label[r]]);
        }
        sum += (n->loss.weight ? (double)n->loss.weight[r] : 1) * loss;
        if (n->loss.per_row)
            n->loss.per_row[r] = (float)loss;
    }
    n->out->value[0] = (float)sum;
    lm_arena_release(g->arena, mark);
}

void lm_balanced_cross_entropy_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *x = n->in[0];
    bool add;
    float *dx = lm_grad_of(g, x, &add);
    if (!dx)
        return;
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    double *h = lm_graph_alloc(g, (size_t)x->width, sizeof *h);
    for (int r = 0; r < x->rows; r++, dx += x->width) {
        const float *row = x->value + (size_t)r * (size_t)x->width;
        double factor = n->out->grad[0] * (n->loss.weight ? (double)n->loss.weight[r] : 1), sum = 0;
        bool ignored = n->loss.label[r] == LM_IGNORED;
        if (!ignored)
            row_of(&n->loss.how, row, x->width, n->loss.label[r], h);
        double log_sum = ignored ? 0 : log_sum_of(row, x->width);
        for (int c = 0; c < x->width && !ignored; c++)
            sum += h[c];
        for (int c = 0; c < x->width; c++) {
            double d = ignored ? 0 : factor * (h[c] - exp(row[c] - log_sum) * sum);
            dx[c] = (add ? dx[c] : 0) + (float)d;
        }
    }
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ any number of classes */

lm_tensor *lm_balanced_binary_cross_entropy(lm_graph *g, lm_tensor *logits, const float *target,
                                            const float *weight, const lm_balance *how, float *per_row)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (!how->class_weight && how->gamma == 0 && how->smoothing == 0)
        return lm_binary_cross_entropy(g, logits, target, weight, per_row);
    if (!check_balance(g, how, logits->width))
        return g->nothing;
    lm_value(g, logits);
    lm_node *n = lm_loss_node(g, LM_OP_BALANCED_BINARY_CROSS_ENTROPY, logits, NULL, target, weight, per_row);
    n->loss.how = *how;
    return lm_node_run(g, n);
}

/* log sigmoid(x). */
static double log_sigmoid(double x)
{
    return fmin(x, 0) - log1p(exp(-fabs(x)));
}

/* Loss of a logit and its derivative. */
static part binary_of(const lm_balance *how, int c, double x, double target)
{
    double yes = log_sigmoid(x), no = log_sigmoid(-x);
    double t = target * (1 - (double)how->smoothing) + 0.5 * (double)how->smoothing;
    double share = t * (how->class_weight ? (double)how->class_weight[c] : 1);
    part on = focal(yes, no, how->gamma), off = focal(no, yes, how->gamma);
    return (part){share * on.loss + (1 - t) * off.loss,
                  share * on.slope * exp(no) - (1 - t) * off.slope * exp(yes)};
}

void lm_balanced_binary_cross_entropy_op_forward(lm_graph *g, lm_node *n)
{
    (void)g;
    const lm_tensor *x = n->in[0];
    double sum = 0;
    for (int r = 0; r < x->rows; r++) {
        double loss = 0, plain = 0;
        for (int c = 0; c < x->width; c++) {
            size_t at = (size_t)r * (size_t)x->width + (size_t)c;
            double target = n->loss.target[at];
            loss += binary_of(&n->loss.how, c, x->value[at], target).loss;
            plain -= target * log_sigmoid(x->value[at]) + (1 - target) * log_sigmoid(-x->value[at]);
        }
        add_plain(&n->loss.how, plain / x->width);
        sum += (n->loss.weight ? (double)n->loss.weight[r] : 1) * loss;
        if (n->loss.per_row)
            n->loss.per_row[r] = (float)loss;
    }
    n->out->value[0] = (float)sum;
}

void lm_balanced_binary_cross_entropy_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *x = n->in[0];
    bool add;
    float *dx = lm_grad_of(g, x, &add);
    if (!dx)
        return;
    for (int r = 0; r < x->rows; r++) {
        double factor = n->out->grad[0] * (n->loss.weight ? (double)n->loss.weight[r] : 1);
        for (int c = 0; c < x->width; c++) {
            size_t at = (size_t)r * (size_t)x->width + (size_t)c;
            double d = factor * binary_of(&n->loss.how, c, x->value[at], n->loss.target[at]).slope;
            dx[at] = (add ? dx[at] : 0) + (float)d;
        }
    }
}
