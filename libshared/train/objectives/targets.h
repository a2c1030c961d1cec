/* What is to be predicted of a row. */
#ifndef LM_TRAIN_TARGETS_H
#define LM_TRAIN_TARGETS_H

#include "base/status.h"
#include "stream/labels.h"
#include "text/masking.h"
#include "train/objectives/objective.h"
#include "train/objectives/spans.h"

/* What a stream's rows bring of a teacher, and what of it counts. */
typedef struct lm_soft_form {
    int width;       /* numbers of each unit; 0 = the rows bring none */
    bool whole;      /* all logits; else the largest, their columns, and the log-sum-exp of the others */
    bool per_token;  /* a unit for each token; else for each row */
    int columns;     /* that a column is one of */
    bool taught;     /* there is a teacher, and its loss is a mean */
    bool all_tokens; /* over all tokens; else over those with a label */
} lm_soft_form;

/* How the targets of rows are made. */
typedef struct lm_targets {
    const lm_objective *objective;
    lm_masking masking;      /* of LM_NOISE_MASKS */
    lm_span_noise spans;     /* of LM_NOISE_SPANS and LM_NOISE_PREFIX */
    const lm_labels *labels; /* of LM_TARGET_CLASS: words to ids; NULL = ids stand in the stream */
    const int32_t *class_of; /* of tags and of several labels: the model's class for each of the stream's, LM_IGNORE = none
                              * (lm_labels_map); NULL = they are the same */
    int stream_classes;      /* their number, where class_of is given */
    int classes;             /* columns of the logits, but for those over a vocabulary */
    int vocab_size, type_vocab_size, max_length; /* of the model; 0 = no limit */
    int start_id;            /* LM_TOKENS_TARGETS: what the second stack reads before the target's first token */
    float label_smoothing;     /* of classes and vocabularies */
    const float *class_weight; /* [classes]; NULL = ones. This and the next of heads with classes alone */
    float focal_gamma;         /* of the focal loss; 0 = none */
    bool skip_unknown;       /* a class that the model does not have carries no loss, instead of being an error */
    lm_soft_form soft;
    bool reference;          /* answers bring the log-probabilities of a reference */
} lm_targets;

/* Fails where a row is not one that this model can be trained on: an id or segment outside its table, too many tokens, no
 * target or an unknown one. `number` (from 0) names the row. */
bool lm_targets_check(const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st);
/* The class of a row (LM_IGNORE = carries no loss), or its number. */
bool lm_targets_class(const lm_targets *t, const lm_tokens_row *row, uint64_t number, int32_t *class,
                      lm_status *st);
bool lm_targets_value(const lm_tokens_row *row, uint64_t number, float *value, lm_status *st);
/* A row that has been checked as it is learned from: what the objective hides is hidden, as a function of (seed, epoch,
 * number). *out is the row with other columns, which lie in `room`; or the row itself, where it carries them already or
 * nothing is hidden. */
void lm_targets_row(const lm_targets *t, const lm_tokens_row *row, uint64_t epoch, uint64_t number, lm_arena *room,
                    lm_tokens_row *out);
/* About how many tokens that row has, and how many the second stack reads. */
void lm_targets_lengths(const lm_targets *t, const lm_tokens_row *row, uint32_t *tokens, uint32_t *target);
/* What is to be predicted at each token of a row as lm_targets_row gives it, LM_IGNORE where there is no loss:
 * label[row->len], of a packed row (seq_lengths) within each of its texts; or of LM_TOKENS_TARGETS label[row->target_len],
 * for the second stack's tokens. Returns how many carry a loss. */
int lm_targets_tokens(const lm_targets *t, const lm_tokens_row *row, int32_t *label);
/* 1 or 0 for each of the model's classes, from multi_label. */
void lm_targets_several(const lm_targets *t, const lm_tokens_row *row, float *value);
/* First and last token of the answer, each LM_IGNORE where the row carries no loss. */
void lm_targets_span(const lm_tokens_row *row, int32_t span[2]);
/* The answers of a row that has been checked: two rows of a pair, or the row itself. Returns how many. */
int lm_targets_answers(const lm_targets *t, const lm_tokens_row *row, lm_tokens_row answers[2]);
/* The sum of what the reference gives the tokens of an answer, a row of lm_targets_answers; `answer` is where it stands in its pair,
 * NULL where it is judged alone. */
double lm_targets_reference(const lm_tokens_row *row, const lm_tokens_answer *answer);
/* Whether an answer that is judged is a good one: of `desirable`, else of the label (true, 1, desirable, good, yes). */
bool lm_targets_desirable(const lm_tokens_row *row, uint64_t number, bool *good, lm_status *st);
/* Whether anything in a row that has been checked may carry a loss. */
bool lm_targets_any(const lm_targets *t, const lm_tokens_row *row);

#endif
