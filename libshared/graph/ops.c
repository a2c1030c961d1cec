/* Operations without parameters. */
#include "graph/relative.h"
#include "graph/tape.h"

#include <math.h>
#include <string.h>

_Static_assert((int)LM_ACT_GELU == LM_GELU && (int)LM_ACT_GELU_TANH == LM_GELU_TANH &&
                   (int)LM_ACT_RELU == LM_RELU && (int)LM_ACT_SILU == LM_SILU && (int)LM_ACT_TANH == LM_TANH,
               "kernels number the activations as plugins do");

static bool same_size(const lm_tensor *a, const lm_tensor *b)
{
    return a->rows == b->rows && a->width == b->width;
}

/* ------------------------------------------------------------------ activation */

lm_tensor *lm_activate(lm_graph *g, lm_tensor *x, lm_activation activation)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if ((unsigned)activation >= LM_ACT_COUNT)
        return lm_graph_fail(g, "activation", "there is none of number %d: check the plugin",
                             (int)activation);
    lm_node *n = lm_node_new(g, LM_OP_ACTIVATE, x->rows, x->width, x->layout, x, NULL, NULL);
    n->act = (lm_act)activation;
    return lm_node_run(g, n);
}

void lm_activate_op_forward(lm_graph *g, lm_node *n)
{
    lm_activation_forward(n->act, lm_value(g, n->in[0]), n->out->value, lm_elements(n->out));
}

void lm_activate_op_backward(lm_graph *g, lm_node *n)
{
    const float *dy = n->out->grad;
    bool add = false;
    float *dx = lm_grad_take(n, n->in[0]) ? n->in[0]->grad : lm_grad_of(g, n->in[0], &add);
    if (dx)
        lm_activation_backward(n->act, lm_value(g, n->in[0]), dy, dx, lm_elements(n->out), add);
}

lm_tensor *lm_gate(lm_graph *g, lm_tensor *gate, lm_tensor *up, lm_activation activation)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if ((unsigned)activation >= LM_ACT_COUNT || !same_size(gate, up))
        return lm_graph_fail(g, "gate", "activation %d of [%d, %d] cannot gate [%d, %d]: check the plugin",
                             (int)activation, gate->rows, gate->width, up->rows, up->width);
    lm_node *n = lm_node_new(g, LM_OP_GATE, up->rows, up->width, up->layout, gate, up, NULL);
    n->act = (lm_act)activation;
    return lm_node_run(g, n);
}

void lm_gate_op_forward(lm_graph *g, lm_node *n)
{
    lm_gate_forward(n->act, lm_value(g, n->in[0]), lm_value(g, n->in[1]), n->out->value, lm_elements(n->out));
}

void lm_gate_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *gate = n->in[0], *up = n->in[1];
    lm_gate_grads to = {.add_gate = false};
    const float *dy = n->out->grad;
    if (gate == up) { /* one value twice: its two gradients are added, one after the other */
        to.dgate = lm_grad_of(g, gate, &to.add_gate);
        if (to.dgate)
            lm_gate_backward(n->act, lm_value(g, gate), lm_value(g, up), dy, to, lm_elements(n->out));
        to = (lm_gate_grads){.dup = lm_grad_of(g, up, &to.add_up), .add_up = true};
    } else {
        to.dup = lm_grad_of(g, up, &to.add_up);
        to.dgate = lm_grad_take(n, gate) ? gate->grad : lm_grad_of(g, gate, &to.add_gate);
    }
    lm_gate_backward(n->act, lm_value(g, gate), lm_value(g, up), dy, to, lm_elements(n->out));
}

/* ------------------------------------------------------------------ sums and multiples */

/* A sum or multiple of a loss that nobody has computed yet is left uncomputed too. */
static lm_tensor *run_unless_deferred(lm_graph *g, lm_node *n)
{
    bool deferred = false;
    for (int i = 0; i < 2 && n->in[i]; i++)
        deferred |= !n->in[i]->value;
    bool scalar = n->out->rows == 1 && n->out->width == 1;
    return deferred && scalar ? lm_node_defer(g, n) : lm_node_run(g, n);
}

