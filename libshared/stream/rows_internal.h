/* Inside the stream floor: a record taken apart. */
#ifndef LM_STREAM_ROWS_INTERNAL_H
#define LM_STREAM_ROWS_INTERNAL_H

#include "stream/json.h"
#include "stream/rows.h"

/* How the per-row members stand as columns in a spool. */
#define LM_SPOOL_LABELS "labels.utf8" /* words, not quoted */
#define LM_SPOOL_ID "id.json"
#define LM_SPOOL_FIELDS "fields.json" /* an object a row */

typedef struct lm_row_column {
    const lm_column *column;
    lm_column_role role; /* .splits: index among the kept columns */
    size_t width;        /* bytes of one element: of a row, or of one of the ragged values */
} lm_row_column;

typedef struct lm_row_field {
    lm_str name;    /* decoded */
    lm_str *values; /* [n], JSON text */
} lm_row_field;

struct lm_rows {
    const char *const *keep;
    const lm_record *record;
    int64_t n;
    lm_row_column *columns;
    size_t count, cap;
    lm_column_role *roles;
    size_t role_cap;
    const char *uncuttable; /* a column that belongs to the record as a whole; NULL = none */
    int ids;                /* among the columns; -1 */
    lm_str *labels, *id;    /* [n], JSON text; NULL = absent */
    size_t labels_cap, id_cap;
    lm_row_field *fields;
    size_t field_count, field_cap;
    lm_buf names;           /* decoded names of fields */
    lm_buf others;          /* members that are not by rows, as `,"name":value` */
    lm_buf signature;       /* rows of records with equal ones may share a record */
    bool from_spool;        /* the members of a record are its columns LM_SPOOL_... */
    const lm_column *spool[3], *spool_splits[3]; /* labels, id, fields; NULL = absent */
};

enum { LM_ROW_LABELS, LM_ROW_ID, LM_ROW_FIELDS };

static inline lm_str lm_row_spool_value(const lm_rows *rows, int member, int64_t i)
{
    const int32_t *s = rows->spool_splits[member]->data;
    return (lm_str){(const char *)rows->spool[member]->data + s[i], (size_t)(s[i + 1] - s[i])};
}

/* Where row i of column c begins and ends, in bytes from its data. */
static inline void lm_row_span(const lm_rows *rows, const lm_row_column *c, int64_t i, size_t *begin, size_t *end)
{
    if (c->role.kind == LM_RAGGED) {
        const int32_t *s = rows->columns[c->role.splits].column->data;
        *begin = (size_t)s[i] * c->width;
        *end = (size_t)s[i + 1] * c->width;
    } else {
        *begin = (size_t)i * c->width;
        *end = *begin + c->width;
    }
}

#endif
