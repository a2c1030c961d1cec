/* The writing half of LMS. */
#include "base/atomic.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "config.h"
#include "stream/json.h"
#include "stream/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 256 * 1024, DIRECT = 64 * 1024 }; /* what is collected; what is written as it is */

struct lm_lms_writer {
    int fd;
    char *name;
    lm_lms_kind kind;
    XXH3_state_t *digest;
    lm_buf out;    /* not yet written, of which */
    size_t hashed; /* so many bytes are in the digest */
    lm_buf header; /* the header being made */
    uint64_t records, examples, bytes;
    size_t column, awaited; /* of a column in pieces: its bytes, and how many of them are still to come */
    bool broken;   /* writing failed: nothing more can be said */
    bool ended;
};

/* ---------------------------------------------------------------------------------------------------- bytes */

/* The digest is that of all bytes: in long runs, which short records are not. */
static void hash(lm_lms_writer *w)
{
    XXH3_64bits_update(w->digest, w->out.data + w->hashed, w->out.len - w->hashed);
    w->hashed = w->out.len;
}

static bool drain(lm_lms_writer *w, lm_status *st)
{
    if (w->broken)
        return lm_fail(st, LM_FAILED, "%s: cannot write", w->name);
    hash(w);
    if (!lm_write_all(w->fd, w->out.data, w->out.len, w->name, st)) {
        w->broken = true;
        return false;
    }
    w->out.len = w->hashed = 0;
    return true;
}

static bool put(lm_lms_writer *w, const void *bytes, size_t n, lm_status *st)
{
    w->bytes += n;
    if (n >= DIRECT) {
        if (!drain(w, st))
            return false;
        XXH3_64bits_update(w->digest, bytes, n);
        w->broken = !lm_write_all(w->fd, bytes, n, w->name, st);
        return !w->broken;
    }
    lm_buf_append(&w->out, bytes, n);
    return w->out.len < BUFFER || drain(w, st);
}

/* Pads w->header to a line and puts it. */
static bool put_header(lm_lms_writer *w, lm_status *st)
{
    static const char spaces[] = "                                                                ";
    size_t pad = (64 - (w->header.len + 1) % 64) % 64;
    if (w->header.len + pad + 1 > LM_LMS_HEADER_MAX)
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 ": its header would have %zu bytes, more than a stream can "
                       "hold (%d): cut the text into smaller records", w->name, w->records + 1, w->header.len,
                       LM_LMS_HEADER_MAX);
    lm_buf_append(&w->header, spaces, pad);
    lm_buf_putc(&w->header, '\n');
    return put(w, w->header.data, w->header.len, st);
}

/* ---------------------------------------------------------------------------------------------------- opening */

static void begin_preamble(lm_lms_writer *w, json_t *via, const char *command)
{
    lm_buf *h = &w->header;
    lm_buf_printf(h, "{\"lms\":1,\"kind\":\"%s\",\"producer\":", lm_lms_kind_name(w->kind));
    lm_buf producer = {0};
    lm_buf_printf(&producer, "%s %s", lm_program_name(), PACKAGE_VERSION);
    lm_json_string(lm_buf_str(&producer), h);
    lm_buf_puts(h, ",\"via\":[");
    size_t i;
    json_t *step;
    json_array_foreach(via, i, step) {
        if (!json_is_string(step))
            continue;
        lm_json_string((lm_str){json_string_value(step), json_string_length(step)}, h);
        lm_buf_putc(h, ',');
    }
    if (command) {
        producer.len = 0;
        lm_utf8_replace_invalid(lm_str_of(command), &producer);
        lm_json_string(lm_buf_str(&producer), h);
    } else if (h->data[h->len - 1] == ',') {
        h->len--;
    }
    lm_buf_putc(h, ']');
    lm_buf_free(&producer);
}

static bool append_json(lm_buf *out, json_t *value)
{
    char *s = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (s)
        lm_buf_puts(out, s);
    free(s);
    return s != NULL;
}

