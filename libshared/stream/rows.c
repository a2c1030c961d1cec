/* A tokens record taken apart: which column goes with the rows how, and the per-row members as slices of its header. */
#include "stream/rows.h"
#include "base/memory.h"
#include "stream/rows_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

lm_rows *lm_rows_new(const char *const *keep)
{
    lm_rows *r = lm_calloc(1, sizeof *r);
    r->keep = keep;
    return r;
}

void lm_rows_free(lm_rows *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->field_cap; i++)
        free(r->fields[i].values);
    free(r->fields);
    free(r->columns);
    free(r->roles);
    free(r->labels);
    free(r->id);
    lm_buf_free(&r->names);
    lm_buf_free(&r->others);
    lm_buf_free(&r->signature);
    free(r);
}

static bool is_kept(const lm_rows *r, lm_str name)
{
    if (!r->keep)
        return true;
    for (size_t i = 0; r->keep[i]; i++)
        if (lm_str_is(name, r->keep[i]))
            return true;
    return false;
}

/* ---------------------------------------------------------------------------------------------------- columns */

static size_t width_of(const lm_column *c)
{
    size_t elements = 1;
    for (int d = 1; d < c->shape.dims; d++)
        elements *= (size_t)c->shape.size[d]; /* the reader has checked the product */
    return elements / (size_t)lm_dtype_block(c->dtype) * lm_dtype_block_bytes(c->dtype);
}

static int place_of(const lm_rows *r, const lm_column *c)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->columns[i].column == c)
            return (int)i;
    return -1;
}

static void add_column(lm_rows *r, const lm_column *c, lm_column_role role)
{
    if (place_of(r, c) >= 0)
        return;
    LM_GROW(r->columns, r->count, r->cap);
    r->columns[r->count++] = (lm_row_column){c, role, width_of(c)};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const lm_row_column *)a)->column->name, ((const lm_row_column *)b)->column->name);
}

/* Kept columns, in the order of their names, so that what is packed does not depend on who wrote it. */
static bool read_columns(lm_rows *r, lm_status *st)
{
    const lm_record *rec = r->record;
    if (rec->column_count > r->role_cap) {
        r->role_cap = rec->column_count;
        r->roles = lm_realloc(r->roles, r->role_cap, sizeof *r->roles);
    }
    if (!lm_record_roles(rec, r->roles, st))
        return false;
    for (size_t i = 0; i < rec->column_count; i++) {
        const lm_column *c = &rec->columns[i];
        lm_column_role role = r->roles[i];
        if (!is_kept(r, lm_str_of(c->name)) || (r->keep && role.kind == LM_SPLITS))
            continue;
        if (role.kind == LM_UNCUTTABLE) {
            r->uncuttable = c->name;
            continue;
        }
        add_column(r, c, role);
        if (role.kind == LM_RAGGED)
            add_column(r, &rec->columns[role.splits], (lm_column_role){LM_SPLITS, -1});
    }
    if (r->count)
        qsort(r->columns, r->count, sizeof *r->columns, by_name);
    for (size_t i = 0; i < r->count; i++) {
        if (r->columns[i].role.kind == LM_RAGGED)
            r->columns[i].role.splits = place_of(r, &rec->columns[r->columns[i].role.splits]);
        if (!strcmp(r->columns[i].column->name, "ids"))
            r->ids = (int)i;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------- members */

static void read_list(lm_str list, int64_t n, lm_str **out, size_t *cap)
{
    if ((size_t)n > *cap || !*out) {
        *cap = (size_t)n;
        *out = lm_realloc(*out, (size_t)n, sizeof **out);
    }
    lm_json j = lm_json_over(list);
    bool first = true;
    int64_t i = 0;
    lm_json_enter(&j, '[');
    while (i < n && lm_json_element(&j, &first, &(*out)[i]) > 0)
        i++;
}

static void read_fields(lm_rows *r, lm_str object)
{
    lm_json j = lm_json_over(object);
    lm_str name, values;
    bool first = true;
    lm_buf_reserve(&r->names, object.len); /* enough for all: the names below stay where they are */
    lm_json_enter(&j, '{');
    while (lm_json_member(&j, &first, &name, &values) > 0) {
        if (r->field_count == r->field_cap) {
            size_t old = r->field_cap;
            LM_GROW(r->fields, r->field_count, r->field_cap);
            memset(r->fields + old, 0, (r->field_cap - old) * sizeof *r->fields);
        }
        lm_row_field *f = &r->fields[r->field_count++];
        size_t at = r->names.len, cap = 0;
        lm_json_unquote(name, &r->names);
        f->name = (lm_str){r->names.data + at, r->names.len - at};
        free(f->values);
        f->values = NULL;
        read_list(values, r->n, &f->values, &cap);
    }
}

/* The header has been checked: its lists have n values. */
static void read_members(lm_rows *r, bool *has_labels, bool *has_id)
{
    lm_json j = lm_json_over(r->record->line);
    lm_str name, value;
    bool first = true;
    lm_json_enter(&j, '{');
    while (lm_json_member(&j, &first, &name, &value) > 0) {
        lm_str plain = {name.data + 1, name.len - 2};
        if (lm_str_is(plain, "n") || lm_str_is(plain, "tensors") || lm_str_is(plain, "bytes"))
            continue;
        if (!is_kept(r, plain))
            continue;
        if (lm_str_is(plain, "labels")) {
            read_list(value, r->n, &r->labels, &r->labels_cap);
            *has_labels = true;
        } else if (lm_str_is(plain, "id")) {
            read_list(value, r->n, &r->id, &r->id_cap);
            *has_id = true;
        } else if (lm_str_is(plain, "fields")) {
            read_fields(r, value);
        } else {
            lm_buf_putc(&r->others, ',');
            lm_buf_append(&r->others, name.data, name.len);
            lm_buf_putc(&r->others, ':');
            lm_buf_append(&r->others, value.data, value.len);
        }
    }
}

static void drop(lm_str **list, size_t *cap)
{
    free(*list);
    *list = NULL;
    *cap = 0;
}

static void put_hex(lm_buf *b, uint64_t v)
{
    lm_buf_putc(b, ' ');
    do
        lm_buf_putc(b, "0123456789abcdef"[v & 15]);
    while (v >>= 4);
}

static void sign(lm_rows *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const lm_column *c = r->columns[i].column;
        lm_buf_puts(&r->signature, c->name);
        put_hex(&r->signature, c->dtype);
        put_hex(&r->signature, r->columns[i].role.kind);
        put_hex(&r->signature, (uint64_t)(r->columns[i].role.splits + 1));
        for (int d = 1; d < c->shape.dims; d++)
            put_hex(&r->signature, (uint64_t)c->shape.size[d]);
        lm_buf_putc(&r->signature, '\n');
    }
    lm_buf_puts(&r->signature, r->labels ? "labels\n" : "");
    lm_buf_puts(&r->signature, r->id ? "id\n" : "");
    lm_buf_append(&r->signature, r->others.data, r->others.len);
    lm_buf_putc(&r->signature, '\n');
}

static int find_column(const lm_rows *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->columns[i].column->name, name))
            return (int)i;
    return -1;
}

