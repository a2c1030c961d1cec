/* What answers are worth: rules, models of rewards (align --method reward), and commands of the user's, added up by weight.
 *
 * A command gets a line of JSON for each answer, {"prompt":...,"completion":...,"label":...}, and says a number a line. It is kept
 * running, started again where it dies, and told apart from an answer that it cannot take (base/line_filter.h); an answer without a
 * number ends the run. */
#ifndef LM_ALIGN_REWARDS_H
#define LM_ALIGN_REWARDS_H

#include "base/options.h"

typedef struct lm_reward_options {
    lm_strings rewards;  /* --reward: RULE, RULE=ARGUMENT or a model */
    lm_strings commands; /* --reward-cmd */
    const char *weights; /* "1,0.5", of these in that order; NULL = 1 each */
    double timeout;      /* of a command, in seconds */
    const char *plugin;  /* of models */
} lm_reward_options;

#define LM_REWARD_DEFAULTS {.timeout = 60}

/* An answer, as text and as tokens. */
typedef struct lm_graded {
    lm_str prompt, completion, label; /* label.data NULL = there is none */
    const int32_t *ids;               /* [count], the prompt's first */
    int prompt_tokens, count;
} lm_graded;

typedef struct lm_rewards lm_rewards;

/* Opens models, and knows rules and weights; commands are started when they are first asked. NULL: failed. */
lm_rewards *lm_rewards_new(const lm_reward_options *o, lm_status *st);
/* total[n] is the weighted sum; what each gave is lm_rewards_value until the next call. */
bool lm_rewards_grade(lm_rewards *w, const lm_graded *answers, int n, float *total, lm_status *st);
int lm_rewards_count(const lm_rewards *w);
const char *const *lm_rewards_names(const lm_rewards *w);  /* for the log: "exact", "judge.sh" */
double lm_rewards_value(const lm_rewards *w, int which, int answer);
const double *lm_rewards_means(const lm_rewards *w);       /* of the last answers, [count] */
void lm_rewards_free(lm_rewards *w);

/* Inside align/: rules. */
typedef struct lm_reward_rule lm_reward_rule;
bool lm_reward_rule_is(const char *spec);
lm_reward_rule *lm_reward_rule_new(const char *spec, lm_status *st);
bool lm_reward_rule_value(const lm_reward_rule *rule, const lm_graded *answer, double *value, lm_status *st);
void lm_reward_rule_free(lm_reward_rule *rule);

#endif
