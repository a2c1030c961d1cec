#include "train/data/window.h"

#include "base/log.h"
#include "base/memory.h"
#include "train/data/order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Windows whose rows are looked at as a whole have so many at least: as the batches of run_clm. */
enum { LEAST_ROWS = 1000 };

/* The examples of one window, in their order. */
typedef struct block {
    lm_spool *spool;
    lm_instances *examples;
    lm_order *order; /* of the examples, as one step */
    const uint32_t *rows;
    uint32_t count, next;
    uint64_t first; /* its first example's number in the source */
    uint64_t pass;
    struct block *older;
} block;

struct lm_window {
    lm_window_options how;
    lm_source *source;
    block *now; /* and those before it that still serve */
    uint64_t blocks, first_row, first, pass, digest; /* rows and examples of this pass so far */
    bool ended, barren; /* barren: of some window no example has come */
    lm_spool *all; /* the whole source, where one window holds it and it begins anew */
};

lm_window *lm_window_new(lm_source *source, const lm_window_options *how)
{
    lm_window *w = lm_calloc(1, sizeof *w);
    *w = (lm_window){.how = *how, .source = source};
    w->how.again = how->again && lm_source_can_restart(source);
    return w;
}

void lm_window_arrange(lm_window *w, const lm_instances_options *examples)
{
    w->how.examples = *examples;
    w->how.examples.window = true;
    if (examples->kind != LM_INSTANCES_ROWS && w->how.rows < LEAST_ROWS)
        w->how.rows = LEAST_ROWS;
}

static void free_block(lm_window *w, block *b)
{
    lm_order_free(b->order);
    lm_instances_free(b->examples);
    if (b->spool != w->all)
        lm_spool_free(b->spool);
    free(b);
}

void lm_window_forget(lm_window *w)
{
    while (w->now && w->now->older) {
        block *old = w->now->older;
        w->now->older = old->older;
        free_block(w, old);
    }
}

void lm_window_free(lm_window *w)
{
    if (!w)
        return;
    lm_window_forget(w);
    if (w->now)
        free_block(w, w->now);
    lm_spool_free(w->all);
    lm_source_close(w->source);
    free(w);
}

/* Reads a window's rows, or what is left of the pass; *ended where the source came to its end. NULL: failed. */
static lm_spool *read_rows(lm_window *w, bool *ended, lm_status *st)
{
    lm_spool *spool =
        lm_spool_new(&(lm_spool_options){.memory = w->how.memory, .keep = w->how.keep}, st);
    lm_record record;
    uint64_t rows = 0;
    *ended = false;
    while (spool && rows < w->how.rows && lm_source_next(w->source, &record, ended, st) && !*ended &&
           lm_spool_add(spool, &record, st))
        rows += (uint64_t)record.n;
    if (lm_ok(st) && lm_spool_finish(spool, NULL, st))
        return spool;
    lm_spool_free(spool);
    return NULL;
}

/* Makes examples of a window's rows; there may be none. */
static bool add_block(lm_window *w, lm_spool *spool, lm_status *st)
{
    block *b = lm_calloc(1, sizeof *b);
    lm_spool_range rows = {.spool = spool, .count = lm_spool_rows(spool), .number = w->first_row};
    *b = (block){.spool = spool, .first = w->first, .pass = w->pass, .older = w->now};
    w->now = b;
    w->first_row += rows.count;
    b->examples = lm_instances_new(&rows, NULL, 1, &w->how.examples, st);
    if (!b->examples)
        return lm_fail_prefix(st, lm_window_name(w));
    lm_instances_lay_out(b->examples, w->blocks);
    uint32_t count = (uint32_t)lm_instances_count(b->examples);
    b->order = lm_order_new(count, &(lm_order_options){.rows_per_step = count, .shuffle = w->how.shuffle, .seed = w->how.seed});
    b->rows = lm_order_step(b->order, w->blocks++, 0, &b->count);
    w->first += count;
    if (!count && !w->barren)
        lm_warn("%s: %" PRIu64 " rows together make not one example: widen --shuffle-window", lm_window_name(w), rows.count);
    w->barren |= !count;
    return true;
}

/* The source begins anew. */
static bool next_pass(lm_window *w, lm_status *st)
{
    w->pass++;
    w->first_row = w->first = 0;
    w->ended = false;
    return w->all || lm_source_restart(w->source, st);
}

/* Adds the next window; *end where there is none. */
static bool next_block(lm_window *w, bool *end, lm_status *st)
{
    if (w->ended && w->first == 0)
        return lm_fail(st, LM_FAILED, "%s: %s: there is nothing to train on", lm_window_name(w),
                       w->first_row ? "its rows make not one example" : "no rows");
    *end = w->ended && !w->how.again;
    if (*end)
        return true;
    if (w->ended && !next_pass(w, st))
        return false;
    lm_spool *spool = w->all ? w->all : read_rows(w, &w->ended, st);
    w->ended |= w->all != NULL;
    if (!spool)
        return false;
    uint64_t rows = lm_spool_rows(spool);
    if (rows == 0) {
        lm_spool_free(spool);
        return next_block(w, end, st);
    }
    if (!w->all) {
        uint64_t both[2] = {w->digest, lm_spool_digest(spool)};
        w->digest = XXH3_64bits(both, sizeof both);
    }
    if (w->ended && w->how.again && w->first_row == 0)
        w->all = spool;
    return add_block(w, spool, st);
}

bool lm_window_next(lm_window *w, lm_window_row *row, bool *end, lm_status *st)
{
    *end = false;
    while (!w->now || w->now->next >= w->now->count)
        if (!next_block(w, end, st) || *end)
            return lm_ok(st);
    const block *b = w->now;
    uint32_t at = b->rows[w->now->next++];
    *row = (lm_window_row){.from = b->examples, .row = at, .number = b->first + at, .pass = b->pass};
    return true;
}

const char *lm_window_name(const lm_window *w)
{
    return lm_source_name(w->source);
}

uint64_t lm_window_digest(const lm_window *w)
{
    return w->digest;
}
