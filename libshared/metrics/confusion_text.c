/* The confusion matrix for people: score --confusion. */
#include "metrics/report.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <utf8proc.h>

enum { WIDEST = 100 }; /* columns of a terminal that names of classes may take in the first line */

typedef struct table {
    const json_t *labels, *rows;
    size_t n;
    bool numbered; /* the columns are too many for names: classes have numbers */
    int *width;    /* [n] of the columns */
    int first;     /* width of the column of labels */
    int digits;    /* of the largest number of a class */
} table;

/* Columns of a terminal; Hangul and its like take two each. Control characters are shown as blanks. */
static int width_of(const char *s)
{
    int width = 0;
    for (size_t at = 0, n = strlen(s); at < n;) {
        uint32_t code;
        at += lm_utf8_decode(s + at, n - at, &code);
        width += code < 0x20 || code == 0x7f ? 1 : utf8proc_charwidth((utf8proc_int32_t)code);
    }
    return width;
}

static void put_name(const char *s, lm_buf *out)
{
    for (; *s; s++)
        lm_buf_putc(out, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

static void put_blanks(int n, lm_buf *out)
{
    while (n-- > 0)
        lm_buf_putc(out, ' ');
}

static const char *name_of(const table *t, size_t i)
{
    const char *s = json_string_value(json_array_get(t->labels, i));
    return s ? s : "?";
}

static json_int_t count_of(const table *t, size_t truth, size_t prediction)
{
    return json_integer_value(json_array_get(json_array_get(t->rows, truth), prediction));
}

static int digits_of(json_int_t x)
{
    int digits = 1;
    for (; x >= 10; x /= 10)
        digits++;
    return digits;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static void find_widths(table *t)
{
    int all = 0;
    t->digits = digits_of((json_int_t)t->n - 1);
    for (size_t i = 0; i < t->n; i++) {
        t->first = larger(t->first, width_of(name_of(t, i)));
        all += 2 + width_of(name_of(t, i));
    }
    t->numbered = all > WIDEST;
    t->first += t->numbered ? t->digits + 1 : 0;
    for (size_t k = 0; k < t->n; k++) {
        t->width[k] = t->numbered ? t->digits : width_of(name_of(t, k));
        for (size_t i = 0; i < t->n; i++)
            t->width[k] = larger(t->width[k], digits_of(count_of(t, i, k)));
    }
}

static void put_first_line(const table *t, lm_buf *out)
{
    put_blanks(t->first, out);
    for (size_t k = 0; k < t->n; k++) {
        if (t->numbered) {
            lm_buf_printf(out, "  %*zu", t->width[k], k);
            continue;
        }
        put_blanks(2 + t->width[k] - width_of(name_of(t, k)), out);
        put_name(name_of(t, k), out);
    }
    lm_buf_puts(out, "  recall\n");
}

static void put_line(const table *t, size_t truth, lm_buf *out)
{
    json_int_t sum = 0;
    int taken = width_of(name_of(t, truth));
    if (t->numbered) {
        lm_buf_printf(out, "%*zu ", t->digits, truth);
        taken += t->digits + 1;
    }
    put_name(name_of(t, truth), out);
    put_blanks(t->first - taken, out);
    for (size_t k = 0; k < t->n; k++) {
        lm_buf_printf(out, "  %*" JSON_INTEGER_FORMAT, t->width[k], count_of(t, truth, k));
        sum += count_of(t, truth, k);
    }
    if (sum)
        lm_buf_printf(out, "  %5.1f%%\n", 100 * (double)count_of(t, truth, truth) / (double)sum);
    else
        lm_buf_puts(out, "       -\n");
}

void lm_report_print_confusion(const lm_report *r, lm_buf *out)
{
    table t = {.labels = lm_report_detail_of(r, "labels"), .rows = lm_report_detail_of(r, "confusion_matrix")};
    t.n = json_array_size(t.rows);
    if (!t.n)
        return;
    t.width = lm_calloc(t.n, sizeof *t.width);
    find_widths(&t);
    lm_buf_puts(out, "\nconfusion matrix: a row for each label, a column for each prediction\n\n");
    put_first_line(&t, out);
    for (size_t i = 0; i < t.n; i++)
        put_line(&t, i, out);
    free(t.width);
}
