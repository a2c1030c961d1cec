/* Rows packed into records. */
#include "base/memory.h"
#include "stream/field_lists.h"
#include "stream/rows_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A column of the record in the making. */
typedef struct pile {
    char *name, *rows; /* rows: name of its splits; NULL = its own, or none */
    lm_dtype dtype;
    lm_shape shape;    /* of one element, in sizes 1 and on */
    lm_column_kind kind;
    int splits;        /* LM_RAGGED: the pile that cuts it */
    lm_buf data;
} pile;

enum { SPOOL_PILES = 4 }; /* labels, id, and their splits */

struct lm_packer {
    lm_record_sink sink;
    void *context;
    bool spool;
    lm_buf signature; /* of the rows in hand */
    const lm_row_form *form; /* of the last string; NULL = there was none since rows came */
    pile *piles;      /* the columns, in the order of lm_rows */
    size_t count;
    pile extra[SPOOL_PILES];
    bool has_labels, has_id;
    lm_buf labels, ids, others, members, scratch;
    lm_field_lists fields;
    int64_t n;
    size_t tokens, bytes;
};

static const char *const spool_names[SPOOL_PILES] = {
    LM_SPOOL_LABELS, LM_SPOOL_LABELS ".splits", LM_SPOOL_ID, LM_SPOOL_ID ".splits"};

lm_packer *lm_packer_new(lm_record_sink sink, void *context, bool spool)
{
    lm_packer *p = lm_calloc(1, sizeof *p);
    p->sink = sink;
    p->context = context;
    p->spool = spool;
    return p;
}

static void free_piles(lm_packer *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->piles[i].name);
        free(p->piles[i].rows);
        lm_buf_free(&p->piles[i].data);
    }
    free(p->piles);
    p->piles = NULL;
    p->count = 0;
}

void lm_packer_free(lm_packer *p)
{
    if (!p)
        return;
    free_piles(p);
    for (int i = 0; i < SPOOL_PILES; i++)
        lm_buf_free(&p->extra[i].data);
    lm_field_lists_free(&p->fields);
    lm_buf_free(&p->signature);
    lm_buf_free(&p->labels);
    lm_buf_free(&p->ids);
    lm_buf_free(&p->others);
    lm_buf_free(&p->members);
    lm_buf_free(&p->scratch);
    free(p);
}

bool lm_write_sink(void *writer, lm_str members, int64_t n, const lm_column *columns, size_t count, lm_status *st)
{
    return lm_lms_write_members(writer, members, n, columns, count, st);
}

/* ---------------------------------------------------------------------------------------------------- beginning */

static bool has_own_splits(const lm_row_column *c, const char *splits)
{
    size_t n = strlen(c->column->name);
    return !strncmp(splits, c->column->name, n) && !strcmp(splits + n, ".splits");
}

/* Takes over the columns of the rows. */
static void adopt(lm_packer *p, const lm_rows *rows)
{
    free_piles(p);
    p->signature.len = p->others.len = 0;
    lm_buf_append(&p->signature, rows->signature.data, rows->signature.len);
    lm_buf_append(&p->others, rows->others.data, rows->others.len);
    p->piles = lm_calloc(rows->count, sizeof *p->piles);
    p->count = rows->count;
    for (size_t i = 0; i < rows->count; i++) {
        const lm_row_column *c = &rows->columns[i];
        pile *q = &p->piles[i];
        q->name = lm_strdup(c->column->name);
        q->dtype = c->column->dtype;
        q->shape = c->column->shape;
        q->kind = c->role.kind;
        q->splits = c->role.splits;
        if (c->role.kind == LM_RAGGED) {
            const char *splits = rows->columns[c->role.splits].column->name;
            q->rows = has_own_splits(c, splits) ? NULL : lm_strdup(splits);
        }
    }
    p->has_labels = rows->labels != NULL;
    p->has_id = rows->id != NULL;
}

