/* Encoders of BERT's kind: lmutils/plugin.h says what an lm_bertlike describes.
 *
 * Devlin et al. 2018 (arXiv 1810.04805) for the stack and the heads; the layers are those of Vaswani et al.
 * 2017 (arXiv 1706.03762), with the norm after each sum. Only what plugin.h offers is used. */
#include "lmutils/plugin.h"

#include <string.h>

/* More than any model has: a damaged config shall not be believed. */
enum { BLOCKS_MAX = 10000 };

/* ------------------------------------------------------------------ config.json */

lm_bertlike *lm_bertlike_new_sized(lm_config *c, size_t size)
{
    if (size > sizeof(lm_bertlike))
        lm_config_fail(c, "the plugin was built for a newer version: "
                          "rebuild it with the lmutils/plugin.h that is installed");
    lm_bertlike *e = lm_config_alloc(c, size > sizeof *e ? size : sizeof *e);
    *e = (lm_bertlike){.vocab_size = 30522,
                       .layers = 12,
                       .width = 768,
                       .heads = 12,
                       .inner = 3072,
                       .positions = 512,
                       .types = 2,
                       .labels = lm_config_labels(c),
                       .tie = true,
                       .std = 0.02,
                       .eps = 1e-12,
                       .dropout = 0.1,
                       .attention_dropout = 0.1,
                       .activation = LM_GELU,
                       .mlm_activation = LM_GELU,
                       .classify_activation = LM_TANH,
                       .body = "bert",
                       .layer = "encoder.layer",
                       .query = "attention.self.query",
                       .key = "attention.self.key",
                       .value = "attention.self.value",
                       .attention_output = "attention.output.dense",
                       .attention_norm = "attention.output.LayerNorm",
                       .intermediate = "intermediate.dense",
                       .output = "output.dense",
                       .output_norm = "output.LayerNorm",
                       .classify = "classifier",
                       .tag = "classifier",
                       .answer = "qa_outputs"};
    return e;
}

void lm_bertlike_read(lm_config *c, lm_bertlike *e)
{
    e->vocab_size = lm_config_int(c, "vocab_size", e->vocab_size);
    e->width = lm_config_int(c, "hidden_size", e->width);
    e->layers = lm_config_int(c, "num_hidden_layers", e->layers);
    e->heads = lm_config_int(c, "num_attention_heads", e->heads);
    e->inner = lm_config_int(c, "intermediate_size", e->inner);
    e->positions = lm_config_int(c, "max_position_embeddings", e->positions);
    e->types = lm_config_int(c, "type_vocab_size", e->types);
    if (!e->types)
        lm_config_fail(c, "type_vocab_size: has to be at least 1");
    e->pad_id = lm_config_int(c, "pad_token_id", e->pad_id);
    e->dropout = lm_config_float(c, "hidden_dropout_prob", e->dropout);
    e->attention_output_dropout = e->output_dropout = e->dropout;
    e->attention_dropout = lm_config_float(c, "attention_probs_dropout_prob", e->attention_dropout);
    e->classify_dropout = e->tag_dropout = lm_config_float(c, "classifier_dropout", e->dropout);
    e->std = lm_config_float(c, "initializer_range", e->std);
    e->eps = lm_config_float(c, "layer_norm_eps", e->eps);
    e->activation =
        lm_config_activation(c, "hidden_act", e->activation == LM_GELU_TANH ? "gelu_new" : "gelu");
    e->tie = lm_config_bool(c, "tie_word_embeddings", e->tie);
    if (strcmp(lm_config_string(c, "position_embedding_type", "absolute"), "absolute") != 0)
        lm_config_fail(c,
                       "position_embedding_type: only \"absolute\" is known: use a checkpoint that has it");
    if (lm_config_bool(c, "is_decoder", false))
        lm_config_fail(c, "is_decoder: the model is served as an encoder: set it to false");
}

/* Positions that rows can have: those past the padding's begin at pad_id + 1. */
static int max_length(const lm_bertlike *e)
{
    return e->past_padding ? e->positions - e->pad_id - 1 : e->positions;
}

void lm_bertlike_arch(lm_config *c, const lm_bertlike *e, lm_arch *arch)
{
    if (!e->vocab_size || !e->width || !e->inner || !e->positions)
        lm_config_fail(c, "vocabulary, width, inner width and positions: each has to be at least 1");
    if (!e->heads || e->width % e->heads)
        lm_config_fail(c, "the width, %d, is no multiple of the number of heads, %d", e->width, e->heads);
    if (e->pad_id >= e->vocab_size)
        lm_config_fail(c, "pad_token_id: %d is not in the vocabulary of %d", e->pad_id, e->vocab_size);
    if (e->past_padding && max_length(e) < 1)
        lm_config_fail(
            c, "max_position_embeddings: positions begin at %d, so that of %d none is left for a token",
            e->pad_id + 1, e->positions);
    if (e->groups > e->layers || (int64_t)e->layers * e->group_blocks > BLOCKS_MAX)
        lm_config_fail(c, "num_hidden_layers: %d cannot stand in %d groups of %d", e->layers, e->groups,
                       e->group_blocks);
    if (!e->labels)
        lm_config_fail(c, "id2label: a head needs at least one class");
    *arch = (lm_arch){.layers = e->layers,
                      .width = e->width,
                      .heads = e->heads,
                      .vocab_size = e->vocab_size,
                      .max_length = max_length(e),
                      .type_vocab_size = e->types,
                      .body = e->body,
                      .layer = e->layer,
                      .groups = e->groups};
}

