/* The work of the program score: tokens in; a report, or the tokens with what the model makes of them. */
#ifndef LM_METRICS_SCORE_H
#define LM_METRICS_SCORE_H

#include "base/options.h"
#include "base/tool.h"
#include "metrics/choices.h"
#include "metrics/evaluate.h"
#include "metrics/written/written.h"

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
    /* of texts that were written (metrics/score_written.h) */
    lm_strings references;     /* files, each of which has a text for each that was written */
    const char *text, *target; /* fields of what was written, and of the references; NULL = text */
    int input_format;          /* lm_text_format */
    lm_strings metrics;        /* names, or several joined by commas; none = the usual */
    lm_written_options written;
    /* of questions (metrics/score_choices.h): its `choices` is NULL where these are not asked for, "" where no field is named */
    lm_choices_options choices;
    int activations;                  /* lm_activations: of layers with quantised weights */
} lm_score_options;

bool lm_score(const lm_score_options *o, lm_status *st);

#endif
