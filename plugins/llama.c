/* Llama: Touvron et al. 2023, arXiv 2302.13971 and 2307.09288, and what came after under the same name. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_llamalike *e = lm_llamalike_new(c);
    lm_llamalike_read(c, e);
    e->activation = lm_config_activation(c, "hidden_act", "silu");
    e->query_bias = e->output_bias = lm_config_bool(c, "attention_bias", false);
    e->mlp_bias = lm_config_bool(c, "mlp_bias", false);
    lm_llamalike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "LlamaModel", .declare = lm_llamalike_base_declare, .bare = true},
    {.name = "clm",
     .architecture = "LlamaForCausalLM",
     .declare = lm_llamalike_clm_declare,
     .tokens = lm_llamalike_clm},
    {.name = "classify",
     .architecture = "LlamaForSequenceClassification",
     .declare = lm_llamalike_classify_declare,
     .rows = lm_llamalike_classify},
    {.name = "tag",
     .architecture = "LlamaForTokenClassification",
     .declare = lm_llamalike_tag_declare,
     .tokens = lm_llamalike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* LlamaConfig's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_bias\":false,\"attention_dropout\":0.0,\"bos_token_id\":1,\"eos_token_id\":2,"
    "\"hidden_act\":\"silu\",\"hidden_size\":4096,\"initializer_range\":0.02,\"intermediate_size\":11008,"
    "\"max_position_embeddings\":2048,\"mlp_bias\":false,\"model_type\":\"llama\",\"num_attention_heads\":32,"
    "\"num_hidden_layers\":32,\"num_key_value_heads\":null,\"pretraining_tp\":1,\"rms_norm_eps\":1e-06,"
    "\"rope_scaling\":null,\"rope_theta\":10000.0,\"tie_word_embeddings\":false,\"use_cache\":true,"
    "\"vocab_size\":32000}";

/* the tinyllamas of Karpathy, the smallest Llama 3.2 and a Llama 2 */
static const lm_size sizes[] = {
    {"15m", 6, 288, 6, 768, "{\"num_key_value_heads\":6,\"tie_word_embeddings\":true}"},
    {"110m", 12, 768, 12, 2048, "{\"num_key_value_heads\":12,\"tie_word_embeddings\":true}"},
    {"1b", 16, 2048, 32, 8192,
     "{\"head_dim\":64,\"num_key_value_heads\":8,\"rms_norm_eps\":1e-05,\"rope_theta\":500000.0,"
     "\"tie_word_embeddings\":true}"},
    {"7b", 32, 4096, 32, 11008, "{\"num_key_value_heads\":32}"},
    {0},
};

LM_PLUGIN(.name = "llama", .model_types = "llama", .configure = configure, .declare = lm_llamalike_declare,
          .embed = lm_llamalike_embed, .block = lm_llamalike_block, .finish = lm_llamalike_finish, .heads = heads,
          .defaults = defaults, .sizes = sizes)
