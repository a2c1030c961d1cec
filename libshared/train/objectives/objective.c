#include "train/objectives/objective.h"

#include <string.h>

#define NO_ROWS LM_TARGET_NONE, false, LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_NONE

static const lm_objective objectives[] = {
    {"mlm", "fill-mask", "masked language modelling", "mlm", NULL, LM_TOKENS_MASKED, LM_TARGET_NONE, false,
     LM_NOISE_MASKS, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"pretrain", NULL, "masked language modelling and next-sentence prediction", "pretrain", NULL,
     LM_TOKENS_MASKED, LM_TARGET_CLASS, false, LM_NOISE_MASKS, LM_INSTANCES_NEXT_SENTENCE, LM_ANSWERS_NONE},
    {"sop", NULL, "masked language modelling and sentence-order prediction", "pretrain", NULL, LM_TOKENS_MASKED,
     LM_TARGET_CLASS, false, LM_NOISE_MASKS, LM_INSTANCES_SENTENCE_ORDER, LM_ANSWERS_NONE},
    {"classify", "text-classification", "one class a row", "classify", "single_label_classification",
     LM_TOKENS_NONE, LM_TARGET_CLASS, false, LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"multilabel", NULL, "any number of classes a row", "classify", "multi_label_classification",
     LM_TOKENS_NONE, LM_TARGET_CLASSES, false, LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"regress", NULL, "a number a row", "classify", "regression", LM_TOKENS_NONE, LM_TARGET_VALUE, false,
     LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"tag", "token-classification", "a class for each word", "tag", NULL, LM_TOKENS_TAGS, NO_ROWS},
    {"answer", "question-answering", "the part of a text that answers a question", "answer", NULL,
     LM_TOKENS_NONE, LM_TARGET_SPAN, false, LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"clm", "text-generation", "the next token", "clm", NULL, LM_TOKENS_NEXT, NO_ROWS},
    {"sft", NULL, "the next token, within answers", "clm", NULL, LM_TOKENS_NEXT, LM_TARGET_NONE, true,
     LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"seq2seq", "text2text-generation", "another text", "seq2seq", NULL, LM_TOKENS_TARGETS, NO_ROWS},
    {"span-corruption", NULL, "writing the spans that are hidden of a text", "seq2seq", NULL, LM_TOKENS_TARGETS,
     LM_TARGET_NONE, false, LM_NOISE_SPANS, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"prefix-lm", NULL, "writing how a text goes on", "seq2seq", NULL, LM_TOKENS_TARGETS, LM_TARGET_NONE, false,
     LM_NOISE_PREFIX, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"prefix-lm", NULL, "the next token, behind a prefix", "clm", NULL, LM_TOKENS_NEXT, LM_TARGET_NONE, true,
     LM_NOISE_PREFIX, LM_INSTANCES_ROWS, LM_ANSWERS_NONE},
    {"reward", NULL, "a number that is greater for better answers", "classify", NULL, LM_TOKENS_NONE, LM_TARGET_NONE, false,
     LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_PAIRED},
    {"preference", NULL, "the better one of two answers", "clm", NULL, LM_TOKENS_NEXT, LM_TARGET_NONE, true, LM_NOISE_NONE,
     LM_INSTANCES_ROWS, LM_ANSWERS_PAIRED},
    {"judgement", NULL, "answers that are good, and not those that are bad", "clm", NULL, LM_TOKENS_NEXT, LM_TARGET_NONE, true,
     LM_NOISE_NONE, LM_INSTANCES_ROWS, LM_ANSWERS_JUDGED},
    {"policy", NULL, "answers that are rewarded", "clm", NULL, LM_TOKENS_NEXT, LM_TARGET_NONE, true, LM_NOISE_NONE, LM_INSTANCES_ROWS,
     LM_ANSWERS_SAMPLED},
};

const lm_objective *lm_objective_at(size_t i)
{
    return i < sizeof objectives / sizeof *objectives ? &objectives[i] : NULL;
}

const lm_objective *lm_objective_find(const char *name)
{
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++) {
        const lm_objective *o = &objectives[i];
        if (strcmp(o->name, name) == 0 || (o->alias && strcmp(o->alias, name) == 0))
            return o;
    }
    return NULL;
}

const lm_objective *lm_objective_guess(const lm_tokens_row *row)
{
    const struct {
        bool there;
        const char *name;
    } columns[] = {
        {row->target_ids, "seq2seq"},    {row->answer, "answer"},
        {row->tags, "tag"},              {row->multi_label, "multilabel"},
        {row->has_label_float, "regress"}, {row->has_label_id || row->has_label_word, "classify"},
        {row->loss_mask, "sft"},         {row->mlm_labels, "mlm"},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (columns[i].there)
            return lm_objective_find(columns[i].name);
    return NULL;
}

bool lm_objective_has_classes(const lm_objective *o)
{
    return strcmp(o->head, "classify") == 0 || strcmp(o->head, "tag") == 0;
}
