/* Records of kind tokens, by rows: which column goes with the rows how, cutting rows out of any record, and packing rows
 * from anywhere into records of the usual size. Knows no column by its meaning; unknown ones travel along. */
#ifndef LM_STREAM_ROWS_H
#define LM_STREAM_ROWS_H

#include "stream/lines.h"
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

/* A record taken apart into rows. Zero cost a row until rows are asked for; use it for record after record. */
typedef struct lm_rows lm_rows;

/* `keep`: names of the columns and per-row members (labels, id, fields) to keep, NULL-terminated and borrowed; all other
 * columns and members are dropped. NULL = everything. */
lm_rows *lm_rows_new(const char *const *keep);
void lm_rows_free(lm_rows *rows);
/* `record` is borrowed as long as the rows are used. */
bool lm_rows_read(lm_rows *rows, const lm_record *record, lm_status *st);
/* Length of `ids` of a row; 0 where there are none. */
size_t lm_rows_length(const lm_rows *rows, int64_t i);
/* JSON text of a per-row member: "labels", "id", or a field by name; data NULL where absent. */
lm_str lm_rows_member(const lm_rows *rows, const char *member, int64_t i);
lm_str lm_rows_field(const lm_rows *rows, lm_str name, int64_t i);
/* The bytes of a row in a column; data NULL where absent. */
lm_str lm_rows_bytes(const lm_rows *rows, const char *column, int64_t i);

/* Packs rows into records of up to LM_LMS_RECORD_TOKENS or LM_LMS_RECORD_BYTES; one longer row is a record by itself.
 * Where that happens depends on the rows alone, not on the records they come in. Rows whose columns or other members
 * differ do not share a record. */
typedef struct lm_packer lm_packer;

/* `spool`: labels, id and fields become columns (stream/spool.h). */
lm_packer *lm_packer_new(lm_record_sink sink, void *context, bool spool);
void lm_packer_free(lm_packer *p);
/* Rows first..first+count. A record with a column that belongs to it as a whole is passed on by itself if all its rows
 * are taken, else refused. */
bool lm_packer_add(lm_packer *p, const lm_rows *rows, int64_t first, int64_t count, lm_status *st);
bool lm_packer_flush(lm_packer *p, lm_status *st); /* what is there goes to the sink; call it at the end */

/* Rows as strings, each with all its columns and members, to be packed in any order. */
typedef struct lm_row_strings lm_row_strings;

lm_row_strings *lm_row_strings_new(void);
void lm_row_strings_free(lm_row_strings *s);
/* The rows of a record, each as another line. Refuses a record with a column that belongs to it as a whole. */
bool lm_row_strings_write(lm_row_strings *s, const lm_record *record, lm_lines *lines, lm_status *st);
/* Such a line, to a packer that is not for a spool. */
bool lm_packer_add_string(lm_packer *p, const lm_row_strings *s, lm_str line, lm_status *st);

#endif
