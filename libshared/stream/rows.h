/* Records of kind tokens, by rows: which column goes with the rows how, cutting rows out of any record, and packing rows
 * from anywhere into records of the usual size. Knows no column by its meaning; unknown ones travel along. */
#ifndef LM_STREAM_ROWS_H
#define LM_STREAM_ROWS_H

#include "stream/lms.h"

typedef enum lm_column_kind {
    LM_PER_ROW,     /* first dimension n */
    LM_RAGGED,      /* first dimension cut by the column `splits` */
    LM_SPLITS,      /* row splits of others: I32 [n+1] */
    LM_UNCUTTABLE   /* belongs to the record as a whole */
} lm_column_kind;

typedef struct lm_column_role {
    lm_column_kind kind;
    int splits; /* index of the column that cuts it; LM_RAGGED only */
} lm_column_role;

/* The role of every column of a record, in roles[column_count]. The names that lmstream(5) marks as ragged like ids
 * need no "rows" of their own. Fails where the record breaks a rule of the format (the reader has checked that). */
bool lm_record_roles(const lm_record *record, lm_column_role *roles, lm_status *st);

/* Takes what a packer makes: arguments as of lm_lms_write_members, valid during the call. */
typedef bool (*lm_record_sink)(void *context, lm_str members, int64_t n, const lm_column *columns, size_t count,
                               lm_status *st);
/* lm_lms_write_members as a sink; the context is the writer. */
bool lm_write_sink(void *writer, lm_str members, int64_t n, const lm_column *columns, size_t count, lm_status *st);

/* Packs rows into records of up to LM_LMS_RECORD_TOKENS or LM_LMS_RECORD_BYTES; one longer row is a record by itself.
 * Rows whose columns or other header members differ do not share a record. */
typedef struct lm_packer lm_packer;

/* `keep`: names of the columns and per-row members (labels, id, fields) to keep, NULL-terminated and borrowed; other
 * columns and members are dropped. NULL = everything. */
lm_packer *lm_packer_new(lm_record_sink sink, void *context, const char *const *keep);
void lm_packer_free(lm_packer *p);
/* Rows first..first+count of a record. Refuses a record with an uncuttable column unless all its rows are taken (it is
 * then passed on as a record by itself). */
bool lm_packer_add(lm_packer *p, const lm_record *record, int64_t first, int64_t count, lm_status *st);
bool lm_packer_flush(lm_packer *p, lm_status *st); /* what is there goes to the sink; call it at the end */

#endif
