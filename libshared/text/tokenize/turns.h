/* Who does what when: batches are read one after the other, worked on by several threads, and written in the order in which they were
 * read. A batch stays with the thread that read it, in the cache of its processor; the main thread, which signals interrupt, writes all of
 * them. What comes out does not depend on it. */
#ifndef LM_TEXT_TOKENIZE_TURNS_H
#define LM_TEXT_TOKENIZE_TURNS_H

#include <stdbool.h>

/* For each thread: what it works on while others wait until they are written. */
enum { LM_TURN_SLOTS = 2 };

typedef struct lm_turn_read {
    bool flush; /* the batch is written before anything more is read */
    bool last;  /* there is no more to read */
} lm_turn_read;

typedef struct lm_turn_hands {
    void *self;
    /* Fills the batch of a slot (0 .. threads * LM_TURN_SLOTS - 1), which nobody else has in hand. One thread at a time. */
    lm_turn_read (*read)(void *self, int slot);
    void (*work)(void *self, int slot, int thread);
    /* In the main thread. False: no more is wanted. */
    bool (*write)(void *self, int slot);
} lm_turn_hands;

/* Until the last batch is written, or `write` has had enough. */
void lm_turns_run(const lm_turn_hands *hands, int threads);

#endif
