/* Numbers of 128 bits in ascending order, as many as there are, within a budget of memory.
 *
 * A run is an unlinked file in $TMPDIR or /var/tmp that holds such numbers in order, and is mapped: what of it is
 * resident is the system's to take back, no memory of ours. Of runs of about one size FAN_IN become one, so that there
 * are never many, and each number is written again a few times at most. */
#ifndef LM_STREAM_SORTED_H
#define LM_STREAM_SORTED_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lm_wide {
    uint64_t high, low;
} lm_wide;

static inline bool lm_wide_before(lm_wide a, lm_wide b)
{
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

/* In place, in time that is linear whatever the numbers are. */
void lm_wide_sort(lm_wide *items, size_t n);

typedef struct lm_run {
    const lm_wide *items;
    uint64_t count;
    int tier; /* how often its numbers have been merged */
} lm_run;

/* Zero-initialise, with `fan_in` > 1. */
typedef struct lm_runs {
    lm_run *items;
    size_t count, cap, fan_in;
} lm_runs;

void lm_runs_free(lm_runs *r);
/* A run of n > 0 numbers that are in order. */
bool lm_runs_add(lm_runs *r, const lm_wide *sorted, size_t n, lm_status *st);
/* The first number of a run that does not stand before `least`; NULL: there is none. */
const lm_wide *lm_run_find(const lm_run *run, lm_wide least);
/* Gives back what is resident of all runs. */
void lm_runs_let_go(const lm_runs *r);

/* Sorts what it is given: in memory, or in runs where that does not hold it. */
typedef struct lm_sorter lm_sorter;

lm_sorter *lm_sorter_new(size_t memory);
void lm_sorter_free(lm_sorter *s);
bool lm_sorter_add(lm_sorter *s, const lm_wide *items, size_t n, lm_status *st);
/* No more; then next gives them in order: true with a number, false at the end. */
bool lm_sorter_finish(lm_sorter *s, lm_status *st);
bool lm_sorter_next(lm_sorter *s, lm_wide *out);
bool lm_sorter_on_disk(const lm_sorter *s);

#endif
