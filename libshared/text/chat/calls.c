/* What can be called: how arguments find their parameters, the globals, and the tests of `is`. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <utf8proc.h>

/* ---------------------------------------------------------------- arguments */

/* "a b| c": a and b are required. */
static bool bind(lm_eval *e, const lm_builtin *b, const lm_call *call, lm_value *args)
{
    const char *bar = strchr(b->parameters, '|'), *end = b->parameters + strlen(b->parameters);
    size_t count = 0, named = 0;
    for (const char *p = b->parameters + strspn(b->parameters, "|"); p < end && count < LM_ARGUMENTS_MAX;
         count++) {
        lm_str name = {p, strcspn(p, " |")};
        bool given = count < call->count, required = !bar || p < bar;
        if (given)
            args[count] = call->args[count];
        for (size_t i = 0; !given && i < call->named_count; i++)
            if (lm_str_equal(lm_value_text(call->named[i].key), name)) {
                args[count] = call->named[i].value;
                given = true;
                named++;
            }
        if (!given && required) {
            lm_eval_fail(e, "%s needs the argument '%.*s'", b->name, (int)name.len, name.data);
            return false;
        }
        p += name.len;
        p += strspn(p, " |");
    }
    if (call->count > count)
        lm_eval_fail(e, "%s takes at most %zu arguments, not %zu", b->name, count, call->count);
    else if (named < call->named_count)
        lm_eval_fail(e, "needs: %s with the named argument '%.*s'", b->name,
                     (int)lm_value_text(call->named[0].key).len, lm_value_text(call->named[0].key).data);
    return lm_ok(e->st);
}

lm_value lm_run_builtin(lm_eval *e, const lm_builtin *b, lm_value self, const lm_call *call)
{
    lm_value args[LM_ARGUMENTS_MAX];
    for (int i = 0; i < LM_ARGUMENTS_MAX; i++)
        args[i] = lm_value_undefined((lm_str){"", 0});
    if (strcmp(b->parameters, "...") != 0 && !bind(e, b, call, args))
        return self;
    return b->run(e, self, args, call);
}

lm_value lm_run_call(lm_eval *e, lm_value callee, const lm_call *call)
{
    if (callee.kind == LM_VALUE_UNDEFINED)
        return lm_eval_fail(e, "%.*s, and cannot be called", (int)callee.text.len, callee.text.data);
    if (callee.kind == LM_VALUE_LOOP && call->count == 1)
        return lm_run_recursion(e, callee.loop, call->args[0]);
    if (callee.kind != LM_VALUE_FUNCTION)
        return lm_eval_fail(e, "a value of type %s cannot be called", lm_value_type(callee));
    const lm_function *f = callee.function;
    return f->builtin ? lm_run_builtin(e, f->builtin, f->self, call) : lm_run_macro(e, f, call);
}

static const lm_builtin *find(const lm_builtin *table, lm_str name)
{
    for (; table->name; table++)
        if (lm_str_is(name, table->name))
            return table;
    return NULL;
}

/* ---------------------------------------------------------------- globals */

static lm_value run_range(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)self, (void)call;
    enum { RANGE_MAX = 100000 }; /* as Jinja's sandbox has it */
    int64_t v[3] = {0, 0, 1};
    int given = 0;
    for (; given < 3 && !lm_value_absent(args[given]); given++) {
        if (!lm_value_is_whole(args[given]))
            return lm_eval_fail(e, "range takes whole numbers, not %s", lm_value_type(args[given]));
        v[given] = lm_value_whole(args[given]);
    }
    int64_t from = given == 1 ? 0 : v[0], to = given == 1 ? v[0] : v[1], step = given == 3 ? v[2] : 1;
    if (step == 0)
        return lm_eval_fail(e, "the step of a range is 0");
    lm_value list = lm_value_list_new(e->m, LM_IS_RANGE, 0);
    while ((step > 0 ? from < to : from > to) && lm_eval_step(e, 0)) {
        if (list.list->count == RANGE_MAX)
            return lm_eval_fail(e, "a range has at most %d numbers", RANGE_MAX);
        lm_value_push(e->m, list, lm_value_int(from));
        if (__builtin_add_overflow(from, step, &from))
            break;
    }
    return list;
}

