/* Bundles are opened, remembered, and asked for their files. */
#include "stream/bundle_internal.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "stream/json_tree.h"
#include "stream/lms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAGIC = 512, PIECE = 1 << 20, KEPT = 4, JSON_MAX = 1 << 28 };

/* Archives and streams that have been opened, the latest first: tokenizer and weights come from one reading of a file,
 * and what came through a pipe is there once. */
static lm_bundle *opened;

/* ---------------------------------------------------------------- life */

static void bundle_free(lm_bundle *b)
{
    lm_bundle_end_coming(b);
    for (size_t i = 0; i < b->count; i++) {
        if (b->entries[i].owned)
            free((char *)b->entries[i].bytes);
        if (b->directory)
            lm_map_close(&b->maps[i]);
        free(b->entries[i].name);
    }
    lm_gguf_close(b->gguf);
    lm_map_close(&b->whole);
    for (size_t i = 0; i < b->store_count; i++)
        lm_store_close(&b->stores[i]);
    free(b->stores);
    if (b->fd >= 0)
        close(b->fd);
    json_decref(b->index);
    json_decref(b->via);
    free(b->tensors);
    free(b->entries);
    free(b->maps);
    free(b->directory);
    free(b->name);
    free(b->path);
    free(b);
}

const char *lm_bundle_shown(const char *path)
{
    return path && strcmp(path, "-") == 0 ? "standard input" : path;
}

static lm_bundle *bundle_new(const char *path)
{
    lm_bundle *b = lm_calloc(1, sizeof *b);
    b->references = 1;
    b->fd = -1;
    b->path = lm_strdup(path);
    b->name = lm_strdup(lm_bundle_shown(path));
    return b;
}

lm_store *lm_bundle_new_store(lm_bundle *b)
{
    b->stores = lm_realloc(b->stores, b->store_count + 1, sizeof *b->stores);
    b->stores[b->store_count] = (lm_store)LM_STORE_INIT;
    return &b->stores[b->store_count++];
}

lm_bundle *lm_bundle_ref(lm_bundle *b)
{
    b->references++;
    return b;
}

/* Of those that nobody holds the last few stay; standard input always does, for it cannot be read again. */
static void forget_old(void)
{
    int kept = 0;
    for (lm_bundle **at = &opened; *at;) {
        lm_bundle *b = *at;
        if (b->references == 0 && strcmp(b->path, "-") != 0 && kept++ >= KEPT) {
            *at = b->next;
            bundle_free(b);
        } else {
            at = &b->next;
        }
    }
}

void lm_bundle_close(lm_bundle *b)
{
    if (!b || --b->references > 0)
        return;
    if (b->directory)
        bundle_free(b);
    else
        forget_old();
}

/* The same file as when it was opened; a pipe always is. */
static bool unchanged(const lm_bundle *b)
{
    struct stat s;
    if (!S_ISREG(b->was.st_mode) || strcmp(b->path, "-") == 0)
        return true;
    return stat(b->path, &s) == 0 && s.st_dev == b->was.st_dev && s.st_ino == b->was.st_ino &&
           s.st_size == b->was.st_size && s.st_mtim.tv_sec == b->was.st_mtim.tv_sec &&
           s.st_mtim.tv_nsec == b->was.st_mtim.tv_nsec;
}

static lm_bundle *remembered(const char *path)
{
    for (lm_bundle *b = opened; b; b = b->next)
        if (strcmp(b->path, path) == 0 && unchanged(b))
            return b;
    return NULL;
}

/* ---------------------------------------------------------------- files and pipes */

static ssize_t read_pipe(const lm_bundle *b, char *to, size_t n, lm_status *st)
{
    ssize_t got;
    while ((got = read(b->fd, to, n)) < 0 && errno == EINTR && lm_signal_check(st))
        ;
    if (got < 0)
        lm_fail_errno(st, LM_FAILED, "%s: cannot be read", b->name);
    return got;
}

