/* Operations with parameters: embedding, linear, layer norm, RMS norm. */
#include "graph/tape.h"

#include <stdio.h>
#include <string.h>

static void note_use(lm_graph *g, lm_param *p)
{
    if (p->first_use > g->taped)
        p->first_use = g->taped;
}

lm_param *lm_graph_taken(lm_graph *g, lm_param *p)
{
    note_use(g, p);
    return lm_param_ready(p, &g->status) ? p : NULL;
}

/* Where it is quantised it may stay as it is. */
static lm_param *stored_table(lm_graph *g, lm_scope scope, const char *name)
{
    lm_scope full = lm_in(scope, name);
    lm_param *p = lm_params_find(g->params, full.name);
    if (!p) {
        lm_graph_fail(g, full.name, "is not a parameter of this model: the plugin must declare it");
        return NULL;
    }
    if (!p->quantised)
        return lm_graph_taken(g, p);
    note_use(g, p);
    return p;
}

static lm_param *stored_matrix(lm_graph *g, lm_scope scope, const char *name)
{
    lm_param *p = stored_table(g, scope, name);
    return p && (!p->by_rows || lm_param_dense(p, &g->status)) ? p : NULL;
}

lm_param *lm_graph_table(lm_graph *g, lm_scope scope, const char *name)
{
    lm_param *p = stored_table(g, scope, name);
    return p && lm_param_ready(p, &g->status) ? p : NULL;
}

lm_param *lm_graph_param(lm_graph *g, lm_scope scope, const char *name)
{
    lm_param *p = stored_matrix(g, scope, name);
    return p && lm_param_ready(p, &g->status) ? p : NULL;
}

/* As lm_graph_param, where it exists at all. */
static lm_param *optional(lm_graph *g, lm_scope scope, const char *name)
{
    lm_param *p = lm_params_find(g->params, lm_in(scope, name).name);
    return p ? lm_graph_taken(g, p) : NULL;
}

static bool is_matrix(const lm_param *p)
{
    return p->shape.dims == 2 && p->shape.size[0] <= INT32_MAX && p->shape.size[1] <= INT32_MAX;
}

static bool is_vector(const lm_param *p, int64_t n)
{
    return p->shape.dims == 1 && p->shape.size[0] == n;
}

/* ------------------------------------------------------------------ a parameter itself */

lm_tensor *lm_parameter(lm_graph *g, lm_scope scope, const char *name)
{
    lm_param *p = lm_graph_ok(g) ? lm_graph_param(g, scope, name) : NULL;
    if (!p)
        return g->nothing;
    if (p->adapter)
        return lm_graph_fail(g, p->name, "what it is used for has no place for an adapter: leave it out of the target modules");
    int64_t rows = p->shape.dims == 2 ? p->shape.size[0] : 1, width = p->shape.size[p->shape.dims - 1];
    if (p->shape.dims > 2 || rows > INT32_MAX || width > INT32_MAX)
        return lm_graph_fail(g, p->name, "has %d dimensions, and a value has two: check the plugin", p->shape.dims);
    lm_node *n = lm_node_new(g, LM_OP_PARAMETER, (int)rows, (int)width, NULL, NULL, NULL, NULL);
    n->weight = p;
    return lm_node_run(g, n);
}

void lm_parameter_op_forward(lm_graph *g, lm_node *n)
{
    (void)g;
    memcpy(n->out->value, n->weight->value, lm_elements(n->out) * sizeof(float));
}

void lm_parameter_op_backward(lm_graph *g, lm_node *n)
{
    (void)g;
    lm_vector_axpy(1, n->out->grad, n->weight->grad, lm_elements(n->out));
}

/* ------------------------------------------------------------------ embedding */

bool lm_ids_fit(lm_graph *g, lm_scope scope, const int32_t *index, int n, int64_t rows)
{
    for (int t = 0; t < n; t++) {
        if (index[t] < 0 || index[t] >= rows) {
            lm_graph_fail(g, scope.name, "token %d has id %d, but there are %lld: use the model's own tokenizer", t,
                          (int)index[t], (long long)rows);
            return false;
        }
    }
    return true;
}

