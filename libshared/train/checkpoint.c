#include "train/checkpoint.h"

#include "base/atomic.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define PREFIX   "checkpoint-"
#define MANIFEST "MANIFEST"

enum { MANIFEST_LIMIT = 1 << 20 };

bool lm_make_directories(const char *path, lm_status *st)
{
    char *copy = lm_strdup(path);
    bool ok = true;
    for (char *s = copy + 1; ok; s++) {
        if (*s && *s != '/')
            continue;
        char stood = *s;
        *s = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            ok = lm_fail_errno(st, LM_FAILED, "%s: cannot be made", copy);
        *s = stood;
        if (!stood)
            break;
    }
    free(copy);
    return ok;
}

int lm_checkpoint_lock(const char *dir, lm_status *st)
{
    int fd = lm_make_directories(dir, st) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        lm_fail_errno(st, LM_FAILED, "%s", dir);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) /* a file system may have no locks */
        return fd;
    close(fd);
    lm_fail(st, LM_FAILED, "%s: another run is using it: give this one a directory of its own", dir);
    return -1;
}

/* ------------------------------------------------------------------ MANIFEST */

static bool digest_file(const char *path, char out[17], uint64_t *size, lm_status *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lm_fail_errno(st, LM_FAILED, "%s", path);
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    enum { BLOCK = 1 << 18 };
    char *block = lm_malloc(BLOCK, 1);
    ssize_t n;
    *size = 0;
    while ((n = read(fd, block, BLOCK)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        XXH3_64bits_update(state, block, (size_t)n);
        *size += (uint64_t)n;
    }
    if (n < 0)
        lm_fail_errno(st, LM_FAILED, "%s: cannot be read", path);
    snprintf(out, 17, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
    free(block);
    XXH3_freeState(state);
    close(fd);
    return lm_ok(st);
}

static int is_member(const struct dirent *e)
{
    return e->d_name[0] != '.' && strcmp(e->d_name, MANIFEST) != 0;
}

/* A line a file, `digest size name`, in byte order of the names, and the digest of these lines as the last.
 */
bool lm_manifest_write(const char *path, lm_status *st)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_member, alphasort);
    if (n < 0)
        return lm_fail_errno(st, LM_FAILED, "%s", path);
    lm_buf text = {0};
    for (int i = 0; i < n; i++) {
        char *file = lm_format("%s/%s", path, entries[i]->d_name);
        char digest[17];
        uint64_t size;
        if (lm_ok(st) && digest_file(file, digest, &size, st))
            lm_buf_printf(&text, "%s %" PRIu64 " %s\n", digest, size, entries[i]->d_name);
        free(file);
        free(entries[i]);
    }
    free(entries);
    lm_buf_printf(&text, "%016" PRIx64 " end\n", (uint64_t)XXH3_64bits(text.data, text.len));
    char *file = lm_format("%s/" MANIFEST, path);
    bool ok = lm_ok(st) && lm_file_write(file, text.data, text.len, st);
    free(file);
    lm_buf_free(&text);
    return ok;
}

/* One line of it, cut at its LF. */
static bool check_line(const char *path, const char *line, lm_status *st)
{
    char wanted[17], found[17];
    uint64_t size, length;
    int at = 0;
    if (sscanf(line, "%16[0-9a-f] %" SCNu64 " %n", wanted, &size, &at) != 2 || !at || strchr(line + at, '/'))
        return lm_fail(st, LM_FAILED, "%s/" MANIFEST ": a line that is none of its form", path);
    char *file = lm_format("%s/%s", path, line + at);
    if (digest_file(file, found, &length, st)) {
        if (length != size)
            lm_fail(st, LM_FAILED, "%s: %" PRIu64 " bytes, and %" PRIu64 " were written", file, length, size);
        else if (strcmp(found, wanted) != 0)
            lm_fail(st, LM_FAILED, "%s: its digest is not the one of what was written", file);
    }
    free(file);
    return lm_ok(st);
}

bool lm_manifest_check(const char *path, lm_status *st)
{
    char *file = lm_format("%s/" MANIFEST, path), *text = NULL;
    size_t n = 0;
    bool ok = lm_file_read(file, MANIFEST_LIMIT, &text, &n, st);
    char last[32] = "";
    const char *end = ok && n >= 21 ? text + n - 21 : NULL;
    if (end)
        snprintf(last, sizeof last, "%016" PRIx64 " end\n",
                 (uint64_t)XXH3_64bits(text, (size_t)(end - text)));
    if (ok && (!end || strcmp(last, end) != 0))
        ok = lm_fail(st, LM_FAILED, "%s: cut or damaged", file);
    for (char *line = text; ok && line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        *stop = 0;
        ok = check_line(path, line, st);
        line = stop + 1;
    }
    free(text);
    free(file);
    return ok;
}

