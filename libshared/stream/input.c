#include "stream/input.h"
#include "base/atomic.h"
#include "base/memory.h"
#include "base/signals.h"
#include "stream/transcode.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER = 256 * 1024, /* what one read asks for */
    MAGIC = 512          /* bytes looked at to recognise compression and archives: a tar header block */
};

struct lm_input {
    const char **paths; /* operands still to come: paths[next..count) */
    size_t path_count, path_next;

    int fd; /* -1 where there is none */
    bool fd_owned;
    bool at_end; /* of the member */
    bool no_member;
    char *operand;          /* name of the file */
    char *name;             /* of the member */
    char *member;           /* its path in the archive; NULL: it is no archive */
    char *coming;           /* path of the next member, whose header has been read already */
    bool coming_end;        /* the archive's end has been seen already */
    struct archive *archive;
    bool members;           /* the archive has had one */
    bool empty_archive;     /* a compressed file of no bytes: one member, which is empty */
    char *prefix;           /* bytes read from fd before libarchive took over a pipe */
    size_t prefix_len;
    char *chunk;            /* buffer of the callback that reads a pipe for libarchive */

    lm_transcoder *transcoder; /* of the member's encoding */

    char *buf; /* what is visible is buf[pos..end) */
    size_t pos, end, cap;
    bool borrowed; /* buf is the caller's memory */
    uint64_t offset;
};

/* ---------------------------------------------------------------------------------------------------- descriptors */

/* Like read(2), but a signal that asks to stop fails it, and another one does not. One that comes between the look at the
 * flag and the wait interrupts nothing: hence the look once a second. */
