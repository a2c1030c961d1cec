/* LSTM: Hochreiter and Schmidhuber 1997, Neural Computation 9(8), as torch.nn.LSTM stacks and names it: an embedding,
 * layers in one direction or in both, and a linear layer on what they end with (classes of rows), on each token (tags) or
 * for the next token. Not a family of transformers: the members of config.json are named as its models name theirs. */
#include "lmutils/plugin.h"

#include <math.h>
#include <string.h>

typedef struct lstm {
    int vocab_size, embedding, hidden, layers, labels, pad_id;
    bool bidirectional, bias, tie, mean;
    double dropout, classifier_dropout;
} lstm;

/* torch's LSTM layers of more than one word of state, and gates [4 hidden, ...], have to be matrices. */
enum { HIDDEN_MAX = 1 << 20, LAYERS_MAX = 1000 };

static int width_of(const lstm *m)
{
    return m->bidirectional ? 2 * m->hidden : m->hidden;
}

static const void *configure(lm_config *c, lm_arch *arch)
{
    lstm *m = lm_config_alloc(c, sizeof *m);
    m->vocab_size = lm_config_int(c, "vocab_size", 30522);
    m->hidden = lm_config_int(c, "hidden_size", 256);
    m->embedding = lm_config_int(c, "embedding_size", m->hidden);
    m->layers = lm_config_int(c, "num_hidden_layers", 1);
    m->labels = lm_config_labels(c);
    m->bidirectional = lm_config_bool(c, "bidirectional", false);
    m->bias = lm_config_bool(c, "bias", true);
    m->tie = lm_config_bool(c, "tie_word_embeddings", false);
    m->dropout = lm_config_float(c, "dropout", 0);
    m->classifier_dropout = lm_config_float(c, "classifier_dropout", m->dropout);
    m->pad_id = lm_config_has(c, "pad_token_id") ? lm_config_int(c, "pad_token_id", 0) : -1;
    const char *pooling = lm_config_string(c, "pooling", "last");
    m->mean = strcmp(pooling, "mean") == 0;
    if (!m->mean && strcmp(pooling, "last") != 0)
        lm_config_fail(c, "pooling: unknown \"%s\": known are last and mean", pooling);
    if (lm_config_int(c, "proj_size", 0))
        lm_config_fail(c, "proj_size: projections of the state are not served: set it to 0");
    if (!m->vocab_size || !m->embedding || !m->hidden || !m->layers || !m->labels)
        lm_config_fail(c, "vocab_size, embedding_size, hidden_size, num_hidden_layers and the number of classes: each has to "
                          "be at least 1");
    if (m->hidden > HIDDEN_MAX || m->embedding > HIDDEN_MAX || m->layers > LAYERS_MAX)
        lm_config_fail(c, "hidden_size %d, embedding_size %d, num_hidden_layers %d: at most %d, %d and %d are possible",
                       m->hidden, m->embedding, m->layers, HIDDEN_MAX, HIDDEN_MAX, LAYERS_MAX);
    if (m->tie && m->embedding != width_of(m))
        lm_config_fail(c, "tie_word_embeddings: the embedding is %d wide, the state %d: make embedding_size the same, or set "
                          "it to false", m->embedding, width_of(m));
    if (m->pad_id >= m->vocab_size)
        lm_config_fail(c, "pad_token_id: %d is not in the vocabulary of %d", m->pad_id, m->vocab_size);
    *arch = (lm_arch){.layers = m->layers,
                      .width = width_of(m),
                      .vocab_size = m->vocab_size,
                      .max_length = lm_config_int(c, "max_position_embeddings", 0),
                      .causal = !m->bidirectional,
                      .body = "",
                      .layer = "lstm",
                      .layer_suffix = "_l"};
    return m;
}

/* ------------------------------------------------------------------ the body */

static void declare(lm_declare *d, lm_scope s, const void *config)
{
    const lstm *m = config;
    lm_declare_embedding(d, lm_in(s, "embedding"), m->vocab_size, m->embedding, 1, m->pad_id);
    for (int i = 0; i < m->layers; i++)
        lm_declare_lstm(d, lm_in(s, "lstm"), i ? width_of(m) : m->embedding, m->hidden, i, m->bidirectional, m->bias);
}

