/* Log-probabilities of tokens as values of the tape, and losses that are computed of them outside: what learning from preferences and
 * rewards needs, where a loss is no sum over tokens. */
#ifndef LM_GRAPH_LOGPROBS_H
#define LM_GRAPH_LOGPROBS_H

#include "graph/graph.h"

/* [rows, 1]: log softmax(logits / temperature)[label] of each row; 0 where the label is LM_IGNORED. label: [rows], and lives as long as
 * the step. A vocabulary projection that is deferred stays so: its logits are computed twice, and never held. Fails where a label is no
 * column. */
lm_tensor *lm_token_logprobs(lm_graph *g, lm_tensor *logits, const int32_t *label, float temperature);

/* [1, 1]: a loss of x, whose value and whose derivatives by each element of x the caller has computed from lm_tensor_read(x). slope is
 * copied. */
lm_tensor *lm_computed_loss(lm_graph *g, lm_tensor *x, double loss, const float *slope);

#endif
