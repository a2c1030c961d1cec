/* T5: Raffel et al. 2020, arXiv 1910.10683. Encoder and decoder of pre-norm blocks with RMS norms and no biases; scores are
 * not scaled, and get a bias by distance that the first block of each stack holds for all. v1.1 and mT5 (Xue et al. 2021,
 * arXiv 2010.11934) gate the inner layer and have a head of their own; v1.0's is the embedding, scaled. T5Model and its
 * relatives in transformers. */
#include "lmutils/plugin.h"

#include <math.h>
#include <string.h>

typedef struct t5 {
    int vocab_size, width, heads, head_width, inner, layers, decoder_layers, labels, eos_id;
    int buckets, distance; /* of the bias */
    double eps, dropout, classifier_dropout, factor;
    lm_activation activation;
    bool gated;
    bool tied;  /* the head's weight is the embedding */
    bool scaled; /* it reads states / sqrt(width) */
} t5;

/* "relu", "gated-gelu", "gated-silu": the activation of the inner layer, behind "gated-" where it is gated. "gated-gelu" is
 * the tanh approximation. */
static void read_feed_forward(lm_config *c, t5 *m)
{
    const char *form = lm_config_string(c, "feed_forward_proj", "relu"), *name = form;
    m->gated = strncmp(form, "gated-", 6) == 0;
    if (m->gated)
        name = strcmp(form, "gated-gelu") == 0 ? "gelu_new" : form + 6;
    if (strchr(name, '-'))
        lm_config_fail(c, "feed_forward_proj: \"%s\": ACTIVATION or gated-ACTIVATION is expected", form);
    m->activation = lm_config_activation(c, "dense_act_fn", name);
    m->gated = lm_config_bool(c, "is_gated_act", m->gated);
}

/* transformers 5 says by itself whether the states are scaled, and ties what is not stored apart. */
static void read_head(lm_config *c, t5 *m)
{
    m->tied = lm_config_bool(c, "tie_word_embeddings", true);
    m->scaled = lm_config_bool(c, "scale_decoder_outputs", m->tied);
    m->tied = m->tied && m->scaled;
}

static void check(lm_config *c, const t5 *m)
{
    int side = m->buckets / 2; /* to either side of a token */
    if (!m->heads || !m->head_width || !m->inner || !m->width)
        lm_config_fail(c, "d_model, d_kv, d_ff and num_heads: none may be 0");
    if (!m->layers || !m->decoder_layers)
        lm_config_fail(c, "%s: 0: a model needs a block at least", m->layers ? "num_decoder_layers" : "num_layers");
    if (side < 2)
        lm_config_fail(c, "relative_attention_num_buckets: %d: 4 at least are needed", m->buckets);
    else if (m->distance <= m->buckets / 2)
        lm_config_fail(c, "relative_attention_max_distance: %d: more than half of relative_attention_num_buckets is needed",
                       m->distance);
    if (lm_config_bool(c, "tie_encoder_decoder", false))
        lm_config_fail(c, "tie_encoder_decoder: stacks that share their weights are not served: save the model with both");
    if ((int64_t)m->heads * m->head_width > INT32_MAX)
        lm_config_fail(c, "num_heads: %d heads of %d: too many", m->heads, m->head_width);
}

static const void *configure(lm_config *c, lm_arch *arch)
{
    t5 *m = lm_config_alloc(c, sizeof *m);
    bool multilingual = strcmp(lm_config_string(c, "model_type", ""), "mt5") == 0;
    m->vocab_size = lm_config_int(c, "vocab_size", multilingual ? 250112 : 32128);
    m->width = lm_config_int(c, "d_model", 512);
    m->head_width = lm_config_int(c, "d_kv", 64);
    m->inner = lm_config_int(c, "d_ff", multilingual ? 1024 : 2048);
    m->layers = lm_config_int(c, "num_layers", multilingual ? 8 : 6);
    m->decoder_layers = lm_config_int(c, "num_decoder_layers", m->layers);
    m->heads = lm_config_int(c, "num_heads", multilingual ? 6 : 8);
    m->buckets = lm_config_int(c, "relative_attention_num_buckets", 32);
    m->distance = lm_config_int(c, "relative_attention_max_distance", 128);
    m->dropout = lm_config_float(c, "dropout_rate", 0.1);
    m->classifier_dropout = lm_config_float(c, "classifier_dropout", 0);
    m->eps = lm_config_float(c, "layer_norm_epsilon", 1e-6);
    m->factor = lm_config_float(c, "initializer_factor", 1);
    m->eos_id = lm_config_int(c, "eos_token_id", 1);
    m->labels = lm_config_labels(c);
    read_feed_forward(c, m);
    read_head(c, m);
    check(c, m);
    int start = lm_config_int(c, "decoder_start_token_id", lm_config_int(c, "pad_token_id", 0));
    *arch = (lm_arch){.layers = m->layers, .width = m->width, .heads = m->heads, .vocab_size = m->vocab_size,
                      .body = "transformer", .layer = "encoder.block", .decoder_layers = m->decoder_layers,
                      .decoder_layer = "decoder.block", .decoder_start_id = start};
    return m;
}