/* The pipe b->fd becomes a file without a name; `seen` bytes have been read from it already, and are the beginning of `piece`. */
static bool keep_pipe(lm_bundle *b, char *piece, size_t seen, lm_status *st)
{
    lm_store copy = LM_STORE_INIT;
    uint64_t at = 0, room;
    while (lm_ok(st)) {
        ssize_t got = seen ? (ssize_t)seen : read_pipe(b, piece, PIECE, st);
        seen = 0;
        if (got <= 0 || (at + (uint64_t)got > copy.size && !lm_store_reserve(&copy, PIECE, &room, st)) ||
            !lm_store_write(&copy, at, piece, (size_t)got, st))
            break;
        at += (uint64_t)got;
    }
    if (lm_ok(st) && !at)
        lm_fail(st, LM_ENDED, "%s: is empty, where a model is expected: has the program before it failed?", b->name);
    if (lm_ok(st) && ftruncate(copy.fd, (off_t)at) != 0)
        lm_fail_errno(st, LM_FAILED, "%s", copy.name);
    if (lm_ok(st)) {
        close(b->fd);
        b->fd = copy.fd;
        copy.fd = -1;
    }
    lm_store_close(&copy);
    return lm_ok(st);
}

static bool fail_unknown(const lm_bundle *b, lm_status *st)
{
    return lm_fail(st, LM_FAILED,
                   "%s: a model is a directory with config.json and model.safetensors, an archive of one (.tar, .tar.zst, "
                   ".zip), a GGUF file or an LMS model stream, and this is none of them",
                   b->name);
}

/* Of a stream what is before its tensors, the rest staying in the pipe; anything else is copied. */
static bool open_pipe(lm_bundle *b, bool forward, lm_status *st)
{
    char *piece = lm_malloc(PIECE, 1);
    bool is_lms = false;
    lm_pipe_widen(b->fd);
    ssize_t seen = forward ? read_pipe(b, piece, MAGIC, st) : 0;
    lm_input *in = seen > 0 && piece[0] == '{' ? lm_input_fd_after((lm_str){piece, (size_t)seen}, b->fd, b->name, st) : NULL;
    if (in && lm_lms_detect(in, &is_lms, st) && !is_lms)
        fail_unknown(b, st);
    if (in && lm_ok(st))
        lm_bundle_begin_stream(b, in, st);
    else if (in)
        lm_input_close(in);
    else if (lm_ok(st))
        keep_pipe(b, piece, (size_t)seen, st);
    free(piece);
    return lm_ok(st);
}

static bool open_fd(lm_bundle *b, bool forward, lm_status *st)
{
    bool standard = strcmp(b->path, "-") == 0;
    if (standard && !lm_input_claim_stdin(st))
        return false;
    int fd = standard ? STDIN_FILENO : open(b->path, O_RDONLY | O_CLOEXEC);
    b->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &b->was) != 0) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the model", b->name);
    } else if (S_ISCHR(b->was.st_mode) && !standard) {
        fail_unknown(b, st);
    } else if (!S_ISREG(b->was.st_mode) || lseek(fd, 0, SEEK_CUR) != 0) {
        open_pipe(b, forward, st);
        b->was.st_mode = S_IFIFO;
    }
    if (!standard && fd >= 0)
        close(fd);
    return lm_ok(st);
}

static bool is_gguf(lm_str first)
{
    return first.len >= 4 && memcmp(first.data, "GGUF", 4) == 0;
}

static bool read_file(lm_bundle *b, bool forward, lm_status *st)
{
    if (b->coming)
        return true;
    char magic[MAGIC];
    ssize_t n = pread(b->fd, magic, sizeof magic, 0);
    if (n < 0)
        return lm_fail_errno(st, LM_FAILED, "%s: cannot be read", b->name);
    lm_str first = {magic, (size_t)n};
    bool packed = lm_input_is_packed(first), is_lms = false;
    if (is_gguf(first))
        return lm_bundle_read_gguf(b, st);
    if (!packed && (!n || magic[0] != '{'))
        return fail_unknown(b, st);
    lm_input *in = lm_input_fd(b->fd, b->name, st);
    if (!in)
        return false;
    if (!lm_input_member(in) && lm_lms_detect(in, &is_lms, st) && is_lms && packed && forward)
        return lm_bundle_begin_stream(b, in, st);
    if (is_lms)
        lm_bundle_read_stream(b, in, !packed, st);
    lm_input_close(in);
    if (!lm_ok(st) || is_lms)
        return lm_ok(st);
    return packed ? lm_bundle_list_archive(b, st) : fail_unknown(b, st);
}

