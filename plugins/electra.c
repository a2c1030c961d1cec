/* ELECTRA: Clark et al. 2020, arXiv 2003.10555. BERT with embeddings of another width, without a pooler. The
 * heads are those of tasks: replaced-token detection is not among them. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_bertlike *e = lm_bertlike_new(c);
    e->width = 256;
    e->heads = 4;
    e->inner = 1024;
    lm_bertlike_read(c, e);
    e->embedding_width = lm_config_int(c, "embedding_size", 128);
    if (!e->embedding_width)
        lm_config_fail(c, "embedding_size: has to be at least 1");
    e->classify_input_dropout = e->classify_dropout;
    e->body = "electra";
    if (e->embedding_width != e->width)
        e->projection = "embeddings_project";
    e->mlm_dense = "generator_predictions.dense";
    e->mlm_norm = "generator_predictions.LayerNorm";
    e->mlm_decoder = "generator_lm_head";
    e->classify_dense = "classifier.dense";
    e->classify_activation = LM_GELU;
    e->classify = "classifier.out_proj";
    lm_bertlike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "ElectraModel", .declare = lm_bertlike_base_declare, .bare = true},
    {.name = "mlm",
     .architecture = "ElectraForMaskedLM",
     .declare = lm_bertlike_mlm_declare,
     .tokens = lm_bertlike_mlm},
    {.name = "classify",
     .architecture = "ElectraForSequenceClassification",
     .declare = lm_bertlike_classify_declare,
     .rows = lm_bertlike_classify},
    {.name = "tag",
     .architecture = "ElectraForTokenClassification",
     .declare = lm_bertlike_tag_declare,
     .tokens = lm_bertlike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "answer",
     .architecture = "ElectraForQuestionAnswering",
     .declare = lm_bertlike_answer_declare,
     .tokens = lm_bertlike_answer,
     .columns = LM_COLUMNS_SPAN},
    {0},
};

/* ElectraConfig's members as save_pretrained writes them. */
static const char defaults[] =
    "{\"attention_probs_dropout_prob\":0.1,\"classifier_dropout\":null,\"embedding_size\":128,"
    "\"hidden_act\":\"gelu\",\"hidden_dropout_prob\":0.1,\"hidden_size\":256,\"initializer_range\":0.02,"
    "\"intermediate_size\":1024,\"layer_norm_eps\":1e-12,\"max_position_embeddings\":512,"
    "\"model_type\":\"electra\",\"num_attention_heads\":4,\"num_hidden_layers\":12,\"pad_token_id\":0,"
    "\"position_embedding_type\":\"absolute\",\"summary_activation\":\"gelu\",\"summary_last_dropout\":0.1,"
    "\"summary_type\":\"first\",\"summary_use_proj\":true,\"type_vocab_size\":2,\"use_cache\":true,"
    "\"vocab_size\":30522}";

/* the published discriminators */
static const lm_size sizes[] = {
    {"small", 12, 256, 4, 1024, "{\"embedding_size\":128}"},
    {"base", 12, 768, 12, 3072, "{\"embedding_size\":768}"},
    {"large", 24, 1024, 16, 4096, "{\"embedding_size\":1024}"},
    {0},
};

LM_PLUGIN(.name = "electra", .model_types = "electra", .configure = configure, .declare = lm_bertlike_declare,
          .embed = lm_bertlike_embed, .block = lm_bertlike_block, .heads = heads, .defaults = defaults, .sizes = sizes)
