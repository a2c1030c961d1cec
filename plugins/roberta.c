/* RoBERTa: Liu et al. 2019, arXiv 1907.11692; XLM-RoBERTa: Conneau et al. 2019, arXiv 1911.02116; CamemBERT:
 * Martin et al. 2019, arXiv 1911.03894. BERT whose positions begin after the padding's, with other heads. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_bertlike *e = lm_bertlike_new(c);
    e->pad_id = 1;
    lm_bertlike_read(c, e);
    e->past_padding = true;
    e->classify_input_dropout = e->classify_dropout;
    e->body = "roberta";
    e->pooler = "pooler.dense";
    e->mlm_dense = "lm_head.dense";
    e->mlm_norm = "lm_head.layer_norm";
    e->mlm_decoder = "lm_head.decoder";
    e->mlm_bias = "lm_head";
    e->classify_dense = "classifier.dense";
    e->classify = "classifier.out_proj";
    lm_bertlike_arch(c, e, arch);
    return e;
}

#define CLASSES(head) "Roberta" head " XLMRoberta" head " Camembert" head

static const lm_head heads[] = {
    {.name = "base",
     .architecture = CLASSES("Model"),
     .declare = lm_bertlike_base_declare,
     .rows = lm_bertlike_pooled,
     .bare = true},
    {.name = "mlm",
     .architecture = CLASSES("ForMaskedLM"),
     .declare = lm_bertlike_mlm_declare,
     .tokens = lm_bertlike_mlm},
    {.name = "classify",
     .architecture = CLASSES("ForSequenceClassification"),
     .declare = lm_bertlike_classify_declare,
     .rows = lm_bertlike_classify},
    {.name = "tag",
     .architecture = CLASSES("ForTokenClassification"),
     .declare = lm_bertlike_tag_declare,
     .tokens = lm_bertlike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "answer",
     .architecture = CLASSES("ForQuestionAnswering"),
     .declare = lm_bertlike_answer_declare,
     .tokens = lm_bertlike_answer,
     .columns = LM_COLUMNS_SPAN},
    {0},
};

/* RobertaConfig's members as save_pretrained writes them, with the sizes of roberta-base: two more positions
 * than tokens, and one segment. */
static const char defaults[] =
    "{\"attention_probs_dropout_prob\":0.1,\"bos_token_id\":0,\"classifier_dropout\":null,\"eos_token_id\":2,"
    "\"hidden_act\":\"gelu\",\"hidden_dropout_prob\":0.1,\"hidden_size\":768,\"initializer_range\":0.02,"
    "\"intermediate_size\":3072,\"layer_norm_eps\":1e-05,\"max_position_embeddings\":514,"
    "\"model_type\":\"roberta\",\"num_attention_heads\":12,\"num_hidden_layers\":12,\"pad_token_id\":1,"
    "\"position_embedding_type\":\"absolute\",\"type_vocab_size\":1,\"use_cache\":true,\"vocab_size\":50265}";

LM_PLUGIN(.name = "roberta", .model_types = "roberta xlm-roberta camembert", .configure = configure,
          .declare = lm_bertlike_declare, .embed = lm_bertlike_embed, .block = lm_bertlike_block,
          .heads = heads, .defaults = defaults)
