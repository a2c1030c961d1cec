/* Inside quantise: a model that becomes another. job.c says what is to be made of which tensor, pass.c makes it, sink.c writes it. */
#ifndef LM_MODEL_QUANTISE_JOB_H
#define LM_MODEL_QUANTISE_JOB_H

#include "model/gguf/gguf_model.h"
#include "model/quantise/quantise.h"
#include "model/weights.h"
#include "tensor/imatrix.h"

/* What happens to the values on the way, before their type changes. */
typedef enum lm_quantise_step {
    LM_STEP_STORED, /* rows as they are stored: from GGUF to GGUF, and what is alike on both sides */
    LM_STEP_HERE,   /* as Hugging Face has them (lm_weight_read) */
    LM_STEP_THERE   /* as `how` says (lm_gguf_rows_there) */
} lm_quantise_step;

typedef struct lm_quantise_tensor {
    const lm_weight *from;
    char *name;             /* in the output */
    lm_shape shape;         /* in the output */
    lm_dtype to;
    lm_quantise_step step;
    lm_gguf_weight how;
    const float *importance; /* [row width]; NULL = alike */
    bool free;               /* --target-size may choose its type */
    size_t output, outputs;  /* its tensors in the output: of bitsandbytes' several */
    lm_safetensor *parts;    /* of these, beside the first: names are malloced */
} lm_quantise_tensor;

typedef struct lm_quantise_job {
    const lm_quantise_options *options;
    const lm_quantise_type *type; /* of most */
    lm_quantise_form form;
    lm_bundle *bundle;
    lm_checkpoint *checkpoint;
    lm_config *config;      /* of the output, but for a GGUF file that becomes one */
    lm_gguf_names *names;   /* NULL: GGUF's names are not known, or not needed */
    lm_imatrix *importance;
    lm_quantise_tensor *tensors;
    size_t count, cap;
    lm_safetensor *outputs; /* what is written, in this order; data are not looked at */
    size_t output_count;
    uint64_t bytes_before, bytes_after;
} lm_quantise_job;

bool lm_quantise_job_open(lm_quantise_job *j, const lm_quantise_options *options, lm_status *st);
void lm_quantise_job_close(lm_quantise_job *j);

/* The output: bytes come tensor by tensor, in order. */
typedef struct lm_quantise_sink lm_quantise_sink;
lm_quantise_sink *lm_quantise_sink_open(lm_quantise_job *j, lm_status *st);
bool lm_quantise_sink_put(lm_quantise_sink *s, size_t output, const void *bytes, size_t n, lm_status *st);
/* Both free it: what was written appears, or is gone. */
bool lm_quantise_sink_publish(lm_quantise_sink *s, lm_status *st);
void lm_quantise_sink_discard(lm_quantise_sink *s, const lm_status *why);

/* The header of a GGUF file: metadata and tensors. NULL: failed. */
lm_gguf_writer *lm_quantise_header(const lm_quantise_job *j, lm_status *st);

/* Chooses the types of free tensors so that the GGUF file has at most options->target_size bytes: from the smallest types on, the
 * step up that takes most error away for its bytes, as long as one fits. The error of a type is measured on some rows of each
 * matrix: numbers times squared differences (weighed by importance) over squares. */
bool lm_quantise_fit(lm_quantise_job *j, lm_status *st);

/* All tensors into the sink. */
bool lm_quantise_pass(lm_quantise_job *j, lm_quantise_sink *s, lm_status *st);

/* Rows of a tensor, and the numbers of one; a vector is one row. */
typedef struct lm_quantise_rows {
    int64_t rows, width;
} lm_quantise_rows;
lm_quantise_rows lm_quantise_rows_of(const lm_quantise_tensor *t);

/* bitsandbytes' codes, which are no rows by themselves, and always the layer's [out, in]. */
bool lm_quantise_is_codes(const lm_weight *w);
/* Rows of the output as float32: where they are, if they are that already, else in scratch. `expanded`: all of the tensor's numbers as
 * they are stored, of codes. NULL: it has no numbers. */
const float *lm_quantise_read_rows(const lm_quantise_tensor *t, const float *expanded, int64_t first, int64_t n, float *scratch);

/* Of bitsandbytes' layout (bnb.c): the tensors beside the codes, their sizes known from the shape; and their bytes, from the
 * greatest magnitudes [blocks], or of int8 [rows]. */
void lm_quantise_bnb_parts(const lm_quantise_job *j, lm_quantise_tensor *t);
bool lm_quantise_bnb_put(const lm_quantise_job *j, const lm_quantise_tensor *t, const float *absmax, lm_quantise_sink *s,
                         lm_status *st);
/* config.json's quantization_config; skipped: modules that stay floats. */
void lm_quantise_bnb_config(const lm_quantise_job *j, lm_config *c, const lm_strings *skipped);

#endif
