/* What an evaluator hands out of the rows of one call (lm_row_outputs): room for it, filled while batches go
 * through the model. For evaluate.c. */
#ifndef LM_METRICS_GATHER_H
#define LM_METRICS_GATHER_H

#include "metrics/evaluate.h"

/* Memory that is used again from call to call. */
typedef struct lm_room {
    void *data;
    size_t bytes;
} lm_room;

/* Room for `count` elements; what was there is lost. NULL where there is none; `what` is for the message. */
void *lm_room_make(lm_room *r, size_t count, size_t size, const char *what, lm_status *st);

enum {
    LM_OUT_LOGITS,
    LM_OUT_TOP_INDEX,
    LM_OUT_TOP,
    LM_OUT_REST,
    LM_OUT_PROBS,
    LM_OUT_CLASSES,
    LM_OUT_CHOSEN,
    LM_OUT_SPANS,
    LM_OUT_HIDDEN,
    LM_OUT_POOLED,
    LM_OUT_LOSS,
    LM_OUT_LOGPROBS,
    LM_OUTS
};

typedef struct lm_gather {
    lm_evaluate_options options;
    lm_measured kind;
    int columns, width, top; /* top: how many logits of a unit are kept; 0 = all */
    lm_room room[LM_OUTS];
} lm_gather;

/* Whether the model can give what options->emit asks for; replaces LM_POOL_AUTO by what it has. */
bool lm_gather_check(const lm_model *m, lm_measured kind, lm_evaluate_options *options, lm_status *st);
/* Makes room for the outputs of a call of out->rows, out->tokens and out->units, and fills `out`. */
bool lm_gather_begin(lm_gather *g, const lm_evaluate_options *options, lm_measured kind, int columns,
                     int width, lm_row_outputs *out, lm_status *st);
void lm_gather_free(lm_gather *g);

/* All take the places of rows and tokens within the call, and do nothing where the output is not asked for.
 */
/* The logits of unit number `at`: a row or, for heads over tokens, a token. */
void lm_gather_logits(lm_gather *g, const float *logits, int64_t at);
void lm_gather_loss(lm_gather *g, int64_t row, double loss);
/* A row's answer: its first and last token; 0 and 0 for none. */
void lm_gather_span(lm_gather *g, int64_t row, int32_t first, int32_t last);
float *lm_gather_logprobs(lm_gather *g, int64_t token); /* from there on; NULL where they are not asked for */
/* The hidden states (of two stacks the first's) and the pooled rows of a batch, which begins at `row` and `token`. */
void lm_gather_state(lm_gather *g, lm_graph *graph, const lm_outputs *out, const lm_batch *batch, int64_t row,
                     int64_t token);

/* What the forward pass has to keep for it. */
bool lm_gather_hidden(const lm_evaluate_options *options);
bool lm_gather_pooler(const lm_evaluate_options *options);
/* Whether all tokens' logits are handed out, not only those that carry a label. */
bool lm_gather_all_tokens(const lm_evaluate_options *options);

#endif
