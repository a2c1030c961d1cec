#include "tensor/gguf.h"
#include "base/map.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum { VERSION_MIN = 2, VERSION_MAX = 3, DEFAULT_ALIGNMENT = 32, NAME_MAX_BYTES = 1 << 16 };
/* the least that an entry and a tensor take: so many there can be at most in so many bytes */
enum { ENTRY_MIN = 8 + 4 + 1, TENSOR_MIN = 8 + 4 + 4 + 8 };

struct lm_gguf {
    const unsigned char *bytes;
    size_t size;
    lm_map map; /* of the file, where it was opened by its name */
    char *name;
    uint64_t alignment;
    lm_gguf_entry *entries;
    lm_gguf_tensor *tensors;
    const lm_gguf_entry **by_key;
    const lm_gguf_tensor **by_name;
    size_t entry_count, tensor_count;
    lm_gguf *next; /* a file that it goes on in */
};

static const uint8_t type_bytes[LM_GGUF_TYPES] = {
    [LM_GGUF_U8] = 1,  [LM_GGUF_I8] = 1,  [LM_GGUF_U16] = 2, [LM_GGUF_I16] = 2,
    [LM_GGUF_U32] = 4, [LM_GGUF_I32] = 4, [LM_GGUF_F32] = 4, [LM_GGUF_BOOL] = 1,
    [LM_GGUF_U64] = 8, [LM_GGUF_I64] = 8, [LM_GGUF_F64] = 8,
};

/* The types of ggml that dtype.h has. */
static const struct {
    uint32_t type;
    lm_dtype dtype;
} known_types[] = {
    {0, LM_F32},  {1, LM_F16},   {2, LM_Q4_0},  {3, LM_Q4_1},  {6, LM_Q5_0},  {7, LM_Q5_1},
    {8, LM_Q8_0}, {10, LM_Q2_K}, {11, LM_Q3_K}, {12, LM_Q4_K}, {13, LM_Q5_K}, {14, LM_Q6_K},
    {20, LM_IQ4_NL}, {24, LM_I8},  {25, LM_I16},  {26, LM_I32},  {27, LM_I64},  {28, LM_F64},  {30, LM_BF16},
};

size_t lm_gguf_value_bytes(lm_gguf_type type)
{
    return type < LM_GGUF_TYPES ? type_bytes[type] : 0;
}

bool lm_gguf_type_number(lm_dtype t, uint32_t *number)
{
    for (size_t i = 0; i < sizeof known_types / sizeof *known_types; i++)
        if (known_types[i].dtype == t) {
            *number = known_types[i].type;
            return true;
        }
    return false;
}

/* ---------------------------------------------------------------- the cursor */

typedef struct cursor {
    const unsigned char *at, *start;
    size_t left;
    const char *file;
    lm_status *st;
} cursor;

static bool take(cursor *c, uint64_t n, const unsigned char **out)
{
    if (!lm_ok(c->st))
        return false;
    if (n > c->left)
        return lm_fail(c->st, LM_FAILED,
                       "%s: byte %zu: %" PRIu64
                       " bytes should follow, and there are %zu: the file is cut off or damaged: "
                       "fetch it again",
                       c->file, (size_t)(c->at - c->start), n, c->left);
    *out = c->at;
    c->at += n;
    c->left -= (size_t)n;
    return true;
}