/* Members of an object but those in `but` (NULL-terminated), as `,"name":value`. */
static bool append_members(lm_buf *out, json_t *object, const char *const *but)
{
    const char *name;
    json_t *value;
    bool ok = true;
    json_object_foreach(object, name, value) {
        size_t k = 0;
        while (but[k] && strcmp(but[k], name) != 0)
            k++;
        if (but[k])
            continue;
        lm_buf_putc(out, ',');
        lm_json_string(lm_str_of(name), out);
        lm_buf_putc(out, ':');
        ok &= append_json(out, value);
    }
    return ok;
}

lm_lms_writer *lm_lms_writer_new(int fd, const char *name, lm_lms_kind kind, json_t *preamble, json_t *upstream_via,
                                 const char *command, lm_status *st)
{
    static const char *const ours[] = {"lms", "kind", "producer", "via", NULL};
    lm_lms_writer *w = lm_calloc(1, sizeof *w);
    w->fd = fd;
    w->name = lm_strdup(name);
    w->kind = kind;
    lm_pipe_widen(fd);
    w->digest = XXH3_createState();
    if (!w->digest) {
        lm_fail(st, LM_FAILED, "no memory for a digest");
    } else {
        XXH3_64bits_reset(w->digest);
        begin_preamble(w, upstream_via, command);
        if (!append_members(&w->header, preamble, ours))
            lm_fail(st, LM_FAILED, "%s: the preamble cannot be written as JSON", name);
        lm_buf_putc(&w->header, '}');
    }
    if (!lm_ok(st) || !put_header(w, st)) {
        lm_lms_writer_free(w);
        return NULL;
    }
    return w;
}

void lm_lms_writer_free(lm_lms_writer *w)
{
    if (!w)
        return;
    XXH3_freeState(w->digest);
    lm_buf_free(&w->out);
    lm_buf_free(&w->header);
    free(w->name);
    free(w);
}

/* ---------------------------------------------------------------------------------------------------- records */

static size_t element_bytes(const lm_column *c)
{
    return lm_dtype_block(c->dtype) == 1 ? lm_dtype_block_bytes(c->dtype) : 1;
}

/* Wider elements come first, and among equals the order given. */
void lm_columns_layout(const lm_column *columns, size_t count, size_t *offsets)
{
    size_t at = 0;
    for (size_t e = 8; e; e /= 2)
        for (size_t i = 0; i < count; i++)
            if (element_bytes(&columns[i]) == e) {
                offsets[i] = at;
                at += columns[i].bytes;
            }
}

static bool append_tensor(lm_lms_writer *w, const lm_column *c, size_t i, size_t at, size_t *total, lm_status *st)
{
    lm_buf *h = &w->header;
    size_t expected;
    if (!lm_tensor_bytes(c->dtype, &c->shape, &expected) || expected != c->bytes ||
        !lm_add_size(*total, c->bytes, total) || *total > LM_LMS_PAYLOAD_MAX)
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 ": tensor `%s` of %zu bytes does not fit its shape or a "
                       "record (%d bytes)", w->name, w->records + 1, c->name, c->bytes, LM_LMS_PAYLOAD_MAX);
    lm_buf_puts(h, i ? "," : "");
    lm_json_string(lm_str_of(c->name), h);
    lm_buf_puts(h, ":{\"dtype\":\"");
    lm_buf_puts(h, lm_dtype_name(c->dtype));
    lm_buf_puts(h, "\",\"shape\":[");
    for (int d = 0; d < c->shape.dims; d++) {
        lm_buf_puts(h, d ? "," : "");
        lm_buf_decimal(h, (uint64_t)c->shape.size[d]);
    }
    lm_buf_puts(h, "],\"data_offsets\":[");
    lm_buf_decimal(h, at);
    lm_buf_putc(h, ',');
    lm_buf_decimal(h, at + c->bytes);
    lm_buf_putc(h, ']');
    if (c->rows) {
        lm_buf_puts(h, ",\"rows\":");
        lm_json_string(lm_str_of(c->rows), h);
    }
    lm_buf_putc(h, '}');
    return true;
}

