/* Models of the reference data, stored otherwise: as ggml's blocks, as bitsandbytes' layers, as GGUF files. */
#ifndef LM_TESTS_STORED_MODELS_H
#define LM_TESTS_STORED_MODELS_H

#include "tensor/dtype.h"

#include <stdbool.h>

/* Of a matrix: LM_F16, LM_BF16 or a type of blocks under its own name; NF4 or FP4, with scales that are quantised themselves or
 * are not; int8. */
typedef enum stored_kind { STORED_BLOCKS, STORED_FOUR_BITS, STORED_NESTED, STORED_INT8 } stored_kind;

/* The model at `from` with the matrices whose names hold `part` stored so, as a model stream in `dir`: its path, malloced.
 * conv1d: these are [in, out], of which bitsandbytes makes layers. */
char *stored_model(const char *dir, const char *from, const char *part, stored_kind how, lm_dtype dtype, bool conv1d);
/* The model at `from` as a GGUF file in `dir`, its matrices of the type where blocks divide their rows. */
char *stored_gguf(const char *dir, const char *from, lm_dtype dtype);

#endif
