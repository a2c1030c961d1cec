/* The tensors of a Hugging Face directory (model.safetensors, or shards with their index) and how they become
 * the parameters of a model. For model.c. */
#ifndef LM_MODEL_WEIGHTS_H
#define LM_MODEL_WEIGHTS_H

#include "model/model.h"

typedef struct lm_checkpoint lm_checkpoint;

/* Points the parameters at their tensors. Names may carry the body's prefix or lack it, and have older
 * spellings; tied weights may be absent or stored. Parameters from index head_from on belong to the head:
 * where they are missing or of another shape they are left without data if options->allow_missing_head, and all
 * of them but those below the body's name if fresh_head. Fails naming every other parameter that is missing,
 * misshapen or of a dtype that is no float, and every tensor stored twice. */
bool lm_weights_load(lm_model *m, size_t head_from, const lm_model_options *options, lm_status *st);
void lm_weights_close(lm_checkpoint *c);

/* The scope of the body's parameters: its name, or empty for a bare head. */
lm_scope lm_model_body(const lm_model *m);

#endif
