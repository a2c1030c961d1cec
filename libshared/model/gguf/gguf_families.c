/* From llama.cpp: gguf-py/gguf/tensor_mapping.py (names), conversion/ (what is permuted, transposed, left out, and which entries
 * there are), src/models/ (which biases are read, and what is computed). */
#include "model/gguf/gguf_families.h"

#include <math.h>

enum {
    BIAS = LM_GGUF_BIAS,
    INNER_BIAS = LM_GGUF_INNER_BIAS,
    QUERY = LM_GGUF_QUERY,
    KEY = LM_GGUF_KEY,
    TRANSPOSED = LM_GGUF_TRANSPOSED,
    NORM = LM_GGUF_NORM,
    POSITIONS = LM_GGUF_POSITIONS,
    OUTSIDE = LM_GGUF_OUTSIDE,
    UNLESS_TIED = LM_GGUF_UNLESS_TIED,
    OF_CLASSIFIER = LM_GGUF_OF_CLASSIFIER,
    IF_GATED = LM_GGUF_IF_GATED,
    UNLESS_GATED = LM_GGUF_UNLESS_GATED,
    ANY_END = LM_GGUF_ANY_END,
};

/* ------------------------------------------------------------------ Llama and its relatives */

static const lm_gguf_row llamalike[] = {
    {"embed_tokens", "token_embd", 0},
    {"norm", "output_norm", NORM},
    {"lm_head", "output", OUTSIDE | UNLESS_TIED},
    {"score", "cls.output", OUTSIDE | OF_CLASSIFIER},
    {"layers.#.input_layernorm", "blk.#.attn_norm", NORM},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", QUERY | BIAS},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", KEY | BIAS},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", BIAS},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", INNER_BIAS},
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm", NORM},
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm", NORM},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", NORM},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate", INNER_BIAS},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", INNER_BIAS},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", INNER_BIAS},
    {"layers.#.self_attn.rotary_emb", NULL, ANY_END},
    {"rotary_emb", NULL, ANY_END},
    {NULL, "rope_freqs", 0}, /* made of rope_scaling */
    {NULL, "blk.#.attn_rot_embd", 0},
    {0},
};

#define LLAMALIKE_KEYS                                                                                       \
    {"block_count", "num_hidden_layers", false, NAN}, {"context_length", "max_position_embeddings", false, NAN},               \
        {"embedding_length", "hidden_size", false, NAN}, {"feed_forward_length", "intermediate_size", false, NAN},             \
        {"attention.head_count", "num_attention_heads", false, NAN},                                         \
        {"rope.freq_base", "rope_theta", true, 10000}, {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true, 1e-6}

static const lm_gguf_key llamalike_keys[] = {LLAMALIKE_KEYS, {0}};

/* ------------------------------------------------------------------ GPT-2 */

static const lm_gguf_row gpt2[] = {
    {"wte", "token_embd", 0},
    {"wpe", "position_embd", 0},
    {"ln_f", "output_norm", BIAS},
    {"lm_head", "output", OUTSIDE | UNLESS_TIED},
    {"h.#.ln_1", "blk.#.attn_norm", BIAS},
    {"h.#.attn.c_attn", "blk.#.attn_qkv", TRANSPOSED | BIAS},
    {"h.#.attn.c_proj", "blk.#.attn_output", TRANSPOSED | BIAS},
    {"h.#.ln_2", "blk.#.ffn_norm", BIAS},
    {"h.#.mlp.c_fc", "blk.#.ffn_up", TRANSPOSED | BIAS},
    {"h.#.mlp.c_proj", "blk.#.ffn_down", TRANSPOSED | BIAS},
    {"h.#.attn.bias", NULL, ANY_END}, /* the causal mask */
    {"h.#.attn.masked_bias", NULL, ANY_END},
    {0},
};

static const lm_gguf_key gpt2_keys[] = {
    {"block_count", "n_layer", false, NAN},
    {"context_length", "n_positions", false, NAN},
    {"embedding_length", "n_embd", false, NAN},
    {"attention.head_count", "n_head", false, NAN},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", true, 1e-5},
    {0},
};

/* ------------------------------------------------------------------ BERT and its relatives */

#define BERTLIKE_EMBEDDINGS                                                                                  \
    {"embeddings.word_embeddings", "token_embd", 0}, {"embeddings.position_embeddings", "position_embd", POSITIONS},           \
        {"embeddings.token_type_embeddings", "token_types", 0}, {"embeddings.LayerNorm", "token_embd_norm", BIAS},             \
        {"embeddings.position_ids", NULL, ANY_END}
