/* Matrices as bitsandbytes' layers store them: several tensors that are one weight together (bitsandbytes, functional.py
 * QuantState and nn/modules.py; transformers, quantizers/quantizer_bnb_4bit.py and _8bit.py).
 *
 * X.weight in 4 bits: codes, whatever the dtype says that they lie in, and beside it X.weight.absmax, .quant_map,
 * .nested_absmax, .nested_quant_map and .quant_state.bitsandbytes__nf4 (or __fp4), JSON. In 8 bits: X.weight is I8, and X.SCB
 * has the greatest magnitude of each row, which stands for 127. */
#ifndef LM_MODEL_BITSANDBYTES_H
#define LM_MODEL_BITSANDBYTES_H

#include "base/arena.h"
#include "model/weights.h"

typedef struct lm_bitsandbytes lm_bitsandbytes;

/* Looks through the names of all tensors. What weights point to that is in no file comes from the arena. */
lm_bitsandbytes *lm_bitsandbytes_new(const lm_checkpoint *c, lm_arena *arena);
void lm_bitsandbytes_free(lm_bitsandbytes *b);

/* Whether some tensor is a part of another's weight, by the names. */
bool lm_bitsandbytes_any(const lm_bitsandbytes *b);

typedef enum lm_bitsandbytes_kind {
    LM_BITSANDBYTES_NONE,   /* a tensor by itself, or a failure */
    LM_BITSANDBYTES_WEIGHT, /* X.weight: *out is filled in */
    LM_BITSANDBYTES_PART    /* one of the others */
} lm_bitsandbytes_kind;
lm_bitsandbytes_kind lm_bitsandbytes_take(lm_bitsandbytes *b, const lm_safetensor *t, lm_weight *out, lm_status *st);

#endif
