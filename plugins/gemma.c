/* Gemma: Gemma Team 2024, arXiv 2403.08295. Llama with weights of norms that are differences from 1, embeddings times the
 * root of the width, wide heads and a gate of GELU. */
#include "lmutils/plugin.h"

#include <math.h>
#include <string.h>

/* The first checkpoints have "gelu" as hidden_act and mean its approximation; hidden_activation was made to say so. */
static lm_activation activation(lm_config *c)
{
    if (lm_config_has(c, "hidden_activation"))
        return lm_config_activation(c, "hidden_activation", "");
    if (strcmp(lm_config_string(c, "hidden_act", "gelu"), "gelu") == 0)
        return LM_GELU_TANH;
    return lm_config_activation(c, "hidden_act", "");
}

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_llamalike *e = lm_llamalike_new(c);
    e->vocab_size = 256000;
    e->width = 3072;
    e->layers = 28;
    e->heads = e->kv_heads = 16;
    e->head_width = 256;
    e->inner = 24576;
    e->positions = 8192;
    e->pad_id = 0;
    e->tie = true;
    e->norm_offset = 1;
    lm_llamalike_read(c, e);
    e->embedding_scale = sqrt(e->width);
    e->activation = activation(c);
    e->query_bias = e->output_bias = lm_config_bool(c, "attention_bias", false);
    if (lm_config_bool(c, "use_bidirectional_attention", false))
        lm_config_fail(c, "use_bidirectional_attention: the model is served as a decoder: use one that has it not");
    lm_llamalike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "GemmaModel", .declare = lm_llamalike_base_declare, .bare = true},
    {.name = "clm",
     .architecture = "GemmaForCausalLM",
     .declare = lm_llamalike_clm_declare,
     .tokens = lm_llamalike_clm},
    {.name = "classify",
     .architecture = "GemmaForSequenceClassification",
     .declare = lm_llamalike_classify_declare,
     .rows = lm_llamalike_classify},
    {.name = "tag",
     .architecture = "GemmaForTokenClassification",
     .declare = lm_llamalike_tag_declare,
     .tokens = lm_llamalike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* GemmaConfig's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_bias\":false,\"attention_dropout\":0.0,\"bos_token_id\":2,\"eos_token_id\":1,"
    "\"head_dim\":256,\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_activation\":null,\"hidden_size\":3072,"
    "\"initializer_range\":0.02,\"intermediate_size\":24576,\"max_position_embeddings\":8192,"
    "\"model_type\":\"gemma\",\"num_attention_heads\":16,\"num_hidden_layers\":28,\"num_key_value_heads\":16,"
    "\"pad_token_id\":0,\"rms_norm_eps\":1e-06,\"rope_theta\":10000.0,\"use_cache\":true,"
    "\"vocab_size\":256000}";

static const lm_size sizes[] = {
    {"tiny", 2, 128, 2, 512, "{\"head_dim\":64}"},
    {"mini", 4, 256, 4, 1024, "{\"head_dim\":64}"},
    {"small", 4, 512, 8, 2048, "{\"head_dim\":64}"},
    {"base", 12, 768, 12, 3072, "{\"head_dim\":64}"},
    {"2b", 18, 2048, 8, 16384, "{\"head_dim\":256,\"num_key_value_heads\":1}"},
    {"7b", 28, 3072, 16, 24576, "{\"head_dim\":256,\"num_key_value_heads\":16}"},
    {0},
};

LM_PLUGIN(.name = "gemma", .model_types = "gemma", .configure = configure, .declare = lm_llamalike_declare,
          .embed = lm_llamalike_embed, .block = lm_llamalike_block, .finish = lm_llamalike_finish, .heads = heads,
          .defaults = defaults, .sizes = sizes)