lm_tensor *lm_add(lm_graph *g, lm_tensor *a, lm_tensor *b)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (!same_size(a, b))
        return lm_graph_fail(g, "add", "[%d, %d] and [%d, %d] have no sum: check the plugin", a->rows,
                             a->width, b->rows, b->width);
    return run_unless_deferred(g, lm_node_new(g, LM_OP_ADD, a->rows, a->width, a->layout, a, b, NULL));
}

void lm_add_op_forward(lm_graph *g, lm_node *n)
{
    lm_vector_add(lm_value(g, n->in[0]), lm_value(g, n->in[1]), n->out->value, lm_elements(n->out));
}

/* Copies first, then hands the buffer itself on. */
static void pass_to_both(lm_graph *g, lm_node *n, lm_tensor *a, lm_tensor *b)
{
    bool add;
    float *db = a->needs_grad ? lm_grad_of(g, b, &add) : NULL;
    if (db && add)
        lm_vector_axpy(1, n->out->grad, db, lm_elements(b));
    else if (db)
        memcpy(db, n->out->grad, lm_elements(b) * sizeof *db);
    lm_grad_pass(g, n, a->needs_grad ? a : b);
}

void lm_add_op_backward(lm_graph *g, lm_node *n)
{
    pass_to_both(g, n, n->in[0], n->in[1]);
}

lm_tensor *lm_scale(lm_graph *g, lm_tensor *x, float factor)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_SCALE, x->rows, x->width, x->layout, x, NULL, NULL);
    n->factor = factor;
    return run_unless_deferred(g, n);
}

void lm_scale_op_forward(lm_graph *g, lm_node *n)
{
    lm_vector_scale(n->factor, lm_value(g, n->in[0]), n->out->value, lm_elements(n->out));
}

void lm_scale_op_backward(lm_graph *g, lm_node *n)
{
    const float *dy = n->out->grad;
    bool add = false;
    float *dx = lm_grad_take(n, n->in[0]) ? n->in[0]->grad : lm_grad_of(g, n->in[0], &add);
    if (dx && add)
        lm_vector_axpy(n->factor, dy, dx, lm_elements(n->out));
    else if (dx)
        lm_vector_scale(n->factor, dy, dx, lm_elements(n->out));
}

/* ------------------------------------------------------------------ dropout */

static bool valid_rate(lm_graph *g, double p)
{
    if (p >= 0 && p <= 1)
        return true;
    lm_graph_fail(g, "dropout", "a probability of %g: give one from 0 to 1 in config.json", p);
    return false;
}

static lm_dropout_key dropout_key(lm_graph *g)
{
    return (lm_dropout_key){g->step.seed, g->step.optimiser_step, lm_graph_site(g)};
}

static lm_tensor *dropout(lm_graph *g, lm_op_id op, lm_tensor *x, lm_tensor *residual, double p,
                          lm_dropout_key key)
{
    lm_node *n = lm_node_new(g, op, x->rows, x->width, x->layout, x, residual, NULL);
    n->dropout.p = p;
    n->dropout.key = key;
    return lm_node_run(g, n);
}

lm_tensor *lm_dropout(lm_graph *g, lm_tensor *x, double p)
{
    if (!lm_graph_ok(g) || !valid_rate(g, p))
        return g->nothing;
    lm_dropout_key key = dropout_key(g);
    return g->step.training && p > 0 ? dropout(g, LM_OP_DROPOUT, x, NULL, p, key) : x;
}

lm_tensor *lm_dropout_add(lm_graph *g, lm_tensor *x, lm_tensor *residual, double p)
{
    if (!lm_graph_ok(g) || !valid_rate(g, p))
        return g->nothing;
    if (!same_size(x, residual))
        return lm_graph_fail(g, "dropout_add", "[%d, %d] and [%d, %d] have no sum: check the plugin", x->rows,
                             x->width, residual->rows, residual->width);
    lm_dropout_key key = dropout_key(g);
    return g->step.training && p > 0 ? dropout(g, LM_OP_DROPOUT_ADD, x, residual, p, key)
                                     : lm_add(g, x, residual);
}

