/* The inside of the models: what each file of this directory gives to the table in models.c. */
#ifndef LM_TEXT_MODELS_MODELS_H
#define LM_TEXT_MODELS_MODELS_H

#include "text/components/components.h"

struct lm_token_model_type {
    /* The tables stand already; the members of the spec are still to be read. */
    bool (*read)(lm_token_model *m, json_t *spec, lm_status *st);
    void (*encode)(const lm_token_model *m, lm_str word, size_t chars, lm_model_scratch *scratch,
                   lm_token_list *out);
    /* As lm_token_model_walk, to a list that is empty; NULL where words are not given in parts. */
    bool (*walk)(const lm_token_model *m, lm_str word, bool bytes, lm_word_walk *walk, lm_model_scratch *scratch,
                 lm_token_list *out);
    void (*describe)(const lm_token_model *m, lm_buf *out);
    void (*free)(lm_token_model *m); /* of `own`; NULL where there is nothing */
};

extern const struct lm_token_model_type lm_wordpiece_type, lm_bpe_type, lm_unigram_type, lm_word_level_type;

/* Room for `count` elements of `size` bytes, uninitialised, until the next call. It grows and stays. */
void *lm_model_scratch_get(lm_model_scratch *scratch, size_t count, size_t size);
/* The ids of the tokens <0x00> to <0xFF>, -1 for those that are not there; returns how many are. */
int lm_token_model_bytes(const lm_vocabulary *v, int32_t ids[256]);

#endif