/* ------------------------------------------------------------------ parameters, with the initial values of the paper's code */

static double std_of(const t5 *m, double fan_in)
{
    return m->factor / sqrt(fan_in);
}

static void declare_norm(lm_declare *d, lm_scope s, const t5 *m)
{
    lm_declare_rms_norm(d, s, m->width, 0);
}

static void declare_attention(lm_declare *d, lm_scope s, const t5 *m)
{
    int all = m->heads * m->head_width;
    lm_declare_linear_nobias(d, lm_in(s, "q"), m->width, all, std_of(m, (double)m->width * m->head_width));
    lm_declare_linear_nobias(d, lm_in(s, "k"), m->width, all, std_of(m, m->width));
    lm_declare_linear_nobias(d, lm_in(s, "v"), m->width, all, std_of(m, m->width));
    lm_declare_linear_nobias(d, lm_in(s, "o"), all, m->width, std_of(m, all));
}

static void declare_self_attention(lm_declare *d, lm_scope s, const t5 *m, int index)
{
    declare_attention(d, lm_in(s, "SelfAttention"), m);
    if (index == 0)
        lm_declare_embedding(d, lm_in(s, "SelfAttention.relative_attention_bias"), m->buckets, m->heads,
                             std_of(m, m->width), -1);
    declare_norm(d, lm_in(s, "layer_norm"), m);
}

static void declare_feed_forward(lm_declare *d, lm_scope s, const t5 *m)
{
    lm_scope dense = lm_in(s, "DenseReluDense");
    if (m->gated) {
        lm_declare_linear_nobias(d, lm_in(dense, "wi_0"), m->width, m->inner, std_of(m, m->width));
        lm_declare_linear_nobias(d, lm_in(dense, "wi_1"), m->width, m->inner, std_of(m, m->width));
    } else {
        lm_declare_linear_nobias(d, lm_in(dense, "wi"), m->width, m->inner, std_of(m, m->width));
    }
    lm_declare_linear_nobias(d, lm_in(dense, "wo"), m->inner, m->width, std_of(m, m->inner));
    declare_norm(d, lm_in(s, "layer_norm"), m);
}

static void declare(lm_declare *d, lm_scope body, const void *config)
{
    const t5 *m = config;
    lm_declare_embedding(d, lm_in(body, "shared"), m->vocab_size, m->width, m->factor, -1);
    lm_declare_tied(d, lm_in(body, "encoder.embed_tokens"), "weight", lm_in(body, "shared"), "weight");
    for (int i = 0; i < m->layers; i++) {
        lm_scope s = lm_in_index(body, "encoder.block", i);
        declare_self_attention(d, lm_in(s, "layer.0"), m, i);
        declare_feed_forward(d, lm_in(s, "layer.1"), m);
    }
    declare_norm(d, lm_in(body, "encoder.final_layer_norm"), m);
}

static void decoder_declare(lm_declare *d, lm_scope body, const void *config)
{
    const t5 *m = config;
    lm_declare_tied(d, lm_in(body, "decoder.embed_tokens"), "weight", lm_in(body, "shared"), "weight");
    /* of the first checkpoints, and of no use */
    lm_declare_ignored(d, "EncDecAttention.relative_attention_bias.weight");
    for (int i = 0; i < m->decoder_layers; i++) {
        lm_scope s = lm_in_index(body, "decoder.block", i);
        declare_self_attention(d, lm_in(s, "layer.0"), m, i);
        declare_attention(d, lm_in(s, "layer.1.EncDecAttention"), m);
        declare_norm(d, lm_in(s, "layer.1.layer_norm"), m);
        declare_feed_forward(d, lm_in(s, "layer.2"), m);
    }
    declare_norm(d, lm_in(body, "decoder.final_layer_norm"), m);
}

/* ------------------------------------------------------------------ forward */

static lm_tensor *norm(lm_graph *g, lm_scope s, const t5 *m, lm_tensor *x)
{
    return lm_rms_norm(g, lm_in(s, "layer_norm"), x, m->eps, 0);
}

