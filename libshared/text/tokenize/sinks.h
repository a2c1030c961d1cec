/* Inside tok: where rows go, and what they pass on their way: the lists of classes, the packing, the figures.
 */
#ifndef LM_TEXT_TOKENIZE_SINKS_H
#define LM_TEXT_TOKENIZE_SINKS_H

#include "stream/labels.h"
#include "stream/tokens.h"
#include "text/tokenize/tokenize.h"

/* What becomes a row of the output. */
typedef struct lm_token_row {
    const lm_text_record *record; /* NULL in a packed row */
    const lm_encoding *e;
    const lm_encoding *target;  /* NULL = none */
    uint64_t number;            /* of the source record; of a packed row, of its first text's */
    const int32_t *seq_lengths; /* of a packed row; else NULL */
    size_t seq_count;
} lm_token_row;

/* The text that the tokens are of. */
static inline lm_str lm_token_text(const lm_text_record *r, const lm_encoding *e)
{
    return e->chat ? lm_buf_str(&e->chat->text) : r->text;
}

struct lm_token_sink {
    const lm_tokenize_options *o;
    const lm_tokenizer *t;
    int fd;
    char *name;
    json_t *via;
    lm_lms_writer *lms; /* begun with the first row, when it is known what the preamble has to say */
    lm_tokens_writer *rows;
    struct lm_token_classes *classes;
    struct lm_token_figures *figures;
    struct lm_token_blocks *blocks;
    struct lm_token_masks *masks; /* NULL = none */
    lm_buf text; /* of the forms that are lines */
};

/* A row in the sink's form. */
bool lm_token_sink_row(lm_token_sink *s, const lm_token_row *row, lm_status *st);

/* ---- classes of tags and of several labels (tokenize_labels.c)
 *
 * Their names stand in the preamble, so they have to be known before the first row: by --labels, else the
 * rows are kept in an unlinked file until all of them have been seen. */
typedef struct lm_token_classes lm_token_classes;

lm_token_classes *lm_token_classes_new(const lm_tokenize_options *o, lm_status *st);
void lm_token_classes_free(lm_token_classes *c);
/* Whether rows like this one have to wait. */
bool lm_token_classes_wait(const lm_token_classes *c, const lm_text_record *r);
/* Begins to keep rows: a writer for them, which belongs to the classes. */
lm_lms_writer *lm_token_classes_keep(lm_token_classes *c, const char *command, lm_status *st);
/* Whether the labels of a record are classes, as far as is known beforehand; `why` says which is not. */
bool lm_token_classes_know(const lm_token_classes *c, const lm_text_record *r, lm_status *why);
/* Fills row->tags or row->multi_label; they stay until the next call. */
bool lm_token_classes_row(lm_token_classes *c, const lm_text_record *r, const lm_encoding *e,
                          lm_tokens_row *row, lm_status *st);
/* `tags` or `labels` of the preamble, where there are names. */
void lm_token_classes_preamble(const lm_token_classes *c, json_t *preamble);
/* No more rows: the order of the classes is known. False: failed. */
bool lm_token_classes_finish(lm_token_classes *c, lm_status *st);
/* The rows that were kept, to `out`. */
bool lm_token_classes_replay(lm_token_classes *c, lm_lms_writer *out, lm_status *st);

/* ---- answers (answers.c) */
/* First and last token of a question's answer in a row; the row's `cls` token where it has none, or not in this row. */
void lm_token_answer(const lm_text_record *r, const lm_encoding *e, int cls_id, int32_t span[2]);

/* ---- masks (masks.c) */
typedef struct lm_token_masks lm_token_masks;

lm_token_masks *lm_token_masks_new(const lm_tokenize_options *o, const lm_tokenizer *t, lm_status *st);
void lm_token_masks_free(lm_token_masks *m);
/* Hides tokens of a row in its way number `copy`, a function of (seed, number, copy): other ids and mlm_labels, which stay until the
 * next call. */
void lm_token_masks_row(lm_token_masks *m, uint64_t number, uint64_t copy, lm_tokens_row *row);

/* ---- packing (tokenize_pack.c) */
typedef struct lm_token_blocks lm_token_blocks;

/* Rows go to `s` as they are full. */
lm_token_blocks *lm_token_blocks_new(lm_token_sink *s);
void lm_token_blocks_free(lm_token_blocks *b);
bool lm_token_blocks_add(lm_token_blocks *b, const lm_encoding *e, uint64_t number, lm_status *st);
bool lm_token_blocks_finish(lm_token_blocks *b, lm_status *st);

/* ---- figures (tokenize_stats.c) */
typedef struct lm_token_figures lm_token_figures;

lm_token_figures *lm_token_figures_new(const lm_tokenize_options *o, const lm_tokenizer *t);
void lm_token_figures_free(lm_token_figures *f);
void lm_token_figures_add(lm_token_figures *f, const lm_text_record *r, const lm_encoding *e);
/* Name, tab, value; for a person (`columns` of a terminal > 0) in words and with a histogram. */
void lm_token_figures_print(const lm_token_figures *f, int columns, lm_buf *out);

/* ---- lines (tokenize_lines.c) */
void lm_token_line(const lm_token_sink *s, const lm_token_row *row, lm_buf *out);
/* Segments are worth a column where there are several: in pairs, or where the tokenizer's template says so.
 */
bool lm_token_has_types(const lm_token_row *row);

#endif
