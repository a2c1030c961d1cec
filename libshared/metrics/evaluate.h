/* Running a model over labelled rows: what `score` does, and trainers between epochs.
 *
 * Rows are packed into batches without padding, and every output depends on its row alone (but for its last
 * digits: BLAS sums the rows of a product in an order that depends on their place). What is measured follows
 * from the head and the labels: classes (a `label` word or id), several classes (`multi_label`), a number
 * (`label` as F32), masked tokens (`mlm_labels`). config.json's problem_type decides where it is given; else,
 * as in transformers, one output is a regression, and integer labels are classes. */
#ifndef LM_METRICS_EVALUATE_H
#define LM_METRICS_EVALUATE_H

#include "base/status.h"
#include "metrics/answers.h"
#include "metrics/entities.h"
#include "metrics/report.h"
#include "model/model.h"
#include "stream/tokens.h"

typedef enum lm_measured {
    LM_MEASURE_NOTHING, /* the head has no logits that rows are labelled for (the body alone) */
    LM_MEASURE_CLASSES,
    LM_MEASURE_MULTI_LABEL,
    LM_MEASURE_VALUES,
    LM_MEASURE_TOKENS, /* hidden tokens, where `mlm_labels` has them */
    LM_MEASURE_TAGS,   /* a class for each token that `tags` gives one */
    LM_MEASURE_NEXT,   /* the token after each, of a causal model; with `loss_mask`, those that it marks */
    LM_MEASURE_TARGETS, /* the tokens of another text, which a second stack writes: `target_ids` */
    LM_MEASURE_SPAN    /* the part of a text that answers a question (metrics/answers.h) */
} lm_measured;

enum {
    LM_EMIT_LOGITS = 1,
    LM_EMIT_PROBS = 2,
    LM_EMIT_PREDICTIONS = 4,
    LM_EMIT_HIDDEN = 8,
    LM_EMIT_POOLED = 16,
    LM_EMIT_LOSS = 32,
    LM_EMIT_LOGPROBS = 64
};

/* How the hidden states of a row become one: by the model's pooler, their mean (special tokens included), or
 * the first token's. AUTO is the pooler where there is one, else the mean. */
typedef enum lm_pool { LM_POOL_AUTO, LM_POOL_POOLER, LM_POOL_MEAN, LM_POOL_CLS } lm_pool;

bool lm_measured_per_token(lm_measured kind); /* logits have a row for each token, of LM_MEASURE_TARGETS for each of the target */
/* Rows of logits that a row has. */
int64_t lm_measured_units(lm_measured kind, const lm_tokens_row *row);

/* What is measured beyond counts, and how. All zero: what a trainer wants between its steps. */
typedef struct lm_measure_options {
    bool ranks;       /* measures of ranking and calibration too: they keep all probabilities */
    int top_k;        /* of top-k accuracy, where there are more classes; 0 = 5 */
    lm_scheme scheme; /* how tags make entities */
    lm_answer_style answers; /* how texts of answers are compared */
    bool skip_unknown; /* a label or tag that the model does not have is no label, instead of a failure */
    bool intervals;   /* a confidence interval for each value, from a bootstrap */
    int resamples;    /* of the bootstrap */
    double level;     /* of the intervals: 0.95 */
    uint64_t seed;
} lm_measure_options;

enum { LM_BATCH_TOKENS = 1024 }; /* the usual: more of them take more memory, and save no time */

typedef struct lm_evaluate_options {
    int batch_tokens; /* most tokens of a batch; 0 = LM_BATCH_TOKENS. A longer row is a batch by itself */
    unsigned emit;    /* which outputs lm_evaluator_run hands out: LM_EMIT_* */
    int top;          /* of the logits only the largest so many; 0 = all */
    lm_pool pool;
    lm_measure_options measures;
} lm_evaluate_options;

/* Outputs of the rows of one call, in their order; NULL where not asked for. Valid until the next call. */
typedef struct lm_row_outputs {
    lm_measured kind;
    bool per_token; /* a unit of logits is a token (or one of the target's), else a row */
    int64_t rows, tokens, units;
    int columns;              /* of logits and probs */
    int width;                /* of hidden and pooled */
    int top;                  /* logits that are kept of each unit; 0 = all */
    const float *logits;      /* [units, columns] */
    const int32_t *top_index; /* [units, top] the largest first */
    const float *top_logits;  /* [units, top] */
    const float *top_rest;    /* [units] log-sum-exp of the others; -inf where there are none */
    const float *probs;       /* softmax, or for several classes sigmoid, of logits; NULL for numbers */
    const int32_t *classes;   /* [units] the most probable class */
    const uint8_t
        *chosen;         /* [rows, columns] 1 where a class has probability >= 1/2; LM_MEASURE_MULTI_LABEL */
    const int32_t *spans; /* [rows, 2] first and last token of the answer, 0 and 0 for none; LM_MEASURE_SPAN */
    const float *values; /* [rows, columns] of LM_MEASURE_VALUES */
    const float *hidden; /* [tokens, width] after the last block */
    const float *pooled; /* [rows, width] */
    const float *logprobs; /* [tokens], or of the targets [units]; NaN where a token is not predicted */
    const float
        *loss; /* [rows]; of tokens: the mean over the row's labelled ones. NaN for a row without a label */
} lm_row_outputs;

