/* align: answers that are compared, judged or rewarded in, a model that prefers the better ones out. */
#include "align/rollouts.h"
#include "train/sweep.h"

#include <string.h>

/* TRL's, where nobody asks for another: a reward model learns faster than one that must not forget how to write. */
static const double policy_rate = 1e-6, reward_rate = 1e-4;

/* The model answers prompts, and learns from what its answers are worth. */
static bool reinforce(lm_run_spec *spec, const lm_program *program, lm_policy_options *policy, lm_rollout_options *rollouts, lm_status *st)
{
    rollouts->policy = policy;
    rollouts->model = spec->common->model;
    rollouts->tokenizer = spec->options->tokenizer;
    rollouts->seed = (uint64_t)spec->common->seed;
    rollouts->rewards.plugin = spec->common->plugin;
    if (!lm_policy_take(policy, spec->preference, st))
        return false;
    if (!spec->common->model)
        return lm_fail(st, LM_USAGE, "which model? Give -m DIR");
    lm_rollout_maker *maker = lm_rollout_maker_new(rollouts, st);
    if (!maker)
        return false;
    lm_rollout_source source = lm_rollout_maker_source(maker);
    lm_policy_spec learned = {policy, &source};
    spec->policy = &learned;
    spec->preference = NULL;
    bool ok = lm_train_program(spec, program, st);
    ok = lm_rollout_maker_finish(maker, st) && ok;
    lm_rollout_maker_free(maker);
    return ok;
}

int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    lm_freeze_options freeze = LM_FREEZE_OPTIONS_NONE;
    lm_adapting adapting = LM_ADAPTING_DEFAULTS, untouched = LM_ADAPTING_DEFAULTS;
    lm_preference_options preference = LM_PREFERENCE_DEFAULTS;
    lm_policy_options policy = LM_POLICY_DEFAULTS;
    lm_rollout_options rollouts = LM_ROLLOUT_DEFAULTS;
    lm_run_spec spec = {.common = &common, .options = &train, .preference = &preference};
    bool lora = false;

    enum { OWN = 3 };
    lm_option own[OWN + LM_PREFERENCE_OPTIONS + LM_POLICY_OPTIONS + LM_ROLLOUT_OPTIONS + 1] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &common.model, .value = "MODEL",
         .aliases = "model_name_or_path",
         .help = "the model to start from: a Hugging Face directory, an archive of one (.tar, .tar.zst, .zip ...), a GGUF file, or a "
                 "model stream (- is standard input)"},
        lm_train_output_option(&common.output),
        {.name = "lora", .type = LM_OPT_FLAG, .target = &lora, .aliases = "use_peft",
         .help = "train an adapter of the model, which stays as it is, and write that"},
    };
    lm_preference_option_table(&preference, own + OWN);
    lm_policy_option_table(&policy, own + OWN + LM_PREFERENCE_OPTIONS);
    lm_rollout_option_table(&rollouts, own + OWN + LM_PREFERENCE_OPTIONS + LM_POLICY_OPTIONS);
    train.learning_rate = policy_rate;
    train.adapting = &adapting;
    train.freeze = &freeze;
    lm_option table[LM_TRAIN_OPTION_MAX];
    lm_train_option_table(&train, own, table);
    const lm_program program = {
        .name = "align", .purpose = "teach a model which answers are better", .operands = "[FILE...]",
        .summary = "Reads a stream of tokens (made by tok) and trains the model of -m to prefer better answers, or to tell how good an "
                   "answer is: from pairs of a chosen and a rejected one, from answers that were judged good or bad, or from prompts, "
                   "which the model answers and somebody rewards.",
        .options = table,
        .examples = (const char *const[]){
            "Direct preference optimisation, of pairs in a JSON Lines file (prompt, chosen, rejected)",
            "tok -m sft --chat pairs.jsonl | align -m sft --method dpo --learning-rate 5e-6 -o better",
            "The reference reads the pairs once, and is not there when the model learns",
            "tok -m sft --chat pairs.jsonl | score -m sft --emit logprobs | align -m sft -o better",
            "An adapter of a model in 4 bits",
            "tok -m llama.gguf --chat pairs.jsonl | align -m llama.gguf --lora -r 16 -o better",
            "A model that gives rewards", "tok -m sft --chat pairs.jsonl | align -m sft --method reward -o judge",
            "Answers to sums, rewarded where they are right",
            "tok -m sft --text q --label a sums.jsonl | align -m sft --method grpo --reward number -o out",
            "The same with a judge of one's own", "tok -m sft questions.txt | align -m sft --method grpo --reward-cmd ./judge -o better",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    bool rewarded = preference.method >= LM_METHOD_GRPO, asked = rollouts.rewards.rewards.count || rollouts.rewards.commands.count;
    if (!lora && memcmp(&adapting, &untouched, sizeof adapting) != 0)
        lm_fail(&st, LM_USAGE, "-r, --alpha, --target and their like are about an adapter: give --lora");
    else if (!rewarded && (asked || rollouts.rewards.weights || rollouts.log))
        lm_fail(&st, LM_USAGE, "rewards and rollouts are of methods that let the model answer: give --method grpo, rloo or ppo");
    else if (rewarded && train.sweep.count)
        lm_fail(&st, LM_USAGE, "--sweep: a run that answers prompts is not swept: compare runs by their --rollouts");
    if (!lora)
        train.adapting = NULL;
    if (preference.method == LM_METHOD_REWARD && !train.has_learning_rate)
        train.learning_rate = reward_rate;
    spec.objective = lm_preference_objective(&preference);
    if (lm_ok(&st) && rewarded)
        reinforce(&spec, &program, &policy, &rollouts, &st);
    else if (lm_ok(&st))
        lm_train_program(&spec, &program, &st);
    return lm_tool_end(&st);
}
