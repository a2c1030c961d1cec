/* Model streams are read: files, then the index, then the tensors that it announces, in its order. All of it at once, into a file where
 * it cannot stay where it is; or forward, a tensor at a time, which stays until the next is asked for. */
#include "stream/bundle_internal.h"

#include "base/memory.h"
#include "stream/lms.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PAD_MAX = 64 }; /* behind a payload */

/* A tensor in the making. */
typedef struct place {
    uint64_t at;   /* of its bytes, in the stream's file or in the store */
    bool in_place, reserved;
    int64_t rows;  /* that have come of one that is cut */
} place;

typedef struct lm_bundle_reading {
    lm_bundle *bundle;
    lm_input *in;
    lm_lms_reader *reader;
    bool in_place;
    lm_store *store;
    place *places;
    lm_record record; /* the last one, */
    void *column;     /* and the first of its tensors that has not been taken: an iterator of its header; NULL = all have */
    size_t arrived;   /* whole tensors */
    char *whole;      /* forward: the one in hand */
    size_t whole_bytes; /* for which there is room, */
    size_t assembled; /* and which one that is */
} reading;

static bool add_file(reading *r, const lm_record *record, lm_status *st)
{
    if (r->bundle->coming && r->places)
        return lm_fail(st, LM_FAILED, "%s: a file behind the first tensor, when what goes before is read already: keep such a stream "
                       "in a file", lm_lms_reader_where(r->reader));
    lm_bundle_entry *e = lm_bundle_add(r->bundle, json_string_value(json_object_get(lm_record_header(record), "file")),
                                       record->payload.len, st);
    if (!e)
        return false;
    e->bytes = lm_strndup(record->payload.data, record->payload.len);
    e->owned = e->loaded = true;
    return true;
}

static bool add_index(reading *r, json_t *index, const char *where, lm_status *st)
{
    const char *name;
    json_t *tensor;
    if (r->places)
        return lm_fail(st, LM_FAILED, "%s: an index behind the first tensor", where);
    if (!r->bundle->index)
        r->bundle->index = json_object();
    json_object_foreach(index, name, tensor) {
        if (json_object_get(r->bundle->index, name))
            return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\" is announced twice", where, name);
        json_object_set(r->bundle->index, name, tensor);
    }
    return true;
}

static bool read_announced(lm_safetensor *t, const json_t *tensor, const char *where, lm_status *st)
{
    const char *dtype = json_string_value(json_object_get(tensor, "dtype"));
    const json_t *shape = json_object_get(tensor, "shape");
    bool good = dtype && lm_dtype_find(lm_str_of(dtype), &t->dtype) && json_is_array(shape) &&
                json_array_size(shape) <= LM_MAX_DIMS;
    for (size_t i = 0; good && i < json_array_size(shape); i++) {
        const json_t *size = json_array_get(shape, i);
        good = json_is_integer(size) && json_integer_value(size) >= 0;
        t->shape.size[t->shape.dims++] = json_integer_value(size);
    }
    if (!good || !lm_tensor_bytes(t->dtype, &t->shape, &t->bytes))
        return lm_fail(st, LM_FAILED, "%s: index: tensor \"%.200s\": no dtype and shape that tensors can have", where,
                       t->name);
    return true;
}

/* The index is complete when the first tensor comes. */
static bool close_index(reading *r, const char *where, lm_status *st)
{
    lm_bundle *b = r->bundle;
    const char *name;
    json_t *tensor;
    if (!b->index)
        return lm_fail(st, LM_FAILED, "%s: a tensor before the index that announces it", where);
    b->tensors = lm_calloc(json_object_size(b->index) + 1, sizeof *b->tensors);
    r->places = lm_calloc(json_object_size(b->index) + 1, sizeof *r->places);
    json_object_foreach(b->index, name, tensor) {
        b->tensors[b->tensor_count].name = name;
        if (!read_announced(&b->tensors[b->tensor_count++], tensor, where, st))
            return false;
    }
    return true;
}

/* Bytes that can stay where they are need only be found again. */
static bool keep(reading *r, const lm_record *record, const lm_column *c, place *p, uint64_t bytes_before, lm_status *st)
{
    const lm_safetensor *t = &r->bundle->tensors[r->arrived];
    const char *data = c->data, *payload = record->payload.data;
    size_t pad = PAD_MAX - record->payload.len % PAD_MAX;
    bool inside = data >= payload && data + c->bytes <= payload + record->payload.len;
    if (c->bytes == t->bytes && r->in_place && inside) {
        p->in_place = true;
        p->at = lm_input_offset(r->in) - pad - record->payload.len + (uint64_t)(data - payload);
        return true;
    }
    if (!p->reserved && !lm_store_reserve(r->store, t->bytes, &p->at, st))
        return false;
    p->reserved = true;
    return lm_store_write(r->store, p->at + bytes_before, data, c->bytes, st);
}

