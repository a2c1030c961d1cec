/* Expressions: from the tree to values. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

lm_value lm_eval_fail(lm_eval *e, const char *format, ...)
{
    char why[LM_MESSAGE_MAX - 256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    lm_fail(e->st, LM_FAILED, "%s:%d: %s", e->t->name, e->line, why);
    return lm_value_undefined((lm_str){"", 0});
}

bool lm_eval_step(lm_eval *e, size_t work)
{
    e->steps += 1 + work;
    if (e->steps > e->run->limits.steps)
        lm_eval_fail(e, "the template does not come to an end (more than %llu steps)",
                     (unsigned long long)e->run->limits.steps);
    return lm_ok(e->st);
}

lm_value lm_value_from_buf(lm_eval *e, lm_buf *b)
{
    lm_value v = lm_value_string(lm_jinja_copy(e->m, lm_buf_str(b)));
    lm_buf_free(b);
    return v;
}

/* What was not there may be asked about, and printed, but not be used. */
static bool is_defined(lm_eval *e, lm_value v)
{
    if (v.kind != LM_VALUE_UNDEFINED)
        return true;
    lm_eval_fail(e, "%.*s", (int)v.text.len, v.text.data);
    return false;
}

static lm_value undefined(lm_eval *e, const char *format, lm_str name, const char *type)
{
    char what[200];
    int n = snprintf(what, sizeof what, format, (int)(name.len < 100 ? name.len : 100), name.data, type);
    return lm_value_undefined(
        lm_jinja_copy(e->m, (lm_str){what, (size_t)n < sizeof what ? (size_t)n : sizeof what - 1}));
}

/* ---------------------------------------------------------------- going through */

bool lm_is_iterable(lm_value x)
{
    return x.kind == LM_VALUE_STRING || x.kind == LM_VALUE_LIST || x.kind == LM_VALUE_DICT ||
           x.kind == LM_VALUE_UNDEFINED || x.kind == LM_VALUE_LOOP;
}

static lm_value characters(lm_eval *e, lm_str s)
{
    lm_value list = lm_value_list_new(e->m, LM_IS_LIST, s.len);
    for (size_t i = 0, n; i < s.len && lm_ok(e->st); i += n) {
        n = lm_text_place((lm_str){s.data + i, s.len - i}, 1);
        lm_value_push(e->m, list, lm_value_string((lm_str){s.data + i, n}));
    }
    lm_eval_step(e, s.len / 8);
    return list;
}

lm_value_list *lm_items_of(lm_eval *e, lm_value x)
{
    lm_value list = x;
    switch ((lm_value_kind)x.kind) {
    case LM_VALUE_LIST:
        break;
    case LM_VALUE_LOOP:
        list = x.loop->items;
        break;
    case LM_VALUE_STRING:
        list = characters(e, x.text);
        break;
    case LM_VALUE_DICT:
        list = lm_value_list_new(e->m, LM_IS_LIST, x.dict->count);
        for (size_t i = 0; i < x.dict->count; i++)
            lm_value_push(e->m, list, x.dict->pairs[i].key);
        break;
    default:
        list = lm_value_list_new(e->m, LM_IS_LIST, 0);
        if (x.kind != LM_VALUE_UNDEFINED)
            lm_eval_fail(e, "a value of type %s cannot be gone through", lm_value_type(x));
        break;
    }
    return list.list;
}

int64_t lm_length_of(lm_value x)
{
    switch ((lm_value_kind)x.kind) {
    case LM_VALUE_UNDEFINED:
        return 0;
    case LM_VALUE_STRING: {
        int64_t n = 0;
        for (size_t i = 0; i < x.text.len; i++)
            n += ((unsigned char)x.text.data[i] & 0xC0) != 0x80;
        return n;
    }
    case LM_VALUE_LIST:
        return x.list->shape == LM_IS_GENERATOR ? -1 : (int64_t)x.list->count;
    case LM_VALUE_DICT:
        return (int64_t)x.dict->count;
    case LM_VALUE_LOOP:
        return (int64_t)x.loop->items.list->count;
    default:
        return -1;
    }
}

