#include "stream/lines.h"
#include "base/atomic.h"
#include "base/memory.h"
#include "base/random.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    DEFAULT_MEMORY = 256 << 20,
    CHUNK = 1 << 20,
    LENGTH_BITS = 21,                  /* of a place: any length up to that of a framed line, or ... */
    LONG = (1 << LENGTH_BITS) - 1,     /* ... the length stands as 8 bytes before the line */
    BEGIN_BITS = 64 - LENGTH_BITS
};

struct lm_lines {
    char *room;        /* reserved for those that stay in memory: on large pages, for they are read in any order; NULL: none any more */
    size_t size;
    lm_buf bytes;      /* what the file has not got yet */
    uint64_t *places;  /* begin << LENGTH_BITS | length: all that has to be known before a line is asked for */
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
    free(l->places);
    free(l->name);
    free(l);
}

static bool spill(lm_lines *l, lm_status *st)
{
    size_t n = l->bytes.len;
    l->bytes.len = 0;
    return lm_write_all(l->fd, l->bytes.data, n, l->name, st);
}

/* What is in memory goes to a file, and so will the rest. */
static bool start_file(lm_lines *l, lm_status *st)
{
    l->fd = lm_unlinked_file(&l->name, st);
    if (l->fd < 0 || (l->room && !lm_write_all(l->fd, l->room, (size_t)l->total, l->name, st)))
        return false;
    drop_room(l);
    return true;
}

/* Room for the n bytes that come next, until more is asked for. */
static char *take(lm_lines *l, size_t n, lm_status *st)
{
    if (l->total + n >= (uint64_t)1 << BEGIN_BITS)
        return lm_fail(st, LM_FAILED, "more than 8 TiB of rows cannot be kept"), NULL;
    if (l->fd < 0 && l->room && n <= l->size - (size_t)l->total) {
        l->total += n;
        return l->room + l->total - n;
    }
    if ((l->fd < 0 && !start_file(l, st)) || (l->bytes.len >= CHUNK && !spill(l, st)))
        return NULL;
    l->total += n;
    lm_buf_reserve(&l->bytes, n + 1);
    l->bytes.len += n;
    return l->bytes.data + l->bytes.len - n;
}

static void add_place(lm_lines *l, uint64_t begin, size_t n)
{
    LM_GROW(l->places, l->count, l->cap);
    l->places[l->count++] = begin << LENGTH_BITS | n;
}

char *lm_lines_more(lm_lines *l, size_t n, lm_status *st)
{
    uint64_t length = n;
    size_t before = n < LONG ? 0 : sizeof length;
    char *to = take(l, before + n, st);
    if (!to)
        return NULL;
    if (before)
        memcpy(to, &length, before);
    add_place(l, l->total - n, before ? LONG : n);
    return to + before;
}

bool lm_lines_add(lm_lines *l, lm_str line, lm_status *st)
{
    char *to = lm_lines_more(l, line.len, st);
    if (to && line.len)
        memcpy(to, line.data, line.len);
    return to != NULL;
}

bool lm_lines_add_framed(lm_lines *l, lm_str lines, lm_status *st)
{
    enum { WIDTH = 64 };
    char *to = take(l, lines.len, st);
    if (!to)
        return false;
    if (lines.len)
        memcpy(to, lines.data, lines.len);
    size_t begin = 0;
    for (size_t end = WIDTH; end <= lines.len; end += WIDTH)
        if (lines.data[end - 1] == '\n') {
            add_place(l, l->total - lines.len + begin, end - begin);
            begin = end;
        }
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

void lm_lines_shuffle(lm_lines *l, lm_philox_key key)
{
    lm_random_shuffle(key, 0, l->places, (uint32_t)l->count);
}

lm_str lm_lines_at(const lm_lines *l, uint64_t i)
{
    uint64_t length = l->places[i] & LONG;
    const char *line = (l->fd < 0 ? l->room : l->map) + (l->places[i] >> LENGTH_BITS);
    if (length == LONG)
        memcpy(&length, line - sizeof length, sizeof length);
    return (lm_str){line, length};
}

void lm_lines_expect(const lm_lines *l, uint64_t i)
{
    lm_prefetch((l->fd < 0 ? l->room : l->map) + (l->places[i] >> LENGTH_BITS), l->places[i] & LONG);
}
