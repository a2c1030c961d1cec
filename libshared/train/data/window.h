/* Rows that are trained on as they come, shuffled within a window: memory does not grow with the input, which may be
 * endless. Examples (train/data/instances.h) are made of the rows of a window; documents end with it. */
#ifndef LM_TRAIN_WINDOW_H
#define LM_TRAIN_WINDOW_H

#include "train/data/instances.h"
#include "train/data/source.h"

typedef struct lm_window_options {
    uint32_t rows; /* of a window; at least 1 */
    bool shuffle;
    bool again;    /* begin anew where the source ends, if its files can be read again */
    size_t memory; /* of a window before it goes to a file; 0 = the spool's own default */
    const char *const *keep; /* columns (stream/spool.h); NULL = all */
    uint64_t seed;
    lm_instances_options examples;
} lm_window_options;

typedef struct lm_window_row {
    const lm_instances *from;
    uint64_t row;    /* of these */
    uint64_t number; /* of the example in the source, from 0 */
    uint64_t pass;   /* over the source, from 0 */
} lm_window_row;

typedef struct lm_window lm_window;

/* The source is the window's own from now on. */
lm_window *lm_window_new(lm_source *source, const lm_window_options *how);
void lm_window_free(lm_window *w);
/* What is made of the rows: before the first one is asked for. */
void lm_window_arrange(lm_window *w, const lm_instances_options *examples);
/* The rows given so far are no longer needed. */
void lm_window_forget(lm_window *w);
/* The next example, valid until lm_window_forget; *end where the source has no more. A source of which none comes at all
 * fails. */
bool lm_window_next(lm_window *w, lm_window_row *row, bool *end, lm_status *st);
const char *lm_window_name(const lm_window *w); /* of the file in hand, for messages */
uint64_t lm_window_digest(const lm_window *w);  /* of all rows read so far */

#endif
