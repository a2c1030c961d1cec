/* A network that does not exist yet: the config.json that it begins with. */
#ifndef LM_TRAIN_NEW_MODEL_H
#define LM_TRAIN_NEW_MODEL_H

#include "model/plugin_host.h"

/* What the options ask for: -a or --config, and what sets its sizes. */
typedef struct lm_new_model {
    const char *architecture;            /* a model_type: "bert"; NULL = as config says */
    const char *config;                  /* a config.json to begin with; NULL = the family's defaults */
    const char *size;                    /* "tiny"; NULL = the config's, or "mini" */
    int64_t layers, width, heads, inner; /* 0 = by the size */
    int64_t max_length;                  /* positions; 0 = the config's */
    bool list, json;                     /* --list-archs: say what there is, and stop; as JSON */
} lm_new_model;

/* The tokenizer's part in it. */
typedef struct lm_new_vocabulary {
    int size;           /* ids; 0 = not known: the config's own number stands */
    int pad, bos, eos;  /* -1 = it has none */
} lm_new_vocabulary;

/* The config, without what the family's defaults add (lm_model_create does that). A size is the family's of that name
 * (lm_plugin.sizes), else one of those that every family has; --width and the like go before it, and heads and inner width
 * keep the size's proportions. Ids of special tokens are set where the family's config.json has them. */
lm_config *lm_new_model_config(const lm_new_model *n, const char *plugin_file, const lm_new_vocabulary *vocabulary,
                               lm_status *st);

/* The family that it is of; NULL = there is none. */
const lm_plugin *lm_new_model_plugin(const lm_new_model *n, const char *plugin_file, lm_status *st);

/* What was asked for, in words: "bert --size tiny --layers 2". The caller frees it. */
char *lm_new_model_words(const lm_new_model *n);

/* Sizes that every family has: Google's BERT miniatures (Turc et al. 2019, arXiv 1908.08962) and BERT's own two.
 * Ends with a NULL name. */
extern const lm_size lm_new_model_sizes[];

#endif
