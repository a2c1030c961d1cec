/* The reading half of LMS: frames, streams, digests, ends. What a record holds is checked in record.c and check.c. */
#include "base/digest.h"
#include "base/memory.h"
#include "stream/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct lm_lms_reader {
    lm_input *in;
    lm_lms_kind kind;
    bool started;  /* lm_lms_next has been called */
    bool open;     /* between a preamble and its end */
    bool finished; /* the input ended in good order, or reading failed */
    json_t *preamble;
    const char *const *understood;
    lm_lms_room *room;
    void *room_context;
    uint64_t streams, all_records, all_examples;

    /* of the stream being read */
    XXH3_state_t *digest;
    uint64_t before; /* digest of the streams before it */
    uint64_t records, examples;

    /* of the record in hand */
    lm_str line;        /* its header, LF included: in the input's buffer, or in `kept` */
    lm_header_view view;
    bool viewed;        /* ... which is of `line`; else of what jansson made of it */
    json_t *header;     /* where somebody has asked for it */
    lm_buf kept, aligned, names;
    char *payload;      /* of one too large for the input's buffer */
    size_t payload_cap;
    lm_column *columns;
    size_t column_cap;
    lm_buf where;
};

lm_lms_kind lm_lms_reader_kind(const lm_lms_reader *r)
{
    return r->kind;
}

json_t *lm_lms_reader_preamble(const lm_lms_reader *r)
{
    return r->preamble;
}

uint64_t lm_lms_reader_streams(const lm_lms_reader *r)
{
    return r->streams;
}

uint64_t lm_lms_reader_records(const lm_lms_reader *r)
{
    return r->all_records;
}

uint64_t lm_lms_reader_examples(const lm_lms_reader *r)
{
    return r->all_examples;
}

void lm_lms_reader_understand(lm_lms_reader *r, const char *const *names)
{
    r->understood = names;
}

void lm_lms_reader_room(lm_lms_reader *r, lm_lms_room *room, void *context)
{
    r->room = room;
    r->room_context = context;
}

static const char *where_record(lm_lms_reader *r, uint64_t number)
{
    r->where.len = 0;
    lm_buf_puts(&r->where, lm_input_name(r->in));
    lm_buf_puts(&r->where, number ? ": record " : ": preamble");
    if (number)
        lm_buf_decimal(&r->where, number);
    return lm_buf_cstr(&r->where);
}

const char *lm_lms_reader_where(const lm_lms_reader *r)
{
    return where_record((lm_lms_reader *)r, r->records);
}

static uint64_t digest_now(const lm_lms_reader *r)
{
    return XXH3_64bits_digest(r->digest);
}

uint64_t lm_lms_reader_digest(const lm_lms_reader *r)
{
    const uint64_t both[2] = {r->before, digest_now(r)};
    return XXH3_64bits(both, sizeof both);
}

/* The header in hand as an object; it has been checked. */
static json_t *header_of(lm_lms_reader *r)
{
    return lm_record_header(&(lm_record){.header = &r->header, .line = r->line});
}

static void update(lm_lms_reader *r, lm_str bytes)
{
    XXH3_64bits_update(r->digest, bytes.data, bytes.len);
}

/* ---------------------------------------------------------------------------------------------------- ends */

/* The input ended where it must not: says what the last whole record was. */
static bool fail_ended(lm_lms_reader *r, const char *inside, lm_status *st)
{
    const char *name = lm_input_name(r->in);
    if (!r->records)
        return lm_fail(st, LM_ENDED, "%s: the stream ends %s, before its first record: the program that wrote it died",
                       name, inside);
    return lm_fail(st, LM_ENDED,
                   "%s: the stream ends %s; the last whole record is %" PRIu64 " (%" PRIu64
                   " examples so far): the program that wrote it died",
                   name, inside, r->records, r->examples);
}

static int take_abort(lm_lms_reader *r, lm_status *st)
{
    json_t *abort = json_object_get(header_of(r), "abort");
    lm_fail(st, LM_ENDED, "%s: %s stopped after record %" PRIu64 ": %s", lm_input_name(r->in),
            json_string_value(json_object_get(abort, "by")), r->records,
            json_string_value(json_object_get(abort, "why")));
    return -1;
}

