/* Greedy decoding: a row goes on with the token whose logit is largest, one after the other; of equal ones that with the
 * smallest id. */
#ifndef LM_GENERATE_GREEDY_H
#define LM_GENERATE_GREEDY_H

#include "model/model.h"

typedef struct lm_greedy_options {
    int max_new_tokens;
    const int32_t *stop; /* ids that end a row, whose last token they are then */
    int stop_count;
} lm_greedy_options;

/* What a row goes on with, without the prompt. Zero-initialise; lm_continuation_free. */
typedef struct lm_continuation {
    int32_t *ids;
    int count, cap;
    bool stopped; /* at one of `stop`; else the row is as long as it may be, or as the model takes */
} lm_continuation;

void lm_continuation_free(lm_continuation *c);

/* Of each row of `prompts`: what the rows begin with, or what the encoder reads where the model has one, and then they begin
 * with decoder_start_token_id. out: [rows]. Rows do not depend on one another; one that has ended costs nothing more. */
bool lm_greedy(lm_model *m, const lm_batch *prompts, const lm_greedy_options *how, lm_continuation *out, lm_status *st);

#endif
