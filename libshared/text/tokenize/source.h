/* The text of all inputs of a program, one after the other as one: records numbered through, in batches. */
#ifndef LM_TEXT_SOURCE_H
#define LM_TEXT_SOURCE_H

#include "base/options.h"
#include "stream/records.h"

typedef struct lm_text_source {
    const lm_strings *operands; /* none = standard input; borrowed */
    lm_records_options options; /* offset: number of the next input's first record */
    size_t next;                /* operand to open next */
    lm_input *input;
    lm_records *records;
    json_t *preamble; /* of the first input where that is LMS text; else NULL */
    lm_arena *names;  /* of files: a batch outlives the reader that it came from */
    const char *theirs, *ours; /* the reader's name of a file, and the same, kept */
    uint64_t count, rejected, dropped, replaced, bytes;
} lm_text_source;

/* Opens the first input. False: failed; close it in any case. */
bool lm_text_source_open(lm_text_source *s, const lm_strings *operands, const lm_records_options *options,
                         lm_status *st);
void lm_text_source_close(lm_text_source *s);
/* As lm_records_batch, over all inputs; the files' names stay until the source is closed. */
int lm_text_source_batch(lm_text_source *s, size_t records, size_t bytes, lm_text_batch *batch,
                         lm_status *st);

#endif