static lm_tensor *embed(lm_graph *g, lm_scope s, const void *config, const lm_batch *batch)
{
    const lstm *m = config;
    return lm_dropout(g, lm_embedding(g, lm_in(s, "embedding"), batch->ids, batch), m->dropout);
}

/* torch drops what goes from one layer to the next; what the last one gives is dropped by the heads. */
static lm_tensor *block(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x)
{
    const lstm *m = config;
    return lm_lstm(g, layer, index ? lm_dropout(g, x, m->dropout) : x, index, m->bidirectional);
}

/* ------------------------------------------------------------------ heads */

static void base_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)d, (void)s, (void)config;
}

/* One vector a row: the states that the layers end with, or the mean over the tokens. */
static lm_tensor *pooled(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lstm *m = config;
    (void)s;
    return m->mean ? lm_mean_token(g, x) : lm_final_state(g, x, m->bidirectional);
}

/* As torch.nn.Linear begins: uniform in 1/sqrt(in), the bias too. */
static void declare_uniform(lm_declare *d, lm_scope s, int in, int out)
{
    lm_init init = lm_uniform(1 / sqrt(in));
    lm_declare_param(d, s, "weight", (int64_t[4]){out, in}, init);
    lm_declare_param(d, s, "bias", (int64_t[4]){out}, init);
}

static void classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lstm *m = config;
    declare_uniform(d, lm_in(s, "classifier"), width_of(m), m->labels);
}

static lm_tensor *classify(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lstm *m = config;
    return lm_linear(g, lm_in(s, "classifier"), lm_dropout(g, pooled(g, s, m, x), m->classifier_dropout));
}

static lm_tensor *tag(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lstm *m = config;
    return lm_linear(g, lm_in(s, "classifier"), lm_dropout(g, x, m->classifier_dropout));
}

static void clm_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lstm *m = config;
    lm_scope head = lm_in(s, "lm_head");
    if (m->bidirectional)
        lm_declare_fail(d, "bidirectional: the next token cannot be learned by a model that reads it: set it to false");
    if (m->tie) {
        lm_declare_tied(d, head, "weight", lm_in(s, "embedding"), "weight");
        lm_declare_param(d, head, "bias", (int64_t[4]){m->vocab_size}, (lm_init){LM_INIT_ZERO, 0});
    } else {
        declare_uniform(d, head, width_of(m), m->vocab_size);
    }
}

static lm_tensor *next(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lstm *m = config;
    return lm_vocab_linear(g, lm_in(s, "lm_head"), lm_dropout(g, x, m->dropout));
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "LSTMModel", .declare = base_declare, .rows = pooled, .bare = true},
    {.name = "classify", .architecture = "LSTMForSequenceClassification", .declare = classify_declare, .rows = classify},
    {.name = "tag",
     .architecture = "LSTMForTokenClassification",
     .declare = classify_declare,
     .tokens = tag,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "clm", .architecture = "LSTMForCausalLM", .declare = clm_declare, .tokens = next},
    {0},
};

static const char defaults[] =
    "{\"bias\":true,\"bidirectional\":false,\"classifier_dropout\":null,\"dropout\":0.2,\"hidden_size\":256,"
    "\"model_type\":\"lstm\",\"num_hidden_layers\":1,\"pad_token_id\":0,\"pooling\":\"last\",\"vocab_size\":30522}";

/* medium and large are those of Zaremba et al. 2014, arXiv 1409.2329. */
static const lm_size sizes[] = {{"tiny", 1, 128, 0, 0, 0}, {"mini", 1, 256, 0, 0, 0},  {"small", 2, 512, 0, 0, 0},
                                {"medium", 2, 650, 0, 0, 0}, {"base", 2, 1024, 0, 0, 0}, {"large", 2, 1500, 0, 0, 0},
                                {0}};

LM_PLUGIN(.name = "lstm", .model_types = "lstm", .configure = configure, .declare = declare, .embed = embed, .block = block,
          .heads = heads, .defaults = defaults, .sizes = sizes)