/* ---------------------------------------------------------------- members and items */

static lm_value method(lm_eval *e, lm_value self, const lm_builtin *b)
{
    lm_function *f = lm_jinja_alloc(e->m, 1, sizeof *f);
    *f = (lm_function){.builtin = b, .self = self, .name = lm_str_of(b->name)};
    return (lm_value){.kind = LM_VALUE_FUNCTION, .function = f};
}

static lm_value loop_member(lm_eval *e, lm_value x, lm_str name)
{
    const lm_loop *l = x.loop;
    int64_t i = (int64_t)l->index, n = (int64_t)l->items.list->count;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"index", i + 1}, {"index0", i},           {"revindex", n - i}, {"revindex0", n - i - 1},
                   {"length", n},    {"depth", l->depth + 1}, {"depth0", l->depth}};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        if (lm_str_is(name, numbers[k].name))
            return lm_value_int(numbers[k].value);
    if (lm_str_is(name, "first") || lm_str_is(name, "last"))
        return lm_value_bool(lm_str_is(name, "first") ? i == 0 : i == n - 1);
    if (lm_str_is(name, "previtem") && i > 0)
        return l->items.list->items[i - 1];
    if (lm_str_is(name, "nextitem") && i < n - 1)
        return l->items.list->items[i + 1];
    const lm_builtin *b = lm_method_find(x, name);
    return b ? method(e, x, b) : undefined(e, "there is no loop.%.*s%s", name, "");
}

lm_value lm_member_of(lm_eval *e, lm_value x, lm_str name)
{
    if (!is_defined(e, x))
        return x;
    if (x.kind == LM_VALUE_LOOP)
        return loop_member(e, x, name);
    const lm_builtin *b = x.kind == LM_VALUE_NAMESPACE ? NULL : lm_method_find(x, name);
    if (b)
        return method(e, x, b);
    if (x.kind == LM_VALUE_DICT || x.kind == LM_VALUE_NAMESPACE) {
        const lm_value *v = lm_value_find(x.dict, lm_value_string(name));
        if (v)
            return *v;
    }
    return undefined(e, "there is no '%.*s' in the %s", name, lm_value_type(x));
}

/* Where in a sequence of that length: from its end below 0. */
static bool place_of(lm_value key, int64_t length, size_t *place)
{
    int64_t i = lm_value_is_whole(key) ? lm_value_whole(key) : -1;
    if (!lm_value_is_whole(key))
        return false;
    if (i < 0)
        i += length;
    *place = (size_t)i;
    return i >= 0 && i < length;
}

lm_value lm_item_of(lm_eval *e, lm_value x, lm_value key)
{
    size_t i;
    if (!is_defined(e, x))
        return x;
    if (x.kind == LM_VALUE_DICT) {
        const lm_value *v = lm_value_find(x.dict, key);
        if (v)
            return *v;
    } else if (x.kind == LM_VALUE_LIST && x.list->shape < LM_IS_VIEW) {
        if (place_of(key, (int64_t)x.list->count, &i))
            return x.list->items[i];
    } else if (x.kind == LM_VALUE_STRING && lm_eval_step(e, x.text.len / 64) &&
               place_of(key, lm_length_of(x), &i)) {
        size_t from = lm_text_place(x.text, i);
        lm_str rest = {x.text.data + from, x.text.len - from};
        return (lm_value){
            .kind = LM_VALUE_STRING, .markup = x.markup, .text = {rest.data, lm_text_place(rest, 1)}};
    }
    if (key.kind == LM_VALUE_STRING)
        return lm_member_of(e, x, key.text);
    lm_buf b = {0};
    lm_value_repr(key, &b);
    lm_value v = undefined(e, "there is no [%.*s] in the %s", lm_buf_str(&b), lm_value_type(x));
    lm_buf_free(&b);
    return v;
}

