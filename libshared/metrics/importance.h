/* How large the inputs of a model's layers are, column by column, on the rows that go through a graph: the importance matrix of
 * score --emit imatrix, which quantisers take (tensor/imatrix.h). Of the layers of its blocks, as llama-imatrix has it: not of the
 * output, nor of heads. */
#ifndef LM_METRICS_IMPORTANCE_H
#define LM_METRICS_IMPORTANCE_H

#include "model/model.h"

typedef struct lm_importance lm_importance;

/* Watches what goes through the graph from now on. Both have to live as long. Fails where GGUF has no names for the model. */
lm_importance *lm_importance_new(lm_model *m, lm_graph *g, lm_status *st);
void lm_importance_free(lm_importance *i);
/* Writes what has been seen: in the older form where `name` ends in .dat. `dataset` says what it was, for readers. */
bool lm_importance_write(const lm_importance *i, const char *dataset, int fd, const char *name, lm_status *st);

#endif
