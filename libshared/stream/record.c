/* Headers and columns of single records. */
#include "stream/record.h"
#include "base/memory.h"
#include "stream/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *lm_lms_kind_name(lm_lms_kind kind)
{
    static const char *const names[] = {"text", "tokens", "model"};
    return names[kind];
}

/* ---------------------------------------------------------------------------------------------------- the line */

/* From behind a quote to behind the one that closes it. */
static const char *skip_string(const char *p, const char *end)
{
    bool ignored = true;
    while ((p = lm_json_plain(p, end, &ignored)) < end) {
        char c = *p++;
        if (c == '"')
            break;
        p += c == '\\' && p < end;
    }
    return p;
}

/* Brackets open outside strings, at most; before a parser that recurses sees the text. */
int lm_header_nesting(lm_str s)
{
    int depth = 0, most = 0;
    for (const char *p = s.data, *end = s.data + s.len; p < end;) {
        char c = *p++;
        if (c == '"') {
            p = skip_string(p, end);
        } else if (c == '{' || c == '[') {
            if (++depth > most)
                most = depth;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return most;
}

/* A copy in which numbers that jansson cannot hold stand as strings. */
static void quote_large_numbers(lm_str s, lm_buf *out)
{
    bool in_string = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!in_string && (c == '-' || (c >= '0' && c <= '9'))) {
            size_t n = strspn(s.data + i, "+-.0123456789eE"); /* ends: the line ends with LF */
            char *number = lm_strndup(s.data + i, n);
            errno = 0;
            if (strpbrk(number, ".eE"))
                strtod(number, NULL);
            else
                strtoll(number, NULL, 10);
            bool large = errno == ERANGE;
            lm_buf_puts(out, large ? "\"" : "");
            lm_buf_puts(out, number);
            lm_buf_puts(out, large ? "\"" : "");
            free(number);
            i += n - 1;
            continue;
        }
        if (in_string && c == '\\' && i + 1 < s.len)
            lm_buf_putc(out, s.data[i++]);
        else if (c == '"')
            in_string = !in_string;
        lm_buf_putc(out, s.data[i]);
    }
}

/* *clean: behind the object stand only spaces. */
static json_t *parse_object(lm_str text, bool *clean, json_error_t *error)
{
    json_t *header = json_loadb(text.data, text.len,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, error);
    size_t close = header ? (size_t)error->position : text.len;
    *clean = close <= text.len && strspn(text.data + close, " ") >= text.len - close;
    return header;
}

static json_t *parse(lm_str text, bool *clean, json_error_t *error)
{
    json_t *header = parse_object(text, clean, error);
    if (!header && json_error_code(error) == json_error_numeric_overflow) {
        lm_buf copy = {0};
        quote_large_numbers(text, &copy);
        header = parse_object((lm_str){lm_buf_cstr(&copy), copy.len}, clean, error);
        lm_buf_free(&copy);
    }
    return header;
}

static bool fail_parse(const json_error_t *error, const char *where, lm_status *st)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return lm_fail(st, LM_FAILED, "%s: a member stands twice in the header: %s", where, error->text);
    case json_error_invalid_utf8:
        return lm_fail(st, LM_FAILED, "%s: the header is not UTF-8: the stream is damaged", where);
    default:
        return lm_fail(st, LM_FAILED, "%s: the header is not JSON: %s: the stream is damaged", where, error->text);
    }
}

json_t *lm_header_parse(lm_str line, const char *where, lm_status *st)
{
    json_error_t error;
    bool clean;
    lm_str text = {line.data, line.len && line.data[line.len - 1] == '\n' ? line.len - 1 : line.len};
    json_t *header = NULL;
    if (!text.len || text.data[0] != '{')
        lm_fail(st, LM_FAILED, "%s: no record begins here (a JSON object is missing): the stream is damaged", where);
    else if (memchr(text.data, '\0', text.len))
        lm_fail(st, LM_FAILED, "%s: a NUL byte in the header: the stream is damaged", where);
    else if (lm_header_nesting(text) > LM_LMS_DEPTH_MAX)
        lm_fail(st, LM_FAILED, "%s: the header is nested deeper than %d", where, LM_LMS_DEPTH_MAX);
    else if (!(header = parse(text, &clean, &error)))
        fail_parse(&error, where, st);
    else if (!clean)
        lm_fail(st, LM_FAILED, "%s: something stands behind the header: the stream is damaged", where);
    else if (line.len % 64 != 0)
        lm_fail(st, LM_FAILED, "%s: the header line has %zu bytes, no multiple of 64: the stream is damaged", where,
                line.len);
    if (!lm_ok(st)) {
        json_decref(header);
        header = NULL;
    }
    return header;
}

