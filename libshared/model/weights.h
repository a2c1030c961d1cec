/* The tensors of a model's files (model.safetensors, shards with their index, or those of a model stream) and how they
 * become the parameters of a model. For the model floor. */
#ifndef LM_MODEL_WEIGHTS_H
#define LM_MODEL_WEIGHTS_H

#include "model/model.h"
#include "stream/bundle.h"

typedef struct lm_checkpoint lm_checkpoint;

/* All tensors as they are stored. Keeps the bundle. */
lm_checkpoint *lm_checkpoint_open(lm_bundle *b, lm_status *st);
typedef struct lm_checkpoint_place {
    size_t file, tensor;
} lm_checkpoint_place; /* zero-initialise */
const lm_safetensor *lm_checkpoint_next(const lm_checkpoint *c, lm_checkpoint_place *at); /* NULL past the last */
/* Whether all values are finite; reads every byte. The tensors that hold others are named. */
bool lm_weights_check(const lm_checkpoint *c, lm_status *st);
/* The same of one: appends what is wrong to `what`. */
bool lm_tensor_check(const lm_safetensor *t, lm_buf *what);

/* Points the parameters at their tensors. Names may carry the body's prefix or lack it, and have older
 * spellings; tied weights may be absent or stored. Parameters from index head_from on belong to the head:
 * where they are missing or of another shape they are left without data if options->allow_missing_head, and all
 * of them but those below the body's name if fresh_head. Fails naming every other parameter that is missing,
 * misshapen or of a dtype that is no float, and every tensor stored twice. What is dropped or initialised is said on
 * the log, and so is a tied weight that is stored with other values. */
bool lm_weights_load(lm_model *m, size_t head_from, const lm_model_options *options, lm_status *st);
void lm_weights_close(lm_checkpoint *c);

/* The parameter that a stored name means: as it is, with the body's prefix, or without it; NULL = none. `name` becomes the name
 * under which it was found, which may be a tied one. */
lm_param *lm_weights_resolve(const lm_model *m, const char *stored, char name[LM_NAME_MAX]);

/* The scope of the body's parameters: its name, or empty for a bare head. */
lm_scope lm_model_body(const lm_model *m);

#endif
