#include "tensor/safetensors.h"
#include "base/atomic.h"
#include "base/map.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>

enum { LENGTH_BYTES = 8, HEADER_MAX = 100000000 };

struct lm_safetensors {
    const unsigned char *bytes;
    size_t size;
    lm_map map; /* of the file, where it was opened by its name */
    json_t *header;         /* names and metadata live in it */
    lm_safetensor *tensors; /* in the order of their bytes */
    const lm_safetensor **by_name;
    size_t count;
};

static uint64_t read_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Checks the length and parses the header; *data and *data_size become what follows it. */
static json_t *parse_header(const unsigned char *bytes, size_t size, const unsigned char **data,
                            size_t *data_size, const char *name, lm_status *st)
{
    if (size >= 2 && (memcmp(bytes, "PK", 2) == 0 || memcmp(bytes, "\x80\x02", 2) == 0)) {
        lm_fail(st, LM_FAILED,
                "%s: a pickle or a zip of pickles, which can run any code and is never read: "
                "convert it to safetensors",
                name);
        return NULL;
    }
    if (size < LENGTH_BYTES) {
        lm_fail(st, LM_FAILED, "%s: %zu bytes are too few for a safetensors file: it is cut off", name, size);
        return NULL;
    }
    uint64_t length = read_u64(bytes);
    if (length > HEADER_MAX) {
        lm_fail(st, LM_FAILED,
                "%s: the header would have %llu bytes (at most %d are read): no safetensors file", name,
                (unsigned long long)length, HEADER_MAX);
        return NULL;
    }
    if (length > size - LENGTH_BYTES) {
        lm_fail(st, LM_FAILED, "%s: the header has %llu bytes, the file %zu: it is cut off", name,
                (unsigned long long)length, size);
        return NULL;
    }
    const char *text = (const char *)bytes + LENGTH_BYTES;
    if (!length || text[0] != '{') {
        lm_fail(st, LM_FAILED, "%s: the header does not begin with {: no safetensors file", name);
        return NULL;
    }
    json_error_t error;
    json_t *header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!header) {
        lm_fail(st, LM_FAILED, "%s: header: %s (byte %d)", name, error.text, error.position);
        return NULL;
    }
    *data = bytes + LENGTH_BYTES + length;
    *data_size = size - LENGTH_BYTES - (size_t)length;
    return header;
}

/* A member that is an integer from 0. */
static bool get_size(const json_t *v, size_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > SIZE_MAX)
        return false;
    *out = (size_t)json_integer_value(v);
    return true;
}

static bool check_metadata(const json_t *metadata, const char *name, lm_status *st)
{
    if (!json_is_object(metadata))
        return lm_fail(st, LM_FAILED, "%s: __metadata__ is no object", name);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value) {
        if (!json_is_string(value))
            return lm_fail(st, LM_FAILED, "%s: __metadata__: \"%s\" is no string", name, key);
    }
    return true;
}

/* Reads one entry of the header; its bytes are [*begin, *begin + t->bytes) of the data. */
static bool read_entry(lm_safetensor *t, const json_t *entry, size_t data_size, size_t *begin,
                       const char *file, lm_status *st)
{
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) ||
        json_array_size(offsets) != 2)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": dtype, shape and two data_offsets are needed", file,
                       t->name);

    if (!lm_dtype_find(lm_str_of(json_string_value(dtype)), &t->dtype) || lm_dtype_block(t->dtype) != 1)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": unknown dtype \"%s\"", file, t->name,
                       json_string_value(dtype));
    if (json_array_size(shape) > LM_MAX_DIMS)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": %zu dimensions (at most %d)", file, t->name,
                       json_array_size(shape), LM_MAX_DIMS);
    t->shape.dims = (int)json_array_size(shape);
    for (int i = 0; i < t->shape.dims; i++) {
        size_t n;
        if (!get_size(json_array_get(shape, (size_t)i), &n))
            return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": dimension %d is no size", file, t->name, i);
        t->shape.size[i] = (int64_t)n;
    }
    size_t a, b;
    if (!get_size(json_array_get(offsets, 0), &a) || !get_size(json_array_get(offsets, 1), &b) || a > b)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": bad data_offsets", file, t->name);
    if (b > data_size)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" ends at byte %zu of %zu: the file is cut off", file,
                       t->name, b, data_size);
    if (!lm_tensor_bytes(t->dtype, &t->shape, &t->bytes) || t->bytes != b - a)
        return lm_fail(st, LM_FAILED, "%s: tensor \"%s\": %zu bytes do not fit its shape and dtype", file,
                       t->name, b - a);
    *begin = a;
    return true;
}

