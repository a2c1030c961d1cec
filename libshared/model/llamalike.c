/* Decoders of Llama's kind: lmutils/plugin.h says what an lm_llamalike describes.
 *
 * Touvron et al. 2023 (arXiv 2302.13971 and 2307.09288) for the stack; grouped keys and values are those of Ainslie et al.
 * 2023 (arXiv 2305.13245), windows those of Beltagy et al. 2020 (arXiv 2004.05150). Only what plugin.h offers is used. */
#include "lmutils/plugin.h"

#include <stdio.h>
#include <string.h>

/* More than any model has: a damaged config shall not be believed. */
enum { BLOCKS_MAX = 10000 };

/* ------------------------------------------------------------------ config.json */

lm_llamalike *lm_llamalike_new_sized(lm_config *c, size_t size)
{
    if (size > sizeof(lm_llamalike))
        lm_config_fail(c, "the plugin was built for a newer version: "
                          "rebuild it with the lmutils/plugin.h that is installed");
    lm_llamalike *e = lm_config_alloc(c, size > sizeof *e ? size : sizeof *e);
    *e = (lm_llamalike){.vocab_size = 32000,
                        .layers = 32,
                        .width = 4096,
                        .heads = 32,
                        .inner = 11008,
                        .positions = 2048,
                        .labels = lm_config_labels(c),
                        .pad_id = -1,
                        .std = 0.02,
                        .eps = 1e-6,
                        .theta = 10000,
                        .embedding_scale = 1,
                        .tag_dropout = 0.1,
                        .activation = LM_SILU};
    return e;
}

/* A number whose null does not mean what absence means. */
static int int_or_none(lm_config *c, const char *key, int fallback)
{
    return lm_config_is_null(c, key) ? 0 : lm_config_int(c, key, fallback);
}

void lm_llamalike_read(lm_config *c, lm_llamalike *e)
{
    e->vocab_size = lm_config_int(c, "vocab_size", e->vocab_size);
    e->width = lm_config_int(c, "hidden_size", e->width);
    e->layers = lm_config_int(c, "num_hidden_layers", e->layers);
    e->heads = lm_config_int(c, "num_attention_heads", e->heads);
    e->kv_heads = int_or_none(c, "num_key_value_heads", e->kv_heads);
    e->head_width = int_or_none(c, "head_dim", e->head_width);
    e->inner = lm_config_int(c, "intermediate_size", e->inner);
    e->positions = lm_config_int(c, "max_position_embeddings", e->positions);
    e->pad_id = lm_config_is_null(c, "pad_token_id") ? -1 : lm_config_int(c, "pad_token_id", e->pad_id);
    e->std = lm_config_float(c, "initializer_range", e->std);
    e->eps = lm_config_float(c, "rms_norm_eps", e->eps);
    e->attention_dropout = lm_config_float(c, "attention_dropout", e->attention_dropout);
    e->tag_dropout = lm_config_float(c, "classifier_dropout", lm_config_float(c, "hidden_dropout", e->tag_dropout));
    e->tie = lm_config_bool(c, "tie_word_embeddings", e->tie);
}

/* Which blocks layer_types names as windowed. */
static void read_layer_types(lm_config *c, lm_llamalike *e, bool *windowed)
{
    for (int i = 0; i <= e->layers; i++) {
        char key[32];
        snprintf(key, sizeof key, "layer_types.%d", i);
        const char *type = lm_config_string(c, key, NULL);
        if (!type != (i == e->layers)) {
            lm_config_fail(c, "layer_types: one for each of num_hidden_layers, %d, is expected", e->layers);
            return;
        }
        bool slides = type && strcmp(type, "sliding_attention") == 0;
        if (type && !slides && strcmp(type, "full_attention") != 0)
            lm_config_fail(c, "%s: \"%s\" is not served: full_attention and sliding_attention are", key, type);
        if (slides && !e->window)
            lm_config_fail(c, "%s: sliding_attention needs sliding_window, and use_sliding_window", key);
        if (type)
            windowed[i] = slides;
    }
}

