#include "base/map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
    if (map->bytes)
        munmap((void *)map->bytes, map->size);
    *map = (lm_map){0};
}
