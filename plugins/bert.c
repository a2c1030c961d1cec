/* BERT: Devlin et al. 2018, arXiv 1810.04805. Post-norm encoder with learned positions and segment
 * embeddings. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_bertlike *e = lm_bertlike_new(c);
    lm_bertlike_read(c, e);
    e->pooler = "pooler.dense";
    e->mlm_activation = e->activation;
    e->mlm_dense = "cls.predictions.transform.dense";
    e->mlm_norm = "cls.predictions.transform.LayerNorm";
    e->mlm_decoder = "cls.predictions.decoder";
    e->mlm_bias = "cls.predictions";
    e->next = "cls.seq_relationship";
    lm_bertlike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base",
     .architecture = "BertModel",
     .declare = lm_bertlike_base_declare,
     .rows = lm_bertlike_pooled,
     .bare = true},
    {.name = "mlm",
     .architecture = "BertForMaskedLM",
     .declare = lm_bertlike_mlm_declare,
     .tokens = lm_bertlike_mlm},
    {.name = "pretrain",
     .architecture = "BertForPreTraining",
     .declare = lm_bertlike_pretrain_declare,
     .tokens = lm_bertlike_mlm,
     .rows = lm_bertlike_next},
    {.name = "classify",
     .architecture = "BertForSequenceClassification",
     .declare = lm_bertlike_classify_declare,
     .rows = lm_bertlike_classify},
    {.name = "tag",
     .architecture = "BertForTokenClassification",
     .declare = lm_bertlike_tag_declare,
     .tokens = lm_bertlike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "answer",
     .architecture = "BertForQuestionAnswering",
     .declare = lm_bertlike_answer_declare,
     .tokens = lm_bertlike_answer,
     .columns = LM_COLUMNS_SPAN},
    {0},
};

/* BertConfig's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_probs_dropout_prob\":0.1,\"classifier_dropout\":null,\"hidden_act\":\"gelu\","
    "\"hidden_dropout_prob\":0.1,\"hidden_size\":768,\"initializer_range\":0.02,\"intermediate_size\":3072,"
    "\"layer_norm_eps\":1e-12,\"max_position_embeddings\":512,\"model_type\":\"bert\","
    "\"num_attention_heads\":12,\"num_hidden_layers\":12,\"pad_token_id\":0,"
    "\"position_embedding_type\":\"absolute\",\"type_vocab_size\":2,\"use_cache\":true,"
    "\"vocab_size\":30522}";

LM_PLUGIN(.name = "bert", .model_types = "bert", .configure = configure, .declare = lm_bertlike_declare,
          .embed = lm_bertlike_embed, .block = lm_bertlike_block, .heads = heads, .defaults = defaults)
