/* Inside the stream floor: what the filters of stream/filters.h share. */
#ifndef LM_STREAM_FILTERS_INTERNAL_H
#define LM_STREAM_FILTERS_INTERNAL_H

#include "base/atomic.h"
#include "stream/filters.h"
#include "stream/rows.h"

/* One output: a stream, or JSON Lines. */
typedef struct lm_filter_out {
    lm_output_file *file;
    lm_lms_writer *writer; /* NULL: JSON Lines */
    lm_packer *packer;     /* kind tokens */
    lm_buf lines;
    uint64_t rows;
} lm_filter_out;

/* The inputs as one: an LMS reader whose records go through as they are, or text records. */
typedef struct lm_flow {
    const lm_filter *filter;
    lm_input *in;
    lm_lms_reader *reader; /* NULL: `records` */
    lm_records *records;
    lm_record record;      /* of the reader */
    json_t *preamble;      /* of the first stream; NULL = none */
    uint64_t streams;      /* preambles seen */
    bool chosen;           /* fields are asked for: lines of JSON do not stay as they are */
    lm_text_record text;   /* of the records */
    lm_buf json;           /* and its JSON */
} lm_flow;

bool lm_flow_open(lm_flow *flow, const lm_filter *filter, lm_status *st);
void lm_flow_close(lm_flow *flow);
/* The next record: 1, 0, -1. LMS: flow->record; else flow->text and flow->json. */
int lm_flow_next(lm_flow *flow, lm_status *st);
bool lm_flow_is_tokens(const lm_flow *flow);

bool lm_filter_out_open(lm_filter_out *out, const lm_flow *flow, const char *path, lm_status *st);
/* The record in hand as it is; a flush record flushes. */
bool lm_filter_out_put(lm_filter_out *out, lm_flow *flow, lm_status *st);
/* The line of a text record: of LMS with its pad, else JSON. */
bool lm_filter_out_line(lm_filter_out *out, lm_str line, lm_status *st);
/* Ends and publishes it, or, where st has failed, aborts it and leaves OUT.partial. */
bool lm_filter_out_close(lm_filter_out *out, lm_status *st);

bool lm_filter_shuffle(const lm_filter *filter, lm_status *st);
bool lm_filter_split(const lm_filter *filter, lm_status *st);
bool lm_filter_view(const lm_filter *filter, lm_status *st);
bool lm_filter_check(const lm_filter *filter, lm_status *st);
bool lm_filter_count(const lm_filter *filter, lm_status *st);

#endif
