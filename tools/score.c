/* score: tokens in, measures out; or the tokens with logits, probabilities, hidden states, losses. */
#include "metrics/score_choices.h"
#include "metrics/score_options.h"
#include "metrics/score_written.h"
#include "model/archs.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    lm_common common = LM_COMMON_INIT;
    lm_score_options o = {.common = &common, .measures = {.ranks = true, .level = 0.95}, .activations = LM_ACTIVATIONS_INT8,
                          .written = {.smooth_value = -1}};
    int64_t resamples = 1000, accuracy_at = 5;
    int scheme = LM_SCHEME_LENIENT, answers = LM_ANSWERS_SQUAD;
    bool list = false;

    const lm_option own[] = {
        {.name = "What to measure", .type = LM_OPT_GROUP},
        {.name = "per-class",
         .type = LM_OPT_FLAG,
         .target = &o.per_class,
         .help = "precision, recall, F1 and support of each class; with --json the confusion matrix too"},
        {.name = "confusion",
         .type = LM_OPT_FLAG,
         .target = &o.confusion,
         .aliases = "confusion-matrix",
         .help = "the confusion matrix as a table for people, below the lines; with --json as a member"},
        {.name = "json", .type = LM_OPT_FLAG, .target = &o.json, .help = "one JSON object instead of lines"},
        {.name = "ci",
         .type = LM_OPT_FLAG,
         .target = &o.measures.intervals,
         .aliases = "confidence-intervals",
         .help = "with each value the ends of its confidence interval, from a bootstrap over the rows"},
        {.name = "ci-level",
         .type = LM_OPT_FLOAT,
         .target = &o.measures.level,
         .value = "P",
         .min = 0.5,
         .max = 0.9999,
         .aliases = "confidence-level",
         .help = "how probable it is that an interval holds the value"},
        {.name = "resamples",
         .type = LM_OPT_COUNT,
         .target = &resamples,
         .value = "N",
         .min = 10,
         .max = 1e6,
         .aliases = "bootstrap-resamples n-resamples",
         .help = "how often the bootstrap draws rows"},
        {.name = "skip-unknown",
         .type = LM_OPT_FLAG,
         .target = &o.measures.skip_unknown,
         .help = "rows and tags whose class the model does not have are not measured, instead of being an error"},
        {.name = "compare",
         .type = LM_OPT_FILE,
         .target = &o.compare,
         .value = "OTHER",
         .help = "how another model fares on the same rows, and how probable such a difference is by chance: the "
                 "model, its tokens with logits (score --emit logits), or lines of predictions (score --tsv)"},
        {.name = "scheme",
         .type = LM_OPT_CHOICE,
         .target = &scheme,
         .value = "NAME",
         .choices = lm_scheme_names,
         .help = "how tags make entities: lenient reads them as conlleval does, the others are strict"},
        {.name = "answers",
         .type = LM_OPT_CHOICE,
         .target = &answers,
         .value = "STYLE",
         .choices = lm_answer_style_names,
         .help = "how answers to questions are compared: by words as SQuAD's script, or by characters as "
                 "KorQuAD's"},
        {.name = "accuracy-at",
         .type = LM_OPT_INT,
         .target = &accuracy_at,
         .value = "K",
         .min = 2,
         .max = 1e6,
         .help = "where there are more classes, how often the label is among the K most probable"},
        {.name = "html",
         .type = LM_OPT_FILE,
         .target = &o.html,
         .value = "FILE",
         .help = "also write a page for a browser: measures, confusion matrix, the most confident mistakes"},
        {.name = "log",
         .type = LM_OPT_FILE,
         .target = &o.log,
         .value = "FILE",
         .help = "for --html: the log of training (finetune --log) whose curves the page shows"},
        {.name = "fail-under",
         .type = LM_OPT_STRINGS,
         .target = &o.fail_under,
         .value = "NAME=VALUE",
         .help = "exit with status 4 where a measure is smaller (accuracy=0.9)"},
        {.name = "fail-over",
         .type = LM_OPT_STRINGS,
         .target = &o.fail_over,
         .value = "NAME=VALUE",
         .help = "exit with status 4 where a measure is larger (loss=2.5)"},
        {.name = "As a filter", .type = LM_OPT_GROUP},
        {.name = "emit",
         .letter = 'e',
         .type = LM_OPT_STRINGS,
         .target = &o.emit,
         .value = "WHAT[,WHAT...]",
         .help = "write the tokens on, with logits, probs, predictions, hidden, pooled, loss or logprobs "
                 "added; or, instead of them, imatrix: an importance matrix for quant, a GGUF file, or with -o NAME.dat the "
                 "older form"},
        {.name = "tsv",
         .type = LM_OPT_FLAG,
         .target = &o.tsv,
         .help = "write lines of text instead: what --emit names (else predictions), id, label and text of "
                 "each row, with tabs between"},
        {.name = "top",
         .type = LM_OPT_COUNT,
         .target = &o.top,
         .value = "K",
         .min = 0,
         .max = 1e9,
         .aliases = "top-k",
         .shown = "all",
         .help = "of the logits only the K largest, and the log-sum-exp of the others"},
        {.name = "pool",
         .type = LM_OPT_CHOICE,
         .target = &o.pool,
         .value = "HOW",
         .choices = (const char *const[]){"auto", "pooler", "mean", "cls", NULL},
         .aliases = "pooling",
         .help = "how --emit pooled makes one row of a text's tokens: with the model's pooler, as their mean, "
                 "as the first one; auto is the pooler where there is one, else the mean"},
        {.name = "report",
         .type = LM_OPT_FILE,
         .target = &o.report,
         .value = "FILE",
         .help = "with --emit: a file for the report"},
        {.name = "The model", .type = LM_OPT_GROUP},
        {.name = "task",
         .type = LM_OPT_STRING,
         .target = &o.task,
         .value = "NAME",
         .shown = "the model's own",
         .help = "use another of its heads: base is the body alone"},
        {.name = "tokenizer",
         .type = LM_OPT_DIR,
         .target = &o.tokenizer,
         .value = "DIR",
         .shown = "the model's own",
         .help = "the tokenizer that the tokens are to be from"},
        {.name = "force",
         .type = LM_OPT_FLAG,
         .target = &o.force,
         .help = "take the tokens of another tokenizer"},
        {.name = "check",
         .type = LM_OPT_FLAG,
         .target = &o.check,
         .help = "look at every weight before anything else: NaN or infinite ones are an error"},
        {.name = "batch-tokens",
         .type = LM_OPT_COUNT,
         .target = &o.batch_tokens,
         .value = "N",
         .min = 0,
         .max = 1e9,
         .shown = "1024",
         .help = "most tokens that go through the model at once"},
        {.name = "activations",
         .type = LM_OPT_CHOICE,
         .target = &o.activations,
         .value = "TYPE",
         .choices = lm_activation_names,
         .help = "what quantised weights are multiplied with: int8 rounds the inputs of their layers, which is faster"},
        {.name = "list-archs",
         .type = LM_OPT_FLAG,
         .target = &list,
         .help = "print a line for each family of models that there is (name, model types, tasks of its heads, its own "
                 "sizes, file), or with --json one object, and stop"},
        {0},
    };
    lm_option options[LM_SCORE_OPTION_MAX];
    lm_score_option_table(&o, own, options);
    const lm_program program = {
        .name = "score",
        .purpose = "measure a model, or see what it makes of tokens",
        .operands = "[FILE...]",
        .summary =
            "Reads a stream of tokens (made by tok), runs the model of -m over it, and prints how well its "
            "predictions fit the labels, a NAME TAB VALUE a line. With --emit it is a filter: the stream "
            "goes on to standard output with the model's outputs added. With --references or --target it reads texts "
            "that were written, with --choices questions, and needs no tok.",
        .options = options,
        .examples = (const char *const[]){
            "How good is it on rows that it has not seen?", "tok -m news test.csv | score -m news",
            "The classes that it predicts, beside the texts",
            "tok -m news --keep-text new.csv | score -m news --emit predictions | lms --view",
            "With confidence intervals of 95 %", "tok -m news test.csv | score -m news --ci",
            "Is it better than it was before?",
            "tok -m news test.csv | score -m news --compare before.tsv",
            "A gate in a script: exit status 4 under 90 %",
            "tok -m news test.csv | score -m news --fail-under accuracy=0.9",
            "Translations or answers beside those that would have been right",
            "gen -m t5 --json test.jsonl | score --references test.en --metrics bleu,chrf",
            "Which of the answers does it find most probable?", "score -m llama --choices questions.jsonl",
            "What quantising should spare: how large the inputs of each layer are on some text",
            "tok -m llama calibration.txt | score -m llama --emit imatrix -o imatrix.gguf", NULL}};
    lm_tool_begin(&program, LM_TAKES_MODEL | LM_TAKES_OUTPUT | LM_TAKES_THREADS | LM_TAKES_SEED | LM_TAKES_PLUGIN,
                  &common, argc, argv);
    o.measures.scheme = (lm_scheme)scheme;
    o.measures.answers = (lm_answer_style)answers;
    o.measures.top_k = (int)accuracy_at;
    o.measures.resamples = (int)resamples;
    o.measures.seed = (uint64_t)common.seed;

    lm_status st = LM_STATUS_INIT;
    if (list)
        lm_archs_print(common.plugin, o.json, &st);
    else if (o.choices.choices)
        lm_score_choices(&o, &st);
    else if (o.references.count || o.target)
        lm_score_written(&o, &st);
    else
        lm_score(&o, &st);
    return lm_tool_end(&st);
}