lm_tensor *lm_embedding(lm_graph *g, lm_scope scope, const int32_t *index, const lm_batch *batch)
{
    lm_param *table = lm_graph_ok(g) ? stored_table(g, scope, "weight") : NULL;
    if (!table)
        return g->nothing;
    if (!is_matrix(table))
        return lm_graph_fail(g, table->name, "an embedding is a matrix, this is not: check the plugin");
    if (!lm_ids_fit(g, scope, index, batch->tokens, table->shape.size[0]))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_EMBEDDING, batch->tokens, (int)table->shape.size[1], lm_layout_of(g, batch), NULL,
                             NULL, NULL);
    n->weight = table;
    n->gather.index = index;
    n->gather.skip = table->padding_row;
    return lm_look_up_run(g, n);
}

const int32_t *lm_positions_past_padding(lm_graph *g, const lm_batch *batch, int pad_id)
{
    if (!lm_graph_ok(g))
        return batch->positions;
    int32_t *position = lm_graph_alloc(g, (size_t)batch->tokens, sizeof *position);
    for (int r = 0; r < batch->rows; r++) {
        int32_t seen = 0;
        for (int32_t t = batch->row_splits[r]; t < batch->row_splits[r + 1]; t++)
            position[t] = batch->ids[t] == pad_id ? pad_id : pad_id + ++seen;
    }
    return position;
}

void lm_embedding_op_forward(lm_graph *g, lm_node *n)
{
    (void)g;
    if (n->weight->value)
        lm_gather_forward(lm_param_seen(n->weight), n->gather.index, n->out->value, n->out->rows, n->out->width);
    else
        lm_quantised_gather(n->weight->quantised, n->gather.index, n->out->value, n->out->rows);
}

