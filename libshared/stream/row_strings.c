/* Rows of kind tokens as strings. One is the number of its form, its lengths in the columns of splits, the lengths of its members and
 * these, and what it has in the other columns: numbers are of 32 bits, and nothing is aligned. */
#include "base/memory.h"
#include "stream/lines.h"
#include "stream/rows_internal.h"

#include <stdlib.h>
#include <string.h>

enum { RECENT = 16 }; /* forms that a record is compared with: streams have one, or take turns between a few */

struct lm_row_strings {
    lm_row_form **forms;
    size_t count, cap;
    lm_rows *rows;    /* of the record in hand */
    lm_buf fields;    /* of the row in hand */
};

lm_row_strings *lm_row_strings_new(void)
{
    lm_row_strings *s = lm_calloc(1, sizeof *s);
    s->rows = lm_rows_new(NULL);
    return s;
}

static void free_form(lm_row_form *f)
{
    for (size_t k = 0; k < f->rows.count; k++)
        free((char *)f->columns[k].name);
    free(f->columns);
    free(f->rows.columns);
    lm_buf_free(&f->rows.others);
    lm_buf_free(&f->rows.signature);
    free(f);
}

void lm_row_strings_free(lm_row_strings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free_form(s->forms[i]);
    free(s->forms);
    lm_rows_free(s->rows);
    lm_buf_free(&s->fields);
    free(s);
}

/* ---------------------------------------------------------------------------------------------------- forms */

static lm_row_form *make_form(const lm_rows *rows)
{
    lm_row_form *f = lm_calloc(1, sizeof *f);
    f->columns = lm_calloc(rows->count, sizeof *f->columns);
    f->rows.columns = lm_calloc(rows->count, sizeof *f->rows.columns);
    f->rows.count = rows->count;
    f->rows.n = 1;
    for (size_t k = 0; k < rows->count; k++) {
        f->columns[k] = *rows->columns[k].column;
        f->columns[k].name = lm_strdup(f->columns[k].name);
        f->rows.columns[k] = rows->columns[k];
        f->rows.columns[k].column = &f->columns[k];
    }
    for (size_t k = 0; k < rows->count; k++) /* splits are numbered as they come */
        if (rows->columns[k].role.kind == LM_SPLITS)
            f->rows.columns[k].role.splits = (int)f->splits++;
    f->ids = rows->ids < 0 ? -1 : f->rows.columns[rows->columns[rows->ids].role.splits].role.splits;
    lm_buf_append(&f->rows.others, rows->others.data, rows->others.len);
    lm_buf_append(&f->rows.signature, rows->signature.data, rows->signature.len);
    f->rows.labels = rows->labels ? &f->members[LM_ROW_LABELS] : NULL;
    f->rows.id = rows->id ? &f->members[LM_ROW_ID] : NULL;
    f->rows.object = rows->field_count ? &f->members[LM_ROW_FIELDS] : NULL;
    f->has_members = rows->labels || rows->id || rows->field_count;
    return f;
}

/* The number of the form that the rows in hand have. */
static uint32_t find_form(lm_row_strings *s)
{
    const lm_rows *rows = s->rows;
    for (size_t i = s->count; i > 0 && i + RECENT > s->count; i--)
        if (lm_str_equal(lm_buf_str(&s->forms[i - 1]->rows.signature), lm_buf_str(&rows->signature)) &&
            !s->forms[i - 1]->rows.object == !rows->field_count)
            return (uint32_t)(i - 1);
    LM_GROW(s->forms, s->count, s->cap);
    s->forms[s->count] = make_form(rows);
    return (uint32_t)s->count++;
}

lm_row_form *lm_row_strings_form(const lm_row_strings *s, uint32_t number)
{
    return s->forms[number];
}

/* ---------------------------------------------------------------------------------------------------- rows */

static char *put(char *to, const void *from, size_t n)
{
    lm_copy_few(to, from, n);
    return to + n;
}

static void find_members(lm_row_strings *s, int64_t i, lm_str members[LM_ROW_MEMBERS])
{
    const lm_rows *rows = s->rows;
    s->fields.len = 0;
    if (rows->field_count)
        lm_rows_object(rows, i, &s->fields);
    members[LM_ROW_LABELS] = rows->labels ? rows->labels[i] : (lm_str){NULL, 0};
    members[LM_ROW_ID] = rows->id ? rows->id[i] : (lm_str){NULL, 0};
    members[LM_ROW_FIELDS] = lm_buf_str(&s->fields);
}

static bool write_row(lm_row_strings *s, uint32_t number, int64_t i, lm_lines *lines, lm_status *st)
{
    const lm_row_form *f = s->forms[number];
    const lm_rows *rows = s->rows;
    lm_str members[LM_ROW_MEMBERS];
    size_t size = sizeof number * (1 + f->splits), begin, end;
    if (f->has_members) {
        find_members(s, i, members);
        for (int m = 0; m < LM_ROW_MEMBERS; m++)
            size += sizeof number + members[m].len;
    }
    for (size_t k = 0; k < rows->count; k++)
        if (rows->columns[k].role.kind != LM_SPLITS) {
            lm_row_span(rows, &rows->columns[k], i, &begin, &end);
            size += end - begin;
        }
    char *to = lm_lines_more(lines, size, st);
    if (!to)
        return false;
    to = put(to, &number, sizeof number);
    for (size_t k = 0; k < rows->count; k++)
        if (rows->columns[k].role.kind == LM_SPLITS) {
            const int32_t *splits = rows->columns[k].column->data;
            to = put(to, &(uint32_t){(uint32_t)(splits[i + 1] - splits[i])}, sizeof(uint32_t));
        }
    for (int m = 0; f->has_members && m < LM_ROW_MEMBERS; m++) /* a header is shorter than 2^20 bytes */
        to = put(to, &(uint32_t){(uint32_t)members[m].len}, sizeof(uint32_t));
    for (int m = 0; f->has_members && m < LM_ROW_MEMBERS; m++)
        to = put(to, members[m].data, members[m].len);
    for (size_t k = 0; k < rows->count; k++)
        if (rows->columns[k].role.kind != LM_SPLITS) {
            lm_row_span(rows, &rows->columns[k], i, &begin, &end);
            to = put(to, (const char *)rows->columns[k].column->data + begin, end - begin);
        }
    return true;
}

bool lm_row_strings_write(lm_row_strings *s, const lm_record *record, lm_lines *lines, lm_status *st)
{
    if (record->flush || !record->n)
        return true;
    if (!lm_rows_read(s->rows, record, st))
        return false;
    if (s->rows->uncuttable)
        return lm_rows_refuse_cut(s->rows, st);
    uint32_t number = find_form(s);
    for (int64_t i = 0; i < record->n; i++)
        if (!write_row(s, number, i, lines, st))
            return false;
    return true;
}
