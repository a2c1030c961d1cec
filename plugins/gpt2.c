/* GPT-2: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners". Pre-norm blocks with learned positions;
 * matrices are stored as [in, out], queries, keys and values in one. */
#include "lmutils/plugin.h"

#include <math.h>

enum { WIDTH_MAX = 1 << 24 };

typedef struct gpt2 {
    int vocab_size, positions, width, layers, heads, inner, labels;
    int pad_id;         /* no row is classified by it; -1 = none */
    double std, eps;
    double embedding_dropout, attention_dropout, residual_dropout, tag_dropout;
    double scale;       /* of attention's scores, */
    bool by_layer;      /* divided by the number of the layer, from 1 */
    bool tie;
    lm_activation activation;
} gpt2;

static void read(lm_config *c, gpt2 *m)
{
    m->vocab_size = lm_config_int(c, "vocab_size", 50257);
    m->positions = lm_config_int(c, "n_positions", 1024);
    m->width = lm_config_int(c, "n_embd", 768);
    m->layers = lm_config_int(c, "n_layer", 12);
    m->heads = lm_config_int(c, "n_head", 12);
    if (m->width > WIDTH_MAX)
        lm_config_fail(c, "n_embd: %d is more than any model has", m->width);
    m->inner = lm_config_int(c, "n_inner", m->width <= WIDTH_MAX ? 4 * m->width : 0);
    m->labels = lm_config_labels(c);
    m->pad_id = lm_config_has(c, "pad_token_id") ? lm_config_int(c, "pad_token_id", 0) : -1;
    m->std = lm_config_float(c, "initializer_range", 0.02);
    m->eps = lm_config_float(c, "layer_norm_epsilon", 1e-5);
    m->embedding_dropout = lm_config_float(c, "embd_pdrop", 0.1);
    m->attention_dropout = lm_config_float(c, "attn_pdrop", 0.1);
    m->residual_dropout = lm_config_float(c, "resid_pdrop", 0.1);
    m->tag_dropout = lm_config_float(c, "classifier_dropout", lm_config_float(c, "hidden_dropout", 0.1));
    m->by_layer = lm_config_bool(c, "scale_attn_by_inverse_layer_idx", false);
    m->tie = lm_config_bool(c, "tie_word_embeddings", true);
    m->activation = lm_config_activation(c, "activation_function", "gelu_new");
}

/* reorder_and_upcast_attn says in which order half-precision is multiplied: there is none here. */
static const void *configure(lm_config *c, lm_arch *arch)
{
    gpt2 *m = lm_config_alloc(c, sizeof *m);
    read(c, m);
    if (!m->vocab_size || !m->positions || !m->width || !m->inner)
        lm_config_fail(c, "vocab_size, n_positions, n_embd, n_inner: each has to be at least 1");
    if (!m->heads || m->width % m->heads)
        lm_config_fail(c, "n_embd: %d is no multiple of n_head, %d", m->width, m->heads);
    if (lm_config_bool(c, "add_cross_attention", false))
        lm_config_fail(c, "add_cross_attention: there is no encoder to attend to: use a model without");
    if (!m->labels)
        lm_config_fail(c, "id2label: a head needs at least one class");
    bool scaled = lm_config_bool(c, "scale_attn_weights", true) && m->heads;
    m->scale = scaled ? 1 / sqrt((double)m->width / m->heads) : 1;
    *arch = (lm_arch){.layers = m->layers,
                      .width = m->width,
                      .heads = m->heads,
                      .vocab_size = m->vocab_size,
                      .max_length = m->positions,
                      .causal = true,
                      .body = "transformer",
                      .layer = "h"};
    return m;
}

static void declare(lm_declare *d, lm_scope s, const void *config)
{
    const gpt2 *m = config;
    double into_sum = m->std / sqrt(2.0 * m->layers); /* of what is added to the residual: section 2.3 of the paper */
    lm_declare_embedding(d, lm_in(s, "wte"), m->vocab_size, m->width, m->std, -1);
    lm_declare_embedding(d, lm_in(s, "wpe"), m->positions, m->width, m->std, -1);
    for (int i = 0; i < m->layers; i++) {
        lm_scope b = lm_in_index(s, "h", i);
        lm_declare_layer_norm(d, lm_in(b, "ln_1"), m->width);
        lm_declare_conv1d(d, lm_in(b, "attn.c_attn"), m->width, 3 * m->width, m->std);
        lm_declare_conv1d(d, lm_in(b, "attn.c_proj"), m->width, m->width, into_sum);
        lm_declare_layer_norm(d, lm_in(b, "ln_2"), m->width);
        lm_declare_conv1d(d, lm_in(b, "mlp.c_fc"), m->width, m->inner, m->std);
        lm_declare_conv1d(d, lm_in(b, "mlp.c_proj"), m->inner, m->width, into_sum);
    }
    lm_declare_layer_norm(d, lm_in(s, "ln_f"), m->width);
    lm_declare_ignored(d, "attn.bias"); /* the causal mask, in checkpoints of old versions */
    lm_declare_ignored(d, "attn.masked_bias");
}

