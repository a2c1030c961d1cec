#include "model/model.h"
#include "model/weights.h"

#include <string.h>

/* The body's own pooler: the rows function of the head without a task. */
static const lm_head *pooler(const lm_model *m)
{
    for (const lm_head *h = m->plugin->heads; h->name; h++) {
        if (h->bare && h->rows)
            return h;
    }
    return NULL;
}

bool lm_model_has_pooler(const lm_model *m)
{
    const lm_head *base = pooler(m);
    if (!base)
        return false;
    /* its parameters have to be there, under whatever head was opened */
    lm_params *wanted = lm_params_new();
    lm_declare *d = lm_declare_begin(wanted);
    lm_status st = LM_STATUS_INIT;
    base->declare(d, lm_model_body(m), m->plugin_config);
    bool has = lm_declare_end(d, &st);
    for (size_t i = 0; has && i < lm_params_count(wanted); i++)
        has = lm_params_find(m->params, lm_params_at(wanted, i)->name) != NULL;
    lm_params_free(wanted);
    return has;
}

static void tap(const lm_select *select, int layer, const lm_tensor *x)
{
    if (select->tap)
        select->tap(select->tap_context, layer, x);
}

int lm_model_parts(const lm_model *m)
{
    return m->arch.layers + 1 + (m->plugin->finish != NULL);
}

/* One part of the body (see model.h), from the result of the part before it. */
static lm_tensor *run_part(lm_model *m, lm_graph *g, const lm_batch *batch, int part, lm_tensor *x)
{
    const lm_plugin *plugin = m->plugin;
    lm_scope body = lm_model_body(m);
    int block = part - 1;
    bool is_block = block >= 0 && block < m->arch.layers;
    lm_graph_layer(g, is_block ? block : -1);
    lm_graph_body(g, body);
    if (part == 0)
        return plugin->embed(g, body, m->plugin_config, batch);
    if (is_block)
        return plugin->block(g, lm_model_block(m, block), m->plugin_config, block, x);
    return plugin->finish(g, body, m->plugin_config, x);
}

/* The same of the second stack, whose blocks are numbered after those of the first. */
static lm_tensor *run_decoder_part(lm_model *m, lm_graph *g, const lm_batch *batch, int part, lm_tensor *x,
                                   lm_tensor *memory)
{
    const lm_plugin *plugin = m->plugin;
    lm_scope body = lm_model_body(m);
    int block = part - 1;
    bool is_block = block >= 0 && block < m->arch.decoder_layers;
    lm_graph_layer(g, is_block ? m->arch.layers + block : -1);
    lm_graph_body(g, body);
    if (part == 0)
        return plugin->decoder_embed(g, body, m->plugin_config, batch);
    if (is_block)
        return plugin->decoder_block(g, lm_model_decoder_block(m, block), m->plugin_config, block, x, memory);
    return plugin->decoder_finish(g, body, m->plugin_config, x);
}

/* Parts [from, to) of the body, from the result x of those before. Where nothing is taped each part's memory is given
 * back, and so is its input. */
static lm_tensor *run_parts(lm_model *m, lm_graph *g, const lm_batch *batch, lm_tensor *x, int from, int to,
                            const lm_select *select)
{
    int layers = m->arch.layers;
    lm_arena_mark start = lm_graph_scope_open(g);
    for (int part = from; part < to; part++) {
        x = lm_graph_scope_close(g, start, run_part(m, g, batch, part, x));
        if (part < layers || part + 1 == lm_model_parts(m))
            tap(select, part < layers ? part : layers, x);
    }
    lm_graph_layer(g, -1);
    return x;
}

/* The batch's rows, each shifted by one behind the token that the second stack begins with. */
static const lm_batch *shifted(const lm_model *m, lm_graph *g, const lm_batch *batch)
{
    lm_batch *target = lm_arena_alloc(lm_graph_arena(g), 1, sizeof *target);
    int32_t *ids = lm_arena_alloc(lm_graph_arena(g), (size_t)batch->tokens, sizeof *ids);
    for (int r = 0; r < batch->rows; r++)
        for (int32_t t = batch->row_splits[r]; t < batch->row_splits[r + 1]; t++)
            ids[t] = t > batch->row_splits[r] ? batch->ids[t - 1] : m->arch.decoder_start_id;
    *target = *batch;
    target->ids = ids;
    return target;
}

/* The second stack over its own batch. */
static lm_tensor *run_decoder(lm_model *m, lm_graph *g, const lm_batch *batch, lm_tensor *memory, const lm_select *select)
{
    const lm_batch *target = select->target ? select->target : shifted(m, g, batch);
    int layers = m->arch.decoder_layers, parts = layers + 1 + (m->plugin->decoder_finish != NULL);
    lm_tensor *x = NULL;
    lm_graph_target(g, target);
    lm_arena_mark start = lm_graph_scope_open(g);
    for (int part = 0; part < parts; part++) {
        x = lm_graph_scope_close(g, start, run_decoder_part(m, g, target, part, x, memory));
        if (part < layers || part + 1 == parts)
            tap(select, m->arch.layers + 1 + (part < layers ? part : layers), x);
    }
    lm_graph_layer(g, -1);
    return x;
}

