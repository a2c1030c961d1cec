/* Filters of text. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/chat/jinja_internal.h"
#include "text/chat/text_case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILTER(name)                                                                                         \
    static lm_value name(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)

FILTER(run_upper)
{
    (void)args, (void)call;
    return lm_text_in_case(e, lm_value_str(e->m, self), LM_CASE_UPPER);
}
FILTER(run_lower)
{
    (void)args, (void)call;
    return lm_text_in_case(e, lm_value_str(e->m, self), LM_CASE_LOWER);
}
FILTER(run_capitalize)
{
    (void)args, (void)call;
    return lm_text_in_case(e, lm_value_str(e->m, self), LM_CASE_CAPITALIZE);
}
FILTER(run_title)
{
    (void)args, (void)call;
    return lm_text_in_case(e, lm_value_str(e->m, self), LM_CASE_TITLE_WORDS);
}

FILTER(run_trim)
{
    (void)call;
    lm_value s = lm_value_str(e->m, self);
    bool given = args[0].kind == LM_VALUE_STRING;
    s.text = lm_text_trim(s.text, given ? &args[0].text : NULL, true, true);
    return s;
}

FILTER(run_replace)
{
    (void)call;
    lm_value s = lm_value_str(e->m, self);
    int64_t most = lm_value_is_whole(args[2]) ? lm_value_whole(args[2]) : -1;
    return lm_text_replace(e, s, lm_value_str(e->m, args[0]).text, lm_value_str(e->m, args[1]).text, most);
}

FILTER(run_indent)
{
    (void)call;
    if (self.kind != LM_VALUE_STRING && self.kind != LM_VALUE_UNDEFINED)
        return lm_eval_fail(e, "indent takes text, not %s", lm_value_type(self));
    lm_value s = lm_value_str(e->m, self);
    lm_buf b = {0};
    lm_str blank = lm_value_text(args[0]);
    bool first = lm_value_truth(args[1]), blanks = lm_value_truth(args[2]);
    if (args[0].kind != LM_VALUE_STRING) {
        int64_t width = lm_value_is_whole(args[0]) ? lm_value_whole(args[0]) : 4;
        lm_value times = lm_binary(e, LM_OP_MULTIPLY, lm_value_string(lm_str_of(" ")), lm_value_int(width));
        blank = lm_value_text(times);
    }
    for (size_t i = 0; i <= s.text.len && lm_eval_step(e, 0) && b.len <= e->m->limit;) {
        const char *at = s.text.data + i, *end = i < s.text.len ? memchr(at, '\n', s.text.len - i) : NULL;
        size_t n = end ? (size_t)(end - at) : s.text.len - i;
        if (i ? n || blanks : first)
            lm_buf_append(&b, blank.data, blank.len);
        lm_buf_append(&b, at, n);
        if (end)
            lm_buf_putc(&b, '\n');
        i += n + 1;
        if (!end)
            break;
    }
    return lm_value_from_buf(e, &b);
}

FILTER(run_center)
{
    (void)call;
    lm_value s = lm_value_str(e->m, self), width = lm_value_absent(args[0]) ? lm_value_int(80) : args[0];
    const lm_call one = {.args = &width, .count = 1};
    return lm_run_builtin(e, lm_method_find(s, lm_str_of("center")), s, &one);
}

static bool is_word(uint32_t c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= 0x80 && !lm_is_python_space(c));
}

FILTER(run_wordcount)
{
    (void)args, (void)call;
    lm_str s = lm_value_str(e->m, self).text;
    int64_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < s.len;) {
        uint32_t code;
        i += lm_utf8_decode(s.data + i, s.len - i, &code);
        n += !inside && is_word(code);
        inside = is_word(code);
    }
    return lm_value_int(n);
}

FILTER(run_truncate)
{
    (void)call;
    lm_value s = lm_value_str(e->m, self);
    int64_t length = lm_value_is_whole(args[0]) ? lm_value_whole(args[0]) : 255, n = lm_length_of(s);
    lm_value end = lm_value_absent(args[2]) ? lm_value_string(lm_str_of("...")) : args[2];
    int64_t leeway = lm_value_is_whole(args[3]) ? lm_value_whole(args[3]) : 5,
            keep = length - lm_length_of(end);
    if (keep < 0 || leeway < 0)
        return lm_eval_fail(e, "truncate: the length is shorter than what stands for the rest");
    if (n <= length || n - leeway <= length)
        return s;
    s.text.len = lm_text_place(s.text, (size_t)keep);
    for (size_t i = s.text.len; !lm_value_truth(args[1]) && i-- > 0;)
        if (s.text.data[i] == ' ') {
            s.text.len = i;
            break;
        }
    return lm_binary(e, LM_OP_ADD, s, end);
}

/* ---------------------------------------------------------------- % and format */

