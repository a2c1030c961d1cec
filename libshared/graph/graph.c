#include "base/memory.h"
#include "graph/tape.h"

#include <stdlib.h>
#include <string.h>

static const lm_op ops[LM_OP_COUNT] = {
    [LM_OP_EMBEDDING] = {"embedding", lm_embedding_op_forward, lm_embedding_op_backward},
    [LM_OP_LINEAR] = {"linear", lm_linear_op_forward, lm_linear_op_backward},
    [LM_OP_VOCAB_LINEAR] = {"vocab_linear", lm_linear_op_forward, lm_linear_op_backward},
    [LM_OP_LOW_RANK] = {"low_rank", lm_low_rank_op_forward, lm_low_rank_op_backward},
    [LM_OP_MAGNITUDE] = {"magnitude", lm_magnitude_op_forward, lm_magnitude_op_backward},
    [LM_OP_DORA] = {"dora", lm_dora_op_forward, lm_dora_op_backward},
    [LM_OP_LAYER_NORM] = {"layer_norm", lm_layer_norm_op_forward, lm_layer_norm_op_backward},
    [LM_OP_RMS_NORM] = {"rms_norm", lm_rms_norm_op_forward, lm_rms_norm_op_backward},
    [LM_OP_ACTIVATE] = {"activate", lm_activate_op_forward, lm_activate_op_backward},
    [LM_OP_PARAMETER] = {"parameter", lm_parameter_op_forward, lm_parameter_op_backward},
    [LM_OP_GATE] = {"gate", lm_gate_op_forward, lm_gate_op_backward},
    [LM_OP_ROPE] = {"rope", lm_rope_op_forward, lm_rope_op_backward},
    [LM_OP_ADD] = {"add", lm_add_op_forward, lm_add_op_backward},
    [LM_OP_DROPOUT] = {"dropout", lm_dropout_op_forward, lm_dropout_op_backward},
    [LM_OP_DROPOUT_ADD] = {"dropout_add", lm_dropout_op_forward, lm_dropout_op_backward},
    [LM_OP_ATTENTION] = {"attention", lm_attention_op_forward, lm_attention_op_backward},
    [LM_OP_NGRAMS] = {"ngrams", lm_ngrams_op_forward, lm_ngrams_op_backward},
    [LM_OP_LSTM] = {"lstm", lm_lstm_op_forward, lm_lstm_op_backward},
    [LM_OP_FINAL_STATE] = {"final_state", lm_final_state_op_forward, lm_final_state_op_backward},
    [LM_OP_MEAN_TOKEN] = {"mean_token", lm_mean_token_op_forward, lm_mean_token_op_backward},
    [LM_OP_FIRST_TOKEN] = {"first_token", lm_first_token_op_forward, lm_first_token_op_backward},
    [LM_OP_LAST_TOKEN] = {"last_token", lm_last_token_op_forward, lm_last_token_op_backward},
    [LM_OP_GATHER_ROWS] = {"gather_rows", lm_gather_rows_op_forward, lm_gather_rows_op_backward},
    [LM_OP_SCALE] = {"scale", lm_scale_op_forward, lm_scale_op_backward},
    [LM_OP_RECOMPUTE] = {"recompute", NULL, lm_recompute_op_backward},
    [LM_OP_CUSTOM] = {"custom", lm_custom_op_forward, lm_custom_op_backward},
    [LM_OP_CROSS_ENTROPY] = {"cross_entropy", lm_cross_entropy_op_forward, lm_cross_entropy_op_backward},
    [LM_OP_SQUARED_ERROR] = {"squared_error", lm_squared_error_op_forward, lm_squared_error_op_backward},
    [LM_OP_BINARY_CROSS_ENTROPY] = {"binary_cross_entropy", lm_binary_cross_entropy_op_forward,
                                    lm_binary_cross_entropy_op_backward},
    [LM_OP_BALANCED_CROSS_ENTROPY] = {"balanced_cross_entropy", lm_balanced_cross_entropy_op_forward,
                                      lm_balanced_cross_entropy_op_backward},
    [LM_OP_BALANCED_BINARY_CROSS_ENTROPY] = {"balanced_binary_cross_entropy",
                                             lm_balanced_binary_cross_entropy_op_forward,
                                             lm_balanced_binary_cross_entropy_op_backward},
    [LM_OP_SPAN_CROSS_ENTROPY] = {"span_cross_entropy", lm_span_cross_entropy_op_forward,
                                  lm_span_cross_entropy_op_backward},
    [LM_OP_DISTILLATION] = {"distillation", lm_distillation_op_forward, lm_distillation_op_backward},
    [LM_OP_COSINE] = {"cosine", lm_cosine_op_forward, lm_cosine_op_backward},
    [LM_OP_RELATION] = {"relation", lm_relation_op_forward, lm_relation_op_backward},
    [LM_OP_LOGPROBS] = {"logprobs", lm_logprobs_op_forward, lm_logprobs_op_backward},
    [LM_OP_COMPUTED_LOSS] = {"computed_loss", lm_computed_loss_op_forward, lm_computed_loss_op_backward},
};

