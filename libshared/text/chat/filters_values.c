/* Filters of single values: defaults, numbers, JSON. */
#include "base/memory.h"
#include "text/chat/jinja_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FILTER(name)                                                                                         \
    static lm_value name(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)

FILTER(run_default)
{
    (void)e, (void)call;
    bool absent = self.kind == LM_VALUE_UNDEFINED || (lm_value_truth(args[1]) && !lm_value_truth(self));
    return !absent ? self : lm_value_absent(args[0]) ? lm_value_string(lm_str_of("")) : args[0];
}

FILTER(run_string)
{
    (void)args, (void)call;
    return lm_value_str(e->m, self);
}

FILTER(run_safe)
{
    (void)args, (void)call;
    lm_value v = lm_value_str(e->m, self);
    v.markup = true;
    return v;
}

FILTER(run_escape)
{
    (void)args, (void)call;
    return lm_escaped(e, self);
}

FILTER(run_force_escape)
{
    (void)args, (void)call;
    self = lm_value_str(e->m, self);
    self.markup = false;
    return lm_escaped(e, self);
}

FILTER(run_length)
{
    (void)args, (void)call;
    int64_t n = lm_length_of(self);
    return n < 0 ? lm_eval_fail(e, "a value of type %s has no length", lm_value_type(self)) : lm_value_int(n);
}

FILTER(run_attr)
{
    (void)call;
    if (self.kind == LM_VALUE_DICT && !lm_method_find(self, lm_value_text(args[0])))
        return lm_value_undefined(lm_str_of("a dict has no attributes but its methods"));
    return lm_member_of(e, self, lm_value_text(args[0]));
}

/* ---------------------------------------------------------------- numbers */

FILTER(run_abs)
{
    (void)args, (void)call;
    if (self.kind == LM_VALUE_FLOAT)
        return lm_value_float(fabs(self.real));
    if (!lm_value_is_whole(self))
        return lm_eval_fail(e, "abs takes a number, not %s", lm_value_type(self));
    return lm_value_whole(self) < 0 ? lm_binary(e, LM_OP_SUBTRACT, lm_value_int(0), self)
                                    : lm_value_int(lm_value_whole(self));
}

/* The text of a number, if it is one to Python: blanks around it, underscores between digits. */
static bool number_text(lm_str s, char *out, size_t room)
{
    size_t n = 0;
    s = lm_text_trim(s, NULL, true, true);
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '_' && i && i + 1 < s.len && s.data[i - 1] != '_' && s.data[i + 1] != '_')
            continue;
        if (n + 1 >= room || !s.data[i])
            return false;
        out[n++] = s.data[i];
    }
    out[n] = '\0';
    return n > 0;
}

static bool parse_real(lm_str s, double *out)
{
    char text[128], *end;
    if (!number_text(s, text, sizeof text) || strpbrk(text, "xXpP("))
        return false;
    *out = strtod(text, &end);
    return end != text && !*end;
}

static bool parse_whole(lm_str s, int64_t base, int64_t *out)
{
    char text[128], *end;
    if (!number_text(s, text, sizeof text) || base < 2 || base > 36)
        return false;
    char *digits = text + (*text == '-' || *text == '+');
    bool prefixed = digits[0] == '0' && digits[1] &&
                    ((base == 16 && (digits[1] | 32) == 'x') || (base == 2 && (digits[1] | 32) == 'b') ||
                     (base == 8 && (digits[1] | 32) == 'o'));
    if (prefixed) {
        digits[1] = '0';
    }
    errno = 0;
    *out = strtoll(text, &end, (int)base);
    return end != text && !*end && !errno;
}

FILTER(run_int)
{
    (void)call;
    lm_value otherwise = lm_value_absent(args[0]) ? lm_value_int(0) : args[0];
    int64_t base = lm_value_is_whole(args[1]) ? lm_value_whole(args[1]) : 10, v;
    double real;
    if (self.kind == LM_VALUE_INT || self.kind == LM_VALUE_BOOL || self.kind == LM_VALUE_BIG)
        return self.kind == LM_VALUE_BOOL ? lm_value_int(self.truth) : self;
    if (self.kind == LM_VALUE_STRING && parse_whole(self.text, base, &v))
        return lm_value_int(v);
    if (self.kind == LM_VALUE_UNDEFINED)
        return lm_eval_fail(e, "%.*s", (int)self.text.len, self.text.data);
    if (self.kind == LM_VALUE_FLOAT)
        real = self.real;
    else if (self.kind != LM_VALUE_STRING || !parse_real(self.text, &real))
        return otherwise;
    return fabs(real) < 9.2e18 ? lm_value_int((int64_t)real) : otherwise;
}

FILTER(run_float)
{
    (void)call;
    lm_value otherwise = lm_value_absent(args[0]) ? lm_value_float(0) : args[0];
    double real;
    if (lm_value_is_number(self))
        return lm_value_float(lm_value_real(self));
    if (self.kind == LM_VALUE_UNDEFINED)
        return lm_eval_fail(e, "%.*s", (int)self.text.len, self.text.data);
    return self.kind == LM_VALUE_STRING && parse_real(self.text, &real) ? lm_value_float(real) : otherwise;
}

