/* Allocation. Two kinds, chosen by who decides the size:
 *  - lm_malloc and its like are for sizes that the program itself decides (a table, a name, a copy of something it
 *    already holds): running out of memory there ends the program with a message and status 1.
 *  - lm_try_malloc is for sizes that come from outside (a payload, a tensor, a batch): it fails into a status.
 * All of it is freed with free(). Sizes are products checked for overflow. */
#ifndef LM_BASE_MEMORY_H
#define LM_BASE_MEMORY_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *lm_malloc(size_t count, size_t size);             /* uninitialised */
void *lm_calloc(size_t count, size_t size);             /* zeroed */
void *lm_realloc(void *p, size_t count, size_t size);   /* keeps the old bytes */
/* Uninitialised, on large pages where it is large and the system has any to give: for tables that are read anywhere, where each small
 * page would be looked up anew. */
void *lm_malloc_table(size_t count, size_t size);
char *lm_strdup(const char *s);
char *lm_strndup(const char *s, size_t n);              /* NUL-terminated copy of n bytes */
char *lm_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* 64-byte aligned, uninitialised; NULL and a failed status (naming `what`) when there is not that much memory. */
void *lm_try_malloc(size_t count, size_t size, const char *what, lm_status *st);
void *lm_try_malloc_table(size_t count, size_t size, const char *what, lm_status *st); /* as lm_malloc_table */
/* Zeroed, and not aligned so: of a large block, pages that nobody writes to take no memory. */
void *lm_try_calloc(size_t count, size_t size, const char *what, lm_status *st);

/* From now on a large block that is freed goes back to the system at once. glibc raises what it takes for large with every one
 * that it sees, to 32 MiB, and keeps as much for later. */
void lm_memory_setup(void);
/* Memory of the process now that is no file's, in bytes; 0 where the system does not say. */
int64_t lm_anonymous_memory(void);

/* Asks for the first kilobyte of n bytes that are read soon, and in no order that the processor could foresee: line by line of its
 * cache, in the middle of which p may be. */
static inline void lm_prefetch(const void *p, size_t n)
{
    const char *end = (const char *)p + (n < 1024 ? n : 1024);
    for (const char *line = (const char *)p - (uintptr_t)p % 64; line < end; line += 64)
        __builtin_prefetch(line);
}

/* Zeroes a struct of some hundred bytes by a call: compilers write it with a repeated store, whose start takes longer than all of it. */
static inline void lm_zero(void *p, size_t n)
{
    __asm__("" : "+r"(n)); /* which the compiler does not know any longer */
    memset(p, 0, n);
}

/* *out = a*b or a+b; false on overflow of size_t. */
static inline bool lm_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool lm_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Makes room for one more element in the array *items of *cap elements: doubles it. For plain vectors:
 * LM_GROW(v->items, v->count, v->cap); v->items[v->count++] = x; */
#define LM_GROW(items, count, cap)                                                                            \
    do {                                                                                                      \
        if ((count) >= (cap)) {                                                                               \
            (cap) = (cap) ? 2 * (cap) : 16;                                                                   \
            (items) = lm_realloc((items), (size_t)(cap), sizeof *(items));                                    \
        }                                                                                                     \
    } while (0)

#endif