static uint64_t little_endian(const unsigned char *p, int n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* 0 on a failed status. */
static uint64_t take_int(cursor *c, int n)
{
    const unsigned char *p;
    return take(c, (uint64_t)n, &p) ? little_endian(p, n) : 0;
}

static lm_str take_string(cursor *c)
{
    uint64_t n = take_int(c, 8);
    const unsigned char *p = NULL;
    return take(c, n, &p) ? (lm_str){(const char *)p, (size_t)n} : (lm_str){"", 0};
}

static lm_str take_name(cursor *c, const char *of)
{
    lm_str s = take_string(c);
    if (lm_ok(c->st) && (s.len > NAME_MAX_BYTES || (s.len && memchr(s.data, 0, s.len))))
        lm_fail(c->st, LM_FAILED,
                "%s: the name of %s has %zu bytes or a NUL: the file is damaged: fetch it again", c->file, of,
                s.len);
    return s;
}

/* ---------------------------------------------------------------- metadata */

static lm_gguf_type take_type(cursor *c, lm_str key)
{
    uint64_t type = take_int(c, 4);
    if (lm_ok(c->st) && type >= LM_GGUF_TYPES)
        lm_fail(c->st, LM_FAILED,
                "%s: \"%.*s\" has the type %" PRIu64
                ", which GGUF does not know: the file is damaged, or newer",
                c->file, (int)key.len, key.data, type);
    return lm_ok(c->st) ? (lm_gguf_type)type : LM_GGUF_U8;
}

static void take_values(cursor *c, lm_gguf_entry *e)
{
    e->data = c->at;
    if (e->type == LM_GGUF_STRING) {
        if (e->count > c->left / 8) /* before a long walk */
            take(c, e->count > UINT64_MAX / 8 ? UINT64_MAX : e->count * 8, &e->data);
        for (size_t i = 0; i < e->count && lm_ok(c->st); i++)
            take_string(c);
        return;
    }
    uint64_t n = type_bytes[e->type];
    take(c, e->count > UINT64_MAX / n ? UINT64_MAX : e->count * n, &e->data);
    for (size_t i = 0; e->type == LM_GGUF_BOOL && i < e->count && lm_ok(c->st); i++)
        if (e->data[i] > 1)
            lm_fail(c->st, LM_FAILED,
                    "%s: \"%.*s\" is neither true nor false: the file is damaged: fetch it again", c->file,
                    (int)e->key.len, e->key.data);
}

static void take_entry(cursor *c, lm_gguf_entry *e)
{
    e->key = take_name(c, "an entry");
    e->type = take_type(c, e->key);
    e->count = 1;
    if (e->type == LM_GGUF_ARRAY) {
        e->array = true;
        e->type = take_type(c, e->key);
        uint64_t count = take_int(c, 8);
        e->count = (size_t)count;
        if (lm_ok(c->st) && e->type == LM_GGUF_ARRAY)
            lm_fail(c->st, LM_FAILED,
                    "%s: needs: arrays of arrays (\"%.*s\"), which this version does not read", c->file,
                    (int)e->key.len, e->key.data);
        if (lm_ok(c->st) && count > SIZE_MAX)
            take(c, UINT64_MAX, &e->data);
    }
    if (lm_ok(c->st))
        take_values(c, e);
}

static int compare(lm_str a, lm_str b)
{
    int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int by_key(const void *x, const void *y)
{
    return compare((*(const lm_gguf_entry *const *)x)->key, (*(const lm_gguf_entry *const *)y)->key);
}

static int by_name(const void *x, const void *y)
{
    return compare((*(const lm_gguf_tensor *const *)x)->name, (*(const lm_gguf_tensor *const *)y)->name);
}

static bool read_entries(lm_gguf *f, cursor *c, uint64_t count)
{
    if (count > c->left / ENTRY_MIN)
        return lm_fail(c->st, LM_FAILED,
                       "%s: %" PRIu64
                       " metadata entries in %zu bytes: the file is cut off or damaged: fetch it again",
                       c->file, count, f->size);
    f->entries = lm_calloc((size_t)count + 1, sizeof *f->entries);
    f->by_key = lm_calloc((size_t)count + 1, sizeof *f->by_key);
    for (; f->entry_count < count && lm_ok(c->st); f->entry_count++) {
        take_entry(c, &f->entries[f->entry_count]);
        f->by_key[f->entry_count] = &f->entries[f->entry_count];
    }
    if (!lm_ok(c->st))
        return false;
    qsort(f->by_key, f->entry_count, sizeof *f->by_key, by_key);
    for (size_t i = 1; i < f->entry_count && lm_ok(c->st); i++)
        if (by_key(&f->by_key[i - 1], &f->by_key[i]) == 0)
            lm_fail(c->st, LM_FAILED, "%s: \"%.*s\" is there twice: the file is damaged: make it again",
                    c->file, (int)f->by_key[i]->key.len, f->by_key[i]->key.data);
    int64_t alignment = DEFAULT_ALIGNMENT;
    if (lm_gguf_int(f, "general.alignment", &alignment, c->st) &&
        (alignment < 1 || alignment > 1 << 30 || (alignment & (alignment - 1))))
        lm_fail(c->st, LM_FAILED,
                "%s: general.alignment is %" PRId64
                ", and no power of two: the file is damaged: make it again",
                c->file, alignment);
    f->alignment = (uint64_t)alignment;
    return lm_ok(c->st);
}

/* ---------------------------------------------------------------- tensors */

static lm_dtype dtype_of(uint32_t type)
{
    for (size_t i = 0; i < sizeof known_types / sizeof *known_types; i++)
        if (known_types[i].type == type)
            return known_types[i].dtype;
    return LM_DTYPE_COUNT;
}

/* Its offset goes to *offset, for the data's place is not known yet. */
static void take_tensor(cursor *c, lm_gguf_tensor *t, uint64_t *offset)
{
    t->name = take_name(c, "a tensor");
    uint64_t dims = take_int(c, 4);
    if (lm_ok(c->st) && dims > LM_GGUF_DIMS)
        lm_fail(c->st, LM_FAILED,
                "%s: tensor \"%.*s\" has %" PRIu64
                " dimensions (at most %d): the file is damaged: fetch it again",
                c->file, (int)t->name.len, t->name.data, dims, LM_GGUF_DIMS);
    t->shape.dims = lm_ok(c->st) ? (int)dims : 0;
    for (int i = t->shape.dims - 1; i >= 0; i--)
        t->shape.size[i] =
            (int64_t)take_int(c, 8); /* beyond 2^63 it is negative, which lm_tensor_bytes refuses */
    t->type = (uint32_t)take_int(c, 4);
    t->dtype = dtype_of(t->type);
    *offset = take_int(c, 8);
    size_t elements;
    bool fits = t->dtype == LM_DTYPE_COUNT ? lm_shape_elements(&t->shape, &elements)
                                           : lm_tensor_bytes(t->dtype, &t->shape, &t->bytes);
    if (lm_ok(c->st) && !fits)
        lm_fail(c->st, LM_FAILED,
                "%s: tensor \"%.*s\": its shape is not one of its type: the file is damaged: fetch it again",
                c->file, (int)t->name.len, t->name.data);
}

static void place_tensor(const lm_gguf *f, lm_gguf_tensor *t, uint64_t data, uint64_t offset, lm_status *st)
{
    if (offset % f->alignment)
        lm_fail(st, LM_FAILED,
                "%s: tensor \"%.*s\" is not aligned to %" PRIu64 " bytes: the file is damaged: make it again",
                f->name, (int)t->name.len, t->name.data, f->alignment);
    else if (data > f->size || offset > f->size - data || t->bytes > f->size - data - offset)
        lm_fail(st, LM_FAILED,
                "%s: the bytes of tensor \"%.*s\" end behind the file, which has %zu: it is cut off: fetch "
                "it again",
                f->name, (int)t->name.len, t->name.data, f->size);
    else
        t->data = f->bytes + data + offset;
}

static bool sort_tensors(lm_gguf *f, lm_status *st)
{
    for (size_t i = 0; i < f->tensor_count; i++)
        f->by_name[i] = &f->tensors[i];
    qsort(f->by_name, f->tensor_count, sizeof *f->by_name, by_name);
    for (size_t i = 1; i < f->tensor_count; i++)
        if (by_name(&f->by_name[i - 1], &f->by_name[i]) == 0)
            return lm_fail(st, LM_FAILED, "%s: two tensors are called \"%.*s\": the file is damaged: make it again", f->name,
                           (int)f->by_name[i]->name.len, f->by_name[i]->name.data);
    return true;
}

static bool read_tensors(lm_gguf *f, cursor *c, uint64_t count)
{
    if (count > c->left / TENSOR_MIN)
        return lm_fail(c->st, LM_FAILED,
                       "%s: %" PRIu64 " tensors in %zu bytes: the file is cut off or damaged: fetch it again",
                       c->file, count, f->size);
    f->tensors = lm_calloc((size_t)count + 1, sizeof *f->tensors);
    f->by_name = lm_calloc((size_t)count + 1, sizeof *f->by_name);
    uint64_t *offsets = lm_calloc((size_t)count + 1, sizeof *offsets);
    for (; f->tensor_count < count && lm_ok(c->st); f->tensor_count++)
        take_tensor(c, &f->tensors[f->tensor_count], &offsets[f->tensor_count]);
    uint64_t data = (uint64_t)(c->at - c->start);
    data = (data + f->alignment - 1) / f->alignment * f->alignment;
    for (size_t i = 0; i < f->tensor_count && lm_ok(c->st); i++)
        place_tensor(f, &f->tensors[i], data, offsets[i], c->st);
    free(offsets);
    return lm_ok(c->st) && sort_tensors(f, c->st);
}

/* ---------------------------------------------------------------- opening */

static bool read_file(lm_gguf *f, lm_status *st)
{
    cursor c = {f->bytes, f->bytes, f->size, f->name, st};
    const unsigned char *magic;
    if (f->size < 4 || memcmp(f->bytes, "GGUF", 4) != 0)
        return lm_fail(st, LM_FAILED, "%s: does not begin with \"GGUF\": no GGUF file", f->name);
    take(&c, 4, &magic);
    uint32_t version = (uint32_t)take_int(&c, 4);
    if (lm_ok(st) && version && (version & 0xffff) == 0)
        return lm_fail(st, LM_FAILED,
                       "%s: needs: a big-endian GGUF file's reader: convert it to little-endian first",
                       f->name);
    if (lm_ok(st) && (version < VERSION_MIN || version > VERSION_MAX))
        return lm_fail(st, LM_FAILED,
                       "%s: needs: version %" PRIu32
                       " of GGUF, where %d and %d are read: convert the model again",
                       f->name, version, VERSION_MIN, VERSION_MAX);
    uint64_t tensors = take_int(&c, 8), entries = take_int(&c, 8);
    return lm_ok(st) && read_entries(f, &c, entries) && read_tensors(f, &c, tensors);
}

lm_gguf *lm_gguf_from_memory(const void *bytes, size_t size, const char *name, lm_status *st)
{
    lm_gguf *f = lm_calloc(1, sizeof *f);
    f->bytes = bytes;
    f->size = size;
    f->name = lm_strdup(name);
    if (!read_file(f, st)) {
        lm_gguf_close(f);
        return NULL;
    }
    return f;
}

lm_gguf *lm_gguf_open(const char *path, lm_status *st)
{
    lm_map map;
    if (!lm_map_open(path, &map, st))
        return NULL;
    lm_gguf *f = lm_gguf_from_memory(map.bytes, map.size, path, st);
    if (f)
        f->map = map;
    else
        lm_map_close(&map);
    return f;
}

bool lm_gguf_add_part(lm_gguf *f, lm_gguf *part, lm_status *st)
{
    size_t all = f->tensor_count + part->tensor_count;
    f->tensors = lm_realloc(f->tensors, all + 1, sizeof *f->tensors);
    f->by_name = lm_realloc(f->by_name, all + 1, sizeof *f->by_name);
    memcpy(f->tensors + f->tensor_count, part->tensors, part->tensor_count * sizeof *f->tensors);
    f->tensor_count = all;
    part->next = f->next;
    f->next = part;
    return sort_tensors(f, st);
}

void lm_gguf_close(lm_gguf *f)
{
    for (lm_gguf *next; f; f = next) {
        next = f->next;
        lm_map_close(&f->map);
        free(f->name);
        free(f->entries);
        free(f->tensors);
        free(f->by_key);
        free(f->by_name);
        free(f);
    }
}

const char *lm_gguf_name(const lm_gguf *f)
{
    return f->name;
}

/* ---------------------------------------------------------------- what is in it */

size_t lm_gguf_entries(const lm_gguf *f)
{
    return f->entry_count;
}

const lm_gguf_entry *lm_gguf_entry_at(const lm_gguf *f, size_t i)
{
    return i < f->entry_count ? &f->entries[i] : NULL;
}

const lm_gguf_entry *lm_gguf_entry_find(const lm_gguf *f, const char *key)
{
    const lm_gguf_entry wanted = {.key = lm_str_of(key)}, *p = &wanted;
    const lm_gguf_entry **found = bsearch(&p, f->by_key, f->entry_count, sizeof *f->by_key, by_key);
    return found ? *found : NULL;
}

size_t lm_gguf_tensors(const lm_gguf *f)
{
    return f->tensor_count;
}

const lm_gguf_tensor *lm_gguf_tensor_at(const lm_gguf *f, size_t i)
{
    return i < f->tensor_count ? &f->tensors[i] : NULL;
}

const lm_gguf_tensor *lm_gguf_tensor_find(const lm_gguf *f, const char *name)
{
    const lm_gguf_tensor wanted = {.name = lm_str_of(name)}, *p = &wanted;
    const lm_gguf_tensor **found = bsearch(&p, f->by_name, f->tensor_count, sizeof *f->by_name, by_name);
    return found ? *found : NULL;
}

/* ---------------------------------------------------------------- values */

static bool is_number(lm_gguf_type type)
{
    return type != LM_GGUF_STRING && type != LM_GGUF_BOOL && type != LM_GGUF_ARRAY;
}

static bool wrong(const lm_gguf *f, const char *key, const char *wanted, lm_status *st)
{
    return lm_fail(st, LM_FAILED, "%s: \"%s\" is no %s: convert the model again", f->name, key, wanted);
}

/* Of an integer type, as the bits of an int64_t. */
static int64_t int_at(const lm_gguf_entry *e, size_t i)
{
    int n = type_bytes[e->type], shift = 64 - 8 * n;
    bool with_sign =
        e->type == LM_GGUF_I8 || e->type == LM_GGUF_I16 || e->type == LM_GGUF_I32 || e->type == LM_GGUF_I64;
    uint64_t v = little_endian(e->data + i * (size_t)n, n);
    return with_sign ? (int64_t)(v << shift) >> shift : (int64_t)v;
}

double lm_gguf_number_at(const lm_gguf_entry *e, size_t i)
{
    uint64_t bits = 0;
    float f;
    double d;
    if (e->type == LM_GGUF_F32) {
        uint32_t narrow = (uint32_t)little_endian(e->data + 4 * i, 4);
        memcpy(&f, &narrow, sizeof f);
        return f;
    }
    if (e->type == LM_GGUF_F64) {
        bits = little_endian(e->data + 8 * i, 8);
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    return e->type == LM_GGUF_U64 ? (double)(uint64_t)int_at(e, i) : (double)int_at(e, i);
}

bool lm_gguf_int(const lm_gguf *f, const char *key, int64_t *out, lm_status *st)
{
    const lm_gguf_entry *e = lm_gguf_entry_find(f, key);
    if (!e)
        return lm_ok(st);
    if (e->array || !is_number(e->type) || e->type == LM_GGUF_F32 || e->type == LM_GGUF_F64 ||
        (e->type == LM_GGUF_U64 && int_at(e, 0) < 0))
        return wrong(f, key, "integer", st);
    *out = int_at(e, 0);
    return true;
}

bool lm_gguf_number(const lm_gguf *f, const char *key, double *out, lm_status *st)
{
    const lm_gguf_entry *e = lm_gguf_entry_find(f, key);
    if (!e)
        return lm_ok(st);
    if (e->array || !is_number(e->type))
        return wrong(f, key, "number", st);
    *out = lm_gguf_number_at(e, 0);
    return true;
}

bool lm_gguf_bool(const lm_gguf *f, const char *key, bool *out, lm_status *st)
{
    const lm_gguf_entry *e = lm_gguf_entry_find(f, key);
    if (!e)
        return lm_ok(st);
    if (e->array || e->type != LM_GGUF_BOOL)
        return wrong(f, key, "truth value", st);
    *out = e->data[0];
    return true;
}

bool lm_gguf_string(const lm_gguf *f, const char *key, lm_str *out, lm_status *st)
{
    const lm_gguf_entry *e = lm_gguf_entry_find(f, key);
    if (!e)
        return lm_ok(st);
    if (e->array || e->type != LM_GGUF_STRING)
        return wrong(f, key, "string", st);
    const unsigned char *at = e->data;
    *out = lm_gguf_next_string(&at);
    return true;
}

const lm_gguf_entry *lm_gguf_strings(const lm_gguf *f, const char *key, lm_status *st)
{
    const lm_gguf_entry *e = lm_gguf_entry_find(f, key);
    if (!e || (e->array && e->type == LM_GGUF_STRING))
        return e;
    wrong(f, key, "array of strings", st);
    return NULL;
}

const lm_gguf_entry *lm_gguf_numbers(const lm_gguf *f, const char *key, lm_status *st)
{
    const lm_gguf_entry *e = lm_gguf_entry_find(f, key);
    if (!e || (e->array && is_number(e->type)))
        return e;
    wrong(f, key, "array of numbers", st);
    return NULL;
}

lm_str lm_gguf_next_string(const unsigned char **at)
{
    lm_str s = {(const char *)*at + 8, (size_t)little_endian(*at, 8)};
    *at += 8 + s.len;
    return s;
}
