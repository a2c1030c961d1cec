/* Mistral: Jiang et al. 2023, arXiv 2310.06825. Llama with a window in each block. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_llamalike *e = lm_llamalike_new(c);
    e->inner = 14336;
    e->kv_heads = 8;
    e->positions = 4096 * 32;
    lm_llamalike_read(c, e);
    e->activation = lm_config_activation(c, "hidden_act", "silu");
    e->window = lm_config_is_null(c, "sliding_window") ? 0 : lm_config_int(c, "sliding_window", 4096);
    lm_llamalike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "MistralModel", .declare = lm_llamalike_base_declare, .bare = true},
    {.name = "clm",
     .architecture = "MistralForCausalLM",
     .declare = lm_llamalike_clm_declare,
     .tokens = lm_llamalike_clm},
    {.name = "classify",
     .architecture = "MistralForSequenceClassification",
     .declare = lm_llamalike_classify_declare,
     .rows = lm_llamalike_classify},
    {.name = "tag",
     .architecture = "MistralForTokenClassification",
     .declare = lm_llamalike_tag_declare,
     .tokens = lm_llamalike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* MistralConfig's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_dropout\":0.0,\"bos_token_id\":1,\"eos_token_id\":2,\"head_dim\":null,"
    "\"hidden_act\":\"silu\",\"hidden_size\":4096,\"initializer_range\":0.02,\"intermediate_size\":14336,"
    "\"max_position_embeddings\":131072,\"model_type\":\"mistral\",\"num_attention_heads\":32,"
    "\"num_hidden_layers\":32,\"num_key_value_heads\":8,\"rms_norm_eps\":1e-06,\"rope_theta\":10000.0,"
    "\"sliding_window\":4096,\"tie_word_embeddings\":false,\"use_cache\":true,\"vocab_size\":32000}";

static const lm_size sizes[] = {
    {"7b", 32, 4096, 32, 14336, "{\"num_key_value_heads\":8,\"rms_norm_eps\":1e-05}"},
    {0},
};

LM_PLUGIN(.name = "mistral", .model_types = "mistral", .configure = configure, .declare = lm_llamalike_declare,
          .embed = lm_llamalike_embed, .block = lm_llamalike_block, .finish = lm_llamalike_finish, .heads = heads,
          .defaults = defaults, .sizes = sizes)