/* Empties everything for a new record; splits begin with 0. */
static void begin_record(lm_packer *p)
{
    static const int32_t zero = 0;
    p->n = 0;
    p->tokens = p->bytes = 0;
    p->labels.len = p->ids.len = 0;
    lm_field_lists_clear(&p->fields);
    for (size_t i = 0; i < p->count; i++) {
        p->piles[i].data.len = 0;
        if (p->piles[i].kind == LM_SPLITS)
            lm_buf_append(&p->piles[i].data, &zero, sizeof zero);
    }
    for (int i = 0; i < SPOOL_PILES; i++) {
        p->extra[i].data.len = 0;
        if (i % 2)
            lm_buf_append(&p->extra[i].data, &zero, sizeof zero);
    }
}

/* ---------------------------------------------------------------------------------------------------- members */

static void add_text(lm_packer *p, int extra, lm_str text)
{
    lm_buf_append(&p->extra[extra].data, text.data, text.len);
    int32_t end = (int32_t)p->extra[extra].data.len;
    lm_buf_append(&p->extra[extra + 1].data, &end, sizeof end);
}

static void add_to_list(lm_packer *p, lm_buf *list, lm_str json)
{
    if (p->n)
        lm_buf_putc(list, ',');
    lm_buf_append(list, json.data, json.len);
}

static void add_label(lm_packer *p, lm_str json)
{
    if (!p->spool) {
        add_to_list(p, &p->labels, json);
        return;
    }
    p->scratch.len = 0;
    lm_json_unquote(json, &p->scratch);
    add_text(p, 0, lm_buf_str(&p->scratch));
}

static void add_object(lm_packer *p, lm_str object)
{
    lm_json j = lm_json_over(object);
    lm_str name, value;
    bool first = true;
    lm_json_enter(&j, '{');
    while (lm_json_member(&j, &first, &name, &value) > 0) {
        p->scratch.len = 0;
        lm_json_unquote(name, &p->scratch);
        lm_field_lists_add(&p->fields, p->n, lm_buf_str(&p->scratch), value);
    }
}

static void add_fields(lm_packer *p, const lm_rows *rows, int64_t i)
{
    if (rows->object)
        add_object(p, *rows->object);
    for (size_t f = 0; f < rows->field_count; f++)
        lm_field_lists_add(&p->fields, p->n, rows->fields[f].name, rows->fields[f].values[i]);
    lm_field_lists_pad(&p->fields, p->n + 1);
}

/* Row i is there then. */
static void add_members(lm_packer *p, const lm_rows *rows, int64_t i)
{
    if (p->has_labels)
        add_label(p, rows->labels[i]);
    if (p->has_id && p->spool)
        add_text(p, 2, rows->id[i]);
    else if (p->has_id)
        add_to_list(p, &p->ids, rows->id[i]);
    if (!p->spool)
        add_fields(p, rows, i);
    p->n++;
}

static size_t member_bytes(const lm_rows *rows, int64_t i)
{
    size_t bytes = 16;
    if (rows->labels)
        bytes += rows->labels[i].len;
    if (rows->id)
        bytes += rows->id[i].len;
    if (rows->object)
        bytes += rows->object->len;
    for (size_t f = 0; f < rows->field_count; f++)
        if (!lm_str_is(rows->fields[f].values[i], "null"))
            bytes += rows->fields[f].name.len + rows->fields[f].values[i].len + 4;
    return bytes;
}

/* ---------------------------------------------------------------------------------------------------- rows */

static size_t row_bytes(const lm_rows *rows, int64_t i)
{
    size_t bytes = 0, begin, end;
    for (size_t k = 0; k < rows->count; k++) {
        if (rows->columns[k].role.kind == LM_SPLITS) {
            bytes += 4;
            continue;
        }
        lm_row_span(rows, &rows->columns[k], i, &begin, &end);
        bytes += end - begin;
    }
    return bytes;
}

static void append(lm_packer *p, const lm_rows *rows, int64_t first, int64_t count)
{
    size_t begin, end, ignored;
    for (size_t k = 0; k < rows->count; k++) {
        const lm_row_column *c = &rows->columns[k];
        lm_buf *data = &p->piles[k].data;
        if (c->role.kind == LM_SPLITS) {
            const int32_t *s = c->column->data;
            int32_t shift;
            memcpy(&shift, data->data + data->len - 4, 4);
            shift -= s[first];
            for (int64_t i = first; i < first + count; i++) {
                int32_t v = s[i + 1] + shift;
                lm_buf_append(data, &v, sizeof v);
            }
        } else {
            lm_row_span(rows, c, first, &begin, &ignored);
            lm_row_span(rows, c, first + count - 1, &ignored, &end);
            lm_buf_append(data, (const char *)c->column->data + begin, end - begin);
        }
    }
    for (int64_t i = first; i < first + count; i++)
        add_members(p, rows, i);
}

