/* Inside the stream floor: a record taken apart. */
#ifndef LM_STREAM_ROWS_INTERNAL_H
#define LM_STREAM_ROWS_INTERNAL_H

#include "stream/json.h"
#include "stream/rows.h"

/* How the per-row members stand as columns in a spool. */
#define LM_SPOOL_LABELS "labels.utf8" /* words, not quoted */
#define LM_SPOOL_ID "id.json"

enum { LM_ROW_LABELS, LM_ROW_ID, LM_ROW_FIELDS, LM_ROW_MEMBERS };

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
    lm_str *object;         /* fields of the only row, as lm_rows_object makes them, in place of `fields`; NULL = absent */
};

/* What rows of one signature have in common that are kept as strings (row_strings.c). */
typedef struct lm_row_form {
    lm_rows rows;           /* one row, to be adopted by a packer: its columns have no data; its members are: */
    lm_str members[LM_ROW_MEMBERS];
    bool has_members;
    lm_column *columns;     /* which those of `rows` point to; names owned */
    size_t splits;          /* columns of kind LM_SPLITS, each of which has its number in role.splits */
    int ids;                /* the number of those that cut `ids`; -1 */
} lm_row_form;

lm_row_form *lm_row_strings_form(const lm_row_strings *s, uint32_t number);

/* Appends the fields of row i as an object, without those that are null, which is as good as absent; nothing where all are. */
void lm_rows_object(const lm_rows *rows, int64_t i, lm_buf *out);
/* Fails since the record cannot be cut. */
bool lm_rows_refuse_cut(const lm_rows *rows, lm_status *st);

/* memcpy for what is often a number, or a byte. */
static inline void lm_copy_few(char *to, const void *from, size_t n)
{
    if (n == 4)
        memcpy(to, from, 4);
    else if (n == 1)
        *to = *(const char *)from;
    else if (n)
        memcpy(to, from, n);
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
