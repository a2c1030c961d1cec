/* BERT: Devlin et al. 2018, arXiv 1810.04805. Post-norm encoder with learned positions and segment embeddings. */
#include "lmutils/plugin.h"

#include <string.h>

typedef struct bert {
    int vocab_size, width, layers, heads, inner, positions, types, labels, pad_id;
    double dropout, attention_dropout, classifier_dropout, std, eps;
    lm_activation activation;
    bool tie;
} bert;

static const void *configure(lm_config *c, lm_arch *arch)
{
    bert *b = lm_config_alloc(c, sizeof *b);
    b->vocab_size = lm_config_int(c, "vocab_size", 30522);
    b->width = lm_config_int(c, "hidden_size", 768);
    b->layers = lm_config_int(c, "num_hidden_layers", 12);
    b->heads = lm_config_int(c, "num_attention_heads", 12);
    b->inner = lm_config_int(c, "intermediate_size", 3072);
    b->positions = lm_config_int(c, "max_position_embeddings", 512);
    b->types = lm_config_int(c, "type_vocab_size", 2);
    b->pad_id = lm_config_has(c, "pad_token_id") ? lm_config_int(c, "pad_token_id", 0) : -1;
    b->dropout = lm_config_float(c, "hidden_dropout_prob", 0.1);
    b->attention_dropout = lm_config_float(c, "attention_probs_dropout_prob", 0.1);
    b->classifier_dropout = lm_config_float(c, "classifier_dropout", b->dropout);
    b->std = lm_config_float(c, "initializer_range", 0.02);
    b->eps = lm_config_float(c, "layer_norm_eps", 1e-12);
    b->activation = lm_config_activation(c, "hidden_act", "gelu");
    b->tie = lm_config_bool(c, "tie_word_embeddings", true);
    b->labels = lm_config_labels(c);
    if (!b->vocab_size || !b->width || !b->inner || !b->positions || !b->types)
        lm_config_fail(c, "vocab_size, hidden_size, intermediate_size, max_position_embeddings, type_vocab_size: "
                          "each has to be at least 1");
    if (!b->heads || b->width % b->heads)
        lm_config_fail(c, "hidden_size: %d is no multiple of num_attention_heads, %d", b->width, b->heads);
    if (b->pad_id >= b->vocab_size)
        lm_config_fail(c, "pad_token_id: %d is not in the vocabulary of %d", b->pad_id, b->vocab_size);
    if (!b->labels)
        lm_config_fail(c, "id2label: a head needs at least one class");
    if (strcmp(lm_config_string(c, "position_embedding_type", "absolute"), "absolute") != 0)
        lm_config_fail(c, "position_embedding_type: only \"absolute\" is known: use a checkpoint that has it");
    if (lm_config_bool(c, "is_decoder", false))
        lm_config_fail(c, "is_decoder: BERT is served as an encoder: set it to false");

    *arch = (lm_arch){.layers = b->layers, .width = b->width, .heads = b->heads, .vocab_size = b->vocab_size,
                      .max_length = b->positions, .type_vocab_size = b->types, .body = "bert",
                      .layer = "encoder.layer"};
    return b;
}

static void declare_block(lm_declare *d, lm_scope s, const bert *b)
{
    lm_declare_linear(d, lm_in(s, "attention.self.query"), b->width, b->width, b->std);
    lm_declare_linear(d, lm_in(s, "attention.self.key"), b->width, b->width, b->std);
    lm_declare_linear(d, lm_in(s, "attention.self.value"), b->width, b->width, b->std);
    lm_declare_linear(d, lm_in(s, "attention.output.dense"), b->width, b->width, b->std);
    lm_declare_layer_norm(d, lm_in(s, "attention.output.LayerNorm"), b->width);
    lm_declare_linear(d, lm_in(s, "intermediate.dense"), b->width, b->inner, b->std);
    lm_declare_linear(d, lm_in(s, "output.dense"), b->inner, b->width, b->std);
    lm_declare_layer_norm(d, lm_in(s, "output.LayerNorm"), b->width);
}

