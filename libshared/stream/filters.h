/* What cat, head, shuf, split and wc are for lines, for streams: the work of lms(1). Every kind of LMS goes through; text
 * in any other form (stream/records.h) does too, as JSON Lines or framed. Rows keep their order (but for the shuffle)
 * and all their columns and members; a record that is not cut goes out as it came. */
#ifndef LM_STREAM_FILTERS_H
#define LM_STREAM_FILTERS_H

#include "base/options.h"
#include "stream/records.h"

typedef enum lm_filter_mode {
    LM_FILTER_CAT,     /* one stream out of all inputs */
    LM_FILTER_HEAD,    /* the first `head` rows */
    LM_FILTER_SHUFFLE, /* all rows in an order that the seed gives */
    LM_FILTER_SPLIT,   /* rows parted among several outputs */
    LM_FILTER_VIEW,    /* a rendering for people */
    LM_FILTER_CHECK,   /* every rule of the format; a line an input */
    LM_FILTER_COUNT    /* name, tab, number */
} lm_filter_mode;

/* By what a row goes to one part or another. */
typedef enum lm_split_by {
    LM_BY_HASH,  /* of its text (or, without text, its ids): the same text is always on the same side */
    LM_BY_ROW,   /* of its number */
    LM_BY_FIELD  /* of the value of a field: what has the same value stays together */
} lm_split_by;

/* What tells tokens apart for people, for LM_FILTER_VIEW: this floor knows of no tokenizers. */
typedef struct lm_token_view {
    void *context;
    /* Of each stream, before its rows: whether its tokens are those of the tokenizer. */
    bool (*begin)(void *context, json_t *preamble, lm_status *st);
    /* Appends lines about some ids, each indented by `indent`. */
    bool (*show)(void *context, const int32_t *ids, size_t n, const char *indent, lm_buf *out, lm_status *st);
} lm_token_view;

typedef struct lm_filter {
    lm_filter_mode mode;
    const lm_strings *operands;   /* none: standard input */
    const char *output;           /* NULL: standard output; LM_FILTER_SPLIT: what the names of the parts begin with */
    const char *command;          /* for `via` */
    lm_records_options records;   /* for plain text */
    bool framed;                  /* plain text becomes LMS text */
    bool text;                    /* LMS text becomes JSON Lines */
    int64_t head;
    uint64_t seed;
    size_t memory;                /* of a shuffle; past it a file is used */
    const char *split;            /* NAME=FRACTION[,NAME=FRACTION...] */
    lm_split_by by;
    const char *field;            /* LM_BY_FIELD: `label`, `id`, `pair`, a field, or a column of one number a row */
    const lm_token_view *tokens;  /* LM_FILTER_VIEW; NULL: ids are numbers */
    const char *part;             /* write this part alone, to `output` */
} lm_filter;

bool lm_filter_run(const lm_filter *filter, lm_status *st);

#endif
