/* What `quant -t` can say: a type for all matrices, or a mix of types, in llama.cpp's words. */
#ifndef LM_MODEL_QUANTISE_TYPES_H
#define LM_MODEL_QUANTISE_TYPES_H

#include "tensor/dtype.h"

typedef enum lm_quantise_mix {
    LM_MIX_NONE, /* one type for all */
    LM_MIX_Q2_K,
    LM_MIX_Q2_K_S,
    LM_MIX_Q3_K_S,
    LM_MIX_Q3_K_M,
    LM_MIX_Q3_K_L,
    LM_MIX_Q4_K_S,
    LM_MIX_Q4_K_M,
    LM_MIX_Q5_K_S,
    LM_MIX_Q5_K_M,
    LM_MIX_IQ4_NL
} lm_quantise_mix;

typedef struct lm_quantise_type {
    const char *name;
    lm_dtype dtype; /* of most matrices */
    lm_quantise_mix mix;
    int file_type;  /* general.file_type of GGUF (enum llama_ftype); -1 = GGUF has none */
    bool bnb;       /* bitsandbytes': scales are tensors of their own */
} lm_quantise_type;

extern const lm_quantise_type lm_quantise_types[]; /* ends with a name of NULL */
extern const char *const lm_quantise_type_names[]; /* the same, for lm_option.choices */
extern const char *const lm_quantise_type_synonyms[]; /* lm_option.synonyms: as others spell them */

/* A single type of ggml's by its name, in any case: "q6_k", "F16". */
bool lm_quantise_dtype(const char *name, lm_dtype *out);

#endif
