/* DistilBERT: Sanh et al. 2019, arXiv 1910.01108. BERT without segments and without a pooler, with names of
 * its own. */
#include "lmutils/plugin.h"

static const void *configure(lm_config *c, lm_arch *arch)
{
    lm_bertlike *e = lm_bertlike_new(c);
    e->vocab_size = lm_config_int(c, "vocab_size", 30522);
    e->width = lm_config_int(c, "dim", 768);
    e->layers = lm_config_int(c, "n_layers", 6);
    e->heads = lm_config_int(c, "n_heads", 12);
    e->inner = lm_config_int(c, "hidden_dim", 3072);
    e->positions = lm_config_int(c, "max_position_embeddings", 512);
    e->types = 0;
    e->pad_id = lm_config_int(c, "pad_token_id", 0);
    e->dropout = lm_config_float(c, "dropout", 0.1);
    e->output_dropout = e->tag_dropout = e->dropout; /* after the attention's output there is none */
    e->attention_dropout = lm_config_float(c, "attention_dropout", 0.1);
    e->classify_dropout = lm_config_float(c, "seq_classif_dropout", 0.2);
    e->answer_dropout = lm_config_float(c, "qa_dropout", 0.1);
    e->std = lm_config_float(c, "initializer_range", 0.02);
    e->activation = e->mlm_activation = lm_config_activation(c, "activation", "gelu");
    e->tie = lm_config_bool(c, "tie_word_embeddings", true);
    e->body = "distilbert";
    e->layer = "transformer.layer";
    e->query = "attention.q_lin";
    e->key = "attention.k_lin";
    e->value = "attention.v_lin";
    e->attention_output = "attention.out_lin";
    e->attention_norm = "sa_layer_norm";
    e->intermediate = "ffn.lin1";
    e->output = "ffn.lin2";
    e->output_norm = "output_layer_norm";
    e->mlm_dense = "vocab_transform";
    e->mlm_norm = "vocab_layer_norm";
    e->mlm_decoder = "vocab_projector";
    e->classify_dense = "pre_classifier";
    e->classify_activation = LM_RELU;
    lm_bertlike_arch(c, e, arch);
    return e;
}

static const lm_head heads[] = {
    {.name = "base", .architecture = "DistilBertModel", .declare = lm_bertlike_base_declare, .bare = true},
    {.name = "mlm",
     .architecture = "DistilBertForMaskedLM",
     .declare = lm_bertlike_mlm_declare,
     .tokens = lm_bertlike_mlm},
    {.name = "classify",
     .architecture = "DistilBertForSequenceClassification",
     .declare = lm_bertlike_classify_declare,
     .rows = lm_bertlike_classify},
    {.name = "tag",
     .architecture = "DistilBertForTokenClassification",
     .declare = lm_bertlike_tag_declare,
     .tokens = lm_bertlike_tag,
     .columns = LM_COLUMNS_CLASSES},
    {.name = "answer",
     .architecture = "DistilBertForQuestionAnswering",
     .declare = lm_bertlike_answer_declare,
     .tokens = lm_bertlike_answer,
     .columns = LM_COLUMNS_SPAN},
    {0},
};

/* DistilBertConfig's members as save_pretrained writes them. Learned positions start random, sinusoidal or
 * not. */
static const char defaults[] =
    "{\"activation\":\"gelu\",\"attention_dropout\":0.1,\"dim\":768,\"dropout\":0.1,\"hidden_dim\":3072,"
    "\"initializer_range\":0.02,\"max_position_embeddings\":512,\"model_type\":\"distilbert\",\"n_heads\":12,"
    "\"n_layers\":6,\"pad_token_id\":0,\"qa_dropout\":0.1,\"seq_classif_dropout\":0.2,"
    "\"sinusoidal_pos_embds\":false,\"vocab_size\":30522}";

static const lm_size sizes[] = {{"base", 6, 768, 12, 3072, NULL}, {0}};

LM_PLUGIN(.name = "distilbert", .model_types = "distilbert", .configure = configure,
          .declare = lm_bertlike_declare, .embed = lm_bertlike_embed, .block = lm_bertlike_block,
          .heads = heads, .defaults = defaults,
          .renamed = "hidden_size=dim num_hidden_layers=n_layers num_attention_heads=n_heads "
                     "intermediate_size=hidden_dim",
          .sizes = sizes)
