/* JSON files: read by jansson, and written with the bytes that the Rust library gives. */
#include "text/files/files.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/number.h"
#include "stream/json.h"

#include <math.h>
#include <stdlib.h>

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

json_t *lm_json_parse(lm_str bytes, const char *name, lm_status *st)
{
    enum { FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };
    json_error_t error;
    json_t *root = json_loadb(bytes.data, bytes.len, FLAGS, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow) {
        lm_buf reals = {0};
        if (make_reals(bytes, &reals))
            root = json_loadb(reals.data, reals.len, FLAGS, &error);
        lm_buf_free(&reals);
    }
    if (!root)
        lm_fail(st, LM_FAILED, "%s:%d: %s: not valid JSON: fetch the file again, or mend that line", name,
                error.line, error.text);
    return root;
}

json_t *lm_json_file(const char *path, lm_status *st)
{
    char *bytes;
    size_t n;
    if (!lm_file_read(path, FILE_LIMIT, &bytes, &n, st))
        return NULL;
    json_t *root = lm_json_parse((lm_str){bytes, n}, path, st);
    free(bytes);
    return root;
}

/* ---------------------------------------------------------------- writing */

/* As the crate ryu formats: a point as long as it stays within 16 digits or 5 zeros, else an exponent. */
void lm_json_print_real(double value, lm_buf *out)
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

static void new_line(int depth, lm_buf *out)
{
    static const char blanks[] = "                ";
    lm_buf_putc(out, '\n');
    for (int left = 2 * depth; left > 0; left -= 16)
        lm_buf_append(out, blanks, left < 16 ? (size_t)left : 16);
}

static void print_object(const json_t *value, int depth, lm_buf *out)
{
    const char *key;
    size_t len, i = 0;
    json_t *member;
    lm_buf_putc(out, '{');
    json_object_keylen_foreach((json_t *)value, key, len, member)
    {
        if (i++)
            lm_buf_putc(out, ',');
        new_line(depth + 1, out);
        lm_json_string((lm_str){key, len}, out);
        lm_buf_puts(out, ": ");
        lm_json_print(member, depth + 1, out);
    }
    if (i)
        new_line(depth, out);
    lm_buf_putc(out, '}');
}

static void print_array(const json_t *value, int depth, lm_buf *out)
{
    size_t i;
    json_t *element;
    lm_buf_putc(out, '[');
    json_array_foreach(value, i, element) {
        if (i)
            lm_buf_putc(out, ',');
        new_line(depth + 1, out);
        lm_json_print(element, depth + 1, out);
    }
    if (json_array_size(value))
        new_line(depth, out);
    lm_buf_putc(out, ']');
}

void lm_json_print(const json_t *value, int depth, lm_buf *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_object(value, depth, out);
        break;
    case JSON_ARRAY:
        print_array(value, depth, out);
        break;
    case JSON_STRING:
        lm_json_string((lm_str){json_string_value(value), json_string_length(value)}, out);
        break;
    case JSON_INTEGER:
        lm_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        lm_json_print_real(json_real_value(value), out);
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
