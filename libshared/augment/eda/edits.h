/* Inside eda: the four edits of a text. */
#ifndef LM_AUGMENT_EDITS_H
#define LM_AUGMENT_EDITS_H

#include "augment/draws.h"
#include "augment/eda/synonyms.h"
#include "augment/words/word_set.h"

typedef enum lm_eda_edit { LM_EDIT_SYNONYM, LM_EDIT_INSERT, LM_EDIT_SWAP, LM_EDIT_DELETE, LM_EDITS } lm_eda_edit;

/* What an edit looks at. */
typedef struct lm_edit_words {
    const lm_synonyms *synonyms; /* NULL where there is no use for them */
    const lm_word_set *stop;     /* have no synonyms */
    const lm_word_set *protect;  /* stay, and where they are */
} lm_edit_words;

/* Room for a text. Zero-initialise. */
typedef struct lm_edit_room {
    lm_text_words words;
    lm_synonym_cache *cache;     /* the caller's; where there are synonyms */
    lm_buf lower;                /* the words in lower case, one behind the other */
    lm_buf out;                  /* what has become of the text */
    uint32_t *numbers;           /* see edits.c */
    size_t number_cap;
    struct lm_edit_word *of;     /* [words] */
    size_t of_cap;
    struct lm_inserted *inserted;
    size_t inserted_cap;
} lm_edit_room;

/* Makes r->out of a text. False: failed. */
bool lm_edit_text(lm_edit_room *r, const lm_edit_words *w, lm_eda_edit edit, double share, lm_str text, lm_draws *draws,
                  lm_status *st);
void lm_edit_room_free(lm_edit_room *r);

#endif