/* One conversion of Python's %: its flags and width go to printf. */
static bool convert(lm_eval *e, lm_str spec, char kind, lm_value v, lm_buf *out)
{
    char format[48];
    if (spec.len > 20)
        return false;
    memcpy(format, spec.data, spec.len);
    lm_buf text = {0};
    bool ok = true;
    if (kind == 's' || kind == 'r') {
        if (kind == 's')
            lm_value_print(v, &text);
        else
            lm_value_repr(v, &text);
        ok = spec.len == 1; /* a width would count bytes */
        lm_buf_append(out, text.data, text.len);
    } else if (strchr("dixXo", kind) && lm_value_is_number(v)) {
        int64_t n = v.kind == LM_VALUE_FLOAT ? (int64_t)v.real : lm_value_whole(v);
        const char *length = kind == 'x' ? PRIx64 : kind == 'X' ? PRIX64 : kind == 'o' ? PRIo64 : PRId64;
        ok = v.kind != LM_VALUE_FLOAT || (v.real > -9e18 && v.real < 9e18);
        strcpy(format + spec.len, length);
        bool minus = n < 0 && kind != 'd' && kind != 'i' && n != INT64_MIN; /* Python writes -ff */
        lm_buf_puts(out, minus ? "-" : "");
        lm_buf_reserve(out, 128);
        int wrote = snprintf(out->data + out->len, 128, format, minus ? -n : n);
        ok = ok && wrote >= 0 && wrote < 128;
        out->len += ok ? (size_t)wrote : 0;
    } else if (strchr("feEgG", kind) && lm_value_is_number(v)) {
        format[spec.len] = kind;
        format[spec.len + 1] = '\0';
        lm_buf_reserve(out, 512);
        int wrote = snprintf(out->data + out->len, 512, format, lm_value_real(v));
        ok = wrote >= 0 && wrote < 512;
        out->len += ok ? (size_t)wrote : 0;
    } else {
        ok = false;
    }
    lm_buf_free(&text);
    return ok && lm_ok(e->st);
}

lm_value lm_percent_format(lm_eval *e, lm_str format, lm_value args)
{
    bool tuple = args.kind == LM_VALUE_LIST && args.list->shape == LM_IS_TUPLE;
    size_t next = 0, count = tuple ? args.list->count : 1;
    lm_buf b = {0};
    for (size_t i = 0; i < format.len && lm_eval_step(e, 0); i++) {
        if (format.data[i] != '%') {
            lm_buf_putc(&b, format.data[i]);
            continue;
        }
        if (i + 1 < format.len && format.data[i + 1] == '%') {
            lm_buf_putc(&b, '%');
            i++;
            continue;
        }
        const lm_value *v = NULL;
        size_t from = i++;
        if (i < format.len && format.data[i] == '(' && args.kind == LM_VALUE_DICT) {
            const char *close = memchr(format.data + i, ')', format.len - i);
            if (close)
                v = lm_value_find(
                    args.dict,
                    lm_value_string((lm_str){format.data + i + 1, (size_t)(close - format.data) - i - 1}));
            i = close ? (size_t)(close - format.data) + 1 : format.len;
            from = i - 1;
        } else if (next < count) {
            v = tuple ? &args.list->items[next] : &args;
            next++;
        }
        while (i < format.len && format.data[i] && strchr("0123456789.+-# ", format.data[i]))
            i++;
        lm_str spec = {format.data + from, i - from};
        char copy[24] = "%";
        if (spec.len > sizeof copy - 1 || i >= format.len || !v) {
            lm_eval_fail(e, "%%: there are fewer values than conversions, or one is not complete");
            break;
        }
        memcpy(copy + 1, spec.data + 1, spec.len - 1);
        if (!convert(e, (lm_str){copy, spec.len}, format.data[i], *v, &b))
            lm_eval_fail(e, "needs: the conversion %%%c of a value of type %s", format.data[i],
                         lm_value_type(*v));
    }
    bool single = !tuple && args.kind != LM_VALUE_DICT && args.kind != LM_VALUE_LIST;
    if (lm_ok(e->st) && (tuple || single) && next < count)
        lm_eval_fail(e, "%%: there are more values than conversions");
    return lm_value_from_buf(e, &b);
}

FILTER(run_format)
{
    (void)args;
    lm_value v = {0};
    if (call->named_count) {
        v = lm_value_dict_new(e->m, LM_VALUE_DICT);
        for (size_t i = 0; i < call->named_count; i++)
            lm_value_put(e->m, v, call->named[i].key, call->named[i].value);
    } else {
        v = lm_value_list_new(e->m, LM_IS_TUPLE, call->count);
        for (size_t i = 0; i < call->count; i++)
            lm_value_push(e->m, v, call->args[i]);
    }
    return lm_percent_format(e, lm_value_str(e->m, self).text, v);
}

const lm_builtin lm_filters_of_text[] = {
    {"upper", "", run_upper},
    {"lower", "", run_lower},
    {"capitalize", "", run_capitalize},
    {"title", "", run_title},
    {"trim", "|chars", run_trim},
    {"replace", "old new|count", run_replace},
    {"indent", "|width first blank", run_indent},
    {"center", "|width", run_center},
    {"wordcount", "", run_wordcount},
    {"truncate", "|length killwords end leeway", run_truncate},
    {"format", "...", run_format},
    {NULL, NULL, NULL},
};
