#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lm_output_file {
    int fd;
    char *name;      /* as the user wrote it */
    char *target;    /* final path; NULL where fd is written directly */
    char *temporary;
};

static void output_free(lm_output_file *f)
{
    free(f->name);
    free(f->target);
    free(f->temporary);
    free(f);
}

static void clear_file(const char *path, const char *target)
{
    (void)target;
    unlink(path);
}

static bool open_temporary(lm_output_file *f, const struct stat *old, lm_status *st)
{
    lm_temporary_clear(f->target, "tmp", false, clear_file);
    for (;;) {
        f->temporary = lm_temporary_name(f->target, "tmp");
        f->fd = open(f->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd < 0)
            return lm_fail_errno(st, LM_FAILED, "%s: cannot be made", f->name);
        if (lm_temporary_lock(f->fd, f->temporary, true))
            break; /* else a clearing process took it for a leftover before it was locked */
        close(f->fd);
        free(f->temporary);
    }
    if (old && fchmod(f->fd, old->st_mode & 07777) != 0)
        lm_debug("%s: its mode could not be kept: %s", f->name, strerror(errno));
    return true;
}

lm_output_file *lm_output_file_open(const char *path, lm_status *st)
{
    lm_output_file *f = lm_calloc(1, sizeof *f);
    if (!path || strcmp(path, "-") == 0) {
        f->fd = STDOUT_FILENO;
        f->name = lm_strdup("standard output");
        return f;
    }
    f->name = lm_strdup(path);
    struct stat old;
    bool exists = stat(path, &old) == 0, made;
    if (exists && S_ISDIR(old.st_mode)) {
        made = lm_fail(st, LM_FAILED, "%s: is a directory: give the name of a file", path);
    } else if (exists && (!S_ISREG(old.st_mode) || strncmp(path, "/dev/", 5) == 0)) {
        f->fd = open(path, O_WRONLY | O_CLOEXEC);
        made = f->fd >= 0 || lm_fail_errno(st, LM_FAILED, "%s: cannot be written", path);
    } else if (exists && access(path, W_OK) != 0) {
        made = lm_fail_errno(st, LM_FAILED, "%s: cannot be written", path);
    } else {
        f->target = lm_resolved(path);
        made = open_temporary(f, exists ? &old : NULL, st);
    }
    if (!made) {
        output_free(f);
        return NULL;
    }
    return f;
}

int lm_output_file_fd(const lm_output_file *f)
{
    return f->fd;
}

const char *lm_output_file_name(const lm_output_file *f)
{
    return f->name;
}

/* Directly written: standard output stays open for base/tool.h to close and check. */
static bool close_direct(lm_output_file *f, lm_status *st)
{
    if (f->fd != STDOUT_FILENO && close(f->fd) != 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot be written", f->name);
    return true;
}

bool lm_output_file_publish(lm_output_file *f, lm_status *st)
{
    bool done;
    if (!f->target) {
        done = close_direct(f, st);
    } else {
        char *parent = lm_parent_of(f->target);
        done = (fsync(f->fd) == 0 || errno == EINVAL) && rename(f->temporary, f->target) == 0 &&
               lm_sync_directory(parent);
        if (!done) {
            lm_fail_errno(st, LM_FAILED, "%s: cannot be published", f->name);
            unlink(f->temporary);
        }
        close(f->fd); /* after the rename: it holds the lock. An error would have shown in fsync */
        free(parent);
    }
    output_free(f);
    return done;
}

void lm_output_file_discard(lm_output_file *f, bool keep_partial)
{
    if (!f)
        return;
    if (!f->target) {
        lm_status ignored = LM_STATUS_INIT;
        close_direct(f, &ignored);
        output_free(f);
        return;
    }
    if (keep_partial) {
        char *partial = lm_format("%s.partial", f->target);
        keep_partial = rename(f->temporary, partial) == 0;
        if (keep_partial)
            lm_info("%s: what could be written is in %s.partial", f->name, f->name);
        free(partial);
    }
    if (!keep_partial)
        unlink(f->temporary);
    close(f->fd);
    output_free(f);
}

/* ---------------------------------------------------------------- whole files */

static bool is_regular(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}

bool lm_write_all(int fd, const void *bytes, size_t n, const char *what, lm_status *st)
{
    const char *p = bytes;
    while (n) {
        ssize_t written = write(fd, p, n);
        if (written >= 0) {
            p += written;
            n -= (size_t)written;
            if (n && !is_regular(fd) && !lm_signal_check(st)) /* a signal cuts a large write short */
                return false;
        } else if (errno == EPIPE) {
            return lm_fail(st, LM_SIGNAL + SIGPIPE, "%s: its reader has gone", what);
        } else if (errno != EINTR) {
            return lm_fail_errno(st, LM_FAILED, "%s: cannot be written", what);
        } else if (!is_regular(fd) && !lm_signal_check(st)) {
            return false; /* a file is finished (it may be a checkpoint); a pipe's reader may never come back */
        }
    }
    return true;
}

void lm_pipe_widen(int fd)
{
#ifdef F_SETPIPE_SZ
    enum { MEGABYTE = 1 << 20 };
    if (fcntl(fd, F_GETPIPE_SZ) < MEGABYTE)
        (void)fcntl(fd, F_SETPIPE_SZ, MEGABYTE);
#else
    (void)fd;
#endif
}

static bool create(const char *path, int *fd, lm_status *st)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return *fd >= 0 || lm_fail_errno(st, LM_FAILED, "%s: cannot be made", path);
}

