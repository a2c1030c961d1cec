/* Which type each tensor becomes: the rules of llama-quantize (llama.cpp, src/llama-quant.cpp), as facts.
 *
 * Only matrices called *.weight are quantised, and of these no norms, positions, token types, expert gates nor T5's relative
 * biases. A mix gives more bits to the layers that need them: values and what leads down of some blocks, output and
 * embedding. Where a row is no whole blocks a type with smaller ones stands in: Q4_0 for Q2_K and Q3_K, Q5_0 for Q4_K, Q5_1 for Q5_K,
 * Q8_0 for Q6_K, and F16 where even 32 do not divide it. */
#ifndef LM_MODEL_QUANTISE_PLAN_H
#define LM_MODEL_QUANTISE_PLAN_H

#include "model/config.h"
#include "base/options.h"
#include "model/quantise/types.h"

typedef struct lm_planned {
    const char *name;  /* as GGUF has it */
    lm_shape shape;    /* rows of input width last */
    lm_dtype from;
    bool fixed;        /* by the caller: it is not quantised, whatever its name */
    bool quantisable;  /* the rules let it be another type than what is kept: set by the plan */
    bool named;        /* an option says what it becomes */
    lm_dtype to;
    lm_dtype wanted;   /* what no block divides the row for; else the same as `to` */
} lm_planned;

typedef struct lm_plan_options {
    const lm_quantise_type *type;
    lm_strings tensor_types;  /* REGEX=TYPE, on GGUF's names: the first that matches counts */
    const char *output_type;  /* of the output matrix; NULL = by the mix */
    const char *embedding_type;
    bool pure;                /* no mix: one type for all that is quantised */
    bool keep_output;         /* the output matrix stays a float */
} lm_plan_options;

typedef struct lm_plan_facts {
    int layers;          /* blocks (of the first stack) */
    int heads, kv_heads; /* 0 = not known */
    bool llama;          /* general.architecture: of the 70B model values are treated better */
    bool importance;     /* there is an importance matrix */
    bool keep_types;     /* what is not quantised stays as it is (a GGUF file's), else it becomes F32 */
} lm_plan_facts;
/* Layers and heads as a config.json has them, whatever its family calls them. */
void lm_plan_facts_of(lm_config *c, lm_plan_facts *facts);

/* Whether the rules let a tensor be quantised at all. */
bool lm_plan_allows(const char *name, int dims, bool keep_output);
/* Fills in quantisable, to and wanted of all `count` tensors. Fails (LM_USAGE) for an option that cannot be read or a REGEX that no
 * tensor's name matches, and where Q2_K_S has no importance matrix. */
bool lm_plan_types(lm_planned *tensors, size_t count, const lm_plan_options *options, const lm_plan_facts *facts, lm_status *st);
/* `type` if its block divides rows of `width`, else what stands in for it. */
lm_dtype lm_plan_fitting(lm_dtype type, int64_t width);

#endif