static bool take_end(lm_lms_reader *r, lm_status *st)
{
    json_t *end = json_object_get(header_of(r), "end");
    json_int_t records = json_integer_value(json_object_get(end, "records"));
    json_int_t examples = json_integer_value(json_object_get(end, "examples"));
    uint64_t digest = strtoull(json_string_value(json_object_get(end, "xxh3")), NULL, 16), mine = digest_now(r);
    const char *name = lm_input_name(r->in);
    if (json_object_size(end) != 3)
        return lm_fail(st, LM_FAILED, "%s: the end record has members that it must not have", name);
    if (digest != mine)
        return lm_fail(st, LM_FAILED,
                       "%s: the digest is %016" PRIx64 ", the end record says %016" PRIx64 ": the stream is damaged",
                       name, mine, digest);
    if (records < 0 || (uint64_t)records != r->records)
        return lm_fail(st, LM_FAILED, "%s: %" PRIu64 " records, the end record says %lld: the stream is damaged", name,
                       r->records, (long long)records);
    if (examples < 0 || (uint64_t)examples != r->examples)
        return lm_fail(st, LM_FAILED, "%s: %" PRIu64 " examples, the end record says %lld: the stream is damaged",
                       name, r->examples, (long long)examples);
    r->before = lm_lms_reader_digest(r);
    XXH3_64bits_reset(r->digest);
    r->open = false;
    return true;
}

/* ---------------------------------------------------------------------------------------------------- preamble */

static bool find_kind(json_t *name, lm_lms_kind *kind)
{
    for (int k = LM_KIND_TEXT; k <= LM_KIND_MODEL; k++)
        if (json_string_length(name) == strlen(lm_lms_kind_name((lm_lms_kind)k)) &&
            !strcmp(json_string_value(name), lm_lms_kind_name((lm_lms_kind)k))) {
            *kind = (lm_lms_kind)k;
            return true;
        }
    return false;
}

