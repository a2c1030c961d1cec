/* Fake quantisation, for training that knows of it (Jacob et al. 2018, arXiv 1712.05877): a weight keeps its float32 value, which
 * gradients move, and is computed with as what it becomes when it is quantised and expanded again, by the functions that write
 * files (tensor/blocks.h). The gradient goes straight through to the value: no weight is clipped, since scales follow the largest. */
#ifndef LM_GRAPH_FAKE_H
#define LM_GRAPH_FAKE_H

#include "graph/params.h"

/* Whether there is such a type: ggml's blocks, NF4 and FP4 (blocks of LM_BNB_BLOCK), I8, F16, BF16. */
bool lm_fakes(lm_dtype type);
/* From now on the matrix p is computed with as its value of that type. Its rows, as a layer sees them ([out, in], also where it is
 * stored as [in, out]), have to be whole blocks. */
bool lm_param_fake(lm_param *p, lm_dtype type, lm_status *st);
/* Quantises the values that may have changed since the last call: to be called after each update. */
void lm_params_fake_again(lm_params *params);

#endif
