/* Records of a stream that wait until their rows fill batches, so that how the stream was cut costs no speed. For score.c. */
#ifndef LM_METRICS_HELD_H
#define LM_METRICS_HELD_H

#include "stream/tokens.h"

typedef struct lm_held_record {
    lm_record *record; /* a copy */
    lm_tokens_view view;
    int64_t row, rows; /* its first among those that are held, and how many */
    bool pairs; /* its rows are the chosen answers, and behind all of them the rejected ones */
} lm_held_record;

typedef struct lm_held {
    lm_held_record *records;
    size_t count, cap;
    lm_tokens_row *rows; /* of all, one record's after the other's */
    int64_t row_count, tokens;
    size_t row_cap, bytes;
} lm_held;

/* `answers`: of a record with preference pairs the rows are their answers, instead of their prompts. */
bool lm_held_add(lm_held *h, const lm_record *record, bool answers, lm_status *st);
void lm_held_clear(lm_held *h);
void lm_held_free(lm_held *h);

#endif