#define BERTLIKE_BLOCK                                                                                       \
    {"encoder.layer.#.attention.self.query", "blk.#.attn_q", BIAS}, {"encoder.layer.#.attention.self.key", "blk.#.attn_k", BIAS}, \
        {"encoder.layer.#.attention.self.value", "blk.#.attn_v", BIAS},                                      \
        {"encoder.layer.#.attention.output.dense", "blk.#.attn_output", BIAS},                               \
        {"encoder.layer.#.attention.output.LayerNorm", "blk.#.attn_output_norm", BIAS},                      \
        {"encoder.layer.#.intermediate.dense", "blk.#.ffn_up", BIAS},                                        \
        {"encoder.layer.#.output.dense", "blk.#.ffn_down", BIAS},                                            \
        {"encoder.layer.#.output.LayerNorm", "blk.#.layer_output_norm", BIAS}

/* llama.cpp reads a row's first state through cls, tanh and cls.output, which is BERT's pooler and classifier. */
static const lm_gguf_row bert[] = {
    BERTLIKE_EMBEDDINGS,
    BERTLIKE_BLOCK,
    {"pooler.dense", "cls", BIAS | OF_CLASSIFIER},
    {"classifier", "cls.output", OUTSIDE | BIAS | OF_CLASSIFIER},
    {"cls.predictions", NULL, OUTSIDE | ANY_END},
    {"cls.seq_relationship", NULL, OUTSIDE | ANY_END},
    {0},
};

static const lm_gguf_row roberta[] = {
    BERTLIKE_EMBEDDINGS,
    BERTLIKE_BLOCK,
    {"classifier.dense", "cls", OUTSIDE | BIAS | OF_CLASSIFIER},
    {"classifier.out_proj", "cls.output", OUTSIDE | BIAS | OF_CLASSIFIER},
    {"pooler", NULL, ANY_END},
    {"lm_head", NULL, OUTSIDE | ANY_END},
    {0},
};

static const lm_gguf_row distilbert[] = {
    BERTLIKE_EMBEDDINGS,
    {"transformer.layer.#.attention.q_lin", "blk.#.attn_q", BIAS},
    {"transformer.layer.#.attention.k_lin", "blk.#.attn_k", BIAS},
    {"transformer.layer.#.attention.v_lin", "blk.#.attn_v", BIAS},
    {"transformer.layer.#.attention.out_lin", "blk.#.attn_output", BIAS},
    {"transformer.layer.#.sa_layer_norm", "blk.#.attn_output_norm", BIAS},
    {"transformer.layer.#.ffn.lin1", "blk.#.ffn_up", BIAS},
    {"transformer.layer.#.ffn.lin2", "blk.#.ffn_down", BIAS},
    {"transformer.layer.#.output_layer_norm", "blk.#.layer_output_norm", BIAS},
    {"pre_classifier", "cls", OUTSIDE | BIAS | OF_CLASSIFIER},
    {"classifier", "cls.output", OUTSIDE | BIAS | OF_CLASSIFIER},
    {"vocab_transform", NULL, OUTSIDE | ANY_END},
    {"vocab_layer_norm", NULL, OUTSIDE | ANY_END},
    {"vocab_projector", NULL, OUTSIDE | ANY_END},
    {0},
};

static const lm_gguf_key bertlike_keys[] = {
    {"block_count", "num_hidden_layers", false, NAN},
    {"embedding_length", "hidden_size", false, NAN},
    {"feed_forward_length", "intermediate_size", false, NAN},
    {"attention.head_count", "num_attention_heads", false, NAN},
    {"attention.layer_norm_epsilon", "layer_norm_eps", true, 1e-12},
    {0},
};

/* Its epsilon is no member: the entry is written by itself. */
static const lm_gguf_key distilbert_keys[] = {
    {"block_count", "n_layers", false, NAN},
    {"embedding_length", "dim", false, NAN},
    {"feed_forward_length", "hidden_dim", false, NAN},
    {"attention.head_count", "n_heads", false, NAN},
    {0},
};

/* ------------------------------------------------------------------ T5 */

