/* pretrain: tokens in, a model out, from random weights or going on from a model's. */
#include "train/sweep.h"

static const char *const objectives[] = {"auto", "mlm", "pretrain", "sop", "clm", "seq2seq", "span-corruption", "prefix-lm",
                                         NULL};
static const char *const objective_synonyms[] = {"span_corruption", "span-corruption", "prefix_lm", "prefix-lm", NULL};

int main(int argc, char **argv)
{
    lm_common common = {.seed = 42};
    lm_train_options train = lm_train_defaults;
    train.epochs = 1;
    train.learning_rate = 5e-4;
    int objective = 0;
    lm_new_model new_model = {0};
    lm_run_spec spec = {.common = &common, .options = &train};

    const lm_option own[] = {
        {.name = "model", .letter = 'm', .type = LM_OPT_FILE, .target = &common.model, .value = "MODEL",
         .aliases = "model_name_or_path", .shown = "a new one, see --architecture",
         .help = "go on from the weights of this model: a Hugging Face directory, an archive of one (.tar, .tar.zst, .zip ...), "
                 "or a model stream (- is standard input)"},
        lm_train_output_option(&common.output),
        {.name = "objective", .type = LM_OPT_CHOICE, .target = &objective, .value = "NAME",
         .choices = objectives, .synonyms = objective_synonyms,
         .help = "mlm: masked tokens; pretrain: masked tokens and next sentence, of documents (tok --documents) or of pairs "
                 "with labels (0 = follows, 1 = does not); sop: masked tokens and the order of sentences; clm: the next token; "
                 "seq2seq: another text, which tok --target names; "
                 "span-corruption: hidden spans of the text, as T5; prefix-lm: how the text goes on; auto: the first of mlm, clm "
                 "and seq2seq that the family has a head for"},
        {.name = "mean-span-length", .type = LM_OPT_FLOAT, .target = &train.denoising.span_length, .value = "N",
         .min = 1, .max = 1e6, .given = &train.denoising.has_span_length, .aliases = "mean_noise_span_length",
         .help = "tokens of a span that span-corruption hides, on average"},
        {.name = "short-seq-prob", .type = LM_OPT_FLOAT, .target = &train.short_seq_prob, .value = "P", .min = 0, .max = 1,
         .given = &train.has_short_seq_prob,
         .help = "share of the documents whose pairs of sentences are shorter than --block-size"},
        {0},
    };
    train.new_model = &new_model;
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
            "A GPT-2 whose vocabulary has an end of texts",
            "tok -m bpe --eos corpus.txt | pretrain -a gpt2 --size mini -o gpt",
            "At most two hours today; the same command again goes on",
            "tok -m tokdir corpus.txt | pretrain -a bert -o mini --checkpoint ck --resume --max-time 2h",
            NULL}};
    int takes = LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_LOG | LM_TAKES_PLUGIN;
    lm_tool_begin(&program, takes, &common, argc, argv);

    lm_status st = LM_STATUS_INIT;
    spec.objective = objective ? objectives[objective] : NULL;
    spec.by_family = true;
    lm_train_program(&spec, &program, &st);
    return lm_tool_end(&st);
}