/* ------------------------------------------------------------------ the directory of checkpoints */

static int is_half_made(const struct dirent *e)
{
    return strncmp(e->d_name, "." PREFIX, strlen("." PREFIX)) == 0 && strstr(e->d_name, ".lmutils-") != NULL;
}

void lm_checkpoint_clear(const char *dir)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_half_made, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name + 1;
        char *path = lm_format("%s/%.*s", dir, (int)(strstr(name, ".lmutils-") - name), name);
        lm_status ignored = LM_STATUS_INIT;
        lm_output_dir_discard(lm_output_dir_open(path, &ignored)); /* which clears what is left of others */
        free(path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* STEP of a name checkpoint-STEP; -1 for other names. */
static int64_t step_of(const char *name)
{
    size_t n = strlen(PREFIX);
    if (strncmp(name, PREFIX, n) != 0 || !name[n] || strspn(name + n, "0123456789") != strlen(name + n))
        return -1;
    errno = 0;
    long long step = strtoll(name + n, NULL, 10);
    return errno ? -1 : step;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Steps of the checkpoints in DIR, newest first; *count 0 where DIR does not exist. */
static bool list_steps(const char *dir, int64_t **steps, size_t *count, lm_status *st)
{
    size_t cap = 0;
    *steps = NULL;
    *count = 0;
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? true : lm_fail_errno(st, LM_FAILED, "%s", dir);
    for (struct dirent *e; (e = readdir(d));) {
        int64_t step = step_of(e->d_name);
        if (step < 0)
            continue;
        LM_GROW(*steps, *count, cap);
        (*steps)[(*count)++] = step;
    }
    closedir(d);
    if (*count)
        qsort(*steps, *count, sizeof **steps, newest_first);
    return true;
}

char *lm_checkpoint_path(const char *dir, uint64_t step)
{
    return lm_format("%s/" PREFIX "%" PRIu64, dir, step);
}

bool lm_checkpoint_find(const char *dir, char **path, uint64_t *step, lm_status *st)
{
    int64_t *steps;
    size_t count;
    *path = NULL;
    *step = 0;
    if (!list_steps(dir, &steps, &count, st))
        return false;
    if (count)
        *step = (uint64_t)steps[0];
    for (size_t i = 0; i < count && !*path; i++) {
        char *candidate = lm_checkpoint_path(dir, (uint64_t)steps[i]);
        lm_status damage = LM_STATUS_INIT;
        if (lm_manifest_check(candidate, &damage)) {
            *path = candidate;
            *step = (uint64_t)steps[i];
            break;
        }
        lm_warn("%s is passed over: %s", candidate, damage.message);
        free(candidate);
    }
    free(steps);
    return true;
}

/* Removes a checkpoint: MANIFEST first, so that what is left of it is never taken for a whole one. */
static void remove_checkpoint(const char *path)
{
    char *manifest = lm_format("%s/" MANIFEST, path);
    unlink(manifest);
    free(manifest);
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(path);
}

/* Removes all but `keep` of them. Those of steps after `step`, the newest, were passed over when the run went on from before
 * them: they go first. */
static void prune(const char *dir, uint64_t step, int keep)
{
    int64_t *steps;
    size_t count;
    lm_status st = LM_STATUS_INIT;
    if (keep <= 0 || !list_steps(dir, &steps, &count, &st))
        return;
    size_t later = 0;
    while (later < count && (uint64_t)steps[later] > step)
        later++;
    for (size_t i = 0; i < count; i++) {
        if (i >= later && i < later + (size_t)keep)
            continue;
        char *path = lm_checkpoint_path(dir, (uint64_t)steps[i]);
        remove_checkpoint(path);
        free(path);
    }
    free(steps);
}

bool lm_checkpoint_save(const char *dir, uint64_t step, int keep, lm_checkpoint_writer write, void *context,
                        lm_status *st)
{
    if (!lm_make_directories(dir, st))
        return false;
    char *name = lm_checkpoint_path(dir, step);
    lm_output_dir *out = lm_output_dir_open(name, st);
    bool ok =
        out && write(context, lm_output_dir_path(out), st) && lm_manifest_write(lm_output_dir_path(out), st);
    if (ok)
        ok = lm_output_dir_publish(out, st);
    else if (out)
        lm_output_dir_discard(out);
    if (ok)
        prune(dir, step, keep);
    free(name);
    return ok;
}