static bool append_tensors(lm_lms_writer *w, const lm_column *columns, size_t count, size_t *total, lm_status *st)
{
    lm_buf *h = &w->header;
    *total = 0;
    size_t few[32], *offsets = count <= 32 ? few : lm_calloc(count, sizeof *offsets);
    lm_columns_layout(columns, count, offsets);
    lm_buf_puts(h, h->len > 1 ? ",\"tensors\":{" : "\"tensors\":{");
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = append_tensor(w, &columns[i], i, offsets[i], total, st);
    if (offsets != few)
        free(offsets);
    lm_buf_puts(h, "},\"bytes\":");
    lm_buf_decimal(h, *total);
    return ok;
}

static bool put_pad(lm_lms_writer *w, size_t bytes, lm_status *st)
{
    char pad[64];
    size_t n = 64 - bytes % 64;
    memset(pad, ' ', n - 1);
    pad[n - 1] = '\n';
    return put(w, pad, n, st);
}

static bool put_columns(lm_lms_writer *w, const lm_column *columns, size_t count, size_t total, lm_status *st)
{
    for (size_t e = 8; e; e /= 2)
        for (size_t i = 0; i < count; i++)
            if (element_bytes(&columns[i]) == e && !put(w, columns[i].data, columns[i].bytes, st))
                return false;
    return put_pad(w, total, st);
}

/* The header that w->header has become. */
static bool put_record_header(lm_lms_writer *w, lm_status *st)
{
    lm_buf_putc(&w->header, '}');
    if (lm_header_nesting(lm_buf_str(&w->header)) > LM_LMS_DEPTH_MAX)
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 ": its members nest deeper than %d", w->name, w->records + 1,
                       LM_LMS_DEPTH_MAX);
    return put_header(w, st);
}

static bool finish_record(lm_lms_writer *w, int64_t n, const lm_column *columns, size_t count, lm_status *st)
{
    size_t total = 0;
    if (count && !append_tensors(w, columns, count, &total, st))
        return false;
    if (!put_record_header(w, st) || (count && !put_columns(w, columns, count, total, st)))
        return false;
    w->records++;
    w->examples += w->kind == LM_KIND_TEXT ? 1 : (uint64_t)n;
    return true;
}

bool lm_lms_write_members(lm_lms_writer *w, lm_str members, int64_t n, const lm_column *columns, size_t count,
                          lm_status *st)
{
    w->header.len = 0;
    lm_buf_putc(&w->header, '{');
    lm_buf_append(&w->header, members.data, members.len);
    return finish_record(w, n, columns, count, st);
}

/* Begins a header with the members that are given. */
static bool begin_header(lm_lms_writer *w, json_t *header, lm_status *st)
{
    static const char *const ours[] = {"tensors", "bytes", NULL};
    w->header.len = 0;
    if (!append_members(&w->header, header, ours))
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 " cannot be written as JSON", w->name, w->records + 1);
    if (w->header.len)
        w->header.data[0] = '{'; /* where the first comma was */
    else
        lm_buf_putc(&w->header, '{');
    return true;
}

bool lm_lms_write(lm_lms_writer *w, json_t *header, const lm_column *columns, size_t count, lm_status *st)
{
    return begin_header(w, header, st) &&
           finish_record(w, json_integer_value(json_object_get(header, "n")), columns, count, st);
}

/* The record whose bytes have come. */
static bool end_column(lm_lms_writer *w, lm_status *st)
{
    w->records++;
    return put_pad(w, w->column, st);
}

bool lm_lms_begin_column(lm_lms_writer *w, json_t *header, const lm_column *column, lm_status *st)
{
    if (!begin_header(w, header, st) || !append_tensors(w, column, 1, &w->column, st) || !put_record_header(w, st))
        return false;
    w->awaited = w->column;
    return w->awaited || end_column(w, st);
}

