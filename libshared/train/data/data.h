/* The rows that a run trains on, step by step.
 *
 * Usually all of the input is spooled first (stream/spool.h), since more than one epoch and shuffling need to
 * come back to it. A single pass that is not shuffled, or shuffled within a window only, reads as it goes and
 * holds one window (train/data/window.h): then its memory does not grow with the input, and the input may be endless. Of a
 * mixture (train/data/mixture.h) it holds a window of each file; those that can be read again begin anew, and a pipe's end is
 * the end.
 *
 * What is trained on are examples (train/data/instances.h): the rows, or what is made of them. */
#ifndef LM_TRAIN_DATA_H
#define LM_TRAIN_DATA_H

#include "base/options.h"
#include "stream/spool.h"
#include "train/data/instances.h"
#include "train/data/mixture.h"
#include "train/data/order.h"
#include "train/objectives/step_rows.h"

typedef struct lm_data lm_data;

typedef struct lm_data_options {
    const lm_strings *inputs; /* files; none = standard input */
    const double *weights;    /* [inputs] shares in which their rows are dealt (train/data/mixture.h); NULL = one file after the other */
    const char
        *spool_file; /* the spool has this name (a resume opens it again); NULL = memory, then unlinked */
    size_t memory;   /* of the spool before it goes to a file; 0 = its own default */
    bool streaming;  /* one pass without a spool */
    uint32_t window; /* streaming: rows that are shuffled among one another */
    bool shuffle, by_length;
    uint32_t rows_per_step;
    uint64_t tokens_per_step; /* goes before rows_per_step (train/data/order.h); 0 = none. Streaming, step i takes the rows that begin
                               * in tokens [i N, (i+1) N) of all, at least one */
    const char *const *keep; /* columns (stream/spool.h); NULL = all */
    uint64_t seed;
    double share;           /* of the rows that are trained on, by hash (train/data/subset.h); 0 = all */
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
/* Each row has from now on the logits of the row of `other`, which lives as long, that is of the same record (train/data/paired.h). */
bool lm_data_take_logits(lm_data *d, const lm_data *other, lm_status *st);
/* What is made of the rows, after lm_data_load; rows as they stand where it is not called. Examples may differ from epoch to
 * epoch. Then an epoch has as many steps as the first one: what a later one has more is not read, and one that has less
 * begins again with its first steps. So the length of a run is known, and where a step stands follows from its number. */
bool lm_data_arrange(lm_data *d, const lm_instances_options *how, lm_status *st);
const lm_instances *lm_data_instances(const lm_data *d); /* NULL while streaming */
void lm_data_log(const lm_data *d); /* says what an epoch is made of, unless it is the rows as they stand */
/* The examples of the first epoch: how many (0 while streaming), their lengths, and example i of them, as lm_instances_get
 * gives it. */
uint64_t lm_data_rows(const lm_data *d);
const uint32_t *lm_data_lengths(const lm_data *d);
void lm_data_row(const lm_data *d, uint64_t i, lm_arena *room, lm_tokens_row *row);
/* Each step gets further examples of `other` (borrowed, not streaming), `share` for each of its own: as many as make up the
 * share over the steps so far. They are shuffled, and begin again when they are used up. After both are arranged; `targets`,
 * theirs, are borrowed, and read by lm_data_step. */
void lm_data_mix(lm_data *d, const lm_data *other, double share, const lm_targets *targets);
/* Removes the spool's file if it was written by this run: its rows have turned out to be the wrong ones. */
void lm_data_drop_file(lm_data *d);
uint64_t lm_data_steps(const lm_data *d); /* optimiser steps of an epoch; 0 while streaming */
/* Every spooled row: as an example by itself, or as a part of one. */
bool lm_data_check(const lm_data *d, const lm_targets *t, lm_status *st);
/* The rows of optimiser step `step` (from 0, over all epochs; streaming: each once, in order), with their
 * targets; longest first. *end: there are no more. `targets` NULL: the step is passed over (a resume that
 * streams). */
bool lm_data_step(lm_data *d, uint64_t step, const lm_targets *targets, lm_step_rows *out, bool *end,
                  lm_status *st);
/* Row j of what lm_data_step gave last: which of lm_data_rows it is, or where *mixed which of the other stream's. Not
 * while streaming, and of rows as they stand alone. */
uint64_t lm_data_picked(const lm_data *d, uint32_t j, bool *mixed);
/* Digest of the rows: of all, or while streaming of those read so far. */
uint64_t lm_data_digest(const lm_data *d);

#endif
