/* The methods of Python's str that templates call. What they return of a Markup is one as well. */
#include "base/memory.h"
#include "base/utf8.h"
#include "text/chat/jinja_internal.h"
#include "text/chat/text_case.h"

#include <stdlib.h>
#include <utf8proc.h>

static lm_value text_of(lm_value self, lm_str s)
{
    return (lm_value){.kind = LM_VALUE_STRING, .markup = self.markup, .text = s};
}

static bool want_text(lm_eval *e, lm_value v, const char *what)
{
    if (v.kind == LM_VALUE_STRING)
        return true;
    lm_eval_fail(e, "%s takes text, not %s", what, lm_value_type(v));
    return false;
}

/* An optional whole number. */
static bool want_number(lm_eval *e, lm_value v, int64_t otherwise, int64_t *out)
{
    *out = lm_value_is_whole(v) ? lm_value_whole(v) : otherwise;
    if (lm_value_absent(v) || v.kind == LM_VALUE_NONE || lm_value_is_whole(v))
        return true;
    lm_eval_fail(e, "a whole number is needed, not %s", lm_value_type(v));
    return false;
}

static const char *find_text(lm_str in, lm_str what)
{
    return what.len == 0 ? in.data : in.len ? memmem(in.data, in.len, what.data, what.len) : NULL;
}

static const char *find_last(lm_str in, lm_str what)
{
    for (size_t n = in.len; n >= what.len; n--) {
        if (memcmp(in.data + n - what.len, what.data, what.len) == 0)
            return in.data + n - what.len;
        if (n == 0)
            break;
    }
    return NULL;
}

#define METHOD(name)                                                                                         \
    static lm_value name(lm_eval *e, lm_value self, const lm_value *args, const lm_call *call)

/* ---------------------------------------------------------------- trimming */

static lm_value strip(lm_eval *e, lm_value self, lm_value chars, bool left, bool right)
{
    if (lm_value_absent(chars) || chars.kind == LM_VALUE_NONE)
        return text_of(self, lm_text_trim(self.text, NULL, left, right));
    if (!want_text(e, chars, "strip"))
        return self;
    return text_of(self, lm_text_trim(self.text, &chars.text, left, right));
}

METHOD(run_strip)
{
    (void)call;
    return strip(e, self, args[0], true, true);
}
METHOD(run_lstrip)
{
    (void)call;
    return strip(e, self, args[0], true, false);
}
METHOD(run_rstrip)
{
    (void)call;
    return strip(e, self, args[0], false, true);
}

static bool begins(lm_str s, lm_str with)
{
    return s.len >= with.len && (with.len == 0 || memcmp(s.data, with.data, with.len) == 0);
}

static bool ends(lm_str s, lm_str with)
{
    return s.len >= with.len &&
           (with.len == 0 || memcmp(s.data + s.len - with.len, with.data, with.len) == 0);
}

METHOD(run_removeprefix)
{
    (void)call;
    if (!want_text(e, args[0], "removeprefix") || !begins(self.text, args[0].text))
        return self;
    return text_of(self, (lm_str){self.text.data + args[0].text.len, self.text.len - args[0].text.len});
}
METHOD(run_removesuffix)
{
    (void)call;
    if (!want_text(e, args[0], "removesuffix") || !ends(self.text, args[0].text))
        return self;
    return text_of(self, (lm_str){self.text.data, self.text.len - args[0].text.len});
}

/* The part [start, end) that searching methods look at; false where it is none. */
static bool part_of(lm_eval *e, lm_str s, const lm_value *bounds, lm_str *part)
{
    int64_t n = lm_length_of(lm_value_string(s)), from, to;
    if (!want_number(e, bounds[0], 0, &from) || !want_number(e, bounds[1], n, &to))
        return false;
    from = from < 0 ? (from + n < 0 ? 0 : from + n) : from;
    to = to < 0 ? (to + n < 0 ? 0 : to + n) : to > n ? n : to;
    if (from > to)
        return false;
    size_t at = lm_text_place(s, (size_t)from);
    *part = (lm_str){s.data + at, lm_text_place(s, (size_t)to) - at};
    return true;
}

