/* Questions with several answers of which one is right, and how probable a model finds each (multiple choice, as
 * lm-evaluation-harness measures it): reading them, and the answers as tokens. */
#ifndef LM_METRICS_CHOICES_H
#define LM_METRICS_CHOICES_H

#include "metrics/fields.h"
#include "model/model.h"
#include "text/tokenizer.h"

typedef struct lm_choice {
    int32_t *ids;  /* [count] the context, or what the second stack starts with, and the answer */
    int count;
    int from;      /* where the answer begins, at least 1 */
    size_t characters, bytes; /* of the answer as it was given */
    double logprob;           /* of the answer's tokens, each given those before it */
} lm_choice;

typedef struct lm_question {
    lm_choice *choices;
    size_t count;
    size_t right;
    int32_t *source; /* what an encoder reads; NULL where there is none */
    int source_count;
    int shared;      /* tokens that all choices begin with, none of them of an answer */
    uint64_t digest;
    uint64_t number; /* of the record, from 1 */
} lm_question;

void lm_question_free(lm_question *q);

/* Strings are borrowed; NULL = the first of the usual names that a record has. */
typedef struct lm_choices_options {
    const char *context; /* field: context, ctx, question, query, prompt, goal, text */
    const char *choices; /* field, a list: choices, endings, options, answers */
    const char *label;   /* field: label, answer, gold, answerKey */
    const char *delimiter; /* between a context and an answer */
    int64_t shots;       /* examples of `examples` that are put before each context; 0 = all */
    const char *examples; /* a file of solved questions; NULL = none */
} lm_choices_options;

typedef struct lm_choice_reader lm_choice_reader;

/* `room`: most tokens that the model reads of a choice. */
lm_choice_reader *lm_choice_reader_new(const lm_choices_options *o, const lm_model *m, const lm_tokenizer *t, int room, lm_status *st);
void lm_choice_reader_free(lm_choice_reader *r);
/* The question that stands in the record of `f`. */
bool lm_choice_read(lm_choice_reader *r, lm_fields *f, lm_question *q, lm_status *st);

/* Gives all choices of n questions their log-probabilities. All of their tokens are held by the model at once. */
bool lm_choices_run(lm_model *m, lm_question *q, size_t n, lm_status *st);

#endif
