#include "text/chat/value.h"

#include "base/memory.h"
#include "base/python_float.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <utf8proc.h>

/* ---------------------------------------------------------------- memory */

enum { CHUNK = 1 << 14, ALIGN = 16 };

void *lm_jinja_alloc(lm_jinja_memory *m, size_t count, size_t size)
{
    size_t bytes;
    if (!lm_mul(count, size, &bytes) || bytes > m->limit || m->used > m->limit - bytes) {
        lm_fail(m->status, LM_FAILED,
                "the template needs more than %zu MiB of memory: is it caught in a loop?", m->limit >> 20);
        bytes = size; /* nobody uses more of it once the status has failed */
    }
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    m->used += bytes;
    char *p;
    if (bytes > CHUNK / 4) {
        p = lm_arena_alloc(m->arena, bytes, 1);
    } else {
        if (bytes > m->left) {
            m->chunk = lm_arena_alloc(m->arena, CHUNK, 1);
            m->left = CHUNK;
        }
        p = m->chunk;
        m->chunk += bytes;
        m->left -= bytes;
    }
    return memset(p, 0, bytes);
}

lm_str lm_jinja_copy(lm_jinja_memory *m, lm_str s)
{
    char *p = lm_jinja_alloc(m, s.len, 1);
    if (!lm_ok(m->status) || !s.len)
        return (lm_str){"", 0};
    memcpy(p, s.data, s.len);
    return (lm_str){p, s.len};
}

/* ---------------------------------------------------------------- lists */

/* Lists and dicts are made from within, so what stands in them is complete. A namespace can hold itself;
 * whoever walks through values stops there. */
static void deepen(lm_jinja_memory *m, int *depth, lm_value item)
{
    int inner = item.kind == LM_VALUE_LIST   ? item.list->depth
                : item.kind == LM_VALUE_DICT ? item.dict->depth
                                             : -1;
    if (inner < *depth)
        return;
    *depth = inner + 1;
    if (*depth > LM_VALUE_DEPTH_MAX)
        lm_fail(m->status, LM_FAILED, "lists or objects are nested deeper than %d", LM_VALUE_DEPTH_MAX);
}

lm_value lm_value_list_new(lm_jinja_memory *m, lm_list_shape shape, size_t room)
{
    lm_value_list *l = lm_jinja_alloc(m, 1, sizeof *l);
    l->shape = shape;
    if (room) {
        l->items = lm_jinja_alloc(m, room, sizeof *l->items);
        l->cap = lm_ok(m->status) ? room : 0;
    }
    return (lm_value){.kind = LM_VALUE_LIST, .list = l};
}

void lm_value_push(lm_jinja_memory *m, lm_value list, lm_value item)
{
    lm_value_list *l = list.list;
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        lm_value *items = lm_jinja_alloc(m, cap, sizeof *items);
        if (!lm_ok(m->status))
            return;
        if (l->count)
            memcpy(items, l->items, l->count * sizeof *items);
        l->items = items;
        l->cap = cap;
    }
    l->items[l->count++] = item;
    deepen(m, &l->depth, item);
}

/* ---------------------------------------------------------------- dicts */

enum { FEW = 8 }; /* pairs that are looked through one by one */

static uint64_t hash(lm_value v)
{
    uint64_t h = 0xcbf29ce484222325u;
    if (v.kind == LM_VALUE_STRING || v.kind == LM_VALUE_BIG) {
        for (size_t i = 0; i < v.text.len; i++)
            h = (h ^ (unsigned char)v.text.data[i]) * 0x100000001b3u;
    } else if (lm_value_is_number(v)) {
        double d = lm_value_real(v) + 0.0; /* equal numbers, equal hashes */
        memcpy(&h, &d, sizeof h);
    } else if (v.kind == LM_VALUE_LIST) {
        for (size_t i = 0; i < v.list->count; i++)
            h = h * 31 + (v.list->items[i].kind == LM_VALUE_LIST ? 1 : hash(v.list->items[i]));
    }
    return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> 7;
}

static void index_pair(lm_value_dict *d, size_t i)
{
    size_t mask = d->slot_count - 1, s = hash(d->pairs[i].key) & mask;
    while (d->slots[s])
        s = (s + 1) & mask;
    d->slots[s] = (uint32_t)i + 1;
}

