/* What a trained tokenizer consists of beside its vocabulary. */
#ifndef LM_TEXT_TRAIN_SPECS_H
#define LM_TEXT_TRAIN_SPECS_H

#include "text/train/train.h"
#include "text/vocabulary.h"

#include <jansson.h>

enum { LM_BYTE_TOKENS = 256 };

/* The tokens that come first: special ones, then <0x00> to <0xFF> with byte_fallback. */
typedef struct lm_head_tokens {
    lm_str *items;
    size_t count, special_count;
    char (*bytes)[8]; /* what the byte tokens point into */
} lm_head_tokens;

void lm_head_tokens_make(const lm_tokenizer_training *o, lm_head_tokens *out);
void lm_head_tokens_free(lm_head_tokens *h);

/* tokenizer.json without vocabulary, of a tokenizer whose head tokens stand in `v` already. */
json_t *lm_trained_spec(const lm_tokenizer_training *o, const lm_head_tokens *head, const lm_vocabulary *v,
                        lm_status *st);
/* tokenizer_config.json; NULL where that of the tokenizer's own making serves. */
json_t *lm_trained_config(const lm_tokenizer_training *o);
/* The characters of byte-level BPE, one for each byte: 256 of them into `out`. */
void lm_byte_level_alphabet(uint32_t *out);

#endif