/* The three numbers of a slice over `length`, as Python's slice.indices(). */
static bool slice_indices(lm_eval *e, const lm_value bounds[3], int64_t length, int64_t *from, int64_t *to,
                          int64_t *step)
{
    int64_t v[3];
    bool given[3];
    for (int i = 0; i < 3; i++) {
        given[i] = bounds[i].kind != LM_VALUE_UNDEFINED && bounds[i].kind != LM_VALUE_NONE;
        if (given[i] && !lm_value_is_whole(bounds[i])) {
            lm_eval_fail(e, "the bounds of a slice are whole numbers, not of type %s",
                         lm_value_type(bounds[i]));
            return false;
        }
        v[i] = given[i] ? lm_value_whole(bounds[i]) : 0;
    }
    *step = given[2] ? v[2] : 1;
    if (*step == 0) {
        lm_eval_fail(e, "the step of a slice is 0");
        return false;
    }
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? length - 1 : length;
    for (int i = 0; i < 2; i++) {
        if (v[i] < 0)
            v[i] = v[i] + length < low ? low : v[i] + length;
        else if (v[i] > high)
            v[i] = high;
    }
    *from = given[0] ? v[0] : *step < 0 ? high : 0;
    *to = given[1] ? v[1] : *step < 0 ? -1 : length;
    return true;
}

lm_value lm_slice_of(lm_eval *e, lm_value x, const lm_value bounds[3])
{
    int64_t from, to, step, length = lm_length_of(x);
    bool text = x.kind == LM_VALUE_STRING;
    if (!is_defined(e, x))
        return x;
    if (!text && !(x.kind == LM_VALUE_LIST && x.list->shape < LM_IS_VIEW))
        return lm_eval_fail(e, "no part can be cut out of a value of type %s", lm_value_type(x));
    if (!slice_indices(e, bounds, length, &from, &to, &step))
        return x;
    if (text && step == 1) {
        lm_str s = {x.text.data + lm_text_place(x.text, (size_t)from), 0};
        if (to > from)
            s.len = lm_text_place((lm_str){s.data, (size_t)(x.text.data + x.text.len - s.data)},
                                  (size_t)(to - from));
        lm_eval_step(e, x.text.len / 64);
        return (lm_value){.kind = LM_VALUE_STRING, .markup = x.markup, .text = s};
    }
    const lm_value_list *items = lm_items_of(e, x);
    lm_value out = lm_value_list_new(e->m, text ? LM_IS_LIST : x.list->shape, 0);
    lm_buf b = {0};
    while (lm_ok(e->st) && (step > 0 ? from < to : from > to)) {
        lm_value v = items->items[from];
        if (text)
            lm_buf_append(&b, v.text.data, v.text.len);
        else
            lm_value_push(e->m, out, v);
        if (!lm_eval_step(e, 0) || __builtin_add_overflow(from, step, &from))
            break;
    }
    return text ? lm_value_from_buf(e, &b) : out;
}

/* ---------------------------------------------------------------- arithmetic */

lm_value lm_escaped(lm_eval *e, lm_value v)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    if (v.kind == LM_VALUE_STRING && v.markup)
        return v;
    lm_str s = lm_value_str(e->m, v).text;
    lm_buf b = {0};
    for (size_t i = 0; i < s.len; i++) {
        const char *known = s.data[i] ? strchr("&<>'\"", s.data[i]) : NULL;
        if (known)
            lm_buf_puts(&b, entities[known - (const char *)strchr("&<>'\"", '&')]);
        else
            lm_buf_putc(&b, s.data[i]);
    }
    v = lm_value_from_buf(e, &b);
    v.markup = true;
    return v;
}

static lm_value join_text(lm_eval *e, lm_value a, lm_value b)
{
    bool markup = a.markup || b.markup;
    if (markup) {
        a = lm_escaped(e, a);
        b = lm_escaped(e, b);
    }
    char *p = lm_jinja_alloc(e->m, a.text.len + b.text.len, 1);
    if (!lm_ok(e->st))
        return a;
    if (a.text.len)
        memcpy(p, a.text.data, a.text.len);
    if (b.text.len)
        memcpy(p + a.text.len, b.text.data, b.text.len);
    return (lm_value){.kind = LM_VALUE_STRING, .markup = markup, .text = {p, a.text.len + b.text.len}};
}