void lm_dropout_op_forward(lm_graph *g, lm_node *n)
{
    const lm_tensor *y = n->out;
    n->dropout.mask = lm_graph_alloc(g, lm_dropout_mask_bytes(y->rows, y->width), 1);
    lm_dropout_forward(n->dropout.key, n->dropout.p, y->layout->global_row, y->layout->token,
                       lm_value(g, n->in[0]), n->in[1] ? lm_value(g, n->in[1]) : NULL, y->value,
                       n->dropout.mask, y->rows, y->width);
}

void lm_dropout_op_backward(lm_graph *g, lm_node *n)
{
    lm_tensor *x = n->in[0], *residual = n->in[1];
    int rows = n->out->rows, width = n->out->width;
    const float *dy = n->out->grad;
    bool add = false;
    bool in_place = (!residual || !residual->needs_grad) && lm_grad_take(n, x);
    float *dx = in_place ? x->grad : lm_grad_of(g, x, &add);
    if (dx)
        lm_dropout_backward(n->dropout.p, n->dropout.mask, dy, dx, add, rows, width);
    if (residual)
        lm_grad_pass(g, n, residual);
}

/* ------------------------------------------------------------------ choosing rows */

static lm_tensor *gather(lm_graph *g, lm_op_id op, lm_tensor *x, lm_layout *layout, const int32_t *index,
                         int n)
{
    int64_t *row = lm_graph_alloc(g, (size_t)n, sizeof *row);
    int32_t *token = lm_graph_alloc(g, (size_t)n, sizeof *token);
    for (int i = 0; i < n; i++) {
        row[i] = index[i] >= 0 ? x->layout->global_row[index[i]] : 0;
        token[i] = index[i] >= 0 ? x->layout->token[index[i]] : 0;
    }
    layout->global_row = row;
    layout->token = token;
    lm_node *node = lm_node_new(g, op, n, x->width, layout, x, NULL, NULL);
    node->gather.index = index;
    return lm_node_run(g, node);
}

lm_tensor *lm_first_token(lm_graph *g, lm_tensor *x)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    const lm_layout *l = x->layout;
    if (!l->row_splits)
        return lm_graph_fail(g, "first_token", "its input is not whole sequences: check the plugin");
    int32_t *index = lm_graph_alloc(g, (size_t)l->sequences, sizeof *index);
    for (int s = 0; s < l->sequences; s++)
        index[s] = l->row_splits[s] < l->row_splits[s + 1] ? l->row_splits[s] : -1;
    return gather(g, LM_OP_FIRST_TOKEN, x, lm_layout_new(g, l->sequences), index, l->sequences);
}

lm_tensor *lm_last_token(lm_graph *g, lm_tensor *x, int pad_id)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    const lm_batch *batch = g->batch;
    if (x->layout != g->layout)
        return lm_graph_fail(g, "last_token", "its input is not the tokens of the batch: check the plugin");
    int32_t *index = lm_graph_alloc(g, (size_t)batch->rows, sizeof *index);
    for (int r = 0; r < batch->rows; r++) {
        int32_t from = batch->row_splits[r], end = batch->row_splits[r + 1], t = end - 1;
        while (t > from && batch->ids[t] == pad_id)
            t--;
        index[r] = from < end ? t : -1;
    }
    return gather(g, LM_OP_LAST_TOKEN, x, lm_layout_new(g, batch->rows), index, batch->rows);
}

lm_tensor *lm_last_with_id(lm_graph *g, lm_tensor *x, int id)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    const lm_batch *batch = g->batch;
    const int32_t *splits = x->layout->row_splits;
    size_t bytes = ((size_t)batch->rows + 1) * sizeof *splits;
    if (!splits || x->layout->sequences != batch->rows || memcmp(splits, batch->row_splits, bytes) != 0)
        return lm_graph_fail(g, "last_with_id", "its input is not as long as the rows of the batch: check the plugin");
    int32_t *index = lm_graph_alloc(g, (size_t)batch->rows, sizeof *index);
    for (int r = 0; r < batch->rows; r++) {
        int32_t from = splits[r], end = splits[r + 1], t = end - 1;
        while (t >= from && batch->ids[t] != id)
            t--;
        index[r] = from == end ? -1 : t < from ? end - 1 : t;
    }
    return gather(g, LM_OP_LAST_TOKEN, x, lm_layout_new(g, batch->rows), index, batch->rows);
}

