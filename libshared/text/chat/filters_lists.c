/* Filters of what can be gone through. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"
#include "text/chat/text_case.h"

#include <stdlib.h>

#define FILTER(name)                                                                                         \
    static lm_value name(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)

/* ---------------------------------------------------------------- what the filters go by */

static bool is_number_text(lm_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > 0 && s.len < 10;
}

/* `attribute`: a member, a number, or several joined by points. NULL-like (none, absent): the item itself. */
static lm_value by_attribute(lm_eval *e, lm_value item, lm_value attribute)
{
    if (attribute.kind == LM_VALUE_NONE || lm_value_absent(attribute))
        return item;
    if (attribute.kind != LM_VALUE_STRING)
        return lm_item_of(e, item, attribute);
    lm_str s = attribute.text;
    while (lm_ok(e->st)) {
        const char *point = s.len ? memchr(s.data, '.', s.len) : NULL;
        lm_str step = {s.data, point ? (size_t)(point - s.data) : s.len};
        item = is_number_text(step) ? lm_item_of(e, item, lm_value_int(strtol(step.data, NULL, 10)))
                                    : lm_item_of(e, item, lm_value_string(step));
        if (!point)
            break;
        s = (lm_str){point + 1, s.len - step.len - 1};
    }
    return item;
}

/* Text without its case, unless case counts. */
static lm_value comparable(lm_eval *e, lm_value v, lm_value case_sensitive)
{
    return v.kind == LM_VALUE_STRING && !lm_value_truth(case_sensitive) ? lm_text_in_case(e, v, LM_CASE_LOWER)
                                                                        : v;
}

/* The items by what they are compared with, sorted and stable. */
typedef struct sortable {
    lm_value key, item;
} sortable;

static bool before(lm_eval *e, lm_value a, lm_value b, bool reverse)
{
    if (lm_value_equal(a, b)) /* what has no order may still be the same */
        return false;
    return reverse ? lm_comparison(e, LM_OP_LESS, b, a) : lm_comparison(e, LM_OP_LESS, a, b);
}

static void merge_sort(lm_eval *e, sortable *v, sortable *spare, size_t n, bool reverse)
{
    if (n < 2)
        return;
    size_t half = n / 2, a = 0, b = half;
    merge_sort(e, v, spare, half, reverse);
    merge_sort(e, v + half, spare, n - half, reverse);
    if (!lm_ok(e->st))
        return;
    memcpy(spare, v, n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = a < half && (b == n || !lm_eval_step(e, 0) || !before(e, spare[b].key, spare[a].key, reverse))
                   ? spare[a++]
                   : spare[b++];
}

static lm_value sorted(lm_eval *e, const lm_value_list *items, lm_value case_sensitive, lm_value attribute,
                       bool reverse)
{
    lm_value out = lm_value_list_new(e->m, LM_IS_LIST, items->count);
    sortable *v = lm_jinja_alloc(e->m, items->count, 2 * sizeof *v);
    if (!lm_ok(e->st))
        return out;
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++)
        v[i] = (sortable){comparable(e, by_attribute(e, items->items[i], attribute), case_sensitive),
                          items->items[i]};
    if (lm_ok(e->st))
        merge_sort(e, v, v + items->count, items->count, reverse);
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++)
        lm_value_push(e->m, out, v[i].item);
    return out;
}

/* ---------------------------------------------------------------- order */

FILTER(run_sort)
{
    (void)call;
    return sorted(e, lm_items_of(e, self), args[1], args[2], lm_value_truth(args[0]));
}

FILTER(run_dictsort)
{
    (void)call;
    if (self.kind != LM_VALUE_DICT)
        return lm_eval_fail(e, "dictsort takes a dict, not %s", lm_value_type(self));
    const lm_call none = {0};
    lm_value pairs = lm_run_builtin(e, lm_method_find(self, lm_str_of("items")), self, &none);
    bool by_value = lm_str_is(lm_value_text(args[1]), "value");
    return lm_ok(e->st) ? sorted(e, pairs.list, args[0], lm_value_int(by_value), lm_value_truth(args[2]))
                        : pairs;
}