const lm_op *lm_op_at(size_t i)
{
    return i < LM_OP_COUNT ? &ops[i] : NULL;
}

/* ------------------------------------------------------------------ a graph's life */

static void begin_empty(lm_graph *g)
{
    static const int32_t no_splits[1];
    static const lm_batch none = {.row_splits = no_splits};
    g->arena = lm_arena_new(0);
    lm_graph_begin(g, &none, (lm_step){0});
}

lm_graph *lm_graph_new(lm_params *params)
{
    lm_kernels_start();
    lm_graph *g = lm_calloc(1, sizeof *g);
    g->params = params;
    begin_empty(g);
    return g;
}

void lm_graph_forget(lm_graph *g)
{
    lm_arena_free(g->arena);
    free(g->carry);
    g->carry = NULL;
    g->carry_room = g->carry_mallocs = 0;
    begin_empty(g);
}

void lm_graph_free(lm_graph *g)
{
    if (!g)
        return;
    lm_arena_free(g->arena);
    for (int i = 0; i < g->tables; i++)
        free(g->table[i].turns);
    free(g->table);
    free(g->carry);
    free(g);
}

void lm_graph_watch(lm_graph *g, lm_graph_watcher *watch, void *context)
{
    g->watch = watch;
    g->watch_context = context;
}

void lm_graph_tap(lm_graph *g, lm_graph_tapper *tap, void *context)
{
    g->tap = tap;
    g->tap_context = context;
}

const lm_batch *lm_graph_batch(const lm_graph *g)
{
    return g->batch;
}

bool lm_graph_reads_first_tokens(const lm_graph *g, const lm_tensor *x)
{
    for (const lm_node *n = g->last; n; n = n->previous)
        for (int i = 0; i < LM_INPUTS; i++)
            if (n->in[i] == x && n->op != &ops[LM_OP_FIRST_TOKEN])
                return false;
    return true;
}

lm_arena *lm_graph_arena(lm_graph *g)
{
    return g->arena;
}

size_t lm_graph_bytes(const lm_graph *g)
{
    return lm_arena_peak(g->arena) + g->carry_room * sizeof *g->carry;
}

size_t lm_graph_mallocs(const lm_graph *g)
{
    return lm_arena_chunks(g->arena) + g->carry_mallocs;
}

void *lm_graph_alloc(lm_graph *g, size_t count, size_t size)
{
    return lm_arena_alloc(g->arena, count, size);
}

lm_layout *lm_layout_new(lm_graph *g, int rows)
{
    lm_layout *l = lm_graph_alloc(g, 1, sizeof *l);
    *l = (lm_layout){.rows = rows};
    return l;
}