static bool is_hex16(const char *s)
{
    return strlen(s) == 16 && strspn(s, "0123456789abcdef") == 16;
}

lm_control lm_header_control(json_t *header)
{
    if (json_is_integer(json_object_get(header, "lms")) && json_is_string(json_object_get(header, "kind")))
        return LM_PREAMBLE;
    if (json_object_size(header) != 1)
        return LM_RECORD;
    json_t *end = json_object_get(header, "end"), *abort = json_object_get(header, "abort");
    const char *xxh3 = json_string_value(json_object_get(end, "xxh3"));
    if (xxh3 && is_hex16(xxh3) && json_is_integer(json_object_get(end, "records")) &&
        json_is_integer(json_object_get(end, "examples")))
        return LM_END;
    if (json_is_string(json_object_get(abort, "by")) && json_is_string(json_object_get(abort, "why")))
        return LM_ABORT;
    return json_is_true(json_object_get(header, "flush")) ? LM_FLUSH : LM_RECORD;
}

bool lm_header_payload(const lm_header_view *header, int64_t *bytes, lm_status *st)
{
    const lm_header_member *b = lm_header_find(header, "bytes");
    *bytes = -1;
    if (!b)
        return !lm_header_find(header, "tensors") || lm_fail(st, LM_FAILED, "`tensors` without `bytes`");
    if (!lm_header_integer(b, bytes) || *bytes < 0 || *bytes > LM_LMS_PAYLOAD_MAX)
        return lm_fail(st, LM_FAILED, "`bytes` is not a number from 0 to %d", LM_LMS_PAYLOAD_MAX);
    return true;
}