FILTER(run_reverse)
{
    (void)args, (void)call;
    lm_buf b = {0};
    const lm_value_list *items = lm_items_of(e, self);
    lm_value out = lm_value_list_new(e->m, LM_IS_GENERATOR, items->count);
    for (size_t i = items->count; i-- > 0 && lm_ok(e->st);) {
        lm_value_push(e->m, out, items->items[i]);
        if (self.kind == LM_VALUE_STRING)
            lm_buf_append(&b, items->items[i].text.data, items->items[i].text.len);
    }
    lm_value text = lm_value_from_buf(e, &b);
    return self.kind == LM_VALUE_STRING ? text : out;
}

FILTER(run_unique)
{
    (void)call;
    lm_value seen = lm_value_dict_new(e->m, LM_VALUE_DICT), out = lm_value_list_new(e->m, LM_IS_GENERATOR, 0);
    const lm_value_list *items = lm_items_of(e, self);
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++) {
        lm_value key = comparable(e, by_attribute(e, items->items[i], args[1]), args[0]);
        if (lm_value_find(seen.dict, key))
            continue;
        lm_value_put(e->m, seen, key, key);
        lm_value_push(e->m, out, items->items[i]);
    }
    return out;
}

static lm_value extreme(lm_eval *e, lm_value self, const lm_value *args, bool largest)
{
    const lm_value_list *items = lm_items_of(e, self);
    lm_value best = lm_value_undefined(lm_str_of("there is no item, so none is the smallest or largest"));
    lm_value best_key = best;
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++) {
        lm_value key = comparable(e, by_attribute(e, items->items[i], args[1]), args[0]);
        if (i == 0 || before(e, key, best_key, largest)) {
            best = items->items[i];
            best_key = key;
        }
    }
    return best;
}

FILTER(run_min)
{
    (void)call;
    return extreme(e, self, args, false);
}
FILTER(run_max)
{
    (void)call;
    return extreme(e, self, args, true);
}

static void push_group(lm_eval *e, lm_value out, lm_value key, lm_value group)
{
    lm_value pair = lm_value_list_new(e->m, LM_IS_TUPLE, 2);
    lm_value_push(e->m, pair, key);
    lm_value_push(e->m, pair, group);
    lm_value_push(e->m, out, pair);
}

FILTER(run_groupby)
{
    (void)call;
    lm_value order = sorted(e, lm_items_of(e, self), args[2], args[0], false),
             out = lm_value_list_new(e->m, LM_IS_LIST, 0);
    lm_value last = lm_value_none(), last_key = last, group = last;
    for (size_t i = 0; i < order.list->count && lm_ok(e->st); i++) {
        lm_value item = order.list->items[i], key = by_attribute(e, item, args[0]);
        if (key.kind == LM_VALUE_UNDEFINED && !lm_value_absent(args[1]))
            key = args[1];
        lm_value compared = comparable(e, key, args[2]);
        if (i == 0 || !lm_value_equal(compared, last)) {
            if (i)
                push_group(e, out, last_key, group);
            group = lm_value_list_new(e->m, LM_IS_LIST, 0);
            last = compared;
            last_key = key;
        }
        lm_value_push(e->m, group, item);
    }
    if (order.list->count && lm_ok(e->st))
        push_group(e, out, last_key, group);
    return out;
}

/* ---------------------------------------------------------------- one out of many */

FILTER(run_first)
{
    (void)args, (void)call;
    const lm_value_list *items = lm_items_of(e, self);
    return items->count ? items->items[0]
                        : lm_value_undefined(lm_str_of("there is no first item: there is none"));
}

