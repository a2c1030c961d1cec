/* The forms: llama.cpp, tools/imatrix/imatrix.cpp and common/imatrix-loader.cpp. */
#include "tensor/imatrix.h"

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "tensor/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 4096 };

struct lm_imatrix {
    lm_imatrix_entry *items; /* sorted by name */
    size_t count, cap;
    char *dataset;
    int64_t chunks;
};

lm_imatrix *lm_imatrix_new(void)
{
    return lm_calloc(1, sizeof(lm_imatrix));
}

static void free_entry(lm_imatrix_entry *e)
{
    free(e->name);
    free(e->sum2);
    free(e->mean);
}

void lm_imatrix_free(lm_imatrix *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free_entry(&m->items[i]);
    free(m->items);
    free(m->dataset);
    free(m);
}

size_t lm_imatrix_count(const lm_imatrix *m)
{
    return m->count;
}

const lm_imatrix_entry *lm_imatrix_at(const lm_imatrix *m, size_t i)
{
    return &m->items[i];
}

const char *lm_imatrix_dataset(const lm_imatrix *m)
{
    return m->dataset;
}

int64_t lm_imatrix_chunks(const lm_imatrix *m)
{
    return m->chunks;
}

void lm_imatrix_set_dataset(lm_imatrix *m, const char *dataset)
{
    free(m->dataset);
    m->dataset = dataset ? lm_strdup(dataset) : NULL;
}

static int by_name(const void *name, const void *entry)
{
    return strcmp(name, ((const lm_imatrix_entry *)entry)->name);
}

static lm_imatrix_entry *find(const lm_imatrix *m, const char *name)
{
    return m->count ? bsearch(name, m->items, m->count, sizeof *m->items, by_name) : NULL;
}

bool lm_imatrix_mean(const lm_imatrix *m, const char *name, size_t columns, const float **mean, lm_status *st)
{
    const lm_imatrix_entry *e = find(m, name);
    *mean = NULL;
    if (!e)
        return true;
    if (e->columns != columns)
        return lm_fail(st, LM_FAILED, "%s: the importance matrix has %zu columns of it, and there are %zu: it was made of another "
                       "model", name, e->columns, columns);
    *mean = e->mean;
    return true;
}

/* ------------------------------------------------------------------ making one */

/* Takes over the sums. */
static bool add(lm_imatrix *m, const char *name, float *sum2, size_t columns, double count, bool calls, lm_status *st)
{
    float *mean = lm_try_malloc(columns, sizeof *mean, name, st);
    LM_GROW(m->items, m->count, m->cap);
    m->items[m->count++] = (lm_imatrix_entry){
        .name = lm_strdup(name), .columns = columns, .sum2 = sum2, .mean = mean, .count = count};
    for (size_t i = 0; mean && i < columns; i++) {
        if (!isfinite(sum2[i]) || sum2[i] < 0)
            return lm_fail(st, LM_FAILED, "%s: the sum of squares of column %zu is %g: the importance matrix is damaged, or its model "
                           "gave infinite values", name, i, (double)sum2[i]);
        mean[i] = count > 0 ? sum2[i] / (float)count : calls ? sum2[i] : 1;
    }
    return mean != NULL;
}

bool lm_imatrix_add(lm_imatrix *m, const char *name, const double *sum2, size_t columns, uint64_t count, lm_status *st)
{
    float *sums = lm_try_malloc(columns, sizeof *sums, name, st);
    if (!sums)
        return false;
    for (size_t i = 0; i < columns; i++)
        sums[i] = (float)sum2[i];
    int64_t chunks = (int64_t)(count / LM_IMATRIX_CHUNK);
    m->chunks = chunks > m->chunks ? chunks : m->chunks;
    return add(m, name, sums, columns, (double)count, false, st);
}

static int in_order(const void *a, const void *b)
{
    return by_name(((const lm_imatrix_entry *)a)->name, b);
}

