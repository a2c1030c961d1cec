/* A model: a plugin's architecture, its parameters, and the Hugging Face directory, archive or stream that it came from or
 * goes to. */
#ifndef LM_MODEL_MODEL_H
#define LM_MODEL_MODEL_H

#include "base/status.h"
#include "graph/graph.h"
#include "model/config.h"
#include "stream/bundle.h"
#include "stream/tokens.h"

typedef struct lm_model {
    const lm_plugin *plugin;
    const lm_head *head;
    lm_arch arch;
    char *architecture; /* class in config.json's `architectures` */
    lm_config *config; /* config.json as read, and what was changed since (model/config.h) */
    const void *plugin_config;
    lm_params *params;
    size_t decoder_from;              /* parameters from this index on belong to the second stack, ... */
    size_t head_from;                 /* ... and from this one on to the head */
    const char *path;                 /* as it was given; NULL for a new model */
    lm_bundle *bundle;                /* its files; NULL for a new model */
    char *generation_config;          /* the text of generation_config.json; NULL = none */
    int missing;                      /* parameters that the checkpoint lacked and that were initialised */
    struct lm_checkpoint *checkpoint; /* the files that are mapped; NULL = none */
    struct lm_model_adapter *adapters; /* [adapter_count] (model/adapter/adapter.h) */
    size_t adapter_count;
    size_t adapter_from; /* from this index on, where it is not 0, parameters are adapters', or others of a run, and not of the model */
} lm_model;

typedef struct lm_model_options {
    const char *task;        /* a head's name (lm_head.name); NULL = by config.json's architectures */
    const char *plugin_path; /* --plugin FILE; NULL = search */
    uint64_t seed;           /* of parameters that have to be initialised */
    bool allow_missing_head; /* initialise a head that the checkpoint lacks (and log so); else it is an error
                              */
    bool fresh_head;         /* initialise the head, though the checkpoint has it (and log so); what is below the
                              * body's name, a pooler, is not meant */
    bool quiet;              /* do not log what was dropped and initialised */
    bool random_weights;     /* do not load the tensors: initialise all */
    bool no_weights;         /* neither load nor initialise: names and shapes alone */
    bool merge_adapters;     /* those of BASE+ADAPTER become part of the weights: the model is to be trained, or written, as one */
    bool check;              /* look at every weight that is loaded: NaN and infinite ones fail */
    bool whole_config;       /* lm_model_create: the config is one that a model has: nothing is added to it */
    const char *const *adapters; /* lm_model_open: [adapter_count] paths of more adapters, after those of BASE+ADAPTER */
    size_t adapter_count;
    lm_config *config; /* lm_model_open: stands for the directory's config.json, which the caller has read and
                        * changed (labels, dropout); taken over, also on failure. NULL = read it */
} lm_model_options;

/* Opens what stream/bundle.h can open: a Hugging Face directory, an archive of one, a model stream, a GGUF file; and
 * BASE+ADAPTER, or an adapter that says where its base is (model/adapter/adapter.h). Matrices that are not float32 (half
 * precision, ggml's blocks, bitsandbytes' layers) stay as they are stored, and are computed with so (lm_param.quantised), unless they are
 * trained. Every missing, misshapen or unreadable tensor is named. A checkpoint of another head serves where the body is
 * complete: the old head is dropped, and said so on the log. */
lm_model *lm_model_open(const char *path, const lm_model_options *options, lm_status *st);
/* Its config.json alone. */
lm_config *lm_model_config(const char *path, lm_status *st);
/* A new model from a config (which it takes over), its weights from the initialisers. */
lm_model *lm_model_create(lm_config *config, const lm_model_options *options, lm_status *st);
void lm_model_free(lm_model *m);

/* "f32", "int8": by lm_activations, NULL-terminated: --activations, for lm_params_set_activations. */
extern const char *const lm_activation_names[];

/* How weights are written. */
typedef enum lm_save_dtype { LM_SAVE_AUTO, LM_SAVE_F32, LM_SAVE_F16, LM_SAVE_BF16 } lm_save_dtype;
extern const char *const lm_save_dtype_names[]; /* "auto", "f32", ...; NULL-terminated: --dtype */
lm_dtype lm_save_dtype_of(lm_save_dtype asked, lm_dtype otherwise); /* otherwise: what auto stands for */
extern const char *const lm_save_dtype_synonyms[]; /* what PyTorch and GGUF call them: lm_option.synonyms */

typedef struct lm_save_options {
    lm_save_dtype dtype;  /* auto: as they were loaded where none was trained or initialised, else F32 */
    uint64_t shard_bytes; /* a file of weights is not larger (--max-shard-size); 0 = no limit */
} lm_save_options;

#define LM_SHARD_SIZE "5GB" /* transformers' default */
/* A size as transformers spells it: 5GB is 5 * 10^9 bytes, 5GiB or 5G 5 * 2^30. 0 = no limit. LM_USAGE. */
bool lm_parse_shard_size(const char *text, uint64_t *bytes, lm_status *st);
const char *lm_torch_dtype(lm_dtype t); /* "float32"; NULL where torch_dtype has no such */

