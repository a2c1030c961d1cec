/* Adapters become part of the weights, weights become adapters. Tensor by tensor: memory is that of the largest one, its result,
 * and its adapters. */
#ifndef LM_MODEL_ADAPTER_MERGE_H
#define LM_MODEL_ADAPTER_MERGE_H

#include "model/adapter/adapter.h"
#include "model/quantise/quantise.h"

typedef enum lm_merge_method { LM_MERGE_LINEAR, LM_MERGE_TIES, LM_MERGE_DARE, LM_MERGE_DARE_TIES } lm_merge_method;
extern const char *const lm_merge_method_names[]; /* "linear", "ties", "dare_linear", "dare_ties"; NULL-terminated */

typedef struct lm_merge_options {
    const char *base;             /* anything that -m takes; quantised ones are expanded, tensor by tensor; adapters of its own
                                   * (BASE+ADAPTER) count as they are, before the others */
    const char *const *adapters;  /* [count] */
    size_t count;
    const double *weights;        /* [count]: factors of the changes; NULL = ones */
    lm_merge_method method;       /* how the changes of several become one: sum; TIES (Yadav et al. 2023, arXiv 2306.01708);
                                   * DARE (Yu et al. 2023, arXiv 2311.03099) */
    double density;               /* share of a change that TIES and DARE keep */
    uint64_t seed;                /* of DARE */
    lm_save_options save;         /* of the merged model */
    const char *plugin_path;
} lm_merge_options;

typedef struct lm_merge_report {
    size_t tensors;       /* that were changed */
    double largest;       /* change of a number */
    char *where;          /* its tensor; malloced */
    double mean;          /* absolute change of the numbers of these tensors */
    double largest_ratio; /* of the norms of change and weight, over tensors */
} lm_merge_report;

/* Writes the merged model: config.json and its like, the tokenizer, the weights. The caller publishes. */
bool lm_adapter_merge(const lm_merge_options *o, lm_bundle_writer *w, lm_merge_report *report, lm_status *st);

/* The same, quantised: what `to` says of type and form into to->output, which is published, too (to->model is not looked at).
 * Adapters may bring what no file of the base has, so the sum is written as float32 first, to a directory beside the output that is
 * gone again in any case: room for the model on the disk, and in memory that of one tensor. */
bool lm_adapter_merge_quantised(const lm_merge_options *o, const lm_quantise_options *to, lm_merge_report *report, lm_status *st);

/* An adapter of the given settings (rank, targets) whose B A is nearest to full - base in each targeted matrix (truncated SVD);
 * modules_to_save as they stand in `full`. A parameter that differs and that the adapter does not hold is named in a warning.
 * report: the share of the squared difference that the adapter holds in the worst tensor, in `largest_ratio`. */
bool lm_adapter_extract(const char *full, const char *base, lm_adapter_config *config, const char *plugin_path,
                        lm_bundle_writer *w, lm_merge_report *report, lm_status *st);

/* The adapter with its change multiplied by `factor`: alpha is. Everything else is copied. */
bool lm_adapter_rescale(const char *adapter, double factor, lm_bundle_writer *w, lm_status *st);

/* llama.cpp's form: general.type adapter, adapter.type lora, adapter.lora.alpha, tensors NAME.lora_a and NAME.lora_b under the names
 * that the base has in GGUF files. Refused with the reason where llama.cpp has no such: DoRA, modules_to_save, biases. */
bool lm_adapter_write_gguf(const char *adapter, const char *base, const char *output, lm_status *st);

#endif