/* ---------------------------------------------------------------- opening */

static bool is_bundle(const char *path)
{
    struct stat s;
    char magic[MAGIC];
    if (strcmp(path, "-") == 0 || remembered(path))
        return true;
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode))
        return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : pread(fd, magic, sizeof magic, 0);
    lm_str first = {magic, n > 0 ? (size_t)n : 0};
    bool is = first.len && (lm_input_is_packed(first) || is_gguf(first));
    lm_status ignored = LM_STATUS_INIT;
    lm_input *in = !is && n > 0 && magic[0] == '{' ? lm_input_fd(fd, path, &ignored) : NULL;
    if (in)
        lm_lms_detect(in, &is, &ignored);
    lm_input_close(in);
    if (fd >= 0)
        close(fd);
    return is;
}

static lm_bundle *directory_new(const char *path, const char *prefix)
{
    lm_bundle *b = bundle_new(path);
    b->directory = lm_strdup(prefix);
    return b;
}

static lm_bundle *open_path(const char *path, bool forward, lm_status *st)
{
    lm_bundle *b = remembered(path);
    if (b)
        return lm_bundle_ref(b);
    struct stat s;
    if (strcmp(path, "-") != 0 && stat(path, &s) != 0) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot open the model", path);
        return NULL;
    }
    if (strcmp(path, "-") != 0 && S_ISDIR(s.st_mode)) {
        size_t n = strlen(path);
        char *prefix = lm_format("%s%s", path, n && path[n - 1] == '/' ? "" : "/");
        b = directory_new(path, prefix);
        free(prefix);
        return b;
    }
    b = bundle_new(path);
    if (!open_fd(b, forward, st) || !read_file(b, forward, st)) {
        bundle_free(b);
        return NULL;
    }
    b->next = opened;
    opened = b;
    return b;
}

bool lm_bundle_at(const char *path)
{
    char *base = lm_bundle_base(path);
    bool is = is_bundle(base);
    free(base);
    return is;
}

lm_bundle *lm_bundle_open(const char *path, lm_status *st)
{
    char *base = lm_bundle_base(path);
    lm_bundle *b = open_path(base, false, st);
    free(base);
    return b;
}

lm_bundle *lm_bundle_open_forward(const char *path, lm_status *st)
{
    return open_path(path, true, st);
}

lm_bundle *lm_bundle_beside(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char *prefix = slash ? lm_strndup(path, (size_t)(slash - path) + 1) : lm_strdup("");
    lm_bundle *b = directory_new(path, prefix);
    *name = slash ? slash + 1 : path;
    free(prefix);
    return b;
}

/* ---------------------------------------------------------------- files */

const char *lm_bundle_name(const lm_bundle *b)
{
    return b->name;
}

bool lm_bundle_is_directory(const lm_bundle *b)
{
    return b->directory != NULL;
}

const lm_gguf *lm_bundle_gguf(const lm_bundle *b)
{
    return b->gguf;
}

bool lm_bundle_is_stream(const lm_bundle *b)
{
    return b->stream;
}

json_t *lm_bundle_via(const lm_bundle *b)
{
    return b->via;
}

size_t lm_bundle_tensors(const lm_bundle *b)
{
    return b->tensor_count;
}

const lm_safetensor *lm_bundle_tensor(const lm_bundle *b, size_t i)
{
    return &b->tensors[i];
}

const char *lm_bundle_at_index(const lm_bundle *b, size_t i)
{
    return !b->directory && i < b->count ? b->entries[i].name : NULL;
}

char *lm_bundle_file(const lm_bundle *b, const char *name)
{
    return b->directory ? lm_format("%s%s", b->directory, name) : lm_format("%s:%s", b->name, name);
}

