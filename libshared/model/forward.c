#include "model/model.h"
#include "model/weights.h"

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

/* The embedding and the blocks. In inference each block's memory is given back, and so is its input. */
static lm_tensor *run_body(lm_model *m, lm_graph *g, const lm_batch *batch, const lm_select *select)
{
    const lm_plugin *plugin = m->plugin;
    lm_scope body = lm_model_body(m);
    lm_arena_mark start = lm_graph_scope_open(g);
    lm_graph_layer(g, -1);
    lm_tensor *x = plugin->embed(g, body, m->plugin_config, batch);
    x = lm_graph_scope_close(g, start, x);
    tap(select, 0, x);
    for (int i = 0; i < m->arch.layers; i++) {
        lm_graph_layer(g, i);
        x = plugin->block(g, lm_model_block(m, i), m->plugin_config, i, x);
        x = lm_graph_scope_close(g, start, x);
        if (i + 1 < m->arch.layers || !plugin->finish)
            tap(select, i + 1, x);
    }
    lm_graph_layer(g, -1);
    if (plugin->finish) {
        x = plugin->finish(g, body, m->plugin_config, x);
        x = lm_graph_scope_close(g, start, x);
        tap(select, m->arch.layers, x);
    }
    return x;
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
    lm_tensor *x = run_body(m, g, batch, select);
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
