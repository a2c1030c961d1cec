/* Between values and JSON text: as Python's json module reads and writes it. */
#include "base/memory.h"
#include "base/python_float.h"
#include "base/utf8.h"
#include "stream/json.h"
#include "text/chat/value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- reading */

static lm_value read_number(lm_jinja_memory *m, lm_str json)
{
    char digits[64];
    bool whole = true;
    for (size_t i = 0; i < json.len; i++)
        whole &= !memchr(".eE", json.data[i], 3);
    char *copy =
        json.len < sizeof digits ? memcpy(digits, json.data, json.len) : lm_strndup(json.data, json.len);
    if (copy == digits)
        digits[json.len] = '\0';
    errno = 0;
    lm_value v = whole ? lm_value_int(strtoll(copy, NULL, 10)) : lm_value_float(strtod(copy, NULL));
    if (whole && errno == ERANGE)
        v = (lm_value){.kind = LM_VALUE_BIG, .text = lm_jinja_copy(m, json)};
    if (copy != digits)
        free(copy);
    return v;
}

static lm_value read_string(lm_jinja_memory *m, lm_str json)
{
    char *text = lm_jinja_alloc(m, json.len, 1);
    bool whole;
    if (!lm_ok(m->status))
        return lm_value_none();
    size_t n = lm_json_unquote_to(json, text, &whole);
    return lm_value_string((lm_str){text, n});
}

static lm_value read_value(lm_jinja_memory *m, lm_str json, int depth)
{
    lm_json j = lm_json_over(json);
    lm_str name, item;
    bool first = true;
    if (depth > LM_JSON_DEPTH_MAX || !json.len)
        return lm_value_none();
    switch (json.data[0]) {
    case '{': {
        lm_value dict = lm_value_dict_new(m, LM_VALUE_DICT);
        lm_json_enter(&j, '{');
        while (lm_ok(m->status) && lm_json_member(&j, &first, &name, &item) > 0)
            lm_value_put(m, dict, read_string(m, name), read_value(m, item, depth + 1));
        return dict;
    }
    case '[': {
        lm_value list = lm_value_list_new(m, LM_IS_LIST, 0);
        lm_json_enter(&j, '[');
        while (lm_ok(m->status) && lm_json_element(&j, &first, &item) > 0)
            lm_value_push(m, list, read_value(m, item, depth + 1));
        return list;
    }
    case '"':
        return read_string(m, json);
    case 't':
        return lm_value_bool(true);
    case 'f':
        return lm_value_bool(false);
    case 'n':
        return lm_value_none();
    default:
        return read_number(m, json);
    }
}

lm_value lm_value_from_json(lm_jinja_memory *m, lm_str json)
{
    return read_value(m, json, 0);
}

/* ---------------------------------------------------------------- writing */

typedef struct writer {
    const lm_json_style *style;
    lm_buf *out;
    const char *what;
} writer;

static void put_string(const writer *w, lm_str s)
{
    if (!w->style->ascii) {
        lm_json_string(s, w->out);
        return;
    }
    lm_buf utf8 = {0};
    lm_json_string(s, &utf8);
    for (size_t i = 0; i < utf8.len;) {
        uint32_t c;
        size_t n = lm_utf8_decode(utf8.data + i, utf8.len - i, &c);
        if (c < 0x80)
            lm_buf_putc(w->out, (char)c);
        else if (c < 0x10000)
            lm_buf_printf(w->out, "\\u%04x", (unsigned)c);
        else
            lm_buf_printf(w->out, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)),
                          (unsigned)(0xDC00 + (c & 0x3FF)));
        i += n;
    }
    lm_buf_free(&utf8);
}

static void new_line(const writer *w, int depth)
{
    if (!w->style->indent.data)
        return;
    lm_buf_putc(w->out, '\n');
    for (int i = 0; i < depth; i++)
        lm_buf_append(w->out, w->style->indent.data, w->style->indent.len);
}

static void separate(const writer *w, size_t index, int depth)
{
    if (index)
        lm_buf_append(w->out, w->style->item_separator.data, w->style->item_separator.len);
    new_line(w, depth);
}

static bool put_leaf(const writer *w, lm_value v)
{
    switch ((lm_value_kind)v.kind) {
    case LM_VALUE_NONE:
        lm_buf_puts(w->out, "null");
        return true;
    case LM_VALUE_BOOL:
        lm_buf_puts(w->out, v.truth ? "true" : "false");
        return true;
    case LM_VALUE_FLOAT:
        lm_python_float(v.real, w->out);
        return true;
    case LM_VALUE_INT:
    case LM_VALUE_BIG:
        lm_value_print(v, w->out);
        return true;
    default:
        return false;
    }
}

static int by_key(const void *a, const void *b)
{
    int order = 0;
    lm_value_compare(((const lm_value_pair *)a)->key, ((const lm_value_pair *)b)->key, &order);
    return order;
}

static bool put(writer *w, lm_value v, int depth);

static bool put_pairs(writer *w, const lm_value_pair *pairs, size_t count, int depth)
{
    for (size_t i = 0; i < count; i++) {
        separate(w, i, depth + 1);
        lm_value key = pairs[i].key;
        if (key.kind == LM_VALUE_STRING) {
            put_string(w, key.text);
        } else {
            lm_buf_putc(w->out, '"');
            if (!put_leaf(w, key)) {
                w->what = "a key that is neither a string nor a number";
                return false;
            }
            lm_buf_putc(w->out, '"');
        }
        lm_buf_append(w->out, w->style->key_separator.data, w->style->key_separator.len);
        if (!put(w, pairs[i].value, depth + 1))
            return false;
    }
    return true;
}

static bool put_dict(writer *w, const lm_value_dict *d, int depth)
{
    bool ok;
    lm_buf_putc(w->out, '{');
    if (w->style->sort_keys && d->count) {
        lm_value_pair *sorted = lm_malloc(d->count, sizeof *sorted);
        memcpy(sorted, d->pairs, d->count * sizeof *sorted);
        qsort(sorted, d->count, sizeof *sorted, by_key);
        ok = put_pairs(w, sorted, d->count, depth);
        free(sorted);
    } else {
        ok = put_pairs(w, d->pairs, d->count, depth);
    }
    if (d->count)
        new_line(w, depth);
    lm_buf_putc(w->out, '}');
    return ok;
}

static bool put(writer *w, lm_value v, int depth)
{
    if (put_leaf(w, v))
        return true;
    if (v.kind == LM_VALUE_STRING) {
        put_string(w, v.text);
        return true;
    }
    if (v.kind == LM_VALUE_DICT)
        return put_dict(w, v.dict, depth);
    if (v.kind != LM_VALUE_LIST || v.list->shape > LM_IS_TUPLE) {
        w->what = lm_value_type(v);
        return false;
    }
    lm_buf_putc(w->out, '[');
    for (size_t i = 0; i < v.list->count; i++) {
        separate(w, i, depth + 1);
        if (!put(w, v.list->items[i], depth + 1))
            return false;
    }
    if (v.list->count)
        new_line(w, depth);
    lm_buf_putc(w->out, ']');
    return true;
}

bool lm_value_to_json(lm_value v, const lm_json_style *style, lm_buf *out, const char **what)
{
    writer w = {style, out, NULL};
    bool ok = put(&w, v, 0);
    *what = w.what;
    return ok;
}