void lm_llamalike_read_windows(lm_config *c, lm_llamalike *e, int max_window_layers)
{
    bool used = lm_config_bool(c, "use_sliding_window", false);
    e->window = used ? int_or_none(c, "sliding_window", 4096) : 0;
    max_window_layers = lm_config_int(c, "max_window_layers", max_window_layers);
    if (e->layers > BLOCKS_MAX) /* which the host refuses */
        return;
    bool *windowed = lm_config_alloc(c, (size_t)e->layers + 1);
    if (lm_config_has(c, "layer_types"))
        read_layer_types(c, e, windowed);
    else
        for (int i = 0; i < e->layers; i++)
            windowed[i] = i >= max_window_layers;
    e->windowed = windowed;
}

void lm_llamalike_arch(lm_config *c, lm_llamalike *e, lm_arch *arch)
{
    if (!e->vocab_size || !e->width || !e->inner || !e->positions)
        lm_config_fail(c, "vocab_size, hidden_size, intermediate_size, max_position_embeddings: each has to be at least 1");
    if (!e->heads || (!e->head_width && e->width % e->heads))
        lm_config_fail(c, "hidden_size: %d is no multiple of num_attention_heads, %d, and there is no head_dim", e->width,
                       e->heads);
    else if (!e->head_width)
        e->head_width = e->width / e->heads;
    if (!e->kv_heads)
        e->kv_heads = e->heads;
    if (e->kv_heads && e->heads % e->kv_heads)
        lm_config_fail(c, "num_key_value_heads: %d does not divide num_attention_heads, %d", e->kv_heads, e->heads);
    if ((int64_t)e->heads * e->head_width > INT32_MAX)
        lm_config_fail(c, "head_dim: %d heads of %d are too wide", e->heads, e->head_width);
    if (e->pad_id >= e->vocab_size)
        lm_config_fail(c, "pad_token_id: %d is not in the vocabulary of %d", e->pad_id, e->vocab_size);
    if (!e->labels)
        lm_config_fail(c, "id2label: a head needs at least one class");
    e->rotation = lm_config_rope(c, e->head_width, e->theta);
    *arch = (lm_arch){.layers = e->layers,
                      .width = e->width,
                      .heads = e->heads,
                      .vocab_size = e->vocab_size,
                      .max_length = e->positions,
                      .causal = true,
                      .body = "model",
                      .layer = "layers"};
}

/* ------------------------------------------------------------------ the body */

static void declare_linear(lm_declare *d, lm_scope s, int in, int out, double std, bool bias)
{
    if (bias)
        lm_declare_linear(d, s, in, out, std);
    else
        lm_declare_linear_nobias(d, s, in, out, std);
}

static void declare_block(lm_declare *d, lm_scope s, const lm_llamalike *e)
{
    lm_scope a = lm_in(s, "self_attn"), mlp = lm_in(s, "mlp");
    int q = e->heads * e->head_width, kv = e->kv_heads * e->head_width;
    declare_linear(d, lm_in(a, "q_proj"), e->width, q, e->std, e->query_bias);
    declare_linear(d, lm_in(a, "k_proj"), e->width, kv, e->std, e->query_bias);
    declare_linear(d, lm_in(a, "v_proj"), e->width, kv, e->std, e->query_bias);
    declare_linear(d, lm_in(a, "o_proj"), q, e->width, e->std, e->output_bias);
    if (e->head_norms) {
        lm_declare_rms_norm(d, lm_in(a, "q_norm"), e->head_width, e->norm_offset);
        lm_declare_rms_norm(d, lm_in(a, "k_norm"), e->head_width, e->norm_offset);
    }
    declare_linear(d, lm_in(mlp, "gate_proj"), e->width, e->inner, e->std, e->mlp_bias);
    declare_linear(d, lm_in(mlp, "up_proj"), e->width, e->inner, e->std, e->mlp_bias);
    declare_linear(d, lm_in(mlp, "down_proj"), e->inner, e->width, e->std, e->mlp_bias);
    lm_declare_rms_norm(d, lm_in(s, "input_layernorm"), e->width, e->norm_offset);
    lm_declare_rms_norm(d, lm_in(s, "post_attention_layernorm"), e->width, e->norm_offset);
}

void lm_llamalike_declare(lm_declare *d, lm_scope body, const void *config)
{
    const lm_llamalike *e = config;
    lm_declare_embedding(d, lm_in(body, "embed_tokens"), e->vocab_size, e->width, e->std, e->pad_id);
    for (int i = 0; i < e->layers; i++)
        declare_block(d, lm_in_index(body, "layers", i), e);
    lm_declare_rms_norm(d, lm_in(body, "norm"), e->width, e->norm_offset);
    lm_declare_ignored(d, "rotary_emb.inv_freq");
}

