/* Bytes: a slice that owns nothing, and a growable buffer that owns what it holds. */
#ifndef LM_BASE_BUFFER_H
#define LM_BASE_BUFFER_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A slice: length and pointer, no NUL implied; valid as long as what it points into. */
typedef struct lm_str {
    const char *data;
    size_t len;
} lm_str;

static inline lm_str lm_str_of(const char *s)
{
    return (lm_str){s, s ? strlen(s) : 0};
}

static inline bool lm_str_equal(lm_str a, lm_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool lm_str_is(lm_str a, const char *b)
{
    return lm_str_equal(a, lm_str_of(b));
}

/* Whether a string ends so; a string ends in itself. */
static inline bool lm_ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* Takes the first line off *rest, without its LF or CR LF; false where nothing is left. */
static inline bool lm_str_take_line(lm_str *rest, lm_str *line)
{
    if (rest->len == 0)
        return false;
    const char *lf = memchr(rest->data, '\n', rest->len);
    size_t len = lf ? (size_t)(lf - rest->data) : rest->len, step = lf ? len + 1 : len;
    *line = (lm_str){rest->data, len};
    if (len && line->data[len - 1] == '\r')
        line->len--;
    *rest = (lm_str){rest->data + step, rest->len - step};
    return true;
}

/* Zero-initialise; `data` is NULL until something is in it. Growing doubles. Free with lm_buf_free. */
typedef struct lm_buf {
    char *data;
    size_t len, cap;
} lm_buf;

void lm_buf_free(lm_buf *b);                             /* and zeroes it: usable again */
void lm_buf_reserve(lm_buf *b, size_t more);             /* room for `more` bytes after len */
void lm_buf_append(lm_buf *b, const void *p, size_t n);
void lm_buf_puts(lm_buf *b, const char *s);
void lm_buf_putc(lm_buf *b, char c);
void lm_buf_decimal(lm_buf *b, uint64_t n);              /* for what is written too often for printf */
bool lm_buf_write(void *buf, const void *p, size_t n, lm_status *st); /* lm_buf_append, as what writes files takes it */
void lm_buf_printf(lm_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *lm_buf_cstr(lm_buf *b);                      /* NUL-terminated, the NUL not counted; valid until it grows */

static inline lm_str lm_buf_str(const lm_buf *b)
{
    return (lm_str){b->data, b->len};
}

#endif