/* dict() and namespace(): of dicts and pairs, and of named arguments. */
static lm_value gather(lm_eval *e, lm_value_kind kind, const lm_call *call)
{
    lm_value out = lm_value_dict_new(e->m, kind);
    for (size_t i = 0; i < call->count && lm_ok(e->st); i++) {
        lm_value v = call->args[i];
        bool pairs = v.kind == LM_VALUE_DICT || v.kind == LM_VALUE_NAMESPACE;
        const lm_value_list *items = pairs ? NULL : lm_items_of(e, v);
        for (size_t k = 0; pairs && k < v.dict->count; k++)
            lm_value_put(e->m, out, v.dict->pairs[k].key, v.dict->pairs[k].value);
        for (size_t k = 0; items && k < items->count && lm_ok(e->st); k++) {
            const lm_value_list *pair = lm_items_of(e, items->items[k]);
            if (lm_ok(e->st) && pair->count == 2)
                lm_value_put(e->m, out, pair->items[0], pair->items[1]);
            else
                lm_eval_fail(e, "a dict is made of pairs");
        }
    }
    for (size_t i = 0; i < call->named_count; i++)
        lm_value_put(e->m, out, call->named[i].key, call->named[i].value);
    return out;
}

static lm_value run_namespace(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)self, (void)args;
    return gather(e, LM_VALUE_NAMESPACE, call);
}

static lm_value run_dict(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)self, (void)args;
    return gather(e, LM_VALUE_DICT, call);
}

static lm_value run_raise(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)self, (void)call;
    lm_str s = lm_value_str(e->m, args[0]).text;
    return lm_eval_fail(e, "the template refuses this conversation: %.*s", (int)(s.len < 800 ? s.len : 800),
                        s.data);
}

static lm_value run_strftime(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)self, (void)call;
    time_t now = e->run->now < 0 ? time(NULL) : (time_t)e->run->now;
    struct tm tm;
    char text[1024], format[256];
    lm_str f = lm_value_text(args[0]);
    if (f.len >= sizeof format - 1 || memchr(f.data, 0, f.len))
        return lm_eval_fail(e, "the format of strftime_now is too long");
    memcpy(format, f.data, f.len);
    memcpy(format + f.len, " ", 2); /* so that nothing written is told from no room */
    if (!(e->run->utc ? gmtime_r(&now, &tm) : localtime_r(&now, &tm)))
        return lm_eval_fail(e, "the time is out of range");
    size_t n = strftime(text, sizeof text, format, &tm);
    return n ? lm_value_string(lm_jinja_copy(e->m, (lm_str){text, n - 1}))
             : lm_eval_fail(e, "the date is too long");
}

static const lm_builtin globals[] = {
    {"range", "start| stop step", run_range},
    {"namespace", "...", run_namespace},
    {"dict", "...", run_dict},
    {"raise_exception", "message", run_raise},
    {"strftime_now", "format", run_strftime},
    {NULL, NULL, NULL},
};

const lm_builtin *lm_global_find(lm_str name)
{
    return find(globals, name);
}

/* ---------------------------------------------------------------- methods of lists, dicts and loops */

static lm_value run_get(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)e;
    const lm_value *v = lm_value_find(self.dict, args[0]);
    return v ? *v : call->count + call->named_count > 1 ? args[1] : lm_value_none();
}

static lm_value dict_view(lm_eval *e, lm_value self, bool keys, bool values)
{
    lm_value out = lm_value_list_new(e->m, LM_IS_VIEW, self.dict->count);
    for (size_t i = 0; i < self.dict->count && lm_ok(e->st); i++) {
        const lm_value_pair *p = &self.dict->pairs[i];
        lm_value item = keys ? p->key : p->value;
        if (keys && values) {
            item = lm_value_list_new(e->m, LM_IS_TUPLE, 2);
            lm_value_push(e->m, item, p->key);
            lm_value_push(e->m, item, p->value);
        }
        lm_value_push(e->m, out, item);
    }
    lm_eval_step(e, self.dict->count);
    return out;
}

static lm_value run_items(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)args, (void)call;
    return dict_view(e, self, true, true);
}

static lm_value run_keys(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)args, (void)call;
    return dict_view(e, self, true, false);
}

static lm_value run_values(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)args, (void)call;
    return dict_view(e, self, false, true);
}

static lm_value run_copy(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)e, (void)args, (void)call; /* nothing changes a value, so it is its copy */
    return self;
}

static lm_value run_count(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)call;
    int64_t n = 0;
    for (size_t i = 0; i < self.list->count && lm_eval_step(e, 0); i++)
        n += lm_value_equal(self.list->items[i], args[0]);
    return lm_value_int(n);
}