lm_tensor *lm_gather_rows(lm_graph *g, lm_tensor *x, const int32_t *index, int n)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    for (int i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= x->rows || (i && index[i] <= index[i - 1]))
            return lm_graph_fail(g, "gather_rows",
                                 "index %d of %d rows out of order: this is a mistake in the program",
                                 (int)index[i], x->rows);
    int32_t *own = lm_graph_alloc(g, (size_t)n, sizeof *own);
    if (n)
        memcpy(own, index, (size_t)n * sizeof *own);
    return gather(g, LM_OP_GATHER_ROWS, x, lm_layout_new(g, n), own, n);
}

void lm_gather_rows_op_forward(lm_graph *g, lm_node *n)
{
    size_t width = (size_t)n->out->width;
    const float *x = lm_value(g, n->in[0]);
    for (int i = 0; i < n->out->rows; i++) {
        float *y = n->out->value + (size_t)i * width;
        if (n->gather.index[i] >= 0)
            memcpy(y, x + (size_t)n->gather.index[i] * width, width * sizeof *y);
        else
            memset(y, 0, width * sizeof *y);
    }
}

void lm_gather_rows_op_backward(lm_graph *g, lm_node *n)
{
    size_t width = (size_t)n->out->width;
    float *dx = lm_grad_to_add(g, n->in[0]);
    if (!dx)
        return;
    for (int i = 0; i < n->out->rows; i++) {
        const float *dy = n->out->grad + (size_t)i * width;
        if (n->gather.index[i] >= 0)
            lm_vector_axpy(1, dy, dx + (size_t)n->gather.index[i] * width, width);
    }
}

void lm_first_token_op_forward(lm_graph *g, lm_node *n)
{
    lm_gather_rows_op_forward(g, n);
}

void lm_first_token_op_backward(lm_graph *g, lm_node *n)
{
    lm_gather_rows_op_backward(g, n);
}

void lm_last_token_op_forward(lm_graph *g, lm_node *n)
{
    lm_gather_rows_op_forward(g, n);
}

void lm_last_token_op_backward(lm_graph *g, lm_node *n)
{
    lm_gather_rows_op_backward(g, n);
}

/* ------------------------------------------------------------------ attention */

/* In an incremental step the keys and values are the next of those that are remembered; all of them are attended to. */
static bool remember_keys(lm_graph *g, lm_attention_args *a, int window)
{
    lm_kv_cache *cache = lm_graph_cache(g, a->sequences);
    if (cache)
        a->kept = lm_kv_cache_keys(cache, lm_graph_slot(g), a->kv_heads, a->dim, window, a->k_splits, &g->status);
    return lm_graph_ok(g);
}

/* The buckets of all distances that occur; false: the graph has failed. */
static bool find_buckets(lm_graph *g, lm_attention_args *args, const lm_attn *a)
{
    if (!a->relative)
        return true;
    lm_relative how = {a->relative->rows, a->relative_distance, a->relative_one_sided};
    if (a->relative->width != a->heads || !lm_relative_fits(&how)) {
        lm_graph_fail(g, "attention",
                      "a bias [%d, %d] for distances to %d does not suit %d heads: check the plugin against config.json",
                      how.buckets, a->relative->width, how.most, a->heads);
        return false;
    }
    int before = 0, behind = 0;
    for (int s = 0; s < args->sequences; s++) {
        int nq = args->q_splits[s + 1] - args->q_splits[s];
        int nk = args->kept ? args->kept[s].keys : args->k_splits[s + 1] - args->k_splits[s];
        before = nk > before ? nk : before;
        behind = nq > behind ? nq : behind;
    }
    int32_t *room = lm_graph_alloc(g, (size_t)before + 1 + (size_t)behind, sizeof *room);
    args->bucket = lm_relative_buckets(&how, room, before, behind);
    args->buckets = how.buckets;
    return true;
}

