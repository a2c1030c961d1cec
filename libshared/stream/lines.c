#include "stream/lines.h"
#include "base/atomic.h"
#include "base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEFAULT_MEMORY = 256 << 20, CHUNK = 1 << 20 };

struct lm_lines {
    char *room;        /* reserved for those that stay in memory: on large pages, for they are read in any order; NULL: none any more */
    size_t size;
    lm_buf bytes;      /* what the file has not got yet */
    uint64_t *ends;
    size_t count, cap;
    uint64_t total;
    int fd;            /* -1: in memory */
    char *name;
    char *map;
};

int lm_unlinked_file(char **name, lm_status *st)
{
    const char *dir = getenv("TMPDIR");
    char *path = lm_format("%s/lmutils-spool.XXXXXX", dir && *dir ? dir : "/var/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    else
        lm_fail_errno(st, LM_FAILED, "%s: cannot make a file for what memory does not hold (see $TMPDIR)", path);
    *name = path;
    return fd;
}

lm_lines *lm_lines_new(size_t memory)
{
    lm_lines *l = lm_calloc(1, sizeof *l);
    l->fd = -1;
    /* addresses alone, and fewer where so many are not to be had */
    for (l->size = memory ? memory : DEFAULT_MEMORY; !l->room && l->size >= CHUNK; l->size /= l->room ? 1 : 2) {
        l->room = mmap(NULL, l->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (l->room == MAP_FAILED)
            l->room = NULL;
    }
    if (l->room)
        madvise(l->room, l->size, MADV_HUGEPAGE);
    return l;
}

static void drop_room(lm_lines *l)
{
    if (l->room)
        munmap(l->room, l->size);
    l->room = NULL;
}

void lm_lines_free(lm_lines *l)
{
    if (!l)
        return;
    drop_room(l);
    if (l->map)
        munmap(l->map, l->total);
    if (l->fd >= 0)
        close(l->fd);
    lm_buf_free(&l->bytes);
    free(l->ends);
    free(l->name);
    free(l);
}

static bool spill(lm_lines *l, lm_status *st)
{
    size_t n = l->bytes.len;
    l->bytes.len = 0;
    return lm_write_all(l->fd, l->bytes.data, n, l->name, st);
}

/* The bytes of lines whose ends are still to be noted. */
static bool add_bytes(lm_lines *l, lm_str bytes, lm_status *st)
{
    if (l->fd < 0 && l->room && bytes.len <= l->size - (size_t)l->total) {
        if (bytes.len)
            memcpy(l->room + l->total, bytes.data, bytes.len);
        l->total += bytes.len;
        return true;
    }
    if (l->fd < 0) {
        l->fd = lm_unlinked_file(&l->name, st);
        if (l->fd < 0 || (l->room && !lm_write_all(l->fd, l->room, (size_t)l->total, l->name, st)))
            return false;
        drop_room(l);
    }
    l->total += bytes.len;
    lm_buf_append(&l->bytes, bytes.data, bytes.len);
    return l->bytes.len < CHUNK || spill(l, st);
}

static void add_end(lm_lines *l, uint64_t end)
{
    LM_GROW(l->ends, l->count, l->cap);
    l->ends[l->count++] = end;
}

bool lm_lines_add(lm_lines *l, lm_str line, lm_status *st)
{
    if (!add_bytes(l, line, st))
        return false;
    add_end(l, l->total);
    return true;
}

bool lm_lines_add_framed(lm_lines *l, lm_str lines, lm_status *st)
{
    enum { WIDTH = 64 };
    uint64_t before = l->total;
    if (!add_bytes(l, lines, st))
        return false;
    for (size_t to = WIDTH; to <= lines.len; to += WIDTH)
        if (lines.data[to - 1] == '\n')
            add_end(l, before + to);
    return true;
}

bool lm_lines_finish(lm_lines *l, lm_status *st)
{
    if (l->fd < 0)
        return true;
    if (!spill(l, st) || !l->total)
        return lm_ok(st);
    l->map = mmap(NULL, l->total, PROT_READ, MAP_SHARED, l->fd, 0);
    if (l->map == MAP_FAILED) {
        l->map = NULL;
        return lm_fail_errno(st, LM_FAILED, "%s: cannot map it", l->name);
    }
    return true;
}

uint64_t lm_lines_count(const lm_lines *l)
{
    return l->count;
}

lm_str lm_lines_at(const lm_lines *l, uint64_t i)
{
    uint64_t begin = i ? l->ends[i - 1] : 0;
    return (lm_str){(l->fd < 0 ? l->room : l->map) + begin, l->ends[i] - begin};
}

void lm_lines_expect(const lm_lines *l, uint64_t i, bool soon)
{
    if (!soon) {
        __builtin_prefetch(&l->ends[i]);
        return;
    }
    lm_str line = lm_lines_at(l, i);
    lm_prefetch(line.data, line.len);
}