void lm_embedding_op_backward(lm_graph *g, lm_node *n)
{
    lm_row_grad *rows = n->weight->row_grad;
    int tokens = n->out->rows, width = n->out->width;
    if (!rows) {
        lm_gather_backward(n->weight->grad, n->gather.index, n->out->grad, tokens, width, n->gather.skip);
        return;
    }
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    int32_t *place = lm_graph_alloc(g, (size_t)tokens, sizeof *place);
    if (lm_row_grad_take(rows, n->gather.index, tokens, n->gather.skip, place, n->weight->name, &g->status))
        lm_gather_backward(rows->value, place, n->out->grad, tokens, width, -1);
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ linear */

lm_weight_view lm_weight_of(const lm_node *n)
{
    const lm_param *w = n->weight, *b = n->bias;
    int in = (int)w->shape.size[w->transposed ? 0 : 1], stored = (int)w->shape.size[1];
    size_t first = (size_t)n->part.first, skip = w->transposed ? first : first * (size_t)stored;
    return (lm_weight_view){.weight = w->value ? lm_param_seen(w) + skip : NULL,
                            .quantised = w->value ? NULL : w->quantised,
                            .first = n->part.first,
                            .bias = b ? b->value + first : NULL,
                            .dweight = w->trainable ? w->grad + skip : NULL,
                            .dbias = b && b->trainable ? b->grad + first : NULL,
                            .out = n->out->width,
                            .in = in,
                            .transposed = w->transposed ? stored : 0};
}

/* The columns [first, first + count) of a layer's result; count 0: all. */
static lm_node *linear_node(lm_graph *g, lm_op_id op, lm_scope scope, lm_tensor *x, int first, int count)
{
    lm_param *w = lm_graph_ok(g) ? stored_matrix(g, scope, "weight") : NULL;
    lm_param *b = w ? optional(g, scope, "bias") : NULL;
    if (!w || !lm_graph_ok(g))
        return NULL;
    int64_t in = w->shape.size[w->transposed ? 0 : 1], out = w->shape.size[w->transposed ? 1 : 0];
    if (!is_matrix(w) || in != x->width) {
        lm_graph_fail(g, w->name, "has %lld columns, but its input is %d wide: check the plugin against config.json",
                      (long long)(w->shape.dims == 2 ? in : -1), x->width);
        return NULL;
    }
    if (b && !is_vector(b, out)) {
        lm_graph_fail(g, b->name, "does not have the %lld elements of its layer: check the plugin against config.json",
                      (long long)out);
        return NULL;
    }
    if (first < 0 || count < 0 || first > out - count) {
        lm_graph_fail(g, w->name, "columns %d to %d are not of the %lld that it gives: check the plugin", first,
                      first + count, (long long)out);
        return NULL;
    }
    lm_node *n = lm_node_new(g, op, x->rows, count ? count : (int)out, x->layout, x, NULL, NULL);
    n->weight = w;
    n->bias = b;
    n->part.first = first;
    return n;
}

lm_tensor *lm_linear(lm_graph *g, lm_scope scope, lm_tensor *x)
{
    lm_node *n = linear_node(g, LM_OP_LINEAR, scope, x, 0, 0);
    return n ? lm_layer_run(g, n) : g->nothing;
}

lm_tensor *lm_linear_part(lm_graph *g, lm_scope scope, lm_tensor *x, int first, int count)
{
    if (lm_graph_ok(g) && count < 1)
        return lm_graph_fail(g, scope.name, "%d columns of it: check the plugin", count);
    lm_node *n = linear_node(g, LM_OP_LINEAR, scope, x, first, count);
    return n ? lm_layer_run(g, n) : g->nothing;
}

lm_tensor *lm_vocab_linear(lm_graph *g, lm_scope scope, lm_tensor *x)
{
    lm_node *n = linear_node(g, LM_OP_VOCAB_LINEAR, scope, x, 0, 0);
    if (n && n->weight->transposed)
        return lm_graph_fail(g, n->weight->name, "a projection to the vocabulary is stored as [out, in]: check the plugin");
    if (!n)
        return g->nothing;
    return lm_adapts(n->weight, LM_ADAPTS_LAYER) ? lm_layer_run(g, n) : lm_node_defer(g, n);
}

static float *quantised_scratch(lm_graph *g, const lm_weight_view *w, int rows, lm_activations how)
{
    return lm_graph_alloc(g, lm_quantised_scratch(w->quantised, rows, how), sizeof(float));
}

void lm_linear_op_forward(lm_graph *g, lm_node *n)
{
    lm_weight_view w = lm_weight_of(n);
    const float *x = lm_value(g, n->in[0]);
    int rows = n->out->rows;
    if (g->watch && n->part.first == 0)
        g->watch(g->watch_context, n->weight, x, rows);
    if (w.quantised) {
        lm_activations how = lm_params_activations(g->params);
        lm_arena_mark mark = lm_arena_mark_get(g->arena);
        lm_quantised_forward(w.quantised, w.first, w.out, x, w.bias, n->out->value, rows, how,
                             quantised_scratch(g, &w, rows, how));
        lm_arena_release(g->arena, mark);
    } else if (w.transposed)
        lm_linear_transposed_forward(x, w.weight, w.transposed, w.bias, n->out->value, rows, w.out, w.in);
    else
        lm_linear_forward(x, w.weight, w.bias, n->out->value, rows, w.out, w.in);
}

void lm_linear_op_backward(lm_graph *g, lm_node *n)
{
    lm_weight_view w = lm_weight_of(n);
    int rows = n->out->rows;
    const float *dy = n->out->grad;
    bool add;
    float *dx = lm_grad_of(g, n->in[0], &add);
    if (dx && w.quantised) {
        lm_arena_mark mark = lm_arena_mark_get(g->arena);
        lm_quantised_backward_input(w.quantised, w.first, w.out, dy, dx, rows, add,
                                    quantised_scratch(g, &w, rows, LM_ACTIVATIONS_F32));
        lm_arena_release(g->arena, mark);
    } else if (dx && w.transposed)
        lm_linear_transposed_backward_input(dy, w.weight, w.transposed, dx, rows, w.out, w.in, add);
    else if (dx)
        lm_linear_backward_input(dy, w.weight, dx, rows, w.out, w.in, add);
    if (w.dweight && w.transposed)
        lm_linear_transposed_backward_weight(dy, lm_value(g, n->in[0]), w.dweight, w.transposed, rows, w.out, w.in);
    else if (w.dweight)
        lm_linear_backward_weight(dy, lm_value(g, n->in[0]), w.dweight, rows, w.out, w.in);
    if (w.dbias) {
        lm_arena_mark mark = lm_arena_mark_get(g->arena);
        float *scratch = lm_graph_alloc(g, lm_column_sums_scratch(rows, w.out), sizeof *scratch);
        lm_column_sums(dy, w.dbias, rows, w.out, scratch);
        lm_arena_release(g->arena, mark);
    }
}

/* ------------------------------------------------------------------ layer norm */

lm_tensor *lm_layer_norm(lm_graph *g, lm_scope scope, lm_tensor *x, double eps)
{
    lm_param *weight = lm_graph_ok(g) ? lm_graph_param(g, scope, "weight") : NULL;
    lm_param *bias = weight ? lm_graph_param(g, scope, "bias") : NULL;
    if (!bias)
        return g->nothing;
    if (!is_vector(weight, x->width) || !is_vector(bias, x->width))
        return lm_graph_fail(g, scope.name,
                             "its weight and bias do not have the %d elements of its input: check the "
                             "plugin against config.json",
                             x->width);
    lm_node *n = lm_node_new(g, LM_OP_LAYER_NORM, x->rows, x->width, x->layout, x, NULL, NULL);
    n->weight = weight;
    n->bias = bias;
    n->norm.eps = eps;
    return lm_node_run(g, n);
}

void lm_layer_norm_op_forward(lm_graph *g, lm_node *n)
{
    size_t rows = (size_t)n->out->rows;
    if (n->out->needs_grad) {
        n->norm.mean = lm_graph_alloc(g, rows, sizeof *n->norm.mean);
        n->norm.rstd = lm_graph_alloc(g, rows, sizeof *n->norm.rstd);
    }
    lm_norm_forward(lm_value(g, n->in[0]), n->weight->value, n->bias->value, n->norm.eps, n->out->value,
                    n->norm.mean, n->norm.rstd, n->out->rows, n->out->width);
}

void lm_layer_norm_op_backward(lm_graph *g, lm_node *n)
{
    int rows = n->out->rows, width = n->out->width;
    const float *dy = n->out->grad;
    bool add = false;
    float *dx = lm_grad_take(n, n->in[0]) ? n->in[0]->grad : lm_grad_of(g, n->in[0], &add);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    float *scratch = lm_graph_alloc(g, lm_norm_scratch(rows, width), sizeof *scratch);
    float *dweight = n->weight->trainable ? n->weight->grad : NULL,
          *dbias = n->bias->trainable ? n->bias->grad : NULL;
    float *unused =
        lm_graph_alloc(g, (size_t)width, sizeof *unused); /* where only one of the two is trained */
    memset(unused, 0, (size_t)width * sizeof *unused);
    bool either = dweight || dbias;
    lm_norm_backward(lm_value(g, n->in[0]), n->weight->value, n->norm.mean, n->norm.rstd, dy, dx, add,
                     either && !dweight ? unused : dweight, either && !dbias ? unused : dbias, rows, width,
                     scratch);
    lm_arena_release(g->arena, mark);
}

/* ------------------------------------------------------------------ RMS norm */

lm_tensor *lm_rms_norm_heads(lm_graph *g, lm_scope scope, lm_tensor *x, int heads, double eps, double offset)
{
    lm_param *weight = lm_graph_ok(g) ? lm_graph_param(g, scope, "weight") : NULL;
    if (!weight)
        return g->nothing;
    if (heads < 1 || x->width % heads || !is_vector(weight, x->width / heads))
        return lm_graph_fail(g, scope.name,
                             "its weight does not have the elements of one of %d heads of an input that is %d wide: "
                             "check the plugin against config.json",
                             heads, x->width);
    lm_node *n = lm_node_new(g, LM_OP_RMS_NORM, x->rows, x->width, x->layout, x, NULL, NULL);
    n->weight = weight;
    n->norm.eps = eps;
    n->norm.offset = offset;
    n->norm.heads = heads;
    return lm_node_run(g, n);
}

lm_tensor *lm_rms_norm(lm_graph *g, lm_scope scope, lm_tensor *x, double eps, double offset)
{
    return lm_rms_norm_heads(g, scope, x, 1, eps, offset);
}

void lm_rms_norm_op_forward(lm_graph *g, lm_node *n)
{
    int rows = n->out->rows * n->norm.heads, width = n->out->width / n->norm.heads;
    if (n->out->needs_grad)
        n->norm.rstd = lm_graph_alloc(g, (size_t)rows, sizeof *n->norm.rstd);
    lm_rms_norm_forward(lm_value(g, n->in[0]), n->weight->value, n->norm.offset, n->norm.eps, n->out->value, n->norm.rstd,
                        rows, width);
}

void lm_rms_norm_op_backward(lm_graph *g, lm_node *n)
{
    int rows = n->out->rows * n->norm.heads, width = n->out->width / n->norm.heads;
    const float *dy = n->out->grad;
    bool add = false;
    float *dx = lm_grad_take(n, n->in[0]) ? n->in[0]->grad : lm_grad_of(g, n->in[0], &add);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    float *scratch = lm_graph_alloc(g, lm_rms_norm_scratch(rows, width), sizeof *scratch);
    lm_rms_norm_backward(lm_value(g, n->in[0]), n->weight->value, n->norm.offset, n->norm.rstd, dy, dx, add,
                         n->weight->trainable ? n->weight->grad : NULL, rows, width, scratch);
    lm_arena_release(g->arena, mark);
}
