#include "stream/json_tree.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/python_float.h"
#include "base/utf8.h"
#include "stream/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 28 };

/* ---------------------------------------------------------------- reading */

/* Integers beyond 64 bits with ".0" behind them, so that they are read as reals; false if there are none. */
static bool make_reals(lm_str bytes, lm_buf *out)
{
    enum { DIGITS = 18 };
    bool string = false, any = false;
    for (size_t i = 0; i < bytes.len;) {
        char c = bytes.data[i];
        size_t n = 1;
        if (string && c == '\\' && i + 1 < bytes.len) {
            n = 2;
        } else if (c == '"') {
            string = !string;
        } else if (!string && c >= '0' && c <= '9') {
            while (i + n < bytes.len && bytes.data[i + n] && strchr("0123456789.eE+-", bytes.data[i + n]))
                n++;
        }
        lm_buf_append(out, bytes.data + i, n);
        if (n > DIGITS && !string && strcspn(lm_buf_cstr(out) + out->len - n, ".eE") == n) {
            lm_buf_puts(out, ".0");
            any = true;
        }
        i += n;
    }
    return any;
}

json_t *lm_json_parse(lm_str bytes, const char *name, unsigned allowed, lm_status *st)
{
    json_error_t error;
    size_t flags = JSON_REJECT_DUPLICATES | (allowed & LM_JSON_NUL ? JSON_ALLOW_NUL : 0);
    json_t *root = json_loadb(bytes.data, bytes.len, flags, &error);
    if (!root && allowed & LM_JSON_BIG_INTEGERS && json_error_code(&error) == json_error_numeric_overflow) {
        lm_buf reals = {0};
        if (make_reals(bytes, &reals))
            root = json_loadb(reals.data, reals.len, flags, &error);
        lm_buf_free(&reals);
    }
    if (!root)
        lm_fail(st, LM_FAILED, "%s:%d: %s: not valid JSON: fetch the file again, or mend that line", name,
                error.line, error.text);
    return root;
}

json_t *lm_json_read(const char *path, unsigned allowed, lm_status *st)
{
    char *bytes;
    size_t n;
    if (!lm_file_read(path, FILE_LIMIT, &bytes, &n, st))
        return NULL;
    json_t *root = lm_json_parse((lm_str){bytes, n}, path, allowed, st);
    free(bytes);
    return root;
}

/* ---------------------------------------------------------------- strings, numbers and order */

