/* Archives of a model's directory are read: once for what is small or stands in the file as it is, and again for weights and
 * what is large, when somebody asks for it. */
#include "stream/bundle_internal.h"

#include "base/memory.h"
#include "base/signals.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024, TAR_BLOCK = 512 };

typedef struct unpacking {
    lm_bundle *bundle;
    struct archive *archive;
    const char *wanted; /* a later reading: of what was left, into the store; NULL: the first one */
    lm_store *store;
    bool in_place;     /* an uncompressed tar */
    size_t member;     /* the next one's number */
    char *name;        /* of the member in hand */
    int64_t data_at;   /* where its data begins in the tar, as far as can be told yet; -1 = not at all */
} unpacking;

static bool fail_archive(const unpacking *u, lm_status *st)
{
    const char *why = archive_error_string(u->archive);
    return lm_signal_check(st) && lm_fail(st, LM_FAILED, "%s: cannot unpack: %s", u->bundle->name, why ? why : "damaged data");
}

static bool begin(unpacking *u, lm_status *st)
{
    u->archive = archive_read_new();
    if (!u->archive)
        return lm_fail(st, LM_FAILED, "%s: libarchive does not start", u->bundle->name);
    archive_read_support_filter_gzip(u->archive);
    archive_read_support_filter_bzip2(u->archive);
    archive_read_support_filter_xz(u->archive);
    archive_read_support_filter_zstd(u->archive);
    archive_read_support_filter_lz4(u->archive);
    archive_read_support_format_tar(u->archive);
    archive_read_support_format_gnutar(u->archive);
    archive_read_support_format_cpio(u->archive);
    archive_read_support_format_zip(u->archive);
    archive_read_support_format_7zip(u->archive);
    if (lseek(u->bundle->fd, 0, SEEK_SET) != 0 || archive_read_open_fd(u->archive, u->bundle->fd, BLOCK) != ARCHIVE_OK)
        return fail_archive(u, st);
    return true;
}

/* ---------------------------------------------------------------- members */

/* The path without what means nothing: "./a//b" is "a/b". Malloced. */
static char *plain_name(const char *path)
{
    char *out = lm_malloc(strlen(path) + 1, 1), *to = out;
    if (*path == '/')
        *to++ = '/';
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n && !(n == 1 && *p == '.')) {
            if (to > out && to[-1] != '/')
                *to++ = '/';
            memcpy(to, p, n);
            to += n;
        }
        p += n + (p[n] == '/');
    }
    *to = '\0';
    return out;
}

/* What only an attack, or an archive of something else, has in it. */
static bool check_member(const unpacking *u, struct archive_entry *e, lm_status *st)
{
    const char *what = archive_entry_hardlink(e)                    ? "a link"
                       : archive_entry_filetype(e) == AE_IFLNK      ? "a link"
                       : archive_entry_filetype(e) != AE_IFREG &&
                             archive_entry_filetype(e) != AE_IFDIR  ? "a device or the like"
                       : archive_entry_sparse_count(e) > 0          ? "a file with holes"
                                                                    : NULL;
    if (what)
        return lm_fail(st, LM_FAILED, "%s:%.200s: %s: refused: an archive of a model holds files and directories (tar -h "
                       "puts what links point to into it)", u->bundle->name, u->name, what);
    if (archive_entry_filetype(e) == AE_IFREG && (!archive_entry_size_is_set(e) || archive_entry_size(e) < 0))
        return lm_fail(st, LM_FAILED, "%s:%.200s: does not say how large it is: refused", u->bundle->name, u->name);
    return true;
}

bool lm_bundle_is_safetensors(const char *name)
{
    return lm_ends_in(name, ".safetensors");
}

