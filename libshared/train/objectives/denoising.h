/* What the options say of what is hidden of a row: masks, spans, prefixes. */
#ifndef LM_TRAIN_DENOISING_H
#define LM_TRAIN_DENOISING_H

#include "base/options.h"
#include "text/masking.h"

#include <stdint.h>

/* `has_`: the option was given. */
typedef struct lm_denoising_options {
    double probability; /* share of the tokens that is hidden */
    int recipe;         /* lm_mask_recipe */
    bool whole_words;
    double replaced, random; /* shares of the hidden tokens that become the mask token, and any token */
    bool has_replaced, has_random;
    int64_t most; /* masked tokens of a row; 0 = no limit */
    bool has_most;
    int64_t copies; /* ways in which a row is masked; 0 = a new one in each epoch */
    double span_length; /* mean, of span corruption */
    bool has_span_length;
} lm_denoising_options;

#define LM_DENOISING_DEFAULTS {.probability = 0.15, .replaced = 0.8, .random = 0.1, .most = 20, .span_length = 3}

/* What can be seen to be wrong without a stream (LM_USAGE). */
bool lm_denoising_check(const lm_denoising_options *o, lm_status *st);
/* The columns of a stream that training reads then (stream/spool.h). */
const char *const *lm_denoising_columns(const lm_denoising_options *o);
/* The masking that they ask for, but for what the tokenizer says: ids, vocabulary, words. */
lm_masking lm_denoising_masking(const lm_denoising_options *o, uint64_t seed);

#endif
