/* Models from one type and form into another, tensor by tensor: what `quant` does.
 *
 * A tensor is read in rows, made float32, checked (what is not finite is refused by name), quantised on all threads and
 * written, so that there is never more in memory than some rows, whatever the model's size; of a stream that comes through a pipe, one
 * tensor, and no file is made of it. Sizes follow from shapes, so that the output can be a pipe, too. */
#ifndef LM_MODEL_QUANTISE_QUANTISE_H
#define LM_MODEL_QUANTISE_QUANTISE_H

#include "model/model.h"
#include "model/quantise/plan.h"

typedef enum lm_quantise_form {
    LM_QUANTISE_AUTO,   /* as the output's name says: NAME.gguf, NAME.lms and -, a directory or an archive; ggml's types
                         * without one of these: GGUF */
    LM_QUANTISE_GGUF,
    LM_QUANTISE_HF,     /* a directory or an archive */
    LM_QUANTISE_STREAM,
} lm_quantise_form;
extern const char *const lm_quantise_form_names[]; /* "auto", "gguf", "hf", "stream"; NULL-terminated */

typedef struct lm_quantise_options {
    const char *model, *output; /* "-" is standard input or output */
    const char *plugin_path;
    lm_plan_options plan;       /* plan.type NULL with `target_size`: choose */
    int form;                   /* lm_quantise_form */
    bool dequantise;            /* nothing is quantised: plan.type says which float is written */
    const char *importance;     /* --imatrix: llama.cpp's .dat or GGUF; NULL = none */
    int64_t target_size;        /* bytes of the output; 0 = no aim */
    bool nested;                /* bitsandbytes' double quantisation */
    int block;                  /* of NF4 and FP4 */
    lm_strings skip;            /* modules that stay floats in bitsandbytes' layout; none = heads */
    uint64_t shard_bytes;
    const char *command;        /* this invocation, for streams */
} lm_quantise_options;

/* Quantises options->model into options->output. */
bool lm_quantise_model(const lm_quantise_options *options, lm_status *st);
/* Appends what lm_quantise_model would make: a table of the tensors with types and bytes before and after, and their totals. */
bool lm_quantise_plan(const lm_quantise_options *options, lm_buf *out, lm_status *st);

typedef enum lm_table_form { LM_TABLE_TEXT, LM_TABLE_TSV, LM_TABLE_JSON } lm_table_form;
/* Appends the tensors of a model, in the order of its files: name, shape, type, bytes, and totals by type. */
bool lm_quantise_inspect(const char *model, lm_table_form form, lm_buf *out, lm_status *st);

#endif
