/* The loss of extractive question answering: where an answer begins and where it ends. */
#include "graph/tape.h"

#include <math.h>

enum { COLUMNS = 2 };

/* Of one column over the tokens of a row: log of the sum of exp, shifted by the largest so that nothing overflows. */
static double log_sum_exp(const float *x, int tokens)
{
    double largest = x[0], sum = 0;
    for (int t = 1; t < tokens; t++)
        largest = fmax(largest, x[t * COLUMNS]);
    for (int t = 0; t < tokens; t++)
        sum += exp(x[t * COLUMNS] - largest);
    return largest + log(sum);
}

lm_tensor *lm_span_cross_entropy(lm_graph *g, lm_tensor *logits, const int32_t *span, const float *weight,
                                 float *per_row)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    const lm_layout *l = logits->layout;
    if (logits->width != COLUMNS || !l->row_splits)
        return lm_graph_fail(g, "answer", "logits of %d columns%s: two of all tokens of each row are needed",
                             logits->width, l->row_splits ? "" : ", of some tokens");
    for (int r = 0; r < l->sequences; r++)
        for (int c = 0; c < COLUMNS; c++) {
            int32_t token = span[r * COLUMNS + c], tokens = l->row_splits[r + 1] - l->row_splits[r];
            if (token != LM_IGNORED && (token < 0 || token >= tokens))
                return lm_graph_fail(g, "answer", "row %d: token %d, and the row has %d: make the tokens again", r,
                                     (int)token, (int)tokens);
        }
    lm_value(g, logits);
    return lm_node_run(g, lm_loss_node(g, LM_OP_SPAN_CROSS_ENTROPY, logits, span, NULL, weight, per_row));
}

void lm_span_cross_entropy_op_forward(lm_graph *g, lm_node *n)
{
    const lm_tensor *logits = n->in[0];
    const lm_layout *l = logits->layout;
    double sum = 0;
    (void)g;
    for (int r = 0; r < l->sequences; r++) {
        int from = l->row_splits[r], tokens = l->row_splits[r + 1] - from;
        double loss = 0;
        for (int c = 0; c < COLUMNS; c++) {
            const float *x = logits->value + (size_t)from * COLUMNS + c;
            int32_t token = n->loss.label[r * COLUMNS + c];
            if (token != LM_IGNORED)
                loss += (log_sum_exp(x, tokens) - x[token * COLUMNS]) / COLUMNS;
        }
        if (n->loss.per_row)
            n->loss.per_row[r] = (float)loss;
        sum += (n->loss.weight ? n->loss.weight[r] : 1) * loss;
    }
    n->out->value[0] = (float)sum;
}

void lm_span_cross_entropy_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *logits = n->in[0];
    const lm_layout *l = logits->layout;
    bool add;
    float *dx = lm_grad_of(g, logits, &add);
    if (!dx)
        return;
    for (int r = 0; r < l->sequences; r++) {
        int from = l->row_splits[r], tokens = l->row_splits[r + 1] - from;
        double factor = n->out->grad[0] * (double)(n->loss.weight ? n->loss.weight[r] : 1) / COLUMNS;
        for (int c = 0; c < COLUMNS && tokens; c++) {
            const float *x = logits->value + (size_t)from * COLUMNS + c;
            float *d = dx + (size_t)from * COLUMNS + c;
            int32_t token = n->loss.label[r * COLUMNS + c];
            double all = token != LM_IGNORED ? log_sum_exp(x, tokens) : 0;
            for (int t = 0; t < tokens; t++) {
                double slope = token != LM_IGNORED ? exp(x[t * COLUMNS] - all) - (t == token) : 0;
                d[t * COLUMNS] = (add ? d[t * COLUMNS] : 0) + (float)(factor * slope);
            }
        }
    }
}