static void declare(lm_declare *d, lm_scope s, const void *config)
{
    const bert *b = config;
    lm_scope e = lm_in(s, "embeddings");
    lm_declare_embedding(d, lm_in(e, "word_embeddings"), b->vocab_size, b->width, b->std, b->pad_id);
    lm_declare_embedding(d, lm_in(e, "position_embeddings"), b->positions, b->width, b->std, -1);
    lm_declare_embedding(d, lm_in(e, "token_type_embeddings"), b->types, b->width, b->std, -1);
    lm_declare_layer_norm(d, lm_in(e, "LayerNorm"), b->width);
    for (int i = 0; i < b->layers; i++)
        declare_block(d, lm_in_index(s, "encoder.layer", i), b);
    lm_declare_old_name(d, "LayerNorm.gamma", "LayerNorm.weight");
    lm_declare_old_name(d, "LayerNorm.beta", "LayerNorm.bias");
}

static lm_tensor *embed(lm_graph *g, lm_scope s, const void *config, const lm_batch *batch)
{
    const bert *b = config;
    lm_scope e = lm_in(s, "embeddings");
    lm_tensor *word = lm_embedding(g, lm_in(e, "word_embeddings"), batch->ids, batch);
    lm_tensor *type = lm_embedding(g, lm_in(e, "token_type_embeddings"), batch->types, batch);
    lm_tensor *position = lm_embedding(g, lm_in(e, "position_embeddings"), batch->positions, batch);
    lm_tensor *x = lm_add(g, lm_add(g, word, type), position);
    return lm_dropout(g, lm_layer_norm(g, lm_in(e, "LayerNorm"), x, b->eps), b->dropout);
}

static lm_tensor *block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    const bert *b = config;
    (void)index;
    lm_tensor *q = lm_linear(g, lm_in(s, "attention.self.query"), x);
    lm_tensor *k = lm_linear(g, lm_in(s, "attention.self.key"), x);
    lm_tensor *v = lm_linear(g, lm_in(s, "attention.self.value"), x);
    lm_tensor *a = lm_attention(g, q, k, v, (lm_attn){.heads = b->heads, .dropout = b->attention_dropout});
    a = lm_linear(g, lm_in(s, "attention.output.dense"), a);
    x = lm_layer_norm(g, lm_in(s, "attention.output.LayerNorm"), lm_dropout_add(g, a, x, b->dropout), b->eps);

    lm_tensor *h = lm_activate(g, lm_linear(g, lm_in(s, "intermediate.dense"), x), b->activation);
    h = lm_linear(g, lm_in(s, "output.dense"), h);
    return lm_layer_norm(g, lm_in(s, "output.LayerNorm"), lm_dropout_add(g, h, x, b->dropout), b->eps);
}

/* ------------------------------------------------------------------ heads */

static void declare_pooler(lm_declare *d, lm_scope body, const bert *b)
{
    lm_declare_linear(d, lm_in(body, "pooler.dense"), b->width, b->width, b->std);
}

static lm_tensor *pool(lm_graph *g, lm_scope body, lm_tensor *x)
{
    return lm_activate(g, lm_linear(g, lm_in(body, "pooler.dense"), lm_first_token(g, x)), LM_TANH);
}

static void base_declare(lm_declare *d, lm_scope s, const void *config)
{
    declare_pooler(d, s, config);
}

static lm_tensor *base_pooled(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return pool(g, s, x);
}

static void mlm_declare(lm_declare *d, lm_scope s, const void *config)
{
    const bert *b = config;
    lm_scope p = lm_in(s, "cls.predictions");
    lm_declare_linear(d, lm_in(p, "transform.dense"), b->width, b->width, b->std);
    lm_declare_layer_norm(d, lm_in(p, "transform.LayerNorm"), b->width);
    lm_declare_param(d, p, "bias", (int64_t[4]){b->vocab_size}, (lm_init){LM_INIT_ZERO, 0});
    if (b->tie)
        lm_declare_tied(d, lm_in(p, "decoder"), "weight", lm_in(s, "bert.embeddings.word_embeddings"), "weight");
    else
        lm_declare_param(d, lm_in(p, "decoder"), "weight", (int64_t[4]){b->vocab_size, b->width}, lm_normal(b->std));
    lm_declare_tied(d, lm_in(p, "decoder"), "bias", p, "bias");
}

