/* What may stand where a text has a mask: a model that sees both sides (BERT) says so for each of them. */
#ifndef LM_GENERATE_FILL_MASK_H
#define LM_GENERATE_FILL_MASK_H

#include "generate/generate.h"

/* The masks of a request: what is likeliest at each. */
typedef struct lm_filled {
    const lm_request *request;
    int count;                   /* masks */
    const int32_t *at;           /* [count] places among the request's tokens, ascending */
    const lm_token_logprob *top; /* [count][top] best first; log-probabilities over the vocabulary */
} lm_filled;

/* Whether it is such a model. */
bool lm_fills_masks(const lm_model *m);

/* Takes requests as lm_generate does, up to `batch` at a time, and hands over, in their order, the `top` likeliest tokens for each
 * `mask` of theirs. Fails with "record R: ..." where one has none, or is longer than the model takes. calls->token is not used. */
bool lm_fill_masks(lm_model *m, int32_t mask, int top, int batch, const lm_generate_calls *calls,
                   bool (*done)(void *context, const lm_filled *filled, lm_status *st), lm_status *st);

#endif