/* round(x, n) of Python: the decimal that is nearest to what the number exactly is, half to even. */
static double round_common(double x, int64_t digits)
{
    char text[400];
    if (digits < 0) {
        double unit = pow(10, (double)-digits);
        return nearbyint(x / unit) * unit;
    }
    snprintf(text, sizeof text, "%.*f", (int)(digits < 40 ? digits : 40), x);
    return strtod(text, NULL);
}

FILTER(run_round)
{
    (void)call;
    int64_t digits = lm_value_is_whole(args[0]) ? lm_value_whole(args[0]) : 0;
    lm_str how = lm_value_absent(args[1]) ? lm_str_of("common") : lm_value_text(args[1]);
    if (!lm_value_is_number(self))
        return lm_eval_fail(e, "round takes a number, not %s", lm_value_type(self));
    double x = lm_value_real(self), unit = pow(10, (double)digits);
    if (lm_str_is(how, "common"))
        return lm_value_is_whole(self) && digits >= 0
                   ? lm_value_int(lm_value_whole(self))
                   : lm_value_float(fabs(x) < 1e300 ? round_common(x, digits) : x);
    if (lm_str_is(how, "ceil") || lm_str_is(how, "floor"))
        return lm_value_float((lm_str_is(how, "ceil") ? ceil(x * unit) : floor(x * unit)) / unit);
    return lm_eval_fail(e, "round goes by common, ceil or floor, not '%.*s'", (int)how.len, how.data);
}

/* ---------------------------------------------------------------- JSON */

/* What indents: a number of blanks, or a text. */
static lm_str indent_of(lm_eval *e, lm_value v)
{
    if (v.kind == LM_VALUE_STRING)
        return (lm_str){v.text.data ? v.text.data : "", v.text.len};
    if (!lm_value_is_whole(v))
        return (lm_str){NULL, 0};
    int64_t n = lm_value_whole(v) < 0 ? 0 : lm_value_whole(v);
    if (n > 1000)
        lm_eval_fail(e, "tojson: an indent of %lld is too much", (long long)n);
    char *blanks = lm_jinja_alloc(e->m, (size_t)n + 1, 1);
    if (!lm_ok(e->st))
        return (lm_str){"", 0};
    memset(blanks, ' ', (size_t)n);
    return (lm_str){blanks, (size_t)n};
}

FILTER(run_tojson)
{
    (void)call;
    lm_json_style style = {.ascii = lm_value_truth(args[0]),
                           .sort_keys = lm_value_truth(args[3]),
                           .indent = indent_of(e, args[1])};
    style.item_separator = style.indent.data ? lm_str_of(",") : lm_str_of(", ");
    style.key_separator = lm_str_of(": ");
    if (args[2].kind == LM_VALUE_LIST && args[2].list->count == 2) {
        style.item_separator = lm_value_text(args[2].list->items[0]);
        style.key_separator = lm_value_text(args[2].list->items[1]);
    }
    lm_buf b = {0};
    const char *what = NULL;
    if (lm_ok(e->st) && !lm_value_to_json(self, &style, &b, &what))
        lm_eval_fail(e, "tojson: there is no JSON for %s%s%.*s", what,
                     self.kind == LM_VALUE_UNDEFINED ? ": " : "",
                     self.kind == LM_VALUE_UNDEFINED ? (int)self.text.len : 0, self.text.data);
    lm_eval_step(e, b.len / 8);
    return lm_value_from_buf(e, &b);
}

FILTER(run_items)
{
    (void)args, (void)call;
    if (self.kind == LM_VALUE_UNDEFINED)
        return lm_value_list_new(e->m, LM_IS_GENERATOR, 0);
    if (self.kind != LM_VALUE_DICT)
        return lm_eval_fail(e, "items takes a dict, not %s", lm_value_type(self));
    lm_value v = lm_run_builtin(e, lm_method_find(self, lm_str_of("items")), self, call);
    if (lm_ok(e->st))
        v.list->shape = LM_IS_GENERATOR;
    return v;
}

const lm_builtin lm_filters_of_values[] = {
    {"default", "|default_value boolean", run_default},
    {"d", "|default_value boolean", run_default},
    {"string", "", run_string},
    {"safe", "", run_safe},
    {"escape", "", run_escape},
    {"e", "", run_escape},
    {"forceescape", "", run_force_escape},
    {"length", "", run_length},
    {"count", "", run_length},
    {"attr", "name", run_attr},
    {"abs", "", run_abs},
    {"int", "|default base", run_int},
    {"float", "|default", run_float},
    {"round", "|precision method", run_round},
    {"tojson", "|ensure_ascii indent separators sort_keys", run_tojson},
    {"items", "", run_items},
    {NULL, NULL, NULL},
};
