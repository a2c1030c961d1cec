/* Inside contextual: which words of a text are masked, and the rows that are made of it. */
#ifndef LM_AUGMENT_CONTEXTUAL_MASKING_H
#define LM_AUGMENT_CONTEXTUAL_MASKING_H

#include "augment/contextual/masked_rows.h"
#include "augment/draws.h"
#include "augment/words/word_set.h"
#include "augment/words/words.h"

/* A word that is masked. */
typedef struct lm_masked_word {
    uint32_t draft, text; /* the text's place in the batch */
    size_t from, to;      /* bytes of the text */
    size_t stem;          /* of these, how many bytes stand for the mask: the rest are particles, which stay */
} lm_masked_word;

/* What one text after the other is looked at with, by one thread. */
typedef struct lm_masking_room lm_masking_room;

typedef struct lm_masking_words {
    const lm_tokenizer *tokenizer;
    const lm_word_set *protect;
    int mask_id, max_length;
    double share;
} lm_masking_words;

lm_masking_room *lm_masking_room_new(const lm_masking_words *how);
void lm_masking_room_free(lm_masking_room *r);

/* The words of a batch that are masked, and what is asked about each, at the same place. Zero-initialise. */
typedef struct lm_masked_words {
    lm_masked_word *at;
    lm_mask *masks;
    size_t count, cap, mask_cap;
} lm_masked_words;

/* Draws words of a text, adds them, and puts rows with them masked into `rows`, which may run. `at`: draft and text. The arena is
 * for strings. */
bool lm_masking_text(lm_masking_room *r, lm_str text, lm_masked_word at, lm_draws *draws, lm_masked_words *words,
                     lm_masked_rows *rows, lm_arena *arena, lm_status *st);

#endif