/* ------------------------------------------------------------------ the body */

static int embedding_width(const lm_bertlike *e)
{
    return e->embedding_width ? e->embedding_width : e->width;
}

static void declare_block(lm_declare *d, lm_scope s, const lm_bertlike *e)
{
    lm_declare_linear(d, lm_in(s, e->query), e->width, e->width, e->std);
    lm_declare_linear(d, lm_in(s, e->key), e->width, e->width, e->std);
    lm_declare_linear(d, lm_in(s, e->value), e->width, e->width, e->std);
    lm_declare_linear(d, lm_in(s, e->attention_output), e->width, e->width, e->std);
    lm_declare_layer_norm(d, lm_in(s, e->attention_norm), e->width);
    lm_declare_linear(d, lm_in(s, e->intermediate), e->width, e->inner, e->std);
    lm_declare_linear(d, lm_in(s, e->output), e->inner, e->width, e->std);
    lm_declare_layer_norm(d, lm_in(s, e->output_norm), e->width);
}

void lm_bertlike_declare(lm_declare *d, lm_scope body, const void *config)
{
    const lm_bertlike *e = config;
    lm_scope s = lm_in(body, "embeddings");
    int width = embedding_width(e), groups = e->groups ? e->groups : e->layers;
    lm_declare_embedding(d, lm_in(s, "word_embeddings"), e->vocab_size, width, e->std, e->pad_id);
    lm_declare_embedding(d, lm_in(s, "position_embeddings"), e->positions, width, e->std,
                         e->past_padding ? e->pad_id : -1);
    if (e->types)
        lm_declare_embedding(d, lm_in(s, "token_type_embeddings"), e->types, width, e->std, -1);
    lm_declare_layer_norm(d, lm_in(s, "LayerNorm"), width);
    if (e->projection)
        lm_declare_linear(d, lm_in(body, e->projection), width, e->width, e->std);
    for (int i = 0; i < groups; i++) {
        lm_scope group = lm_in_index(body, e->layer, i);
        for (int j = 0; j < e->group_blocks; j++)
            declare_block(d, lm_in_index(group, e->group_block, j), e);
        if (!e->group_blocks)
            declare_block(d, group, e);
    }
    lm_declare_old_name(d, "LayerNorm.gamma", "LayerNorm.weight");
    lm_declare_old_name(d, "LayerNorm.beta", "LayerNorm.bias");
    lm_declare_ignored(d, "embeddings.position_ids");
    lm_declare_ignored(d, "embeddings.token_type_ids");
}

lm_tensor *lm_bertlike_embed(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch)
{
    const lm_bertlike *e = config;
    lm_scope s = lm_in(body, "embeddings");
    const int32_t *positions =
        e->past_padding ? lm_positions_past_padding(g, batch, e->pad_id) : batch->positions;
    lm_tensor *x = lm_embedding(g, lm_in(s, "word_embeddings"), batch->ids, batch);
    if (e->types)
        x = lm_add(g, x, lm_embedding(g, lm_in(s, "token_type_embeddings"), batch->types, batch));
    x = lm_add(g, x, lm_embedding(g, lm_in(s, "position_embeddings"), positions, batch));
    x = lm_dropout(g, lm_layer_norm(g, lm_in(s, "LayerNorm"), x, e->eps), e->dropout);
    return e->projection ? lm_linear(g, lm_in(body, e->projection), x) : x;
}

static lm_tensor *run_block(lm_graph *g, lm_scope s, const lm_bertlike *e, lm_tensor *x)
{
    lm_tensor *q = lm_linear(g, lm_in(s, e->query), x);
    lm_tensor *k = lm_linear(g, lm_in(s, e->key), x);
    lm_tensor *v = lm_linear(g, lm_in(s, e->value), x);
    lm_tensor *a = lm_attention(g, q, k, v, (lm_attn){.heads = e->heads, .dropout = e->attention_dropout});
    a = lm_dropout_add(g, lm_linear(g, lm_in(s, e->attention_output), a), x, e->attention_output_dropout);
    x = lm_layer_norm(g, lm_in(s, e->attention_norm), a, e->eps);

    lm_tensor *h = lm_activate(g, lm_linear(g, lm_in(s, e->intermediate), x), e->activation);
    h = lm_dropout_add(g, lm_linear(g, lm_in(s, e->output), h), x, e->output_dropout);
    return lm_layer_norm(g, lm_in(s, e->output_norm), h, e->eps);
}

