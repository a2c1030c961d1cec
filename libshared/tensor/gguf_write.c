#include "tensor/gguf_write.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum { VERSION = 3, ALIGNMENT = 32 };

typedef struct tensor {
    char *name;
    lm_dtype type;
    lm_shape shape;
    uint64_t begin, end; /* of its bytes, in what follows the header */
} tensor;

struct lm_gguf_writer {
    char *name;
    lm_buf entries; /* as they will stand in the file */
    char **keys;
    size_t entry_count, key_cap;
    size_t strings_due; /* of the array that was begun */
    tensor *tensors;
    size_t tensor_count, tensor_cap;
    lm_status st; /* the first thing that cannot be written */
    lm_bytes_sink sink;
    void *context;
    size_t current; /* tensor whose bytes come next, */
    uint64_t at;    /* from this one on */
};

lm_gguf_writer *lm_gguf_writer_new(const char *name)
{
    lm_gguf_writer *w = lm_calloc(1, sizeof *w);
    w->name = lm_strdup(name);
    return w;
}

void lm_gguf_writer_free(lm_gguf_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->entry_count; i++)
        free(w->keys[i]);
    for (size_t i = 0; i < w->tensor_count; i++)
        free(w->tensors[i].name);
    free(w->keys);
    free(w->tensors);
    lm_buf_free(&w->entries);
    free(w->name);
    free(w);
}

/* ---------------------------------------------------------------- metadata */

static void put_int(lm_buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        lm_buf_putc(b, (char)(value >> 8 * i));
}

static void put_string(lm_buf *b, lm_str s)
{
    put_int(b, s.len, 8);
    lm_buf_append(b, s.data, s.len);
}

static void begin_entry(lm_gguf_writer *w, lm_str key, lm_gguf_type type)
{
    if (w->strings_due)
        lm_fail(&w->st, LM_FAILED, "%s: %zu strings are missing before \"%.*s\"", w->name, w->strings_due, (int)key.len,
                key.data);
    for (size_t i = 0; i < w->entry_count; i++)
        if (lm_str_is(key, w->keys[i]))
            lm_fail(&w->st, LM_FAILED, "%s: \"%s\" is said twice", w->name, w->keys[i]);
    LM_GROW(w->keys, w->entry_count, w->key_cap);
    w->keys[w->entry_count++] = lm_strndup(key.data, key.len);
    put_string(&w->entries, key);
    put_int(&w->entries, type, 4);
}

static void put_number(lm_gguf_writer *w, const char *key, lm_gguf_type type, uint64_t bits)
{
    begin_entry(w, lm_str_of(key), type);
    put_int(&w->entries, bits, (int)lm_gguf_value_bytes(type));
}

void lm_gguf_put_string(lm_gguf_writer *w, const char *key, lm_str value)
{
    begin_entry(w, lm_str_of(key), LM_GGUF_STRING);
    put_string(&w->entries, value);
}

void lm_gguf_put_u32(lm_gguf_writer *w, const char *key, uint32_t value)
{
    put_number(w, key, LM_GGUF_U32, value);
}

void lm_gguf_put_i32(lm_gguf_writer *w, const char *key, int32_t value)
{
    put_number(w, key, LM_GGUF_I32, (uint32_t)value);
}

void lm_gguf_put_u64(lm_gguf_writer *w, const char *key, uint64_t value)
{
    put_number(w, key, LM_GGUF_U64, value);
}

void lm_gguf_put_f32(lm_gguf_writer *w, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(w, key, LM_GGUF_F32, bits);
}

void lm_gguf_put_bool(lm_gguf_writer *w, const char *key, bool value)
{
    put_number(w, key, LM_GGUF_BOOL, value);
}

static void begin_array(lm_gguf_writer *w, lm_str key, lm_gguf_type type, size_t n)
{
    begin_entry(w, key, LM_GGUF_ARRAY);
    put_int(&w->entries, type, 4);
    put_int(&w->entries, n, 8);
}

void lm_gguf_put_numbers(lm_gguf_writer *w, const char *key, lm_gguf_type type, const void *values, size_t n)
{
    begin_array(w, lm_str_of(key), type, n);
    lm_buf_append(&w->entries, values, n * lm_gguf_value_bytes(type));
}

void lm_gguf_put_strings(lm_gguf_writer *w, const char *key, size_t n)
{
    begin_array(w, lm_str_of(key), LM_GGUF_STRING, n);
    w->strings_due = n;
}

void lm_gguf_put_next(lm_gguf_writer *w, lm_str value)
{
    if (!w->strings_due)
        lm_fail(&w->st, LM_FAILED, "%s: more strings than were said of \"%s\"", w->name,
                w->entry_count ? w->keys[w->entry_count - 1] : "");
    else
        w->strings_due--;
    put_string(&w->entries, value);
}

void lm_gguf_put_entry(lm_gguf_writer *w, const lm_gguf_entry *e)
{
    static const char alignment[] = "general.alignment";
    if (lm_str_is(e->key, alignment)) {
        lm_gguf_put_u32(w, alignment, ALIGNMENT);
        return;
    }
    if (e->array)
        begin_array(w, e->key, e->type, e->count);
    else
        begin_entry(w, e->key, e->type);
    const unsigned char *end = e->data + e->count * lm_gguf_value_bytes(e->type);
    for (size_t i = 0; e->type == LM_GGUF_STRING && i < e->count; i++)
        lm_gguf_next_string(&end);
    lm_buf_append(&w->entries, e->data, (size_t)(end - e->data));
}

