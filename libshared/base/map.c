#include "base/map.h"
#include "base/memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* All that are mapped now. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static lm_map *live;
static size_t live_count, live_cap;

static lm_map *find_live(const void *bytes)
{
    for (size_t i = 0; i < live_count; i++)
        if ((const char *)bytes >= (const char *)live[i].bytes && (const char *)bytes < (const char *)live[i].bytes + live[i].size)
            return &live[i];
    return NULL;
}

bool lm_map_fd(int fd, const char *name, lm_map *map, lm_status *st)
{
    *map = (lm_map){0};
    struct stat info;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        return lm_fail(st, LM_FAILED, "%s: no regular file", name);
    if (!info.st_size)
        return true;
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot map it", name);
    *map = (lm_map){bytes, (size_t)info.st_size};
    pthread_mutex_lock(&lock);
    LM_GROW(live, live_count, live_cap);
    live[live_count++] = *map;
    pthread_mutex_unlock(&lock);
    return true;
}

bool lm_map_open(const char *path, lm_map *map, lm_status *st)
{
    *map = (lm_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot open it", path);
    bool ok = lm_map_fd(fd, path, map, st);
    close(fd);
    return ok;
}

void lm_map_close(lm_map *map)
{
    pthread_mutex_lock(&lock);
    lm_map *one = map->bytes ? find_live(map->bytes) : NULL;
    if (one) {
        *one = live[--live_count];
        munmap((void *)map->bytes, map->size);
    }
    pthread_mutex_unlock(&lock);
    *map = (lm_map){0};
}

void lm_map_forget(const void *bytes, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)bytes / page * page, to = (uintptr_t)bytes + n;
    pthread_mutex_lock(&lock);
    const lm_map *one = find_live(bytes);
    if (one) {
        uintptr_t end = (uintptr_t)one->bytes + one->size;
        madvise((void *)from, (to < end ? to : end) - from, MADV_DONTNEED);
    }
    pthread_mutex_unlock(&lock);
}
