/* Inside the stream floor: a record's header made into columns, and the checks of lmstream(5) on what it holds. */
#ifndef LM_STREAM_RECORD_H
#define LM_STREAM_RECORD_H

#include "stream/header_view.h"
#include "stream/lms.h"

/* Parses a header line (LF included) as lmstream(5) has it: one object, no member twice, nesting, pad. NULL on failure.
 * Numbers beyond jansson's range become strings in the result. */
json_t *lm_header_parse(lm_str line, const char *where, lm_status *st);

/* How deep brackets nest in JSON text. */
int lm_header_nesting(lm_str text);

typedef enum lm_control { LM_RECORD, LM_PREAMBLE, LM_END, LM_ABORT, LM_FLUSH } lm_control;
lm_control lm_header_control(json_t *header);

/* What follows fails without saying where. */

/* *bytes = the payload that follows the header, -1 where there is none. */
bool lm_header_payload(const lm_header_view *header, int64_t *bytes, lm_status *st);

/* Fills record->columns (an array that grows; *cap) from the header's tensors for a payload of `bytes` bytes, in the order of
 * those: offsets, sizes and dtypes are checked. `data` holds the offset until lm_record_columns. Names go to `names`, which has
 * to live as long as the record. */
bool lm_record_describe(lm_record *record, const lm_header_view *header, size_t *cap, lm_buf *names, int64_t bytes,
                        lm_status *st);

/* Points the columns into record->payload and checks their bytes. Data that is not aligned to its element is copied to
 * `aligned`, which has to live as long as the record. */
bool lm_record_columns(lm_record *record, lm_buf *aligned, lm_status *st);

/* Where in a payload the writer puts columns: each aligned to its element. */
void lm_columns_layout(const lm_column *columns, size_t count, size_t *offsets);

/* What a record of a kind has to fulfil beyond its frame. Sets record->n. */
bool lm_record_check(lm_record *record, const lm_header_view *header, lm_lms_kind kind, lm_status *st);

/* Every name in `must` is one of lmstream(5) or of `extra` (NULL-terminated, or NULL). */
bool lm_header_must(json_t *header, const char *const *extra, lm_status *st);

/* A column that lmstream(5) names. */
typedef enum lm_known_shape {
    LM_IS_RAGGED,      /* cut by its own splits */
    LM_IS_LIKE_IDS,    /* marked = : ragged like ids */
    LM_IS_ROW,         /* [n] */
    LM_IS_ROW_WIDE,    /* [n, width] */
    LM_IS_EITHER       /* per row, or ragged by what its description says */
} lm_known_shape;

typedef struct lm_known_column {
    const char *name;
    lm_dtype dtype, other; /* `other` = dtype where there is one only */
    lm_known_shape shape;
    int dims;              /* 0 = any */
    int64_t width;         /* of the last dimension; 0 = any */
} lm_known_column;

const lm_known_column *lm_known_column_find(const char *name); /* NULL if lmstream(5) does not name it */

#endif
