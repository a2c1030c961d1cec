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

const char *lm_lms_kind_name(lm_lms_kind kind); /* "text", "tokens", "model" */

/* Limits of the format, and how large a record writers make. */
enum {
    LM_LMS_HEADER_MAX = 1 << 20,    /* bytes of a header line, LF included */
    LM_LMS_PAYLOAD_MAX = 1 << 30,
    LM_LMS_DEPTH_MAX = 32,
    LM_LMS_RECORD_TOKENS = 4096,    /* a record that writers make ends after so many tokens, or ... */
    LM_LMS_RECORD_BYTES = 1 << 20   /* ... so many bytes, whichever comes first */
};

/* One tensor of a record. */
typedef struct lm_column {
    const char *name;
    lm_dtype dtype;
    lm_shape shape;
    const void *data;         /* aligned to the size of its element, whatever the stream's layout was */
    size_t bytes;
    const char *rows;         /* "rows":"ids.splits" of its description, or NULL */
} lm_column;

/* One record; everything in it belongs to the reader and is valid until the next call. */
typedef struct lm_record {
    json_t **header;          /* room for lm_record_header; NULL = not a reader's */
    lm_str line;              /* its bytes, pad and LF included */
    lm_str payload;           /* without pad */
    lm_column *columns;       /* in the order of their bytes */
    size_t column_count;
    int64_t n;                /* rows; 1 for kind text, 0 where the record has no `n` */
    bool flush;               /* {"flush":true}: pass it on and flush */
    uint64_t number;          /* from 1 in this stream; flush records are not counted */
} lm_record;

typedef struct lm_lms_reader lm_lms_reader;

/* Whether the member that `in` stands in begins with an LMS preamble (of whatever version). Consumes nothing. */
bool lm_lms_detect(lm_input *in, bool *is_lms, lm_status *st);
/* ... and one of this kind. */
bool lm_lms_detect_kind(lm_input *in, lm_lms_kind kind, bool *is_kind, lm_status *st);

/* Reads LMS from `in`, which it does not own, through all its members: each has to hold whole streams, of one kind. The
 * first preamble is read at once: an input that is no LMS fails. */
lm_lms_reader *lm_lms_reader_new(lm_input *in, lm_status *st);
void lm_lms_reader_free(lm_lms_reader *r);
lm_lms_kind lm_lms_reader_kind(const lm_lms_reader *r);
json_t *lm_lms_reader_preamble(const lm_lms_reader *r);  /* of the stream being read (concatenation: the latest) */
uint64_t lm_lms_reader_streams(const lm_lms_reader *r);  /* preambles read so far; grows when the preamble changes */
uint64_t lm_lms_reader_records(const lm_lms_reader *r);  /* in the whole input so far; flush records not counted */
uint64_t lm_lms_reader_examples(const lm_lms_reader *r);
const char *lm_lms_reader_where(const lm_lms_reader *r); /* "news.lms: record 7", for messages about the last record */
/* A digest of all bytes read so far, up to the last record: for a resume that checks what it skips. */
uint64_t lm_lms_reader_digest(const lm_lms_reader *r);

/* 1: a record; 0: the input ended in good order; -1: failed (LM_ENDED for a missing end or an abort). A record that is
 * given has passed every check of lmstream(5); the digest over the stream is known to be right only at the end (0). */
int lm_lms_next(lm_lms_reader *r, lm_record *record, lm_status *st);
/* The records that follow, of a stream of kind text, as far as the input has them already and nothing is special about them, `most` at
 * most: how many, and their lines, one behind the other, valid until the next call. They have been read as by lm_lms_next. */
uint64_t lm_lms_next_lines(lm_lms_reader *r, uint64_t most, lm_str *lines);
/* Names that this program understands when they stand in `must`, NULL-terminated and borrowed; those of lmstream(5)
 * are always understood. Set it before reading. */
void lm_lms_reader_understand(lm_lms_reader *r, const char *const *names);

/* Where a payload goes instead of the reader's own memory: asked when its header has been checked, with columns that have no data
 * yet. There has to be room for it and the 64 bytes behind it that are its pad. NULL: the reader's own, or st has failed. */
typedef char *lm_lms_room(void *context, const lm_record *record, lm_status *st);
void lm_lms_reader_room(lm_lms_reader *r, lm_lms_room *room, void *context);

const lm_column *lm_record_column(const lm_record *r, const char *name); /* NULL if absent */
/* The header as an object, which is made when it is first asked for; the record's. */
json_t *lm_record_header(const lm_record *r);

/* A record of its own, which outlives the reader: header and columns, without `line` and `payload`. NULL: no memory. */
lm_record *lm_record_copy(const lm_record *r, lm_status *st);
void lm_record_free(lm_record *r); /* of lm_record_copy */

typedef struct lm_lms_writer lm_lms_writer;

/* Writes to fd (not owned), buffered. `preamble` members beside lms, kind, producer and via may be given (borrowed,
 * or NULL). `upstream_via`: the input's via (NULL = none), to which `command` (this invocation; NULL = none) is added.
 * `name` is for messages and is copied. */
lm_lms_writer *lm_lms_writer_new(int fd, const char *name, lm_lms_kind kind, json_t *preamble, json_t *upstream_via,
                                 const char *command, lm_status *st);
void lm_lms_writer_free(lm_lms_writer *w);
/* A record from parts: `header` members beside tensors and bytes (borrowed), and columns (whose order is kept in the
 * header; their bytes are laid out so that each is aligned to its element in an aligned payload). */
bool lm_lms_write(lm_lms_writer *w, json_t *header, const lm_column *columns, size_t count, lm_status *st);
/* The same from JSON text: `members` is what stands between the braces of the header, which the caller knows to be
 * right (`"n":2,"labels":["a","b"]`); n counts towards the examples. Spelling is kept, and no parser runs. */
bool lm_lms_write_members(lm_lms_writer *w, lm_str members, int64_t n, const lm_column *columns, size_t count,
                          lm_status *st);
/* A record with a payload that is no tensors ({"file":NAME} of kind model). */
bool lm_lms_write_bytes(lm_lms_writer *w, json_t *header, lm_str payload, lm_status *st);
/* A record of one column whose bytes come in pieces: its data are not looked at. As many pieces have to follow as it has bytes;
 * the last one ends the record. A stream that is closed before is cut off there. */
bool lm_lms_begin_column(lm_lms_writer *w, json_t *header, const lm_column *column, lm_status *st);
bool lm_lms_put_piece(lm_lms_writer *w, const void *bytes, size_t n, lm_status *st);
/* A record as it came; a flush record flushes. */
bool lm_lms_write_verbatim(lm_lms_writer *w, const lm_record *record, lm_status *st);
/* `count` records of lm_lms_next_lines. */
bool lm_lms_write_lines(lm_lms_writer *w, lm_str lines, uint64_t count, lm_status *st);
bool lm_lms_write_flush(lm_lms_writer *w, lm_status *st);
bool lm_lms_write_end(lm_lms_writer *w, lm_status *st);
bool lm_lms_write_abort(lm_lms_writer *w, const char *why, lm_status *st);
/* How every filter ends: `end` where st is good, else `abort` with its message (which stays the status; a writer whose
 * output is broken says nothing more). Returns lm_ok(st). */
bool lm_lms_writer_close(lm_lms_writer *w, lm_status *st);
uint64_t lm_lms_writer_records(const lm_lms_writer *w);
uint64_t lm_lms_writer_examples(const lm_lms_writer *w);
uint64_t lm_lms_writer_bytes(const lm_lms_writer *w); /* so far: where the next record begins */

#endif