static lm_value join_lists(lm_eval *e, lm_value a, lm_value b)
{
    lm_value out = lm_value_list_new(e->m, a.list->shape, a.list->count + b.list->count);
    for (size_t i = 0; i < a.list->count && lm_ok(e->st); i++)
        lm_value_push(e->m, out, a.list->items[i]);
    for (size_t i = 0; i < b.list->count && lm_ok(e->st); i++)
        lm_value_push(e->m, out, b.list->items[i]);
    lm_eval_step(e, out.list->count / 8);
    return out;
}

static lm_value repeat(lm_eval *e, lm_value x, int64_t times)
{
    if (times < 0)
        times = 0;
    size_t n = x.kind == LM_VALUE_STRING ? x.text.len : x.list->count, bytes;
    if (!lm_mul(n, (size_t)times, &bytes) || bytes > e->m->limit)
        return lm_eval_fail(e, "%lld times a %s is too long", (long long)times, lm_value_type(x));
    lm_eval_step(e, bytes / 8);
    if (x.kind == LM_VALUE_STRING) {
        char *p = lm_jinja_alloc(e->m, bytes, 1);
        for (int64_t i = 0; i < times && n && lm_ok(e->st); i++)
            memcpy(p + (size_t)i * n, x.text.data, n);
        return (lm_value){.kind = LM_VALUE_STRING, .markup = x.markup, .text = {p, lm_ok(e->st) ? bytes : 0}};
    }
    lm_value out = lm_value_list_new(e->m, x.list->shape, 0);
    for (int64_t i = 0; i < times && lm_ok(e->st); i++)
        for (size_t k = 0; k < n && lm_ok(e->st); k++)
            lm_value_push(e->m, out, x.list->items[k]);
    return out;
}

static lm_value power(lm_eval *e, int64_t base, int64_t exponent)
{
    int64_t v = 1;
    if (exponent < 0)
        return lm_value_float(pow((double)base, (double)exponent));
    if (base == 0 || base == 1)
        return lm_value_int(exponent == 0 ? 1 : base);
    for (; exponent; exponent--)
        if (__builtin_mul_overflow(v, base, &v))
            return lm_eval_fail(e, "a number is beyond 64 bits");
    return lm_value_int(v);
}

static lm_value whole_numbers(lm_eval *e, lm_operator op, int64_t a, int64_t b)
{
    int64_t v = 0;
    bool over = false;
    if (b == 0 && (op == LM_OP_DIVIDE || op == LM_OP_FLOOR_DIVIDE || op == LM_OP_MODULO))
        return lm_eval_fail(e, "division by zero");
    switch (op) {
    case LM_OP_ADD:
        over = __builtin_add_overflow(a, b, &v);
        break;
    case LM_OP_SUBTRACT:
        over = __builtin_sub_overflow(a, b, &v);
        break;
    case LM_OP_MULTIPLY:
        over = __builtin_mul_overflow(a, b, &v);
        break;
    case LM_OP_DIVIDE:
        return lm_value_float((double)a / (double)b);
    case LM_OP_POWER:
        return power(e, a, b);
    default: /* towards minus infinity, as Python rounds */
        if (b == -1) {
            over = op == LM_OP_FLOOR_DIVIDE && __builtin_sub_overflow((int64_t)0, a, &v);
            break;
        }
        if (op == LM_OP_FLOOR_DIVIDE)
            v = a / b - (a % b != 0 && (a < 0) != (b < 0));
        else
            v = a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
    }
    return over ? lm_eval_fail(e, "a number is beyond 64 bits") : lm_value_int(v);
}

