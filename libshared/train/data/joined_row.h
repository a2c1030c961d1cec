/* A row that is put together out of parts of others. */
#ifndef LM_TRAIN_JOINED_ROW_H
#define LM_TRAIN_JOINED_ROW_H

#include "base/arena.h"
#include "stream/tokens.h"

/* The columns with a value for each token. */
enum {
    LM_JOINED_IDS = 1,
    LM_JOINED_TYPES = 2,
    LM_JOINED_WORD_IDS = 4,
    LM_JOINED_LOSS_MASK = 8,
    LM_JOINED_MLM_LABELS = 16,
    LM_JOINED_COLUMNS = 5 /* how many there are */
};

typedef struct lm_joined_row {
    unsigned columns; /* LM_JOINED_* */
    void *values[LM_JOINED_COLUMNS];
    size_t len, most;
    int32_t *texts; /* [text_count] tokens of each */
    size_t text_count;
    int32_t words; /* of the rows so far: the word ids of the next one count on */
} lm_joined_row;

unsigned lm_joined_columns(const lm_tokens_row *row); /* those that a row has */
/* An empty row in these columns, of at most so many tokens, whose memory is the room's. */
void lm_joined_row_begin(lm_joined_row *j, unsigned columns, size_t most, lm_arena *room);
void lm_joined_row_begin_text(lm_joined_row *j); /* what follows is another text */
/* Appends a row. Of the columns that it does not have, types are 0, and others must not be asked for. */
void lm_joined_row_add(lm_joined_row *j, const lm_tokens_row *row);
void lm_joined_row_add_special(lm_joined_row *j, int32_t id); /* a token that is of no word */
/* What it has become; seq_lengths where there are several texts. */
void lm_joined_row_give(const lm_joined_row *j, lm_tokens_row *row);

#endif