/* startswith and endswith, of one text or of any of a tuple. */
static lm_value begins_or_ends(lm_eval *e, lm_value self, const lm_value *args, bool (*test)(lm_str, lm_str))
{
    lm_str s;
    if (!part_of(e, self.text, args + 1, &s))
        return lm_value_bool(false);
    if (args[0].kind != LM_VALUE_LIST)
        return lm_value_bool(want_text(e, args[0], "startswith or endswith") && test(s, args[0].text));
    for (size_t i = 0; i < args[0].list->count; i++)
        if (want_text(e, args[0].list->items[i], "startswith or endswith") &&
            test(s, args[0].list->items[i].text))
            return lm_value_bool(true);
    return lm_value_bool(false);
}

METHOD(run_startswith)
{
    (void)call;
    return begins_or_ends(e, self, args, begins);
}
METHOD(run_endswith)
{
    (void)call;
    return begins_or_ends(e, self, args, ends);
}

/* ---------------------------------------------------------------- searching */

static lm_value find_place(lm_eval *e, lm_value self, const lm_value *args, bool last, bool must)
{
    lm_str s;
    const char *p = NULL;
    if (!want_text(e, args[0], "find"))
        return self;
    if (part_of(e, self.text, args + 1, &s))
        p = last ? find_last(s, args[0].text) : find_text(s, args[0].text);
    if (p)
        return lm_value_int(
            lm_length_of(lm_value_string((lm_str){self.text.data, (size_t)(p - self.text.data)})));
    return must ? lm_eval_fail(e, "index: the text is not found") : lm_value_int(-1);
}

METHOD(run_find)
{
    (void)call;
    return find_place(e, self, args, false, false);
}
METHOD(run_rfind)
{
    (void)call;
    return find_place(e, self, args, true, false);
}
METHOD(run_index)
{
    (void)call;
    return find_place(e, self, args, false, true);
}
METHOD(run_rindex)
{
    (void)call;
    return find_place(e, self, args, true, true);
}

METHOD(run_count)
{
    (void)call;
    lm_str s;
    int64_t n = 0;
    if (!want_text(e, args[0], "count") || !part_of(e, self.text, args + 1, &s))
        return lm_value_int(0);
    if (args[0].text.len == 0)
        return lm_value_int(lm_length_of(lm_value_string(s)) + 1);
    for (const char *p; (p = find_text(s, args[0].text)); n++) {
        size_t used = (size_t)(p - s.data) + args[0].text.len;
        s = (lm_str){s.data + used, s.len - used};
    }
    return lm_value_int(n);
}

/* ---------------------------------------------------------------- splitting */

static void push_text(lm_eval *e, lm_value list, lm_value self, const char *from, const char *to)
{
    if (lm_eval_step(e, 0))
        lm_value_push(e->m, list, text_of(self, (lm_str){from, (size_t)(to - from)}));
}

