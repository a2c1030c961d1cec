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

static int decoder_parts(const lm_model *m)
{
    return m->arch.decoder_layers + 1 + (m->plugin->decoder_finish != NULL);
}

/* A part of a stack (see model.h), over the stack's batch. */
typedef struct part {
    lm_model *model;
    const lm_batch *batch;
    int number;
    bool second; /* of the second stack, whose blocks are numbered after those of the first */
} part;

static lm_tensor *run_part(lm_graph *g, const void *context, lm_tensor *x, lm_tensor *memory)
{
    const part *p = context;
    lm_model *m = p->model;
    const lm_plugin *plugin = m->plugin;
    lm_scope body = lm_model_body(m);
    int block = p->number - 1, layers = p->second ? m->arch.decoder_layers : m->arch.layers;
    bool is_block = block >= 0 && block < layers;
    lm_graph_layer(g, !is_block ? -1 : p->second ? m->arch.layers + block : block);
    lm_graph_body(g, body);
    if (p->number == 0)
        return (p->second ? plugin->decoder_embed : plugin->embed)(g, body, m->plugin_config, p->batch);
    if (!is_block)
        return (p->second ? plugin->decoder_finish : plugin->finish)(g, body, m->plugin_config, x);
    if (p->second)
        return plugin->decoder_block(g, lm_model_decoder_block(m, block), m->plugin_config, block, x, memory);
    return plugin->block(g, lm_model_block(m, block), m->plugin_config, block, x);
}

/* Parts [from, to) of a stack, from the result x of those before. */
static lm_tensor *run_parts(lm_graph *g, part stack, lm_tensor *x, lm_tensor *memory, int from, int to,
                            const lm_select *select)
{
    const lm_arch *arch = &stack.model->arch;
    int layers = stack.second ? arch->decoder_layers : arch->layers, first = stack.second ? arch->layers + 1 : 0;
    int parts = stack.second ? decoder_parts(stack.model) : lm_model_parts(stack.model);
    part *each = lm_arena_alloc(lm_graph_arena(g), (size_t)to + 1, sizeof *each);
    lm_arena_mark start = lm_graph_scope_open(g);
    for (int i = from; i < to; i++) {
        each[i] = stack;
        each[i].number = i;
        x = lm_graph_piece(g, start, (lm_piece){run_part, &each[i]}, x, i ? memory : NULL);
        if (i < layers || i + 1 == parts)
            tap(select, first + (i < layers ? i : layers), x);
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
    lm_graph_target(g, target);
    return run_parts(g, (part){m, target, 0, true}, NULL, memory, 0, decoder_parts(m), select);
}

lm_tensor *lm_model_prefix(lm_model *m, lm_graph *g, const lm_batch *batch, int parts)
{
    return run_parts(g, (part){m, batch, 0, false}, NULL, NULL, 0, parts, &(lm_select){0});
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
    for (int i = 0; i < parts; i++) {
        x = run_part(g, &(part){m, lm_graph_batch(g), i, false}, x, NULL);
        if (x->needs_grad)
            break;
        if (x->width == m->arch.width) /* embeddings that are not yet as wide are no place to begin at */
            frozen = i + 1;
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
    lm_tensor *x = run_parts(g, (part){m, batch, 0, false}, select->prefix, NULL,
                             select->prefix ? select->prefix_parts : 0, lm_model_parts(m), select);
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