static lm_tensor *embed(lm_graph *g, lm_scope s, const void *config, const lm_batch *batch)
{
    const gpt2 *m = config;
    lm_tensor *words = lm_embedding(g, lm_in(s, "wte"), batch->ids, batch);
    lm_tensor *places = lm_embedding(g, lm_in(s, "wpe"), batch->positions, batch);
    return lm_dropout(g, lm_add(g, words, places), m->embedding_dropout);
}

static lm_tensor *block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    const gpt2 *m = config;
    int w = m->width;
    lm_scope in_one = lm_in(s, "attn.c_attn");
    lm_tensor *h = lm_layer_norm(g, lm_in(s, "ln_1"), x, m->eps);
    lm_tensor *q = lm_linear_part(g, in_one, h, 0, w), *k = lm_linear_part(g, in_one, h, w, w);
    lm_tensor *v = lm_linear_part(g, in_one, h, 2 * w, w);
    h = lm_attention(g, q, k, v,
                     (lm_attn){.heads = m->heads,
                               .causal = true,
                               .scale = m->by_layer ? m->scale / (index + 1) : m->scale,
                               .dropout = m->attention_dropout});
    x = lm_dropout_add(g, lm_linear(g, lm_in(s, "attn.c_proj"), h), x, m->residual_dropout);

    h = lm_linear(g, lm_in(s, "mlp.c_fc"), lm_layer_norm(g, lm_in(s, "ln_2"), x, m->eps));
    h = lm_linear(g, lm_in(s, "mlp.c_proj"), lm_activate(g, h, m->activation));
    return lm_dropout_add(g, h, x, m->residual_dropout);
}

static lm_tensor *finish(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const gpt2 *m = config;
    return lm_layer_norm(g, lm_in(s, "ln_f"), x, m->eps);
}

/* ------------------------------------------------------------------ heads */

static void base_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)d, (void)s, (void)config; /* nothing beside the body */
}

static void clm_declare(lm_declare *d, lm_scope s, const void *config)
{
    const gpt2 *m = config;
    if (m->tie)
        lm_declare_tied(d, lm_in(s, "lm_head"), "weight", lm_in(s, "transformer.wte"), "weight");
    else
        lm_declare_linear_nobias(d, lm_in(s, "lm_head"), m->width, m->vocab_size, m->std);
}

static lm_tensor *clm(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_vocab_linear(g, lm_in(s, "lm_head"), x);
}

static void classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const gpt2 *m = config;
    lm_declare_linear_nobias(d, lm_in(s, "score"), m->width, m->labels, m->std);
}

static lm_tensor *classify(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const gpt2 *m = config;
    return lm_linear(g, lm_in(s, "score"), lm_last_token(g, x, m->pad_id));
}

static void tag_declare(lm_declare *d, lm_scope s, const void *config)
{
    const gpt2 *m = config;
    lm_declare_linear(d, lm_in(s, "classifier"), m->width, m->labels, m->std);
}

static lm_tensor *tag(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const gpt2 *m = config;
    return lm_linear(g, lm_in(s, "classifier"), lm_dropout(g, x, m->tag_dropout));
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "GPT2Model", .declare = base_declare, .bare = true},
    {.name = "clm", .architecture = "GPT2LMHeadModel", .declare = clm_declare, .tokens = clm},
    {.name = "classify", .architecture = "GPT2ForSequenceClassification", .declare = classify_declare, .rows = classify},
    {.name = "tag",
     .architecture = "GPT2ForTokenClassification",
     .declare = tag_declare,
     .tokens = tag,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* GPT2Config's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"activation_function\":\"gelu_new\",\"attn_pdrop\":0.1,\"bos_token_id\":50256,\"embd_pdrop\":0.1,"
    "\"eos_token_id\":50256,\"initializer_range\":0.02,\"layer_norm_epsilon\":1e-05,\"model_type\":\"gpt2\","
    "\"n_embd\":768,\"n_head\":12,\"n_inner\":null,\"n_layer\":12,\"n_positions\":1024,"
    "\"reorder_and_upcast_attn\":false,\"resid_pdrop\":0.1,\"scale_attn_by_inverse_layer_idx\":false,"
    "\"scale_attn_weights\":true,\"summary_activation\":null,\"summary_first_dropout\":0.1,"
    "\"summary_proj_to_labels\":true,\"summary_type\":\"cls_index\",\"summary_use_proj\":true,"
    "\"use_cache\":true,\"vocab_size\":50257}";

static const lm_size sizes[] = {
    {"base", 12, 768, 12, 0, NULL}, /* 124M */
    {"medium", 24, 1024, 16, 0, NULL},
    {"large", 36, 1280, 20, 0, NULL},
    {"xl", 48, 1600, 25, 0, NULL},
    {0},
};

LM_PLUGIN(.name = "gpt2", .model_types = "gpt2", .configure = configure, .declare = declare, .embed = embed, .block = block,
          .finish = finish, .heads = heads, .defaults = defaults, .sizes = sizes,
          .renamed = "hidden_size=n_embd num_hidden_layers=n_layer num_attention_heads=n_head "
                     "max_position_embeddings=n_positions intermediate_size=n_inner")