lm_value lm_value_dict_new(lm_jinja_memory *m, lm_value_kind kind)
{
    return (lm_value){.kind = (uint8_t)kind, .dict = lm_jinja_alloc(m, 1, sizeof(lm_value_dict))};
}

lm_value *lm_value_find(const lm_value_dict *d, lm_value key)
{
    if (!d->slots) {
        for (size_t i = 0; i < d->count; i++)
            if (lm_value_equal(d->pairs[i].key, key))
                return &d->pairs[i].value;
        return NULL;
    }
    size_t mask = d->slot_count - 1;
    for (size_t s = hash(key) & mask; d->slots[s]; s = (s + 1) & mask)
        if (lm_value_equal(d->pairs[d->slots[s] - 1].key, key))
            return &d->pairs[d->slots[s] - 1].value;
    return NULL;
}

lm_value *lm_value_find_name(lm_value dict, const char *name)
{
    if (dict.kind != LM_VALUE_DICT && dict.kind != LM_VALUE_NAMESPACE)
        return NULL;
    return lm_value_find(dict.dict, lm_value_string(lm_str_of(name)));
}

static bool grow_dict(lm_jinja_memory *m, lm_value_dict *d)
{
    size_t cap = d->cap ? 2 * d->cap : FEW;
    lm_value_pair *pairs = lm_jinja_alloc(m, cap, sizeof *pairs);
    uint32_t *slots = cap > FEW ? lm_jinja_alloc(m, 2 * cap, sizeof *slots) : NULL;
    if (!lm_ok(m->status))
        return false;
    if (d->count)
        memcpy(pairs, d->pairs, d->count * sizeof *pairs);
    d->pairs = pairs;
    d->cap = cap;
    d->slots = slots;
    d->slot_count = 2 * cap;
    for (size_t i = 0; slots && i < d->count; i++)
        index_pair(d, i);
    return true;
}

void lm_value_put(lm_jinja_memory *m, lm_value dict, lm_value key, lm_value value)
{
    lm_value_dict *d = dict.dict;
    lm_value *there = lm_value_find(d, key);
    if (dict.kind == LM_VALUE_DICT) {
        deepen(m, &d->depth, key);
        deepen(m, &d->depth, value);
    }
    if (there) {
        *there = value;
        return;
    }
    if (d->count == d->cap && !grow_dict(m, d))
        return;
    d->pairs[d->count] = (lm_value_pair){key, value};
    if (d->slots)
        index_pair(d, d->count);
    d->count++;
}

void lm_value_put_name(lm_jinja_memory *m, lm_value dict, const char *name, lm_value value)
{
    lm_value_put(m, dict, lm_value_string(lm_str_of(name)), value);
}

/* ---------------------------------------------------------------- what holds of values */

bool lm_value_truth(lm_value v)
{
    switch ((lm_value_kind)v.kind) {
    case LM_VALUE_UNDEFINED:
    case LM_VALUE_NONE:
        return false;
    case LM_VALUE_BOOL:
        return v.truth;
    case LM_VALUE_INT:
        return v.integer != 0;
    case LM_VALUE_FLOAT:
        return v.real != 0;
    case LM_VALUE_STRING:
        return v.text.len > 0;
    case LM_VALUE_LIST:
        return v.list->count > 0 || v.list->shape == LM_IS_GENERATOR;
    case LM_VALUE_DICT:
        return v.dict->count > 0;
    default:
        return true;
    }
}

static bool same_lists(const lm_value_list *a, const lm_value_list *b)
{
    if (a == b)
        return true;
    if (a->shape != b->shape || a->count != b->count || a->shape >= LM_IS_VIEW)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!lm_value_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool same_dicts(const lm_value_dict *a, const lm_value_dict *b)
{
    if (a == b)
        return true;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const lm_value *other = lm_value_find(b, a->pairs[i].key);
        if (!other || !lm_value_equal(a->pairs[i].value, *other))
            return false;
    }
    return true;
}

