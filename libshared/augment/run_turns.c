/* Who does what when: batches on several threads, in the order of the input where it matters. */
#include "augment/run.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static void lock(lm_augment_run_state *r)
{
    pthread_mutex_lock(&r->lock);
}

static void unlock(lm_augment_run_state *r)
{
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void wait(lm_augment_run_state *r)
{
    pthread_cond_wait(&r->changed, &r->lock);
}

/* ---------------------------------------------------------------- turns */

void lm_augment_wait_turn(lm_augment_run_state *r, const uint64_t *turn, const lm_augment_batch *b)
{
    lock(r);
    while (*turn < b->ticket)
        wait(r);
    unlock(r);
}

void lm_augment_give_turn(lm_augment_run_state *r, uint64_t *turn, const lm_augment_batch *b)
{
    lock(r);
    *turn = b->ticket + 1;
    unlock(r);
}

/* ---------------------------------------------------------------- workers */

static lm_augment_batch *free_batch(lm_augment_run_state *r)
{
    for (size_t i = 0; i < r->batch_count; i++)
        if (r->batches[i].state == LM_BATCH_FREE)
            return &r->batches[i];
    return NULL;
}

/* The next batch, read; NULL: there is none. One that cannot be read takes its place in the order with its failure. */
static lm_augment_batch *next_batch(lm_augment_run_state *r)
{
    lm_augment_batch *b = NULL;
    lock(r);
    while (!r->ended && !r->stopped && (r->reading || !(b = free_batch(r))))
        wait(r);
    bool reads = !r->ended && !r->stopped;
    if (reads) {
        r->reading = true;
        b->state = LM_BATCH_WORKING;
        b->ticket = r->read;
        b->last = false;
    }
    unlock(r);
    if (!reads)
        return NULL;
    lm_status_clear(&b->st);
    int rc = lm_augment_read(r, b);
    lock(r);
    r->reading = false;
    r->ended |= rc <= 0;
    if (rc != 0)
        r->read++;
    else
        b->state = LM_BATCH_FREE;
    unlock(r);
    return rc != 0 ? b : NULL;
}

static void work(lm_augment_run_state *r)
{
    for (lm_augment_batch *b; (b = next_batch(r));)
        lm_augment_batch_work(r, b);
}

/* ---------------------------------------------------------------- the main thread */

/* The batch is where it belongs, or has failed. */
static void sink(lm_augment_run_state *r, lm_augment_batch *b)
{
    bool good = !r->stopped && lm_augment_sink(r, b, r->st);
    lock(r);
    r->stopped |= !good;
    b->state = b->last ? LM_BATCH_FREE : LM_BATCH_WORKING;
    r->sunk += b->last;
    unlock(r);
}

static lm_augment_batch *ready_batch(lm_augment_run_state *r)
{
    for (size_t i = 0; i < r->batch_count; i++)
        if (r->batches[i].state == LM_BATCH_READY && r->batches[i].ticket == r->sunk)
            return &r->batches[i];
    return NULL;
}

static void sink_all(lm_augment_run_state *r)
{
    for (lm_augment_batch *b;;) {
        lock(r);
        while (!(b = ready_batch(r)) && (r->reading || r->read > r->sunk || !(r->ended || r->stopped)))
            wait(r);
        unlock(r);
        if (!b)
            return;
        sink(r, b);
    }
}

void lm_augment_hand_over(lm_augment_run_state *r, lm_augment_batch *b, bool last)
{
    b->last = last;
    if (r->alone) {
        sink(r, b);
        return;
    }
    lock(r);
    b->state = LM_BATCH_READY;
    pthread_cond_broadcast(&r->changed);
    while (!last && b->state == LM_BATCH_READY) /* behind the last part it may be somebody else's already */
        wait(r);
    unlock(r);
}

bool lm_augment_stage(lm_augment_run_state *r)
{
    r->read = r->sunk = 0;
    r->ended = false;
    for (size_t i = 0; i < r->step_count; i++)
        r->steps[i].counted = r->steps[i].followed = r->steps[i].position = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(r->threads + 1)
    {
#pragma omp single
        r->alone = omp_get_num_threads() == 1;
        if (r->alone)
            work(r);
        else if (omp_get_thread_num() == 0)
            sink_all(r);
        else
            work(r);
    }
#else
    r->alone = true;
    work(r);
#endif
    return !r->stopped;
}
