#include "train/objective.h"

#include <string.h>

#define NO_ROWS LM_TARGET_NONE, false

static const lm_objective objectives[] = {
    {"mlm", "fill-mask", "masked language modelling", "mlm", NULL, LM_TOKENS_MASKED, NO_ROWS},
    {"pretrain", NULL, "masked language modelling and next-sentence prediction", "pretrain", NULL,
     LM_TOKENS_MASKED, LM_TARGET_CLASS, false},
    {"classify", "text-classification", "one class a row", "classify", "single_label_classification",
     LM_TOKENS_NONE, LM_TARGET_CLASS, false},
    {"multilabel", NULL, "any number of classes a row", "classify", "multi_label_classification",
     LM_TOKENS_NONE, LM_TARGET_CLASSES, false},
    {"regress", NULL, "a number a row", "classify", "regression", LM_TOKENS_NONE, LM_TARGET_VALUE, false},
    {"tag", "token-classification", "a class for each word", "tag", NULL, LM_TOKENS_TAGS, NO_ROWS},
    {"answer", "question-answering", "the part of a text that answers a question", "answer", NULL,
     LM_TOKENS_NONE, LM_TARGET_SPAN, false},
    {"clm", "text-generation", "the next token", "clm", NULL, LM_TOKENS_NEXT, NO_ROWS},
    {"sft", NULL, "the next token, within answers", "clm", NULL, LM_TOKENS_NEXT, LM_TARGET_NONE, true},
    {"seq2seq", "text2text-generation", "another text", "seq2seq", NULL, LM_TOKENS_TARGETS, NO_ROWS},
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
