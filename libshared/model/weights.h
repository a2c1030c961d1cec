/* The tensors of a model's files (model.safetensors, shards with their index, those of a model stream or of a GGUF file) and
 * how they become the parameters of a model. For the model floor. */
#ifndef LM_MODEL_WEIGHTS_H
#define LM_MODEL_WEIGHTS_H

#include "model/gguf/gguf_model.h"
#include "model/model.h"
#include "stream/bundle.h"

typedef struct lm_checkpoint lm_checkpoint;

/* Keeps the bundle. */
lm_checkpoint *lm_checkpoint_open(lm_bundle *b, lm_status *st);
void lm_checkpoint_close(lm_checkpoint *c);
const char *lm_checkpoint_name(const lm_checkpoint *c); /* for messages */

/* All tensors as they are stored, but those of a GGUF file. */
typedef struct lm_checkpoint_place {
    size_t file, tensor;
} lm_checkpoint_place; /* zero-initialise */
const lm_safetensor *lm_checkpoint_next(const lm_checkpoint *c, lm_checkpoint_place *at); /* NULL past the last */

/* A weight of the model: one tensor, or those of bitsandbytes that are one matrix together. */
typedef struct lm_weight {
    const char *name; /* Hugging Face's */
    lm_shape shape;   /* as it has it there; of a Conv1D that bitsandbytes has quantised that of the layer, [out, in] */
    lm_dtype dtype;
    const void *data;
    size_t bytes;                  /* of all that is stored for it */
    const lm_quantised *quantised; /* a matrix as it is stored; NULL = it is no matrix, or of a type that has none */
    bool transposed;               /* quantised is [out, in] where shape is [in, out] */
    const lm_gguf_tensor *there;   /* of a GGUF file: what becomes the weight by the steps of `how`. NULL = it is of none */
    lm_gguf_weight how;
} lm_weight;

/* Whether the rows of a matrix are a layer's outputs, [out, in], also where its parameter is a Conv1D's [in, out]: so bitsandbytes
 * has codes, and so blocks are in a stream, where they have to be those of rows. */
bool lm_weight_is_by_rows(const lm_weight *w);

/* Of a bundle that is read forward (lm_bundle_open_forward) the weights have no data but those that lm_checkpoint_bring has read on to,
 * in their order, w = NULL being the end of the stream; of any other it does nothing. Where several tensors are one weight, all of them
 * are taken to a file when it is opened. */
bool lm_checkpoint_bring(lm_checkpoint *c, const lm_weight *w, lm_status *st);

size_t lm_checkpoint_weights(const lm_checkpoint *c);
const lm_weight *lm_checkpoint_weight(const lm_checkpoint *c, size_t i); /* in the order of the files */
/* Rows [first, first + n) along the first dimension (all numbers of what has less than two are one row), as float32. False for
 * a type that is no number. */
bool lm_weight_read(const lm_weight *w, int64_t first, int64_t n, float *out);
/* Whether all values are finite: appends what is wrong to `what`. What is no floating type is. */
bool lm_weight_check(const lm_weight *w, lm_buf *what);
/* The same of all, read byte by byte; those that hold others are named. */
bool lm_weights_check(const lm_checkpoint *c, lm_status *st);

/* Points the parameters at their tensors. Names may carry the body's prefix or lack it, and have older
 * spellings; tied weights may be absent or stored. Parameters from m->head_from on belong to the head:
 * where they are missing or of another shape they are left without data if options->allow_missing_head, and all
 * of them but those below the body's name if fresh_head. Fails naming every other parameter that is missing,
 * misshapen or of a dtype that is no float, and every tensor stored twice. What is dropped or initialised is said on
 * the log, and so is a tied weight that is stored with other values. */
bool lm_weights_load(lm_model *m, const lm_model_options *options, lm_status *st);

/* The parameter that a stored name means: as it is, with the body's prefix, or without it; NULL = none. `name` becomes the name
 * under which it was found, which may be a tied one. */
lm_param *lm_weights_resolve(const lm_model *m, const char *stored, char name[LM_NAME_MAX]);

/* The scope of the body's parameters: its name, or empty for a bare head. */
lm_scope lm_model_body(const lm_model *m);
/* Whether a parameter is the body's. A pooler comes with the heads that need one, and yet is. */
bool lm_model_in_body(const lm_model *m, const lm_param *p);

#endif
