/* The work of the program score: tokens in; a report, or the tokens with what the model makes of them. */
#ifndef LM_METRICS_SCORE_H
#define LM_METRICS_SCORE_H

#include "base/options.h"
#include "base/tool.h"
#include "metrics/evaluate.h"

typedef struct lm_score_options {
    const lm_common *common; /* model, output, plugin, operands, command line */
    const char *task;        /* the head to use; NULL = the model's */
    const char *tokenizer;   /* directory whose tokenizer the stream is compared with; NULL = the model's */
    bool force;              /* take the tokens of another tokenizer */
    bool check;              /* look at every weight first */
    lm_strings emit;         /* words, or several joined by commas; none = a report */
    bool tsv;                /* emit lines of text, not a stream; predictions where emit has none */
    int64_t top;             /* of the logits only so many; 0 = all */
    int pool;                /* lm_pool */
    const char *html, *log;  /* a file for the page, and a log of training for its curves; or NULL */
    const char *report;      /* with emit: a file for the report, or NULL */
    bool json, per_class;    /* of the report */
    bool confusion;          /* the matrix too */
    lm_measure_options measures;
    const char *compare;     /* predictions of another model for the same rows, or NULL */
    lm_strings fail_under, fail_over; /* NAME=VALUE */
    int64_t batch_tokens;             /* 0 = the usual */
    int activations;                  /* lm_activations: of layers with quantised weights */
} lm_score_options;

bool lm_score(const lm_score_options *o, lm_status *st);

#endif
