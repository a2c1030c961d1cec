#include "train/policy/policy.h"

#include "kernels/policy.h"

#include <string.h>

static const char *const scales[] = {[LM_ADVANTAGE_GROUP] = "group", [LM_ADVANTAGE_BATCH] = "batch", [LM_ADVANTAGE_NONE] = "none", NULL};
static const char *const scale_synonyms[] = {"true", "group", "false", "none", NULL};
static const char *const levels[] = {"token", "sequence", NULL};

void lm_policy_option_table(lm_policy_options *o, lm_option *table)
{
    const lm_option all[LM_POLICY_OPTIONS] = {
        {.name = "Learning from rewards", .type = LM_OPT_GROUP},
        {.name = "num-generations", .type = LM_OPT_INT, .target = &o->samples, .given = &o->has_samples, .value = "N", .min = 1,
         .max = 4096, .aliases = "rloo_k", .shown = "8 for grpo, 2 for rloo, 1 for ppo", .help = "answers to each prompt of a step"},
        {.name = "max-new-tokens", .type = LM_OPT_COUNT, .target = &o->max_new, .value = "N", .min = 1, .max = 1 << 20,
         .aliases = "max_completion_length response_length", .help = "an answer has no more"},
        {.name = "temperature", .type = LM_OPT_FLOAT, .target = &o->temperature, .value = "T", .min = 0.01, .max = 100,
         .help = "of the answers; logits are divided by it where they are learned from, too"},
        {.name = "epsilon", .type = LM_OPT_FLOAT, .target = &o->epsilon, .value = "E", .min = 0, .max = 1e3, .aliases = "cliprange",
         .help = "a token's probability counts within 1-E and 1+E times what it was when the answer was written"},
        {.name = "epsilon-high", .type = LM_OPT_FLOAT, .target = &o->epsilon_high, .given = &o->has_high, .value = "E", .min = 0,
         .max = 1e3, .shown = "as --epsilon; 5 for cispo", .help = "the upper end alone; of cispo the greatest weight"},
        {.name = "delta", .type = LM_OPT_FLOAT, .target = &o->delta, .given = &o->has_delta, .value = "D", .min = 0, .max = 1e3,
         .shown = "none",
         .help = "of grpo: the ratio of probabilities never counts for more, also where that is bad"},
        {.name = "num-iterations", .type = LM_OPT_INT, .target = &o->passes, .given = &o->has_passes, .value = "N", .min = 1,
         .max = 1000, .aliases = "num_ppo_epochs ppo_epochs", .shown = "1; 4 for ppo", .help = "updates that are made of a step's answers"},
        {.name = "scale-rewards", .type = LM_OPT_CHOICE, .target = &o->scale, .given = &o->has_scale, .value = "BY",
         .choices = scales,
         .synonyms = scale_synonyms,
         .help = "of grpo: what advantages are divided by: the deviation of the prompt's rewards, of all, nothing"},
        {.name = "importance-sampling-level", .type = LM_OPT_CHOICE, .target = &o->level, .given = &o->has_level, .value = "OF",
         .choices = levels, .help = "of grpo: whether each token has its ratio, or an answer one (GSPO)"},
        {.name = "mask-truncated", .type = LM_OPT_FLAG, .target = &o->mask_truncated, .aliases = "mask_truncated_completions",
         .help = "answers that were cut off teach nothing"},
        {.name = "discount", .type = LM_OPT_FLOAT, .target = &o->gamma, .given = &o->has_value, .value = "G", .min = 0, .max = 1,
         .help = "of ppo: what a reward is worth a token earlier"},
        {.name = "lambda", .type = LM_OPT_FLOAT, .target = &o->lambda, .given = &o->has_value, .value = "L", .min = 0, .max = 1,
         .aliases = "lam", .help = "of ppo: of generalised advantage estimation"},
        {.name = "value-clip", .type = LM_OPT_FLOAT, .target = &o->value_clip, .given = &o->has_value, .value = "E", .min = 0,
         .max = 1e3, .aliases = "cliprange_value", .help = "of ppo: a value counts this near to what it was"},
        {.name = "value-weight", .type = LM_OPT_FLOAT, .target = &o->value_weight, .given = &o->has_value, .value = "W", .min = 0,
         .max = 1e3, .aliases = "vf_coef", .help = "of ppo: weight of the loss of the values"},
        {.name = "whiten-rewards", .type = LM_OPT_FLAG, .target = &o->whiten_rewards, .given = &o->has_value,
         .help = "of ppo: rewards of tokens are scaled to a deviation of 1"},
    };
    memcpy(table, all, sizeof all);
}

bool lm_policy_take(lm_policy_options *o, const lm_preference_options *shared, lm_status *st)
{
    o->method = shared->method - LM_METHOD_GRPO;
    o->beta = shared->beta;
    o->has_beta = shared->has_beta;
    o->reference = shared->reference;
    o->has_loss = shared->has_loss;
    o->loss = shared->has_loss ? shared->loss - LM_PREFERENCE_LOSSES : LM_POLICY_BY_TOKENS;
    if (o->loss < 0)
        return lm_fail(st, LM_USAGE, "--loss-type %s is of --method dpo: leave it out, or choose another",
                       lm_preference_names[shared->loss]);
    if (shared->has_smoothing || shared->reference_free || shared->has_gamma || shared->has_sft || shared->has_center ||
        shared->has_weights)
        return lm_fail(st, LM_USAGE,
                       "--method %s: --preference-smoothing, --reference-free, --simpo-gamma, --sft-weight, --center-rewards and "
                       "weights of good and bad answers are of methods that compare answers: leave them out",
                       lm_preference_methods[shared->method]);
    return true;
}

bool lm_policy_check(const lm_policy_options *o, lm_status *st)
{
    const struct {
        const char *name;
        bool given, used;
    } options[] = {{"loss-type", o->has_loss, o->method == LM_POLICY_GRPO},
                   {"delta", o->has_delta, o->method == LM_POLICY_GRPO && o->loss != LM_POLICY_CISPO},
                   {"scale-rewards", o->has_scale, o->method == LM_POLICY_GRPO},
                   {"importance-sampling-level", o->has_level, o->method == LM_POLICY_GRPO && o->loss != LM_POLICY_CISPO},
                   {"discount, --lambda, --value-clip, --value-weight and --whiten-rewards", o->has_value, o->method == LM_POLICY_PPO}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given && !options[i].used)
            return lm_fail(st, LM_USAGE, "--%s: this method has no use for it: leave it out", options[i].name);
    if (o->method != LM_POLICY_PPO && lm_policy_samples(o) < 2)
        return lm_fail(st, LM_USAGE, "--num-generations %d: answers to a prompt are compared with one another: give 2 at least",
                       lm_policy_samples(o));
    return true;
}
