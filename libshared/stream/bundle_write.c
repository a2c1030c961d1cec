/* Bundles are written: a directory, an archive, or a model stream. */
#include "stream/bundle_writer.h"

#include "base/memory.h"
#include "base/tool.h"
#include "stream/json_tree.h"

#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COPY_MAX = 1 << 28, /* of a small file */
    INDEX_RECORD = LM_LMS_HEADER_MAX / 2,
    ARCHIVE_BLOCK = 1 << 20,
    TAR_END = 10240     /* tar's own record: the file is a multiple of it */
};

/* Every member is as old as the oldest time that tar and zip both have: the same model makes the same archive. */
static const time_t member_time = 315532800;

/* ---------------------------------------------------------------- names */

static const struct {
    const char *suffix, *filter;
    bool zip;
} archives[] = {
    {".tar", NULL, false},    {".tar.gz", "gzip", false},  {".tgz", "gzip", false}, {".tar.xz", "xz", false},
    {".tar.zst", "zstd", false}, {".tzst", "zstd", false}, {".zip", NULL, true},
};

/* A file of that kind, with a name before it. */
static bool is_kind(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && lm_ends_in(path, suffix) && path[n - m - 1] != '/';
}

/* Which of archives a name means; -1 = none. */
static int archive_of(const char *path)
{
    for (size_t i = 0; i < sizeof archives / sizeof *archives; i++)
        if (is_kind(path, archives[i].suffix))
            return (int)i;
    return -1;
}

lm_bundle_form lm_bundle_form_of(const char *path)
{
    struct stat s;
    bool exists = stat(path, &s) == 0;
    if (strcmp(path, "-") == 0 || (exists && S_ISFIFO(s.st_mode)))
        return LM_BUNDLE_STREAM;
    if (exists && S_ISDIR(s.st_mode))
        return LM_BUNDLE_DIRECTORY;
    return archive_of(path) >= 0 ? LM_BUNDLE_ARCHIVE : is_kind(path, ".lms") ? LM_BUNDLE_STREAM : LM_BUNDLE_DIRECTORY;
}

char *lm_bundle_title(const char *path)
{
    size_t n = strlen(path);
    int archive = archive_of(path);
    if (strcmp(path, "-") == 0)
        return lm_strdup("model");
    while (n > 1 && path[n - 1] == '/')
        n--;
    const char *base = path + n;
    while (base > path && base[-1] != '/')
        base--;
    n -= (size_t)(base - path);
    if (archive >= 0)
        n -= strlen(archives[archive].suffix);
    else if (is_kind(path, ".lms"))
        n -= 4;
    return lm_strndup(base, n);
}

/* ---------------------------------------------------------------- archives */

static la_ssize_t write_piece(struct archive *a, void *context, const void *bytes, size_t n)
{
    lm_bundle_writer *w = context;
    if (w->dropped || lm_write_all(lm_output_file_fd(w->file), bytes, n, w->name, w->st))
        return (la_ssize_t)n;
    archive_set_error(a, ARCHIVE_FATAL, "%s", w->st->message);
    return -1;
}

static bool fail_archive(lm_bundle_writer *w, lm_status *st)
{
    const char *why = archive_error_string(w->archive);
    return lm_fail(st, LM_FAILED, "%s: cannot be written: %s", w->name, why ? why : "libarchive does not say why");
}

static bool begin_archive(lm_bundle_writer *w, const char *path, lm_status *st)
{
    int kind = archive_of(path);
    struct archive *a = w->archive = archive_write_new();
    w->st = st;
    w->zip = archives[kind].zip;
    char *title = lm_bundle_title(path);
    w->prefix = lm_format("%s/", title); /* "models/news.tar.zst" keeps its files in "news/" */
    free(title);
    if (!a)
        return lm_fail(st, LM_FAILED, "%s: libarchive does not start", w->name);
    int rc = w->zip ? archive_write_set_format_zip(a) : archive_write_set_format_pax_restricted(a);
    if (rc == ARCHIVE_OK && archives[kind].filter)
        rc = archive_write_add_filter_by_name(a, archives[kind].filter);
    if (rc == ARCHIVE_OK && archives[kind].filter && strcmp(archives[kind].filter, "gzip") == 0)
        rc = archive_write_set_filter_option(a, "gzip", "timestamp", NULL); /* the same bytes each time */
    archive_write_set_bytes_per_block(a, ARCHIVE_BLOCK);
    archive_write_set_bytes_in_last_block(a, w->zip || archives[kind].filter ? 1 : TAR_END);
    return (rc == ARCHIVE_OK && archive_write_open(a, w, NULL, write_piece, NULL) == ARCHIVE_OK) || fail_archive(w, st);
}