static lm_layout *layout_new_of(lm_graph *g, const lm_batch *batch)
{
    const int64_t *global_row = g->step.global_row;
    lm_layout *l = lm_layout_new(g, batch->tokens);
    int64_t *sequence_row = lm_graph_alloc(g, (size_t)batch->rows, sizeof *sequence_row);
    int64_t *row = lm_graph_alloc(g, (size_t)batch->tokens, sizeof *row);
    int32_t *token = lm_graph_alloc(g, (size_t)batch->tokens, sizeof *token);
    for (int s = 0; s < batch->rows; s++) {
        sequence_row[s] = global_row ? global_row[s] : s;
        for (int32_t t = batch->row_splits[s]; t < batch->row_splits[s + 1]; t++) {
            row[t] = sequence_row[s];
            token[t] = t - batch->row_splits[s];
        }
    }
    l->sequences = batch->rows;
    l->row_splits = batch->row_splits;
    l->sequence_row = sequence_row;
    l->global_row = row;
    l->token = token;
    l->position = batch->positions;
    return l;
}

const lm_layout *lm_layout_of(lm_graph *g, const lm_batch *batch)
{
    return batch == g->batch ? g->layout : batch == g->target ? g->target_layout : layout_new_of(g, batch);
}

static bool is_sound(lm_graph *g, const lm_batch *batch)
{
    bool sound = batch->rows >= 0 && batch->tokens >= 0 && batch->row_splits[0] == 0 &&
                 batch->row_splits[batch->rows] == batch->tokens;
    for (int s = 0; sound && s < batch->rows; s++)
        sound = batch->row_splits[s] <= batch->row_splits[s + 1];
    if (!sound)
        lm_graph_fail(g, "batch", "its row_splits do not divide its tokens: this is a mistake in the program");
    return sound;
}

void lm_graph_begin(lm_graph *g, const lm_batch *batch, lm_step step)
{
    lm_arena_reset(g->arena);
    lm_status_clear(&g->status);
    g->step = step;
    g->batch = batch;
    g->last = NULL;
    g->taped = 0;
    for (size_t i = 0; step.whole && i < lm_params_count(g->params); i++)
        lm_params_at(g->params, i)->first_use = UINT32_MAX;
    g->layer = -1;
    g->site = g->outside_site = 0;
    g->memories = g->outside_memories = 0;
    g->pool.count = 0;
    g->untaped = false;
    g->nothing = lm_graph_alloc(g, 1, sizeof *g->nothing);
    *g->nothing = (lm_tensor){.value = lm_graph_alloc(g, 1, sizeof(float)), .layout = lm_layout_new(g, 0)};
    g->nothing->value[0] = 0;
    g->layout = g->nothing->layout;
    g->target = NULL;
    g->target_layout = NULL;
    if (is_sound(g, batch))
        g->layout = layout_new_of(g, batch);
    if (step.cache && (step.training || step.taping))
        lm_graph_fail(g, "cache", "there is none in training: this is a mistake in the program");
    if (step.cache)
        lm_kv_cache_begin(step.cache, &g->status);
}

void lm_graph_target(lm_graph *g, const lm_batch *batch)
{
    if (!lm_graph_ok(g) || !is_sound(g, batch))
        return;
    if (batch->rows != g->batch->rows) {
        lm_graph_fail(g, "batch", "%d rows for the second stack, and %d for the first: this is a mistake in the program",
                      batch->rows, g->batch->rows);
        return;
    }
    g->target = batch;
    g->target_layout = layout_new_of(g, batch);
}

bool lm_graph_end(lm_graph *g, lm_status *st)
{
    bool ok = lm_graph_ok(g);
    if (!ok)
        lm_fail(st, g->status.code, "%s", g->status.message);
    lm_status_clear(&g->status);
    return ok;
}

void lm_graph_layer(lm_graph *g, int layer)
{
    g->layer = layer;
    g->site = 0;
    g->memories = 0;
}

void lm_graph_body(lm_graph *g, lm_scope body)
{
    g->body = body;
}

lm_scope lm_body(const lm_graph *g)
{
    return g->body;
}

