#include "text/tokenize/turns.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

typedef struct turn_slot {
    enum { FREE, IN_HAND, DONE } state;
    uint64_t number; /* of its batch, from 0 */
} turn_slot;

typedef struct turns {
    const lm_turn_hands *hands;
    pthread_mutex_t lock; /* over all that is here */
    pthread_cond_t changed;
    turn_slot *slots; /* LM_TURN_SLOTS of each thread */
    int count;
    uint64_t read, written; /* batches */
    lm_turn_read last_read;
    bool reading, stopped;
} turns;

static int find_done(const turns *t)
{
    for (int i = 0; i < t->count; i++)
        if (t->slots[i].state == DONE && t->slots[i].number == t->written)
            return i;
    return -1;
}

static int find_free(const turns *t, int thread)
{
    for (int i = thread * LM_TURN_SLOTS; i < (thread + 1) * LM_TURN_SLOTS; i++)
        if (t->slots[i].state == FREE)
            return i;
    return -1;
}

static bool is_over(const turns *t)
{
    return t->stopped || (t->last_read.last && t->written == t->read);
}

static bool may_read(const turns *t)
{
    return !t->reading && !t->last_read.last && (!t->last_read.flush || t->written == t->read);
}

/* These begin and end with the lock in hand. */

static void write_batch(turns *t, int slot)
{
    pthread_mutex_unlock(&t->lock);
    bool more = t->hands->write(t->hands->self, slot);
    pthread_mutex_lock(&t->lock);
    t->slots[slot].state = FREE;
    t->written++;
    t->stopped = !more;
    pthread_cond_broadcast(&t->changed);
}

static void read_batch(turns *t, int slot, int thread)
{
    t->reading = true;
    pthread_mutex_unlock(&t->lock);
    lm_turn_read is = t->hands->read(t->hands->self, slot);
    pthread_mutex_lock(&t->lock);
    t->reading = false;
    t->last_read = is;
    t->slots[slot] = (turn_slot){IN_HAND, t->read++};
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    t->hands->work(t->hands->self, slot, thread);
    pthread_mutex_lock(&t->lock);
    t->slots[slot].state = DONE;
    pthread_cond_broadcast(&t->changed);
}

static void take_turns(turns *t, int thread)
{
    pthread_mutex_lock(&t->lock);
    while (!is_over(t)) {
        int slot;
        if (thread == 0 && (slot = find_done(t)) >= 0)
            write_batch(t, slot);
        else if (may_read(t) && (slot = find_free(t, thread)) >= 0)
            read_batch(t, slot, thread);
        else
            pthread_cond_wait(&t->changed, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

void lm_turns_run(const lm_turn_hands *hands, int threads)
{
    turns t = {.hands = hands, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    t.count = threads * LM_TURN_SLOTS;
    t.slots = lm_calloc((size_t)t.count, sizeof *t.slots);
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
    take_turns(&t, omp_get_thread_num());
#else
    take_turns(&t, 0);
#endif
    free(t.slots);
    pthread_cond_destroy(&t.changed);
    pthread_mutex_destroy(&t.lock);
}