bool lm_header_must(json_t *header, const char *const *extra, lm_status *st)
{
    static const char *const known[] = {
        "lms", "kind", "producer", "via", "tokenizer", "behaviour", "tags", "bytes", "tensors", "must", "n", "labels",
        "id", "fields", "text", "pair", "label", "file", "index", "part", "end", "abort", "flush", NULL};
    json_t *must = json_object_get(header, "must"), *name;
    if (!must)
        return true;
    if (!json_is_array(must))
        return lm_fail(st, LM_FAILED, "`must` is no list of names");
    size_t i;
    json_array_foreach(must, i, name) {
        const char *s = json_string_value(name);
        if (!s)
            return lm_fail(st, LM_FAILED, "`must` is no list of names");
        bool found = lm_known_column_find(s) != NULL;
        for (size_t k = 0; !found && known[k]; k++)
            found = !strcmp(known[k], s);
        for (size_t k = 0; !found && extra && extra[k]; k++)
            found = !strcmp(extra[k], s);
        if (!found)
            return lm_fail(st, LM_FAILED, "`%s` has to be understood here (`must`) and is not: use a newer version", s);
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- columns */

static bool fail_column(lm_status *st, const char *name, const char *why)
{
    return lm_fail(st, LM_FAILED, "tensor `%s`: %s", name, why);
}

/* The decoded name, NUL behind it, in `names`, which has room for it. */
static lm_str keep_name(lm_str quoted, lm_buf *names)
{
    char *at = names->data + names->len;
    bool ignored;
    size_t n = lm_json_unquote_to(quoted, at, &ignored);
    at[n] = '\0';
    names->len += n + 1;
    return (lm_str){at, n};
}

/* One description; c->data gets the offset, which lm_record_columns makes a pointer. */
static bool read_column(lm_column *c, const lm_header_view *header, const lm_header_member *d, int64_t bytes, lm_buf *names,
                        lm_status *st)
{
    const lm_header_member *rows = lm_header_below(header, d, "rows"), *dtype = lm_header_below(header, d, "dtype");
    const char *name = keep_name((lm_str){d->name.data - 1, d->name.len + 2}, names).data;
    int64_t at[2];
    size_t expected;
    *c = (lm_column){.name = name};
    if (!lm_header_is(dtype, '"'))
        return fail_column(st, name, "no dtype");
    lm_str its = keep_name(dtype->value, names);
    if (!lm_dtype_find(its, &c->dtype))
        return lm_fail(st, LM_FAILED, "tensor `%s`: unknown dtype %.40s", name, its.data);
    c->shape.dims = lm_header_integers(lm_header_below(header, d, "shape"), c->shape.size, LM_MAX_DIMS);
    for (int i = 0; i < c->shape.dims; i++)
        if (c->shape.size[i] < 0)
            c->shape.dims = -1;
    if (c->shape.dims < 0)
        return fail_column(st, name, "the shape is not a list of up to 8 sizes");
    if (rows && !lm_header_is(rows, '"'))
        return fail_column(st, name, "`rows` is not a name");
    if (rows)
        c->rows = keep_name(rows->value, names).data;
    if (lm_header_integers(lm_header_below(header, d, "data_offsets"), at, 2) != 2 || at[0] < 0 || at[1] < at[0] || at[1] > bytes)
        return fail_column(st, name, "data_offsets do not lie within the payload");
    if (!lm_tensor_bytes(c->dtype, &c->shape, &expected))
        return fail_column(st, name, "the shape is not possible");
    c->bytes = (size_t)(at[1] - at[0]);
    c->data = (const void *)(uintptr_t)at[0];
    if (c->bytes != expected)
        return lm_fail(st, LM_FAILED, "tensor `%s`: the shape makes %zu bytes, data_offsets say %zu", name,
                       expected, c->bytes);
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const lm_column *x = a, *y = b;
    uintptr_t i = (uintptr_t)x->data, j = (uintptr_t)y->data;
    return i != j ? (i < j ? -1 : 1) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

bool lm_record_describe(lm_record *record, const lm_header_view *header, size_t *cap, lm_buf *names, int64_t bytes,
                        lm_status *st)
{
    const lm_header_member *tensors = lm_header_find(header, "tensors");
    record->column_count = 0;
    names->len = 0;
    if (!tensors)
        return true;
    if (!lm_header_is(tensors, '{'))
        return lm_fail(st, LM_FAILED, "`tensors` is no object");
    lm_buf_reserve(names, tensors->value.len); /* where names have quotes they have an end here */
    bool sorted = true;
    for (const lm_header_member *d = lm_header_first(tensors); d; d = lm_header_next(header, d)) {
        LM_GROW(record->columns, record->column_count, *cap);
        lm_column *c = &record->columns[record->column_count];
        if (!read_column(c, header, d, bytes, names, st))
            return false;
        sorted &= !record->column_count || by_offset(c - 1, c) <= 0;
        record->column_count++;
    }
    if (!sorted)
        qsort(record->columns, record->column_count, sizeof *record->columns, by_offset);
    uintptr_t end = 0;
    for (size_t i = 0; i < record->column_count; i++) {
        const lm_column *c = &record->columns[i];
        if ((uintptr_t)c->data != end)
            return fail_column(st, c->name,
                               (uintptr_t)c->data < end ? "it overlaps the one before it" : "a hole before it");
        end += c->bytes;
    }
    if ((int64_t)end != bytes)
        return lm_fail(st, LM_FAILED, "the tensors end at byte %zu of a payload of %lld", (size_t)end,
                       (long long)bytes);
    return true;
}

static size_t alignment(const lm_column *c)
{
    return lm_dtype_block(c->dtype) == 1 ? lm_dtype_block_bytes(c->dtype) : 1;
}

static bool check_bools(const lm_column *c, lm_status *st)
{
    const unsigned char *p = c->data;
    unsigned char all = 0;
    for (size_t i = 0; i < c->bytes; i++)
        all |= p[i];
    return all <= 1 || fail_column(st, c->name, "a BOOL that is neither 0 nor 1");
}

bool lm_record_columns(lm_record *record, lm_buf *aligned, lm_status *st)
{
    enum { MOST = 8 }; /* the largest element */
    size_t extra = 0;
    for (size_t i = 0; i < record->column_count; i++) {
        lm_column *c = &record->columns[i];
        c->data = record->payload.data + (uintptr_t)c->data;
        if ((uintptr_t)c->data % alignment(c))
            extra += c->bytes + MOST;
        if (c->dtype == LM_BOOL && !check_bools(c, st))
            return false;
    }
    if (!extra)
        return true;
    aligned->len = 0;
    lm_buf_reserve(aligned, extra);
    for (size_t i = 0; i < record->column_count; i++) {
        lm_column *c = &record->columns[i];
        if ((uintptr_t)c->data % alignment(c) == 0)
            continue;
        aligned->len = (aligned->len + MOST - 1) / MOST * MOST;
        memcpy(aligned->data + aligned->len, c->data, c->bytes);
        c->data = aligned->data + aligned->len;
        aligned->len += c->bytes;
    }
    return true;
}

const lm_column *lm_record_column(const lm_record *r, const char *name)
{
    for (size_t i = 0; i < r->column_count; i++)
        if (!strcmp(r->columns[i].name, name))
            return &r->columns[i];
    return NULL;
}

json_t *lm_record_header(const lm_record *r)
{
    lm_status ignored = LM_STATUS_INIT; /* it has been checked */
    if (r->header && !*r->header)
        *r->header = lm_header_parse(r->line, "", &ignored);
    return r->header ? *r->header : NULL;
}