/* A tensor's rows, where they are fewer than all: [first, rows, total]. False: it has all. */
static bool part_of(const lm_record *record, int64_t part[3])
{
    const json_t *list = json_object_get(lm_record_header(record), "part");
    for (size_t i = 0; i < 3; i++)
        part[i] = json_integer_value(json_array_get(list, i));
    return list != NULL;
}

/* Whether c is the next tensor of the index, or the next rows of it; *before = the tensor's bytes that came before. */
static bool check_column(const reading *r, const lm_record *record, const lm_column *c, const char *where, uint64_t *before,
                         lm_status *st)
{
    lm_bundle *b = r->bundle;
    const lm_safetensor *t = r->arrived < b->tensor_count ? &b->tensors[r->arrived] : NULL;
    if (!t || strcmp(t->name, c->name) != 0)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\", where the index announces %s%.200s", where, c->name,
                       t ? "" : "no more", t ? t->name : "");
    const place *p = &r->places[r->arrived];
    int64_t part[3];
    bool cut = part_of(record, part);
    lm_shape whole = c->shape;
    if (cut && (record->column_count != 1 || !whole.dims || whole.size[0] != part[1] || part[0] != p->rows))
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\": its parts do not follow one another", where, c->name);
    if (cut)
        whole.size[0] = part[2];
    if (c->dtype != t->dtype || !lm_shape_equal(&whole, &t->shape) || (!cut && p->rows) || (cut && part[1] > part[2] - part[0]))
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\": another dtype or shape than the index says", where, c->name);
    *before = cut && part[2] ? (uint64_t)(t->bytes / (size_t)part[2]) * (uint64_t)part[0] : 0;
    return true;
}

/* What c has of the tensor that is next has come. */
static void count_column(reading *r, const lm_column *c)
{
    int64_t part[3];
    bool cut = part_of(&r->record, part);
    place *p = &r->places[r->arrived];
    p->rows += cut ? c->shape.size[0] : 0;
    r->arrived += !cut || p->rows == part[2];
}

/* A record of files or of the index. */
static bool take_head(reading *r, lm_status *st)
{
    json_t *index = json_object_get(lm_record_header(&r->record), "index");
    const char *where = lm_lms_reader_where(r->reader);
    if (r->record.flush)
        return true;
    if (lm_lms_reader_streams(r->reader) > 1)
        return lm_fail(st, LM_FAILED, "%s: a second model follows the first: give one of them", where);
    if (json_object_get(lm_record_header(&r->record), "file"))
        return add_file(r, &r->record, st);
    return (!index || add_index(r, index, where, st)) && (!r->record.column_count || r->places || close_index(r, where, st));
}

/* Reads on to the next tensor, or rows of one: 1, and r->column is it; 0 at the end of the stream; -1. */
static int seek_column(reading *r, lm_status *st)
{
    while (!r->column) {
        int rc = lm_lms_next(r->reader, &r->record, st);
        if (rc <= 0)
            return rc;
        if (!take_head(r, st))
            return -1;
        if (r->record.column_count) /* the header keeps the order, which that of the bytes need not be */
            r->column = json_object_iter(json_object_get(lm_record_header(&r->record), "tensors"));
    }
    return 1;
}

/* The tensor that seek_column found, which is thereby taken. */
static const lm_column *take_column(reading *r)
{
    const lm_column *c = lm_record_column(&r->record, json_object_iter_key(r->column));
    r->column = json_object_iter_next(json_object_get(lm_record_header(&r->record), "tensors"), r->column);
    return c;
}

/* All has come that was announced. */
static bool check_arrived(const reading *r, lm_status *st)
{
    const lm_bundle *b = r->bundle;
    return r->arrived == b->tensor_count ||
           lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\" is announced and does not come", b->name, b->tensors[r->arrived].name);
}

static bool begin(reading *r, lm_status *st)
{
    lm_bundle *b = r->bundle;
    r->reader = lm_lms_reader_new(r->in, st);
    if (!r->reader)
        return false;
    b->stream = true;
    b->via = json_incref(json_object_get(lm_lms_reader_preamble(r->reader), "via"));
    return lm_lms_reader_kind(r->reader) == LM_KIND_MODEL ||
           lm_fail(st, LM_FAILED, "%s: a stream of kind %s, where a model is expected", b->name,
                   lm_lms_kind_name(lm_lms_reader_kind(r->reader)));
}

/* ---------------------------------------------------------------- all at once */

/* All has come: the tensors get their addresses. */
static bool conclude(reading *r, lm_status *st)
{
    lm_bundle *b = r->bundle;
    bool any = false;
    if (!r->places && b->index && !close_index(r, b->name, st))
        return false;
    if (!check_arrived(r, st))
        return false;
    for (size_t i = 0; i < b->tensor_count; i++)
        any |= r->places[i].in_place;
    if ((any && !lm_map_fd(b->fd, b->name, &b->whole, st)) || !lm_store_map(r->store, st))
        return false;
    for (size_t i = 0; i < b->tensor_count; i++) {
        const lm_map *map = r->places[i].in_place ? &b->whole : &r->store->map;
        b->tensors[i].data = b->tensors[i].bytes ? (const char *)map->bytes + r->places[i].at : "";
    }
    return true;
}

