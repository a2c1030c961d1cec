/* Learning from answers that are compared (pairs of a chosen and a rejected one) or judged (KTO): what a step loses by what the policy,
 * and a reference that it began from, give the answers. The formulas are kernels/preference.h's, names and defaults TRL's.
 *
 * The reference is a frozen model in this process, by default what the run begins with (its weights are mapped: a second one takes
 * little memory, and an adapter that is trained is not part of it); or it has read the rows before (score --emit logprobs), and is not
 * there. */
#ifndef LM_TRAIN_PREFERENCE_H
#define LM_TRAIN_PREFERENCE_H

#include "base/options.h"
#include "kernels/preference.h"
#include "metrics/report.h"
#include "model/model.h"
#include "train/objectives/micro_batch.h"

typedef struct lm_run lm_run;

typedef enum lm_preference_method {
    LM_METHOD_DPO,
    LM_METHOD_REWARD,
    LM_METHOD_SIMPO,
    LM_METHOD_ORPO,
    LM_METHOD_KTO,
    LM_METHOD_GRPO, /* from here on those that learn from rewards: train/policy/policy.h */
    LM_METHOD_RLOO,
    LM_METHOD_PPO
} lm_preference_method;

/* `has_`: the option was given; else the method says. */
typedef struct lm_preference_options {
    int method;             /* lm_preference_method */
    int loss;               /* of dpo: an lm_preference up to LM_PREFER_AOT_PAIR; of grpo an lm_policy_loss_type behind these */
    double beta, smoothing, gamma, center, sft, desirable, undesirable;
    bool has_loss, has_beta, has_smoothing, has_gamma, has_center, has_sft, has_weights;
    const char *reference;  /* --ref-model; NULL = the rows bring its log-probabilities, else -m */
    bool reference_free;    /* as if it gave all answers the same */
} lm_preference_options;

#define LM_PREFERENCE_DEFAULTS {.beta = 0.1, .gamma = 0.5, .desirable = 1, .undesirable = 1}
enum { LM_PREFERENCE_OPTIONS = 11 };
extern const char *const lm_preference_methods[]; /* of lm_preference_method; NULL-terminated */
extern const char *const lm_preference_names[];   /* what --loss-type has */
enum { LM_PREFERENCE_LOSSES = LM_PREFER_AOT_PAIR + 1 }; /* of these are lm_preference */

/* The entries of an option table, LM_PREFERENCE_OPTIONS of them. */
void lm_preference_option_table(lm_preference_options *o, lm_option *table);
bool lm_preference_check(const lm_preference_options *o, lm_status *st); /* LM_USAGE */
const char *lm_preference_objective(const lm_preference_options *o);     /* its name */

typedef struct lm_preferring lm_preferring;

/* Before anything is read: LM_USAGE where options of the run are of no use here. */
bool lm_preferring_serves(const lm_run *r, lm_status *st);
/* After the model is made: opens the reference, and says how the rows are read (r->targets). NULL: failed. */
lm_preferring *lm_preferring_new(lm_run *r, lm_status *st);
void lm_preferring_free(lm_preferring *p);
/* The reference at work; NULL: there is none, or it has left its numbers in the stream. */
lm_graph *lm_preferring_graph(const lm_preferring *p);
/* Once more for each step, before its first part, from all of its rows: what the loss needs to know of them together. */
bool lm_preferring_begin(lm_preferring *p, lm_run *r, const lm_step_rows *s, lm_status *st);
/* Whether the step is one part, since its pairs lose together. */
bool lm_preferring_is_whole(const lm_preferring *p);
void lm_preferring_select(const lm_preferring *p, lm_select *select);
/* The part of the step's loss that falls to m. NULL and a failed status: it failed. */
lm_tensor *lm_preferring_loss(lm_preferring *p, const lm_micro_batch *m, const lm_step_rows *s, lm_outputs out, lm_graph *g,
                              lm_status *st);

/* What the steps since the last call came to, into an entry of the log: rewards/accuracies and what else TRL logs. */
void lm_preferring_tell(lm_preferring *p, json_t *entry);
json_t *lm_preferring_sums(const lm_preferring *p); /* for a checkpoint, and back */
void lm_preferring_restore(lm_preferring *p, const json_t *sums);
/* Measures of r->eval. NULL: failed. */
lm_report *lm_preferring_evaluate(lm_preferring *p, lm_run *r, uint64_t most, lm_status *st);

void lm_preferring_log(const lm_preferring *p);                      /* says what is learned */
void lm_preferring_run_options(const lm_preferring *p, json_t *all); /* adds those that decide the result */

#endif
