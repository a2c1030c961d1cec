/* The other side of score --compare: a model, which is run over the same rows; the tokens that another model has
 * gone over, with its logits; or lines of what it has predicted. For score.c. */
#ifndef LM_METRICS_RIVAL_H
#define LM_METRICS_RIVAL_H

#include "metrics/evaluate.h"

typedef struct lm_rival lm_rival;

typedef struct lm_rival_options {
    const char *path;
    const char *tokenizer, *plugin, *task; /* as for the model that is compared */
    bool force;
    lm_activations activations;
    lm_evaluate_options evaluate; /* outputs are not asked for */
} lm_rival_options;

/* Opens a model, or sees that a file is there. */
lm_rival *lm_rival_open(const lm_rival_options *options, lm_status *st);
void lm_rival_free(lm_rival *v);
/* A stream begins. `info`: its tokenizer, where it is not the one before's; else NULL. */
bool lm_rival_begin(lm_rival *v, json_t *preamble, const lm_tokenizer_info *info, lm_status *st);
/* The next rows that `mine` has run. */
bool lm_rival_run(lm_rival *v, const lm_tokens_row *rows, int64_t n, lm_status *st);
/* Adds to mine's report how the other did; a file is read now. `model`: mine's. */
bool lm_rival_compare(lm_rival *v, lm_evaluator *mine, lm_model *model, lm_report *report, lm_status *st);

#endif
