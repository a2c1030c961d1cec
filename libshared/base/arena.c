#include "base/arena.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, DEFAULT_CHUNK = 64 * 1024 };

typedef struct chunk {
    struct chunk *previous;
    size_t size, used;
    char *bytes;
} chunk;

struct lm_arena {
    chunk *top;
    size_t used, peak, mallocs;
};

static chunk *chunk_new(lm_arena *arena, chunk *previous, size_t size)
{
    lm_status st = LM_STATUS_INIT;
    chunk *c = lm_malloc(1, sizeof *c);
    c->bytes = lm_try_malloc(size, 1, "arena", &st);
    if (!c->bytes) /* a chunk is sized by what was asked: end as lm_malloc does */
        c->bytes = lm_malloc(size, 1);
    c->previous = previous;
    c->size = size;
    c->used = 0;
    arena->mallocs++;
    return c;
}

static void chunk_pop(lm_arena *arena)
{
    chunk *c = arena->top;
    arena->top = c->previous;
    free(c->bytes);
    free(c);
}

lm_arena *lm_arena_new(size_t first_chunk)
{
    lm_arena *arena = lm_calloc(1, sizeof *arena);
    arena->top = chunk_new(arena, NULL, first_chunk ? first_chunk : DEFAULT_CHUNK);
    return arena;
}

void lm_arena_free(lm_arena *arena)
{
    if (!arena)
        return;
    while (arena->top)
        chunk_pop(arena);
    free(arena);
}

void *lm_arena_alloc(lm_arena *arena, size_t count, size_t size)
{
    size_t bytes, padded;
    if (!lm_mul(count, size, &bytes) || !lm_add_size(bytes, ALIGNMENT - 1, &padded))
        return lm_malloc(count, size); /* cannot be had: ends the program with the figure */
    padded = padded / ALIGNMENT * ALIGNMENT;
    chunk *c = arena->top;
    if (c->size - c->used < padded) {
        size_t grown = 2 * c->size;
        c = arena->top = chunk_new(arena, c, padded > grown ? padded : grown);
    }
    void *p = c->bytes + c->used;
    c->used += padded;
    arena->used += padded;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    return p;
}

char *lm_arena_strndup(lm_arena *arena, const char *s, size_t n)
{
    char *copy = lm_arena_alloc(arena, n + 1, 1);
    if (n) /* s may be NULL then */
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

lm_arena_mark lm_arena_mark_get(const lm_arena *arena)
{
    return (lm_arena_mark){arena->top, arena->top->used, arena->used};
}

void lm_arena_release(lm_arena *arena, lm_arena_mark mark)
{
    while (arena->top != mark.chunk)
        chunk_pop(arena);
    arena->top->used = mark.used;
    arena->used = mark.total;
}

void lm_arena_reset(lm_arena *arena)
{
    if (arena->top->previous || arena->top->size < arena->peak) { /* releases may have freed the largest chunks */
        while (arena->top)
            chunk_pop(arena);
        arena->top = chunk_new(arena, NULL, arena->peak);
    }
    arena->top->used = 0;
    arena->used = 0;
}

size_t lm_arena_used(const lm_arena *arena)
{
    return arena->used;
}

size_t lm_arena_peak(const lm_arena *arena)
{
    return arena->peak;
}

size_t lm_arena_chunks(const lm_arena *arena)
{
    return arena->mallocs;
}
