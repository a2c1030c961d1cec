/* distill: tokens and a teacher, or what it has said of them, in; a student out. */
#include "train/sweep.h"


int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    lm_new_model new_model = {0};
    lm_freeze_options freeze = LM_FREEZE_OPTIONS_NONE;
    lm_teaching_options teaching = LM_TEACHING_DEFAULTS;
    lm_run_spec spec = {.common = &common, .options = &train, .teaching = &teaching};

    lm_option own[LM_TEACHING_OPTIONS + 4] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &common.model, .value = "STUDENT",
         .aliases = "student model_name_or_path", .shown = "a new one, see --architecture and --init-from-teacher",
         .help = "the student to start from: a Hugging Face directory, an archive of one (.tar, .tar.zst, .zip ...), or a model "
                 "stream (- is standard input)"},
        lm_train_output_option(&common.output),
        {.name = "random-weights", .type = LM_OPT_FLAG, .target = &spec.random_weights,
         .help = "take the network of -m but not its weights"},
    };
    lm_teaching_option_table(&teaching, own + 3);
    train.has_tasks = true;
    train.new_model = &new_model;
    train.freeze = &freeze;
    lm_option table[LM_TRAIN_OPTION_MAX];
    lm_train_option_table(&train, own, table);
    const lm_program program = {
        .name = "distill", .purpose = "teach a small model what a large one knows", .operands = "[FILE...]",
        .summary = "Reads a stream of tokens (made by tok) and trains a student to say of them what a teacher says: a model that "
                   "is named (--teacher), or logits that the rows bring (score --emit logits). The labels of the rows, where they "
                   "have any, count too.",
        .options = table,
        .examples = (const char *const[]){
            "Half of the layers of a classifier, taught by all of them",
            "tok -m big train.csv | distill --teacher big --init-from-teacher 0,2,4 -o small",
            "The teacher reads the rows once, and is not there when the student learns",
            "tok -m big train.csv | score -m big --emit logits | distill -a lstm --epochs 8 -o tiny",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    spec.objective = lm_task_objective(train.task);
    lm_train_program(&spec, &program, &st);
    return lm_tool_end(&st);
}
