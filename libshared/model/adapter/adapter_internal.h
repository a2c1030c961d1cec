/* What the files about adapters share. */
#ifndef LM_MODEL_ADAPTER_INTERNAL_H
#define LM_MODEL_ADAPTER_INTERNAL_H

#include "model/adapter/adapter.h"
#include "model/weights.h"

#define LM_ADAPTER_CONFIG "adapter_config.json"
#define LM_ADAPTER_WEIGHTS "adapter_model.safetensors"
#define LM_ADAPTER_PREFIX "base_model.model." /* of tensors in it */

/* Whether an init_lora_weights takes a part of the base's weights away (PiSSA, OLoRA). */
bool lm_adapter_takes_from_base(const lm_adapter_config *c);
/* Whether a stored adapter goes with a base that its init_lora_weights has changed. */
bool lm_adapter_needs_start(const lm_adapter_config *c);

void lm_module_names_add(lm_module_names *n, const char *name, size_t len);

/* ---- modules.c: which modules a config means ---- */

/* A weight that can have an adapter: a matrix under its own name, or a tied one under another. */
typedef struct lm_module {
    char name[LM_NAME_MAX]; /* without ".weight" */
    lm_param *weight;
    lm_adapter_place place;
    bool output; /* the projection to the vocabulary */
} lm_module;

/* All of a model, in the order of the table; malloced. */
lm_module *lm_modules_of(const lm_model *m, size_t *count);
/* Regular expressions of a config, compiled. */
typedef struct lm_module_matcher lm_module_matcher;
lm_module_matcher *lm_module_matcher_new(const lm_adapter_config *c, lm_status *st);
void lm_module_matcher_free(lm_module_matcher *x);
bool lm_module_is_target(lm_module_matcher *x, const lm_module *module);
int lm_module_rank(lm_module_matcher *x, const char *module);
float lm_module_scale(lm_module_matcher *x, const char *module, int rank); /* alpha / r, or alpha / sqrt r */
/* Whether a parameter is of a module in modules_to_save. */
bool lm_is_saved_module(const lm_adapter_config *c, const char *parameter);
/* PEFT's default targets of a model type, where the config names none. */
bool lm_default_targets(lm_adapter_config *c, const char *model_type, lm_status *st);

/* ---- attach.c: the model's list ---- */

lm_model_adapter *lm_model_adapter_new(lm_model *m, lm_adapter_config *config); /* takes it over */
/* To the last one of the list. */
struct lm_adapted_part *lm_model_adapter_add(lm_model *m, const char *module, const lm_adapter_spec *spec, lm_status *st);

/* ---- delta.c: matrices as they are stored, [out, in], or [in, out] of a Conv1D, or a table's rows ---- */

bool lm_adapter_delta(const lm_adapter *a, float *out, lm_status *st); /* scale B A */
/* Norms of the rows (in the layer's sense; of a table, the columns) that DoRA's magnitudes stand for. [outputs] */
void lm_adapter_norms(const lm_adapter *a, const float *values, float *norm);
/* values += B A, and scaled by m / norm where the adapter is DoRA. scratch: as many floats. */
bool lm_adapter_apply(const lm_adapter *a, float factor, float *values, float *scratch, lm_status *st);

/* values of p += factor times what one of the model's adapters changes in it: a weight, or the bias that B's bias is added to. */
bool lm_model_adapter_apply(const lm_model_adapter *of, const lm_param *p, float factor, float *values, float *scratch, lm_status *st);
/* Whether any of the model's adapters changes p so. */
bool lm_adapters_change(const lm_model *m, const lm_param *p);
/* Refuses a matrix that is both a table and a layer, which cannot be changed for one of them, and a bias of B beside a layer without
 * one. */
bool lm_adapters_may_merge(const lm_model *m, lm_status *st);

/* ---- start.c ---- */

/* PiSSA and OLoRA begin with a part of the base's weights, and take it away from them: for an adapter that was stored without being
 * converted this is done anew, by an adapter that is subtracted. */
bool lm_adapter_reduce(lm_model *m, lm_model_adapter *a, lm_status *st);

/* A and B become those whose scale B A is nearest to values, which are stored as the weight is; both are owned. */
bool lm_adapter_approximate(lm_adapter *a, const float *values, int iterations, lm_status *st);

#endif
