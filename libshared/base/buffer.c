#include "base/buffer.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void lm_buf_free(lm_buf *b)
{
    free(b->data);
    *b = (lm_buf){0};
}

void lm_buf_reserve(lm_buf *b, size_t more)
{
    if (b->cap - b->len >= more)
        return;
    size_t need, cap;
    if (!lm_add_size(b->len, more, &need))
        need = (size_t)-1; /* cannot be had: lm_realloc ends the program with the figure */
    cap = b->cap > need / 2 ? 2 * b->cap : need;
    if (cap < 64)
        cap = 64;
    b->data = lm_realloc(b->data, cap, 1);
    b->cap = cap;
}

void lm_buf_append(lm_buf *b, const void *p, size_t n)
{
    if (!n)
        return;
    lm_buf_reserve(b, n);
    memcpy(b->data + b->len, p, n);
    b->len += n;
}

bool lm_buf_write(void *buf, const void *p, size_t n, lm_status *st)
{
    (void)st; /* cannot fail */
    lm_buf_append(buf, p, n);
    return true;
}

void lm_buf_puts(lm_buf *b, const char *s)
{
    lm_buf_append(b, s, strlen(s));
}

void lm_buf_putc(lm_buf *b, char c)
{
    lm_buf_append(b, &c, 1);
}

void lm_buf_decimal(lm_buf *b, uint64_t n)
{
    char digits[20], *end = digits + sizeof digits, *p = end;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    lm_buf_append(b, p, (size_t)(end - p));
}

void lm_buf_printf(lm_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0) {
        lm_buf_reserve(b, (size_t)n + 1);
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

const char *lm_buf_cstr(lm_buf *b)
{
    lm_buf_reserve(b, 1);
    b->data[b->len] = '\0';
    return b->data;
}