static lm_value run_index(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)call;
    for (size_t i = 0; i < self.list->count && lm_eval_step(e, 0); i++)
        if (lm_value_equal(self.list->items[i], args[0]))
            return lm_value_int((int64_t)i);
    return lm_eval_fail(e, "index: the value is not in the list");
}

static lm_value run_changing(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)args, (void)call;
    return lm_eval_fail(e, "a template may not change a %s in place: set a new one", lm_value_type(self));
}

static lm_value run_cycle(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)args;
    if (!call->count)
        return lm_eval_fail(e, "loop.cycle needs values");
    return call->args[self.loop->index % call->count];
}

static lm_value run_changed(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)
{
    (void)args;
    lm_value now = lm_value_list_new(e->m, LM_IS_TUPLE, call->count), before = self.loop->changed;
    for (size_t i = 0; i < call->count; i++)
        lm_value_push(e->m, now, call->args[i]);
    self.loop->changed = now;
    return lm_value_bool(!lm_value_equal(now, before));
}

static const lm_builtin dict_methods[] = {
    {"get", "key| default", run_get},
    {"items", "", run_items},
    {"keys", "", run_keys},
    {"values", "", run_values},
    {"copy", "", run_copy},
    {"update", "...", run_changing},
    {"pop", "...", run_changing},
    {"popitem", "", run_changing},
    {"setdefault", "...", run_changing},
    {"clear", "", run_changing},
    {NULL, NULL, NULL},
};
static const lm_builtin list_methods[] = {
    {"index", "value", run_index},   {"count", "value", run_count},   {"copy", "", run_copy},
    {"append", "...", run_changing}, {"extend", "...", run_changing}, {"insert", "...", run_changing},
    {"pop", "...", run_changing},    {"remove", "...", run_changing}, {"reverse", "", run_changing},
    {"sort", "...", run_changing},   {"clear", "", run_changing},     {NULL, NULL, NULL},
};
static const lm_builtin loop_methods[] = {
    {"cycle", "...", run_cycle},
    {"changed", "...", run_changed},
    {NULL, NULL, NULL},
};

const lm_builtin *lm_method_find(lm_value self, lm_str name)
{
    switch ((lm_value_kind)self.kind) {
    case LM_VALUE_STRING:
        return find(lm_string_methods, name);
    case LM_VALUE_DICT:
        return find(dict_methods, name);
    case LM_VALUE_LOOP:
        return find(loop_methods, name);
    case LM_VALUE_LIST:
        return self.list->shape <= LM_IS_RANGE ? find(list_methods, name) : NULL;
    default:
        return NULL;
    }
}

/* ---------------------------------------------------------------- tests */

static bool is_cased(lm_str s, bool upper)
{
    bool any = false;
    for (size_t i = 0; i < s.len;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)s.data + i, (utf8proc_ssize_t)(s.len - i), &code);
        if (n <= 0)
            return false;
        utf8proc_category_t c = utf8proc_category(code);
        if (c == UTF8PROC_CATEGORY_LT || c == (upper ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU))
            return false;
        any |= c == (upper ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_LL);
        i += (size_t)n;
    }
    return any;
}

#define TEST(function, condition)                                                                            \
    static lm_value function(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)           \
    {                                                                                                        \
        (void)e, (void)args, (void)call;                                                                     \
        return lm_value_bool(condition);                                                                     \
    }

TEST(is_defined, self.kind != LM_VALUE_UNDEFINED)
TEST(is_undefined, self.kind == LM_VALUE_UNDEFINED)
TEST(is_none, self.kind == LM_VALUE_NONE)
TEST(is_boolean, self.kind == LM_VALUE_BOOL)
TEST(is_true, self.kind == LM_VALUE_BOOL && self.truth)
TEST(is_false, self.kind == LM_VALUE_BOOL && !self.truth)
TEST(is_integer, self.kind == LM_VALUE_INT || self.kind == LM_VALUE_BIG)
TEST(is_float, self.kind == LM_VALUE_FLOAT)
TEST(is_number, lm_value_is_number(self) || self.kind == LM_VALUE_BIG)
TEST(is_string, self.kind == LM_VALUE_STRING)
TEST(is_mapping, self.kind == LM_VALUE_DICT)
TEST(is_iterable, lm_is_iterable(self))
TEST(is_sequence, self.kind == LM_VALUE_STRING || self.kind == LM_VALUE_DICT ||
                      self.kind == LM_VALUE_UNDEFINED ||
                      (self.kind == LM_VALUE_LIST && self.list->shape < LM_IS_VIEW))
