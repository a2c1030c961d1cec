/* Qwen3: Yang et al. 2025, arXiv 2505.09388. Llama with a norm of each head's queries and keys. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_llamalike *e = lm_llamalike_new(c);
    e->vocab_size = 151936;
    e->inner = 22016;
    e->kv_heads = 32;
    e->head_width = 128;
    e->positions = 32768;
    e->head_norms = true;
    lm_llamalike_read(c, e);
    e->activation = lm_config_activation(c, "hidden_act", "silu");
    e->query_bias = e->output_bias = lm_config_bool(c, "attention_bias", false);
    lm_llamalike_read_windows(c, e, 28);
    lm_llamalike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "Qwen3Model", .declare = lm_llamalike_base_declare, .bare = true},
    {.name = "clm",
     .architecture = "Qwen3ForCausalLM",
     .declare = lm_llamalike_clm_declare,
     .tokens = lm_llamalike_clm},
    {.name = "classify",
     .architecture = "Qwen3ForSequenceClassification",
     .declare = lm_llamalike_classify_declare,
     .rows = lm_llamalike_classify},
    {.name = "tag",
     .architecture = "Qwen3ForTokenClassification",
     .declare = lm_llamalike_tag_declare,
     .tokens = lm_llamalike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {0},
};

/* Qwen3Config's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_bias\":false,\"attention_dropout\":0.0,\"head_dim\":128,\"hidden_act\":\"silu\","
    "\"hidden_size\":4096,\"initializer_range\":0.02,\"intermediate_size\":22016,"
    "\"max_position_embeddings\":32768,\"max_window_layers\":28,\"model_type\":\"qwen3\","
    "\"num_attention_heads\":32,\"num_hidden_layers\":32,\"num_key_value_heads\":32,\"rms_norm_eps\":1e-06,"
    "\"rope_scaling\":null,\"rope_theta\":10000.0,\"sliding_window\":null,\"tie_word_embeddings\":false,"
    "\"use_cache\":true,\"use_sliding_window\":false,\"vocab_size\":151936}";

static const lm_size sizes[] = {
    {"tiny", 2, 128, 2, 512, "{\"head_dim\":64}"},
    {"mini", 4, 256, 4, 1024, "{\"head_dim\":64}"},
    {"small", 4, 512, 8, 2048, "{\"head_dim\":64}"},
    {"base", 12, 768, 12, 3072, "{\"head_dim\":64}"},
    {"0.6b", 28, 1024, 16, 3072,
     "{\"num_key_value_heads\":8,\"rope_theta\":1000000.0,\"tie_word_embeddings\":true}"},
    {"1.7b", 28, 2048, 16, 6144,
     "{\"num_key_value_heads\":8,\"rope_theta\":1000000.0,\"tie_word_embeddings\":true}"},
    {0},
};

LM_PLUGIN(.name = "qwen3", .model_types = "qwen3", .configure = configure, .declare = lm_llamalike_declare,
          .embed = lm_llamalike_embed, .block = lm_llamalike_block, .finish = lm_llamalike_finish, .heads = heads,
          .defaults = defaults, .sizes = sizes)