/* Attention of h to `from`, and the residual. */
static lm_tensor *attend(lm_graph *g, lm_scope s, const t5 *m, lm_tensor *x, lm_tensor *h, lm_tensor *from, lm_attn how)
{
    how.heads = m->heads;
    how.scale = 1;
    how.dropout = m->dropout;
    lm_tensor *q = lm_linear(g, lm_in(s, "q"), h), *k = lm_linear(g, lm_in(s, "k"), from);
    lm_tensor *a = lm_attention(g, q, k, lm_linear(g, lm_in(s, "v"), from), how);
    return lm_dropout_add(g, lm_linear(g, lm_in(s, "o"), a), x, m->dropout);
}

static lm_tensor *self_attention(lm_graph *g, lm_scope s, const t5 *m, bool decoder, lm_tensor *x)
{
    lm_scope first = lm_in_index(lm_body(g), decoder ? "decoder.block" : "encoder.block", 0);
    lm_scope bias = lm_in(first, "layer.0.SelfAttention.relative_attention_bias");
    lm_tensor *h = norm(g, s, m, x);
    return attend(g, lm_in(s, "SelfAttention"), m, x, h, h,
                  (lm_attn){.causal = decoder, .relative = lm_parameter(g, bias, "weight"),
                            .relative_distance = m->distance, .relative_one_sided = decoder});
}

static lm_tensor *feed_forward(lm_graph *g, lm_scope s, const t5 *m, lm_tensor *x)
{
    lm_scope dense = lm_in(s, "DenseReluDense");
    lm_tensor *h = norm(g, s, m, x);
    if (m->gated)
        h = lm_gate(g, lm_linear(g, lm_in(dense, "wi_0"), h), lm_linear(g, lm_in(dense, "wi_1"), h), m->activation);
    else
        h = lm_activate(g, lm_linear(g, lm_in(dense, "wi"), h), m->activation);
    return lm_dropout_add(g, lm_linear(g, lm_in(dense, "wo"), lm_dropout(g, h, m->dropout)), x, m->dropout);
}

/* Of both stacks. */
static lm_tensor *embed(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch)
{
    const t5 *m = config;
    return lm_dropout(g, lm_embedding(g, lm_in(body, "shared"), batch->ids, batch), m->dropout);
}

static lm_tensor *block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    (void)index;
    x = self_attention(g, lm_in(s, "layer.0"), config, false, x);
    return feed_forward(g, lm_in(s, "layer.1"), config, x);
}

static lm_tensor *finish(lm_graph *g, lm_scope body, const void *config, lm_tensor *x)
{
    const t5 *m = config;
    return lm_dropout(g, lm_rms_norm(g, lm_in(body, "encoder.final_layer_norm"), x, m->eps, 0), m->dropout);
}

static lm_tensor *decoder_block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x, lm_tensor *memory)
{
    const t5 *m = config;
    (void)index;
    x = self_attention(g, lm_in(s, "layer.0"), m, true, x);
    x = attend(g, lm_in(s, "layer.1.EncDecAttention"), m, x, norm(g, lm_in(s, "layer.1"), m, x), memory, (lm_attn){0});
    return feed_forward(g, lm_in(s, "layer.2"), m, x);
}

static lm_tensor *decoder_finish(lm_graph *g, lm_scope body, const void *config, lm_tensor *x)
{
    const t5 *m = config;
    return lm_dropout(g, lm_rms_norm(g, lm_in(body, "decoder.final_layer_norm"), x, m->eps, 0), m->dropout);
}

/* ------------------------------------------------------------------ heads */

static void base_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)d, (void)s, (void)config;
}

static void seq2seq_declare(lm_declare *d, lm_scope s, const void *config)
{
    const t5 *m = config;
    if (m->tied)
        lm_declare_tied(d, lm_in(s, "lm_head"), "weight", lm_in(s, "shared"), "weight");
    else
        lm_declare_linear_nobias(d, lm_in(s, "lm_head"), m->width, m->vocab_size, m->factor);
}

static lm_tensor *seq2seq_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const t5 *m = config;
    return lm_vocab_linear(g, lm_in(s, "lm_head"), m->scaled ? lm_scale(g, x, (float)(1 / sqrt(m->width))) : x);
}

static void classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const t5 *m = config;
    lm_declare_linear(d, lm_in(s, "classification_head.dense"), m->width, m->width, std_of(m, m->width));
    lm_declare_linear(d, lm_in(s, "classification_head.out_proj"), m->width, m->labels, std_of(m, m->width));
}