lm_tensor *lm_bertlike_block(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x)
{
    const lm_bertlike *e = config;
    (void)index;
    for (int j = 0; j < e->group_blocks; j++)
        x = run_block(g, lm_in_index(layer, e->group_block, j), e, x);
    return e->group_blocks ? x : run_block(g, layer, e, x);
}

/* ------------------------------------------------------------------ heads on the first token */

static void declare_pooler(lm_declare *d, lm_scope body, const lm_bertlike *e)
{
    if (e->pooler)
        lm_declare_linear(d, lm_in(body, e->pooler), e->width, e->width, e->std);
}

static lm_tensor *pool(lm_graph *g, lm_scope body, const lm_bertlike *e, lm_tensor *x)
{
    return lm_activate(g, lm_linear(g, lm_in(body, e->pooler), lm_first_token(g, x)), LM_TANH);
}

void lm_bertlike_base_declare(lm_declare *d, lm_scope s, const void *config)
{
    declare_pooler(d, s, config);
}

lm_tensor *lm_bertlike_pooled(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    return pool(g, s, config, x);
}

void lm_bertlike_classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_bertlike *e = config;
    if (e->classify_dense)
        lm_declare_linear(d, lm_in(s, e->classify_dense), e->width, e->width, e->std);
    else
        declare_pooler(d, lm_in(s, e->body), e);
    lm_declare_linear(d, lm_in(s, e->classify), e->width, e->labels, e->std);
}

lm_tensor *lm_bertlike_classify(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_bertlike *e = config;
    if (e->classify_dense) {
        x = lm_dropout(g, lm_first_token(g, x), e->classify_input_dropout);
        x = lm_activate(g, lm_linear(g, lm_in(s, e->classify_dense), x), e->classify_activation);
    } else {
        x = pool(g, lm_in(s, e->body), e, x);
    }
    return lm_linear(g, lm_in(s, e->classify), lm_dropout(g, x, e->classify_dropout));
}

/* ------------------------------------------------------------------ heads on every token */

void lm_bertlike_mlm_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_bertlike *e = config;
    int width = embedding_width(e);
    lm_scope decoder = lm_in(s, e->mlm_decoder),
             words = lm_in(lm_in(s, e->body), "embeddings.word_embeddings");
    lm_declare_linear(d, lm_in(s, e->mlm_dense), e->width, width, e->std);
    lm_declare_layer_norm(d, lm_in(s, e->mlm_norm), width);
    lm_declare_param(d, e->mlm_bias ? lm_in(s, e->mlm_bias) : decoder, "bias", (int64_t[4]){e->vocab_size},
                     (lm_init){LM_INIT_ZERO, 0});
    if (e->tie)
        lm_declare_tied(d, decoder, "weight", words, "weight");
    else
        lm_declare_param(d, decoder, "weight", (int64_t[4]){e->vocab_size, width}, lm_normal(e->std));
    if (e->mlm_bias)
        lm_declare_tied(d, decoder, "bias", lm_in(s, e->mlm_bias), "bias");
}

lm_tensor *lm_bertlike_mlm(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_bertlike *e = config;
    x = lm_activate(g, lm_linear(g, lm_in(s, e->mlm_dense), x), e->mlm_activation);
    return lm_vocab_linear(g, lm_in(s, e->mlm_decoder), lm_layer_norm(g, lm_in(s, e->mlm_norm), x, e->eps));
}

void lm_bertlike_pretrain_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_bertlike *e = config;
    declare_pooler(d, lm_in(s, e->body), e);
    lm_bertlike_mlm_declare(d, s, e);
    lm_declare_linear(d, lm_in(s, e->next), e->width, 2, e->std);
}

lm_tensor *lm_bertlike_next(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_bertlike *e = config;
    return lm_linear(g, lm_in(s, e->next), lm_dropout(g, pool(g, lm_in(s, e->body), e, x), e->next_dropout));
}

void lm_bertlike_tag_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_bertlike *e = config;
    lm_declare_linear(d, lm_in(s, e->tag), e->width, e->labels, e->std);
}

lm_tensor *lm_bertlike_tag(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_bertlike *e = config;
    return lm_linear(g, lm_in(s, e->tag), lm_dropout(g, x, e->tag_dropout));
}

void lm_bertlike_answer_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_bertlike *e = config;
    lm_declare_linear(d, lm_in(s, e->answer), e->width, 2, e->std);
}

lm_tensor *lm_bertlike_answer(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_bertlike *e = config;
    return lm_linear(g, lm_in(s, e->answer), lm_dropout(g, x, e->answer_dropout));
}
