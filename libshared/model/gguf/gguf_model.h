/* Models in GGUF files, in Hugging Face's words: config.json and metadata, names of tensors, and what happens to their values on
 * the way, in both directions, as llama.cpp's converter has it (conversion/ and gguf-py/gguf/tensor_mapping.py there).
 *
 * Architectures of llama.cpp that are known: llama (also Mistral), qwen2, qwen3, gemma, gpt2, bert (also RoBERTa and
 * DistilBERT), t5, t5encoder. Heads: language models, T5's, and the classifiers of BERT, RoBERTa and Qwen3; a head for masked
 * tokens has no place in such a file, since llama.cpp refuses tensors that it does not know, and is left out, with a warning.
 * Other heads are refused.
 *
 * The file's own metadata decides. What it cannot say (dropout, labels of a decoder, the class) is read from the entry
 * `lmutils.config`, the text of config.json, where a file has it; other readers ignore it. */
#ifndef LM_MODEL_GGUF_GGUF_MODEL_H
#define LM_MODEL_GGUF_GGUF_MODEL_H

#include "model/config.h"
#include "tensor/gguf.h"
#include "tensor/gguf_write.h"
#include "text/tokenizer.h"

/* ---- tensors */

/* How a model of one config is called there. */
typedef struct lm_gguf_names lm_gguf_names;

/* NULL, with the reason, where llama.cpp has nothing that computes it. Where it has, but computes something else (another
 * activation), a warning says so, unless `quiet`. The config has to outlive it. */
lm_gguf_names *lm_gguf_names_new(lm_config *c, bool quiet, lm_status *st);
void lm_gguf_names_free(lm_gguf_names *n);
const char *lm_gguf_names_architecture(const lm_gguf_names *n); /* "llama": of general.architecture, and before keys */
int lm_gguf_names_layers(const lm_gguf_names *n);               /* of both stacks */

/* One tensor here (Hugging Face's), and there. `here` is stored as `there` after these steps, of which each tensor has one
 * at most: */
typedef struct lm_gguf_weight {
    char here[192], there[64]; /* names */
    int heads;                 /* rows are interleaved by head, 0 = they are not: lm_interleaved_row (tensor/quantised.h) */
    bool transposed;           /* [in, out] here, [out, in] there: GPT-2's */
    float offset;              /* what is added there: 1, of Gemma's norms */
    int first_row;             /* rows before this one are left out: RoBERTa's positions, which begin behind the padding */
    int layer;                 /* number of the block, from 0 in each stack; -1 = of none */
} lm_gguf_weight;

typedef enum lm_gguf_place {
    LM_GGUF_UNKNOWN, /* no tensor of this model */
    LM_GGUF_OMITTED, /* nobody there reads it: a buffer, a copy of tied weights, a head for masked tokens */
    LM_GGUF_STORED,
} lm_gguf_place;

/* Where the tensor `here` of a checkpoint goes. The names of its class, and those without or with the body's prefix, are
 * known, and BERT's gamma and beta. */
lm_gguf_place lm_gguf_place_of(const lm_gguf_names *n, const char *here, lm_gguf_weight *out);
/* What the tensor `there` of a file is: LM_GGUF_STORED, `here` being its name in a model of the config's class. */
lm_gguf_place lm_gguf_weight_of(const lm_gguf_names *n, lm_str there, lm_gguf_weight *out);

/* The shape on the other side. False where this shape cannot be one of such a tensor. */
bool lm_gguf_shape_there(const lm_gguf_weight *w, const lm_shape *here, lm_shape *there);
bool lm_gguf_shape_here(const lm_gguf_weight *w, const lm_shape *there, lm_shape *here);

/* Rows [first, first + n) of the tensor there, as float32, from the whole tensor here: `data` of type `type` and shape `here`
 * (a vector is one row, but for one with `heads`, of which each number is a row). The steps above are taken. */
bool lm_gguf_rows_there(const lm_gguf_weight *w, const lm_shape *here, lm_dtype type, const void *data, int64_t first, int64_t n,
                        float *out);
/* And back: rows of the tensor here, from the whole tensor there, of shape `there`. Rows that are left out there are 0. */
bool lm_gguf_rows_here(const lm_gguf_weight *w, const lm_shape *there, lm_dtype type, const void *data, int64_t first, int64_t n,
                       float *out);

/* ---- config.json */

/* The config.json of the model in a file. */
lm_config *lm_gguf_config(const lm_gguf *f, lm_status *st);

/* What a file says of a model: general.*, ARCH.*, and of its tokenizer (lm_tokenizer_put_gguf of text/tokenizer.h; a file without
 * one is good for ids). A tensor that llama.cpp wants and no checkpoint has, the factors of rotary positions that are scaled as
 * Llama 3's, is put, too, before those of the caller; lm_gguf_extra_data writes its bytes, before the caller writes his. */
typedef struct lm_gguf_description {
    const char *name;              /* general.name; NULL = none */
    int file_type;                 /* general.file_type: llama.cpp's number of the mix */
    const lm_tokenizer *tokenizer; /* NULL = none */
    lm_str chat_template;          /* data NULL = the tokenizer's own, if it has one */
    int vocab_size;                /* rows of the embedding */
} lm_gguf_description;
bool lm_gguf_describe(lm_gguf_writer *w, const lm_gguf_names *n, const lm_gguf_description *d, lm_status *st);
bool lm_gguf_extra_data(lm_gguf_writer *w, const lm_gguf_names *n, lm_status *st);

#endif
