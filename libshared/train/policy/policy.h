/* Learning from rewards: in each step the policy answers prompts, somebody says what the answers are worth, and it learns to write those
 * that were worth more (kernels/policy.h has the formulas; names and defaults are TRL's).
 *
 * Who answers is not known here: a rollout source is handed in, since the engine that generates stands on floors above. */
#ifndef LM_TRAIN_POLICY_H
#define LM_TRAIN_POLICY_H

#include "base/options.h"
#include "metrics/report.h"
#include "model/model.h"
#include "train/objectives/micro_batch.h"
#include "train/preference/preference.h"

typedef struct lm_run lm_run;

typedef enum lm_policy_method { LM_POLICY_GRPO, LM_POLICY_RLOO, LM_POLICY_PPO } lm_policy_method;
typedef enum lm_policy_loss_type {
    LM_POLICY_BY_TOKENS,   /* dapo: over all tokens of the step */
    LM_POLICY_BY_ANSWERS,  /* grpo: over each answer's tokens, then over answers */
    LM_POLICY_BY_LENGTH,   /* dr_grpo: by the most tokens that answers may have */
    LM_POLICY_CISPO
} lm_policy_loss_type;

/* `has_`: the option was given; else the method says. */
typedef struct lm_policy_options {
    int method; /* lm_policy_method */
    int loss;   /* lm_policy_loss_type, of grpo */
    int scale, level; /* of grpo: lm_advantage, and 1 = sequences */
    double beta, epsilon, epsilon_high, delta;
    int64_t samples, passes, max_new; /* answers to a prompt; updates of a step; tokens of an answer */
    double temperature;
    double gamma, lambda, value_clip, value_weight; /* of ppo */
    bool mask_truncated, whiten_rewards;
    bool has_loss, has_beta, has_high, has_samples, has_passes, has_scale, has_level, has_delta, has_value;
    const char *reference; /* --ref-model; NULL = -m */
} lm_policy_options;

#define LM_POLICY_DEFAULTS {.epsilon = 0.2, .max_new = 512, .temperature = 1, .gamma = 1, .lambda = 0.95, .value_clip = 0.2, \
                            .value_weight = 0.1}
enum { LM_POLICY_OPTIONS = 16 };
void lm_policy_option_table(lm_policy_options *o, lm_option *table); /* LM_POLICY_OPTIONS entries */
bool lm_policy_check(const lm_policy_options *o, lm_status *st);     /* LM_USAGE */
/* What --method, --loss-type, --beta and --ref-model say, which both kinds of methods have. LM_USAGE where another option of those is
 * there that learn from comparisons. */
bool lm_policy_take(lm_policy_options *o, const lm_preference_options *shared, lm_status *st);
int lm_policy_samples(const lm_policy_options *o);

/* ---- who answers ---- */

typedef struct lm_prompt {
    const int32_t *ids;
    int count;
    uint64_t record; /* the row's number: what an answer draws is a function of (seed, step, record, sample) */
    lm_str label;    /* what the row is labelled with: the right answer, say; data NULL = nothing */
} lm_prompt;

typedef struct lm_rollout {
    const int32_t *ids; /* [count] prompt and answer */
    int prompt, count;
    bool truncated;     /* it was not at its end */
    float reward;
} lm_rollout;

typedef struct lm_rollouts {
    const lm_rollout *items; /* [prompts * samples], those of a prompt one behind the other; the source's, until it answers again */
    const char *const *names; /* of single rewards, and their means over the answers */
    const double *means;
    int name_count;
} lm_rollouts;

typedef struct lm_rollout_source {
    void *context;
    /* Answers of the model as it is now; `step` is 0-based, greedy where the answers are an evaluation's. */
    bool (*answer)(void *context, lm_model *model, const lm_prompt *prompts, int count, int samples, bool greedy, uint64_t step,
                   lm_rollouts *out, lm_status *st);
} lm_rollout_source;

typedef struct lm_policy_spec {
    const lm_policy_options *options;
    const lm_rollout_source *source;
} lm_policy_spec;

/* ---- the run's ---- */

typedef struct lm_policy lm_policy;

/* Before anything is read: LM_USAGE where options of the run are of no use here. */
bool lm_policy_serves(const lm_run *r, lm_status *st);
lm_policy *lm_policy_new(lm_run *r, lm_status *st); /* after the model is made. NULL: failed */
void lm_policy_free(lm_policy *p);
/* The prompts in r->rows become their answers, with what they are to teach. */
bool lm_policy_answer(lm_policy *p, lm_run *r, lm_status *st);
int lm_policy_passes(const lm_policy *p); /* updates that are made of a step's answers */
void lm_policy_select(const lm_policy *p, lm_select *select);
/* The part of the step's loss that falls to m. */
lm_tensor *lm_policy_part(lm_policy *p, const lm_micro_batch *m, const lm_step_rows *s, lm_outputs out, lm_graph *g, lm_status *st);
void lm_policy_updated(lm_policy *p, double rate); /* the optimiser has made an update at this rate */

void lm_policy_tell(lm_policy *p, json_t *entry);
json_t *lm_policy_sums(const lm_policy *p);
void lm_policy_restore(lm_policy *p, const json_t *sums);
lm_report *lm_policy_evaluate(lm_policy *p, lm_run *r, uint64_t most, lm_status *st);
void lm_policy_log(const lm_policy *p);
void lm_policy_run_options(const lm_policy *p, json_t *all);

#endif
