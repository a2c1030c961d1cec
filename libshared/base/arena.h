/* A bump allocator with one lifetime: everything allocated is freed, or reused, at once.
 *
 * Chunks grow by doubling; after a reset the arena holds one chunk of the size of its high-water mark, so a loop that
 * resets it every step stops calling malloc once the largest step has been seen. */
#ifndef LM_BASE_ARENA_H
#define LM_BASE_ARENA_H

#include <stddef.h>

typedef struct lm_arena lm_arena;

typedef struct lm_arena_mark {
    void *chunk;
    size_t used;
    size_t total;
} lm_arena_mark;

lm_arena *lm_arena_new(size_t first_chunk); /* bytes of the first chunk; 0 for a default of 64 KiB */
void lm_arena_free(lm_arena *arena);

/* 64-byte aligned and uninitialised; freed with the arena. Out of memory ends the program (base/memory.h): check
 * sizes that come from outside before asking. */
void *lm_arena_alloc(lm_arena *arena, size_t count, size_t size);
char *lm_arena_strndup(lm_arena *arena, const char *s, size_t n); /* NUL-terminated copy; not aligned */

/* What is allocated after the mark is given back by the release. */
lm_arena_mark lm_arena_mark_get(const lm_arena *arena);
void lm_arena_release(lm_arena *arena, lm_arena_mark mark);

void lm_arena_reset(lm_arena *arena);        /* gives everything back, and joins the chunks into one */
size_t lm_arena_used(const lm_arena *arena); /* bytes in use now */
size_t lm_arena_peak(const lm_arena *arena); /* most bytes ever in use */
size_t lm_arena_chunks(const lm_arena *arena); /* mallocs made so far; constant once warmed up */

#endif