static int by_bytes(const void *x, const void *y)
{
    const lm_safetensor *a = x, *b = y;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static int by_name(const void *x, const void *y)
{
    const lm_safetensor *const *a = x, *const *b = y;
    return strcmp((*a)->name, (*b)->name);
}

/* Sorts the entries by their place and checks that they cover the data without hole or overlap. */
static bool check_layout(lm_safetensors *f, const unsigned char *data, size_t data_size, const char *name,
                         lm_status *st)
{
    if (f->count)
        qsort(f->tensors, f->count, sizeof *f->tensors, by_bytes);
    size_t at = 0;
    for (size_t i = 0; i < f->count; i++) {
        const lm_safetensor *t = &f->tensors[i];
        size_t begin = (size_t)((const unsigned char *)t->data - data);
        if (begin != at)
            return lm_fail(st, LM_FAILED, "%s: tensor \"%s\" begins at byte %zu, %s the one before it", name,
                           t->name, begin, begin < at ? "inside" : "after a hole behind");
        at += t->bytes;
        f->by_name[i] = t;
    }
    if (at != data_size)
        return lm_fail(st, LM_FAILED, "%s: %zu bytes follow the last tensor", name, data_size - at);
    if (f->count)
        qsort(f->by_name, f->count, sizeof *f->by_name, by_name);
    return true;
}

static bool read_file(lm_safetensors *f, const char *name, lm_status *st)
{
    const unsigned char *data;
    size_t data_size;
    f->header = parse_header(f->bytes, f->size, &data, &data_size, name, st);
    if (!f->header)
        return false;
    size_t members = json_object_size(f->header);
    f->tensors = lm_calloc(members, sizeof *f->tensors);
    f->by_name = lm_calloc(members, sizeof *f->by_name);
    const char *key;
    json_t *value;
    json_object_foreach(f->header, key, value) {
        if (strcmp(key, "__metadata__") == 0) {
            if (!check_metadata(value, name, st))
                return false;
            continue;
        }
        lm_safetensor *t = &f->tensors[f->count];
        size_t begin = 0;
        t->name = key;
        if (!read_entry(t, value, data_size, &begin, name, st))
            return false;
        t->data = data + begin;
        f->count++;
    }
    return check_layout(f, data, data_size, name, st);
}

lm_safetensors *lm_safetensors_from_memory(const void *bytes, size_t size, const char *name, lm_status *st)
{
    lm_safetensors *f = lm_calloc(1, sizeof *f);
    f->bytes = bytes;
    f->size = size;
    if (!read_file(f, name, st)) {
        lm_safetensors_close(f);
        return NULL;
    }
    return f;
}

lm_safetensors *lm_safetensors_open(const char *path, lm_status *st)
{
    lm_map map;
    if (!lm_map_open(path, &map, st))
        return NULL;
    lm_safetensors *f = lm_safetensors_from_memory(map.bytes, map.size, path, st);
    if (f)
        f->map = map;
    else
        lm_map_close(&map);
    return f;
}

void lm_safetensors_close(lm_safetensors *f)
{
    if (!f)
        return;
    lm_map_close(&f->map);
    json_decref(f->header);
    free(f->tensors);
    free(f->by_name);
    free(f);
}

size_t lm_safetensors_count(const lm_safetensors *f)
{
    return f->count;
}

const lm_safetensor *lm_safetensors_at(const lm_safetensors *f, size_t i)
{
    return i < f->count ? &f->tensors[i] : NULL;
}

const lm_safetensor *lm_safetensors_find(const lm_safetensors *f, const char *name)
{
    const lm_safetensor key = {.name = name}, *p = &key;
    const lm_safetensor **found =
        f->count ? bsearch(&p, f->by_name, f->count, sizeof *f->by_name, by_name) : NULL;
    return found ? *found : NULL;
}

const char *lm_safetensors_metadata(const lm_safetensors *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}