/* Reads all that is still to come. */
static bool read_rest(reading *r, lm_status *st)
{
    uint64_t before;
    int rc;
    r->store = lm_bundle_new_store(r->bundle);
    while ((rc = seek_column(r, st)) > 0) {
        const lm_column *c = take_column(r);
        if (!check_column(r, &r->record, c, lm_lms_reader_where(r->reader), &before, st) ||
            !keep(r, &r->record, c, &r->places[r->arrived], before, st))
            return false;
        count_column(r, c);
    }
    return rc == 0 && conclude(r, st);
}

static void reading_free(reading *r)
{
    lm_lms_reader_free(r->reader);
    free(r->places);
    free(r->whole);
}

bool lm_bundle_read_stream(lm_bundle *b, lm_input *in, bool in_place, lm_status *st)
{
    reading r = {.bundle = b, .in = in, .in_place = in_place};
    bool ok = begin(&r, st) && read_rest(&r, st);
    reading_free(&r);
    return ok;
}

/* ---------------------------------------------------------------- forward */

/* A tensor is read to where it will be, and parts of one to where the whole will be (a lm_lms_room): the reader's own memory would be
 * another time as much while it grows. */
static char *room_of_tensor(void *context, const lm_record *record, lm_status *st)
{
    reading *r = context;
    lm_status ignored = LM_STATUS_INIT;
    uint64_t before;
    if (record->column_count && !r->places && !close_index(r, r->bundle->name, st))
        return NULL;
    if (record->column_count != 1 ||
        !check_column(r, record, &record->columns[0], "", &before, &ignored)) /* where: the reader is still at it */
        return NULL;
    const lm_safetensor *t = &r->bundle->tensors[r->arrived];
    if (!before && r->whole_bytes < t->bytes) {
        free(r->whole);
        r->whole = t->bytes < SIZE_MAX - PAD_MAX ? lm_try_malloc(t->bytes + PAD_MAX, 1, t->name, &ignored) : NULL;
        r->whole_bytes = r->whole ? t->bytes : 0;
    }
    if (!before)
        r->assembled = r->arrived;
    return r->whole && r->assembled == r->arrived ? r->whole + before : NULL;
}

/* One tensor, all of its parts. */
static bool bring_next(reading *r, lm_status *st)
{
    lm_bundle *b = r->bundle;
    lm_safetensor *t = &b->tensors[r->arrived];
    size_t next = r->arrived + 1;
    uint64_t before;
    int64_t part[3];
    while (r->arrived < next) {
        int rc = seek_column(r, st);
        if (rc <= 0)
            return rc == 0 && check_arrived(r, st);
        const lm_column *c = take_column(r);
        if (!check_column(r, &r->record, c, lm_lms_reader_where(r->reader), &before, st))
            return false;
        bool cut = part_of(&r->record, part);
        if (cut && (!r->whole || r->assembled != r->arrived))
            return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\": no memory for its %zu bytes", b->name, t->name, t->bytes);
        if (cut && c->bytes && c->data != r->whole + before)
            memmove(r->whole + before, c->data, c->bytes);
        t->data = cut ? r->whole : c->data;
        count_column(r, c);
    }
    return true;
}

bool lm_bundle_begin_stream(lm_bundle *b, lm_input *in, lm_status *st)
{
    reading *r = b->coming = lm_calloc(1, sizeof *r);
    *r = (reading){.bundle = b, .in = in};
    if (!begin(r, st))
        return false;
    lm_lms_reader_room(r->reader, room_of_tensor, r);
    return seek_column(r, st) >= 0 && (r->places || !b->index || close_index(r, b->name, st));
}

void lm_bundle_end_coming(lm_bundle *b)
{
    if (!b->coming)
        return;
    reading_free(b->coming);
    lm_input_close(b->coming->in);
    free(b->coming);
    b->coming = NULL;
}

bool lm_bundle_comes(const lm_bundle *b)
{
    return b->coming != NULL;
}

bool lm_bundle_bring(lm_bundle *b, size_t i, lm_status *st)
{
    reading *r = b->coming;
    if (r->arrived > i)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" has gone by", b->name, b->tensors[i].name);
    while (r->arrived <= i && r->arrived < b->tensor_count)
        if (!bring_next(r, st))
            return false;
    uint64_t none;
    return i < b->tensor_count || seek_column(r, st) == 0 ||
           (lm_ok(st) && check_column(r, &r->record, take_column(r), lm_lms_reader_where(r->reader), &none, st));
}

bool lm_bundle_gather(lm_bundle *b, lm_status *st)
{
    bool ok = !b->coming || read_rest(b->coming, st);
    lm_bundle_end_coming(b);
    return ok;
}