bool lm_rows_read(lm_rows *r, const lm_record *record, lm_status *st)
{
    bool has_labels = false, has_id = false;
    r->record = record;
    r->n = record->n;
    r->count = r->field_count = 0;
    r->names.len = r->others.len = r->signature.len = 0;
    r->uncuttable = NULL;
    r->ids = -1;
    if (!read_columns(r, st))
        return false;
    read_members(r, &has_labels, &has_id);
    if (!has_labels)
        drop(&r->labels, &r->labels_cap);
    if (!has_id)
        drop(&r->id, &r->id_cap);
    sign(r);
    return true;
}

size_t lm_rows_length(const lm_rows *r, int64_t i)
{
    if (r->ids < 0)
        return 0;
    const int32_t *s = r->columns[r->columns[r->ids].role.splits].column->data;
    return (size_t)(s[i + 1] - s[i]);
}

lm_str lm_rows_member(const lm_rows *r, const char *member, int64_t i)
{
    if (!strcmp(member, "labels") && r->labels)
        return r->labels[i];
    if (!strcmp(member, "id") && r->id)
        return r->id[i];
    return (lm_str){NULL, 0};
}

lm_str lm_rows_field(const lm_rows *r, lm_str name, int64_t i)
{
    for (size_t f = 0; f < r->field_count; f++)
        if (lm_str_equal(r->fields[f].name, name))
            return r->fields[f].values[i];
    return (lm_str){NULL, 0};
}

lm_str lm_rows_bytes(const lm_rows *r, const char *column, int64_t i)
{
    int at = find_column(r, column);
    size_t begin, end;
    if (at < 0 || r->columns[at].role.kind == LM_SPLITS)
        return (lm_str){NULL, 0};
    lm_row_span(r, &r->columns[at], i, &begin, &end);
    return (lm_str){(const char *)r->columns[at].column->data + begin, end - begin};
}

void lm_rows_object(const lm_rows *rows, int64_t i, lm_buf *out)
{
    size_t before = out->len;
    for (size_t f = 0; f < rows->field_count; f++) {
        if (lm_str_is(rows->fields[f].values[i], "null"))
            continue;
        lm_buf_putc(out, out->len > before ? ',' : '{');
        lm_json_string(rows->fields[f].name, out);
        lm_buf_putc(out, ':');
        lm_buf_append(out, rows->fields[f].values[i].data, rows->fields[f].values[i].len);
    }
    lm_buf_puts(out, out->len > before ? "}" : "");
}

bool lm_rows_refuse_cut(const lm_rows *rows, lm_status *st)
{
    return lm_fail(st, LM_FAILED, "record %" PRIu64 ": tensor `%s` is not by rows: this record cannot be cut",
                   rows->record->number, rows->uncuttable);
}
