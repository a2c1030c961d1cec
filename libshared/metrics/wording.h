/* Rows and what is predicted for them in words, for people: the lines of `score --tsv` and the page of
 * --html. */
#ifndef LM_METRICS_WORDING_H
#define LM_METRICS_WORDING_H

#include "metrics/evaluate.h"
#include "text/tokenizer.h"

typedef struct lm_wording {
    const lm_config *config;       /* names of the classes */
    const json_t *tags;            /* names of the classes in the stream's own `tags`; NULL = the model's */
    const lm_tokenizer *tokenizer; /* NULL = none: tokens stay numbers, and only kept texts are known */
} lm_wording;

/* All append one line of well-formed UTF-8 without control characters, or nothing. */

/* The text that the stream keeps (tok --keep-text), else what the tokens say; `pair` the second text's. */
void lm_word_text(const lm_wording *w, const lm_tokens_row *row, lm_buf *text, lm_buf *pair);
/* The label: a class, classes, a number, tags, masked tokens; nothing where there is none. */
void lm_word_truth(const lm_wording *w, lm_measured kind, const lm_tokens_row *row, lm_buf *out);
/* What `out` predicts, in the same form; it holds predictions. */
void lm_word_prediction(const lm_wording *w, const lm_row_outputs *out, const lm_place *p, lm_buf *to);

/* Appends s, its control characters as spaces and what is no UTF-8 as U+FFFD. */
void lm_word_line(lm_str s, lm_buf *out);

#endif
