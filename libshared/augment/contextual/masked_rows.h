/* Inside contextual: rows with masked tokens, collected to batches and put before the model, and what is drawn for each mask. */
#ifndef LM_AUGMENT_MASKED_ROWS_H
#define LM_AUGMENT_MASKED_ROWS_H

#include "augment/contextual/whole_words.h"
#include "model/model.h"

/* What is asked of the model for one mask. */
typedef struct lm_mask {
    lm_str not_this;  /* in lower case: the word that stood there */
    bool syllable;    /* a word that begins with a Hangul syllable is wanted, or one that does not */
    double unit;      /* drawn, in [0,1): which of the likeliest it becomes */
    int32_t token;    /* that it becomes; -1 where no word is fit */
} lm_mask;

typedef struct lm_masked_rows lm_masked_rows;

/* Of a model that is shared with other threads: all of its parameters are ready. The `top_k` likeliest whole words are drawn from. */
lm_masked_rows *lm_masked_rows_new(lm_model *model, const lm_whole_words *words, int top_k);
void lm_masked_rows_free(lm_masked_rows *m);

/* A row begins. */
void lm_masked_rows_begin(lm_masked_rows *m);
/* Its next token. `mask`: what is asked about it, by its number; -1 = nothing. */
void lm_masked_rows_add(lm_masked_rows *m, int32_t id, int32_t type, int64_t mask);
/* The row is whole. Where there are enough of them the model runs, and masks[] have their tokens. */
bool lm_masked_rows_end(lm_masked_rows *m, lm_mask *masks, lm_status *st);
/* No more rows: those that wait are run. */
bool lm_masked_rows_finish(lm_masked_rows *m, lm_mask *masks, lm_status *st);

/* The token of a mask, by its logits over the vocabulary; top_k is LM_TOP_K_MAX at most. */
int32_t lm_mask_draw(const lm_mask *mask, const lm_whole_words *words, const float *logits, int columns, int top_k);

#endif
