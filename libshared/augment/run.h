/* Inside augment: a run. Batches go from the reader through the operations of a stage to the sink, several at once.
 *
 * A stage ends where an operation wants to see all records before it changes the first. What comes there is kept (run_spool.c),
 * and the next stage reads it. A batch is in one pair of hands at a time: a worker reads it, takes it through the operations
 * and makes the bytes that are to be written; the main thread, which signals interrupt, writes them. Turns (run_turns.c) let
 * batches pass in the order of the input where that matters; whoever fails passes them too, so that nobody waits for it, and
 * the failure that is told is the first one in the order of the input. */
#ifndef LM_AUGMENT_RUN_H
#define LM_AUGMENT_RUN_H

#include "augment/augment.h"
#include "base/atomic.h"
#include "stream/blocks.h"
#include "stream/lines.h"

#include <pthread.h>
#include <stdatomic.h>

/* A record on its way. */
typedef struct lm_augment_item {
    lm_draft draft;     /* draft.source is the item */
    const lm_source *from;
    lm_str *before;     /* the texts when the operation in hand began */
    lm_buf note;        /* of draft.note */
    size_t noted;       /* bytes of it when the operation began */
    bool gone;          /* was dropped in an earlier stage, and has been told of: it is here for its lead */
} lm_augment_item;

typedef struct lm_augment_items {
    lm_augment_item **items;
    size_t count, cap;
} lm_augment_items;

/* One operation of the run. */
typedef struct lm_augment_step {
    const lm_operation_kind *kind;
    const char *value, *second; /* as lm_option_steps has them */
    void *self;
    uint64_t counted, followed; /* turns: batches that have passed */
    uint64_t position;          /* records that were given to it */
    uint64_t given, changed, dropped;
} lm_augment_step;

typedef struct lm_augment_tally {
    uint64_t given, changed, dropped;
} lm_augment_tally;

typedef struct lm_augment_batch {
    enum { LM_BATCH_FREE, LM_BATCH_WORKING, LM_BATCH_READY } state;
    uint64_t ticket;        /* its place in the order, from 0 in each stage */
    bool last;              /* no more parts of it come */
    lm_block block;         /* in the first stage */
    lm_str packed;          /* in those that follow: what is left to be unpacked */
    lm_arena *arena;
    lm_augment_items all;   /* in order, dropped ones too */
    lm_augment_items part;  /* some of them, with copies */
    const lm_augment_items *handed; /* those that are handed over */
    lm_drafts kept, copies; /* of those in hand: all, and those that operations that vary may change */
    void **rooms;           /* by operation; NULL = not needed yet */
    lm_augment_tally *tallies; /* by operation */
    lm_buf out;             /* for the output, or the spool */
    uint64_t written;       /* records in it */
    bool counted;           /* its block, when its first part was sunk */
    bool in_vain;           /* an operation has failed: there is nothing to be sunk */
    lm_status st;
} lm_augment_batch;

typedef struct lm_augment_run_state {
    const lm_augment_options *o;
    lm_augment_step *steps;
    size_t step_count;
    bool copying;           /* records are copied, */
    size_t fan_out;         /* before this operation, */
    size_t copies_by;       /* as often as this one says; SIZE_MAX: o->copies */

    lm_input *in;
    lm_blocks *blocks;
    lm_blocks_writer *writer;
    lm_output_file *out;

    size_t from, to;        /* the operations of the stage; where to < step_count, that one observes */
    lm_lines *kept, *keeping; /* what this stage reads (NULL: the input), and what it keeps */
    size_t spool_memory;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything of what follows, and turns */
    bool reading;           /* somebody is */
    bool ended;             /* nothing more is to be read */
    atomic_bool stopped;    /* failed: what is on its way is in vain */
    uint64_t read, sunk;    /* batches */
    lm_augment_batch *batches;
    size_t batch_count;
    size_t block_bytes;
    bool alone;             /* one thread does everything */
    int threads;

    uint64_t written;       /* records */
    lm_status *st;
} lm_augment_run_state;

/* As lm_augment_run, with the kind of each step, which need not be in the table. */
bool lm_augment_run_kinds(const lm_augment_options *o, const lm_operation_kind *const *kinds, const lm_option_steps *steps,
                          lm_status *st);

/* ---- run_turns.c: who does what when */
bool lm_augment_stage(lm_augment_run_state *r); /* from the first batch to the last */
void lm_augment_wait_turn(lm_augment_run_state *r, const uint64_t *turn, const lm_augment_batch *b);
void lm_augment_give_turn(lm_augment_run_state *r, uint64_t *turn, const lm_augment_batch *b); /* with its last part */
/* Lets the main thread sink the batch; its memory may be used again when this returns. */
void lm_augment_hand_over(lm_augment_run_state *r, lm_augment_batch *b, bool last);

/* ---- run_batch.c: a batch through the operations */
/* From what was read to the last hand_over; passes all turns. */
void lm_augment_batch_work(lm_augment_run_state *r, lm_augment_batch *b);
/* What operation i is given of the records in hand: those that vary change the copies alone, where there are any. */
const lm_drafts *lm_augment_given(const lm_augment_run_state *r, const lm_augment_batch *b, size_t i);
/* Its rooms and records must not be used after it. */
void lm_augment_batch_free(const lm_augment_run_state *r, lm_augment_batch *b);

/* ---- run_records.c: records become drafts, and drafts bytes */
/* Reads the next batch. 1, 0 at the end, -1. */
int lm_augment_read(lm_augment_run_state *r, lm_augment_batch *b);
/* Makes the items of b->all, on any thread. False: b->st says what is wrong behind them. */
bool lm_augment_parse(lm_augment_run_state *r, lm_augment_batch *b);
/* A copy of an item, in the batch's arena. */
lm_augment_item *lm_augment_copy(lm_augment_batch *b, const lm_augment_item *from, uint32_t copy);
/* What is to be written of `items`, or kept for the next stage, in b->out. */
void lm_augment_format(const lm_augment_run_state *r, lm_augment_batch *b, const lm_augment_items *items);
void lm_augment_pack(lm_augment_batch *b, const lm_augment_items *items);
void lm_augment_forget(lm_augment_items *items); /* what they have beside the arena */
/* A part of a batch to where it goes: collected, kept or written, rejects told. In order, in the main thread. */
bool lm_augment_sink(lm_augment_run_state *r, lm_augment_batch *b, lm_status *st);

/* ---- run_report.c */
void lm_augment_summary(const lm_augment_run_state *r);
void lm_augment_plan(const lm_augment_run_state *r, lm_buf *out);

#endif