bool lm_value_equal(lm_value a, lm_value b)
{
    if (lm_value_is_whole(a) && lm_value_is_whole(b))
        return lm_value_whole(a) == lm_value_whole(b);
    if (lm_value_is_number(a) && lm_value_is_number(b))
        return lm_value_real(a) == lm_value_real(b);
    if (a.kind != b.kind)
        return false;
    switch ((lm_value_kind)a.kind) {
    case LM_VALUE_BIG:
    case LM_VALUE_STRING:
        return lm_str_equal(a.text, b.text);
    case LM_VALUE_LIST:
        return same_lists(a.list, b.list);
    case LM_VALUE_DICT:
        return same_dicts(a.dict, b.dict);
    case LM_VALUE_NAMESPACE:
        return a.dict == b.dict;
    case LM_VALUE_FUNCTION:
        return a.function == b.function;
    case LM_VALUE_LOOP:
        return a.loop == b.loop;
    default:
        return true;
    }
}

bool lm_value_compare(lm_value a, lm_value b, int *order)
{
    if (lm_value_is_whole(a) && lm_value_is_whole(b)) {
        *order = (lm_value_whole(a) > lm_value_whole(b)) - (lm_value_whole(a) < lm_value_whole(b));
    } else if (lm_value_is_number(a) && lm_value_is_number(b)) {
        *order = (lm_value_real(a) > lm_value_real(b)) - (lm_value_real(a) < lm_value_real(b));
    } else if (a.kind == LM_VALUE_STRING && b.kind == LM_VALUE_STRING) {
        size_t n = a.text.len < b.text.len ? a.text.len : b.text.len;
        int c = n ? memcmp(a.text.data, b.text.data, n) : 0;
        *order = c ? c : (a.text.len > b.text.len) - (a.text.len < b.text.len);
    } else if (a.kind == LM_VALUE_LIST && b.kind == LM_VALUE_LIST && a.list->shape == b.list->shape &&
               a.list->shape <= LM_IS_TUPLE) {
        for (size_t i = 0; i < a.list->count && i < b.list->count; i++)
            if (!lm_value_equal(a.list->items[i], b.list->items[i]))
                return lm_value_compare(a.list->items[i], b.list->items[i], order);
        *order = (a.list->count > b.list->count) - (a.list->count < b.list->count);
    } else {
        return false;
    }
    return true;
}

const char *lm_value_type(lm_value v)
{
    static const char *const shapes[] = {"list", "tuple", "range", "dict_items", "generator"};
    switch ((lm_value_kind)v.kind) {
    case LM_VALUE_UNDEFINED:
        return "Undefined";
    case LM_VALUE_NONE:
        return "NoneType";
    case LM_VALUE_BOOL:
        return "bool";
    case LM_VALUE_INT:
    case LM_VALUE_BIG:
        return "int";
    case LM_VALUE_FLOAT:
        return "float";
    case LM_VALUE_STRING:
        return v.markup ? "Markup" : "str";
    case LM_VALUE_LIST:
        return shapes[v.list->shape];
    case LM_VALUE_DICT:
        return "dict";
    case LM_VALUE_NAMESPACE:
        return "Namespace";
    case LM_VALUE_FUNCTION:
        return "function";
    case LM_VALUE_LOOP:
        return "LoopContext";
    }
    return "";
}

/* ---------------------------------------------------------------- str() and repr() */

static void put_float(double f, lm_buf *out)
{
    if (isnan(f))
        lm_buf_puts(out, "nan");
    else if (isinf(f))
        lm_buf_puts(out, f < 0 ? "-inf" : "inf");
    else
        lm_python_float(f, out);
}

static bool is_printable(uint32_t code)
{
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    case UTF8PROC_CATEGORY_ZS:
        return code == ' ';
    default:
        return true;
    }
}

