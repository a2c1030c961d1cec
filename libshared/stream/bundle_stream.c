/* Model streams are read: files, then the index, then the tensors that it announces, in its order. */
#include "stream/bundle_internal.h"

#include "base/memory.h"
#include "stream/lms.h"

#include <stdlib.h>
#include <string.h>

/* A tensor in the making. */
typedef struct place {
    uint64_t at;   /* of its bytes, in the stream's file or in the store */
    bool in_place, reserved;
    int64_t rows;  /* that have come of one that is cut */
} place;

typedef struct reading {
    lm_bundle *bundle;
    lm_input *in;
    lm_lms_reader *reader;
    bool in_place;
    lm_store *store;
    place *places;
    size_t arrived; /* whole tensors */
} reading;

static bool add_file(reading *r, const lm_record *record, lm_status *st)
{
    lm_bundle_entry *e = lm_bundle_add(r->bundle, json_string_value(json_object_get(record->header, "file")),
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
    size_t pad = 64 - record->payload.len % 64;
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

/* The next tensor of the index, or the next rows of it. */
static bool add_tensor(reading *r, const lm_record *record, const lm_column *c, lm_status *st)
{
    const char *where = lm_lms_reader_where(r->reader);
    lm_bundle *b = r->bundle;
    const lm_safetensor *t = r->arrived < b->tensor_count ? &b->tensors[r->arrived] : NULL;
    if (!t || strcmp(t->name, c->name) != 0)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\", where the index announces %s%.200s", where, c->name,
                       t ? "" : "no more", t ? t->name : "");
    place *p = &r->places[r->arrived];
    const json_t *part = json_object_get(record->header, "part");
    int64_t first = json_integer_value(json_array_get(part, 0)), rows = json_integer_value(json_array_get(part, 1)),
            total = json_integer_value(json_array_get(part, 2));
    lm_shape whole = c->shape;
    if (part && (record->column_count != 1 || !whole.dims || whole.size[0] != rows || first != p->rows))
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\": its parts do not follow one another", where, c->name);
    if (part)
        whole.size[0] = total;
    if (c->dtype != t->dtype || !lm_shape_equal(&whole, &t->shape) || (!part && p->rows))
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\": another dtype or shape than the index says", where, c->name);
    uint64_t before = part && total ? (uint64_t)(t->bytes / (size_t)total) * (uint64_t)first : 0;
    if (!keep(r, record, c, p, before, st))
        return false;
    p->rows += rows;
    r->arrived += !part || p->rows == total;
    return true;
}

static bool add_record(reading *r, const lm_record *record, lm_status *st)
{
    json_t *index = json_object_get(record->header, "index");
    const char *where = lm_lms_reader_where(r->reader);
    if (record->flush)
        return true;
    if (lm_lms_reader_streams(r->reader) > 1)
        return lm_fail(st, LM_FAILED, "%s: a second model follows the first: give one of them", where);
    if (json_object_get(record->header, "file"))
        return add_file(r, record, st);
    if (index && !add_index(r, index, where, st))
        return false;
    if (record->column_count && !r->places && !close_index(r, where, st))
        return false;
    const char *name; /* the header keeps the order, which that of the bytes need not be */
    json_t *ignored;
    json_object_foreach(json_object_get(record->header, "tensors"), name, ignored)
        if (!add_tensor(r, record, lm_record_column(record, name), st))
            return false;
    return true;
}

/* All has come: the tensors get their addresses. */
static bool conclude(reading *r, lm_status *st)
{
    lm_bundle *b = r->bundle;
    if (!r->places && b->index && !close_index(r, b->name, st))
        return false;
    if (r->arrived < b->tensor_count)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%.200s\" is announced and does not come", b->name,
                       b->tensors[r->arrived].name);
    bool any = false;
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

bool lm_bundle_read_stream(lm_bundle *b, lm_input *in, bool in_place, lm_status *st)
{
    reading r = {.bundle = b, .in = in, .in_place = in_place, .store = lm_bundle_new_store(b)};
    r.reader = lm_lms_reader_new(in, st);
    if (!r.reader)
        return false;
    b->stream = true;
    b->via = json_incref(json_object_get(lm_lms_reader_preamble(r.reader), "via"));
    lm_record record;
    int rc = 0;
    if (lm_lms_reader_kind(r.reader) != LM_KIND_MODEL)
        lm_fail(st, LM_FAILED, "%s: a stream of kind %s, where a model is expected", b->name,
                lm_lms_kind_name(lm_lms_reader_kind(r.reader)));
    while (lm_ok(st) && (rc = lm_lms_next(r.reader, &record, st)) > 0)
        add_record(&r, &record, st);
    bool ok = lm_ok(st) && rc == 0 && conclude(&r, st);
    lm_lms_reader_free(r.reader);
    free(r.places);
    return ok;
}
