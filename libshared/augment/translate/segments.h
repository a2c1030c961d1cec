/* Inside translate: the lines of the texts of a batch, each once, and the texts put together again. */
#ifndef LM_AUGMENT_SEGMENTS_H
#define LM_AUGMENT_SEGMENTS_H

#include "augment/augment.h"
#include "text/train/word_counts.h"

/* What of a text is given to a command. */
typedef struct lm_segment {
    uint32_t draft, text;  /* the text's place in the batch */
    uint32_t line;         /* which of the lines it is */
    size_t from, to;       /* bytes of the text */
} lm_segment;

/* Zero-initialise; reused from batch to batch. */
typedef struct lm_segments {
    lm_segment *at;
    size_t count, cap;
    lm_word_counts seen;   /* the lines, by their numbers */
    lm_str *lines;
    size_t line_count, line_cap;
    lm_buf out;
} lm_segments;

/* Finds the lines of the batch, in slices of its texts: without the white space around them, none of them blank. `whole`: a text is
 * one line. False: more than can be numbered. */
bool lm_segments_find(lm_segments *s, const lm_drafts *batch, bool whole, lm_status *st);
/* Puts answers[line] in the place of each line of the drafts that are kept. */
void lm_segments_replace(lm_segments *s, lm_drafts *batch, const lm_str *answers);
void lm_segments_free(lm_segments *s);

#endif
