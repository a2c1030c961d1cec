/* pretrain: tokens in, a model out, from random weights or going on from a model's. */
#include "train/sweep.h"

#include <stdlib.h>

static const char *const objectives[] = {"mlm", "pretrain", NULL};

int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    train.epochs = 1;
    train.learning_rate = 5e-4;
    int objective = 0;
    lm_run_spec spec = {.common = &common, .options = &train, .mlm_probability = 0.15,
                        .new_model = {.size = -1}};
    lm_new_model *n = &spec.new_model;

    const lm_option own[] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_DIR, .target = &common.model, .value = "DIR",
         .aliases = "model_name_or_path", .shown = "a new one, see --architecture",
         .help = "go on from this model's weights"},
        {.name = "output", .letter = 'o', .type = LM_OPT_DIR, .target = &common.output, .value = "DIR",
         .aliases = "output_dir", .help = "the directory of the trained model"},
        {.name = "objective", .type = LM_OPT_CHOICE, .target = &objective, .value = "NAME",
         .choices = objectives,
         .help = "mlm: masked tokens; pretrain: masked tokens and next sentence, whose label (0 = follows, "
                 "1 = does not) is the stream's"},
        {.name = "mlm-probability", .type = LM_OPT_FLOAT, .target = &spec.mlm_probability, .value = "P",
         .min = 0, .max = 1, .help = "share of tokens that are to be predicted"},
        {.name = "A new model", .type = LM_OPT_GROUP},
        {.name = "architecture", .letter = 'a', .type = LM_OPT_STRING, .target = &n->architecture,
         .value = "NAME", .aliases = "model_type",
         .help = "the family: bert, distilbert, roberta, xlm-roberta, camembert, electra or albert"},
        {.name = "size", .type = LM_OPT_CHOICE, .target = &n->size, .value = "SIZE",
         .choices = lm_model_sizes, .shown = "mini",
         .help = "2x128, 4x256, 4x512, 8x512 or 12x768 (layers x width), heads 64 wide"},
        {.name = "config", .type = LM_OPT_FILE, .target = &n->config, .value = "FILE",
         .aliases = "config_name", .help = "a config.json; the vocabulary's size is the tokenizer's"},
        {.name = "layers", .type = LM_OPT_COUNT, .target = &n->layers, .value = "N", .min = 0, .max = 1000,
         .shown = "by the size", .aliases = "num_hidden_layers", .help = "blocks"},
        {.name = "width", .type = LM_OPT_COUNT, .target = &n->width, .value = "N", .min = 0, .max = 65536,
         .shown = "by the size", .aliases = "hidden_size", .help = "columns of the hidden state"},
        {.name = "heads", .type = LM_OPT_COUNT, .target = &n->heads, .value = "N", .min = 0, .max = 1024,
         .shown = "width/64", .aliases = "num_attention_heads", .help = "attention heads"},
        {.name = "inner", .type = LM_OPT_COUNT, .target = &n->inner, .value = "N", .min = 0, .max = 1 << 20,
         .shown = "4 times the width", .aliases = "intermediate_size",
         .help = "columns of the feed-forward layer"},
        {.name = "max-length", .type = LM_OPT_COUNT, .target = &n->max_length, .value = "N", .min = 0,
         .max = 1 << 20, .aliases = "max_seq_length max_position_embeddings", .shown = "512, or the config's",
         .help = "the longest row that it takes, in tokens"},
        {0},
    };
    lm_option table[LM_TRAIN_OPTION_MAX];
    lm_train_option_table(&train, own, table);
    const lm_program program = {
        .name = "pretrain", .purpose = "train a language model on text without labels",
        .operands = "[FILE...]",
        .summary = "Reads a stream of tokens (made by tok) and trains a model on it: a new one with random "
                   "weights (-a), or a given one (-m). The result is a Hugging Face directory.",
        .options = table,
        .examples = (const char *const[]){
            "Learn a vocabulary from plain text, and pretrain a small BERT on it",
            "tok --train wordpiece --vocab-size 8000 -o tokdir corpus.txt",
            "The pretraining itself",
            "tok -m tokdir corpus.txt | pretrain -a bert --size mini -o mini",
            "At most two hours today; the same command again goes on",
            "tok -m tokdir corpus.txt | pretrain -a bert -o mini --checkpoint ck --resume --max-time 2h",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    spec.objective = objectives[objective];
    if (common.model && (n->architecture || n->config || n->size >= 0))
        lm_fail(&st, LM_USAGE, "-m goes on from a model, and -a, --size and --config make a new one: give "
                "one of them");
    else if (!common.model && !n->architecture && !n->config)
        lm_fail(&st, LM_USAGE, "which model? Give -a bert for a new one, or -m DIR");
    else
        lm_train_program(&spec, &program, &st);
    return lm_tool_end(&st);
}
