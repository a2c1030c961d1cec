/* Qwen2: Yang et al. 2024, arXiv 2407.10671 and 2412.15115 (2.5). Llama with a bias on queries, keys and values. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_llamalike *e = lm_llamalike_new(c);
    e->vocab_size = 151936;
    e->inner = 22016;
    e->kv_heads = 32;
    e->positions = 32768;
    e->query_bias = true;
    lm_llamalike_read(c, e);
    e->activation = lm_config_activation(c, "hidden_act", "silu");
    lm_llamalike_read_windows(c, e, 28);
    lm_llamalike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "Qwen2Model", .declare = lm_llamalike_base_declare, .bare = true},
    {.name = "clm",
     .architecture = "Qwen2ForCausalLM",
     .declare = lm_llamalike_clm_declare,
     .tokens = lm_llamalike_clm},
    {.name = "classify",
     .architecture = "Qwen2ForSequenceClassification",
     .declare = lm_llamalike_classify_declare,
     .rows = lm_llamalike_classify},
    {.name = "tag",
     .architecture = "Qwen2ForTokenClassification",
     .declare = lm_llamalike_tag_declare,
     .tokens = lm_llamalike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* Qwen2Config's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_dropout\":0.0,\"hidden_act\":\"silu\",\"hidden_size\":4096,\"initializer_range\":0.02,"
    "\"intermediate_size\":22016,\"max_position_embeddings\":32768,\"max_window_layers\":28,"
    "\"model_type\":\"qwen2\",\"num_attention_heads\":32,\"num_hidden_layers\":32,\"num_key_value_heads\":32,"
    "\"rms_norm_eps\":1e-06,\"rope_theta\":10000.0,\"sliding_window\":null,\"tie_word_embeddings\":false,"
    "\"use_cache\":true,\"use_sliding_window\":false,\"vocab_size\":151936}";

/* Qwen2.5's */
static const lm_size sizes[] = {
    {"0.5b", 24, 896, 14, 4864,
     "{\"num_key_value_heads\":2,\"rope_theta\":1000000.0,\"tie_word_embeddings\":true}"},
    {"1.5b", 28, 1536, 12, 8960,
     "{\"num_key_value_heads\":2,\"rope_theta\":1000000.0,\"tie_word_embeddings\":true}"},
    {0},
};

LM_PLUGIN(.name = "qwen2", .model_types = "qwen2", .configure = configure, .declare = lm_llamalike_declare,
          .embed = lm_llamalike_embed, .block = lm_llamalike_block, .finish = lm_llamalike_finish, .heads = heads,
          .defaults = defaults, .sizes = sizes)