/* Passes on a record that cannot be cut. */
static bool pass_on(lm_packer *p, const lm_rows *rows, int64_t first, int64_t count, lm_status *st)
{
    if (first != 0 || count != rows->n || p->spool)
        return lm_rows_refuse_cut(rows, st);
    if (!lm_packer_flush(p, st))
        return false;
    lm_json j = lm_json_over(rows->record->line);
    lm_str name, value;
    bool start = true;
    p->members.len = 0;
    lm_json_enter(&j, '{');
    while (lm_json_member(&j, &start, &name, &value) > 0)
        if (!lm_str_is(name, "\"tensors\"") && !lm_str_is(name, "\"bytes\"")) {
            lm_buf_puts(&p->members, p->members.len ? "," : "");
            lm_buf_append(&p->members, name.data, name.len);
            lm_buf_putc(&p->members, ':');
            lm_buf_append(&p->members, value.data, value.len);
        }
    return p->sink(p->context, lm_buf_str(&p->members), rows->n, rows->record->columns, rows->record->column_count, st);
}

/* Begins a record of rows like these, unless they can stand in the one that is being made. */
static bool turn_to(lm_packer *p, const lm_rows *rows, lm_status *st)
{
    if (lm_str_equal(lm_buf_str(&p->signature), lm_buf_str(&rows->signature)))
        return true;
    if (!lm_packer_flush(p, st))
        return false;
    adopt(p, rows);
    begin_record(p);
    return true;
}

static size_t header_bytes(const lm_packer *p)
{
    return p->labels.len + p->ids.len + lm_field_lists_bytes(&p->fields) + p->others.len;
}

/* Whether a row makes the record too large; `header`: bytes of members with it. */
static bool is_full(const lm_packer *p, size_t tokens, size_t bytes, size_t header)
{
    return p->tokens + tokens > LM_LMS_RECORD_TOKENS || p->bytes + bytes > LM_LMS_RECORD_BYTES ||
           header > LM_LMS_HEADER_MAX / 2;
}

