/* Answers to prompts, by the engine that generates, and what they are worth: the source of rollouts of a run that learns from rewards
 * (train/policy/policy.h). */
#ifndef LM_ALIGN_ROLLOUTS_H
#define LM_ALIGN_ROLLOUTS_H

#include "align/rewards.h"
#include "train/policy/policy.h"

typedef struct lm_rollout_options {
    lm_reward_options rewards;
    const lm_policy_options *policy; /* how many tokens, at what temperature */
    double top_p;
    int64_t top_k;      /* 0 = all */
    int64_t batch;      /* answers that are written at a time */
    const char *log;    /* JSON Lines of answers and their rewards; NULL = none */
    const char *model, *tokenizer; /* where the tokenizer is found: the second, else the first */
    uint64_t seed;
} lm_rollout_options;

#define LM_ROLLOUT_DEFAULTS {.rewards = LM_REWARD_DEFAULTS, .top_p = 1, .batch = 64}
enum { LM_ROLLOUT_OPTIONS = 8 };
void lm_rollout_option_table(lm_rollout_options *o, lm_option *table); /* LM_ROLLOUT_OPTIONS entries */

typedef struct lm_rollout_maker lm_rollout_maker;

lm_rollout_maker *lm_rollout_maker_new(const lm_rollout_options *o, lm_status *st); /* NULL: failed. The options are borrowed */
lm_rollout_source lm_rollout_maker_source(lm_rollout_maker *m);
bool lm_rollout_maker_finish(lm_rollout_maker *m, lm_status *st); /* the log is whole */
void lm_rollout_maker_free(lm_rollout_maker *m);

#endif
