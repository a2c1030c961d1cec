/* The tables behind gguf_model.h: families of models as Hugging Face and as llama.cpp name their parts. For this directory. */
#ifndef LM_MODEL_GGUF_GGUF_FAMILIES_H
#define LM_MODEL_GGUF_GGUF_FAMILIES_H

#include "model/gguf/gguf_model.h"

typedef enum lm_gguf_row_flags {
    LM_GGUF_BIAS = 1,         /* a bias is known beside the weight, */
    LM_GGUF_INNER_BIAS = 2,   /* and here only in families that say so */
    LM_GGUF_QUERY = 4,        /* rows by head, */
    LM_GGUF_KEY = 8,          /* by head of the keys */
    LM_GGUF_TRANSPOSED = 16,
    LM_GGUF_NORM = 32,        /* the family's norm_offset is added */
    LM_GGUF_POSITIONS = 64,   /* rows up to the padding's are left out, where the family's begin behind it */
    LM_GGUF_OUTSIDE = 128,    /* not below the body's name */
    LM_GGUF_UNLESS_TIED = 256,
    LM_GGUF_OF_CLASSIFIER = 512,
    LM_GGUF_IF_GATED = 1024,
    LM_GGUF_UNLESS_GATED = 2048,
    LM_GGUF_ANY_END = 4096,   /* whatever follows the name here */
} lm_gguf_row_flags;

/* A tensor, without ".weight" and ".bias"; '#' is the number of a block. One of the names may be NULL: it is left out there,
 * or nobody reads it here. */
typedef struct lm_gguf_row {
    const char *here, *there;
    unsigned flags;
} lm_gguf_row;

/* A member of config.json that is an entry ARCH.there. */
typedef struct lm_gguf_key {
    const char *there, *here;
    bool real;        /* a number; else an integer */
    double otherwise; /* where config.json does not say; NAN = it has to */
} lm_gguf_key;

typedef enum lm_gguf_head { LM_GGUF_BARE, LM_GGUF_LANGUAGE, LM_GGUF_CLASSIFIER, LM_GGUF_MASKED } lm_gguf_head;

typedef struct lm_gguf_class {
    const char *names; /* parted by blanks, in the order of the model types */
    lm_gguf_head head;
} lm_gguf_class;

typedef struct lm_gguf_family {
    const char *architecture; /* of llama.cpp */
    const char *model_types;  /* parted by blanks */
    const char *body;         /* the prefix of what is in the body; "" = none */
    const lm_gguf_row *rows;
    const lm_gguf_key *keys;
    lm_gguf_class classes[5]; /* the first one is meant where config.json names none */
    const char *heads, *kv_heads; /* members of config.json */
    const char *positions;    /* that of the longest row */
    bool head_width;          /* head_dim is always said: it has nothing to do with the width */
    bool interleaved;         /* rows of queries and keys */
    bool inner_bias;
    bool tied;                /* where config.json does not say */
    bool past_padding;        /* positions begin behind the padding's number */
    float norm_offset;
    const char *activation, *activations; /* the member, and what llama.cpp computes (parted by blanks) */
} lm_gguf_family;

extern const lm_gguf_family lm_gguf_families[]; /* ended by one without architecture */

struct lm_gguf_names {
    const lm_gguf_family *family;
    lm_config *config;
    lm_gguf_head head;
    char *class_name; /* of the model that is written: without a head that is left out; malloced */
    bool tied, gated;
    int heads, kv_heads, first_row, layers;
};

/* Whether the output is the embedding, as config.json has it. */
bool lm_gguf_is_tied(lm_config *c, const lm_gguf_family *f);
/* Whether T5's inner layer is gated. */
bool lm_gguf_is_gated(lm_config *c);
/* Columns of a head, for what has rotary positions. */
int lm_gguf_head_width(lm_config *c, const lm_gguf_family *f);
/* What llama.cpp divides the frequencies of a head's columns by, where they are scaled as Llama 3's: malloced, *n of them.
 * NULL where config.json says of no such scaling. */
float *lm_gguf_rope_factors(lm_config *c, const lm_gguf_family *f, int *n);
/* The member of a key that an entry of the file has, "block_count". */
const char *lm_gguf_member(const lm_gguf_family *f, const char *there);
bool lm_gguf_is_t5(const lm_gguf_family *f);

#define LM_GGUF_CONFIG_KEY "lmutils.config"
#define LM_GGUF_ROPE_FACTORS "rope_freqs.weight"

/* Whether `word` is one of `words`, which are parted by blanks; *index (or NULL) becomes its number. */
bool lm_gguf_is_one_of(const char *words, const char *word, int *index);
/* The word of that number, malloced. */
char *lm_gguf_word(const char *words, int index);

#endif