/* ---------------------------------------------------------------- tensors */

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void lm_gguf_put_tensor(lm_gguf_writer *w, const char *name, lm_dtype type, const lm_shape *shape)
{
    uint32_t number;
    size_t bytes = 0;
    if (strlen(name) > LM_GGUF_NAME_MAX)
        lm_fail(&w->st, LM_FAILED, "%s: tensor \"%s\": names have at most %d bytes in GGUF files", w->name, name,
                LM_GGUF_NAME_MAX);
    else if (!lm_gguf_type_number(type, &number))
        lm_fail(&w->st, LM_FAILED, "%s: tensor \"%s\": GGUF files have no type %s", w->name, name, lm_dtype_name(type));
    else if (shape->dims < 1 || shape->dims > LM_GGUF_DIMS)
        lm_fail(&w->st, LM_FAILED, "%s: tensor \"%s\" has %d dimensions, where GGUF files have 1 to %d", w->name, name,
                shape->dims, LM_GGUF_DIMS);
    else if (!lm_tensor_bytes(type, shape, &bytes))
        lm_fail(&w->st, LM_FAILED, "%s: tensor \"%s\": a row of it is not whole blocks of %s", w->name, name,
                lm_dtype_name(type));
    LM_GROW(w->tensors, w->tensor_count, w->tensor_cap);
    uint64_t begin = w->tensor_count ? aligned(w->tensors[w->tensor_count - 1].end) : 0;
    if (bytes > INT64_MAX - begin - ALIGNMENT)
        lm_fail(&w->st, LM_FAILED, "%s: tensor \"%s\": no file is that large", w->name, name);
    w->tensors[w->tensor_count++] =
        (tensor){.name = lm_strdup(name), .type = type, .shape = *shape, .begin = begin, .end = begin + bytes};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_names(lm_gguf_writer *w)
{
    char **names = lm_malloc(w->tensor_count + 1, sizeof *names);
    for (size_t i = 0; i < w->tensor_count; i++)
        names[i] = w->tensors[i].name;
    qsort(names, w->tensor_count, sizeof *names, by_name);
    for (size_t i = 1; i < w->tensor_count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            lm_fail(&w->st, LM_FAILED, "%s: two tensors are called \"%s\"", w->name, names[i]);
    free(names);
}

static uint64_t header_size(const lm_gguf_writer *w)
{
    uint64_t n = 4 + 4 + 8 + 8 + w->entries.len;
    for (size_t i = 0; i < w->tensor_count; i++)
        n += 8 + strlen(w->tensors[i].name) + 4 + 8 * (uint64_t)w->tensors[i].shape.dims + 4 + 8;
    return aligned(n);
}

uint64_t lm_gguf_file_size(const lm_gguf_writer *w)
{
    return header_size(w) + (w->tensor_count ? aligned(w->tensors[w->tensor_count - 1].end) : 0);
}

/* ---------------------------------------------------------------- writing */

static void print_header(const lm_gguf_writer *w, lm_buf *b)
{
    lm_buf_puts(b, "GGUF");
    put_int(b, VERSION, 4);
    put_int(b, w->tensor_count, 8);
    put_int(b, w->entry_count, 8);
    lm_buf_append(b, w->entries.data, w->entries.len);
    for (size_t i = 0; i < w->tensor_count; i++) {
        const tensor *t = &w->tensors[i];
        uint32_t number = 0;
        lm_gguf_type_number(t->type, &number);
        put_string(b, lm_str_of(t->name));
        put_int(b, (uint64_t)t->shape.dims, 4);
        for (int d = t->shape.dims - 1; d >= 0; d--)
            put_int(b, (uint64_t)t->shape.size[d], 8);
        put_int(b, number, 4);
        put_int(b, t->begin, 8);
    }
    while (b->len % ALIGNMENT)
        lm_buf_putc(b, 0);
}

bool lm_gguf_write_header(lm_gguf_writer *w, lm_bytes_sink sink, void *context, lm_status *st)
{
    if (w->strings_due)
        lm_fail(&w->st, LM_FAILED, "%s: %zu strings are missing", w->name, w->strings_due);
    check_names(w);
    if (!lm_ok(&w->st))
        return lm_fail(st, w->st.code, "%s", w->st.message);
    lm_buf b = {0};
    print_header(w, &b);
    bool ok = sink(context, b.data, b.len, st);
    lm_buf_free(&b);
    w->sink = sink;
    w->context = context;
    return ok;
}

static bool pad_to(lm_gguf_writer *w, uint64_t begin, lm_status *st)
{
    static const char zeros[ALIGNMENT];
    size_t n = (size_t)(begin - w->at);
    w->at = begin;
    return !n || w->sink(w->context, zeros, n, st);
}

bool lm_gguf_write_data(lm_gguf_writer *w, const void *bytes, size_t n, lm_status *st)
{
    const char *from = bytes;
    while (n) {
        if (w->current == w->tensor_count)
            return lm_fail(st, LM_FAILED, "%s: %zu bytes more than its tensors have", w->name, n);
        const tensor *t = &w->tensors[w->current];
        if (w->at < t->begin && !pad_to(w, t->begin, st))
            return false;
        size_t take = n < t->end - w->at ? n : (size_t)(t->end - w->at);
        if (take && !w->sink(w->context, from, take, st))
            return false;
        w->at += take;
        from += take;
        n -= take;
        w->current += w->at == t->end;
    }
    return true;
}

bool lm_gguf_write_end(lm_gguf_writer *w, lm_status *st)
{
    while (w->current < w->tensor_count && w->tensors[w->current].begin == w->tensors[w->current].end)
        w->current++; /* tensors without elements */
    if (w->current < w->tensor_count)
        return lm_fail(st, LM_FAILED, "%s: the bytes of tensor \"%s\" are missing", w->name, w->tensors[w->current].name);
    return pad_to(w, aligned(w->at), st);
}