FILTER(run_last)
{
    (void)args, (void)call;
    if (self.kind == LM_VALUE_LIST && self.list->shape == LM_IS_GENERATOR)
        return lm_eval_fail(e, "last: what select, map and the like give has no end: make it a list first");
    const lm_value_list *items = lm_items_of(e, self);
    return items->count ? items->items[items->count - 1]
                        : lm_value_undefined(lm_str_of("there is no last item: there is none"));
}

FILTER(run_list)
{
    (void)args, (void)call;
    const lm_value_list *items = lm_items_of(e, self);
    lm_value out = lm_value_list_new(e->m, LM_IS_LIST, items->count);
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++)
        lm_value_push(e->m, out, items->items[i]);
    lm_eval_step(e, items->count / 8);
    return out;
}

FILTER(run_join)
{
    (void)call;
    const lm_value_list *items = lm_items_of(e, self);
    lm_str by = lm_value_str(e->m, args[0]).text;
    lm_buf b = {0};
    for (size_t i = 0; i < items->count && lm_eval_step(e, 0) && b.len <= e->m->limit; i++) {
        if (i)
            lm_buf_append(&b, by.data, by.len);
        lm_value_print(by_attribute(e, items->items[i], args[1]), &b);
    }
    return lm_value_from_buf(e, &b);
}

FILTER(run_sum)
{
    (void)call;
    const lm_value_list *items = lm_items_of(e, self);
    lm_value total = lm_value_absent(args[1]) ? lm_value_int(0) : args[1];
    for (size_t i = 0; i < items->count && lm_ok(e->st); i++)
        total = lm_binary(e, LM_OP_ADD, total, by_attribute(e, items->items[i], args[0]));
    return total;
}

/* ---------------------------------------------------------------- in parts */

FILTER(run_batch)
{
    (void)call;
    const lm_value_list *items = lm_items_of(e, self);
    int64_t size = lm_value_is_whole(args[0]) ? lm_value_whole(args[0]) : 0;
    lm_value out = lm_value_list_new(e->m, LM_IS_GENERATOR, 0);
    if (size < 1 || size > INT32_MAX)
        return lm_eval_fail(e, "batch: how many items to a batch?");
    for (size_t i = 0; i < items->count && lm_ok(e->st);) {
        lm_value part = lm_value_list_new(e->m, LM_IS_LIST, 0);
        for (int64_t k = 0; k < size && lm_ok(e->st); k++, i++) {
            if (i < items->count)
                lm_value_push(e->m, part, items->items[i]);
            else if (!lm_value_absent(args[1]) && lm_eval_step(e, 0))
                lm_value_push(e->m, part, args[1]);
        }
        lm_value_push(e->m, out, part);
    }
    return out;
}

FILTER(run_slice)
{
    (void)call;
    const lm_value_list *items = lm_items_of(e, self);
    int64_t slices = lm_value_is_whole(args[0]) ? lm_value_whole(args[0]) : 0;
    lm_value out = lm_value_list_new(e->m, LM_IS_GENERATOR, 0);
    if (slices < 1 || slices > INT32_MAX)
        return lm_eval_fail(e, "slice: how many slices?");
    size_t each = items->count / (size_t)slices, more = items->count % (size_t)slices, at = 0;
    for (size_t i = 0; i < (size_t)slices && lm_eval_step(e, 0); i++) {
        lm_value part = lm_value_list_new(e->m, LM_IS_LIST, 0);
        for (size_t k = 0; k < each + (i < more) && lm_ok(e->st); k++)
            lm_value_push(e->m, part, items->items[at++]);
        if (!lm_value_absent(args[1]) && i >= more)
            lm_value_push(e->m, part, args[1]);
        lm_value_push(e->m, out, part);
    }
    return out;
}

/* ---------------------------------------------------------------- map, select, reject */

/* The arguments behind the first `skip`. */
static lm_call rest_of(const lm_call *call, size_t skip)
{
    lm_call rest = *call;
    rest.args += skip;
    rest.count -= skip;
    return rest;
}

