/* Log-probabilities of tokens by a masked language model, which has none given the tokens before: each is
 * masked by itself, and predicted from all the others (pseudo-log-likelihood; Salazar et al. 2020, Masked
 * Language Model Scoring, arXiv 1910.14659). For evaluate.c. */
#ifndef LM_METRICS_PSEUDO_H
#define LM_METRICS_PSEUDO_H

#include "metrics/evaluate.h"

typedef struct lm_pseudo {
    lm_model *model;
    lm_graph *graph;
    int batch_tokens; /* most tokens of a batch of copies; a longer row is one by itself */
    int32_t mask_id;
    const int32_t *special; /* ids that are not masked: what a template adds is no text */
    int special_count;
} lm_pseudo;

/* logprobs[t] for each token of the row but the special ones, whose places stay as they are. A row of n
 * tokens costs the forward passes of n. */
bool lm_pseudo_logprobs(const lm_pseudo *p, const lm_tokens_row *row, float *logprobs, lm_status *st);

#endif
