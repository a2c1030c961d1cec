#include "model/python_json.h"
#include "base/memory.h"
#include "base/python_float.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

static void put_string(const char *s, lm_buf *out)
{
    static const char shorts[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    size_t left = strlen(s);
    lm_buf_putc(out, '"');
    while (left) {
        uint32_t c;
        size_t n = lm_utf8_decode(s, left, &c);
        const char *found = c < 0x80 ? strchr(shorts, (int)c) : NULL;
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
        s += n;
        left -= n;
    }
    lm_buf_putc(out, '"');
}

static bool is_number(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s);
}

static int by_code_point(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int by_number(const void *x, const void *y)
{
    const char *a = *(const char *const *)x, *b = *(const char *const *)y;
    size_t n = strlen(a), m = strlen(b);
    return n != m ? (n < m ? -1 : 1) : strcmp(a, b);
}

static void print(const json_t *value, int depth, lm_buf *out);

static void new_line(int depth, lm_buf *out)
{
    lm_buf_printf(out, "\n%*s", 2 * depth, "");
}

static void print_object(const json_t *value, int depth, lm_buf *out)
{
    size_t n = json_object_size(value), i = 0;
    const char **keys = lm_malloc(n, sizeof *keys), *key;
    bool numbers = true;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) {
        keys[i++] = key;
        numbers = numbers && is_number(key);
    }
    if (n)
        qsort(keys, n, sizeof *keys, numbers ? by_number : by_code_point);
    lm_buf_putc(out, '{');
    for (i = 0; i < n; i++) {
        if (i)
            lm_buf_putc(out, ',');
        new_line(depth + 1, out);
        put_string(keys[i], out);
        lm_buf_puts(out, ": ");
        print(json_object_get(value, keys[i]), depth + 1, out);
    }
    if (n)
        new_line(depth, out);
    lm_buf_putc(out, '}');
    free(keys);
}

static void print_array(const json_t *value, int depth, lm_buf *out)
{
    size_t n = json_array_size(value);
    lm_buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            lm_buf_putc(out, ',');
        new_line(depth + 1, out);
        print(json_array_get(value, i), depth + 1, out);
    }
    if (n)
        new_line(depth, out);
    lm_buf_putc(out, ']');
}

static void print(const json_t *value, int depth, lm_buf *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_object(value, depth, out);
        break;
    case JSON_ARRAY:
        print_array(value, depth, out);
        break;
    case JSON_STRING:
        put_string(json_string_value(value), out);
        break;
    case JSON_INTEGER:
        lm_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        lm_python_float(json_real_value(value), out);
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

void lm_python_json(const json_t *value, lm_buf *out)
{
    print(value, 0, out);
}
