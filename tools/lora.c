/* lora: tokens in, an adapter of a model out. */
#include "train/sweep.h"

int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    lm_adapting adapting = LM_ADAPTING_DEFAULTS;
    lm_freeze_options freeze = LM_FREEZE_OPTIONS_NONE;
    lm_run_spec spec = {.common = &common, .options = &train};

    const lm_option own[] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &common.model, .value = "MODEL",
         .aliases = "model_name_or_path base_model",
         .help = "what the adapter is for, which stays as it is: a Hugging Face directory, an archive of one, a GGUF file, "
                 "quantised or not; or a model stream (- is standard input). With MODEL+ADAPTER that adapter is trained on"},
        {.name = "output", .letter = 'o', .type = LM_OPT_FILE, .target = &common.output, .value = "ADAPTER",
         .aliases = "output_dir",
         .help = "the adapter, in PEFT's form: a directory or an archive of one"},
        {0},
    };
    train.has_tasks = true;
    train.learning_rate = 2e-4;
    train.adapting = &adapting;
    train.freeze = &freeze;
    lm_option table[LM_TRAIN_OPTION_MAX];
    lm_train_option_table(&train, own, table);
    const lm_program program = {
        .name = "lora", .purpose = "train an adapter of a model for a task",
        .operands = "[FILE...]",
        .summary = "Reads a stream of tokens (made by tok) and trains an adapter for the model of -m: low-rank terms beside its "
                   "layers, which alone are learned and written, in PEFT's form. The model may be quantised. Every program "
                   "takes MODEL+ADAPTER for -m.",
        .options = table,
        .examples = (const char *const[]){
            "Learn to tell the classes of a csv file (label in column 1, texts in 2 and 3)",
            "tok -m bert --text 2,3 --label 1 train.csv | lora -m bert -r 8 --alpha 16 -o news",
            "The accuracy on other rows",
            "tok -m bert+news --text 2,3 --label 1 test.csv | score -m bert+news",
            "Conversations, with the model in 4 bits",
            "tok -m llama.gguf --chat talks.jsonl | lora -m llama.gguf -r 16 --target all-linear -o talker",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    spec.objective = lm_task_objective(train.task);
    lm_train_program(&spec, &program, &st);
    return lm_tool_end(&st);
}
