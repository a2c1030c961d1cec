/* Text records from whatever people have: JSON Lines, a JSON array, csv, tsv, plain lines, CoNLL blocks, WebDataset
 * archives, or an LMS text stream; each member of the input (lm_input) is recognised by itself.
 *
 * Fields are chosen by name ("title"), JSON path (".meta.title", ".turns[0].text") or number from 1 (csv, tsv); several,
 * separated by commas, are joined by a space. Where nothing is chosen: `text` (or the one field that is obviously it,
 * said on the log), `pair`, `label` and `id` by these names. A csv without a header of one column is text; of several,
 * the first is taken for the label where it looks like one, and the rest joined is the text: said on the log.
 *
 * A text field that is a JSON list of strings is a text that is split into words, and a label field that is a list of
 * as many is a tag for each word; of a text that is not split, a list of labels is several labels (multi-label).
 *
 * Questions about texts are known by their fields, `question` and `context`; a JSON document as SQuAD has it is a record
 * for each of its questions. */
#ifndef LM_STREAM_RECORDS_H
#define LM_STREAM_RECORDS_H

#include "base/arena.h"
#include "stream/input.h"
#include "stream/json.h"
#include "stream/lms.h"

typedef enum lm_text_format {
    LM_FORMAT_AUTO,  /* by the member's name, else by its first bytes */
    LM_FORMAT_JSONL, /* one value a line; blank lines are skipped */
    LM_FORMAT_JSON,  /* an array of records, or one after the other over several lines */
    LM_FORMAT_CSV,   /* RFC 4180: quotes, doubled quotes, line ends within quotes */
    LM_FORMAT_TSV,   /* tabs; a quote at the start of a field quotes it only with `tsv_quotes` */
    LM_FORMAT_TEXT,  /* a line is a record; blank lines part documents and are no records */
    LM_FORMAT_CONLL, /* a word and its columns a line, blank lines part sentences, -DOCSTART- lines documents */
    LM_FORMAT_TAR,   /* an archive as WebDataset has it: the files of one key are the fields of one record */
    LM_FORMAT_LMS    /* kind text */
} lm_text_format;

/* For LM_OPT_CHOICE: "auto", "jsonl", "json", "csv", "tsv", "text", "conll", "tar", "lms", NULL. */
extern const char *const lm_format_names[];

typedef enum lm_label_type { LM_LABEL_WORD, LM_LABEL_ID, LM_LABEL_FLOAT } lm_label_type;
extern const char *const lm_label_type_names[]; /* "word", "id", "float", NULL */

typedef enum lm_header { LM_HEADER_GUESS, LM_HEADER_YES, LM_HEADER_NO } lm_header;
extern const char *const lm_header_names[]; /* "guess", "yes", "no", NULL */

/* Zero-initialise: all defaults. Strings are borrowed. */
typedef struct lm_records_options {
    lm_text_format format;
    const char *text, *pair, *label, *id; /* FIELD[,FIELD...]; NULL = the defaults above; "" = none */
    const char *answer;      /* field of the answer to `text` that stands in `pair`; NULL = found where the fields are SQuAD's */
    const char *target;      /* FIELD[,FIELD...] of the text that is to be written for `text`; NULL = none */
    const char *weight;      /* FIELD of how much a record counts; NULL = none */
    const char *drop_label;  /* records whose label is this word are left out, and counted; NULL = none */
    lm_label_type label_type;
    const char *label_separator; /* a label that is a string is several, parted by it; NULL = it is one */
    lm_header header;
    bool tsv_quotes;
    const char *encoding;    /* as iconv knows it: cp949, euc-kr, utf-16; NULL = UTF-8, or UTF-16 where a BOM says so */
    bool strict;             /* invalid UTF-8 is a failure; else each ill-formed part becomes U+FFFD, counted */
    bool prompts;            /* the text is the field `prompt`, where nothing is chosen and there is one */
    bool blank_lines;        /* of plain lines: a blank one is a record, too */
    bool no_fields;          /* the caller has no use for other fields: do not collect them */
    bool no_id;              /* ... nor for the id, which is only checked */
    bool textless;           /* a record without text will do; its `text.data` is NULL */
    bool lines;              /* what neither its name nor a JSON object at its start shows to be records is plain lines */
    bool require_end;        /* refuse plain text, which has no end that can be checked */
    uint64_t offset;         /* number of the first record (for inputs that were split), from 0 */
    const char *rejects;     /* records that cannot be used go to this file (JSON Lines: file, line, why, record) instead
                              * of failing; NULL = the first such record fails with its file and line */
    bool rejects_append;     /* behind what that file holds: for the second of several inputs */
} lm_records_options;