FILTER(run_map)
{
    (void)args;
    const lm_value_list *items = lm_items_of(e, self);
    lm_value out = lm_value_list_new(e->m, LM_IS_GENERATOR, items->count);
    lm_value attribute = lm_value_none(), otherwise = lm_value_none();
    bool by_member = false, has_default = false;
    for (size_t i = 0; call->count == 0 && i < call->named_count; i++) {
        lm_str name = lm_value_text(call->named[i].key);
        if (lm_str_is(name, "attribute")) {
            attribute = call->named[i].value;
            by_member = true;
        } else if (lm_str_is(name, "default")) {
            otherwise = call->named[i].value;
            has_default = true;
        }
    }
    if (!by_member && (call->count == 0 || call->args[0].kind != LM_VALUE_STRING))
        return lm_eval_fail(e, "map needs a filter, or an attribute");
    for (size_t i = 0; i < items->count && lm_eval_step(e, 0); i++) {
        lm_call rest = by_member ? (lm_call){0} : rest_of(call, 1);
        lm_value v = by_member ? by_attribute(e, items->items[i], attribute)
                               : lm_run_filter(e, call->args[0].text, items->items[i], &rest);
        lm_value_push(e->m, out, by_member && has_default && v.kind == LM_VALUE_UNDEFINED ? otherwise : v);
    }
    return out;
}

/* Items of which a test, or the truth, is `keep`; with `attribute` of a member, the first argument. */
static lm_value chosen(lm_eval *e, lm_value self, const lm_call *call, bool attribute, bool keep)
{
    const lm_value_list *items = lm_items_of(e, self);
    lm_value out = lm_value_list_new(e->m, LM_IS_GENERATOR, 0);
    size_t test = attribute ? 1 : 0;
    if (attribute && !call->count)
        return lm_eval_fail(e, "selectattr and rejectattr need the name of a member");
    if (call->count > test && call->args[test].kind != LM_VALUE_STRING)
        return lm_eval_fail(e, "the name of a test is text");
    for (size_t i = 0; i < items->count && lm_eval_step(e, 0); i++) {
        lm_value v = attribute ? by_attribute(e, items->items[i], call->args[0]) : items->items[i];
        bool yes = lm_value_truth(v);
        if (call->count > test) {
            lm_call rest = rest_of(call, test + 1);
            yes = lm_run_test(e, call->args[test].text, v, &rest);
        }
        if (yes == keep)
            lm_value_push(e->m, out, items->items[i]);
    }
    return out;
}

FILTER(run_select)
{
    (void)args;
    return chosen(e, self, call, false, true);
}
FILTER(run_reject)
{
    (void)args;
    return chosen(e, self, call, false, false);
}
FILTER(run_selectattr)
{
    (void)args;
    return chosen(e, self, call, true, true);
}
FILTER(run_rejectattr)
{
    (void)args;
    return chosen(e, self, call, true, false);
}

const lm_builtin lm_filters_of_lists[] = {
    {"sort", "|reverse case_sensitive attribute", run_sort},
    {"dictsort", "|case_sensitive by reverse", run_dictsort},
    {"reverse", "", run_reverse},
    {"unique", "|case_sensitive attribute", run_unique},
    {"min", "|case_sensitive attribute", run_min},
    {"max", "|case_sensitive attribute", run_max},
    {"groupby", "attribute|default case_sensitive", run_groupby},
    {"first", "", run_first},
    {"last", "", run_last},
    {"list", "", run_list},
    {"join", "|d attribute", run_join},
    {"sum", "|attribute start", run_sum},
    {"batch", "linecount|fill_with", run_batch},
    {"slice", "slices|fill_with", run_slice},
    {"map", "...", run_map},
    {"select", "...", run_select},
    {"reject", "...", run_reject},
    {"selectattr", "...", run_selectattr},
    {"rejectattr", "...", run_rejectattr},
    {NULL, NULL, NULL},
};
