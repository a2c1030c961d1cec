/* Recurrent layers, and what is read of rows that they have run over. */
#include "graph/tape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ LSTM */

enum { W_IH, W_HH, B_IH, B_HH, PARTS };
static const char *const part_names[PARTS] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};

/* One direction of a layer: its parameters, and what its forward leaves for its backward. */
typedef struct direction {
    lm_param *param[PARTS]; /* the biases NULL where there are none */
    float *gates, *c;
} direction;

struct lm_lstm_node {
    int directions, hidden;
    direction direction[2];
    const int32_t *order;
    float *h, *c; /* [sequences, hidden] the states that an incremental step begins and ends with; NULL = none */
};

static void part_name(int part, int layer, int way, char out[32])
{
    snprintf(out, 32, "%s_l%d%s", part_names[part], layer, way ? "_reverse" : "");
}

void lm_declare_lstm(lm_declare *d, lm_scope scope, int in, int hidden, int layer, bool bidirectional, bool bias)
{
    lm_init init = lm_uniform(hidden > 0 ? 1 / sqrt(hidden) : 0);
    for (int k = 0; k < (bidirectional ? 2 : 1); k++) {
        for (int part = 0; part < (bias ? PARTS : B_IH); part++) {
            char name[32];
            part_name(part, layer, k, name);
            lm_declare_param(d, scope, name,
                             (int64_t[4]){4 * (int64_t)hidden, part == W_IH ? in : part == W_HH ? hidden : 0}, init);
        }
    }
}

static bool has_shape(const lm_param *p, int64_t rows, int64_t columns)
{
    return p->shape.size[0] == rows && (columns ? p->shape.dims == 2 && p->shape.size[1] == columns : p->shape.dims == 1);
}

/* Finds the parameters of a direction and checks them; false: the graph has failed. */
static bool take_params(lm_graph *g, lm_scope scope, int layer, int k, int in, int *hidden, direction *d)
{
    for (int part = 0; part < PARTS; part++) {
        char name[32];
        part_name(part, layer, k, name);
        bool there = part < B_IH || lm_params_find(g->params, lm_in(scope, name).name);
        d->param[part] = there ? lm_graph_param(g, scope, name) : NULL;
        if (!lm_graph_ok(g))
            return false;
    }
    const lm_param *w = d->param[W_HH];
    if (!*hidden)
        *hidden = w->shape.dims == 2 && w->shape.size[1] <= INT32_MAX / 16 ? (int)w->shape.size[1] : -1;
    int n = *hidden;
    bool fits = n > 0 && has_shape(d->param[W_IH], 4 * n, in) && has_shape(w, 4 * n, n) &&
                !d->param[B_IH] == !d->param[B_HH] && (!d->param[B_IH] || (has_shape(d->param[B_IH], 4 * n, 0) &&
                                                                          has_shape(d->param[B_HH], 4 * n, 0)));
    if (!fits)
        lm_graph_fail(g, w->name, "this layer's weights do not fit one another, or its input of %d columns: check the "
                      "plugin against config.json", in);
    return fits;
}

/* In an incremental step a row goes on from the state that the one before it has left. */
static bool remember_states(lm_graph *g, lm_scope scope, struct lm_lstm_node *s, int sequences)
{
    lm_kv_cache *cache = lm_graph_cache(g, sequences);
    if (cache && s->directions > 1)
        lm_graph_fail(g, scope.name, "a layer that reads rows from their ends too cannot read them piece by piece");
    if (!cache || !lm_graph_ok(g))
        return lm_graph_ok(g);
    s->h = lm_kv_cache_state(cache, lm_graph_slot(g), s->hidden, &g->status);
    s->c = s->h ? lm_kv_cache_state(cache, lm_graph_slot(g), s->hidden, &g->status) : NULL;
    return lm_graph_ok(g);
}

