/* Text records as they stand, in blocks: cut out of an input by one thread, parsed and written again by any number.
 *
 * What a record is, which of its fields are text and label, and what cannot be used is decided by the code of lm_records
 * (stream/records.h): the numbers, lines, texts, labels and messages are the same. What differs is that a record keeps its
 * bytes, so that it goes out in the form it came in: every column and member in its place, with the spelling it had, and
 * only texts that have changed written anew. A record in which nothing has changed is the same bytes.
 *
 * JSON Lines, csv, tsv, plain lines and LMS text are cut and go out as they are; all members of an input have to be of one
 * of these forms, with one header. CoNLL blocks, WebDataset archives and JSON arrays have no such form: they are read where
 * the output is LMS text (`framed`), and are refused otherwise. Encodings come out as UTF-8, without a byte-order mark;
 * ill-formed UTF-8 as U+FFFD, unless `strict` refuses it.
 *
 *     lm_blocks *b = lm_blocks_new(in, &options, st);
 *     one thread, in order        lm_blocks_next(b, block, st)
 *     any thread                  lm_block_parse(block, st); ...; lm_source_write(s, texts, extra, out)
 *     one thread, in order        lm_blocks_reject(b, ...); lm_blocks_put(writer, block's out, st)
 */
#ifndef LM_STREAM_BLOCKS_H
#define LM_STREAM_BLOCKS_H

#include "stream/records.h"

/* Zero-initialise. */
typedef struct lm_blocks_options {
    lm_records_options records;
    bool framed;       /* records go out as LMS text, whatever they came in; fields of --text are joined by a space first */
    const char *extra; /* name of a field that is added to records (`aug`); NULL = none. Plain lines refuse it */
    size_t bytes;      /* of a block, about: one record is always whole. 0 = 1 MiB */
} lm_blocks_options;

/* One text of a record, and where it stands. */
typedef struct lm_source_text {
    lm_str text;        /* decoded, valid UTF-8 */
    size_t begin, end;  /* of the source: with its quotes, if there are any */
    bool changed;       /* it is not what stands there any more (lm_source_unpack) */
} lm_source_text;

/* How the records of a member are written; lives as long as its lm_blocks. */
typedef struct lm_form lm_form;

/* A record. Strings live as long as the block in hand, those of lm_source_unpack as long as its arena. */
typedef struct lm_source {
    const lm_form *form;
    lm_str lead;          /* blank lines before it, which stay even where the record goes, and are not repeated before copies;
                           * those at the end of all are written by lm_blocks_writer_close; of more than 1 MiB in a row the first are
                           * left out */
    lm_str bytes;         /* all of it, with the end of its line (with a `why`: without) */
    const char *why;      /* it cannot be used, or is unwanted: goes to --rejects and has no texts; NULL = it is good */
    bool unwanted;        /* ... by its label (drop_label) */
    bool replaced;        /* U+FFFD stands in it for something ill-formed */
    uint64_t number;      /* as lm_text_record has it: from `offset` on, those that cannot be used counted */
    const char *file;
    uint64_t line;        /* for messages: its first line, from 1 (LMS: the record's number) */
    lm_str label;         /* as a word (a list of labels: its JSON text); data NULL = none */
    lm_source_text *texts; /* the fields of --text that are there, then those of --pair, unless the text is a question */
    int text_count;
    size_t extra_begin, extra_end; /* where the extra field stands, or would; of `bytes` */
    int extra_place;               /* and how */
} lm_source;

/* Some whole records. Zero-initialise; reused by each lm_blocks_next. */
typedef struct lm_block {
    lm_source *sources;   /* [count], when it has been parsed; those with a `why` too, in their order */
    size_t count;
    uint64_t number;      /* of its first record */
    uint64_t records;     /* in it: known when it has been cut */
    bool flush;           /* an LMS flush record stands behind it: to be passed on (lm_blocks_flush) */
    struct lm_block_inside *inside;
} lm_block;

typedef struct lm_blocks lm_blocks;

/* Of an input that it does not own. Opens --rejects. */
lm_blocks *lm_blocks_new(lm_input *in, const lm_blocks_options *options, lm_status *st);
void lm_blocks_free(lm_blocks *b);
/* Cuts the next block. 1: there is one, which may be without a record; 0: the end; -1: failed. */
int lm_blocks_next(lm_blocks *b, lm_block *block, lm_status *st);
/* Finds the records of a block, on any thread, blocks at the same time. False: the run ends here (a record that cannot be
 * used, without --rejects; something that nothing can be read behind); the records before are in the block. */
bool lm_block_parse(lm_block *block, lm_status *st);
void lm_block_free(lm_block *block);
/* Counts, and warns of the first U+FFFD; for each block that was parsed, in order. */
void lm_blocks_count(lm_blocks *b, const lm_block *block);
uint64_t lm_blocks_given(const lm_blocks *b);    /* records that can be used */
uint64_t lm_blocks_rejected(const lm_blocks *b); /* that cannot be used; unwanted ones not counted */
uint64_t lm_blocks_replaced(const lm_blocks *b); /* records in which U+FFFD replaced something */
/* A line in --rejects, if there is one: for a record that cannot be used (why: s->why) or that was dropped. */
bool lm_blocks_reject(lm_blocks *b, const lm_source *s, const char *why, lm_status *st);

/* Appends the record with these texts (text_count of them) in the place of its own, on any thread. `extra`: JSON text of
 * the extra field, data NULL = none (a table, whose rows are all as long, gets an empty cell); where a list stands there
 * already the elements of a list are added behind its own. What a form cannot hold (line ends in a line; tabs in a tsv
 * without quotes) becomes a space. False, and nothing is written, where nothing is left that would be a record: a blank
 * line, an empty row of a table of one column. */
bool lm_source_write(const lm_source *s, const lm_str *texts, lm_str extra, lm_buf *out);

/* A record with these texts in bytes of their own, for a spool; and back, in slices of *bytes, which is moved behind it, and
 * of the arena. `form` and `file` stay pointers: they are good in this process, as long as the lm_blocks. A lead, which is
 * written once, goes with it. False: these are no such bytes. */
void lm_source_pack(const lm_source *s, const lm_str *texts, lm_buf *out);
bool lm_source_unpack(lm_str *bytes, lm_arena *arena, lm_source *s);

/* Where all goes in the end, from one thread and in order: a header row once, the preamble and the end of an LMS stream. */
typedef struct lm_blocks_writer lm_blocks_writer;

/* To fd, which it does not own. `command`: for `via`. */
lm_blocks_writer *lm_blocks_writer_new(const lm_blocks *b, int fd, const char *name, const char *command, lm_status *st);
void lm_blocks_writer_free(lm_blocks_writer *w);
bool lm_blocks_put(lm_blocks_writer *w, lm_str written, lm_status *st); /* leads, and what lm_source_write made */
bool lm_blocks_flush(lm_blocks_writer *w, lm_status *st);
/* As lm_lms_writer_close: ends where st is good, else aborts with its message. Returns lm_ok(st). */
bool lm_blocks_writer_close(lm_blocks_writer *w, lm_status *st);

#endif