bool lm_imatrix_settle(lm_imatrix *m, lm_status *st)
{
    if (m->count)
        qsort(m->items, m->count, sizeof *m->items, in_order);
    for (size_t i = 1; i < m->count; i++)
        if (strcmp(m->items[i - 1].name, m->items[i].name) == 0)
            return lm_fail(st, LM_FAILED, "%s is there twice: the importance matrix is damaged", m->items[i].name);
    return true;
}

/* An entry of floats as they lie in a file, by the name of `bytes` bytes. */
static bool take_entry(lm_imatrix *m, const char *file, lm_str name, const unsigned char *floats, size_t columns, double count,
                       bool calls, lm_status *st)
{
    char text[NAME_BYTES];
    if (name.len == 0 || name.len >= sizeof text || memchr(name.data, '\0', name.len))
        return lm_fail(st, LM_FAILED, "%s: the name of entry %zu is none: the file is damaged", file, m->count + 1);
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    float *sums = lm_try_malloc(columns, sizeof *sums, text, st);
    if (!sums)
        return false;
    memcpy(sums, floats, columns * sizeof *sums);
    return add(m, text, sums, columns, count, calls, st) || lm_fail_prefix(st, file);
}

/* ------------------------------------------------------------------ .dat */

typedef struct cursor {
    const unsigned char *at;
    size_t left;
} cursor;

static bool take(cursor *c, size_t n, const unsigned char **out)
{
    if (n > c->left)
        return false;
    *out = c->at;
    c->at += n;
    c->left -= n;
    return true;
}

