/* Inside the stream floor: how the parts of the text records reader work together. A format's reader makes the cells of
 * one source record; records.c chooses among them. */
#ifndef LM_STREAM_CELLS_H
#define LM_STREAM_CELLS_H

#include "stream/records.h"

/* One field of a source record. */
typedef struct lm_cell {
    lm_str name;  /* decoded; data NULL = only its place counts */
    lm_str value; /* json: its text, checked; else the value itself */
    bool json;
    bool plain;   /* json: it is known to have no escapes */
} lm_cell;

/* FIELD as the options have it. */
typedef struct lm_selector {
    const char *spelling;
    lm_str name;     /* by name */
    long number;     /* from 1; 0 = by name or path */
    const char *path; /* ".a.b[0]"; NULL = none */
} lm_selector;

enum { LM_PARTS_MAX = 16 }; /* fields that are joined */

/* What a selector came to. */
typedef struct lm_part {
    lm_str text;  /* decoded */
    lm_str value; /* as it stands, in JSON */
    size_t cell;  /* its number among the cells, where no path led to it */
} lm_part;

typedef struct lm_selectors {
    lm_selector *items;
    size_t count, cap;
    bool given; /* on the command line; else a default */
    lm_part parts[LM_PARTS_MAX]; /* of the record in hand: those that are there */
    size_t part_count;
} lm_selectors;

static inline bool lm_is_table(lm_text_format format)
{
    return format == LM_FORMAT_CSV || format == LM_FORMAT_TSV;
}

/* A field of a row, in bytes from the row's first; without its quotes. */
typedef struct lm_span {
    size_t begin, end;
    bool quoted, doubled; /* a quote within it is doubled */
} lm_span;

typedef struct lm_spans {
    lm_span *items;
    size_t count, cap;
} lm_spans;

/* The one who knows where fields and rows end. */
typedef struct lm_row_scan {
    char separator;
    bool quotes;
    lm_spans *spans; /* appended to; NULL = they are not wanted */
    int at;
    size_t p, begin; /* next byte; first byte of the field */
    bool quoted, doubled;
    size_t fields;   /* that have ended, where spans are wanted */
    bool blank;      /* the row is one field, of nothing */
} lm_row_scan;

typedef enum lm_row_end {
    LM_ROW_WHOLE,  /* it ends at s->p, which is its LF, or the end */
    LM_ROW_CUT,    /* more bytes are needed */
    LM_ROW_DAMAGED /* it cannot be read, and at s->p its line ends, or all */
} lm_row_end;

lm_row_scan lm_row_scan_of(lm_text_format format, const lm_records_options *o);
/* Goes on over `row`, which begins with the row and may be longer than it was the last time. */
lm_row_end lm_row_scan_on(lm_row_scan *s, lm_str row, bool at_end);
/* The bytes between quotes with doubled quotes made single; `out` has room for v.len. */
lm_str lm_csv_unquote(lm_str v, char *out);

enum {
    LM_TEXT_RECORD_MAX = INT32_MAX, /* bytes of one source record */
    LM_TEXT_ROW_MAX = 256 << 20,    /* of a row of a table, whose end is not seen where a quote is not closed */
    LM_TEXT_FIELDS_MAX = 4096
};

struct lm_records {
    lm_input *in;
    bool keeps;            /* it reads a block: strings of all its records stay, nothing is logged or put aside */
    bool valid;            /* ... and all of it is valid UTF-8 */
    lm_records_options options;
    lm_selectors text, pair, label, id, answer, target, weight;

    /* of the member being read */
    lm_text_format format; /* LM_FORMAT_AUTO: none has been begun */
    const char *file;      /* its name; kept in `names` */
    uint64_t line;         /* of the record in hand */
    uint64_t next_line;    /* of what comes */
    uint64_t documents;
    bool in_document;
    bool json_array, json_later; /* inside [ ... ]; behind its first element */
    size_t columns;        /* csv, tsv: of the first row; 0 = not known */
    uint64_t columns_line;
    lm_str *header;        /* csv, tsv: names; NULL = none */
    size_t header_end;     /* the first byte behind that row */
    bool guessed;          /* the defaults have been looked for */
    char separator;        /* conll: between columns; 0 = any white space */
    bool conllu;           /* conll: the ten columns of CoNLL-U */
    struct lm_key_set *keys; /* tar: of the records that have been */
    bool at_member;        /* tar: the input stands in a member that has not been read */
    lm_lms_reader *lms;
    struct lm_squad *squad; /* a document whose questions are given one by one; NULL = none */

    /* of the record in hand */
    lm_str source;         /* its bytes, for --rejects */
    lm_cell *cells;
    size_t cell_count, cell_cap;
    lm_field *fields;
    size_t field_cap;
    lm_buf clean, members, block; /* block: conll: the lines of a sentence */
    const char *base;      /* JSON: the first byte of the record whose values the cells are; it may be a copy */
    lm_spans spans;        /* csv, tsv */
    bool replaced;         /* U+FFFD stands in it */
    bool in_fields;        /* LMS: reserved names are not looked for in cells */
    lm_arena *arena;       /* of the record */
    lm_arena *names;       /* of the member, and file names */

