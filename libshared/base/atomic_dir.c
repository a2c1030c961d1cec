/* Directories that appear whole. The temporary is `.NAME.lmutils-new-X` while it is filled, `.NAME.lmutils-out-X` from
 * the moment it is whole; after the exchange that name stands for the old directory. So whoever finds one left over
 * knows: `new` is rubbish; `out` may hold things of the user's, which are carried over first; `old` (file systems that
 * cannot exchange) is put back where nothing stands under the final name. */
#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/temporary.h"

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lm_output_dir {
    char *name;   /* as the user wrote it, for messages */
    char *target; /* final path */
    char *path;   /* of the temporary */
    int lock;
};

static DIR *open_at(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !dir)
        close(fd);
    return dir;
}

static struct dirent *next_entry(DIR *dir)
{
    struct dirent *entry;
    do
        entry = readdir(dir);
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

/* Removes a file, or a directory with all it holds; links are not followed. */
static bool removed(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0)
        return true;
    DIR *dir = open_at(parent, name);
    if (!dir)
        return false;
    for (struct dirent *entry; (entry = next_entry(dir));)
        removed(dirfd(dir), entry->d_name);
    closedir(dir);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

static bool synced(int parent, const char *name)
{
    DIR *dir = open_at(parent, name);
    if (!dir)
        return false;
    bool good = true;
    for (struct dirent *entry; good && (entry = next_entry(dir));) {
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat s;
        if (fd < 0 || fstat(fd, &s) != 0)
            good = errno == ELOOP; /* a link has nothing to sync */
        else if (S_ISDIR(s.st_mode))
            good = synced(dirfd(dir), entry->d_name);
        else
            good = fsync(fd) == 0 || errno == EINVAL;
        if (fd >= 0)
            close(fd);
    }
    good = good && (fsync(dirfd(dir)) == 0 || errno == EINVAL);
    closedir(dir);
    return good;
}

/* The files that make up a model, an adapter or a tokenizer in Hugging Face's layout: one written by us replaces all
 * of them, for a shard or a vocabulary left from before would be read as part of the new model. */
static bool of_a_model(const char *name)
{
    static const char *const patterns[] = {
        "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "adapter_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
        "vocab.json", "merges.txt", "*.model", "chat_template.jinja", "chat_template.json", "pytorch_model*.bin",
        "training_args.bin", "trainer_state.json", "README.md"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

/* Moves to `to` what `from` holds beside a model's files and `to` has not, and removes the rest. What cannot be moved
 * stays, and is named. */
static void carry_over_and_remove(const char *from, const char *to)
{
    DIR *old = open_at(AT_FDCWD, from), *new = open_at(AT_FDCWD, to);
    bool all = old && new;
    for (struct dirent *entry; all && (entry = next_entry(old));) {
        struct stat s;
        if (of_a_model(entry->d_name) || fstatat(dirfd(new), entry->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        all = renameat(dirfd(old), entry->d_name, dirfd(new), entry->d_name) == 0;
    }
    if (old)
        closedir(old);
    if (new)
        closedir(new);
    if (!all)
        lm_warn("%s: could not be emptied (%s): what stood in %s before is there", from, strerror(errno), to);
    else
        removed(AT_FDCWD, from);
}

/* ---------------------------------------------------------------- what was left over */

static void clear_new(const char *path, const char *target)
{
    (void)target;
    removed(AT_FDCWD, path);
}

static void clear_out(const char *path, const char *target)
{
    struct stat s;
    if (stat(target, &s) == 0)
        carry_over_and_remove(path, target);
    else
        removed(AT_FDCWD, path); /* whole, but never published: its run counts as failed */
}

static void put_back(const char *path, const char *target)
{
    struct stat s;
    if (stat(target, &s) != 0)
        rename(path, target);
    else
        carry_over_and_remove(path, target);
}

/* ---------------------------------------------------------------- the interface */

static void dir_free(lm_output_dir *d)
{
    if (d->lock >= 0)
        close(d->lock);
    free(d->name);
    free(d->target);
    free(d->path);
    free(d);
}

static char *without_slashes(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return lm_strndup(path, n);
}

static bool make(lm_output_dir *d, lm_status *st)
{
    for (;;) {
        d->path = lm_temporary_name(d->target, "new");
        if (mkdir(d->path, 0777) != 0)
            return lm_fail_errno(st, LM_FAILED, "%s: cannot be made", d->name);
        d->lock = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (d->lock >= 0 && lm_temporary_lock(d->lock, d->path, true))
            return true; /* else a clearing process took it for a leftover before it was locked */
        if (d->lock >= 0)
            close(d->lock);
        free(d->path);
    }
}

lm_output_dir *lm_output_dir_open(const char *path, lm_status *st)
{
    lm_output_dir *d = lm_calloc(1, sizeof *d);
    d->lock = -1;
    d->name = without_slashes(path);
    d->target = lm_resolved(d->name);
    lm_temporary_clear(d->target, "old", true, put_back);
    lm_temporary_clear(d->target, "new", true, clear_new);
    lm_temporary_clear(d->target, "out", true, clear_out);
    struct stat s;
    bool exists = stat(d->target, &s) == 0, good = true;
    if (exists && !S_ISDIR(s.st_mode))
        good = lm_fail(st, LM_FAILED, "%s: is not a directory: give the name of a directory, new or old", path);
    else if (exists && access(d->target, W_OK) != 0)
        good = lm_fail_errno(st, LM_FAILED, "%s: cannot be written", path);
    good = good && make(d, st);
    if (good && exists)
        fchmod(d->lock, s.st_mode & 07777);
    if (!good) {
        dir_free(d);
        return NULL;
    }
    return d;
}

const char *lm_output_dir_path(const lm_output_dir *d)
{
    return d->path;
}

static bool exchange(const char *a, const char *b)
{
#ifdef HAVE_RENAMEAT2
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
#else
    (void)a, (void)b;
    errno = ENOSYS;
    return false;
#endif
}

/* Puts d->path under the final name. *old is where what stood there is now, or NULL. */
static bool give_name(lm_output_dir *d, char **old)
{
    *old = NULL;
    struct stat s;
    if (lstat(d->target, &s) != 0)
        return rename(d->path, d->target) == 0;
    if (exchange(d->path, d->target)) {
        *old = lm_strdup(d->path);
        return true;
    }
    if (errno != ENOSYS && errno != EINVAL)
        return false;
    char *aside = lm_temporary_name(d->target, "old");
    bool good = rename(d->target, aside) == 0;
    if (good && rename(d->path, d->target) != 0) {
        int saved = errno;
        rename(aside, d->target);
        errno = saved;
        good = false;
    }
    if (good)
        *old = aside;
    else
        free(aside);
    return good;
}

bool lm_output_dir_publish(lm_output_dir *d, lm_status *st)
{
    char *whole = lm_temporary_name(d->target, "out"), *parent = lm_parent_of(d->target), *old = NULL;
    bool good = synced(AT_FDCWD, d->path) && rename(d->path, whole) == 0;
    if (good) {
        free(d->path);
        d->path = lm_strdup(whole);
        good = give_name(d, &old) && lm_sync_directory(parent);
    }
    if (!good) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot be published", d->name);
        if (!old)
            removed(AT_FDCWD, d->path);
    }
    if (old)
        carry_over_and_remove(old, d->target);
    free(old);
    free(whole);
    free(parent);
    dir_free(d);
    return good;
}

void lm_output_dir_discard(lm_output_dir *d)
{
    if (!d)
        return;
    removed(AT_FDCWD, d->path);
    dir_free(d);
}