bool lm_lms_put_piece(lm_lms_writer *w, const void *bytes, size_t n, lm_status *st)
{
    if (n > w->awaited)
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 ": %zu bytes more than its column has", w->name, w->records + 1,
                       n - w->awaited);
    if (!n || !put(w, bytes, n, st))
        return lm_ok(st);
    w->awaited -= n;
    return w->awaited || end_column(w, st);
}

bool lm_lms_write_bytes(lm_lms_writer *w, json_t *header, lm_str payload, lm_status *st)
{
    static const char *const ours[] = {"tensors", "bytes", NULL};
    if (payload.len > LM_LMS_PAYLOAD_MAX)
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 ": a payload of %zu bytes is more than a record can hold (%d)",
                       w->name, w->records + 1, payload.len, LM_LMS_PAYLOAD_MAX);
    w->header.len = 0;
    lm_buf_printf(&w->header, "{\"bytes\":%zu", payload.len);
    if (!append_members(&w->header, header, ours))
        return lm_fail(st, LM_FAILED, "%s: record %" PRIu64 " cannot be written as JSON", w->name, w->records + 1);
    return finish_record(w, json_integer_value(json_object_get(header, "n")), NULL, 0, st) &&
           put(w, payload.data, payload.len, st) && put_pad(w, payload.len, st);
}

bool lm_lms_write_verbatim(lm_lms_writer *w, const lm_record *record, lm_status *st)
{
    if (!put(w, record->line.data, record->line.len, st))
        return false;
    if (record->payload.data &&
        !(put(w, record->payload.data, record->payload.len, st) && put_pad(w, record->payload.len, st)))
        return false;
    if (record->flush)
        return drain(w, st);
    w->records++;
    w->examples += (uint64_t)record->n;
    return true;
}

bool lm_lms_write_lines(lm_lms_writer *w, lm_str lines, uint64_t count, lm_status *st)
{
    w->records += count;
    w->examples += count;
    return put(w, lines.data, lines.len, st);
}

bool lm_lms_write_flush(lm_lms_writer *w, lm_status *st)
{
    w->header.len = 0;
    lm_buf_puts(&w->header, "{\"flush\":true}");
    return put_header(w, st) && drain(w, st);
}

/* ---------------------------------------------------------------------------------------------------- ends */

bool lm_lms_write_end(lm_lms_writer *w, lm_status *st)
{
    w->header.len = 0;
    hash(w);
    lm_buf_printf(&w->header, "{\"end\":{\"records\":%" PRIu64 ",\"examples\":%" PRIu64 ",\"xxh3\":\"%016" PRIx64 "\"}}",
                  w->records, w->examples, (uint64_t)XXH3_64bits_digest(w->digest));
    w->ended = true;
    return put_header(w, st) && drain(w, st);
}

bool lm_lms_write_abort(lm_lms_writer *w, const char *why, lm_status *st)
{
    lm_buf text = {0};
    lm_utf8_replace_invalid(lm_str_of(why), &text);
    w->header.len = 0;
    lm_buf_puts(&w->header, "{\"abort\":{\"by\":");
    lm_json_string(lm_str_of(lm_program_name()), &w->header);
    lm_buf_puts(&w->header, ",\"why\":");
    lm_json_string(lm_buf_str(&text), &w->header);
    lm_buf_puts(&w->header, "}}");
    lm_buf_free(&text);
    w->ended = true;
    return put_header(w, st) && drain(w, st);
}

bool lm_lms_writer_close(lm_lms_writer *w, lm_status *st)
{
    if (w->ended || w->broken || w->awaited) /* within a column nothing can be said */
        return lm_ok(st);
    if (lm_ok(st))
        return lm_lms_write_end(w, st);
    lm_status ignored = LM_STATUS_INIT; /* what went wrong first is what counts */
    lm_lms_write_abort(w, st->message, &ignored);
    return false;
}

uint64_t lm_lms_writer_records(const lm_lms_writer *w)
{
    return w->records;
}

uint64_t lm_lms_writer_examples(const lm_lms_writer *w)
{
    return w->examples;
}

uint64_t lm_lms_writer_bytes(const lm_lms_writer *w)
{
    return w->bytes;
}