/* The files of a model, in the order in which a stream has them: first config.json and, where the model generates,
 * generation_config.json; then what the caller adds; last the weights, under Hugging Face names, ties left out as
 * transformers does. options NULL: all defaults, without limit. */
bool lm_model_write_config(lm_model *m, lm_bundle_writer *w, const lm_save_options *options, lm_status *st);
bool lm_model_write_weights(lm_model *m, lm_bundle_writer *w, const lm_save_options *options, lm_status *st);
/* Both into the existing directory `dir`, by default. */
bool lm_model_save(lm_model *m, const char *dir, lm_status *st);

/* Files of a model beside config.json and the weights; NULL-terminated. */
extern const char *const lm_model_files[];
bool lm_model_has_tokenizer(const char *path);
/* Copies the tokenizer's files (tokenizer.json, vocab.txt and their like). Fails where `from` has none. */
bool lm_model_copy_tokenizer(const char *from, lm_bundle_writer *to, lm_status *st);

/* Whether ids of a stream are this model's: compares the digest of the stream's vocabulary (`info`, from its
 * preamble) with that of the tokenizer in the model's directory, or in `tokenizer` where that is not NULL.
 * Another vocabulary is refused unless `force`; a difference in behaviour alone, or nothing to compare with,
 * gives a warning. */
bool lm_model_check_tokenizer(const lm_model *m, const char *tokenizer, const lm_tokenizer_info *info,
                              bool force, lm_status *st);

/* Which outputs a step needs. */
typedef struct lm_select {
    const int32_t *tokens; /* token rows whose logits are wanted, ascending; NULL = all */
    int count;
    bool token_logits, row_logits;
    bool hidden; /* keep the last hidden state */
    bool pooled; /* the body's own pooler, whatever the head */
    const lm_batch *target; /* what the second stack reads, of the same rows; NULL = the batch, each row shifted by one behind
                             * decoder_start_id, as transformers has it where a whole row is to be classified */
    /* Called with the embedding's output (layer 0) and every block's; those of the second stack go on counting. NULL =
     * nobody looks. */
    void (*tap)(void *context, int layer, const lm_tensor *hidden);
    void *tap_context;
    /* The result of the first prefix_parts parts of the body, as lm_model_prefix gave it for these rows; they are not
     * run again. NULL = there is none. */
    lm_tensor *prefix;
    int prefix_parts;
} lm_select;

typedef struct lm_outputs {
    lm_tensor *memory;       /* [tokens, width] the first stack's result; NULL where there is no second */
    lm_tensor *hidden;       /* [tokens, width] what the head reads: after the last block; NULL unless asked for */
    lm_tensor *token_logits; /* [count or tokens, columns]; NULL where the head has none */
    lm_tensor *row_logits;   /* [rows, columns]; NULL where the head has none */
    lm_tensor *pooled;       /* [rows, width] */
} lm_outputs;

/* Where the parameters of block i of the (first) stack stand: "bert.encoder.layer.3". Blocks may share them. */
lm_scope lm_model_block(const lm_model *m, int i);
lm_scope lm_model_decoder_block(const lm_model *m, int i); /* of the second stack */

/* Embeds, runs the blocks, and the head. Call between lm_graph_begin and lm_graph_end. */
lm_outputs lm_model_forward(lm_model *m, lm_graph *g, const lm_batch *batch, const lm_select *select);

/* The body's parts, one after the other: the embedding, each block, and what follows the last block if anything does. Those
 * of a second stack are not among them. */
int lm_model_parts(const lm_model *m);
/* The result of the first `parts` of them, one at least: [tokens, width]. Between lm_graph_begin and lm_graph_end. */
lm_tensor *lm_model_prefix(lm_model *m, lm_graph *g, const lm_batch *batch, int parts);
/* How many of the first parts no gradient reaches, since nothing in them is trained now; found by running them. -1: they
 * failed. */
int lm_model_frozen_parts(lm_model *m, lm_graph *g, lm_status *st);
/* Whether the head's row logits depend on the first token of each row alone, of all that the body gives. */
bool lm_model_reads_first_tokens(lm_model *m, lm_graph *g, lm_status *st);

/* Logits of some tokens (ascending) from the hidden state of a forward pass; NULL where the head has none for
 * tokens. For a vocabulary too large to hold the logits of a whole batch. */
lm_tensor *lm_model_token_logits(lm_model *m, lm_graph *g, lm_tensor *hidden, const int32_t *tokens,
                                 int count);

int lm_model_token_columns(const lm_model *m); /* of the token logits; 0 where the head has none */
bool lm_model_has_pooler(const lm_model *m); /* lm_select.pooled can be had */

/* Checks ids and types of a batch against the vocabulary and each row against max_length: "row R: ...". */
bool lm_model_check_batch(const lm_model *m, const lm_batch *batch, lm_status *st);

#endif
