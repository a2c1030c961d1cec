/* The rows that a run trains on, step by step.
 *
 * Usually all of the input is spooled first (stream/spool.h), since more than one epoch and shuffling need to
 * come back to it. A single pass that is not shuffled, or shuffled within a window only, reads as it goes and
 * holds one window (train/window.h): then its memory does not grow with the input, and the input may be endless. Of a
 * mixture (train/mixture.h) it holds a window of each file; those that can be read again begin anew, and a pipe's end is
 * the end. */
#ifndef LM_TRAIN_DATA_H
#define LM_TRAIN_DATA_H

#include "base/options.h"
#include "stream/spool.h"
#include "train/mixture.h"
#include "train/order.h"
#include "train/step_rows.h"

typedef struct lm_data lm_data;

typedef struct lm_data_options {
    const lm_strings *inputs; /* files; none = standard input */
    const double *weights;    /* [inputs] shares in which their rows are dealt (train/mixture.h); NULL = one file after the other */
    const char
        *spool_file; /* the spool has this name (a resume opens it again); NULL = memory, then unlinked */
    size_t memory;   /* of the spool before it goes to a file; 0 = its own default */
    bool streaming;  /* one pass without a spool */
    uint32_t window; /* streaming: rows that are shuffled among one another */
    bool shuffle, by_length;
    uint32_t rows_per_step;
    const char *const *keep; /* columns (stream/spool.h); NULL = all */
    uint64_t seed;
    double share;           /* of the rows that are trained on, by hash (train/subset.h); 0 = all */
    uint64_t most;          /* rows that are trained on, by the same hash; 0 = no limit */
    const lm_spool *shared; /* rows that another lm_data has read and that outlive this one; NULL = the inputs */
} lm_data_options;

/* Opens the first input, or the spool of a run that is resumed where its file stands. Options are copied. */
lm_data *lm_data_open(const lm_data_options *options, lm_status *st);
void lm_data_free(lm_data *d);
/* What the ids belong to; `present` false where the stream does not say. */
const lm_tokenizer_info *lm_data_tokenizer(const lm_data *d);
/* The preamble of the first stream (borrowed); NULL before there is one. */
json_t *lm_data_preamble(const lm_data *d);
/* Reads everything to its good end, unless it streams; LM_ENDED where the stream ended early. An input
 * without rows fails. */
bool lm_data_load(lm_data *d, lm_status *st);
/* All rows, in any order, also those that a share leaves out; NULL while streaming. */
const lm_spool *lm_data_spool(const lm_data *d);
/* Those that are trained on: how many (0 while streaming), their lengths, and row i of them. */
uint64_t lm_data_rows(const lm_data *d);
const uint32_t *lm_data_lengths(const lm_data *d);
void lm_data_row(const lm_data *d, uint64_t i, lm_tokens_row *row);
/* Each step gets further rows of `other` (borrowed), `share` for each row of its own: as many as make up the
 * share over the steps so far. They are shuffled, and begin again when they are used up. After lm_data_load; `targets`,
 * theirs, are borrowed, and read by lm_data_step. */
void lm_data_mix(lm_data *d, const lm_spool *other, double share, const lm_targets *targets);
/* The same, given away: the caller frees it, and d is good for nothing else. */
lm_spool *lm_data_take_spool(lm_data *d);
/* Removes the spool's file if it was written by this run: its rows have turned out to be the wrong ones. */
void lm_data_drop_file(lm_data *d);
uint64_t lm_data_steps(const lm_data *d); /* optimiser steps of an epoch; 0 while streaming */
bool lm_data_check(const lm_data *d, const lm_targets *t, lm_status *st); /* every spooled row */
/* The rows of optimiser step `step` (from 0, over all epochs; streaming: each once, in order), with their
 * targets; longest first. *end: there are no more. `targets` NULL: the step is passed over (a resume that
 * streams). */
bool lm_data_step(lm_data *d, uint64_t step, const lm_targets *targets, lm_step_rows *out, bool *end,
                  lm_status *st);
/* Row j of what lm_data_step gave last: which of lm_data_rows it is, or where *mixed which row of the other stream. Not
 * while streaming. */
uint64_t lm_data_picked(const lm_data *d, uint32_t j, bool *mixed);
/* Digest of the rows: of all, or while streaming of those read so far. */
uint64_t lm_data_digest(const lm_data *d);

#endif
