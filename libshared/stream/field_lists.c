#include "stream/field_lists.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void lm_field_lists_free(lm_field_lists *f)
{
    for (size_t i = 0; i < f->cap; i++) {
        lm_buf_free(&f->items[i].name);
        lm_buf_free(&f->items[i].values);
    }
    free(f->items);
    *f = (lm_field_lists){0};
}

void lm_field_lists_clear(lm_field_lists *f)
{
    f->count = 0;
}

static void add_value(lm_field_list *f, lm_str json)
{
    if (f->rows++)
        lm_buf_putc(&f->values, ',');
    lm_buf_append(&f->values, json.data, json.len);
}

static void pad(lm_field_list *f, int64_t rows)
{
    while (f->rows < rows)
        add_value(f, (lm_str){"null", 4});
}

static lm_field_list *find(lm_field_lists *f, lm_str name)
{
    for (size_t i = 0; i < f->count; i++)
        if (lm_str_equal(lm_buf_str(&f->items[i].name), name))
            return &f->items[i];
    if (f->count == f->cap) {
        size_t old = f->cap;
        LM_GROW(f->items, f->count, f->cap);
        memset(f->items + old, 0, (f->cap - old) * sizeof *f->items);
    }
    lm_field_list *x = &f->items[f->count++]; /* buffers of an earlier record are used again */
    x->name.len = x->values.len = 0;
    x->rows = 0;
    lm_buf_append(&x->name, name.data, name.len);
    return x;
}

void lm_field_lists_add(lm_field_lists *f, int64_t row, lm_str name, lm_str json)
{
    lm_field_list *x = find(f, name);
    pad(x, row);
    if (x->rows == row)
        add_value(x, json);
}

void lm_field_lists_pad(lm_field_lists *f, int64_t rows)
{
    for (size_t i = 0; i < f->count; i++)
        pad(&f->items[i], rows);
}

size_t lm_field_lists_bytes(const lm_field_lists *f)
{
    size_t bytes = 16;
    for (size_t i = 0; i < f->count; i++)
        bytes += 6 * f->items[i].name.len + f->items[i].values.len + 16;
    return bytes;
}

void lm_field_lists_write(const lm_field_lists *f, lm_buf *out)
{
    for (size_t i = 0; i < f->count; i++) {
        lm_buf_puts(out, i ? "," : ",\"fields\":{");
        lm_json_string(lm_buf_str(&f->items[i].name), out);
        lm_buf_puts(out, ":[");
        lm_buf_append(out, f->items[i].values.data, f->items[i].values.len);
        lm_buf_putc(out, ']');
    }
    if (f->count)
        lm_buf_putc(out, '}');
}
