#include "base/plot.h"
#include "base/memory.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Columns of the labels of y; the fewest and the most of a curve. */
enum { LABEL = 9, NARROWEST = 10, WIDEST = 100, ACROSS = 2, DOWN = 4 };

/* Dots of the curve, a byte for each character: bit numbers are those of Unicode's braille patterns. */
typedef struct canvas {
    int width, rows; /* characters */
    uint8_t *cell;   /* [rows, width] */
} canvas;

static void dot(canvas *c, int x, int y)
{
    static const uint8_t bit[DOWN][ACROSS] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    c->cell[y / DOWN * c->width + x / ACROSS] |= bit[y % DOWN][x % ACROSS];
}

/* The curve, as a line: each column of dots goes on where the one before it ended. */
static void draw(canvas *c, const double *value, double low, double high)
{
    int last = -1, bottom = c->rows * DOWN - 1;
    for (int x = 0; x < c->width * ACROSS; x++) {
        if (!isfinite(value[x])) {
            last = -1;
            continue;
        }
        int y = high > low ? (int)lround((high - value[x]) / (high - low) * bottom) : bottom / 2;
        int from = last < 0 || last == y ? y : last < y ? last + 1 : last - 1;
        for (int at = from; at != y; at += from < y ? 1 : -1)
            dot(c, x, at);
        dot(c, x, y);
        last = y;
    }
}

/* In ASCII a character says which half of it has dots. */
static void put_cell(uint8_t cell, bool ascii, lm_buf *out)
{
    const char utf8[] = {(char)0xE2, (char)(0xA0 | cell >> 6), (char)(0x80 | (cell & 0x3F))};
    bool upper = cell & 0x1B, lower = cell & 0xE4;
    if (ascii || !cell)
        lm_buf_putc(out, upper && lower ? ':' : upper ? '\'' : lower ? '.' : ' ');
    else
        lm_buf_append(out, utf8, sizeof utf8);
}

static void put_row(const canvas *c, int row, bool ascii, lm_buf *out)
{
    int end = c->width;
    while (end > 0 && !c->cell[row * c->width + end - 1])
        end--;
    lm_buf_puts(out, ascii ? " |" : " \u2502");
    for (int i = 0; i < end; i++)
        put_cell(c->cell[row * c->width + i], ascii, out);
    lm_buf_putc(out, '\n');
}

/* Below the curve: x at its edges, and between them what x is. */
static void put_foot(const lm_plot *p, int width, lm_buf *out)
{
    char first[32], last[32];
    int a = snprintf(first, sizeof first, "%.6g", p->first), b = snprintf(last, sizeof last, "%.6g", p->last);
    int room = width - a - b, unit = (int)strlen(p->unit), left = (room - unit) / 2;
    lm_buf_printf(out, "%*s%s", LABEL + 2, "", first);
    if (room >= unit + 2)
        lm_buf_printf(out, "%*s%s%*s", left, "", p->unit, room - left - unit, "");
    else
        lm_buf_printf(out, "%*s", room > 1 ? room : 1, "");
    lm_buf_printf(out, "%s\n", last);
}

void lm_plot_print(const lm_plot *p, double (*value)(const void *context, double x), const void *context, lm_buf *out)
{
    int width = p->columns - LABEL - 2, dots;
    width = width < NARROWEST ? NARROWEST : width > WIDEST ? WIDEST : width;
    dots = width * ACROSS;
    canvas c = {width, p->rows, lm_calloc((size_t)width * (size_t)p->rows, 1)};
    double *at = lm_malloc((size_t)dots, sizeof *at), low = INFINITY, high = -INFINITY;
    for (int x = 0; x < dots; x++) {
        at[x] = value(context, p->first + (p->last - p->first) * x / (dots - 1));
        low = isfinite(at[x]) ? fmin(low, at[x]) : low;
        high = isfinite(at[x]) ? fmax(high, at[x]) : high;
    }
    if (low <= high) {
        draw(&c, at, low, high);
        lm_buf_printf(out, "%s\n", p->title);
        for (int row = 0; row < c.rows; row++) {
            if (row == 0 || (row == c.rows - 1 && low < high))
                lm_buf_printf(out, "%*.3g", LABEL, row == 0 ? high : low);
            else
                lm_buf_printf(out, "%*s", LABEL, "");
            put_row(&c, row, p->ascii, out);
        }
        put_foot(p, width, out);
    }
    free(at);
    free(c.cell);
}
