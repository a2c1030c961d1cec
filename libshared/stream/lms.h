/* LMS, the stream between the programs: lmstream(5) is its definition, and this pair of a reader and a writer the only
 * code that knows its bytes. */
#ifndef LM_STREAM_LMS_H
#define LM_STREAM_LMS_H

#include "base/buffer.h"
#include "base/status.h"
#include "stream/input.h"
#include "tensor/dtype.h"

#include <jansson.h>

typedef enum lm_lms_kind { LM_KIND_TEXT, LM_KIND_TOKENS, LM_KIND_MODEL } lm_lms_kind;

/* One tensor of a record. */
typedef struct lm_column {
    const char *name;
    lm_dtype dtype;
    lm_shape shape;
    const void *data;         /* into the payload; 64-aligned only if the writer aligned it */
    size_t bytes;
    const char *rows;         /* "rows":"ids.splits" of its description, or NULL */
} lm_column;

/* One record; everything in it belongs to the reader and is valid until the next call. */
typedef struct lm_record {
    json_t *header;           /* the whole object */
    lm_str line;              /* its bytes, pad and LF included */
    lm_str payload;           /* without pad */
    lm_column *columns;
    size_t column_count;
    int64_t n;                /* rows; 1 for kind text */
    bool flush;               /* {"flush":true}: pass it on and flush */
    uint64_t number;          /* from 1, in the whole input */
} lm_record;

typedef struct lm_lms_reader lm_lms_reader;

/* Reads LMS from `in`, which it does not own. The first preamble is read at once: an input that is no LMS fails. */
lm_lms_reader *lm_lms_reader_new(lm_input *in, lm_status *st);
void lm_lms_reader_free(lm_lms_reader *r);
lm_lms_kind lm_lms_reader_kind(const lm_lms_reader *r);
json_t *lm_lms_reader_preamble(const lm_lms_reader *r);  /* of the stream being read (concatenation: the latest) */
/* 1: a record; 0: the input ended in good order; -1: failed (LM_ENDED for a missing end or an abort). */
int lm_lms_next(lm_lms_reader *r, lm_record *record, lm_status *st);
/* Names what this program understands, for `must` (the names of lmstream(5) always are). */
void lm_lms_reader_understand(lm_lms_reader *r, const char *const *names);

const lm_column *lm_record_column(const lm_record *r, const char *name); /* NULL if absent */

typedef struct lm_lms_writer lm_lms_writer;

/* Writes to fd (not owned), buffered. `preamble` members beside lms, kind, producer and via may be given (borrowed,
 * or NULL). `upstream_via`: the input's via, to which this program's command line is added (NULL = none). */
lm_lms_writer *lm_lms_writer_new(int fd, const char *name, lm_lms_kind kind, json_t *preamble, json_t *upstream_via,
                                 lm_status *st);
void lm_lms_writer_free(lm_lms_writer *w);
/* A record from parts: `header` members beside tensors and bytes (borrowed), and columns, laid out 64-aligned. */
bool lm_lms_write(lm_lms_writer *w, json_t *header, const lm_column *columns, size_t count, lm_status *st);
bool lm_lms_write_verbatim(lm_lms_writer *w, const lm_record *record, lm_status *st);
bool lm_lms_write_flush(lm_lms_writer *w, lm_status *st);
bool lm_lms_write_end(lm_lms_writer *w, lm_status *st);
bool lm_lms_write_abort(lm_lms_writer *w, const char *why, lm_status *st);

#endif