static lm_value real_numbers(lm_eval *e, lm_operator op, double a, double b)
{
    if (b == 0 && (op == LM_OP_DIVIDE || op == LM_OP_FLOOR_DIVIDE || op == LM_OP_MODULO))
        return lm_eval_fail(e, "division by zero");
    switch (op) {
    case LM_OP_ADD:
        return lm_value_float(a + b);
    case LM_OP_SUBTRACT:
        return lm_value_float(a - b);
    case LM_OP_MULTIPLY:
        return lm_value_float(a * b);
    case LM_OP_DIVIDE:
        return lm_value_float(a / b);
    case LM_OP_FLOOR_DIVIDE:
        return lm_value_float(floor(a / b));
    case LM_OP_POWER:
        return lm_value_float(pow(a, b));
    default: {
        double r = fmod(a, b);
        return lm_value_float(r != 0 && (r < 0) != (b < 0) ? r + b : r);
    }
    }
}

lm_value lm_binary(lm_eval *e, lm_operator op, lm_value a, lm_value b)
{
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (!is_defined(e, a))
        return a;
    if (op == LM_OP_MODULO && a.kind == LM_VALUE_STRING)
        return lm_percent_format(e, a.text, b);
    if (!is_defined(e, b))
        return b;
    if (lm_value_is_whole(a) && lm_value_is_whole(b))
        return whole_numbers(e, op, lm_value_whole(a), lm_value_whole(b));
    if (lm_value_is_number(a) && lm_value_is_number(b))
        return real_numbers(e, op, lm_value_real(a), lm_value_real(b));
    if (op == LM_OP_ADD && a.kind == LM_VALUE_STRING && b.kind == LM_VALUE_STRING)
        return join_text(e, a, b);
    bool lists = a.kind == LM_VALUE_LIST && a.list->shape <= LM_IS_TUPLE;
    if (op == LM_OP_ADD && lists && b.kind == LM_VALUE_LIST && b.list->shape == a.list->shape)
        return join_lists(e, a, b);
    if (op == LM_OP_MULTIPLY && (a.kind == LM_VALUE_STRING || lists) && lm_value_is_whole(b))
        return repeat(e, a, lm_value_whole(b));
    if (op == LM_OP_MULTIPLY && lm_value_is_whole(a) &&
        (b.kind == LM_VALUE_STRING || (b.kind == LM_VALUE_LIST && b.list->shape <= LM_IS_TUPLE)))
        return repeat(e, b, lm_value_whole(a));
    return lm_eval_fail(e, "%s does not go between %s and %s", signs[op], lm_value_type(a), lm_value_type(b));
}

static bool contains(lm_eval *e, lm_value container, lm_value item)
{
    if (container.kind == LM_VALUE_STRING) {
        if (item.kind != LM_VALUE_STRING) {
            lm_eval_fail(e, "only text can be in text, not %s", lm_value_type(item));
            return false;
        }
        lm_eval_step(e, container.text.len / 64);
        return item.text.len == 0 ||
               memmem(container.text.data, container.text.len, item.text.data, item.text.len);
    }
    if (container.kind == LM_VALUE_DICT)
        return lm_value_find(container.dict, item) != NULL;
    const lm_value_list *items = lm_items_of(e, container);
    for (size_t i = 0; i < items->count && lm_eval_step(e, 0); i++)
        if (lm_value_equal(items->items[i], item))
            return true;
    return false;
}

bool lm_comparison(lm_eval *e, lm_operator op, lm_value a, lm_value b)
{
    int order = 0;
    switch (op) {
    case LM_OP_EQUAL:
        return lm_value_equal(a, b);
    case LM_OP_UNEQUAL:
        return !lm_value_equal(a, b);
    case LM_OP_IN:
        return contains(e, b, a);
    case LM_OP_NOT_IN:
        return !contains(e, b, a);
    default:
        break;
    }
    if (!is_defined(e, a) || !is_defined(e, b))
        return false;
    if (!lm_value_compare(a, b, &order)) {
        lm_eval_fail(e, "%s and %s have no order", lm_value_type(a), lm_value_type(b));
        return false;
    }
    return op == LM_OP_LESS         ? order < 0
           : op == LM_OP_LESS_EQUAL ? order <= 0
           : op == LM_OP_GREATER    ? order > 0
                                    : order >= 0;
}