bool lm_bundle_member_bytes(void *context, const void *bytes, size_t n, lm_status *st)
{
    lm_bundle_writer *w = context;
    for (const char *p = bytes; n;) {
        la_ssize_t written = archive_write_data(w->archive, p, n);
        if (written <= 0)
            return fail_archive(w, st);
        p += written;
        n -= (size_t)written;
    }
    return true;
}

bool lm_bundle_begin_member(lm_bundle_writer *w, const char *name, uint64_t size, bool weights, lm_status *st)
{
    struct archive_entry *e = archive_entry_new();
    char *path = lm_format("%s%s", w->prefix, name);
    w->st = st;
    archive_entry_set_pathname(e, path);
    archive_entry_set_size(e, (la_int64_t)size);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, member_time, 0);
    if (w->zip && weights) /* which hardly shrink */
        archive_write_zip_set_compression_store(w->archive);
    else if (w->zip)
        archive_write_zip_set_compression_deflate(w->archive);
    bool ok = archive_write_header(w->archive, e) == ARCHIVE_OK || fail_archive(w, st);
    w->in_member = ok;
    archive_entry_free(e);
    free(path);
    return ok;
}

bool lm_bundle_end_member(lm_bundle_writer *w, lm_status *st)
{
    w->in_member = false;
    return archive_write_finish_entry(w->archive) == ARCHIVE_OK || fail_archive(w, st);
}

/* ---------------------------------------------------------------- begin and end */

lm_bundle_writer *lm_bundle_into(const char *dir)
{
    lm_bundle_writer *w = lm_calloc(1, sizeof *w);
    w->form = LM_BUNDLE_DIRECTORY;
    w->name = lm_strdup(dir);
    w->dir = lm_strdup(dir);
    return w;
}

static void writer_free(lm_bundle_writer *w)
{
    if (w->archive)
        archive_write_free(w->archive);
    lm_lms_writer_free(w->stream);
    free(w->prefix);
    free(w->dir);
    free(w->name);
    free(w);
}

lm_bundle_writer *lm_bundle_create(const char *path, const lm_bundle_options *options, lm_status *st)
{
    lm_bundle_writer *w = lm_calloc(1, sizeof *w);
    w->form = lm_bundle_form_of(path);
    w->name = lm_strdup(path);
    if (options)
        w->options = *options;
    if (w->form == LM_BUNDLE_DIRECTORY) {
        w->made = lm_output_dir_open(path, st);
        w->dir = w->made ? lm_strdup(lm_output_dir_path(w->made)) : NULL;
    } else {
        w->file = lm_output_file_open(path, st);
        if (w->file && lm_tool_refuse_terminal(lm_output_file_fd(w->file), "models", st) && w->form == LM_BUNDLE_ARCHIVE)
            begin_archive(w, path, st);
    }
    if (lm_ok(st))
        return w;
    lm_bundle_discard(w, NULL);
    return NULL;
}

bool lm_bundle_publish(lm_bundle_writer *w, lm_status *st)
{
    w->st = st;
    if (w->archive && archive_write_close(w->archive) != ARCHIVE_OK)
        fail_archive(w, st);
    if (w->stream)
        lm_lms_writer_close(w->stream, st);
    if (!lm_ok(st)) {
        lm_bundle_discard(w, NULL);
        return false;
    }
    bool ok = w->made ? lm_output_dir_publish(w->made, st) : !w->file || lm_output_file_publish(w->file, st);
    writer_free(w);
    return ok;
}

void lm_bundle_discard(lm_bundle_writer *w, const lm_status *why)
{
    if (!w)
        return;
    lm_status reason = LM_STATUS_INIT;
    w->st = &reason;
    w->dropped = true; /* what libarchive still has to write goes nowhere */
    if (w->stream && why) {
        reason = *why;
        lm_lms_writer_close(w->stream, &reason);
    }
    if (w->archive && w->in_member) /* it would fill the member up */
        archive_write_fail(w->archive);
    if (w->made)
        lm_output_dir_discard(w->made);
    if (w->file)
        lm_output_file_discard(w->file, false);
    writer_free(w);
}

/* ---------------------------------------------------------------- files */

lm_lms_writer *lm_bundle_stream_of(lm_bundle_writer *w, lm_status *st)
{
    if (!w->stream)
        w->stream = lm_lms_writer_new(lm_output_file_fd(w->file), w->name, LM_KIND_MODEL, NULL, w->options.via,
                                      w->options.command, st);
    return w->stream;
}