#define T5_ENCODER                                                                                           \
    {"shared", "token_embd", 0}, {"encoder.embed_tokens", NULL, ANY_END},                                    \
        {"encoder.block.#.layer.0.SelfAttention.q", "enc.blk.#.attn_q", 0},                                  \
        {"encoder.block.#.layer.0.SelfAttention.k", "enc.blk.#.attn_k", 0},                                  \
        {"encoder.block.#.layer.0.SelfAttention.v", "enc.blk.#.attn_v", 0},                                  \
        {"encoder.block.#.layer.0.SelfAttention.o", "enc.blk.#.attn_o", 0},                                  \
        {"encoder.block.#.layer.0.SelfAttention.relative_attention_bias", "enc.blk.#.attn_rel_b", 0},        \
        {"encoder.block.#.layer.0.layer_norm", "enc.blk.#.attn_norm", 0},                                    \
        {"encoder.block.#.layer.1.DenseReluDense.wi", "enc.blk.#.ffn_up", UNLESS_GATED},                     \
        {"encoder.block.#.layer.1.DenseReluDense.wi_0", "enc.blk.#.ffn_gate", IF_GATED},                     \
        {"encoder.block.#.layer.1.DenseReluDense.wi_1", "enc.blk.#.ffn_up", IF_GATED},                       \
        {"encoder.block.#.layer.1.DenseReluDense.wo", "enc.blk.#.ffn_down", 0},                              \
        {"encoder.block.#.layer.1.layer_norm", "enc.blk.#.ffn_norm", 0},                                     \
        {"encoder.final_layer_norm", "enc.output_norm", 0}

static const lm_gguf_row t5[] = {
    T5_ENCODER,
    {"decoder.embed_tokens", NULL, ANY_END},
    {"decoder.block.#.layer.0.SelfAttention.q", "dec.blk.#.attn_q", 0},
    {"decoder.block.#.layer.0.SelfAttention.k", "dec.blk.#.attn_k", 0},
    {"decoder.block.#.layer.0.SelfAttention.v", "dec.blk.#.attn_v", 0},
    {"decoder.block.#.layer.0.SelfAttention.o", "dec.blk.#.attn_o", 0},
    {"decoder.block.#.layer.0.SelfAttention.relative_attention_bias", "dec.blk.#.attn_rel_b", 0},
    {"decoder.block.#.layer.0.layer_norm", "dec.blk.#.attn_norm", 0},
    {"decoder.block.#.layer.1.EncDecAttention.q", "dec.blk.#.cross_attn_q", 0},
    {"decoder.block.#.layer.1.EncDecAttention.k", "dec.blk.#.cross_attn_k", 0},
    {"decoder.block.#.layer.1.EncDecAttention.v", "dec.blk.#.cross_attn_v", 0},
    {"decoder.block.#.layer.1.EncDecAttention.o", "dec.blk.#.cross_attn_o", 0},
    {"decoder.block.#.layer.1.EncDecAttention.relative_attention_bias", NULL, ANY_END},
    {NULL, "dec.blk.#.cross_attn_rel_b", 0},
    {"decoder.block.#.layer.1.layer_norm", "dec.blk.#.cross_attn_norm", 0},
    {"decoder.block.#.layer.2.DenseReluDense.wi", "dec.blk.#.ffn_up", UNLESS_GATED},
    {"decoder.block.#.layer.2.DenseReluDense.wi_0", "dec.blk.#.ffn_gate", IF_GATED},
    {"decoder.block.#.layer.2.DenseReluDense.wi_1", "dec.blk.#.ffn_up", IF_GATED},
    {"decoder.block.#.layer.2.DenseReluDense.wo", "dec.blk.#.ffn_down", 0},
    {"decoder.block.#.layer.2.layer_norm", "dec.blk.#.ffn_norm", 0},
    {"decoder.final_layer_norm", "dec.output_norm", 0},
    {"lm_head", "output", UNLESS_TIED},
    {0},
};

static const lm_gguf_row t5_encoder[] = {T5_ENCODER, {0}};

/* T5's epsilon is that of an RMS norm; llama.cpp's converter says it as both. */
static const lm_gguf_key t5_keys[] = {
    {"context_length", "n_positions", false, 512},
    {"embedding_length", "d_model", false, NAN},
    {"feed_forward_length", "d_ff", false, NAN},
    {"block_count", "num_layers", false, NAN},
    {"attention.head_count", "num_heads", false, NAN},
    {"attention.key_length", "d_kv", false, NAN},
    {"attention.value_length", "d_kv", false, NAN},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", true, 1e-6},
    {"attention.relative_buckets_count", "relative_attention_num_buckets", false, 32},
    {"attention.layer_norm_rms_epsilon", "layer_norm_epsilon", true, 1e-6},
    {0},
};

/* ------------------------------------------------------------------ */