lm_tensor *lm_attention_sized(lm_graph *g, lm_tensor *q, lm_tensor *k, lm_tensor *v, const lm_attn *how,
                              size_t size)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    if (size > sizeof *how)
        return lm_graph_fail(g, "attention",
                             "the plugin wants more of it than this lmutils has: use a newer lmutils");
    lm_attn a = {0};
    memcpy(&a, how, size);
    int kv_heads = a.kv_heads ? a.kv_heads : a.heads;
    const lm_layout *of_q = q->layout, *of_k = k->layout;
    if (a.heads <= 0 || kv_heads <= 0 || a.heads % kv_heads || q->width % a.heads ||
        (int64_t)k->width * a.heads != (int64_t)q->width * kv_heads || !same_size(k, v))
        return lm_graph_fail(g, "attention",
                             "%d heads (%d of keys) do not divide queries [%d, %d], keys [%d, %d], values "
                             "[%d, %d]: check the plugin against config.json",
                             a.heads, kv_heads, q->rows, q->width, k->rows, k->width, v->rows, v->width);
    if (!of_q->row_splits || !of_k->row_splits || of_q->sequences != of_k->sequences)
        return lm_graph_fail(g, "attention",
                             "queries and keys are not of the same sequences: check the plugin");
    if (a.window < 0 || (a.window && !a.causal))
        return lm_graph_fail(g, "attention", "a window of %d keys, %s: check the plugin", a.window,
                             a.causal ? "which is not positive" : "and it is not causal");
    if (!valid_rate(g, a.dropout))
        return g->nothing;
    lm_node *n = lm_node_new(g, LM_OP_ATTENTION, q->rows, q->width, of_q, q, k, v);
    n->in[3] = a.relative;
    int dim = q->width / a.heads;
    n->attention.args = (lm_attention_args){.sequences = of_q->sequences,
                                            .q_splits = of_q->row_splits,
                                            .k_splits = of_k->row_splits,
                                            .heads = a.heads,
                                            .kv_heads = kv_heads,
                                            .dim = dim,
                                            .scale = (float)(a.scale != 0 ? a.scale : 1 / sqrt(dim)),
                                            .causal = a.causal,
                                            .window = a.window,
                                            .key = dropout_key(g),
                                            .dropout = g->step.training ? a.dropout : 0,
                                            .global_row = of_q->sequence_row};
    if (!remember_keys(g, &n->attention.args, a.window) || !find_buckets(g, &n->attention.args, &a))
        return g->nothing;
    if (g->tap)
        g->tap(g->tap_context, &(lm_attended){g->layer, q, k, v, a.heads, kv_heads, n->attention.args.scale, a.causal, a.window});
    return lm_node_run(g, n);
}

static lm_attention_args *attention_args(lm_graph *g, lm_node *n)
{
    lm_attention_args *a = &n->attention.args;
    a->q = lm_value(g, n->in[0]);
    a->k = lm_value(g, n->in[1]);
    a->v = lm_value(g, n->in[2]);
    a->relative = n->in[3] ? lm_value(g, n->in[3]) : NULL;
    return a;
}

void lm_attention_op_forward(lm_graph *g, lm_node *n)
{
    const lm_attention_args *a = attention_args(g, n);
    if (a->kept)
        lm_attention_keep(a);
    else if (n->out->needs_grad)
        n->attention.log_sum = lm_graph_alloc(g, (size_t)n->out->rows * (size_t)a->heads, sizeof(float));
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    float *scratch = lm_graph_alloc(g, lm_attention_scratch(a, false), sizeof *scratch);
    lm_attention_forward(a, n->out->value, n->attention.log_sum, scratch);
    lm_arena_release(g->arena, mark);
}

void lm_attention_op_backward(lm_graph *g, lm_node *n)
{
    const lm_attention_args *a = attention_args(g, n);
    lm_attention_grads grads = {.dout = n->out->grad, .log_sum = n->attention.log_sum};
    grads.dq = lm_grad_of(g, n->in[0], &grads.add_q);
    grads.dk = lm_grad_of(g, n->in[1], &grads.add_k);
    grads.dv = lm_grad_of(g, n->in[2], &grads.add_v);
    grads.drelative = n->in[3] ? lm_grad_to_add(g, n->in[3]) : NULL;
    lm_arena_mark mark = lm_arena_mark_get(g->arena);
    float *scratch = lm_graph_alloc(g, lm_attention_scratch(a, true), sizeof *scratch);
    lm_attention_backward(a, &grads, scratch);
    lm_arena_release(g->arena, mark);
}
