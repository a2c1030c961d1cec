/* gconv: a language model without attention. Each block lets a token look a few places back, with a causal convolution that
 * is gated (Dauphin et al. 2017, arXiv 1612.08083), and further back from block to block, since the places lie
 * 1, 2, 4, 8 ... tokens apart (van den Oord et al. 2016, arXiv 1609.03499). Then comes the usual gated feed-forward layer.
 *
 *     x  = x + out( silu(gate(h)) * conv(in(h)) ),     h = norm_1(x)
 *     x  = x + down( silu(wide_gate(h)) * wide(h) ),   h = norm_2(x)
 *
 * This file is the whole family: lmplugin(7) goes through it line by line. It needs the installed header and nothing else. */
#include <lmutils/plugin.h>

/* ------------------------------------------------------------------ what config.json says */

typedef struct gconv {
    int vocab_size, width, layers, inner, kernel, cycle, labels, pad_id;
    double std, eps, dropout;
} gconv;

/* How far apart the places are that a block sees; the blocks take one after the other. */
static const int dilations[] = {1, 2, 4, 8, 16, 32};
enum { CYCLE_MAX = sizeof dilations / sizeof *dilations, KERNEL_MAX = 256 };

static const void *configure(lm_config *c, lm_arch *arch)
{
    gconv *m = lm_config_alloc(c, sizeof *m);
    m->vocab_size = lm_config_int(c, "vocab_size", 32000);
    m->width = lm_config_int(c, "hidden_size", 256);
    m->layers = lm_config_int(c, "num_hidden_layers", 6);
    m->inner = lm_config_int(c, "intermediate_size", 688);
    m->kernel = lm_config_int(c, "conv_kernel", 4);
    m->cycle = lm_config_int(c, "dilation_cycle", 4);
    m->pad_id = lm_config_int(c, "pad_token_id", -1);
    m->labels = lm_config_labels(c);
    m->std = lm_config_float(c, "initializer_range", 0.02);
    m->eps = lm_config_float(c, "rms_norm_eps", 1e-6);
    m->dropout = lm_config_float(c, "dropout", 0.1);
    if (!m->vocab_size || !m->width || !m->inner || !m->labels)
        lm_config_fail(c, "sizes of vocabulary and layers, and number of classes: each has to be at least 1");
    if (m->kernel < 2 || m->kernel > KERNEL_MAX)
        lm_config_fail(c, "conv_kernel: %d, where there are 2 to %d: set one of these", m->kernel, KERNEL_MAX);
    if (m->cycle < 1 || m->cycle > CYCLE_MAX)
        lm_config_fail(c, "dilation_cycle: %d, where there are 1 to %d: set one of these", m->cycle, CYCLE_MAX);
    *arch = (lm_arch){.layers = m->layers,
                      .width = m->width,
                      .vocab_size = m->vocab_size,
                      .causal = true,
                      .body = "gconv",
                      .layer = "layers"};
    return m;
}

/* ------------------------------------------------------------------ parameters */

static void declare(lm_declare *d, lm_scope body, const void *config)
{
    const gconv *m = config;
    lm_declare_embedding(d, lm_in(body, "embed_tokens"), m->vocab_size, m->width, m->std, -1);
    for (int i = 0; i < m->layers; i++) {
        lm_scope s = lm_in_index(body, "layers", i);
        lm_declare_rms_norm(d, lm_in(s, "norm_1"), m->width, 0);
        lm_declare_linear_nobias(d, lm_in(s, "mix.in"), m->width, m->width, m->std);
        lm_declare_linear_nobias(d, lm_in(s, "mix.gate"), m->width, m->width, m->std);
        lm_declare_param(d, lm_in(s, "mix.conv"), "weight", (int64_t[4]){m->kernel, m->width}, lm_normal(0.5));
        lm_declare_linear_nobias(d, lm_in(s, "mix.out"), m->width, m->width, m->std);
        lm_declare_rms_norm(d, lm_in(s, "norm_2"), m->width, 0);
        lm_declare_linear_nobias(d, lm_in(s, "mlp.gate"), m->width, m->inner, m->std);
        lm_declare_linear_nobias(d, lm_in(s, "mlp.wide"), m->width, m->inner, m->std);
        lm_declare_linear_nobias(d, lm_in(s, "mlp.down"), m->inner, m->width, m->std);
    }
    lm_declare_rms_norm(d, lm_in(body, "norm"), m->width, 0);
}

/* ------------------------------------------------------------------ an operation of its own */

/* y[t] = sum over j of x[t - j dilation] weight[j], column by column; what lies before the sequence counts nothing.
 * Inputs: x [rows, width], weight [kernel, width]. Options: the dilation. */
static void conv_forward(const lm_custom_call *c)
{
    int dilation = *(const int *)c->options, kernel = c->x_rows[1];
    for (int s = 0; s < c->sequences; s++) {
        int behind = c->x_splits[s + 1] - c->row_splits[s + 1]; /* row t of y is row t + behind of x */
        for (int t = c->row_splits[s]; t < c->row_splits[s + 1]; t++) {
            float *y = c->y + (size_t)t * c->width;
            for (int k = 0; k < c->width; k++)
                y[k] = 0;
            for (int j = 0; j < kernel && t + behind - j * dilation >= c->x_splits[s]; j++) {
                const float *x = c->x[0] + (size_t)(t + behind - j * dilation) * c->width;
                const float *weight = c->x[1] + (size_t)j * c->width;
                for (int k = 0; k < c->width; k++)
                    y[k] += x[k] * weight[k];
            }
        }
    }
}