/* A field of the user's: its JSON text (a csv value as a JSON string). */
typedef struct lm_field {
    lm_str name, json;
} lm_field;

typedef struct lm_text_record {
    lm_str text;             /* valid UTF-8 */
    lm_str pair;             /* data NULL = none */
    lm_str target;           /* data NULL = none was asked for */
    lm_str label;            /* as a word; data NULL = none (or JSON null) */
    int64_t label_id;        /* with LM_LABEL_ID */
    double label_float;      /* with LM_LABEL_FLOAT */
    const lm_str *words;     /* of a text that is split: slices of `text`, which has a space between them; else NULL */
    size_t word_count;
    const lm_str *labels;    /* of a split text: a tag for each word; else several labels; NULL = none */
    size_t label_count;
    bool asks;               /* the text is a question about the pair ... */
    bool has_answer;         /* ... and what the answer is, is known: */
    size_t answer_from, answer_to; /* bytes of the pair; both 0: it has none */
    bool has_weight;
    float weight;            /* finite, not negative */
    lm_str id;               /* JSON text, a string or a number; data NULL = none */
    const lm_field *fields;  /* the others, in their order */
    size_t field_count;
    lm_str members;          /* LMS: members of the record that nobody knows, as `,"name":value...`; to be passed on */
    uint64_t number;         /* of the source record, options.offset for the first */
    uint64_t doc;            /* LM_FORMAT_TEXT and LM_FORMAT_CONLL: number of the document, from 0; else = number */
    const char *file;        /* where it stands, for messages; valid as long as the reader */
    uint64_t line;           /* its first line, from 1 (LMS: the record's number) */
    lm_text_format format;   /* that it was read in */
    lm_str source;           /* JSON Lines: the line, where it is valid UTF-8; else data NULL. Not kept by a batch */
    bool flush;              /* no record: {"flush":true} came by; the strings are empty */
} lm_text_record;

typedef struct lm_records lm_records;

/* Reads `in`, which it does not own, through all its members. */
lm_records *lm_records_new(lm_input *in, const lm_records_options *options, lm_status *st);
void lm_records_free(lm_records *r);
/* 1: a record, valid until the next call; 0: the end; -1: failed. An input without any record is an end. */
int lm_records_next(lm_records *r, lm_text_record *out, lm_status *st);

/* Up to `records` records or about `bytes` of text, in strings that stay until the batch is reused: for parallel work.
 * Zero-initialise. A flush record is the last of its batch. */
typedef struct lm_text_batch {
    lm_text_record *items;
    size_t count, cap;
    lm_arena *arena;
} lm_text_batch;

/* 1: some records; 0: the end; -1: failed (records read before the failure are in the batch and may be worked on). */
int lm_records_batch(lm_records *r, size_t records, size_t bytes, lm_text_batch *batch, lm_status *st);
void lm_text_batch_free(lm_text_batch *batch);

json_t *lm_records_preamble(const lm_records *r);     /* of an LMS input, borrowed; else NULL */
uint64_t lm_records_count(const lm_records *r);       /* records given */
uint64_t lm_records_rejected(const lm_records *r);
uint64_t lm_records_dropped(const lm_records *r);     /* for their label; --rejects has them as well */
uint64_t lm_records_replaced(const lm_records *r);    /* records in which U+FFFD replaced something */

/* Appends a line as --rejects has it. */
void lm_reject_line(const char *file, uint64_t line, const char *why, lm_str record, lm_buf *out);

/* The record as a JSON object on one line without LF, appended to out. `framed`: as kind text has it, other fields
 * under `fields`; else they stand beside `text` (and those whose names would clash, under `fields`). */
void lm_text_record_json(const lm_text_record *r, bool framed, lm_buf *out);
bool lm_text_record_write(lm_lms_writer *w, const lm_text_record *r, lm_status *st); /* as a record of kind text */

#endif