/* A row among the outputs of a call: the row itself, its number, that of its first token and of its first row of logits. */
typedef struct lm_place {
    const lm_tokens_row *row;
    int64_t at, token, unit;
} lm_place;

void lm_place_next(lm_place *p, lm_measured kind); /* to the next row */
/* Those of `n` rows from a place on, which moves behind them. */
lm_row_outputs lm_row_outputs_part(const lm_row_outputs *o, lm_place *from, int64_t n);

typedef struct lm_evaluator lm_evaluator;

/* Borrows the model. The graph is borrowed too, or made where NULL. Fails where an output is asked for that
 * the head does not have. */
lm_evaluator *lm_evaluator_new(lm_model *model, lm_graph *graph, const lm_evaluate_options *options,
                               lm_status *st);
void lm_evaluator_free(lm_evaluator *e);
lm_measured lm_evaluator_kind(const lm_evaluator *e); /* as far as is known before labels have been seen */

/* Hands out these too (LM_EMIT_*), as far as the head has them; over a vocabulary none. Before the first run.
 */
void lm_evaluator_also(lm_evaluator *e, unsigned emit);
/* The ids of the stream that comes: which token masks, and which are no text. For logprobs of a masked
 * language model, which masks each token of a text in turn; refused there where no mask is named. */
bool lm_evaluator_tokenizer(lm_evaluator *e, const lm_tokenizer_info *info, lm_status *st);

/* The names of the classes that `tags` of the rows to come has by number (the preamble's `tags`): they are
 * matched with the model's by name. Without this call the numbers are the model's own. A name that the model
 * does not have fails, unless the model's classes have no names of their own and are as many. */
bool lm_evaluator_tags(lm_evaluator *e, const json_t *names, lm_status *st);
/* The same of the columns of `multi_label` (the preamble's `labels`), which have to be the model's classes in their order:
 * what one column says cannot be another class. */
bool lm_evaluator_columns(lm_evaluator *e, const json_t *names, lm_status *st);

/* Refuses what cannot be run or measured: ids that the model does not have, rows that are too long, a label word that is
 * none of the model's classes (named), a label of the wrong kind. `record` is for messages (0 = not known). */
bool lm_evaluator_check(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, uint64_t record, lm_status *st);
/* Checks n rows, runs them and counts them. `out` or NULL. */
bool lm_evaluator_run(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, uint64_t record,
                      lm_row_outputs *out, lm_status *st);
/* The same of rows whose logits are known: [n, columns], or for heads over tokens [tokens, columns]. Nothing is computed. */
bool lm_evaluator_take(lm_evaluator *e, const lm_tokens_row *rows, int64_t n, const float *logits, lm_status *st);
int lm_evaluator_logits(const lm_evaluator *e); /* columns of the logits */
int lm_evaluator_batch_tokens(const lm_evaluator *e);

/* What the first parts of the model (lm_model_parts) give for rows that are known beforehand. */
typedef struct lm_evaluate_prefix {
    int parts;
    bool first_tokens; /* of each row its first token's vector, which is all that the head looks at; else all tokens' */
    /* Writes the vectors of n rows, the first of which is number `first` since the start or the last reset. */
    void (*take)(void *context, uint64_t first, int n, float *to);
    void *context;
} lm_evaluate_prefix;

/* From here on batches begin behind the prefix. */
void lm_evaluator_begin_behind(lm_evaluator *e, const lm_evaluate_prefix *prefix);

/* The report over all rows since the start or the last reset: rows, tokens, labelled, loss, and by kind
 *   classes: accuracy, means of precision, recall and F1, mcc, top-k; with ranks roc_auc, average_precision, brier, ece
 *   several: accuracy (exact match), hamming_loss, means; with ranks roc_auc, average_precision
 *   numbers: mse, rmse, mae, r2, pearson, spearman
 *   tags:    accuracy of tokens and, over entities, precision, recall, f1 and their means over types; tags that are no
 *            entities are classes
 *   tokens:  perplexity, accuracy
 *   targets: perplexity, accuracy
 *   next:    perplexity, accuracy and, where the rows keep their texts, word_perplexity, byte_perplexity, bits_per_byte
 *   answers: exact_match, f1; where some questions have none, of those and of the others
 * and the signature that tells what was computed. `per_class` adds precision, recall, f1 and support of each class or
 * type. The caller frees it. */
lm_report *lm_evaluator_report(lm_evaluator *e, bool per_class);
/* Adds to it how another model did on the same rows (metrics/compare.h): by what it predicts, a line for each row; or by
 * another evaluator that has seen the same rows, whose model `name` is. */
bool lm_evaluator_compare(lm_evaluator *e, lm_input *in, lm_report *report, lm_status *st);
bool lm_evaluator_compare_with(lm_evaluator *e, lm_evaluator *other, const char *name, lm_report *report, lm_status *st);
void lm_evaluator_reset(lm_evaluator *e);

#endif
