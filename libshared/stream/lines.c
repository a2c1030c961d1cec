#include "stream/lines.h"
#include "base/atomic.h"
#include "base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEFAULT_MEMORY = 256 << 20, CHUNK = 1 << 20 };

struct lm_lines {
    size_t memory;
    lm_buf bytes;      /* all of them, or those that the file has not got yet */
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
    l->memory = memory ? memory : DEFAULT_MEMORY;
    l->fd = -1;
    return l;
}

void lm_lines_free(lm_lines *l)
{
    if (!l)
        return;
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

bool lm_lines_add(lm_lines *l, lm_str line, lm_status *st)
{
    LM_GROW(l->ends, l->count, l->cap);
    l->total += line.len;
    l->ends[l->count++] = l->total;
    lm_buf_append(&l->bytes, line.data, line.len);
    if (l->fd < 0 && l->bytes.len > l->memory) {
        l->fd = lm_unlinked_file(&l->name, st);
        if (l->fd < 0 || !spill(l, st))
            return false;
        lm_buf_free(&l->bytes);
    }
    return l->fd < 0 || l->bytes.len < CHUNK || spill(l, st);
}

bool lm_lines_finish(lm_lines *l, lm_status *st)
{
    if (l->fd < 0)
        return true;
    if (!spill(l, st))
        return false;
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
    return (lm_str){(l->fd < 0 ? l->bytes.data : l->map) + begin, l->ends[i] - begin};
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