static bool finish(const char *path, int fd, bool good, lm_status *st)
{
    bool file = is_regular(fd); /* a device that could not be written stays where it is */
    if (close(fd) != 0 && good)
        good = lm_fail_errno(st, LM_FAILED, "%s: cannot be written", path);
    if (!good && file)
        unlink(path);
    return good;
}

bool lm_file_write(const char *path, const void *bytes, size_t n, lm_status *st)
{
    int fd;
    return create(path, &fd, st) && finish(path, fd, lm_write_all(fd, bytes, n, path, st), st);
}

static ssize_t read_some(int fd, void *buffer, size_t n)
{
    ssize_t got;
    do
        got = read(fd, buffer, n);
    while (got < 0 && errno == EINTR && !lm_signal_pending());
    return got;
}

static bool copy_bytes(int in, const char *from, int out, const char *to, lm_status *st)
{
    enum { PIECE = 1 << 16 };
    char *piece = lm_malloc(PIECE, 1);
    ssize_t got;
    bool good = true;
    while (good && (got = read_some(in, piece, PIECE)) != 0)
        good = got < 0 ? lm_fail_errno(st, LM_FAILED, "%s: cannot be read", from)
                       : lm_write_all(out, piece, (size_t)got, to, st);
    free(piece);
    return good;
}

bool lm_file_copy(const char *from, const char *to, lm_status *st)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out;
    if (in < 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot be opened", from);
    bool good = create(to, &out, st) && finish(to, out, copy_bytes(in, from, out, to, st), st);
    close(in);
    return good;
}

bool lm_file_read(const char *path, size_t limit, char **out, size_t *n, lm_status *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot be opened", path);
    struct stat s;
    size_t cap = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size >= 0 && (size_t)s.st_size <= limit
                     ? (size_t)s.st_size + 1
                     : (limit < 65536 ? limit : 65536) + 1;
    char *bytes = lm_malloc(cap + 1, 1);
    size_t len = 0;
    ssize_t got = 1;
    while (len <= limit && (got = read_some(fd, bytes + len, cap - len)) > 0) {
        len += (size_t)got;
        if (len == cap && len <= limit) { /* longer than it said, or a pipe */
            cap = cap > limit / 2 ? limit + 1 : 2 * cap;
            bytes = lm_realloc(bytes, cap + 1, 1);
        }
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (got < 0 || len > limit) {
        free(bytes);
        return got < 0 ? lm_fail_errno(st, LM_FAILED, "%s: cannot be read", path)
                       : lm_fail(st, LM_FAILED, "%s: is longer than %zu bytes, which is too long for what it should be",
                                 path, limit);
    }
    bytes[len] = '\0';
    *out = bytes;
    *n = len;
    return true;
}