uint32_t lm_graph_site(lm_graph *g)
{
    int count = g->layer < 0 ? g->outside_site++ : g->site++;
    return ((uint32_t)(g->layer + 1) << 8 | (uint32_t)(count & 0xff)) & 0xffffff;
}

lm_kv_cache *lm_graph_cache(lm_graph *g, int sequences)
{
    lm_kv_cache *cache = g->step.cache;
    if (!cache || lm_kv_cache_rows(cache) == sequences)
        return cache;
    lm_graph_fail(g, "cache", "it has %d rows, and the batch %d: this is a mistake in the program",
                  lm_kv_cache_rows(cache), sequences);
    return NULL;
}

lm_slot lm_graph_slot(lm_graph *g)
{
    return (lm_slot){g->layer, g->layer < 0 ? g->outside_memories++ : g->memories++};
}

lm_tensor *lm_graph_fail(lm_graph *g, const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (lm_graph_ok(g)) {
        lm_vfail(&g->status, LM_FAILED, format, args);
        lm_fail_prefix(&g->status, where);
    }
    va_end(args);
    return g->nothing;
}

/* ------------------------------------------------------------------ values and nodes */

size_t lm_elements(const lm_tensor *t)
{
    return (size_t)t->rows * (size_t)t->width;
}

lm_tensor *lm_tensor_new(lm_graph *g, int rows, int width, const lm_layout *layout)
{
    lm_tensor *t = lm_graph_alloc(g, 1, sizeof *t);
    *t = (lm_tensor){.rows = rows, .width = width, .layout = layout};
    if (!layout) { /* rows that nobody knows: numbered from 0 */
        lm_layout *l = lm_layout_new(g, rows);
        int64_t *row = lm_graph_alloc(g, (size_t)rows, sizeof *row);
        int32_t *token = lm_graph_alloc(g, (size_t)rows, sizeof *token);
        for (int r = 0; r < rows; r++) {
            row[r] = r;
            token[r] = 0;
        }
        l->global_row = row;
        l->token = token;
        t->layout = l;
    }
    return t;
}

lm_tensor *lm_graph_input(lm_graph *g, const float *values, int rows, int width, bool needs_grad)
{
    if (!lm_graph_ok(g))
        return g->nothing;
    lm_tensor *t = lm_tensor_new(g, rows, width, rows == g->layout->rows ? g->layout : NULL);
    t->value = lm_graph_alloc(g, lm_elements(t), sizeof(float));
    if (lm_elements(t))
        memcpy(t->value, values, lm_elements(t) * sizeof(float));
    t->needs_grad = needs_grad;
    return t;
}

lm_node *lm_node_new(lm_graph *g, lm_op_id op, int rows, int width, const lm_layout *layout, lm_tensor *a,
                     lm_tensor *b, lm_tensor *c)
{
    lm_node *n = lm_graph_alloc(g, 1, sizeof *n);
    memset(n, 0, sizeof *n);
    n->op = &ops[op];
    n->in[0] = a;
    n->in[1] = b;
    n->in[2] = c;
    n->out = lm_tensor_new(g, rows, width, layout);
    n->out->node = n;
    return n;
}

static bool trained(const lm_param *p)
{
    return p && p->trainable;
}

lm_tensor *lm_node_defer(lm_graph *g, lm_node *n)
{
    n->out->needs_grad = trained(n->weight) || trained(n->bias);
    for (int i = 0; i < LM_INPUTS && n->in[i]; i++)
        n->out->needs_grad |= n->in[i]->needs_grad;
    if (n->out->needs_grad && (g->step.training || g->step.taping) && !g->untaped)
        lm_node_tape(g, n);
    return n->out;
}

void lm_node_tape(lm_graph *g, lm_node *n)
{
    n->out->needs_grad = true;
    n->previous = g->last;
    n->index = g->taped++;
    g->last = n;
}