lm_tensor *lm_lstm(lm_graph *g, lm_scope scope, lm_tensor *x, int layer, bool bidirectional)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    const lm_layout *l = x->layout;
    if (!l->row_splits)
        return lm_graph_fail(g, scope.name, "an LSTM runs over whole sequences, and its input is none: check the plugin");
    struct lm_lstm_node *s = lm_graph_alloc(g, 1, sizeof *s);
    *s = (struct lm_lstm_node){.directions = bidirectional ? 2 : 1};
    for (int k = 0; k < s->directions; k++)
        if (!take_params(g, scope, layer, k, x->width, &s->hidden, &s->direction[k]))
            return g->nothing;
    if (!remember_states(g, scope, s, l->sequences))
        return g->nothing;
    int32_t *order = lm_graph_alloc(g, (size_t)l->sequences, sizeof *order);
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    lm_lstm_order(l->row_splits, l->sequences, order, lm_graph_alloc(g, 2 * (size_t)l->sequences, sizeof *order));
    lm_arena_release(g->arena, mark);
    s->order = order;
    lm_node *n = lm_node_new(g, LM_OP_LSTM, x->rows, s->directions * s->hidden, l, x, NULL, NULL);
    n->lstm = s;
    n->weight = s->direction[0].param[W_IH];
    for (int i = 0; i < PARTS * s->directions; i++) { /* any that is trained: it decides whether the node is taped */
        lm_param *p = s->direction[i / PARTS].param[i % PARTS];
        if (p && p->trainable)
            n->weight = p;
    }
    return lm_node_run(g, n);
}

/* The weights of a projection as lm_linear would see them. */
static lm_weight_view view_of(const direction *d, int weight, int bias)
{
    lm_tensor out = {.width = (int)d->param[weight]->shape.size[0]};
    return lm_weight_of(&(lm_node){.out = &out, .weight = d->param[weight], .bias = d->param[bias]});
}

static lm_lstm_args args_of(const lm_node *n, int k)
{
    const struct lm_lstm_node *s = n->lstm;
    const lm_layout *l = n->out->layout;
    return (lm_lstm_args){.sequences = l->sequences,
                          .hidden = s->hidden,
                          .row_splits = l->row_splits,
                          .order = s->order,
                          .reverse = k == 1,
                          .w = view_of(&s->direction[k], W_HH, B_HH).weight,
                          .gates = s->direction[k].gates,
                          .c = s->direction[k].c,
                          .h = n->out->value + k * s->hidden,
                          .ldh = (size_t)n->out->width,
                          .h_first = s->h,
                          .c_first = s->c,
                          .h_last = s->h,
                          .c_last = s->c};
}

void lm_lstm_op_forward(lm_graph *g, lm_node *n)
{
    struct lm_lstm_node *s = n->lstm;
    const float *x = lm_value(g, n->in[0]);
    size_t tokens = (size_t)n->out->rows, hidden = (size_t)s->hidden;
    for (int k = 0; k < s->directions; k++) {
        direction *d = &s->direction[k];
        lm_weight_view in = view_of(d, W_IH, B_IH), state = view_of(d, W_HH, B_HH);
        lm_arena_mark mark = lm_arena_mark_get(g->arena);
        d->gates = lm_graph_alloc(g, tokens * 4 * hidden, sizeof(float));
        d->c = lm_graph_alloc(g, tokens * hidden, sizeof(float));
        lm_arena_mark kept = n->out->needs_grad ? lm_arena_mark_get(g->arena) : mark;
        float *bias = in.bias ? lm_graph_alloc(g, 4 * hidden, sizeof *bias) : NULL;
        if (bias)
            lm_vector_add(in.bias, state.bias, bias, 4 * hidden);
        lm_linear_forward(x, in.weight, bias, d->gates, n->out->rows, in.out, in.in);
        lm_lstm_args a = args_of(n, k);
        lm_lstm_forward(&a, lm_graph_alloc(g, lm_lstm_scratch(&a, false), sizeof(float)));
        lm_arena_release(g->arena, kept);
    }
}

static void add_column_sums(lm_graph *g, const float *dy, float *db, int rows, int columns)
{
    if (db)
        lm_column_sums(dy, db, rows, columns, lm_graph_alloc(g, lm_column_sums_scratch(rows, columns), sizeof *db));
}