#define LLAMALIKE(arch, type)                                                                                \
    .architecture = arch, .model_types = type, .body = "model", .rows = llamalike, .keys = llamalike_keys,   \
    .heads = "num_attention_heads", .kv_heads = "num_key_value_heads", .positions = "max_position_embeddings"
#define CLASSES(stem) .classes = {{stem "ForCausalLM", LM_GGUF_LANGUAGE}, {stem "Model", LM_GGUF_BARE}}

const lm_gguf_family lm_gguf_families[] = {
    {LLAMALIKE("llama", "llama"), CLASSES("Llama"), .interleaved = true, .inner_bias = true, .activation = "hidden_act",
     .activations = "silu"},
    {LLAMALIKE("llama", "mistral"), CLASSES("Mistral"), .interleaved = true, .inner_bias = true, .activation = "hidden_act",
     .activations = "silu"},
    {LLAMALIKE("qwen2", "qwen2"), CLASSES("Qwen2"), .activation = "hidden_act", .activations = "silu"},
    {LLAMALIKE("qwen3", "qwen3"), .head_width = true, .activation = "hidden_act", .activations = "silu",
     .classes = {{"Qwen3ForCausalLM", LM_GGUF_LANGUAGE},
                 {"Qwen3Model", LM_GGUF_BARE},
                 {"Qwen3ForSequenceClassification", LM_GGUF_CLASSIFIER}}},
    {LLAMALIKE("gemma", "gemma"), CLASSES("Gemma"), .head_width = true, .tied = true, .norm_offset = 1, .activation = "hidden_activation",
     .activations = "gelu_pytorch_tanh"},
    {.architecture = "gpt2", .model_types = "gpt2", .body = "transformer", .rows = gpt2, .keys = gpt2_keys, .heads = "n_head",
     .positions = "n_positions", .tied = true, .activation = "activation_function",
     .activations = "gelu_new gelu gelu_fast gelu_pytorch_tanh",
     .classes = {{"GPT2LMHeadModel", LM_GGUF_LANGUAGE}, {"GPT2Model", LM_GGUF_BARE}}},
    {.architecture = "bert", .model_types = "bert", .body = "bert", .rows = bert, .keys = bertlike_keys,
     .heads = "num_attention_heads", .positions = "max_position_embeddings", .activation = "hidden_act",
     .activations = "gelu gelu_new gelu_fast gelu_pytorch_tanh",
     .classes = {{"BertModel", LM_GGUF_BARE},
                 {"BertForSequenceClassification", LM_GGUF_CLASSIFIER},
                 {"BertForMaskedLM", LM_GGUF_MASKED},
                 {"BertForPreTraining", LM_GGUF_MASKED}}},
    {.architecture = "bert", .model_types = "roberta xlm-roberta camembert", .body = "roberta", .rows = roberta,
     .keys = bertlike_keys, .heads = "num_attention_heads", .positions = "max_position_embeddings", .past_padding = true,
     .activation = "hidden_act", .activations = "gelu gelu_new gelu_fast gelu_pytorch_tanh",
     .classes = {{"RobertaModel XLMRobertaModel CamembertModel", LM_GGUF_BARE},
                 {"RobertaForSequenceClassification XLMRobertaForSequenceClassification CamembertForSequenceClassification",
                  LM_GGUF_CLASSIFIER},
                 {"RobertaForMaskedLM XLMRobertaForMaskedLM CamembertForMaskedLM", LM_GGUF_MASKED}}},
    {.architecture = "bert", .model_types = "distilbert", .body = "distilbert", .rows = distilbert, .keys = distilbert_keys,
     .heads = "n_heads", .positions = "max_position_embeddings", .activation = "activation", .activations = "gelu",
     .classes = {{"DistilBertModel", LM_GGUF_BARE},
                 {"DistilBertForSequenceClassification", LM_GGUF_CLASSIFIER},
                 {"DistilBertForMaskedLM", LM_GGUF_MASKED}}},
    {.architecture = "t5", .model_types = "t5 mt5", .body = "", .rows = t5, .keys = t5_keys, .heads = "num_heads",
     .positions = "n_positions", .tied = true,
     .classes = {{"T5ForConditionalGeneration MT5ForConditionalGeneration", LM_GGUF_LANGUAGE}}},
    {.architecture = "t5encoder", .model_types = "t5 mt5", .body = "", .rows = t5_encoder, .keys = t5_keys, .heads = "num_heads",
     .positions = "n_positions", .tied = true, .classes = {{"T5EncoderModel MT5EncoderModel", LM_GGUF_BARE}}},
    {0},
};