const float *lm_value(lm_graph *g, lm_tensor *t)
{
    if (t->value || !t->node)
        return t->value;
    for (int i = 0; i < LM_INPUTS && t->node->in[i]; i++)
        if (t->node->op != &ops[LM_OP_CROSS_ENTROPY] && t->node->op != &ops[LM_OP_DISTILLATION]) /* in ways of their own */
            lm_value(g, t->node->in[i]);
    t->value = lm_graph_alloc(g, lm_elements(t), sizeof(float));
    t->node->op->forward(g, t->node);
    return t->value;
}

lm_tensor *lm_node_run(lm_graph *g, lm_node *n)
{
    lm_node_defer(g, n);
    lm_value(g, n->out);
    return n->out;
}

const float *lm_tensor_read(lm_graph *g, lm_tensor *t)
{
    return lm_value(g, t);
}

/* ------------------------------------------------------------------ backward */

/* The smallest gradient buffer of the pool that is large enough, unless it is much too large. */
float *lm_grad_buffer(lm_graph *g, size_t floats, size_t *room)
{
    lm_grad_pool *pool = &g->pool;
    int best = -1;
    for (int i = 0; i < pool->count; i++)
        if (pool->at[i].room >= floats && (best < 0 || pool->at[i].room < pool->at[best].room))
            best = i;
    if (best < 0 || pool->at[best].room > 4 * floats + 4096) {
        *room = floats;
        return lm_graph_alloc(g, floats, sizeof(float));
    }
    float *found = pool->at[best].floats;
    *room = pool->at[best].room;
    pool->at[best] = pool->at[--pool->count];
    return found;
}

void lm_grad_give_back(lm_graph *g, lm_tensor *t)
{
    lm_grad_pool *pool = &g->pool;
    if (t->grad && pool->count < LM_POOL) {
        pool->at[pool->count].floats = t->grad;
        pool->at[pool->count++].room = t->grad_room;
    }
    t->grad = NULL;
}

float *lm_grad_of(lm_graph *g, lm_tensor *t, bool *add)
{
    if (!t->needs_grad)
        return NULL;
    *add = t->grad != NULL;
    if (!t->grad)
        t->grad = lm_grad_buffer(g, lm_elements(t), &t->grad_room);
    return t->grad;
}

float *lm_grad_to_add(lm_graph *g, lm_tensor *t)
{
    bool add = true;
    float *dt = lm_grad_of(g, t, &add);
    if (dt && !add)
        memset(dt, 0, lm_elements(t) * sizeof *dt);
    return dt;
}

bool lm_grad_take(lm_node *n, lm_tensor *t)
{
    if (!t->needs_grad || t->grad || lm_elements(t) != lm_elements(n->out))
        return false;
    t->grad = n->out->grad;
    t->grad_room = n->out->grad_room;
    n->out->grad = NULL;
    return true;
}

void lm_grad_pass(lm_graph *g, lm_node *n, lm_tensor *t)
{
    const float *dy = n->out->grad;
    bool add;
    float *dt;
    if (lm_grad_take(n, t) || !(dt = lm_grad_of(g, t, &add)))
        return;
    if (add)
        lm_vector_axpy(1, dy, dt, lm_elements(t));
    else
        memcpy(dt, dy, lm_elements(t) * sizeof *dt);
}

void lm_tape_backward(lm_graph *g)
{
    for (lm_node *n = g->last; n && lm_graph_ok(g); n = n->previous) {
        if (n->out->grad) { /* else it leads nowhere, or is part of a fused loss */
            n->op->backward(g, n);
            lm_grad_give_back(g, n->out);
        }
        if (g->step.whole)
            g->step.whole(g->step.whole_context, n->index);
    }
}

void lm_graph_backward(lm_graph *g, lm_tensor *loss, float scale)
{
    if (!lm_graph_ok(g))
        return;
    if (loss->rows != 1 || loss->width != 1) {
        lm_graph_fail(g, "backward", "a loss is [1, 1], not [%d, %d]", loss->rows, loss->width);
        return;
    }
    bool add;
    float *seed = lm_grad_of(g, loss, &add);
    if (!seed)
        return; /* nothing is trained */
    *seed = scale;
    lm_tape_backward(g);
}