TEST(is_callable, self.kind == LM_VALUE_FUNCTION || self.kind == LM_VALUE_UNDEFINED)
TEST(is_escaped, self.kind == LM_VALUE_STRING && self.markup)
TEST(is_lower, is_cased(lm_value_str(e->m, self).text, false))
TEST(is_upper, is_cased(lm_value_str(e->m, self).text, true))
TEST(is_in, lm_comparison(e, LM_OP_IN, self, args[0]))
TEST(is_equal, lm_value_equal(self, args[0]))
TEST(is_unequal, !lm_value_equal(self, args[0]))
TEST(is_less, lm_comparison(e, LM_OP_LESS, self, args[0]))
TEST(is_less_equal, lm_comparison(e, LM_OP_LESS_EQUAL, self, args[0]))
TEST(is_greater, lm_comparison(e, LM_OP_GREATER, self, args[0]))
TEST(is_greater_equal, lm_comparison(e, LM_OP_GREATER_EQUAL, self, args[0]))
TEST(is_filter, self.kind == LM_VALUE_STRING && lm_filter_find(self.text))
TEST(is_test, self.kind == LM_VALUE_STRING && lm_test_find(self.text))
TEST(is_same, self.kind == args[0].kind && (self.kind == LM_VALUE_LIST   ? self.list == args[0].list
                                            : self.kind == LM_VALUE_DICT ? self.dict == args[0].dict
                                                                         : lm_value_equal(self, args[0])))
TEST(is_odd, lm_value_equal(lm_binary(e, LM_OP_MODULO, self, lm_value_int(2)), lm_value_int(1)))
TEST(is_even, !lm_value_truth(lm_binary(e, LM_OP_MODULO, self, lm_value_int(2))))
TEST(is_divisible, !lm_value_truth(lm_binary(e, LM_OP_MODULO, self, args[0])))

static const lm_builtin tests[] = {
    {"defined", "", is_defined},
    {"undefined", "", is_undefined},
    {"none", "", is_none},
    {"boolean", "", is_boolean},
    {"true", "", is_true},
    {"false", "", is_false},
    {"integer", "", is_integer},
    {"float", "", is_float},
    {"number", "", is_number},
    {"string", "", is_string},
    {"mapping", "", is_mapping},
    {"iterable", "", is_iterable},
    {"sequence", "", is_sequence},
    {"callable", "", is_callable},
    {"escaped", "", is_escaped},
    {"lower", "", is_lower},
    {"upper", "", is_upper},
    {"in", "seq", is_in},
    {"filter", "", is_filter},
    {"test", "", is_test},
    {"sameas", "other", is_same},
    {"odd", "", is_odd},
    {"even", "", is_even},
    {"divisibleby", "num", is_divisible},
    {"eq", "other", is_equal},
    {"equalto", "other", is_equal},
    {"==", "other", is_equal},
    {"ne", "other", is_unequal},
    {"!=", "other", is_unequal},
    {"lt", "other", is_less},
    {"lessthan", "other", is_less},
    {"<", "other", is_less},
    {"le", "other", is_less_equal},
    {"<=", "other", is_less_equal},
    {"gt", "other", is_greater},
    {"greaterthan", "other", is_greater},
    {">", "other", is_greater},
    {"ge", "other", is_greater_equal},
    {">=", "other", is_greater_equal},
    {NULL, NULL, NULL},
};

const lm_builtin *lm_test_find(lm_str name)
{
    return find(tests, name);
}

bool lm_run_test(lm_eval *e, lm_str name, lm_value self, const lm_call *call)
{
    const lm_builtin *b = lm_test_find(name);
    if (b)
        return lm_value_truth(lm_run_builtin(e, b, self, call)) && lm_ok(e->st);
    lm_eval_fail(e, "needs: the test %.*s, which chat templates do not have", (int)name.len, name.data);
    return false;
}

/* ---------------------------------------------------------------- filters */

const lm_builtin *lm_filter_find(lm_str name)
{
    const lm_builtin *b = find(lm_filters_of_values, name);
    if (!b)
        b = find(lm_filters_of_lists, name);
    return b ? b : find(lm_filters_of_text, name);
}

lm_value lm_run_filter(lm_eval *e, lm_str name, lm_value self, const lm_call *call)
{
    const lm_builtin *b = lm_filter_find(name);
    if (b)
        return lm_run_builtin(e, b, self, call);
    return lm_eval_fail(e, "needs: the filter %.*s, which chat templates do not have", (int)name.len,
                        name.data);
}
