/* ALBERT: Lan et al. 2019, arXiv 1909.11942. BERT with narrow embeddings, whose blocks share parameters in
 * groups. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_bertlike *e = lm_bertlike_new(c);
    e->vocab_size = 30000;
    e->width = 4096;
    e->heads = 64;
    e->inner = 16384;
    e->dropout = e->attention_dropout = 0;
    e->activation = LM_GELU_TANH;
    lm_bertlike_read(c, e);
    e->mlm_activation = e->activation;
    e->output_dropout = 0; /* only the attention's output has one */
    e->embedding_width = lm_config_int(c, "embedding_size", 128);
    e->groups = lm_config_int(c, "num_hidden_groups", 1);
    e->group_blocks = lm_config_int(c, "inner_group_num", 1);
    if (!e->embedding_width || !e->groups || !e->group_blocks)
        lm_config_fail(c, "embedding_size, num_hidden_groups, inner_group_num: each has to be at least 1");
    e->classify_dropout = e->tag_dropout = e->next_dropout =
        lm_config_float(c, "classifier_dropout_prob", 0.1);
    e->body = "albert";
    e->projection = "encoder.embedding_hidden_mapping_in";
    e->layer = "encoder.albert_layer_groups";
    e->group_block = "albert_layers";
    e->query = "attention.query";
    e->key = "attention.key";
    e->value = "attention.value";
    e->attention_output = "attention.dense";
    e->attention_norm = "attention.LayerNorm";
    e->intermediate = "ffn";
    e->output = "ffn_output";
    e->output_norm = "full_layer_layer_norm";
    e->pooler = "pooler";
    e->mlm_dense = "predictions.dense";
    e->mlm_norm = "predictions.LayerNorm";
    e->mlm_decoder = "predictions.decoder";
    e->mlm_bias = "predictions";
    e->next = "sop_classifier.classifier";
    lm_bertlike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base",
     .architecture = "AlbertModel",
     .declare = lm_bertlike_base_declare,
     .rows = lm_bertlike_pooled,
     .bare = true},
    {.name = "mlm",
     .architecture = "AlbertForMaskedLM",
     .declare = lm_bertlike_mlm_declare,
     .tokens = lm_bertlike_mlm},
    {.name = "pretrain",
     .architecture = "AlbertForPreTraining",
     .declare = lm_bertlike_pretrain_declare,
     .tokens = lm_bertlike_mlm,
     .rows = lm_bertlike_next},
    {.name = "classify",
     .architecture = "AlbertForSequenceClassification",
     .declare = lm_bertlike_classify_declare,
     .rows = lm_bertlike_classify},
    {.name = "tag",
     .architecture = "AlbertForTokenClassification",
     .declare = lm_bertlike_tag_declare,
     .tokens = lm_bertlike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "answer",
     .architecture = "AlbertForQuestionAnswering",
     .declare = lm_bertlike_answer_declare,
     .tokens = lm_bertlike_answer,
     .columns = LM_COLUMNS_SPAN},
    {0},
};

/* AlbertConfig's members as save_pretrained writes them, with the sizes of albert-base-v2. */
static const char defaults[] =
    "{\"attention_probs_dropout_prob\":0,\"bos_token_id\":2,\"classifier_dropout_prob\":0.1,\"embedding_"
    "size\":128,"
    "\"eos_token_id\":3,\"hidden_act\":\"gelu_new\",\"hidden_dropout_prob\":0,\"hidden_size\":768,"
    "\"initializer_range\":0.02,\"inner_group_num\":1,\"intermediate_size\":3072,\"layer_norm_eps\":1e-12,"
    "\"max_position_embeddings\":512,\"model_type\":\"albert\",\"num_attention_heads\":12,"
    "\"num_hidden_groups\":1,\"num_hidden_layers\":12,\"pad_token_id\":0,\"position_embedding_type\":"
    "\"absolute\","
    "\"type_vocab_size\":2,\"vocab_size\":30000}";

LM_PLUGIN(.name = "albert", .model_types = "albert", .configure = configure, .declare = lm_bertlike_declare,
          .embed = lm_bertlike_embed, .block = lm_bertlike_block, .heads = heads, .defaults = defaults)
