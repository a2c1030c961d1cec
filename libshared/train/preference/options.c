#include "train/policy/policy.h"
#include "train/preference/preference.h"

#include <string.h>

const char *const lm_preference_methods[] = {
    [LM_METHOD_DPO] = "dpo", [LM_METHOD_REWARD] = "reward", [LM_METHOD_SIMPO] = "simpo", [LM_METHOD_ORPO] = "orpo",
    [LM_METHOD_KTO] = "kto", [LM_METHOD_GRPO] = "grpo", [LM_METHOD_RLOO] = "rloo", [LM_METHOD_PPO] = "ppo", NULL};
const char *const lm_preference_names[] = {
    [LM_PREFER_SIGMOID] = "sigmoid", [LM_PREFER_ROBUST] = "robust", [LM_PREFER_HINGE] = "hinge", [LM_PREFER_IPO] = "ipo",
    [LM_PREFER_EXO] = "exo", [LM_PREFER_NCA] = "nca", [LM_PREFER_SPPO] = "sppo", [LM_PREFER_APO_ZERO] = "apo-zero",
    [LM_PREFER_APO_DOWN] = "apo-down", [LM_PREFER_DISCOPOP] = "discopop", [LM_PREFER_AOT] = "aot",
    [LM_PREFER_AOT_PAIR] = "aot-pair", [LM_PREFERENCE_LOSSES + LM_POLICY_BY_TOKENS] = "dapo",
    [LM_PREFERENCE_LOSSES + LM_POLICY_BY_ANSWERS] = "grpo", [LM_PREFERENCE_LOSSES + LM_POLICY_BY_LENGTH] = "dr-grpo",
    [LM_PREFERENCE_LOSSES + LM_POLICY_CISPO] = "cispo", NULL};
/* TRL's spellings */
static const char *const loss_synonyms[] = {"exo_pair", "exo", "nca_pair", "nca", "sppo_hard", "sppo", "apo_zero", "apo-zero",
                                            "apo_down", "apo-down", "aot_pair", "aot-pair", "aot_unpaired", "aot", "bnpo", "dapo",
                                            "dr_grpo", "dr-grpo", NULL};
static const char *const method_synonyms[] = {"rm", "reward", "reward-model", "reward", NULL};

void lm_preference_option_table(lm_preference_options *o, lm_option *table)
{
    const lm_option all[LM_PREFERENCE_OPTIONS] = {
        {.name = "method", .type = LM_OPT_CHOICE, .target = &o->method, .value = "NAME", .choices = lm_preference_methods,
         .synonyms = method_synonyms, .aliases = "stage",
         .help = "dpo, simpo and orpo make a model prefer the chosen answers of pairs to the rejected ones; kto makes it write "
                 "answers that were judged good, and not those judged bad; reward makes a model that gives a number to an answer; grpo, "
                 "rloo and ppo let the model answer prompts and make it write what is rewarded"},
        {.name = "loss-type", .type = LM_OPT_CHOICE, .target = &o->loss, .given = &o->has_loss, .value = "NAME",
         .choices = lm_preference_names, .synonyms = loss_synonyms, .aliases = "pref_loss",
         .shown = "sigmoid; dapo for grpo",
         .help = "of --method dpo the loss of a pair, the first twelve; of grpo over what tokens are averaged"},
        {.name = "beta", .type = LM_OPT_FLOAT, .target = &o->beta, .given = &o->has_beta, .value = "B", .min = 0, .max = 1e6,
         .aliases = "pref_beta kl_coef", .shown = "0.1; 0 for grpo, 0.05 for rloo and ppo",
         .help = "how near the model has to stay to the reference: the greater, the nearer"},
        {.name = "preference-smoothing", .type = LM_OPT_FLOAT, .target = &o->smoothing, .given = &o->has_smoothing, .value = "E",
         .min = 0, .max = 0.4999, .shown = "0; 0.001 for exo", .aliases = "dpo_label_smoothing",
         .help = "how probable it is that the answers of a pair stand the wrong way round, for the losses sigmoid, robust, exo, aot"},
        {.name = "ref-model", .type = LM_OPT_FILE, .target = &o->reference, .value = "MODEL", .aliases = "ref_model_name_or_path",
         .shown = "what the rows bring, else the model of -m as it is",
         .help = "the reference, which does not learn; rows bring its log-probabilities by score --emit logprobs, and then it need not "
                 "be there"},
        {.name = "reference-free", .type = LM_OPT_FLAG, .target = &o->reference_free,
         .help = "dpo without a reference, as if it gave all answers the same"},
        {.name = "simpo-gamma", .type = LM_OPT_FLOAT, .target = &o->gamma, .given = &o->has_gamma, .value = "G", .min = 0, .max = 1e3,
         .help = "of --method simpo: by how much the chosen answer has to be ahead"},
        {.name = "sft-weight", .type = LM_OPT_FLOAT, .target = &o->sft, .given = &o->has_sft, .value = "W", .min = 0, .max = 1e6,
         .aliases = "rpo_alpha cpo_alpha pref_ftx", .shown = "1 for orpo, else 0",
         .help = "weight of the cross-entropy of the chosen answers, which is added"},
        {.name = "center-rewards", .type = LM_OPT_FLOAT, .target = &o->center, .given = &o->has_center, .value = "C", .min = 0,
         .max = 1e6, .aliases = "center_rewards_coefficient",
         .help = "of --method reward: how strongly the two rewards of a pair are held around 0"},
        {.name = "desirable-weight", .type = LM_OPT_FLOAT, .target = &o->desirable, .given = &o->has_weights, .value = "W", .min = 0,
         .max = 1e6, .help = "of --method kto: what good answers count"},
        {.name = "undesirable-weight", .type = LM_OPT_FLOAT, .target = &o->undesirable, .given = &o->has_weights, .value = "W",
         .min = 0, .max = 1e6, .help = "of --method kto: what bad answers count"},
    };
    memcpy(table, all, sizeof all);
}