lm_tensor *lm_llamalike_embed(lm_graph *g, lm_scope body, const void *config, const lm_batch *batch)
{
    const lm_llamalike *e = config;
    lm_tensor *x = lm_embedding(g, lm_in(body, "embed_tokens"), batch->ids, batch);
    return e->embedding_scale == 1 ? x : lm_scale(g, x, (float)e->embedding_scale);
}

/* Queries or keys, ready for their product. */
static lm_tensor *turned(lm_graph *g, lm_scope a, const lm_llamalike *e, const char *of, const char *norm, lm_tensor *h,
                         int heads)
{
    lm_tensor *x = lm_linear(g, lm_in(a, of), h);
    if (e->head_norms)
        x = lm_rms_norm_heads(g, lm_in(a, norm), x, heads, e->eps, e->norm_offset);
    return lm_rope(g, x, heads, e->rotation);
}

lm_tensor *lm_llamalike_block(lm_graph *g, lm_scope layer, const void *config, int index, lm_tensor *x)
{
    const lm_llamalike *e = config;
    lm_scope a = lm_in(layer, "self_attn"), mlp = lm_in(layer, "mlp");
    lm_tensor *h = lm_rms_norm(g, lm_in(layer, "input_layernorm"), x, e->eps, e->norm_offset);
    lm_tensor *q = turned(g, a, e, "q_proj", "q_norm", h, e->heads);
    lm_tensor *k = turned(g, a, e, "k_proj", "k_norm", h, e->kv_heads);
    lm_tensor *v = lm_linear(g, lm_in(a, "v_proj"), h);
    h = lm_attention(g, q, k, v,
                     (lm_attn){.heads = e->heads,
                               .kv_heads = e->kv_heads,
                               .causal = true,
                               .dropout = e->attention_dropout,
                               .window = !e->windowed || e->windowed[index] ? e->window : 0});
    x = lm_add(g, x, lm_linear(g, lm_in(a, "o_proj"), h));

    h = lm_rms_norm(g, lm_in(layer, "post_attention_layernorm"), x, e->eps, e->norm_offset);
    h = lm_gate(g, lm_linear(g, lm_in(mlp, "gate_proj"), h), lm_linear(g, lm_in(mlp, "up_proj"), h), e->activation);
    return lm_add(g, x, lm_linear(g, lm_in(mlp, "down_proj"), h));
}

lm_tensor *lm_llamalike_finish(lm_graph *g, lm_scope body, const void *config, lm_tensor *x)
{
    const lm_llamalike *e = config;
    return lm_rms_norm(g, lm_in(body, "norm"), x, e->eps, e->norm_offset);
}

/* ------------------------------------------------------------------ heads */

void lm_llamalike_base_declare(lm_declare *d, lm_scope s, const void *config)
{
    (void)d, (void)s, (void)config; /* nothing beside the body */
}

void lm_llamalike_clm_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_llamalike *e = config;
    if (e->tie)
        lm_declare_tied(d, lm_in(s, "lm_head"), "weight", lm_in(s, "model.embed_tokens"), "weight");
    else
        lm_declare_linear_nobias(d, lm_in(s, "lm_head"), e->width, e->vocab_size, e->std);
}

lm_tensor *lm_llamalike_clm(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    (void)config;
    return lm_vocab_linear(g, lm_in(s, "lm_head"), x);
}

void lm_llamalike_classify_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_llamalike *e = config;
    lm_declare_linear_nobias(d, lm_in(s, "score"), e->width, e->labels, e->std);
}

lm_tensor *lm_llamalike_classify(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_llamalike *e = config;
    return lm_linear(g, lm_in(s, "score"), lm_last_token(g, x, e->pad_id));
}

void lm_llamalike_tag_declare(lm_declare *d, lm_scope s, const void *config)
{
    const lm_llamalike *e = config;
    lm_declare_linear(d, lm_in(s, "score"), e->width, e->labels, e->std);
}

lm_tensor *lm_llamalike_tag(lm_graph *g, lm_scope s, const void *config, lm_tensor *x)
{
    const lm_llamalike *e = config;
    return lm_linear(g, lm_in(s, "score"), lm_dropout(g, x, e->tag_dropout));
}