void lm_lstm_op_backward(lm_graph *g, lm_node *n)
{
    struct lm_lstm_node *s = n->lstm;
    const float *x = lm_value(g, n->in[0]);
    int rows = n->out->rows;
    bool add;
    float *dx = lm_grad_of(g, n->in[0], &add);
    for (int k = 0; k < s->directions; k++) {
        const direction *d = &s->direction[k];
        lm_weight_view in = view_of(d, W_IH, B_IH), state = view_of(d, W_HH, B_HH);
        lm_arena_mark mark = lm_arena_mark_get(g->arena);
        lm_lstm_args a = args_of(n, k);
        lm_lstm_backward(&a, n->out->grad + k * s->hidden, lm_graph_alloc(g, lm_lstm_scratch(&a, true), sizeof(float)));
        if (dx)
            lm_linear_backward_input(d->gates, in.weight, dx, rows, in.out, in.in, add || k > 0);
        if (in.dweight)
            lm_linear_backward_weight(d->gates, x, in.dweight, rows, in.out, in.in);
        if (state.dweight) {
            float *before = lm_graph_alloc(g, (size_t)rows * (size_t)s->hidden, sizeof *before);
            lm_lstm_states_before(&a, before);
            lm_linear_backward_weight(d->gates, before, state.dweight, rows, state.out, state.in);
        }
        add_column_sums(g, d->gates, in.dbias, rows, in.out);
        add_column_sums(g, d->gates, state.dbias, rows, state.out);
        lm_arena_release(g->arena, mark);
    }
}

/* ------------------------------------------------------------------ what is read of a row */

/* An operation that makes one row of each sequence; NULL: the graph has failed. */
static lm_node *of_rows(lm_graph *g, lm_op_id op, const char *name, lm_tensor *x)
{
    const lm_layout *l = x->layout;
    if (!l->row_splits) {
        lm_graph_fail(g, name, "its input is not whole sequences: check the plugin");
        return NULL;
    }
    lm_layout *rows = lm_layout_new(g, l->sequences);
    int32_t *token = lm_graph_alloc(g, (size_t)l->sequences, sizeof *token);
    memset(token, 0, (size_t)l->sequences * sizeof *token);
    rows->global_row = l->sequence_row;
    rows->token = token;
    return lm_node_new(g, op, l->sequences, x->width, rows, x, NULL, NULL);
}

lm_tensor *lm_final_state(lm_graph *g, lm_tensor *x, bool bidirectional)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (bidirectional && x->width % 2)
        return lm_graph_fail(g, "final_state", "%d columns are no two directions: check the plugin", x->width);
    lm_node *n = of_rows(g, LM_OP_FINAL_STATE, "final_state", x);
    if (!n)
        return g->nothing;
    n->ahead = bidirectional ? x->width / 2 : x->width;
    return lm_node_run(g, n);
}

void lm_final_state_op_forward(lm_graph *g, lm_node *n)
{
    const float *x = lm_value(g, n->in[0]);
    const int32_t *splits = n->in[0]->layout->row_splits;
    size_t width = (size_t)n->out->width, ahead = (size_t)n->ahead;
    for (int s = 0; s < n->out->rows; s++) {
        float *y = n->out->value + (size_t)s * width;
        if (splits[s] == splits[s + 1]) {
            memset(y, 0, width * sizeof *y);
            continue;
        }
        memcpy(y, x + (size_t)(splits[s + 1] - 1) * width, ahead * sizeof *y);
        memcpy(y + ahead, x + (size_t)splits[s] * width + ahead, (width - ahead) * sizeof *y);
    }
}

void lm_final_state_op_backward(lm_graph *g, lm_node *n)
{
    const int32_t *splits = n->in[0]->layout->row_splits;
    size_t width = (size_t)n->out->width, ahead = (size_t)n->ahead;
    float *dx = lm_grad_to_add(g, n->in[0]);
    if (!dx)
        return;
    for (int s = 0; s < n->out->rows; s++) {
        const float *dy = n->out->grad + (size_t)s * width;
        if (splits[s] == splits[s + 1])
            continue;
        lm_vector_axpy(1, dy, dx + (size_t)(splits[s + 1] - 1) * width, ahead);
        lm_vector_axpy(1, dy + ahead, dx + (size_t)splits[s] * width + ahead, width - ahead);
    }
}

lm_tensor *lm_mean_token(lm_graph *g, lm_tensor *x)
{
    lm_node *n = lm_graph_ok(g) ? of_rows(g, LM_OP_MEAN_TOKEN, "mean_token", x) : NULL;
    return n ? lm_node_run(g, n) : g->nothing;
}

void lm_mean_token_op_forward(lm_graph *g, lm_node *n)
{
    lm_segment_means(lm_value(g, n->in[0]), n->in[0]->layout->row_splits, n->out->value, n->out->rows, n->out->width);
}

void lm_mean_token_op_backward(lm_graph *g, lm_node *n)
{
    bool add;
    float *dx = lm_grad_of(g, n->in[0], &add);
    if (dx)
        lm_segment_means_backward(n->out->grad, n->in[0]->layout->row_splits, dx, add, n->out->rows, n->out->width);
}
