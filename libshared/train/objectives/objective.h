/* Training objectives: which head answers, and what carries a loss.
 *
 * One table says it all: a program picks an entry by name. What a row's targets are is train/objectives/targets.h, how rows
 * become the batches of a step train/objectives/step_rows.h and train/objectives/micro_batch.h. */
#ifndef LM_TRAIN_OBJECTIVE_H
#define LM_TRAIN_OBJECTIVE_H

#include "train/data/instances.h"

/* Which tokens carry a loss, and what is to be predicted there. */
typedef enum lm_token_target {
    LM_TOKENS_NONE,
    LM_TOKENS_MASKED, /* the token that was hidden: `mlm_labels` */
    LM_TOKENS_TAGS,   /* a class: `tags` */
    LM_TOKENS_NEXT,   /* the token after it: each, or each of `loss_mask` */
    LM_TOKENS_TARGETS /* another text: `target_ids`, which a second stack reads shifted */
} lm_token_target;

/* What is hidden of a row before it is learned from, anew in every epoch; a row that carries the column that comes of it is
 * taken as it is. */
typedef enum lm_noise {
    LM_NOISE_NONE,
    LM_NOISE_MASKS, /* tokens: `mlm_labels` (text/masking.h) */
    LM_NOISE_SPANS, /* spans, which become `target_ids` (train/objectives/spans.h) */
    LM_NOISE_PREFIX /* all behind a prefix: `target_ids`, or of LM_TOKENS_NEXT `loss_mask` */
} lm_noise;

/* What is to be predicted of a whole row. */
typedef enum lm_target {
    LM_TARGET_NONE,
    LM_TARGET_CLASS,   /* one class id a row */
    LM_TARGET_CLASSES, /* 0 or 1 for each class */
    LM_TARGET_VALUE,   /* a number */
    LM_TARGET_SPAN     /* the first and the last token of an answer: `answer` */
} lm_target;

/* What is known of a row's answers. */
typedef enum lm_answers {
    LM_ANSWERS_NONE,
    LM_ANSWERS_PAIRED, /* a row has two, `chosen` and `rejected` */
    LM_ANSWERS_JUDGED, /* a row's answer is `desirable` or not */
    LM_ANSWERS_SAMPLED /* nothing: rows are prompts, which the policy answers (train/policy) */
} lm_answers;

typedef struct lm_objective {
    const char *name;         /* what --objective or --task calls it */
    const char *alias;        /* what transformers calls it: the task of a pipeline; NULL = nothing */
    const char *purpose;      /* for people: "masked language modelling" */
    const char *head;         /* of the model: lm_head.name */
    const char *problem_type; /* config.json's, as transformers names it; NULL = none */
    lm_token_target tokens;   /* a cross-entropy at tokens */
    lm_target row;            /* a loss over rows */
    bool masked_loss;         /* LM_TOKENS_NEXT: only tokens of `loss_mask` are to be predicted */
    lm_noise noise;
    lm_instance_kind pairs;   /* what documents are made into; LM_INSTANCES_ROWS = nothing */
    lm_answers answers;       /* that are compared or judged; what they lose is train/preference's */
} lm_objective;

const lm_objective *lm_objective_find(const char *name); /* or alias; the first, where models of several heads learn it */
const lm_objective *lm_objective_at(size_t i); /* NULL past the end */
/* The one that a row's columns speak for; NULL where it has none to learn from. */
const lm_objective *lm_objective_guess(const lm_tokens_row *row);
/* Whether the head's classes have names of the user's: `id2label` of config.json. */
bool lm_objective_has_classes(const lm_objective *o);

#endif