/* ---------------------------------------------------------------- nodes */

static lm_value lookup(lm_eval *e, lm_str name)
{
    const lm_value *v = lm_jinja_scope_find(e->scope, name);
    if (v)
        return *v;
    v = lm_value_find(e->variables.dict, lm_value_string(name));
    if (v)
        return *v;
    const lm_builtin *b = lm_global_find(name);
    return b ? method(e, lm_value_none(), b) : undefined(e, "'%.*s' is not defined%s", name, "");
}

static lm_value collect(lm_eval *e, const lm_node *n)
{
    lm_value list = lm_value_list_new(e->m, n->kind == LM_NODE_TUPLE ? LM_IS_TUPLE : LM_IS_LIST, 0);
    for (const lm_node *i = n->items; i && lm_ok(e->st); i = i->next)
        lm_value_push(e->m, list, lm_evaluate(e, i));
    return list;
}

static lm_value collect_dict(lm_eval *e, const lm_node *n)
{
    lm_value dict = lm_value_dict_new(e->m, LM_VALUE_DICT);
    for (const lm_node *i = n->items; i && lm_ok(e->st); i = i->next) {
        lm_value key = lm_evaluate(e, i->a);
        if (key.kind == LM_VALUE_DICT || (key.kind == LM_VALUE_LIST && key.list->shape != LM_IS_TUPLE))
            return lm_eval_fail(e, "a %s cannot be a key", lm_value_type(key));
        lm_value_put(e->m, dict, key, lm_evaluate(e, i->b));
    }
    return dict;
}

static lm_value concatenate(lm_eval *e, const lm_node *n)
{
    lm_buf b = {0};
    for (const lm_node *i = n->items; i && lm_ok(e->st); i = i->next)
        lm_value_print(lm_evaluate(e, i), &b);
    return lm_value_from_buf(e, &b);
}

static lm_value compare(lm_eval *e, const lm_node *n)
{
    lm_value a = lm_evaluate(e, n->a);
    for (const lm_node *i = n->items; i && lm_ok(e->st); i = i->next) {
        lm_value b = lm_evaluate(e, i->a);
        if (!lm_ok(e->st) || !lm_comparison(e, (lm_operator)i->op, a, b))
            return lm_value_bool(false);
        a = b;
    }
    return lm_value_bool(true);
}

static lm_value sign(lm_eval *e, const lm_node *n)
{
    lm_value v = lm_evaluate(e, n->a);
    bool negative = n->kind == LM_NODE_NEGATIVE;
    if (v.kind == LM_VALUE_FLOAT)
        return lm_value_float(negative ? -v.real : v.real);
    if (lm_value_is_whole(v))
        return whole_numbers(e, negative ? LM_OP_SUBTRACT : LM_OP_ADD, 0, lm_value_whole(v));
    return is_defined(e, v) ? lm_eval_fail(e, "a sign does not go before %s", lm_value_type(v)) : v;
}

static lm_value item(lm_eval *e, const lm_node *n)
{
    lm_value x = lm_evaluate(e, n->a);
    if (n->b->kind != LM_NODE_SLICE)
        return lm_ok(e->st) ? lm_item_of(e, x, lm_evaluate(e, n->b)) : x;
    const lm_node *parts[3] = {n->b->a, n->b->b, n->b->c};
    lm_value bounds[3] = {lm_value_none(), lm_value_none(), lm_value_none()};
    for (int i = 0; i < 3; i++)
        if (parts[i])
            bounds[i] = lm_evaluate(e, parts[i]);
    return lm_ok(e->st) ? lm_slice_of(e, x, bounds) : x;
}

static void spread(lm_eval *e, lm_value v, bool named, lm_value args, lm_value names)
{
    if (named && v.kind != LM_VALUE_DICT) {
        lm_eval_fail(e, "** takes a dict, not %s", lm_value_type(v));
        return;
    }
    const lm_value_list *items = named ? NULL : lm_items_of(e, v);
    for (size_t i = 0; items && i < items->count && lm_ok(e->st); i++)
        lm_value_push(e->m, args, items->items[i]);
    for (size_t i = 0; named && i < v.dict->count && lm_ok(e->st); i++)
        lm_value_put(e->m, names, v.dict->pairs[i].key, v.dict->pairs[i].value);
}