/* dx[t - j dilation] += dy[t] weight[j], dweight[j] += dy[t] x[t - j dilation]. While training, rows are whole. */
static void conv_backward(const lm_custom_call *c)
{
    int dilation = *(const int *)c->options, kernel = c->x_rows[1];
    for (int s = 0; s < c->sequences; s++) {
        for (int t = c->row_splits[s]; t < c->row_splits[s + 1]; t++) {
            const float *dy = c->dy + (size_t)t * c->width;
            for (int j = 0; j < kernel && t - j * dilation >= c->row_splits[s]; j++) {
                size_t from = (size_t)(t - j * dilation) * c->width, tap = (size_t)j * c->width;
                for (int k = 0; c->dx[0] && k < c->width; k++)
                    c->dx[0][from + k] += dy[k] * c->x[1][tap + k];
                for (int k = 0; c->dx[1] && k < c->width; k++)
                    c->dx[1][tap + k] += dy[k] * c->x[0][from + k];
            }
        }
    }
}

static const lm_custom_op convolution = {
    .name = "causal convolution", .forward = conv_forward, .backward = conv_backward, .sequences = true};

/* ------------------------------------------------------------------ the body */

static lm_tensor *embed(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch)
{
    const gconv *m = config;
    return lm_dropout(g, lm_embedding(g, lm_in(body, "embed_tokens"), batch->ids, batch), m->dropout);
}

static lm_tensor *block(lm_graph *g, lm_scope s, const void *config, int index, lm_tensor *x)
{
    const gconv *m = config;
    lm_tensor *h = lm_rms_norm(g, lm_in(s, "norm_1"), x, m->eps, 0);
    lm_tensor *gate = lm_linear(g, lm_in(s, "mix.gate"), h);
    lm_tensor *inputs[] = {lm_linear(g, lm_in(s, "mix.in"), h), lm_parameter(g, lm_in(s, "mix.conv"), "weight")};
    lm_custom_op op = convolution;
    op.history = (m->kernel - 1) * dilations[index % m->cycle];
    h = lm_custom(g, &op, m->width, inputs, 2, &dilations[index % m->cycle]);
    h = lm_linear(g, lm_in(s, "mix.out"), lm_gate(g, gate, h, LM_SILU));
    x = lm_dropout_add(g, h, x, m->dropout);

    h = lm_rms_norm(g, lm_in(s, "norm_2"), x, m->eps, 0);
    h = lm_gate(g, lm_linear(g, lm_in(s, "mlp.gate"), h), lm_linear(g, lm_in(s, "mlp.wide"), h), LM_SILU);
    return lm_dropout_add(g, lm_linear(g, lm_in(s, "mlp.down"), h), x, m->dropout);
}

static lm_tensor *finish(lm_graph *g, lm_scope body, const void *config, lm_tensor *x)
{
    const gconv *m = config;
    return lm_rms_norm(g, lm_in(body, "norm"), x, m->eps, 0);
}

/* ------------------------------------------------------------------ heads */

static void base_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)d, (void)s, (void)config; /* the body is all there is */
}

static void clm_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)config;
    lm_declare_tied(d, lm_in(s, "lm_head"), "weight", lm_in(s, "gconv.embed_tokens"), "weight");
}

static lm_tensor *clm_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_vocab_linear(g, lm_in(s, "lm_head"), x);
}

/* one linear layer, over each token or over a row's last one */
static void classes_declare(lm_declare *d, lm_scope s, const void *config)
{
    const gconv *m = config;
    lm_declare_linear(d, lm_in(s, "score"), m->width, m->labels, m->std);
}

static lm_tensor *classify_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const gconv *m = config;
    return lm_linear(g, lm_in(s, "score"), lm_last_token(g, x, m->pad_id));
}

static lm_tensor *tag_logits(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const gconv *m = config;
    return lm_linear(g, lm_in(s, "score"), lm_dropout(g, x, m->dropout));
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "GconvModel", .declare = base_declare, .bare = true},
    {.name = "clm", .architecture = "GconvForCausalLM", .declare = clm_declare, .tokens = clm_logits},
    {.name = "classify",
     .architecture = "GconvForSequenceClassification",
     .declare = classes_declare,
     .rows = classify_logits},
    {.name = "tag",
     .architecture = "GconvForTokenClassification",
     .declare = classes_declare,
     .tokens = tag_logits,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* ------------------------------------------------------------------ a new model */

static const char defaults[] =
    "{\"model_type\": \"gconv\", \"vocab_size\": 32000, \"hidden_size\": 256, \"num_hidden_layers\": 6,"
    " \"intermediate_size\": 688, \"conv_kernel\": 4, \"dilation_cycle\": 4, \"dropout\": 0.1,"
    " \"initializer_range\": 0.02, \"rms_norm_eps\": 1e-06, \"bos_token_id\": null, \"eos_token_id\": null}";

/* layers, width, heads (there are none), inner width */
static const lm_size sizes[] = {
    {"tiny", 4, 128, 0, 344, NULL}, {"mini", 6, 256, 0, 688, NULL},    {"small", 8, 512, 0, 1376, NULL},
    {"medium", 12, 768, 0, 2048, NULL}, {0},
};

LM_PLUGIN(.name = "gconv", .model_types = "gconv", .configure = configure, .declare = declare, .embed = embed,
          .block = block, .finish = finish, .heads = heads, .defaults = defaults, .sizes = sizes)