bool lm_bundle_put(lm_bundle_writer *w, const char *name, const void *bytes, size_t n, lm_status *st)
{
    if (w->form == LM_BUNDLE_ARCHIVE)
        return lm_bundle_begin_member(w, name, n, false, st) && lm_bundle_member_bytes(w, bytes, n, st) && lm_bundle_end_member(w, st);
    if (w->form == LM_BUNDLE_STREAM) {
        json_t *header = json_pack("{s:s}", "file", name);
        bool ok = lm_bundle_stream_of(w, st) && lm_lms_write_bytes(w->stream, header, (lm_str){bytes, n}, st);
        json_decref(header);
        return ok;
    }
    char *path = lm_format("%s/%s", w->dir, name);
    bool ok = lm_file_write(path, bytes, n, st);
    free(path);
    return ok;
}

bool lm_bundle_copy(lm_bundle_writer *w, lm_bundle *from, const char *name, lm_status *st)
{
    char *bytes;
    size_t n;
    if (!lm_bundle_read(from, name, COPY_MAX, &bytes, &n, st))
        return false;
    bool ok = lm_bundle_put(w, name, bytes, n, st);
    free(bytes);
    return ok;
}

/* ---------------------------------------------------------------- safetensors */

static bool put_file_of_tensors(lm_bundle_writer *w, const char *name, const lm_safetensor *tensors, size_t count,
                                lm_status *st)
{
    if (w->form == LM_BUNDLE_ARCHIVE) {
        uint64_t size;
        return lm_safetensors_file_size(name, tensors, count, &size, st) && lm_bundle_begin_member(w, name, size, true, st) &&
               lm_safetensors_write_to(lm_bundle_member_bytes, w, name, tensors, count, st) && lm_bundle_end_member(w, st);
    }
    char *path = lm_format("%s/%s", w->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        lm_fail_errno(st, LM_FAILED, "%s: cannot create it", path);
    } else {
        lm_safetensors_write(fd, path, tensors, count, st);
        if (close(fd) && lm_ok(st))
            lm_fail_errno(st, LM_FAILED, "%s: cannot write it", path);
    }
    free(path);
    return lm_ok(st);
}

/* A tensor above the limit has a shard of its own, which comes before the one that was being filled; that is how
 * split_torch_state_dict_into_shards goes. */
size_t lm_bundle_assign_shards(const lm_safetensor *tensors, size_t count, uint64_t limit, size_t *shard)
{
    size_t shards = 0;
    uint64_t filled = 0;
    size_t *current = lm_malloc(count + 1, sizeof *current), members = 0;
    for (size_t i = 0; i < count && limit; i++) {
        if (tensors[i].bytes > limit) {
            shard[i] = shards++;
            continue;
        }
        if (members && filled + tensors[i].bytes > limit) {
            for (size_t k = 0; k < members; k++)
                shard[current[k]] = shards;
            shards++;
            members = 0;
            filled = 0;
        }
        current[members++] = i;
        filled += tensors[i].bytes;
    }
    for (size_t k = 0; k < members; k++)
        shard[current[k]] = shards;
    shards += members > 0;
    free(current);
    return limit ? shards : 1;
}

char *lm_bundle_shard_name(size_t i, size_t shards)
{
    return shards > 1 ? lm_format("model-%05zu-of-%05zu.safetensors", i + 1, shards) : lm_strdup("model.safetensors");
}

bool lm_bundle_put_shard_index(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, const size_t *shard,
                               size_t shards, lm_status *st)
{
    json_t *map = json_object();
    uint64_t total = 0;
    for (size_t s = 0; s < shards; s++) {
        char *name = lm_bundle_shard_name(s, shards);
        for (size_t i = 0; i < count; i++) {
            if (shard[i] != s)
                continue;
            total += tensors[i].bytes;
            json_object_set_new(map, tensors[i].name, json_string(name));
        }
        free(name);
    }
    json_t *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)total, "weight_map", map);
    lm_buf text = {0};
    lm_json_print(index, &lm_json_python, 0, &text);
    lm_buf_putc(&text, '\n');
    bool ok = lm_bundle_put(w, "model.safetensors.index.json", text.data, text.len, st);
    lm_buf_free(&text);
    json_decref(index);
    return ok;
}

static bool put_shards(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, const size_t *shard, size_t shards,
                       lm_status *st)
{
    lm_safetensor *part = lm_malloc(count, sizeof *part);
    for (size_t s = 0; s < shards && lm_ok(st); s++) {
        char *name = lm_bundle_shard_name(s, shards);
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (shard[i] == s)
                part[n++] = tensors[i];
        put_file_of_tensors(w, name, part, n, st);
        free(name);
    }
    free(part);
    return lm_ok(st) && (shards == 1 || lm_bundle_put_shard_index(w, tensors, count, shard, shards, st));
}