lm_tensor *lm_model_prefix(lm_model *m, lm_graph *g, const lm_batch *batch, int parts)
{
    return run_parts(m, g, batch, NULL, 0, parts, &(lm_select){0});
}

/* A batch of two rows of two tokens each, to see what the network does with any. */
static void begin_trial(lm_graph *g)
{
    static const int32_t splits[] = {0, 2, 4}, zeros[4], positions[] = {0, 1, 0, 1};
    static const lm_batch batch = {
        .rows = 2, .tokens = 4, .row_splits = splits, .ids = zeros, .types = zeros, .positions = positions};
    lm_graph_begin(g, &batch, (lm_step){.taping = true});
}

int lm_model_frozen_parts(lm_model *m, lm_graph *g, lm_status *st)
{
    int parts = lm_model_parts(m), frozen = 0;
    lm_tensor *x = NULL;
    begin_trial(g);
    for (int part = 0; part < parts; part++) {
        x = run_part(m, g, lm_graph_batch(g), part, x);
        if (x->needs_grad)
            break;
        if (x->width == m->arch.width) /* embeddings that are not yet as wide are no place to begin at */
            frozen = part + 1;
    }
    return lm_graph_end(g, st) ? frozen : -1;
}

bool lm_model_reads_first_tokens(lm_model *m, lm_graph *g, lm_status *st)
{
    if (!m->head->rows || m->arch.decoder_layers)
        return false;
    begin_trial(g);
    float *zeros = lm_arena_alloc(lm_graph_arena(g), 4 * (size_t)m->arch.width, sizeof *zeros);
    memset(zeros, 0, 4 * (size_t)m->arch.width * sizeof *zeros);
    lm_tensor *x = lm_graph_input(g, zeros, 4, m->arch.width, true);
    m->head->rows(g, (lm_scope){""}, m->plugin_config, x);
    bool only = lm_graph_reads_first_tokens(g, x);
    return lm_graph_end(g, st) && only;
}

int lm_model_token_columns(const lm_model *m)
{
    if (!m->head->tokens)
        return 0;
    switch (m->head->columns) {
    case LM_COLUMNS_CLASSES:
        return lm_config_labels(m->config);
    case LM_COLUMNS_SPAN:
        return 2;
    case LM_COLUMNS_VOCABULARY:
        break;
    }
    return m->arch.vocab_size;
}

lm_tensor *lm_model_token_logits(lm_model *m, lm_graph *g, lm_tensor *hidden, const int32_t *tokens,
                                 int count)
{
    if (!m->head->tokens)
        return NULL;
    lm_tensor *rows = tokens ? lm_gather_rows(g, hidden, tokens, count) : hidden;
    return m->head->tokens(g, (lm_scope){""}, m->plugin_config, rows);
}

lm_outputs lm_model_forward(lm_model *m, lm_graph *g, const lm_batch *batch, const lm_select *select)
{
    const lm_head *base = pooler(m);
    lm_outputs out = {0};
    lm_tensor *x = run_parts(m, g, batch, select->prefix, select->prefix ? select->prefix_parts : 0, lm_model_parts(m),
                             select);
    if (m->arch.decoder_layers) {
        out.memory = x;
        x = run_decoder(m, g, batch, out.memory, select);
    }
    if (select->hidden)
        out.hidden = x;
    if (select->token_logits)
        out.token_logits = lm_model_token_logits(m, g, x, select->tokens, select->count);
    if (select->row_logits && m->head->rows)
        out.row_logits = m->head->rows(g, (lm_scope){""}, m->plugin_config, x);
    if (select->pooled && base)
        out.pooled = base->rows(g, lm_model_body(m), m->plugin_config, x);
    return out;
}

bool lm_model_check_batch(const lm_model *m, const lm_batch *batch, lm_status *st)
{
    for (int r = 0; r < batch->rows; r++) {
        int from = batch->row_splits[r], to = batch->row_splits[r + 1];
        if (m->arch.max_length && to - from > m->arch.max_length)
            return lm_fail(st, LM_FAILED, "row %d: %d tokens, and the model takes %d: use tok --max-length",
                           r, to - from, m->arch.max_length);
        for (int t = from; t < to; t++) {
            if (batch->ids[t] < 0 || batch->ids[t] >= m->arch.vocab_size)
                return lm_fail(st, LM_FAILED,
                               "row %d: token id %d is not in the model's vocabulary of %d: use the "
                               "model's tokenizer",
                               r, batch->ids[t], m->arch.vocab_size);
            if (batch->types && m->arch.type_vocab_size &&
                (batch->types[t] < 0 || batch->types[t] >= m->arch.type_vocab_size))
                return lm_fail(st, LM_FAILED, "row %d: segment id %d, and the model has %d", r,
                               batch->types[t], m->arch.type_vocab_size);
        }
    }
    return true;
}
