/* finetune: labelled tokens in, a model for a task out. */
#include "train/sweep.h"

int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    lm_new_model new_model = {0};
    lm_freeze_options freeze = LM_FREEZE_OPTIONS_NONE;
    lm_run_spec spec = {.common = &common, .options = &train};

    const lm_option own[] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &common.model, .value = "MODEL",
         .aliases = "model_name_or_path", .shown = "a new one, see --architecture",
         .help = "the model to start from: a Hugging Face directory, an archive of one (.tar, .tar.zst, .zip ...), or a model "
                 "stream (- is standard input)"},
        lm_train_output_option(&common.output),
        {.name = "l2-sp", .type = LM_OPT_FLOAT, .target = &train.l2_sp, .value = "X", .min = 0, .max = 1e3,
         .help = "decay of the body's weights towards those of -m, in place of --weight-decay: against forgetting"},
        {.name = "random-weights", .type = LM_OPT_FLAG, .target = &spec.random_weights,
         .help = "take the network of -m but not its weights: what would be learned without pretraining"},
        {0},
    };
    train.has_tasks = true;
    train.new_model = &new_model;
    train.freeze = &freeze;
    lm_option table[LM_TRAIN_OPTION_MAX];
    lm_train_option_table(&train, own, table);
    const lm_program program = {
        .name = "finetune", .purpose = "train a model for a task", .operands = "[FILE...]",
        .summary = "Reads a stream of labelled tokens (made by tok) and trains the model of -m, or a new one (-a), to "
                   "predict the labels. The result is a Hugging Face directory, with the tokenizer and the names of "
                   "the classes.",
        .options = table,
        .examples = (const char *const[]){
            "Learn to tell the classes of a csv file (label in column 1, texts in 2 and 3)",
            "tok -m bert --text 2,3 --label 1 train.csv | finetune -m bert -o news",
            "The accuracy on other rows",
            "tok -m news --text 2,3 --label 1 test.csv | score -m news",
            "Train the head alone, on frozen features",
            "tok -m bert --text 2,3 --label 1 train.csv | finetune -m bert -o news --freeze bert",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    spec.objective = lm_task_objective(train.task);
    lm_train_program(&spec, &program, &st);
    return lm_tool_end(&st);
}