static void put_quoted(lm_str s, lm_buf *out)
{
    bool single = s.len && memchr(s.data, '\'', s.len), both = single && memchr(s.data, '"', s.len);
    char quote = single && !both ? '"' : '\'';
    lm_buf_putc(out, quote);
    for (size_t i = 0; i < s.len;) {
        uint32_t code;
        size_t n = lm_utf8_decode(s.data + i, s.len - i, &code);
        const char *known = code && code < 0x80 ? strchr("\nn\rr\tt", (int)code) : NULL;
        if (code == (uint32_t)quote || code == '\\')
            lm_buf_printf(out, "\\%c", (int)code);
        else if (known && !((known - "\nn\rr\tt") & 1) && code < 0x20)
            lm_buf_printf(out, "\\%c", known[1]);
        else if (is_printable(code))
            lm_buf_append(out, s.data + i, n);
        else
            lm_buf_printf(out,
                          code < 0x100     ? "\\x%02x"
                          : code < 0x10000 ? "\\u%04x"
                                           : "\\U%08x",
                          (unsigned)code);
        i += n;
    }
    lm_buf_putc(out, quote);
}

static void put_list(const lm_value_list *l, lm_buf *out)
{
    static const char *const open[] = {"[", "(", "[", "dict_items([", "["};
    static const char *const shut[] = {"]", ")", "]", "])", "]"};
    if (l->shape == LM_IS_RANGE && l->count) {
        int64_t first = l->items[0].integer, step = l->count > 1 ? l->items[1].integer - first : 1;
        lm_buf_printf(out, "range(%" PRId64 ", %" PRId64, first, first + step * (int64_t)l->count);
        if (step != 1)
            lm_buf_printf(out, ", %" PRId64, step);
        lm_buf_putc(out, ')');
        return;
    }
    lm_buf_puts(out, open[l->shape]);
    for (size_t i = 0; i < l->count; i++) {
        lm_buf_puts(out, i ? ", " : "");
        lm_value_repr(l->items[i], out);
    }
    lm_buf_puts(out, l->shape == LM_IS_TUPLE && l->count == 1 ? ",)" : shut[l->shape]);
}

static void put_dict(const lm_value_dict *d, lm_buf *out)
{
    lm_buf_putc(out, '{');
    for (size_t i = 0; i < d->count; i++) {
        lm_buf_puts(out, i ? ", " : "");
        lm_value_repr(d->pairs[i].key, out);
        lm_buf_puts(out, ": ");
        lm_value_repr(d->pairs[i].value, out);
    }
    lm_buf_putc(out, '}');
}

void lm_value_print(lm_value v, lm_buf *out)
{
    switch ((lm_value_kind)v.kind) {
    case LM_VALUE_UNDEFINED:
        break;
    case LM_VALUE_NONE:
        lm_buf_puts(out, "None");
        break;
    case LM_VALUE_BOOL:
        lm_buf_puts(out, v.truth ? "True" : "False");
        break;
    case LM_VALUE_INT:
        lm_buf_printf(out, "%" PRId64, v.integer);
        break;
    case LM_VALUE_FLOAT:
        put_float(v.real, out);
        break;
    case LM_VALUE_BIG:
    case LM_VALUE_STRING:
        lm_buf_append(out, v.text.data, v.text.len);
        break;
    case LM_VALUE_LIST:
        put_list(v.list, out);
        break;
    case LM_VALUE_DICT:
        put_dict(v.dict, out);
        break;
    case LM_VALUE_NAMESPACE:
        lm_buf_puts(out, "<Namespace>");
        break;
    case LM_VALUE_FUNCTION:
        lm_buf_puts(out, "<function>");
        break;
    case LM_VALUE_LOOP:
        lm_buf_puts(out, "<LoopContext>");
        break;
    }
}

void lm_value_repr(lm_value v, lm_buf *out)
{
    if (v.kind == LM_VALUE_UNDEFINED) {
        lm_buf_puts(out, "Undefined");
    } else if (v.kind == LM_VALUE_STRING) {
        lm_buf_puts(out, v.markup ? "Markup(" : "");
        put_quoted(v.text, out);
        lm_buf_puts(out, v.markup ? ")" : "");
    } else {
        lm_value_print(v, out);
    }
}

lm_value lm_value_str(lm_jinja_memory *m, lm_value v)
{
    if (v.kind == LM_VALUE_STRING)
        return v;
    lm_buf b = {0};
    lm_value_print(v, &b);
    lm_value s = lm_value_string(lm_jinja_copy(m, lm_buf_str(&b)));
    lm_buf_free(&b);
    return s;
}
