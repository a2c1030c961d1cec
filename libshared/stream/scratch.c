#include "stream/scratch.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "stream/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEP = 1 << 20 };

/* What is resident of this process, in bytes; 0 where the system does not tell. */
static size_t resident(const lm_scratch *s)
{
    char text[128];
    ssize_t n = s->statm >= 0 ? pread(s->statm, text, sizeof text - 1, 0) : -1;
    if (n <= 0)
        return 0;
    text[n] = 0;
    char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

void lm_scratch_begin(lm_scratch *s, size_t memory)
{
    *s = (lm_scratch){.budget = memory - memory / 4, .statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
    s->most = resident(s) + memory;
}

void lm_scratch_end(lm_scratch *s)
{
    if (s->statm >= 0)
        close(s->statm);
    s->statm = -1;
}

void lm_scratch_account(lm_scratch *s, ptrdiff_t bytes)
{
    s->used += (size_t)bytes;
}

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Makes the file as long as that, with its blocks: a full disk has to be found out here, not by a signal. */
static bool extend(const lm_scratch_array *a, size_t bytes, lm_status *st)
{
    int error;
    while ((error = posix_fallocate(a->fd - 1, 0, (off_t)bytes)) == EINTR)
        continue;
    errno = error;
    return error == 0 || lm_fail_errno(st, LM_FAILED, "%s: cannot write", a->name);
}

static bool move_to_file(lm_scratch *s, lm_scratch_array *a, size_t bytes, lm_status *st)
{
    int fd = lm_unlinked_file(&a->name, st);
    if (fd < 0)
        return false;
    a->fd = fd + 1;
    a->next = s->files;
    s->files = a;
    if (!extend(a, bytes, st))
        return false;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot map it", a->name);
    enum { AT_ONCE = 1 << 22 };
    for (size_t i = 0; i < a->bytes; i += AT_ONCE) { /* written, not copied: the map stays out of memory */
        size_t n = a->bytes - i < AT_ONCE ? a->bytes - i : AT_ONCE;
        if (!lm_write_all(fd, (char *)a->data + i, n, a->name, st)) {
            munmap(map, bytes);
            return false;
        }
    }
    if (a->data) {
        munmap(a->data, a->bytes);
        s->used -= a->bytes;
    }
    a->data = map;
    a->bytes = bytes;
    return true;
}

bool lm_scratch_resize(lm_scratch *s, lm_scratch_array *a, size_t bytes, lm_status *st)
{
    bytes = whole_pages(bytes ? bytes : 1);
    if (bytes == a->bytes)
        return true;
    if (!a->fd && bytes > a->bytes && s->used + (bytes - a->bytes) > s->budget)
        return move_to_file(s, a, bytes, st);
    if (a->fd && bytes > a->bytes && !extend(a, bytes, st))
        return false;
    void *data = a->data ? mremap(a->data, a->bytes, bytes, MREMAP_MAYMOVE)
                         : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return lm_fail_errno(st, LM_FAILED, "no room for %zu bytes of tables", bytes);
    if (!a->fd)
        s->used += bytes - a->bytes;
    a->data = data;
    a->bytes = bytes;
    return true;
}

bool lm_scratch_reserve(lm_scratch *s, lm_scratch_array *a, size_t bytes, lm_status *st)
{
    if (bytes <= a->bytes)
        return true;
    size_t step = a->bytes / 4 > STEP ? a->bytes / 4 : STEP;
    return lm_scratch_resize(s, a, bytes > a->bytes + step ? bytes : a->bytes + step, st);
}

void lm_scratch_free(lm_scratch *s, lm_scratch_array *a)
{
    if (a->data)
        munmap(a->data, a->bytes);
    if (a->fd) {
        close(a->fd - 1);
        for (lm_scratch_array **p = &s->files; *p; p = &(*p)->next)
            if (*p == a) {
                *p = a->next;
                break;
            }
    } else {
        s->used -= a->bytes;
    }
    free(a->name);
    *a = (lm_scratch_array){0};
}

void lm_scratch_move(lm_scratch *s, lm_scratch_array *from, lm_scratch_array *to)
{
    *to = *from;
    *from = (lm_scratch_array){0};
    for (lm_scratch_array **p = &s->files; *p; p = &(*p)->next)
        if (*p == from)
            *p = to;
}

void lm_scratch_look(lm_scratch *s)
{
    s->touched = 0;
    if (resident(s) <= s->most)
        return;
    for (const lm_scratch_array *a = s->files; a; a = a->next)
        madvise(a->data, a->bytes, MADV_DONTNEED); /* what was written stays in the file */
}
