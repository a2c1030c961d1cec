#include "metrics/score_options.h"

#include "stream/records.h"

/* A word behind --choices is a file. */
static bool never(const char *word)
{
    (void)word;
    return false;
}

static size_t add(const lm_option *entries, lm_option *table, size_t count)
{
    while (entries->name)
        table[count++] = *entries++;
    return count;
}

void lm_score_option_table(lm_score_options *o, const lm_option *own, lm_option *table)
{
    const lm_option more[] = {
        {.name = "Texts that were written", .type = LM_OPT_GROUP},
        {.name = "references",
         .letter = 'r',
         .type = LM_OPT_STRINGS,
         .target = &o->references,
         .value = "FILE",
         .aliases = "reference refs ref",
         .help = "texts that would have been right, a line or a record for each that was written; given several times, any of them "
                 "would"},
        {.name = "target",
         .type = LM_OPT_STRING,
         .target = &o->target,
         .value = "FIELD",
         .help = "the field of the references, a text or a list of texts; without --references the records that were written have it"},
        {.name = "text",
         .type = LM_OPT_STRING,
         .target = &o->text,
         .value = "FIELD",
         .shown = "text",
         .help = "the field of what was written"},
        {.name = "input-format",
         .type = LM_OPT_CHOICE,
         .target = &o->input_format,
         .value = "FORMAT",
         .choices = lm_format_names,
         .help = "how these files are read; auto goes by the name, else they are lines, or JSON Lines where the first is an object"},
        {.name = "metrics",
         .type = LM_OPT_STRINGS,
         .target = &o->metrics,
         .value = "NAME[,NAME...]",
         .shown = "exact_match,answers,bleu,chrf,rouge",
         .help = "what is measured: exact_match, answers, bleu, chrf, chrf++, ter, rouge, all"},
        {.name = "tokenize",
         .type = LM_OPT_CHOICE,
         .target = &o->written.bleu_tokens,
         .value = "NAME",
         .choices = lm_bleu_token_names,
         .help = "how BLEU cuts a text, as sacreBLEU does by this name"},
        {.name = "smooth-method",
         .type = LM_OPT_CHOICE,
         .target = &o->written.smooth,
         .value = "NAME",
         .choices = lm_bleu_smooth_names,
         .help = "what BLEU takes for a precision of 0"},
        {.name = "smooth-value",
         .type = LM_OPT_FLOAT,
         .target = &o->written.smooth_value,
         .value = "X",
         .min = 0,
         .max = 100,
         .shown = "0.1 of floor, 1 of add-k",
         .help = "what floor and add-k add"},
        {.name = "lowercase", .type = LM_OPT_FLAG, .target = &o->written.lowercase, .help = "BLEU and chrF see lower case"},
        {.name = "rouge-tokens",
         .type = LM_OPT_CHOICE,
         .target = &o->written.rouge_tokens,
         .value = "NAME",
         .choices = lm_rouge_token_names,
         .help = "ROUGE's words: runs of a-z and 0-9 as rouge-score has them, of letters of any script, or single letters"},
        {.name = "stemmer",
         .type = LM_OPT_FLAG,
         .target = &o->written.stemmer,
         .aliases = "use-stemmer",
         .help = "ROUGE compares the stems of English words"},
        {.name = "Questions with several answers", .type = LM_OPT_GROUP},
        {.name = "choices",
         .type = LM_OPT_STRING,
         .target = &o->choices.choices,
         .value = "FIELD",
         .optional = never,
         .shown = "choices, else endings, options or answers",
         .help = "records are questions, and this field the list of their answers: how often is the right one most probable"},
        {.name = "context",
         .type = LM_OPT_STRING,
         .target = &o->choices.context,
         .value = "FIELD",
         .shown = "context, else ctx, question, query, prompt, goal or text",
         .help = "the field of what the answers go on from"},
        {.name = "label",
         .type = LM_OPT_STRING,
         .target = &o->choices.label,
         .value = "FIELD",
         .shown = "label, else answer, gold or answerKey",
         .help = "the field that says which is right: its number from 0, its text, or its name among the answers' labels"},
        {.name = "delimiter",
         .type = LM_OPT_STRING,
         .target = &o->choices.delimiter,
         .value = "TEXT",
         .aliases = "target-delimiter",
         .shown = "a blank",
         .help = "what stands between a context and an answer"},
        {.name = "few-shot",
         .type = LM_OPT_FILE,
         .target = &o->choices.examples,
         .value = "FILE",
         .help = "solved questions that stand before each context, with a blank line behind each"},
        {.name = "shots",
         .letter = 'k',
         .type = LM_OPT_COUNT,
         .target = &o->choices.shots,
         .value = "N",
         .min = 0,
         .max = 1e6,
         .aliases = "num-fewshot",
         .shown = "all",
         .help = "how many of them, from the first on"},
        {0},
    };
    size_t count = add(more, table, add(own, table, 0));
    table[count] = (lm_option){0};
}