static void python_string(lm_str s, lm_buf *out)
{
    static const char shorts[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    lm_buf_putc(out, '"');
    while (s.len) {
        uint32_t c;
        size_t n = lm_utf8_decode(s.data, s.len, &c);
        const char *found = c && c < 0x80 ? strchr(shorts, (int)c) : NULL;
        if (found)
            lm_buf_printf(out, "\\%c", letters[found - shorts]);
        else if (c >= 0x20 && c < 0x7f)
            lm_buf_putc(out, (char)c);
        else if (c >= 0x10000)
            lm_buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
        else if (c == 0x7f)
            lm_buf_putc(out, 0x7f);
        else
            lm_buf_printf(out, "\\u%04x", c);
        s.data += n;
        s.len -= n;
    }
    lm_buf_putc(out, '"');
}

/* As the crate ryu formats: a point as long as it stays within 16 digits or 5 zeros, else an exponent. */
void lm_json_rust_real(double value, lm_buf *out)
{
    char text[LM_DIGITS_MAX];
    int digits = lm_shortest_digits(value, text);
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    if (fabs(value) >= 0x1p63 && exponent < 40 && digits < 17 && value == floor(value)) {
        lm_buf_printf(out, "%.0f", value); /* it was an integer of Python's */
    } else if (exponent >= -5 && exponent < 16) {
        int decimals = digits - 1 - exponent;
        lm_buf_printf(out, "%.*f", decimals > 0 ? decimals : 1, value);
    } else {
        lm_buf_append(out, text, (size_t)(e - text));
        lm_buf_printf(out, "e%d", exponent);
    }
}

static void python_real(double value, lm_buf *out)
{
    lm_python_float(value, out);
}

typedef struct member {
    lm_str key;
    const json_t *value;
} member;

static bool is_number(lm_str s)
{
    size_t digits = 0;
    while (digits < s.len && s.data[digits] >= '0' && s.data[digits] <= '9')
        digits++;
    return s.len && digits == s.len;
}

static int by_code_point(const void *x, const void *y)
{
    lm_str a = ((const member *)x)->key, b = ((const member *)y)->key;
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_number(const void *x, const void *y)
{
    lm_str a = ((const member *)x)->key, b = ((const member *)y)->key;
    return a.len != b.len ? (a.len < b.len ? -1 : 1) : memcmp(a.data, b.data, a.len);
}

const lm_json_style lm_json_python = {.string = python_string, .real = python_real, .sorted = true};
const lm_json_style lm_json_rust = {.string = lm_json_string, .real = lm_json_rust_real};

/* ---------------------------------------------------------------- printing */

static void new_line(int depth, lm_buf *out)
{
    static const char blanks[] = "                ";
    lm_buf_putc(out, '\n');
    for (int left = 2 * depth; left > 0; left -= 16)
        lm_buf_append(out, blanks, left < 16 ? (size_t)left : 16);
}

/* The members of an object in the order in which they are printed (malloced). */
static member *members_of(const json_t *object, bool sorted)
{
    size_t n = json_object_size(object), i = 0;
    member *all = lm_malloc(n ? n : 1, sizeof *all);
    const char *key;
    size_t len;
    json_t *value;
    bool numbers = true;
    json_object_keylen_foreach((json_t *)object, key, len, value)
    {
        all[i++] = (member){{key, len}, value};
        numbers = numbers && is_number((lm_str){key, len});
    }
    if (sorted && n)
        qsort(all, n, sizeof *all, numbers ? by_number : by_code_point);
    return all;
}

static void print_object(const json_t *object, const lm_json_style *style, int depth, lm_buf *out)
{
    size_t n = json_object_size(object);
    member *all = members_of(object, style->sorted);
    lm_buf_putc(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            lm_buf_putc(out, ',');
        new_line(depth + 1, out);
        style->string(all[i].key, out);
        lm_buf_puts(out, ": ");
        lm_json_print(all[i].value, style, depth + 1, out);
    }
    if (n)
        new_line(depth, out);
    lm_buf_putc(out, '}');
    free(all);
}

static void print_array(const json_t *array, const lm_json_style *style, int depth, lm_buf *out)
{
    size_t i;
    json_t *element;
    lm_buf_putc(out, '[');
    json_array_foreach(array, i, element) {
        if (i)
            lm_buf_putc(out, ',');
        new_line(depth + 1, out);
        lm_json_print(element, style, depth + 1, out);
    }
    if (json_array_size(array))
        new_line(depth, out);
    lm_buf_putc(out, ']');
}

void lm_json_print(const json_t *value, const lm_json_style *style, int depth, lm_buf *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_object(value, style, depth, out);
        break;
    case JSON_ARRAY:
        print_array(value, style, depth, out);
        break;
    case JSON_STRING:
        style->string((lm_str){json_string_value(value), json_string_length(value)}, out);
        break;
    case JSON_INTEGER:
        lm_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        style->real(json_real_value(value), out);
        break;
    case JSON_TRUE:
        lm_buf_puts(out, "true");
        break;
    case JSON_FALSE:
        lm_buf_puts(out, "false");
        break;
    case JSON_NULL:
        lm_buf_puts(out, "null");
        break;
    }
}

bool lm_json_write(const char *path, const json_t *value, lm_status *st)
{
    lm_buf b = {0};
    lm_json_print(value, &lm_json_python, 0, &b);
    lm_buf_putc(&b, '\n');
    bool ok = lm_file_write(path, b.data, b.len, st);
    lm_buf_free(&b);
    return ok;
}
