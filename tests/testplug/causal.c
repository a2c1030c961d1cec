/* A small causal language model for the tests of objectives: learned positions, pre-norm blocks, tied logits, as in
 * Radford et al. 2019 (GPT-2), but with matrices as [out, in]. */
#include "lmutils/plugin.h"

typedef struct causal {
    int vocab_size, width, layers, heads, inner, positions;
    double dropout;
} causal;

static const void *configure(lm_config *c, lm_arch *arch)
{
    causal *m = lm_config_alloc(c, sizeof *m);
    m->vocab_size = lm_config_int(c, "vocab_size", 100);
    m->width = lm_config_int(c, "hidden_size", 32);
    m->layers = lm_config_int(c, "num_hidden_layers", 2);
    m->heads = lm_config_int(c, "num_attention_heads", 2);
    m->inner = lm_config_int(c, "intermediate_size", 4 * m->width);
    m->positions = lm_config_int(c, "max_position_embeddings", 128);
    m->dropout = lm_config_float(c, "dropout", 0);
    if (!m->heads || m->width % m->heads)
        lm_config_fail(c, "hidden_size: %d is no multiple of num_attention_heads, %d", m->width, m->heads);
    *arch = (lm_arch){.layers = m->layers, .width = m->width, .heads = m->heads, .vocab_size = m->vocab_size,
                      .max_length = m->positions, .causal = true, .body = "transformer", .layer = "h"};
    return m;
}

static void declare(lm_declare *d, lm_scope s, const void *config)
{
    const causal *m = config;
    lm_declare_embedding(d, lm_in(s, "wte"), m->vocab_size, m->width, 0.1, -1);
    lm_declare_embedding(d, lm_in(s, "wpe"), m->positions, m->width, 0.1, -1);
    for (int i = 0; i < m->layers; i++) {
        lm_scope b = lm_in_index(s, "h", i);
        lm_declare_layer_norm(d, lm_in(b, "ln_1"), m->width);
        lm_declare_linear(d, lm_in(b, "attn.q"), m->width, m->width, 0.1);
        lm_declare_linear(d, lm_in(b, "attn.k"), m->width, m->width, 0.1);
        lm_declare_linear(d, lm_in(b, "attn.v"), m->width, m->width, 0.1);
        lm_declare_linear(d, lm_in(b, "attn.proj"), m->width, m->width, 0.1);
        lm_declare_layer_norm(d, lm_in(b, "ln_2"), m->width);
        lm_declare_linear(d, lm_in(b, "mlp.fc"), m->width, m->inner, 0.1);
        lm_declare_linear(d, lm_in(b, "mlp.proj"), m->inner, m->width, 0.1);
    }
    lm_declare_layer_norm(d, lm_in(s, "ln_f"), m->width);
}

static lm_tensor *embed(lm_graph *g, lm_scope s, const void *config, const lm_batch *batch)
{
    const causal *m = config;
    lm_tensor *x = lm_embedding(g, lm_in(s, "wte"), batch->ids, batch);
    return lm_dropout(g, lm_add(g, x, lm_embedding(g, lm_in(s, "wpe"), batch->positions, batch)), m->dropout);
}

static lm_tensor *block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    const causal *m = config;
    (void)index;
    lm_tensor *h = lm_layer_norm(g, lm_in(s, "ln_1"), x, 1e-5);
    lm_tensor *q = lm_linear(g, lm_in(s, "attn.q"), h), *k = lm_linear(g, lm_in(s, "attn.k"), h);
    lm_tensor *v = lm_linear(g, lm_in(s, "attn.v"), h);
    h = lm_attention(g, q, k, v, (lm_attn){.heads = m->heads, .causal = true});
    x = lm_dropout_add(g, lm_linear(g, lm_in(s, "attn.proj"), h), x, m->dropout);
    h = lm_linear(g, lm_in(s, "mlp.fc"), lm_layer_norm(g, lm_in(s, "ln_2"), x, 1e-5));
    h = lm_linear(g, lm_in(s, "mlp.proj"), lm_activate(g, h, LM_GELU_TANH));
    return lm_dropout_add(g, h, x, m->dropout);
}

static lm_tensor *finish(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_layer_norm(g, lm_in(s, "ln_f"), x, 1e-5);
}

static void clm_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)config;
    lm_declare_tied(d, lm_in(s, "lm_head"), "weight", lm_in(s, "transformer.wte"), "weight");
}

static lm_tensor *clm_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_vocab_linear(g, lm_in(s, "lm_head"), x);
}

static const lm_head heads[] = {
    {.name = "clm", .architecture = "TestCausalLM", .declare = clm_declare, .tokens = clm_logits},
    {0},
};

LM_PLUGIN(.name = "test-causal", .model_types = "test-causal", .configure = configure, .declare = declare,
          .embed = embed, .block = block, .finish = finish, .heads = heads,
          .defaults = "{\"hidden_size\":32,\"num_attention_heads\":2,\"num_hidden_layers\":2,\"vocab_size\":100}")