    uint64_t number, given, rejected, dropped, replaced_count;
    bool warned_utf8;
    int rejects;           /* descriptor, -1 = none */
    bool failed, ended;
};

/* Lines of a text that nobody reads. */
bool lm_is_blank_line(lm_text_format format, lm_str line);
size_t lm_count_lines(lm_str s); /* LFs */

/* What reading one record came to. */
typedef enum lm_take {
    LM_TAKE_END,    /* of the member */
    LM_TAKE_RECORD,
    LM_TAKE_BAD,    /* st says what is wrong with this record; the next one may be good */
    LM_TAKE_FLUSH,
    LM_TAKE_FAILED  /* nothing more can be read */
} lm_take;

lm_take lm_take_json(lm_records *r, lm_status *st);   /* LM_FORMAT_JSONL and LM_FORMAT_JSON */
lm_take lm_take_table(lm_records *r, lm_status *st);  /* LM_FORMAT_CSV and LM_FORMAT_TSV */
lm_take lm_take_line(lm_records *r, lm_status *st);   /* LM_FORMAT_TEXT */
lm_take lm_take_conll(lm_records *r, lm_status *st);  /* LM_FORMAT_CONLL */
lm_take lm_take_tar(lm_records *r, lm_status *st);    /* LM_FORMAT_TAR: goes on to the archive's next members itself */
lm_take lm_take_lms(lm_records *r, lm_status *st);
/* Whether the cells in hand are those of a document of questions; then they come before all else. */
bool lm_squad_begin(lm_records *r);
void lm_squad_free(struct lm_squad *s);
lm_take lm_take_question(lm_records *r, lm_status *st); /* LM_TAKE_END: there are no more, and r->squad is NULL */
void lm_key_set_free(struct lm_key_set *k);
/* Whether the member that r->in stands in and the next one are files of one key. False as well where it cannot be told. */
bool lm_tar_is_grouped(lm_records *r, bool *grouped, lm_status *st);

/* Finds out the format of the member that r->in stands in, and its encoding. */
bool lm_member_begin(lm_records *r, lm_status *st);
/* Whether the first lines of a text, `seen`, are those of a csv; *why says by what. */
bool lm_looks_like_csv(lm_str seen, const char **why);
bool lm_is_field_name(lm_str s); /* one that fields usually have */
bool lm_is_identifier(lm_str s); /* one word that begins with a letter */
/* csv, tsv: whether the cells in hand, the first row's, are a header. */
bool lm_guess_header(lm_records *r);
/* Where the options name no fields: which of the cells in hand are meant. */
void lm_guess_fields(lm_records *r);

/* Reads the next record of the member and chooses among its cells: *unwanted, its label is the one to be left out. */
lm_take lm_records_take(lm_records *r, lm_text_record *out, bool *unwanted, lm_status *st);
void lm_warn_replaced(const char *file, uint64_t line); /* said once */
/* Why an unwanted one is left out. */
void lm_say_unwanted(const lm_text_record *t, char why[128]);

bool lm_selectors_parse(const char *spec, const char *option, lm_selectors *out, lm_status *st);
void lm_selectors_free(lm_selectors *s);
void lm_selectors_set(lm_selectors *s, const char *name, long number); /* appends one that was guessed */
const lm_cell *lm_cell_find(const lm_records *r, const lm_selector *s, lm_cell *found);

/* What a cell says as plain text. */
bool lm_cell_plain(lm_records *r, const lm_cell *c, const char *name, lm_str *out, lm_status *st);
/* A JSON list of strings and numbers as words. */
bool lm_cell_list(lm_records *r, const lm_cell *c, const char *name, const lm_str **out, size_t *count,
                  lm_status *st);
/* The text, the words it is split into and the label or labels, by the options. */
bool lm_choose_text(lm_records *r, lm_text_record *out, lm_status *st);
bool lm_choose_label(lm_records *r, lm_text_record *out, lm_status *st);
bool lm_choose_answer(lm_records *r, lm_text_record *out, lm_status *st);
bool lm_is_unwanted(const lm_records *r, const lm_text_record *out); /* its label is the one to be left out */
/* The weight; and whether both texts of a pair are there, where one was asked for. */
bool lm_choose_weight(lm_records *r, lm_text_record *out, lm_status *st);
bool lm_check_pair(lm_records *r, const lm_text_record *out, lm_status *st);
bool lm_choose_target(lm_records *r, lm_text_record *out, lm_status *st); /* where one is asked for it has to be there */
/* The fields of `s`, which are in its parts then, joined by a space; out->data NULL where all are absent. */
bool lm_choose(lm_records *r, lm_selectors *s, lm_str *out, lm_status *st);

/* s as valid UTF-8: itself, or a copy in `r->clean` or the arena with U+FFFD. False (strict): st says where. */
bool lm_records_utf8(lm_records *r, lm_str s, bool to_arena, lm_str *out, lm_status *st);
lm_cell *lm_cell_add(lm_records *r);
bool lm_cells_from_json(lm_records *r, lm_str value, lm_status *st);
/* The JSON text that LMS headers take: no member twice, no lone surrogate, not too deep. */
bool lm_json_field(lm_records *r, lm_str name, lm_str value, lm_str *out, lm_status *st);
bool lm_fail_record(lm_records *r, lm_status *st, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
