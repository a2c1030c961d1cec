/* Inside the stream floor: what the parts of stream/blocks.h share. */
#ifndef LM_STREAM_BLOCKS_INTERNAL_H
#define LM_STREAM_BLOCKS_INTERNAL_H

#include "stream/blocks.h"
#include "stream/cells.h"

/* What becomes of the extra field. */
typedef enum lm_extra_place {
    LM_EXTRA_NOWHERE,
    LM_EXTRA_MEMBER,  /* a new member of an object, behind others */
    LM_EXTRA_FIRST,   /* the only one */
    LM_EXTRA_ELEMENT, /* a new element of an array */
    LM_EXTRA_FIELDS,  /* a new member of an LMS record, `fields`, and in it the field */
    LM_EXTRA_VALUE,   /* in place of a JSON value; a list goes on */
    LM_EXTRA_COLUMN,  /* a new cell behind the last one */
    LM_EXTRA_CELL     /* in place of a cell; a list goes on */
} lm_extra_place;

struct lm_form {
    struct lm_form *next; /* of all that there were */
    lm_text_format format; /* of the records' bytes; LM_FORMAT_LMS: their JSON text, which becomes a stream when it is written */
    bool framed;          /* ... and is made when a block is parsed */
    lm_records state;     /* what a reader of its blocks has to know */
    const char *line_end; /* for records that have none */
    lm_buf head;          /* the header row, and blank lines before it */
    const char *extra;
    size_t extra_column;  /* csv, tsv: which it is, from 0; the number of columns: a new one */
};

/* Where a record stood that was copied into its block. */
typedef struct lm_place {
    uint64_t number, line;
    bool asks;            /* its text is a question: the pair stays as it is */
} lm_place;

struct lm_block_inside {
    lm_form *form;
    lm_buf bytes;
    uint64_t line;        /* of its first byte */
    size_t skip;          /* its records begin behind these bytes: the header row */
    lm_place *places;     /* of records that were copied; else none */
    size_t place_count, place_cap, source_cap;
    lm_records reader;
    bool rejects;         /* somebody takes records that cannot be used */
};

struct lm_blocks {
    lm_input *in;
    lm_blocks_options options;
    lm_records *head;     /* stands in the member that is being cut, and knows the options */
    lm_form *form;        /* of that member; NULL: its first bytes have not been seen */
    lm_form *forms;       /* the latest first */
    lm_buf carry;         /* bytes behind the last record that was cut */
    uint64_t line;        /* of the first of them */
    lm_form *_Atomic headed; /* whose header row goes out: found by the thread that cuts, for the one that writes */
    uint64_t number, given, rejected, replaced;
    bool begun, ended;    /* the member in hand; all */
    bool copies;          /* its records are copied, and are those of all members that follow */
    bool form_made;       /* ... as LMS text that they were not */
    lm_status failed;     /* behind the block that was given last */
};

/* A reader of a block: begins with what `state` knows, and with these bytes and line; a reader that is all zero, or was used
 * before. lm_reader_end before the bytes go. */
void lm_reader_know(lm_records *r, const lm_records *state);
void lm_reader_begin(lm_records *r, lm_str bytes, uint64_t line);
void lm_reader_end(lm_records *r);
void lm_reader_free(lm_records *r);

/* An LMS stream goes out: asked to be framed, or it came in as one. */
bool lm_blocks_framed(const lm_blocks *b);
/* A form of the member that `state` has begun, kept with the others. */
lm_form *lm_form_new(lm_blocks *b, const lm_records *state);
void lm_form_free(lm_form *f);
/* The form of a block, whose bytes are there: it is found out in the first one of a member. */
bool lm_form_find(lm_blocks *b, struct lm_block_inside *n, lm_status *st);

#endif
