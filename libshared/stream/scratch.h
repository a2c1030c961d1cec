/* Arrays that are needed at random and that may outgrow memory. As long as a budget lasts they are
 * anonymous memory; past it they lie in an unlinked file in $TMPDIR or /var/tmp, mapped, and what is resident
 * of the files is given back now and then, so that the process as a whole keeps to the budget. Only the speed
 * depends on it. */
#ifndef LM_STREAM_SCRATCH_H
#define LM_STREAM_SCRATCH_H

#include "base/status.h"

#include <stddef.h>

/* Zero-initialise. `data` moves when it is resized; new bytes are zero. */
typedef struct lm_scratch_array {
    void *data;
    size_t bytes;
    int fd; /* of the file, plus one; 0 = anonymous memory */
    char *name;
    struct lm_scratch_array *next;
} lm_scratch_array;

typedef struct lm_scratch {
    size_t budget, used;     /* of anonymous memory */
    size_t most;             /* resident bytes of the process past which files are given back */
    int statm;               /* /proc/self/statm */
    size_t touched;          /* since the last look there */
    lm_scratch_array *files; /* that are mapped */
} lm_scratch;

/* A quarter of `memory` is left to what is resident of files. */
void lm_scratch_begin(lm_scratch *s, size_t memory);
void lm_scratch_end(lm_scratch *s); /* the arrays are freed before */
/* Counts memory against the budget that was allocated otherwise (negative: freed). */
void lm_scratch_account(lm_scratch *s, ptrdiff_t bytes);
/* Fails where the disk is full. */
bool lm_scratch_resize(lm_scratch *s, lm_scratch_array *a, size_t bytes, lm_status *st);
/* Room for at least `bytes`: grows in steps. */
bool lm_scratch_reserve(lm_scratch *s, lm_scratch_array *a, size_t bytes, lm_status *st);
void lm_scratch_free(lm_scratch *s, lm_scratch_array *a);
/* Makes `to` what `from` was, and `from` empty: an array is known by its address. */
void lm_scratch_move(lm_scratch *s, lm_scratch_array *from, lm_scratch_array *to);

/* To be called between accesses, with the number of places that were touched since. */
void lm_scratch_look(lm_scratch *s);
static inline void lm_scratch_touch(lm_scratch *s, size_t places)
{
    enum { PLACES_BETWEEN_LOOKS = 128 }; /* a fault brings up to 64 KiB */
    if (s->files && (s->touched += places) >= PLACES_BETWEEN_LOOKS)
        lm_scratch_look(s);
}

#endif
