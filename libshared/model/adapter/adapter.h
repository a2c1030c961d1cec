/* Adapters of models, in PEFT's form: a directory (or archive, or stream) of adapter_config.json and
 * adapter_model.safetensors, whose tensors are called "base_model.model." and the name that the parameter has here.
 *
 * A model has a list of adapters (lm_model.adapters): those that were opened with it (-m BASE+ADAPTER), or one that is about to be
 * trained. Names, defaults and meanings of the settings are those of PEFT's LoraConfig. */
#ifndef LM_MODEL_ADAPTER_ADAPTER_H
#define LM_MODEL_ADAPTER_ADAPTER_H

#include "graph/adapter.h"
#include "model/model.h"

/* ---- settings ---- */

typedef enum lm_adapter_bias { LM_BIAS_NONE, LM_BIAS_ALL, LM_BIAS_LORA_ONLY } lm_adapter_bias;
extern const char *const lm_adapter_bias_names[]; /* "none", "all", "lora_only"; NULL-terminated */

/* Names of modules, or of what they end in; or one regular expression (Python's, of the whole name). */
typedef struct lm_module_names {
    char **names;
    size_t count;
    char *regex; /* NULL = by names */
} lm_module_names;

typedef struct lm_adapter_pattern {
    char *pattern; /* a regular expression for the end of a module's name, from the start of one of its parts */
    double value;
} lm_adapter_pattern;

typedef struct lm_adapter_config {
    int r;
    double alpha, dropout;
    bool rslora, dora, lora_bias;
    bool fan_in_fan_out;     /* what the file says; whether a weight is stored across is the model's own affair */
    lm_adapter_bias bias;
    char *init;              /* init_lora_weights: "true", "false", "gaussian", "pissa", "pissa_niter_4", "olora", "loftq" */
    lm_module_names target;  /* nothing: PEFT's default for the architecture; "all-linear" is a regex of its own */
    lm_module_names exclude, modules_to_save;
    lm_adapter_pattern *rank_pattern, *alpha_pattern;
    size_t rank_patterns, alpha_patterns;
    int *layers;             /* layers_to_transform */
    size_t layer_count;
    lm_module_names layers_pattern;
    char *base;              /* base_model_name_or_path; NULL = none */
    char *task_type;         /* "SEQ_CLS"; NULL = none */
    struct json_t *rest;     /* members of the file that change nothing here; written again */
} lm_adapter_config;

/* PEFT's task_type of a head, and the head of a task_type; NULL where there is none. */
const char *lm_adapter_task_of(const char *head);
const char *lm_adapter_head_of(const char *task_type);

/* What a command line says of them; NULL and 0 are PEFT's defaults. Lists are separated by commas. */
typedef struct lm_adapter_options {
    int64_t r;
    double alpha; /* 0 = as r: PEFT's default is 8 for r 8 */
    double dropout;
    bool rslora, dora;
    int bias; /* lm_adapter_bias */
    const char *init, *target, *exclude, *modules_to_save, *layers, *layers_pattern;
    lm_strings rank_pattern, alpha_pattern; /* REGEX=NUMBER */
} lm_adapter_options;

/* LM_USAGE where they contradict one another. */
lm_adapter_config *lm_adapter_config_new(const lm_adapter_options *o, lm_status *st);
/* adapter_config.json. What would change the result and is not known here is refused by name. */
lm_adapter_config *lm_adapter_config_read(lm_bundle *b, lm_status *st);
void lm_adapter_config_print(const lm_adapter_config *c, lm_buf *out);
void lm_adapter_config_free(lm_adapter_config *c);

/* ---- adapters of a model ---- */

typedef struct lm_model_adapter {
    lm_adapter_config *config;
    struct lm_adapted_part {
        char *module; /* "bert.encoder.layer.0.attention.self.query" */
        lm_adapter *adapter;
        lm_adapter *start; /* what PiSSA began with, which is taken away; NULL = nothing is */
        lm_param *bias;    /* the layer's own; NULL = it has none */
    } *parts;              /* in the order of the table */
    size_t count;
    bool *saved;        /* [parameters of the model itself] is the adapter's, too: modules_to_save and biases */
    lm_bundle *bundle;  /* where it came from; NULL = it is new */
    struct lm_safetensors *file;
} lm_model_adapter;

/* Takes the config over, attaches an adapter to each module that it names, and gives A, B and m their first values (Philox, by seed
 * and name). A target that matches nothing is an error that lists what there is. Also for a quantised base, whose weights are not
 * expanded. `original` is the model that LoftQ's start is to bring the (quantised) base near to; NULL elsewhere. Nothing becomes
 * trainable by it. */
bool lm_model_adapt(lm_model *m, lm_adapter_config *config, uint64_t seed, lm_model *original, lm_status *st);
/* Whether p is trained with the model's last adapter: A, B and m, modules_to_save, and the biases that `bias` says. */
bool lm_adapter_trains(const lm_model *m, const lm_param *p);

/* The model's last adapter: adapter_config.json, with `base` as base_model_name_or_path (NULL: as it is), and a config.json that has
 * the classes of the head; then, as the last file, adapter_model.safetensors: as it was loaded where nothing of it was trained,
 * else in save->dtype (auto: F32). A start that is taken away from the result (PiSSA) is written as PEFT converts it: as an ordinary
 * adapter of twice the rank, of the base as it stands. */
bool lm_adapter_write_config(lm_model *m, const char *base, lm_bundle_writer *w, lm_status *st);
bool lm_adapter_write_weights(lm_model *m, lm_bundle_writer *w, const lm_save_options *save, lm_status *st);

/* For the model floor: attaches an adapter that is stored. Values of modules_to_save and biases take the place of the base's; those
 * of a head that is to be another one (allow_missing_head, fresh_head) are left out. */
bool lm_model_attach(lm_model *m, lm_bundle *adapter, const lm_model_options *options, lm_status *st);
void lm_model_adapters_free(lm_model *m);
/* The adapters become part of the weights, and are forgotten. */
bool lm_model_merge(lm_model *m, lm_status *st);

/* What lm_model_open and lm_model_config do about the adapters of a path: an adapter may bring a head and its classes, so it is
 * looked at before the model is made. `path` may also be an adapter's own, whose base is where its base_model_name_or_path says. */
typedef struct lm_adapter_stack {
    char **parts; /* the base first */
    size_t count;
    lm_bundle **bundles; /* [count - 1] of the adapters */
    char *task; /* the head that they are for; NULL = the base's own */
} lm_adapter_stack;

bool lm_adapter_stack_open(lm_adapter_stack *s, const char *path, const char *const *more, size_t count, lm_status *st);
/* Gives the config the classes of the adapters' head. */
bool lm_adapter_stack_adapt(lm_adapter_stack *s, lm_config *c, lm_status *st);
/* Attaches them all, and sees that no part of the head is left without values unless the caller allows it. */
bool lm_adapter_stack_attach(const lm_adapter_stack *s, lm_model *m, const lm_model_options *options, lm_status *st);
void lm_adapter_stack_close(lm_adapter_stack *s);

#endif