/* ---------------------------------------------------------------- records of tensors */

bool lm_bundle_put_index(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, lm_status *st)
{
    for (size_t i = 0; i < count && lm_ok(st);) {
        json_t *index = json_object();
        for (size_t bytes = 0; i < count && bytes < INDEX_RECORD; i++) {
            json_t *shape = json_array();
            for (int d = 0; d < tensors[i].shape.dims; d++)
                json_array_append_new(shape, json_integer(tensors[i].shape.size[d]));
            json_object_set_new(index, tensors[i].name,
                                json_pack("{s:s, s:o}", "dtype", lm_dtype_name(tensors[i].dtype), "shape", shape));
            bytes += 6 * strlen(tensors[i].name) + 300; /* more than its text can take */
        }
        json_t *header = json_pack("{s:o}", "index", index);
        lm_lms_write(w->stream, header, NULL, 0, st);
        json_decref(header);
    }
    return lm_ok(st);
}

/* Rows [first, first + rows) of a tensor as a column; *made is what has to be freed. */
static bool column_of(const lm_safetensor *t, int64_t first, int64_t rows, lm_column *c, void **made, lm_status *st)
{
    int64_t all = t->shape.dims ? t->shape.size[0] : 1;
    size_t row_bytes = all ? t->bytes / (size_t)all : 0, width = lm_dtype_block_bytes(t->dtype);
    *c = (lm_column){.name = t->name, .dtype = t->dtype, .shape = t->shape, .bytes = row_bytes * (size_t)rows};
    if (t->shape.dims)
        c->shape.size[0] = rows;
    *made = NULL;
    if (!t->converted) {
        c->data = (const char *)t->data + row_bytes * (size_t)first;
        return true;
    }
    *made = lm_try_malloc(c->bytes, 1, t->name, st);
    c->data = *made;
    return *made && lm_safetensor_convert(t, row_bytes * (size_t)first / width, c->bytes / width, *made, st);
}

/* A tensor too large for a record is cut along its first dimension. */
static bool put_parts(lm_bundle_writer *w, const lm_safetensor *t, lm_status *st)
{
    int64_t all = t->shape.size[0], at_once = LM_LMS_PAYLOAD_MAX / (int64_t)(t->bytes / (size_t)all);
    if (!at_once)
        return lm_fail(st, LM_FAILED, "%s: a row of more than %d bytes does not fit into a stream", t->name,
                       LM_LMS_PAYLOAD_MAX);
    for (int64_t first = 0; first < all && lm_ok(st); first += at_once) {
        int64_t rows = all - first < at_once ? all - first : at_once;
        lm_column c;
        void *made;
        json_t *header = json_pack("{s:[I, I, I]}", "part", (json_int_t)first, (json_int_t)rows, (json_int_t)all);
        if (column_of(t, first, rows, &c, &made, st))
            lm_lms_write(w->stream, header, &c, 1, st);
        json_decref(header);
        free(made);
    }
    return lm_ok(st);
}

static bool put_records(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, lm_status *st)
{
    enum { AT_ONCE = 64 };
    lm_column columns[AT_ONCE];
    void *made[AT_ONCE];
    json_t *header = json_object();
    for (size_t i = 0; i < count && lm_ok(st);) {
        size_t n = 0, bytes = 0;
        if (tensors[i].bytes > LM_LMS_PAYLOAD_MAX) {
            put_parts(w, &tensors[i++], st);
            continue;
        }
        do {
            int64_t rows = tensors[i].shape.dims ? tensors[i].shape.size[0] : 1;
            bytes += tensors[i].bytes;
            column_of(&tensors[i++], 0, rows, &columns[n], &made[n], st);
            n++;
        } while (lm_ok(st) && i < count && n < AT_ONCE && bytes + tensors[i].bytes <= LM_LMS_RECORD_BYTES);
        if (lm_ok(st))
            lm_lms_write(w->stream, header, columns, n, st);
        while (n)
            free(made[--n]);
    }
    json_decref(header);
    return lm_ok(st);
}

bool lm_bundle_put_tensors(lm_bundle_writer *w, const lm_safetensor *tensors, size_t count, uint64_t shard_bytes,
                           lm_status *st)
{
    if (w->form == LM_BUNDLE_STREAM)
        return lm_bundle_stream_of(w, st) && lm_bundle_put_index(w, tensors, count, st) && put_records(w, tensors, count, st);
    size_t *shard = lm_calloc(count + 1, sizeof *shard);
    size_t shards = lm_bundle_assign_shards(tensors, count, shard_bytes, shard);
    bool ok = put_shards(w, tensors, count, shard, shards, st);
    free(shard);
    return ok;
}