static lm_tensor *mlm_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const bert *b = config;
    lm_scope p = lm_in(s, "cls.predictions");
    x = lm_activate(g, lm_linear(g, lm_in(p, "transform.dense"), x), b->activation);
    x = lm_layer_norm(g, lm_in(p, "transform.LayerNorm"), x, b->eps);
    return lm_vocab_linear(g, lm_in(p, "decoder"), x);
}

static void pretrain_declare(lm_declare *d, lm_scope s, const void *config)
{
    const bert *b = config;
    declare_pooler(d, lm_in(s, "bert"), b);
    mlm_declare(d, s, b);
    lm_declare_linear(d, lm_in(s, "cls.seq_relationship"), b->width, 2, b->std);
}

static lm_tensor *nsp_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_linear(g, lm_in(s, "cls.seq_relationship"), pool(g, lm_in(s, "bert"), x));
}

static void classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const bert *b = config;
    declare_pooler(d, lm_in(s, "bert"), b);
    lm_declare_linear(d, lm_in(s, "classifier"), b->width, b->labels, b->std);
}

static lm_tensor *classify_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const bert *b = config;
    x = lm_dropout(g, pool(g, lm_in(s, "bert"), x), b->classifier_dropout);
    return lm_linear(g, lm_in(s, "classifier"), x);
}

static void tag_declare(lm_declare *d, lm_scope s, const void *config)
{
    const bert *b = config;
    lm_declare_linear(d, lm_in(s, "classifier"), b->width, b->labels, b->std);
}

static lm_tensor *tag_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const bert *b = config;
    return lm_linear(g, lm_in(s, "classifier"), lm_dropout(g, x, b->classifier_dropout));
}

static void answer_declare(lm_declare *d, lm_scope s, const void *config)
{
    const bert *b = config;
    lm_declare_linear(d, lm_in(s, "qa_outputs"), b->width, 2, b->std);
}

static lm_tensor *answer_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_linear(g, lm_in(s, "qa_outputs"), x);
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "BertModel", .declare = base_declare, .rows = base_pooled, .bare = true},
    {.name = "mlm", .architecture = "BertForMaskedLM", .declare = mlm_declare, .tokens = mlm_logits},
    {.name = "pretrain", .architecture = "BertForPreTraining", .declare = pretrain_declare, .tokens = mlm_logits,
     .rows = nsp_logits},
    {.name = "classify", .architecture = "BertForSequenceClassification", .declare = classify_declare,
     .rows = classify_logits},
    {.name = "tag", .architecture = "BertForTokenClassification", .declare = tag_declare, .tokens = tag_logits,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "answer", .architecture = "BertForQuestionAnswering", .declare = answer_declare,
     .tokens = answer_logits, .columns = LM_COLUMNS_SPAN},
    {0},
};

/* BertConfig's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_probs_dropout_prob\":0.1,\"classifier_dropout\":null,\"hidden_act\":\"gelu\","
    "\"hidden_dropout_prob\":0.1,\"hidden_size\":768,\"initializer_range\":0.02,\"intermediate_size\":3072,"
    "\"layer_norm_eps\":1e-12,\"max_position_embeddings\":512,\"model_type\":\"bert\","
    "\"num_attention_heads\":12,\"num_hidden_layers\":12,\"pad_token_id\":0,"
    "\"position_embedding_type\":\"absolute\",\"type_vocab_size\":2,\"use_cache\":true,"
    "\"vocab_size\":30522}";

LM_PLUGIN(.name = "bert", .model_types = "bert", .configure = configure, .declare = declare, .embed = embed,
          .block = block, .heads = heads, .defaults = defaults)