const char *lm_preference_objective(const lm_preference_options *o)
{
    return o->method >= LM_METHOD_GRPO     ? "policy"
           : o->method == LM_METHOD_REWARD ? "reward"
           : o->method == LM_METHOD_KTO    ? "judgement"
                                           : "preference";
}

bool lm_preference_check(const lm_preference_options *o, lm_status *st)
{
    lm_preference_method m = (lm_preference_method)o->method;
    bool dpo = m == LM_METHOD_DPO, uses_reference = dpo || m == LM_METHOD_KTO;
    bool smooths = (dpo && (o->loss == LM_PREFER_SIGMOID || o->loss == LM_PREFER_ROBUST || o->loss == LM_PREFER_EXO ||
                            lm_preference_sorts((lm_preference)o->loss))) || m == LM_METHOD_SIMPO;
    const struct {
        const char *name;
        bool given, used;
    } options[] = {{"loss-type", o->has_loss, dpo},
                   {"beta", o->has_beta, m != LM_METHOD_REWARD},
                   {"preference-smoothing", o->has_smoothing, smooths},
                   {"ref-model", o->reference != NULL, uses_reference},
                   {"reference-free", o->reference_free, dpo},
                   {"simpo-gamma", o->has_gamma, m == LM_METHOD_SIMPO},
                   {"sft-weight", o->has_sft, m != LM_METHOD_REWARD && m != LM_METHOD_KTO},
                   {"center-rewards", o->has_center, m == LM_METHOD_REWARD},
                   {"desirable-weight and --undesirable-weight", o->has_weights, m == LM_METHOD_KTO}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given && !options[i].used)
            return lm_fail(st, LM_USAGE, "--%s: --method %s%s%s has no use for it: leave it out", options[i].name,
                           lm_preference_methods[m], dpo ? " with --loss-type " : "", dpo ? lm_preference_names[o->loss] : "");
    if (dpo && o->loss >= LM_PREFERENCE_LOSSES)
        return lm_fail(st, LM_USAGE, "--loss-type %s is of --method grpo: leave it out, or choose another", lm_preference_names[o->loss]);
    if (m != LM_METHOD_REWARD && o->beta <= 0)
        return lm_fail(st, LM_USAGE, "--beta 0: then nothing is learned: give one above 0");
    if (o->reference && o->reference_free)
        return lm_fail(st, LM_USAGE, "--reference-free asks no reference, and --ref-model names one: leave one of them out");
    if (dpo && o->loss == LM_PREFER_EXO && o->has_smoothing && o->smoothing <= 0)
        return lm_fail(st, LM_USAGE, "--loss-type exo: --preference-smoothing has to be above 0, such as 0.001");
    return true;
}
