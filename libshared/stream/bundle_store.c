#include "base/memory.h"
#include "stream/bundle_internal.h"
#include "stream/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

bool lm_store_reserve(lm_store *s, uint64_t n, uint64_t *at, lm_status *st)
{
    if (!s->name) {
        s->fd = lm_unlinked_file(&s->name, st);
        if (s->fd < 0)
            return false;
    }
    struct statvfs disk;
    *at = (s->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (fstatvfs(s->fd, &disk) == 0 && n / disk.f_frsize >= disk.f_bavail)
        return lm_fail(st, LM_FAILED, "%s: no room for %llu bytes on this disk: name a larger one with $TMPDIR", s->name,
                       (unsigned long long)n);
    if (n > INT64_MAX - *at || ftruncate(s->fd, (off_t)(*at + n)) != 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot hold %llu bytes", s->name, (unsigned long long)n);
    s->size = *at + n;
    return true;
}

bool lm_store_write(lm_store *s, uint64_t at, const void *bytes, size_t n, lm_status *st)
{
    const char *p = bytes;
    while (n) {
        ssize_t written = pwrite(s->fd, p, n, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return lm_fail_errno(st, LM_FAILED, "%s: cannot be written (see $TMPDIR)", s->name);
        p += written;
        at += (uint64_t)written;
        n -= (size_t)written;
    }
    return true;
}

bool lm_store_map(lm_store *s, lm_status *st)
{
    return !s->name || lm_map_fd(s->fd, s->name, &s->map, st);
}

void lm_store_close(lm_store *s)
{
    lm_map_close(&s->map);
    if (s->fd >= 0)
        close(s->fd);
    free(s->name);
    *s = (lm_store)LM_STORE_INIT;
}