static bool take_preamble(lm_lms_reader *r, lm_status *st)
{
    const char *name = lm_input_name(r->in);
    json_t *header = header_of(r), *kind = json_object_get(header, "kind");
    json_int_t version = json_integer_value(json_object_get(header, "lms"));
    lm_lms_kind k;
    if (r->open)
        return lm_fail(st, LM_FAILED, "%s: a preamble inside a stream, after record %" PRIu64
                       ": the stream before it has no end", name, r->records);
    if (version > 1)
        return lm_fail(st, LM_FAILED, "%s: an LMS stream of version %lld, newer than this program reads (1): use a "
                       "newer lmutils", name, (long long)version);
    if (version < 1)
        return lm_fail(st, LM_FAILED, "%s: there is no LMS version %lld", name, (long long)version);
    if (!find_kind(kind, &k))
        return lm_fail(st, LM_FAILED, "%s: an LMS stream of unknown kind `%.40s`", name, json_string_value(kind));
    if (r->streams && k != r->kind)
        return lm_fail(st, LM_FAILED, "%s: a stream of kind %s follows one of kind %s: they cannot be concatenated",
                       name, lm_lms_kind_name(k), lm_lms_kind_name(r->kind));
    if (json_object_get(header, "bytes") || json_object_get(header, "tensors"))
        return lm_fail(st, LM_FAILED, "%s: a preamble with a payload", name);
    json_t *via = json_object_get(header, "via");
    if (via && !json_is_array(via))
        return lm_fail(st, LM_FAILED, "%s: preamble: `via` is no list", name);
    /* the first preamble is read before the caller could say what it understands: lm_lms_next checks it */
    if (r->streams && !lm_header_must(header, r->understood, st))
        return lm_fail_prefix(st, where_record(r, 0));
    json_decref(r->preamble);
    r->preamble = json_incref(header);
    r->kind = k;
    r->open = true;
    r->streams++;
    r->records = r->examples = 0;
    update(r, r->line);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- frames */

/* Takes the line in hand apart. */
static bool view_header(lm_lms_reader *r, lm_status *st)
{
    json_decref(r->header);
    r->header = NULL;
    r->viewed = lm_header_scan(r->line, &r->view) == r->line.len;
    if (r->viewed)
        return true;
    r->header = lm_header_parse(r->line, where_record(r, r->open ? r->records + 1 : 0), st);
    return r->header && (lm_header_view_json(r->header, &r->view) || lm_fail(st, LM_FAILED, "no memory for a header"));
}

/* The next header into r->line and r->view, which the input still has. 1, 0 at the end of the member, -1. */
static int read_header(lm_lms_reader *r, lm_status *st)
{
    lm_str line;
    bool end, complete;
    if (!lm_input_peek(r->in, 1, &line, st))
        return -1;
    size_t n = lm_header_scan(line, &r->view);
    if (n) {
        json_decref(r->header);
        r->header = NULL;
        r->viewed = true;
        r->line = (lm_str){line.data, n};
        return 1;
    }
    if (!lm_input_peek_line(r->in, LM_LMS_HEADER_MAX - 1, &line, &end, &complete, st))
        return -1;
    if (end)
        return 0;
    if (!r->open && r->streams && line.len && line.data[0] != '{')
        return lm_fail(st, LM_FAILED, "%s: what follows the end record is no stream", lm_input_name(r->in)), -1;
    if (!complete) {
        if (line.data[0] == '{')
            fail_ended(r, "inside a header", st);
        else
            lm_fail(st, LM_FAILED, "%s: the bytes at the end are no record", where_record(r, r->open ? r->records + 1 : 0));
        return -1;
    }
    r->line = (lm_str){line.data, line.len + 1};
    return view_header(r, st) ? 1 : -1;
}

/* What the header in hand is, beside a record, is the sole member of its, or a preamble. */
static lm_control control_of(lm_lms_reader *r)
{
    const lm_header_view *v = &r->view;
    bool sole = v->count && !lm_header_next(v, v->members);
    bool may_be = sole ? lm_header_find(v, "end") || lm_header_find(v, "abort") || lm_header_find(v, "flush")
                       : lm_header_find(v, "lms") && lm_header_find(v, "kind");
    return may_be ? lm_header_control(header_of(r)) : LM_RECORD;
}

/* Room for n bytes, keeping `keep`. Grows as bytes arrive, so that a header that lies costs little. */
static bool payload_room(lm_lms_reader *r, size_t n, size_t keep, lm_status *st)
{
    if (r->payload_cap >= n)
        return true;
    char *grown = lm_try_malloc(n, 1, lm_input_name(r->in), st);
    if (!grown)
        return false;
    if (keep)
        memcpy(grown, r->payload, keep);
    free(r->payload);
    r->payload = grown;
    r->payload_cap = n;
    return true;
}

/* The line to memory of its own: the input moves on. */
static bool keep_line(lm_lms_reader *r, lm_status *st)
{
    r->kept.len = 0;
    lm_buf_append(&r->kept, r->line.data, r->line.len);
    lm_input_skip(r->in, r->line.len);
    r->line = lm_buf_str(&r->kept);
    return !r->viewed || view_header(r, st);
}

/* A payload and its pad that are large, or wanted elsewhere, to memory of their own. */
static bool read_large(lm_lms_reader *r, size_t total, char *theirs, lm_status *st)
{
    enum { STEP = 16 << 20 };
    size_t have = 0, got;
    if (!keep_line(r, st))
        return false;
    update(r, r->line);
    while (have < total) {
        size_t upto = have + STEP < total ? have + STEP : total;
        if (!theirs && upto > r->payload_cap && !payload_room(r, 2 * r->payload_cap > upto && 2 * r->payload_cap < total
                                                          ? 2 * r->payload_cap : upto, have, st))
            return false;
        if (!lm_input_read(r->in, (theirs ? theirs : r->payload) + have, upto - have, &got, st))
            return false;
        have += got;
        if (have < upto)
            return fail_ended(r, "inside a payload", st);
    }
    update(r, (lm_str){theirs ? theirs : r->payload, total});
    return true;
}

/* ... and that are not, where the input has them, behind their line. */
static bool read_small(lm_lms_reader *r, size_t total, lm_status *st)
{
    lm_str seen;
    if (!lm_input_peek(r->in, r->line.len + total, &seen, st))
        return false;
    bool moved = seen.data != r->line.data;
    r->line.data = seen.data;
    if (moved && r->viewed && !view_header(r, st))
        return false;
    if (seen.len < r->line.len + total)
        return fail_ended(r, "inside a payload", st);
    update(r, (lm_str){seen.data, r->line.len + total});
    lm_input_skip(r->in, r->line.len + total);
    return true;
}

static bool read_payload(lm_lms_reader *r, size_t bytes, lm_record *out, lm_status *st)
{
    enum { SMALL = 256 * 1024 };
    size_t total = bytes + 64 - bytes % 64;
    char *theirs = r->room ? r->room(r->room_context, out, st) : NULL;
    if (!lm_ok(st))
        return false;
    bool small = total <= SMALL && !theirs;
    if (!(small ? read_small(r, total, st) : read_large(r, total, theirs, st)))
        return false;
    out->line = r->line;
    out->payload = (lm_str){theirs ? theirs : small ? r->line.data + r->line.len : r->payload, bytes};
    for (size_t i = bytes; i < total; i++)
        if (out->payload.data[i] != (i + 1 < total ? ' ' : '\n'))
            return lm_fail(st, LM_FAILED, "%s: the pad behind the payload is not spaces: the stream is damaged",
                           where_record(r, r->records + 1));
    return true;
}

/* What the header in hand says of the record: *bytes as lm_header_payload has it. What it says of its tensors is wrong or right
 * before anything is allocated for them. */
static bool begin_record(lm_lms_reader *r, lm_record *out, int64_t *bytes, lm_status *st)
{
    if ((lm_header_find(&r->view, "must") && !lm_header_must(header_of(r), r->understood, st)) ||
        !lm_header_payload(&r->view, bytes, st))
        return false;
    *out = (lm_record){.header = &r->header, .line = r->line, .columns = r->columns};
    bool ok = *bytes < 0 || lm_record_describe(out, &r->view, &r->column_cap, &r->names, *bytes, st);
    r->columns = out->columns;
    return ok;
}

/* A record that is no control record. */
static bool take_record(lm_lms_reader *r, lm_record *out, lm_status *st)
{
    int64_t bytes;
    if (!begin_record(r, out, &bytes, st))
        return lm_fail_prefix(st, where_record(r, r->records + 1));
    if (bytes < 0) {
        update(r, r->line);
        lm_input_skip(r->in, r->line.len);
    } else if (!read_payload(r, (size_t)bytes, out, st)) {
        return false;
    }
    if ((bytes >= 0 && !lm_record_columns(out, &r->aligned, st)) || !lm_record_check(out, &r->view, r->kind, st))
        return lm_fail_prefix(st, where_record(r, r->records + 1));
    out->number = ++r->records;
    r->examples += (uint64_t)out->n;
    r->all_records++;
    r->all_examples += (uint64_t)out->n;
    return true;
}

static int next(lm_lms_reader *r, lm_record *record, lm_status *st)
{
    for (;;) {
        int rc = read_header(r, st);
        if (rc < 0)
            return -1;
        if (rc == 0) {
            if (r->open)
                return fail_ended(r, "without an end record", st), -1;
            rc = lm_input_next_member(r->in, st);
            if (rc <= 0)
                return rc;
            continue;
        }
        lm_control control = control_of(r);
        if (control != LM_RECORD)
            lm_input_skip(r->in, r->line.len);
        if (control == LM_PREAMBLE) {
            if (!take_preamble(r, st))
                return -1;
            continue;
        }
        if (!r->open)
            return lm_fail(st, LM_FAILED, "%s: %s", lm_input_name(r->in),
                           r->streams ? "what follows the end record is no stream" : "this is no LMS stream"), -1;
        switch (control) {
        case LM_END:
            if (!take_end(r, st))
                return -1;
            continue;
        case LM_ABORT:
            return take_abort(r, st);
        case LM_FLUSH:
            update(r, r->line);
            *record = (lm_record){.header = &r->header, .line = r->line, .flush = true, .number = r->records};
            return 1;
        default:
            return take_record(r, record, st) ? 1 : -1;
        }
    }
}

int lm_lms_next(lm_lms_reader *r, lm_record *record, lm_status *st)
{
    if (!lm_ok(st))
        return -1;
    if (r->finished)
        return 0;
    int rc = -1;
    if (r->started || lm_header_must(r->preamble, r->understood, st))
        rc = next(r, record, st);
    else
        lm_fail_prefix(st, where_record(r, 0));
    r->started = true;
    r->finished = rc <= 0;
    return rc;
}

/* The length of the line that bytes begin with, if it is a text record that nothing stands in the way of; else 0, and *why may say what. */
static size_t plain_line(lm_lms_reader *r, lm_str bytes, lm_status *why)
{
    size_t n = lm_header_is_text(bytes);
    if (n)
        return n;
    lm_record record = {.header = &r->header};
    const lm_header_view *v = &r->view;
    n = lm_header_scan(bytes, &r->view);
    bool plain = n && !lm_header_find(v, "must") && !lm_header_find(v, "bytes") && !lm_header_find(v, "tensors") &&
                 !lm_header_find(v, "lms") && lm_record_check(&record, v, LM_KIND_TEXT, why);
    return plain ? n : 0;
}

uint64_t lm_lms_next_lines(lm_lms_reader *r, uint64_t most, lm_str *lines)
{
    lm_status ignored = LM_STATUS_INIT;
    lm_str seen;
    uint64_t count = 0;
    size_t n, at = 0;
    if (r->kind != LM_KIND_TEXT || !r->open || r->finished || !lm_input_peek(r->in, 0, &seen, &ignored)) /* reads nothing */
        return 0;
    for (; count < most && (n = plain_line(r, (lm_str){seen.data + at, seen.len - at}, &ignored)); count++)
        at += n;
    *lines = (lm_str){seen.data, at};
    update(r, *lines);
    lm_input_skip(r->in, at);
    r->records += count;
    r->examples += count;
    r->all_records += count;
    r->all_examples += count;
    return count;
}

/* ---------------------------------------------------------------------------------------------------- opening */

/* The first line of the member, if it has one within the limit of a header; *ended: it stops without a LF. */
static bool first_line(lm_input *in, lm_str *line, bool *ended, lm_status *st)
{
    lm_str seen = {"", 0};
    *line = seen;
    *ended = false;
    for (;;) {
        size_t before = seen.len;
        if (before >= LM_LMS_HEADER_MAX)
            return true;
        if (!lm_input_peek(in, before + 1, &seen, st))
            return false;
        const char *lf = memchr(seen.data + before, '\n', seen.len - before);
        if (lf || seen.len == before) {
            *ended = !lf;
            *line = (lm_str){seen.data, lf ? (size_t)(lf - seen.data) : seen.len};
            return true;
        }
        if (seen.data[0] != '{')
            return true;
    }
}

/* kind: that it has to be of; NULL = any. */
static bool detect(lm_input *in, const char *kind, bool *is_lms, lm_status *st)
{
    lm_str line;
    bool ended;
    *is_lms = false;
    if (!first_line(in, &line, &ended, st))
        return false;
    if (!line.len || line.data[0] != '{' || line.len >= LM_LMS_HEADER_MAX)
        return true;
    if (ended) { /* a preamble that was cut is one, too: its reader says what happened */
        *is_lms = !kind && !memcmp(line.data, "{\"lms\":", line.len < 7 ? line.len : 7);
        return true;
    }
    json_t *header = json_loadb(line.data, line.len, 0, NULL);
    const char *its = json_string_value(json_object_get(header, "kind"));
    *is_lms = json_is_integer(json_object_get(header, "lms")) && its && (!kind || strcmp(its, kind) == 0);
    json_decref(header);
    return true;
}

bool lm_lms_detect(lm_input *in, bool *is_lms, lm_status *st)
{
    return detect(in, NULL, is_lms, st);
}

bool lm_lms_detect_kind(lm_input *in, lm_lms_kind kind, bool *is_kind, lm_status *st)
{
    return detect(in, lm_lms_kind_name(kind), is_kind, st);
}

/* An input without any byte: whoever should have written it did not. */
static bool check_not_empty(lm_input *in, lm_status *st)
{
    lm_str first;
    for (;;) {
        if (!lm_input_peek(in, 1, &first, st))
            return false;
        if (first.len)
            return true;
        int rc = lm_input_next_member(in, st);
        if (rc < 0)
            return false;
        if (rc == 0)
            return lm_fail(st, LM_ENDED, "%s: it is empty and not even a stream: the program that should have written "
                           "it died", lm_input_name(in));
    }
}

static bool start(lm_lms_reader *r, lm_status *st)
{
    if (!check_not_empty(r->in, st))
        return false;
    lm_str first;
    if (!lm_input_peek(r->in, 1, &first, st))
        return false;
    const char *name = lm_input_name(r->in);
    if (first.data[0] != '{')
        return lm_fail(st, LM_FAILED, "%s: this is no LMS stream (no JSON object at its begin): make one with tok or "
                       "lms --framed", name);
    int rc = read_header(r, st);
    if (rc < 0)
        return false;
    if (rc == 0 || control_of(r) != LM_PREAMBLE)
        return lm_fail(st, LM_FAILED, "%s: this is no LMS stream (no preamble): make one with tok or lms --framed",
                       name);
    lm_input_skip(r->in, r->line.len);
    return take_preamble(r, st);
}

lm_lms_reader *lm_lms_reader_new(lm_input *in, lm_status *st)
{
    lm_lms_reader *r = lm_calloc(1, sizeof *r);
    r->in = in;
    r->digest = XXH3_createState();
    if (!r->digest)
        lm_fail(st, LM_FAILED, "no memory for a digest");
    else
        XXH3_64bits_reset(r->digest);
    if (!lm_ok(st) || !start(r, st)) {
        lm_lms_reader_free(r);
        return NULL;
    }
    return r;
}

void lm_lms_reader_free(lm_lms_reader *r)
{
    if (!r)
        return;
    json_decref(r->header);
    json_decref(r->preamble);
    XXH3_freeState(r->digest);
    lm_header_view_free(&r->view);
    lm_buf_free(&r->kept);
    lm_buf_free(&r->aligned);
    lm_buf_free(&r->names);
    lm_buf_free(&r->where);
    free(r->payload);
    free(r->columns);
    free(r);
}