static bool take_int(cursor *c, int32_t *out)
{
    const unsigned char *p;
    if (!take(c, 4, &p))
        return false;
    *out = (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    return true;
}

static bool parse_dat(lm_imatrix *m, cursor c, const char *file, lm_status *st)
{
    int32_t entries = 0, length, calls, columns, chunks;
    const unsigned char *name, *floats;
    if (!take_int(&c, &entries) || entries < 1)
        return lm_fail(st, LM_FAILED, "%s: is no importance matrix: make one with score --emit imatrix", file);
    for (int32_t i = 0; i < entries; i++) {
        if (!take_int(&c, &length) || length < 0 || !take(&c, (size_t)length, &name) || !take_int(&c, &calls) || calls < 0 ||
            !take_int(&c, &columns) || columns < 1 || (size_t)columns > c.left / sizeof(float) ||
            !take(&c, (size_t)columns * sizeof(float), &floats))
            return lm_fail(st, LM_FAILED, "%s: entry %d of %d is cut off or damaged, or this is no importance matrix: make it again",
                           file, (int)i + 1, (int)entries);
        if (!take_entry(m, file, (lm_str){(const char *)name, (size_t)length}, floats, (size_t)columns, calls, true, st))
            return false;
    }
    /* files of the first versions end here */
    if (take_int(&c, &chunks) && chunks > 0)
        m->chunks = chunks;
    if (take_int(&c, &length) && length > 0 && take(&c, (size_t)length, &name))
        m->dataset = lm_strndup((const char *)name, (size_t)length);
    return true;
}

/* ------------------------------------------------------------------ GGUF */

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts", sum_suffix[] = ".in_sum";

static bool cut_suffix(lm_str *name, const char *suffix)
{
    size_t n = strlen(suffix);
    if (name->len <= n || memcmp(name->data + name->len - n, suffix, n) != 0)
        return false;
    name->len -= n;
    return true;
}

/* Rows that were added up; 0 where there are none. A matrix of each of several experts has a count of each: they have no place here. */
static bool take_count(const lm_gguf *f, lm_str name, double *count, lm_status *st)
{
    char *of = lm_format("%.*s%s", (int)name.len, name.data, counts_suffix);
    const lm_gguf_tensor *t = lm_gguf_tensor_find(f, of);
    free(of);
    float value;
    if (!t || t->dtype != LM_F32 || t->bytes < sizeof value)
        return lm_fail(st, LM_FAILED, "%s: %.*s has sums and no counts in F32: the file is damaged", lm_gguf_name(f), (int)name.len,
                       name.data);
    if (t->bytes != sizeof value)
        return lm_fail(st, LM_FAILED, "%s: %.*s has sums of several experts, and such models are not known here", lm_gguf_name(f),
                       (int)name.len, name.data);
    memcpy(&value, t->data, sizeof value);
    if (!isfinite(value) || value < 0)
        return lm_fail(st, LM_FAILED, "%s: %.*s is of %g rows: the file is damaged", lm_gguf_name(f), (int)name.len, name.data,
                       (double)value);
    *count = value;
    return true;
}

static bool take_tensors(lm_imatrix *m, const lm_gguf *f, lm_status *st)
{
    for (size_t i = 0; i < lm_gguf_tensors(f); i++) {
        const lm_gguf_tensor *t = lm_gguf_tensor_at(f, i);
        lm_str name = t->name;
        double count = 0;
        if (!cut_suffix(&name, sums_suffix)) {
            if (!cut_suffix(&name, counts_suffix) && !cut_suffix(&name, sum_suffix))
                return lm_fail(st, LM_FAILED, "%s: has a tensor %.*s: it is not an importance matrix alone", lm_gguf_name(f),
                               (int)name.len, name.data);
            continue;
        }
        if (t->dtype != LM_F32 || t->bytes == 0)
            return lm_fail(st, LM_FAILED, "%s: the sums of %.*s are not in F32: the file is damaged", lm_gguf_name(f), (int)name.len,
                           name.data);
        if (!take_count(f, name, &count, st) ||
            !take_entry(m, lm_gguf_name(f), name, t->data, t->bytes / sizeof(float), count, false, st))
            return false;
    }
    return m->count > 0 || lm_fail(st, LM_FAILED, "%s: has no sums: is it an importance matrix?", lm_gguf_name(f));
}

static bool parse_gguf(lm_imatrix *m, const lm_gguf *f, lm_status *st)
{
    const lm_gguf_entry *datasets = lm_gguf_strings(f, "imatrix.datasets", st);
    lm_str type = {NULL, 0};
    if (!lm_ok(st) || !lm_gguf_string(f, "general.type", &type, st) || !lm_gguf_int(f, "imatrix.chunk_count", &m->chunks, st))
        return false;
    if (!lm_str_is(type, "imatrix"))
        return lm_fail(st, LM_FAILED, "%s: is a GGUF file, but no importance matrix: make one with score --emit imatrix",
                       lm_gguf_name(f));
    const unsigned char *at = datasets ? datasets->data : NULL;
    for (size_t i = 0; datasets && i < datasets->count; i++) {
        lm_str s = lm_gguf_next_string(&at);
        free(m->dataset);
        m->dataset = lm_strndup(s.data, s.len);
    }
    return take_tensors(m, f, st);
}

/* ------------------------------------------------------------------ files */

lm_imatrix *lm_imatrix_parse(const void *bytes, size_t size, const char *name, lm_status *st)
{
    lm_imatrix *m = lm_imatrix_new();
    bool ok;
    if (size >= 4 && memcmp(bytes, "GGUF", 4) == 0) {
        lm_gguf *f = lm_gguf_from_memory(bytes, size, name, st);
        ok = f && parse_gguf(m, f, st);
        lm_gguf_close(f);
    } else {
        ok = parse_dat(m, (cursor){bytes, size}, name, st);
    }
    if (ok && lm_imatrix_settle(m, st))
        return m;
    if (ok)
        lm_fail_prefix(st, name);
    lm_imatrix_free(m);
    return NULL;
}

lm_imatrix *lm_imatrix_read(const char *path, lm_status *st)
{
    lm_map map;
    if (!lm_map_open(path, &map, st))
        return NULL;
    lm_imatrix *m = lm_imatrix_parse(map.bytes, map.size, path, st);
    lm_map_close(&map);
    return m;
}