/* Arguments in order; `*` and `**` spread out. */
static lm_call arguments(lm_eval *e, const lm_node *first)
{
    lm_value args = lm_value_list_new(e->m, LM_IS_LIST, 4), names = lm_value_dict_new(e->m, LM_VALUE_DICT);
    for (const lm_node *n = first; n && lm_ok(e->st); n = n->next) {
        lm_value v = lm_evaluate(e, n->a);
        if (n->op)
            spread(e, v, n->op == 'd', args, names);
        else if (n->name.data)
            lm_value_put(e->m, names, lm_value_string(n->name), v);
        else
            lm_value_push(e->m, args, v);
    }
    return (lm_call){args.list->items, args.list->count, names.dict->pairs, names.dict->count};
}

static lm_value applied(lm_eval *e, const lm_node *n)
{
    lm_value on = lm_evaluate(e, n->a);
    lm_call call = arguments(e, n->items);
    e->line = n->line;
    if (!lm_ok(e->st))
        return on;
    if (n->kind == LM_NODE_CALL)
        return lm_run_call(e, on, &call);
    if (n->kind == LM_NODE_FILTER)
        return lm_run_filter(e, n->name, on, &call);
    return lm_value_bool(lm_run_test(e, n->name, on, &call));
}

static lm_value choice(lm_eval *e, const lm_node *n)
{
    if (lm_value_truth(lm_evaluate(e, n->b)))
        return lm_evaluate(e, n->a);
    return n->c ? lm_evaluate(e, n->c)
                : lm_value_undefined(lm_str_of("the expression has no value: its `if` has no `else`"));
}

static lm_value evaluate(lm_eval *e, const lm_node *n)
{
    lm_value a;
    switch (n->kind) {
    case LM_NODE_CONST:
        return n->value;
    case LM_NODE_HOLE:
        return e->hole;
    case LM_NODE_NAME:
        return lookup(e, n->name);
    case LM_NODE_LIST:
    case LM_NODE_TUPLE:
        return collect(e, n);
    case LM_NODE_DICT:
        return collect_dict(e, n);
    case LM_NODE_CHOICE:
        return choice(e, n);
    case LM_NODE_AND:
    case LM_NODE_OR:
        a = lm_evaluate(e, n->a);
        return lm_value_truth(a) == (n->kind == LM_NODE_OR) || !lm_ok(e->st) ? a : lm_evaluate(e, n->b);
    case LM_NODE_NOT:
        return lm_value_bool(!lm_value_truth(lm_evaluate(e, n->a)));
    case LM_NODE_COMPARE:
        return compare(e, n);
    case LM_NODE_BINARY:
        a = lm_evaluate(e, n->a);
        return lm_ok(e->st) ? lm_binary(e, (lm_operator)n->op, a, lm_evaluate(e, n->b)) : a;
    case LM_NODE_CONCAT:
        return concatenate(e, n);
    case LM_NODE_NEGATIVE:
    case LM_NODE_POSITIVE:
        return sign(e, n);
    case LM_NODE_MEMBER:
        a = lm_evaluate(e, n->a);
        return lm_ok(e->st) ? lm_member_of(e, a, n->name) : a;
    case LM_NODE_ITEM:
        return item(e, n);
    default:
        return applied(e, n);
    }
}

lm_value lm_evaluate(lm_eval *e, const lm_node *n)
{
    if (!lm_eval_step(e, 0))
        return lm_value_undefined((lm_str){"", 0});
    e->line = n->line;
    if (e->depth == LM_EVAL_DEPTH_MAX)
        return lm_eval_fail(e, "the template calls itself without end, or is nested too deeply");
    e->depth++;
    lm_value v = evaluate(e, n);
    e->depth--;
    return v;
}