/* All of the member in hand, which has to be as long as it says. */
static bool read_data(const unpacking *u, char *to, uint64_t store_at, uint64_t size, lm_status *st)
{
    char *piece = to ? NULL : lm_malloc(BLOCK, 1);
    uint64_t done = 0;
    la_ssize_t got = 1;
    while (lm_ok(st) && done < size && got > 0) {
        uint64_t want = to ? size - done : BLOCK < size - done ? BLOCK : size - done;
        got = archive_read_data(u->archive, to ? to + done : piece, (size_t)want);
        if (got < 0)
            fail_archive(u, st);
        else if (!to && got > 0)
            lm_store_write(u->store, store_at + done, piece, (size_t)got, st);
        done += got > 0 ? (uint64_t)got : 0;
    }
    char more;
    if (lm_ok(st) && (done < size || archive_read_data(u->archive, &more, 1) > 0))
        lm_fail(st, LM_FAILED, "%s:%.200s: is not as long as it says: the archive is damaged", u->bundle->name, u->name);
    free(piece);
    return lm_ok(st);
}

/* First reading: the member is entered, and read where it is small. */
static bool enter(unpacking *u, uint64_t size, lm_status *st)
{
    lm_bundle_entry *e = lm_bundle_add(u->bundle, u->name, size, st);
    if (!e)
        return false;
    e->loaded = size == 0;
    u->data_at = u->in_place ? archive_filter_bytes(u->archive, 0) : -1;
    if (e->loaded || u->in_place || lm_bundle_is_safetensors(u->name) || size > LM_BUNDLE_SMALL_MAX ||
        u->bundle->kept + size > LM_BUNDLE_KEPT_MAX)
        return true;
    u->bundle->kept += size;
    char *bytes = lm_try_malloc((size_t)size, 1, u->name, st);
    e->bytes = bytes;
    e->owned = e->loaded = true;
    return bytes && read_data(u, bytes, 0, size, st);
}

/* Shards are read together. */
static bool is_wanted(const unpacking *u, const char *name)
{
    return strcmp(name, u->wanted) == 0 || (lm_bundle_is_safetensors(u->wanted) && lm_bundle_is_safetensors(name));
}

/* A later reading: what is wanted goes into the store; *at is where. */
static bool fetch(unpacking *u, uint64_t size, uint64_t *at, lm_status *st)
{
    lm_bundle_entry *e = u->member < u->bundle->count ? &u->bundle->entries[u->member] : NULL;
    if (!e || e->size != size)
        return lm_fail(st, LM_FAILED, "%s: has changed while it was read", u->bundle->name);
    if (e->loaded || !is_wanted(u, e->name))
        return true;
    return lm_store_reserve(u->store, size, at, st) && read_data(u, NULL, *at, size, st);
}

/* Where the data of the member before stands in the tar: known for sure when the next header is reached, which data and
 * pad lie just before. Else it is unpacked like any other. */
static void settle_place(unpacking *u)
{
    lm_bundle *b = u->bundle;
    lm_bundle_entry *e = b->count ? &b->entries[b->count - 1] : NULL;
    if (!e || e->loaded || u->data_at < 0)
        return;
    uint64_t pad = (TAR_BLOCK - e->size % TAR_BLOCK) % TAR_BLOCK, at = (uint64_t)u->data_at;
    bool fits = e->size <= b->whole.size && at <= b->whole.size - e->size;
    if (fits && (uint64_t)archive_read_header_position(u->archive) == at + e->size + pad) {
        e->bytes = (const char *)b->whole.bytes + at;
        e->loaded = true;
    }
    u->data_at = -1;
}

