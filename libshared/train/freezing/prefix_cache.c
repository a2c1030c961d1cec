#include "train/freezing/prefix_cache.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "stream/lines.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct lm_prefix_cache {
    uint64_t rows, added;
    uint64_t *starts; /* [rows+1] in vectors; NULL where each row has one */
    size_t width;     /* bytes of a vector */
    uint64_t bytes;
    char *memory; /* NULL: in a file */
    int fd;       /* -1: in memory */
    char *name;
    const char *map;
};

static uint64_t start(const lm_prefix_cache *c, uint64_t row)
{
    return (c->starts ? c->starts[row] : row) * c->width;
}

static bool find_starts(lm_prefix_cache *c, const uint32_t *lengths, lm_status *st)
{
    c->starts = lm_try_malloc(c->rows + 1, sizeof *c->starts, "the places of cached rows", st);
    if (!c->starts)
        return false;
    c->starts[0] = 0;
    for (uint64_t i = 0; i < c->rows; i++)
        c->starts[i + 1] = c->starts[i] + lengths[i];
    return true;
}

lm_prefix_cache *lm_prefix_cache_new(uint64_t rows, const uint32_t *lengths, int width, size_t memory,
                                     lm_status *st)
{
    lm_prefix_cache *c = lm_calloc(1, sizeof *c);
    *c = (lm_prefix_cache){.rows = rows, .width = (size_t)width * sizeof(float), .fd = -1};
    if (!lengths || find_starts(c, lengths, st)) {
        size_t vectors = c->starts ? c->starts[rows] : rows, bytes;
        if (!lm_mul(vectors, c->width, &bytes) || bytes > INT64_MAX)
            lm_fail(st, LM_FAILED, "--cache-frozen: %zu vectors are too many to be kept", vectors);
        c->bytes = lm_ok(st) ? bytes : 0;
    }
    if (lm_ok(st) && c->bytes <= memory)
        c->memory = lm_try_malloc(c->bytes ? c->bytes : 1, 1, "the outputs of what is frozen", st);
    else if (lm_ok(st))
        c->fd = lm_unlinked_file(&c->name, st);
    if (lm_ok(st))
        return c;
    lm_prefix_cache_free(c);
    return NULL;
}

void lm_prefix_cache_free(lm_prefix_cache *c)
{
    if (!c)
        return;
    if (c->map)
        munmap((void *)(uintptr_t)c->map, c->bytes);
    if (c->fd >= 0)
        close(c->fd);
    free(c->memory);
    free(c->starts);
    free(c->name);
    free(c);
}

bool lm_prefix_cache_add(lm_prefix_cache *c, uint64_t rows, const float *vectors, lm_status *st)
{
    uint64_t from = start(c, c->added), to = start(c, c->added + rows);
    c->added += rows;
    if (c->memory && to > from)
        memcpy(c->memory + from, vectors, to - from);
    return c->memory || lm_write_all(c->fd, vectors, to - from, c->name, st);
}

bool lm_prefix_cache_finish(lm_prefix_cache *c, lm_status *st)
{
    if (c->added != c->rows)
        return lm_fail(st, LM_FAILED, "the cache has %" PRIu64 " rows of %" PRIu64 ": this is a mistake in the program",
                       c->added, c->rows);
    if (c->fd < 0)
        return true;
    void *map = mmap(NULL, c->bytes, PROT_READ, MAP_SHARED, c->fd, 0);
    if (map == MAP_FAILED)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot map it", c->name);
    c->map = map;
    return true;
}

const float *lm_prefix_cache_row(const lm_prefix_cache *c, uint64_t row, uint32_t *count)
{
    const char *base = c->memory ? c->memory : c->map;
    *count = (uint32_t)((start(c, row + 1) - start(c, row)) / c->width);
    return (const float *)(const void *)(base + start(c, row));
}

uint64_t lm_prefix_cache_bytes(const lm_prefix_cache *c)
{
    return c->bytes;
}

bool lm_prefix_cache_in_memory(const lm_prefix_cache *c)
{
    return c->memory != NULL;
}