static ssize_t read_fd(lm_input *in, void *to, size_t n, lm_status *st)
{
    enum { LOOK_MS = 1000 };
    while (lm_signal_check(st)) {
        struct pollfd wait = {.fd = in->fd, .events = POLLIN};
        int ready = poll(&wait, 1, LOOK_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t got = read(in->fd, to, n);
        if (got >= 0)
            return got;
        if (errno == EINTR || errno == EAGAIN)
            continue;
        lm_fail_errno(st, LM_FAILED, "%s: cannot read", in->operand);
        return -1;
    }
    return -1;
}

bool lm_input_ready(const lm_input *in)
{
    struct pollfd now = {.fd = in->fd, .events = POLLIN};
    bool line = in->end > in->pos && memchr(in->buf + in->pos, '\n', in->end - in->pos);
    return line || in->fd < 0 || in->archive || poll(&now, 1, 0) != 0;
}

bool lm_input_is_packed(lm_str first)
{
    static const struct {
        size_t at, len;
        const char *bytes;
    } magic[] = {
        {0, 3, "\x1f\x8b\x08"},             /* gzip */
        {0, 3, "BZh"},                      /* bzip2 */
        {0, 6, "\xfd" "7zXZ\0"},            /* xz */
        {0, 4, "\x28\xb5\x2f\xfd"},         /* zstd */
        {0, 4, "\x04\x22\x4d\x18"},         /* lz4 */
        {0, 4, "PK\3\4"}, {0, 4, "PK\5\6"}, /* zip, and an empty one */
        {0, 6, "7z\xbc\xaf\x27\x1c"},       /* 7-zip */
        {257, 5, "ustar"},                  /* tar */
    };
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (first.len >= magic[i].at + magic[i].len && !memcmp(first.data + magic[i].at, magic[i].bytes, magic[i].len))
            return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------------- libarchive */

static la_ssize_t archive_read_pipe(struct archive *a, void *context, const void **out)
{
    lm_input *in = context;
    if (in->prefix_len) {
        la_ssize_t n = (la_ssize_t)in->prefix_len;
        in->prefix_len = 0;
        *out = in->prefix;
        return n;
    }
    lm_status st = LM_STATUS_INIT;
    ssize_t n = read_fd(in, in->chunk, BUFFER, &st);
    if (n < 0)
        archive_set_error(a, errno, "%s", st.message);
    *out = in->chunk;
    return n;
}

/* Whether the archive ends too early, rather than being damaged. libarchive says so in words; xz and zip, by what their
 * libraries say where there is no more to read. */
static bool is_cut(const char *why)
{
    static const char *const words[] = {"runcated", "No progress is possible", "premature", "nexpected end"};
    for (size_t i = 0; why && i < sizeof words / sizeof *words; i++)
        if (strstr(why, words[i]))
            return true;
    return false;
}

static bool fail_archive(lm_input *in, lm_status *st)
{
    if (!lm_signal_check(st))
        return false;
    const char *why = archive_error_string(in->archive);
    return lm_fail(st, is_cut(why) ? LM_ENDED : LM_FAILED, "%s: cannot unpack: %s",
                   in->name ? in->name : in->operand, why ? why : "damaged data");
}

static bool archive_start(lm_input *in, lm_status *st)
{
    struct archive *a = in->archive = archive_read_new();
    if (!a)
        return lm_fail(st, LM_FAILED, "%s: libarchive does not start", in->operand);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_gnutar(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_empty(a);
    archive_read_support_format_raw(a);

    int rc;
    struct stat s;
    if (fstat(in->fd, &s) == 0 && S_ISREG(s.st_mode) && lseek(in->fd, 0, SEEK_CUR) == (off_t)in->end &&
        lseek(in->fd, 0, SEEK_SET) == 0) {
        rc = archive_read_open_fd(a, in->fd, BUFFER);
    } else {
        in->prefix = lm_malloc(in->end + 1, 1);
        memcpy(in->prefix, in->buf, in->end);
        in->prefix_len = in->end;
        in->chunk = lm_malloc(BUFFER, 1);
        rc = archive_read_open(a, in, NULL, archive_read_pipe, NULL);
    }
    in->pos = in->end = 0;
    return rc == ARCHIVE_OK || fail_archive(in, st);
}

/* The end of a tar is two blocks of zeros; libarchive takes an end without them, which is that of a file that was cut
 * between two members, or never closed, for one as well. `before`: where the last member's data ended. */
static bool check_tar_end(lm_input *in, int64_t before, lm_status *st)
{
    bool tar = (archive_format(in->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    return !tar || archive_filter_bytes(in->archive, 0) > before ||
           lm_fail(st, LM_ENDED, "%s: the archive ends without the mark of its end: it was cut, or is still being written",
                   in->operand);
}

/* The header of the next regular file: 1 (its path in *path; NULL: no archive, but one compressed file), 0 or -1. */
static int archive_header(lm_input *in, const char **path, lm_status *st)
{
    for (;;) {
        struct archive_entry *e;
        if (in->members && archive_read_data_skip(in->archive) < ARCHIVE_WARN)
            return fail_archive(in, st), -1;
        int64_t before = archive_filter_bytes(in->archive, 0);
        int rc = archive_read_next_header(in->archive, &e);
        if (rc == ARCHIVE_EOF)
            return check_tar_end(in, before, st) ? 0 : -1;
        if (rc < ARCHIVE_WARN)
            return fail_archive(in, st), -1;
        in->members = true;
        if (archive_format(in->archive) == ARCHIVE_FORMAT_RAW) {
            *path = NULL;
            return 1;
        }
        if (archive_entry_filetype(e) != AE_IFREG)
            continue;
        *path = archive_entry_pathname_utf8(e);
        if (!*path)
            *path = archive_entry_pathname(e);
        if (!*path)
            *path = "(unnamed)";
        return 1;
    }
}

/* Moves to the next regular file of the archive: 1, 0 or -1. */
static int archive_next(lm_input *in, lm_status *st)
{
    const char *path = in->coming;
    if (in->empty_archive)
        return 0;
    int rc = in->coming ? 1 : in->coming_end ? 0 : archive_header(in, &path, st);
    if (rc == 0 && archive_format(in->archive) == ARCHIVE_FORMAT_EMPTY) {
        in->empty_archive = in->at_end = true;
        in->name = lm_strdup(in->operand);
        return 1;
    }
    if (rc <= 0)
        return rc;
    in->name = path ? lm_format("%s:%s", in->operand, path) : lm_strdup(in->operand);
    in->member = path ? lm_strdup(path) : NULL;
    free(in->coming);
    in->coming = NULL;
    return 1;
}

/* ---------------------------------------------------------------------------------------------------- filling */

static bool make_room(lm_input *in, size_t want, lm_status *st)
{
    if (in->pos > 0 && (in->pos == in->end || in->cap - in->pos < want)) {
        memmove(in->buf, in->buf + in->pos, in->end - in->pos);
        in->end -= in->pos;
        in->pos = 0;
    }
    if (in->cap - in->pos >= want)
        return true;
    size_t cap = in->cap ? in->cap : BUFFER;
    while (cap < want)
        if (!lm_mul(cap, 2, &cap))
            return lm_fail(st, LM_FAILED, "%s: no memory for %zu bytes at once", lm_input_name(in), want);
    char *grown = realloc(in->buf, cap);
    if (!grown)
        return lm_fail(st, LM_FAILED, "%s: no memory for %zu bytes at once", lm_input_name(in), want);
    in->buf = grown;
    in->cap = cap;
    return true;
}

/* Reads once, up to n bytes of the member as it stands. */
static ssize_t fill_raw(void *context, void *to, size_t n, lm_status *st)
{
    lm_input *in = context;
    if (!in->archive)
        return in->fd < 0 ? 0 : read_fd(in, to, n, st);
    la_ssize_t got = in->empty_archive ? 0 : archive_read_data(in->archive, to, n);
    if (got < 0)
        fail_archive(in, st);
    return got < 0 ? -1 : (ssize_t)got;
}

/* The same, decoded; sets at_end when there is no more. -1: failed. */
static ssize_t fill(lm_input *in, void *to, size_t n, lm_status *st)
{
    if (in->at_end)
        return 0;
    ssize_t got = in->transcoder ? lm_transcoder_read(in->transcoder, to, n, fill_raw, in, st) : fill_raw(in, to, n, st);
    if (got == 0)
        in->at_end = true;
    return got;
}

bool lm_input_decode(lm_input *in, const char *encoding, lm_status *st)
{
    lm_str seen = {in->buf ? in->buf + in->pos : "", in->end - in->pos};
    in->transcoder = lm_transcoder_new(encoding, seen, lm_input_name(in), st);
    if (!in->transcoder)
        return false;
    if (in->borrowed) {
        in->buf = NULL;
        in->cap = 0;
        in->borrowed = false;
    }
    in->pos = in->end = 0;
    in->at_end = in->no_member;
    return true;
}

bool lm_input_peek(lm_input *in, size_t want, lm_str *out, lm_status *st)
{
    if (in->end - in->pos < want && !in->at_end) {
        if (!make_room(in, want, st))
            return false;
        while (in->end - in->pos < want) {
            ssize_t got = fill(in, in->buf + in->end, in->cap - in->end, st);
            if (got < 0)
                return false;
            if (got == 0)
                break;
            in->end += (size_t)got;
        }
    }
    *out = (lm_str){in->buf ? in->buf + in->pos : "", in->end - in->pos};
    return true;
}

void lm_input_skip(lm_input *in, size_t n)
{
    in->pos += n;
    in->offset += n;
}

bool lm_input_read(lm_input *in, void *to, size_t n, size_t *got, lm_status *st)
{
    size_t done = in->end - in->pos < n ? in->end - in->pos : n;
    if (done)
        memcpy(to, in->buf + in->pos, done);
    in->pos += done;
    bool ok = true;
    while (ok && done < n && !in->at_end) {
        if (n - done >= BUFFER) {
            ssize_t more = fill(in, (char *)to + done, n - done, st);
            ok = more >= 0;
            done += ok ? (size_t)more : 0;
        } else {
            lm_str rest;
            ok = lm_input_peek(in, n - done, &rest, st);
            size_t seen = in->end - in->pos, more = seen < n - done ? seen : n - done;
            if (more)
                memcpy((char *)to + done, in->buf + in->pos, more);
            in->pos += more;
            done += more;
        }
    }
    in->offset += done;
    *got = done;
    return ok;
}

bool lm_input_peek_line(lm_input *in, size_t limit, lm_str *line, bool *end, bool *complete, lm_status *st)
{
    size_t seen = 0; /* bytes known to hold no LF */
    for (;;) {
        lm_str s = {in->buf ? in->buf + in->pos : "", in->end - in->pos};
        const char *lf = s.len > seen ? memchr(s.data + seen, '\n', s.len - seen) : NULL;
        size_t len = lf ? (size_t)(lf - s.data) : s.len;
        if (len > limit)
            return lm_fail(st, LM_FAILED, "%s: a line of more than %zu bytes at byte %llu", lm_input_name(in), limit,
                           (unsigned long long)in->offset);
        if (lf || in->at_end) {
            *end = !lf && len == 0;
            *complete = lf != NULL;
            *line = (lm_str){s.data, len};
            return true;
        }
        seen = s.len;
        if (!lm_input_peek(in, s.len + 1, &s, st))
            return false;
    }
}

bool lm_input_line(lm_input *in, size_t limit, lm_str *line, bool *end, bool *complete, lm_status *st)
{
    bool whole;
    if (!lm_input_peek_line(in, limit, line, end, &whole, st))
        return false;
    lm_input_skip(in, line->len + whole);
    if (complete)
        *complete = whole;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- members */

static void drop_transcoder(lm_input *in)
{
    lm_transcoder_free(in->transcoder);
    in->transcoder = NULL;
}

static void close_file(lm_input *in)
{
    drop_transcoder(in);
    if (in->archive)
        archive_read_free(in->archive);
    if (in->fd_owned && in->fd >= 0)
        close(in->fd);
    free(in->operand);
    free(in->name);
    free(in->member);
    free(in->coming);
    free(in->prefix);
    free(in->chunk);
    in->archive = NULL;
    in->operand = in->name = in->member = in->coming = in->prefix = in->chunk = NULL;
    in->prefix_len = 0;
    in->fd = -1;
    in->fd_owned = in->empty_archive = in->members = in->coming_end = false;
    in->pos = in->end = 0;
    in->offset = 0;
}

/* Looks at the first bytes of the file in hand and moves to its first member: 1, 0 (an archive of no files) or -1. */
static int start_file(lm_input *in, lm_status *st)
{
    in->at_end = false;
    lm_str first = {"", 0};
    do { /* a live stream whose first line has come is not kept waiting */
        size_t seen = first.len;
        if (!lm_input_peek(in, seen + 1, &first, st))
            return -1;
        if (first.len == seen)
            break;
    } while (first.len < MAGIC && !memchr(first.data, '\n', first.len));
    if (lm_input_is_packed(first)) {
        in->at_end = false;
        return archive_start(in, st) ? archive_next(in, st) : -1;
    }
    in->name = lm_strdup(in->operand);
    return 1;
}

static enum { FREE, READ, CLAIMED } standard_input;

bool lm_input_claim_stdin(lm_status *st)
{
    if (standard_input == READ)
        return lm_fail(st, LM_USAGE, "standard input: it has been read already, and a model cannot come from there, too");
    standard_input = CLAIMED;
    return true;
}

static int open_path(lm_input *in, const char *path, lm_status *st)
{
    if (strcmp(path, "-") == 0) {
        if (standard_input == CLAIMED) {
            lm_fail(st, LM_USAGE, "standard input: the model came from there: name the file of the data");
            return -1;
        }
        standard_input = READ;
        in->fd = STDIN_FILENO;
        lm_pipe_widen(in->fd);
        in->operand = lm_strdup("standard input");
    } else {
        in->operand = lm_strdup(path);
        in->fd = open(path, O_RDONLY | O_CLOEXEC);
        in->fd_owned = true;
        if (in->fd < 0) {
            lm_fail_errno(st, LM_FAILED, "%s: cannot open", path);
            return -1;
        }
    }
    return start_file(in, st);
}

static int next_file(lm_input *in, lm_status *st)
{
    while (in->path_next < in->path_count) {
        close_file(in);
        int rc = open_path(in, in->paths[in->path_next++], st);
        if (rc != 0)
            return rc;
    }
    in->pos = in->end;
    in->at_end = in->no_member = true;
    return 0;
}

int lm_input_next_member(lm_input *in, lm_status *st)
{
    if (in->no_member)
        return 0;
    if (in->archive) {
        drop_transcoder(in);
        free(in->name);
        free(in->member);
        in->name = in->member = NULL;
        in->pos = in->end = 0;
        in->offset = 0;
        in->at_end = false;
        int rc = archive_next(in, st);
        if (rc != 0)
            return rc;
    }
    return next_file(in, st);
}

lm_input *lm_input_open_all(const lm_strings *paths, lm_status *st)
{
    lm_input *in = lm_calloc(1, sizeof *in);
    in->fd = -1;
    in->path_count = paths->count ? paths->count : 1;
    in->paths = lm_calloc(in->path_count, sizeof *in->paths);
    in->paths[0] = "-";
    for (size_t i = 0; i < paths->count; i++)
        in->paths[i] = paths->items[i];
    if (next_file(in, st) < 0) {
        lm_input_close(in);
        return NULL;
    }
    return in;
}

lm_input *lm_input_open(const char *path, lm_status *st)
{
    lm_strings one = {.items = &path, .count = 1};
    return lm_input_open_all(&one, st);
}

lm_input *lm_input_fd(int fd, const char *name, lm_status *st)
{
    return lm_input_fd_after((lm_str){"", 0}, fd, name, st);
}

lm_input *lm_input_fd_after(lm_str seen, int fd, const char *name, lm_status *st)
{
    lm_input *in = lm_calloc(1, sizeof *in);
    in->fd = fd;
    in->cap = BUFFER > seen.len ? BUFFER : seen.len;
    in->buf = lm_malloc(in->cap, 1);
    in->end = seen.len;
    memcpy(in->buf, seen.data, seen.len);
    in->operand = lm_strdup(name);
    int rc = start_file(in, st);
    if (rc < 0) {
        lm_input_close(in);
        return NULL;
    }
    if (rc == 0)
        in->at_end = in->no_member = true;
    return in;
}

lm_input *lm_input_memory(const void *bytes, size_t size, const char *name)
{
    lm_input *in = lm_calloc(1, sizeof *in);
    in->fd = -1;
    in->operand = lm_strdup(name);
    in->name = lm_strdup(name);
    in->borrowed = in->at_end = true;
    in->buf = (char *)bytes; /* never written: at_end keeps every writer away */
    in->end = in->cap = size;
    return in;
}

void lm_input_close(lm_input *in)
{
    if (!in)
        return;
    close_file(in);
    if (!in->borrowed)
        free(in->buf);
    free(in->paths);
    free(in);
}

const char *lm_input_name(const lm_input *in)
{
    return in->name ? in->name : in->operand ? in->operand : "input";
}

uint64_t lm_input_offset(const lm_input *in)
{
    return in->offset;
}

const char *lm_input_member(const lm_input *in)
{
    return in->member;
}

bool lm_input_next_path(lm_input *in, const char **path, lm_status *st)
{
    *path = in->coming;
    if (in->coming || in->coming_end || !in->member || !in->at_end)
        return true;
    const char *name = NULL;
    int rc = archive_header(in, &name, st);
    if (rc > 0 && name)
        in->coming = lm_strdup(name);
    in->coming_end = rc == 0;
    *path = in->coming;
    return rc >= 0;
}