/* From where the decoder reads the end of the text, which it is given shifted by one. */
static lm_tensor *classify_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const t5 *m = config;
    x = lm_dropout(g, lm_last_with_id(g, x, m->eos_id), m->classifier_dropout);
    x = lm_activate(g, lm_linear(g, lm_in(s, "classification_head.dense"), x), LM_TANH);
    return lm_linear(g, lm_in(s, "classification_head.out_proj"), lm_dropout(g, x, m->classifier_dropout));
}

static void tag_declare(lm_declare *d, lm_scope s, const void *config)
{
    const t5 *m = config;
    lm_declare_linear(d, lm_in(s, "classifier"), m->width, m->labels, m->factor);
}

static lm_tensor *tag_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const t5 *m = config;
    return lm_linear(g, lm_in(s, "classifier"), lm_dropout(g, x, m->classifier_dropout));
}

static void answer_declare(lm_declare *d, lm_scope s, const void *config)
{
    const t5 *m = config;
    lm_declare_linear(d, lm_in(s, "qa_outputs"), m->width, 2, std_of(m, m->width));
}

static lm_tensor *answer_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_linear(g, lm_in(s, "qa_outputs"), x);
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "T5Model MT5Model", .declare = base_declare, .bare = true},
    {.name = "encoder", .architecture = "T5EncoderModel MT5EncoderModel", .declare = base_declare, .bare = true,
     .encoder_only = true},
    {.name = "seq2seq", .architecture = "T5ForConditionalGeneration MT5ForConditionalGeneration",
     .declare = seq2seq_declare, .tokens = seq2seq_logits, .bare = true},
    {.name = "classify", .architecture = "T5ForSequenceClassification MT5ForSequenceClassification",
     .declare = classify_declare, .rows = classify_logits},
    {.name = "tag", .architecture = "T5ForTokenClassification MT5ForTokenClassification", .declare = tag_declare,
     .tokens = tag_logits, .columns = LM_COLUMNS_CLASSES, .encoder_only = true},
    {.name = "answer", .architecture = "T5ForQuestionAnswering MT5ForQuestionAnswering", .declare = answer_declare,
     .tokens = answer_logits, .bare = true, .columns = LM_COLUMNS_SPAN},
    {0},
};

/* T5Config's members as save_pretrained writes them, but for num_decoder_layers, which is num_layers where it is absent. */
static const char defaults[] =
    "{\"classifier_dropout\":0.0,\"d_ff\":2048,\"d_kv\":64,\"d_model\":512,\"decoder_start_token_id\":0,"
    "\"dense_act_fn\":\"relu\",\"dropout_rate\":0.1,\"eos_token_id\":1,\"feed_forward_proj\":\"relu\","
    "\"initializer_factor\":1.0,\"is_encoder_decoder\":true,\"is_gated_act\":false,\"layer_norm_epsilon\":1e-06,"
    "\"model_type\":\"t5\",\"num_heads\":8,\"num_layers\":6,\"pad_token_id\":0,"
    "\"relative_attention_max_distance\":128,\"relative_attention_num_buckets\":32,\"use_cache\":true,"
    "\"vocab_size\":32128}";

/* the published ones of version 1.0, and of 1.1, whose feed-forward layers are gated and whose logits are not tied */
#define VERSION_1_1                                                                                          \
    "{\"dense_act_fn\":\"gelu_new\",\"feed_forward_proj\":\"gated-gelu\",\"is_gated_act\":true,"                       \
    "\"tie_word_embeddings\":false}"
static const lm_size sizes[] = {
    {"small", 6, 512, 8, 2048, NULL},
    {"base", 12, 768, 12, 3072, NULL},
    {"large", 24, 1024, 16, 4096, NULL},
    {"1.1-small", 8, 512, 6, 1024, VERSION_1_1},
    {"1.1-base", 12, 768, 12, 2048, VERSION_1_1},
    {"1.1-large", 24, 1024, 16, 2816, VERSION_1_1},
    {0},
};

LM_PLUGIN(.name = "t5", .model_types = "t5 mt5", .configure = configure, .declare = declare, .embed = embed, .block = block,
          .finish = finish, .decoder_declare = decoder_declare, .decoder_embed = embed, .decoder_block = decoder_block,
          .decoder_finish = decoder_finish, .heads = heads, .defaults = defaults, .sizes = sizes,
          .renamed = "hidden_size=d_model num_hidden_layers=num_layers num_attention_heads=num_heads head_dim=d_kv "
                     "intermediate_size=d_ff")
