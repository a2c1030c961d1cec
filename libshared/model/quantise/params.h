/* What the parameters of a model will be once it has been saved and quantised: for training that knows of it (graph/fake.h). */
#ifndef LM_MODEL_QUANTISE_PARAMS_H
#define LM_MODEL_QUANTISE_PARAMS_H

#include "model/model.h"
#include "model/quantise/types.h"

/* to: [parameters] the type that each becomes by `quant -t type` (lm_quantise_model), LM_F32 where it stays what it is. Of ggml's types
 * the model has to have a name in GGUF; of bitsandbytes' it is the linear layers but those of the head. Fails where none is quantised. */
bool lm_quantise_params(lm_model *m, const lm_quantise_type *type, lm_dtype *to, lm_status *st);

/* Whether bitsandbytes quantises it: the matrix of a linear layer of the body. Heads stay as they are. */
bool lm_quantise_is_layer(const lm_model *m, const lm_param *p);

#endif
