#include "base/temporary.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_PART = 200 }; /* of the final name; the rest of NAME_MAX (255) is for what is put around it */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *lm_parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return lm_strdup(".");
    return slash == path ? lm_strdup("/") : lm_strndup(path, (size_t)(slash - path));
}

char *lm_resolved(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : lm_strdup(path);
}

static char *prefix_of(const char *target, const char *kind)
{
    return lm_format(".%.*s.lmutils-%s-", NAME_PART, base_of(target), kind);
}

char *lm_temporary_name(const char *target, const char *kind)
{
    unsigned long long letters = 0;
    if (getrandom(&letters, sizeof letters, GRND_NONBLOCK) != (ssize_t)sizeof letters)
        letters = (unsigned long long)getpid();
    char *parent = lm_parent_of(target), *prefix = prefix_of(target, kind);
    char *name = lm_format("%s/%s%016llx", parent, prefix, letters);
    free(parent);
    free(prefix);
    return name;
}

bool lm_temporary_lock(int fd, const char *path, bool wait)
{
    while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
        if (errno == EINTR)
            continue;
        return wait && errno != EWOULDBLOCK; /* a file system without locks: nobody will clear it either */
    }
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_ino == named.st_ino &&
           open_one.st_dev == named.st_dev;
}

void lm_temporary_clear(const char *target, const char *kind, bool directory,
                        void (*clear)(const char *path, const char *target))
{
    char *parent = lm_parent_of(target), *prefix = prefix_of(target, kind);
    DIR *dir = opendir(parent);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        char *path = lm_format("%s/%s", parent, entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (directory ? O_DIRECTORY : 0));
        if (fd >= 0 && lm_temporary_lock(fd, path, false))
            clear(path, target);
        if (fd >= 0)
            close(fd);
        free(path);
    }
    if (dir)
        closedir(dir);
    free(parent);
    free(prefix);
}

bool lm_sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP; /* some file systems know no such thing */
    int saved = errno;
    close(fd);
    errno = saved;
    return done;
}