bool lm_packer_add(lm_packer *p, const lm_rows *rows, int64_t first, int64_t count, lm_status *st)
{
    if (rows->uncuttable && count)
        return pass_on(p, rows, first, count, st);
    p->form = NULL;
    if (count && !turn_to(p, rows, st))
        return false;
    int64_t from = first; /* rows from here are still to be appended */
    size_t header = header_bytes(p);
    for (int64_t i = first; i < first + count; i++) {
        size_t tokens = lm_rows_length(rows, i), members = member_bytes(rows, i) + 5 * p->fields.count,
               bytes = row_bytes(rows, i) + (p->spool ? members : 0);
        bool some = p->n + (i - from) > 0;
        if (some && is_full(p, tokens, bytes, header + members)) {
            append(p, rows, from, i - from);
            if (!lm_packer_flush(p, st))
                return false;
            from = i;
            header = p->others.len;
        }
        p->tokens += tokens;
        p->bytes += bytes;
        header += members;
    }
    if (from < first + count)
        append(p, rows, from, first + count - from);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- strings */

static uint32_t number_at(const char *p, size_t i)
{
    uint32_t n;
    memcpy(&n, p + i * sizeof n, sizeof n);
    return n;
}

/* Puts the members that stand there into the form's only row; where they end. */
static const char *find_members(lm_row_form *f, const char *at)
{
    const char *from = at + LM_ROW_MEMBERS * sizeof(uint32_t);
    for (size_t m = 0; m < LM_ROW_MEMBERS; m++) {
        f->members[m] = (lm_str){from, number_at(at, m)};
        from += f->members[m].len;
    }
    return from;
}

/* What a row has in the columns: `lengths` for splits, the others' bytes from `from` on. */
static void append_string(lm_packer *p, const lm_rows *rows, const char *lengths, const char *from)
{
    for (size_t k = 0; k < rows->count; k++) {
        const lm_row_column *c = &rows->columns[k];
        lm_buf *data = &p->piles[k].data;
        size_t n = c->width;
        if (c->role.kind == LM_RAGGED)
            n *= number_at(lengths, (size_t)rows->columns[c->role.splits].role.splits);
        if (data->cap - data->len < n)
            lm_buf_reserve(data, n);
        char *to = data->data + data->len;
        data->len += n;
        if (c->role.kind == LM_SPLITS) {
            uint32_t end = number_at(to - sizeof end, 0) + number_at(lengths, (size_t)c->role.splits);
            memcpy(to, &end, sizeof end);
        } else {
            lm_copy_few(to, from, n);
            from += n;
        }
    }
}

bool lm_packer_add_string(lm_packer *p, const lm_row_strings *s, lm_str line, lm_status *st)
{
    lm_row_form *f = lm_row_strings_form(s, number_at(line.data, 0));
    const char *lengths = line.data + sizeof(uint32_t), *from = lengths + f->splits * sizeof(uint32_t);
    if (p->form != f && !turn_to(p, &f->rows, st))
        return false;
    p->form = f;
    if (f->has_members)
        from = find_members(f, from);
    size_t tokens = f->ids < 0 ? 0 : number_at(lengths, (size_t)f->ids);
    size_t bytes = (size_t)(line.data + line.len - from) + f->splits * sizeof(int32_t);
    size_t members = member_bytes(&f->rows, 0) + 5 * p->fields.count;
    if (p->n && is_full(p, tokens, bytes, header_bytes(p) + members) && !lm_packer_flush(p, st))
        return false;
    p->tokens += tokens;
    p->bytes += bytes;
    append_string(p, &f->rows, lengths, from);
    add_members(p, &f->rows, 0);
    return true;
}

/* ---------------------------------------------------------------------------------------------------- records */

static lm_column make_column(const lm_packer *p, const pile *q)
{
    lm_column c = {.name = q->name, .dtype = q->dtype, .shape = q->shape, .data = q->data.data,
                   .bytes = q->data.len, .rows = q->rows};
    c.shape.size[0] = q->kind == LM_SPLITS    ? p->n + 1
                      : q->kind == LM_PER_ROW ? p->n
                                              : ((const int32_t *)p->piles[q->splits].data.data)[p->n];
    return c;
}

static void add_list(lm_buf *out, const char *name, const lm_buf *list)
{
    lm_buf_printf(out, ",\"%s\":[", name);
    lm_buf_append(out, list->data, list->len);
    lm_buf_putc(out, ']');
}

static size_t make_extra(const lm_packer *p, lm_column *out)
{
    const bool has[2] = {p->has_labels, p->has_id};
    size_t count = 0;
    for (int i = 0; i < SPOOL_PILES; i++) {
        const lm_buf *d = &p->extra[i].data;
        if (has[i / 2])
            out[count++] = (lm_column){.name = spool_names[i], .dtype = i % 2 ? LM_I32 : LM_U8,
                                       .shape = {1, {i % 2 ? p->n + 1 : (int64_t)d->len}}, .data = d->data,
                                       .bytes = d->len};
    }
    return count;
}

bool lm_packer_flush(lm_packer *p, lm_status *st)
{
    if (!p->n)
        return true;
    lm_column *columns = lm_calloc(p->count + SPOOL_PILES, sizeof *columns);
    for (size_t i = 0; i < p->count; i++)
        columns[i] = make_column(p, &p->piles[i]);
    size_t count = p->count;
    lm_buf *m = &p->members;
    m->len = 0;
    lm_buf_puts(m, "\"n\":");
    lm_buf_decimal(m, (uint64_t)p->n);
    if (p->spool) {
        count += make_extra(p, columns + count);
    } else {
        if (p->has_labels)
            add_list(m, "labels", &p->labels);
        if (p->has_id)
            add_list(m, "id", &p->ids);
        lm_field_lists_write(&p->fields, m);
    }
    lm_buf_append(m, p->others.data, p->others.len);
    bool ok = p->sink(p->context, lm_buf_str(m), p->n, columns, count, st);
    free(columns);
    begin_record(p);
    return ok;
}