lm_bundle_entry *lm_bundle_find(const lm_bundle *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->entries[i].name, name) == 0)
            return &b->entries[i];
    return NULL;
}

static bool is_safe(const char *name)
{
    size_t n = strlen(name);
    if (!n || n > LM_BUNDLE_NAME_MAX || name[0] == '/' || name[n - 1] == '/')
        return false;
    for (const char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return false;
    return true;
}

lm_bundle_entry *lm_bundle_add(lm_bundle *b, const char *name, uint64_t size, lm_status *st)
{
    if (!is_safe(name))
        lm_fail(st, LM_FAILED, "%s: a file called \"%.200s\": names have to be relative and stay inside: refused", b->name,
                name);
    else if (lm_bundle_find(b, name))
        lm_fail(st, LM_FAILED, "%s: two files called \"%.200s\": refused", b->name, name);
    else if (b->count >= LM_BUNDLE_FILES_MAX)
        lm_fail(st, LM_FAILED, "%s: more than %d files: this is no model", b->name, LM_BUNDLE_FILES_MAX);
    if (!lm_ok(st))
        return NULL;
    LM_GROW(b->entries, b->count, b->cap);
    lm_bundle_entry *e = &b->entries[b->count++];
    *e = (lm_bundle_entry){.name = lm_strdup(name), .size = size};
    return e;
}

bool lm_bundle_has(const lm_bundle *b, const char *name)
{
    if (!b->directory)
        return lm_bundle_find(b, name) != NULL;
    char *path = lm_bundle_file(b, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* A file of an archive or a stream, its bytes at hand. */
static const lm_bundle_entry *loaded(lm_bundle *b, const char *name, lm_status *st)
{
    lm_bundle_entry *e = lm_bundle_find(b, name);
    if (!e) {
        lm_fail(st, LM_FAILED, "%s: has no file %s", b->name, name);
        return NULL;
    }
    return e->loaded || lm_bundle_load_archive(b, name, st) ? lm_bundle_find(b, name) : NULL;
}

bool lm_bundle_read(lm_bundle *b, const char *name, size_t limit, char **out, size_t *n, lm_status *st)
{
    if (b->directory) {
        char *path = lm_bundle_file(b, name);
        bool ok = lm_file_read(path, limit, out, n, st);
        free(path);
        return ok;
    }
    const lm_bundle_entry *e = lm_bundle_find(b, name);
    if (e && e->size > limit)
        return lm_fail(st, LM_FAILED, "%s:%s: is longer than %zu bytes, which is too long for what it should be", b->name,
                       name, limit);
    e = loaded(b, name, st);
    if (!e)
        return false;
    *out = lm_strndup(e->size ? e->bytes : "", (size_t)e->size);
    *n = (size_t)e->size;
    return true;
}

json_t *lm_bundle_json(lm_bundle *b, const char *name, unsigned allowed, lm_status *st)
{
    char *bytes, *file = lm_bundle_file(b, name);
    size_t n;
    json_t *root = NULL;
    if (lm_bundle_read(b, name, JSON_MAX, &bytes, &n, st)) {
        root = lm_json_parse((lm_str){bytes, n}, file, allowed, st);
        free(bytes);
    }
    free(file);
    return root;
}

bool lm_bundle_map(lm_bundle *b, const char *name, lm_map *map, lm_status *st)
{
    *map = (lm_map){0};
    if (!b->directory) {
        const lm_bundle_entry *e = loaded(b, name, st);
        if (e && e->size)
            *map = (lm_map){e->bytes, (size_t)e->size};
        return e != NULL;
    }
    lm_bundle_entry *e = lm_bundle_find(b, name);
    if (!e) {
        char *path = lm_bundle_file(b, name);
        bool ok = lm_map_open(path, map, st);
        free(path);
        e = ok ? lm_bundle_add(b, name, map->size, st) : NULL;
        if (!e) {
            lm_map_close(map);
            return false;
        }
        b->maps = lm_realloc(b->maps, b->cap, sizeof *b->maps);
        b->maps[b->count - 1] = *map;
    }
    *map = b->maps[e - b->entries];
    return true;
}