/* The mark at the end of a tar is missing where it was cut between two members. */
static bool check_end(const unpacking *u, int64_t before, lm_status *st)
{
    bool tar = (archive_format(u->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    return !tar || archive_filter_bytes(u->archive, 0) > before ||
           lm_fail(st, LM_ENDED, "%s: the archive ends without the mark of its end: it was cut, or is still being written",
                   u->bundle->name);
}

static void look_at_format(unpacking *u, lm_status *st)
{
    bool tar = (archive_format(u->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    if (u->wanted || u->in_place || !tar || archive_filter_code(u->archive, 0) != ARCHIVE_FILTER_NONE)
        return;
    u->in_place = u->bundle->whole.bytes || lm_map_fd(u->bundle->fd, u->bundle->name, &u->bundle->whole, st);
}

/* The members one after the other. places: of the second reading. */
static bool unpack(unpacking *u, uint64_t *places, lm_status *st)
{
    for (;;) {
        struct archive_entry *e;
        int64_t before = 0;
        if (u->member && archive_read_data_skip(u->archive) < ARCHIVE_WARN)
            return fail_archive(u, st);
        before = archive_filter_bytes(u->archive, 0);
        int rc = archive_read_next_header(u->archive, &e);
        settle_place(u);
        if (rc == ARCHIVE_EOF)
            return check_end(u, before, st);
        if (rc < ARCHIVE_WARN)
            return fail_archive(u, st);
        look_at_format(u, st);
        const char *path = archive_entry_pathname_utf8(e);
        free(u->name);
        u->name = plain_name(path ? path : archive_entry_pathname(e) ? archive_entry_pathname(e) : "");
        bool file = archive_entry_filetype(e) == AE_IFREG;
        uint64_t size = file ? (uint64_t)archive_entry_size(e) : 0;
        if (!lm_signal_check(st) || !lm_ok(st) || (!u->wanted && !check_member(u, e, st)) ||
            (file && !u->wanted && !enter(u, size, st)) || (file && u->wanted && !fetch(u, size, &places[u->member], st)))
            return false;
        u->member += file;
    }
}

static void finish(unpacking *u)
{
    archive_read_free(u->archive);
    free(u->name);
}

/* ---------------------------------------------------------------- the directory in it */

static size_t depth_of(const char *name)
{
    size_t n = 0;
    for (; *name; name++)
        n += *name == '/';
    return n;
}

static lm_str directory_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return (lm_str){name, slash ? (size_t)(slash - name) + 1 : 0};
}

/* The outermost directory that has a config.json, or, where none has, any file; as the first part of names. */
static bool find_root(const lm_bundle *b, lm_str *root, lm_status *st)
{
    size_t least = SIZE_MAX;
    bool configured = false, several = false;
    for (size_t i = 0; i < b->count; i++) {
        const char *name = b->entries[i].name;
        lm_str directory = directory_of(name);
        bool config = strcmp(name + directory.len, "config.json") == 0;
        size_t depth = depth_of(name);
        if (config < configured || (config == configured && depth > least))
            continue;
        if (config > configured || depth < least) {
            *root = directory;
            several = false;
        } else {
            several |= root->len != directory.len || memcmp(root->data, directory.data, directory.len) != 0;
        }
        configured = config;
        least = depth;
    }
    if (!b->count)
        return lm_fail(st, LM_FAILED, "%s: an archive without files: a model's has config.json and model.safetensors", b->name);
    return !several || lm_fail(st, LM_FAILED, "%s: several directories, and any of them could be meant: give an archive of "
                               "one model", b->name);
}

/* Leaves the files below the root, without its name. */
static bool enter_root(lm_bundle *b, lm_status *st)
{
    lm_str root = {"", 0};
    if (!find_root(b, &root, st))
        return false;
    char *prefix = lm_strndup(root.data, root.len);
    for (size_t i = 0; i < b->count; i++) {
        char *name = b->entries[i].name;
        if (strncmp(name, prefix, root.len) == 0)
            memmove(name, name + root.len, strlen(name + root.len) + 1);
        else
            *name = '\0'; /* it stays for the second reading to count, and has a name that nobody asks for */
    }
    free(prefix);
    return true;
}

bool lm_bundle_list_archive(lm_bundle *b, lm_status *st)
{
    unpacking u = {.bundle = b, .data_at = -1};
    bool ok = begin(&u, st) && unpack(&u, NULL, st) && enter_root(b, st);
    finish(&u);
    return ok;
}

bool lm_bundle_load_archive(lm_bundle *b, const char *name, lm_status *st)
{
    unpacking u = {.bundle = b, .wanted = name, .store = lm_bundle_new_store(b), .data_at = -1};
    uint64_t *places = lm_calloc(b->count, sizeof *places);
    bool ok = begin(&u, st) && unpack(&u, places, st);
    if (ok && u.member < b->count)
        ok = lm_fail(st, LM_FAILED, "%s: has changed while it was read", b->name);
    ok = ok && lm_store_map(u.store, st);
    for (size_t i = 0; ok && i < b->count; i++) {
        lm_bundle_entry *e = &b->entries[i];
        if (e->loaded || !is_wanted(&u, e->name))
            continue;
        e->bytes = (const char *)u.store->map.bytes + places[i];
        e->loaded = true;
    }
    finish(&u);
    free(places);
    return ok;
}