static void reverse(lm_value list)
{
    lm_value *v = list.list->items;
    for (size_t i = 0, n = list.list->count; i < n / 2; i++) {
        lm_value t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
}

/* At white space: without empty parts. */
static void split_words(lm_eval *e, lm_value self, int64_t most, bool right, lm_value out)
{
    lm_str s = lm_text_trim(self.text, NULL, !right, right);
    while (s.len && lm_ok(e->st)) {
        if (most-- == 0) {
            push_text(e, out, self, s.data,
                      s.data + s.len); /* the rest keeps the white space on its far side */
            return;
        }
        size_t i = right ? s.len : 0;
        for (;;) {
            size_t n, at = i;
            uint32_t code;
            if (right ? i == 0 : i == s.len)
                break;
            if (right)
                for (at = i - 1; at && ((unsigned char)s.data[at] & 0xC0) == 0x80; at--)
                    continue;
            n = lm_utf8_decode(s.data + at, s.len - at, &code);
            if (lm_is_python_space(code))
                break;
            i = right ? at : i + n;
        }
        push_text(e, out, self, right ? s.data + i : s.data, right ? s.data + s.len : s.data + i);
        s = right ? (lm_str){s.data, i} : (lm_str){s.data + i, s.len - i};
        s = lm_text_trim(s, NULL, !right, right);
    }
}

static lm_value split(lm_eval *e, lm_value self, const lm_value *args, bool right)
{
    lm_value out = lm_value_list_new(e->m, LM_IS_LIST, 0);
    int64_t most;
    if (!want_number(e, args[1], -1, &most))
        return out;
    if (lm_value_absent(args[0]) || args[0].kind == LM_VALUE_NONE) {
        split_words(e, self, most, right, out);
    } else {
        if (!want_text(e, args[0], "split"))
            return out;
        lm_str s = self.text, by = args[0].text;
        if (by.len == 0)
            return lm_eval_fail(e, "split: the separator is empty");
        const char *p;
        while (lm_ok(e->st) && most-- != 0 && (p = right ? find_last(s, by) : find_text(s, by))) {
            push_text(e, out, self, right ? p + by.len : s.data, right ? s.data + s.len : p);
            s = right ? (lm_str){s.data, (size_t)(p - s.data)}
                      : (lm_str){p + by.len, s.len - (size_t)(p - s.data) - by.len};
        }
        push_text(e, out, self, s.data, s.data + s.len);
    }
    if (right && lm_ok(e->st))
        reverse(out);
    return out;
}

METHOD(run_split)
{
    (void)call;
    return split(e, self, args, false);
}
METHOD(run_rsplit)
{
    (void)call;
    return split(e, self, args, true);
}

static lm_value partition(lm_eval *e, lm_value self, lm_value by, bool right)
{
    lm_value out = lm_value_list_new(e->m, LM_IS_TUPLE, 3);
    if (!want_text(e, by, "partition"))
        return out;
    if (by.text.len == 0)
        return lm_eval_fail(e, "partition: the separator is empty");
    lm_str s = self.text;
    const char *p = right ? find_last(s, by.text) : find_text(s, by.text), *end = s.data + s.len;
    if (p) {
        push_text(e, out, self, s.data, p);
        push_text(e, out, self, p, p + by.text.len);
        push_text(e, out, self, p + by.text.len, end);
    } else {
        push_text(e, out, self, s.data, right ? s.data : end);
        push_text(e, out, self, end, end);
        push_text(e, out, self, right ? s.data : end, end);
    }
    return out;
}

METHOD(run_partition)
{
    (void)call;
    return partition(e, self, args[0], false);
}
METHOD(run_rpartition)
{
    (void)call;
    return partition(e, self, args[0], true);
}

METHOD(run_splitlines)
{
    (void)call;
    lm_value out = lm_value_list_new(e->m, LM_IS_LIST, 0);
    bool keep = lm_value_truth(args[0]);
    lm_str rest = self.text, line, with_end;
    while (lm_ok(e->st) && lm_text_take_line(&rest, &line, &with_end))
        push_text(e, out, self, line.data, line.data + (keep ? with_end.len : line.len));
    return out;
}

/* ---------------------------------------------------------------- putting together */

METHOD(run_replace)
{
    (void)call;
    int64_t most;
    if (!want_text(e, args[0], "replace") || !want_text(e, args[1], "replace") ||
        !want_number(e, args[2], -1, &most))
        return self;
    return lm_text_replace(e, self, args[0].text, self.markup ? lm_escaped(e, args[1]).text : args[1].text,
                           most);
}

lm_value lm_text_replace(lm_eval *e, lm_value self, lm_str old, lm_str new, int64_t most)
{
    lm_buf b = {0};
    const char *p = self.text.data, *end = p + self.text.len;
    while (most-- != 0 && lm_eval_step(e, new.len / 8) && b.len <= e->m->limit) {
        const char *at = p;
        if (old.len)
            at = find_text((lm_str){p, (size_t)(end - p)}, old);
        if (!at)
            break;
        lm_buf_append(&b, p, (size_t)(at - p));
        lm_buf_append(&b, new.data, new.len);
        p = at + old.len;
        if (!old.len) { /* between all characters, and at both ends */
            if (p == end)
                break;
            size_t n = lm_text_place((lm_str){p, (size_t)(end - p)}, 1);
            lm_buf_append(&b, p, n);
            p += n;
        }
    }
    lm_buf_append(&b, p, (size_t)(end - p));
    lm_value v = lm_value_from_buf(e, &b);
    v.markup = self.markup;
    return v;
}

METHOD(run_join)
{
    (void)call;
    const lm_value_list *items = lm_items_of(e, args[0]);
    lm_buf b = {0};
    for (size_t i = 0; i < items->count && lm_eval_step(e, 0); i++) {
        if (!want_text(e, items->items[i], "join"))
            break;
        lm_str s = self.markup ? lm_escaped(e, items->items[i]).text : items->items[i].text;
        if (i)
            lm_buf_append(&b, self.text.data, self.text.len);
        lm_buf_append(&b, s.data, s.len);
    }
    lm_value v = lm_value_from_buf(e, &b);
    v.markup = self.markup;
    return v;
}

/* Padded to a width; `where` below 0: on the left. */
static lm_value pad(lm_eval *e, lm_value self, const lm_value *args, int where)
{
    int64_t width, n = lm_length_of(self);
    lm_str fill = lm_value_absent(args[1]) ? lm_str_of(" ") : lm_value_text(args[1]);
    if (!want_number(e, args[0], 0, &width))
        return self;
    if (lm_length_of(lm_value_string(fill)) != 1)
        return lm_eval_fail(e, "the fill is one character");
    if (width <= n)
        return self;
    if ((uint64_t)(width - n) > e->m->limit / 4)
        return lm_eval_fail(e, "%lld characters are too many", (long long)width);
    int64_t before = where < 0 ? width - n : where > 0 ? 0 : (width - n) / 2 + ((width - n) & width & 1);
    lm_buf b = {0};
    for (int64_t i = 0; i < before; i++)
        lm_buf_append(&b, fill.data, fill.len);
    lm_buf_append(&b, self.text.data, self.text.len);
    for (int64_t i = before; i < width - n; i++)
        lm_buf_append(&b, fill.data, fill.len);
    lm_eval_step(e, b.len / 8);
    return lm_value_from_buf(e, &b);
}

METHOD(run_center)
{
    (void)call;
    return pad(e, self, args, 0);
}
METHOD(run_ljust)
{
    (void)call;
    return pad(e, self, args, 1);
}
METHOD(run_rjust)
{
    (void)call;
    return pad(e, self, args, -1);
}

METHOD(run_zfill)
{
    (void)call;
    bool sign = self.text.len && strchr("+-", self.text.data[0]) && self.text.data[0];
    lm_value digits = lm_value_string(self.text), width = args[0];
    if (sign) {
        digits.text = (lm_str){self.text.data + 1, self.text.len - 1};
        width = lm_value_is_whole(width) ? lm_value_int(lm_value_whole(width) - 1) : width;
    }
    lm_value padding[2] = {width, lm_value_string(lm_str_of("0"))}, v = pad(e, digits, padding, -1);
    return sign && lm_ok(e->st) ? lm_binary(e, LM_OP_ADD, lm_value_string((lm_str){self.text.data, 1}), v)
                                : v;
}

/* ---------------------------------------------------------------- case and kind */

METHOD(run_upper)
{
    (void)args, (void)call;
    return lm_text_in_case(e, self, LM_CASE_UPPER);
}
METHOD(run_lower)
{
    (void)args, (void)call;
    return lm_text_in_case(e, self, LM_CASE_LOWER);
}
METHOD(run_capitalize)
{
    (void)args, (void)call;
    return lm_text_in_case(e, self, LM_CASE_CAPITALIZE);
}
METHOD(run_title)
{
    (void)args, (void)call;
    return lm_text_in_case(e, self, LM_CASE_TITLE);
}
METHOD(run_swapcase)
{
    (void)args, (void)call;
    return lm_text_in_case(e, self, LM_CASE_SWAP);
}

/* Whether all characters are of a kind, and there is one. */
static lm_value all_of(lm_value self, bool (*is)(uint32_t code, int category))
{
    for (size_t i = 0; i < self.text.len;) {
        uint32_t code;
        i += lm_utf8_decode(self.text.data + i, self.text.len - i, &code);
        if (!is(code, (int)utf8proc_category((utf8proc_int32_t)code)))
            return lm_value_bool(false);
    }
    return lm_value_bool(self.text.len > 0);
}

static bool is_space(uint32_t code, int category)
{
    (void)category;
    return lm_is_python_space(code);
}
static bool is_letter(uint32_t code, int category)
{
    (void)code;
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
static bool is_decimal(uint32_t code, int category)
{
    (void)code;
    return category == UTF8PROC_CATEGORY_ND;
}
static bool is_alphanumeric(uint32_t code, int category)
{
    return is_letter(code, category) || category == UTF8PROC_CATEGORY_ND ||
           category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_NO;
}

METHOD(run_isspace)
{
    (void)e, (void)args, (void)call;
    return all_of(self, is_space);
}
METHOD(run_isalpha)
{
    (void)e, (void)args, (void)call;
    return all_of(self, is_letter);
}
METHOD(run_isdigit)
{
    (void)e, (void)args, (void)call;
    return all_of(self, is_decimal);
}
METHOD(run_isalnum)
{
    (void)e, (void)args, (void)call;
    return all_of(self, is_alphanumeric);
}
METHOD(run_isascii)
{
    (void)e, (void)args, (void)call;
    for (size_t i = 0; i < self.text.len; i++)
        if ((unsigned char)self.text.data[i] >= 0x80)
            return lm_value_bool(false);
    return lm_value_bool(true);
}

static lm_value run_test(lm_eval *e, lm_value self, const char *name)
{
    const lm_call none = {0};
    return lm_value_bool(lm_run_test(e, lm_str_of(name), self, &none));
}
METHOD(run_isupper)
{
    (void)args, (void)call;
    return run_test(e, self, "upper");
}
METHOD(run_islower)
{
    (void)args, (void)call;
    return run_test(e, self, "lower");
}

/* ---------------------------------------------------------------- format */

/* "{}, {0}, {name}": fields without conversions. */
METHOD(run_format)
{
    (void)args;
    lm_buf b = {0};
    size_t next = 0;
    lm_str s = self.text;
    for (size_t i = 0; i < s.len && lm_eval_step(e, 0);) {
        char c = s.data[i];
        if ((c == '{' || c == '}') && i + 1 < s.len && s.data[i + 1] == c) {
            lm_buf_putc(&b, c);
            i += 2;
            continue;
        }
        if (c != '{') {
            lm_buf_putc(&b, c);
            i++;
            continue;
        }
        const char *close = memchr(s.data + i, '}', s.len - i);
        lm_str field = {s.data + i + 1, close ? (size_t)(close - s.data) - i - 1 : 0};
        size_t place = field.len ? 0 : next++;
        bool number = field.len > 0 && field.len < 6;
        for (size_t k = 0; k < field.len; k++) {
            number = number && field.data[k] >= '0' && field.data[k] <= '9';
            place = number ? place * 10 + (size_t)(field.data[k] - '0') : place;
        }
        const lm_value *v = (number || !field.len) && place < call->count ? &call->args[place] : NULL;
        for (size_t k = 0; !v && k < call->named_count; k++)
            if (lm_str_equal(lm_value_text(call->named[k].key), field))
                v = &call->named[k].value;
        if (!close || !v) {
            lm_eval_fail(e, "format: needs: the field {%.*s}", (int)(field.len < 80 ? field.len : 80),
                         field.data);
            break;
        }
        lm_value_print(*v, &b);
        i = (size_t)(close - s.data) + 1;
    }
    return lm_value_from_buf(e, &b);
}

const lm_builtin lm_string_methods[] = {
    {"strip", "|chars", run_strip},
    {"lstrip", "|chars", run_lstrip},
    {"rstrip", "|chars", run_rstrip},
    {"split", "|sep maxsplit", run_split},
    {"rsplit", "|sep maxsplit", run_rsplit},
    {"splitlines", "|keepends", run_splitlines},
    {"partition", "sep", run_partition},
    {"rpartition", "sep", run_rpartition},
    {"startswith", "prefix|start end", run_startswith},
    {"endswith", "suffix|start end", run_endswith},
    {"removeprefix", "prefix", run_removeprefix},
    {"removesuffix", "suffix", run_removesuffix},
    {"replace", "old new|count", run_replace},
    {"find", "sub|start end", run_find},
    {"rfind", "sub|start end", run_rfind},
    {"index", "sub|start end", run_index},
    {"rindex", "sub|start end", run_rindex},
    {"count", "sub|start end", run_count},
    {"join", "iterable", run_join},
    {"format", "...", run_format},
    {"upper", "", run_upper},
    {"lower", "", run_lower},
    {"capitalize", "", run_capitalize},
    {"title", "", run_title},
    {"swapcase", "", run_swapcase},
    {"isspace", "", run_isspace},
    {"isalpha", "", run_isalpha},
    {"isdigit", "", run_isdigit},
    {"isdecimal", "", run_isdigit},
    {"isalnum", "", run_isalnum},
    {"isascii", "", run_isascii},
    {"isupper", "", run_isupper},
    {"islower", "", run_islower},
    {"center", "width|fillchar", run_center},
    {"ljust", "width|fillchar", run_ljust},
    {"rjust", "width|fillchar", run_rjust},
    {"zfill", "width", run_zfill},
    {NULL, NULL, NULL},
};
