/* Inside the stream floor: the header member `fields` of a record in the making: lists of n values by name, null where a
 * row has no such field. */
#ifndef LM_STREAM_FIELD_LISTS_H
#define LM_STREAM_FIELD_LISTS_H

#include "stream/records.h"

typedef struct lm_field_list {
    lm_buf name, values; /* values: JSON texts, each behind a comma but the first */
    int64_t rows;
} lm_field_list;

/* Zero-initialise. */
typedef struct lm_field_lists {
    lm_field_list *items;
    size_t count, cap;
} lm_field_lists;

void lm_field_lists_free(lm_field_lists *f);
void lm_field_lists_clear(lm_field_lists *f);
/* The value of row `row` (those before it have been padded); of a name that stands twice, the first counts. */
void lm_field_lists_add(lm_field_lists *f, int64_t row, lm_str name, lm_str json);
void lm_field_lists_pad(lm_field_lists *f, int64_t rows); /* null for the rows below `rows` that have no value */
size_t lm_field_lists_bytes(const lm_field_lists *f);     /* at most, of the text that is written */
void lm_field_lists_write(const lm_field_lists *f, lm_buf *out); /* `,"fields":{...}`, or nothing */

#endif
