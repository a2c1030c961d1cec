#include "metrics/chart.h"
#include "metrics/wording.h"

#include <math.h>

void lm_html_escape(lm_str s, lm_buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.data[i]) {
        case '&':
            lm_buf_puts(out, "&amp;");
            break;
        case '<':
            lm_buf_puts(out, "&lt;");
            break;
        case '>':
            lm_buf_puts(out, "&gt;");
            break;
        case '"':
            lm_buf_puts(out, "&quot;");
            break;
        case '\'':
            lm_buf_puts(out, "&#39;");
            break;
        default:
            lm_buf_putc(out, s.data[i]);
        }
    }
}

void lm_html_text(const char *s, lm_buf *out)
{
    lm_buf line = {0};
    lm_word_line(lm_str_of(s), &line);
    lm_html_escape(lm_buf_str(&line), out);
    lm_buf_free(&line);
}

/* ------------------------------------------------------------------ axes */

/* In the units of the SVG's own coordinates. */
enum {
    WIDTH = 640,
    HEIGHT = 260,
    LEFT = 58,
    RIGHT = 12,
    TOP = 10,
    BOTTOM = 34,
    TICKS = 5,
    DRAWN = 800,
    LISTED = 40
};

typedef struct axis {
    double low, high, step; /* ticks at multiples of step */
    double from, to;        /* where low and high are drawn */
} axis;

/* 1, 2 or 5 times a power of ten, so that there are about TICKS of them. */
static double nice_step(double range)
{
    double power = pow(10, floor(log10(range / TICKS))), parts = range / TICKS / power;
    return power * (parts < 1.5 ? 1 : parts < 3.5 ? 2 : parts < 7.5 ? 5 : 10);
}

static axis axis_of(double low, double high, double from, double to)
{
    double least = fmax(fmax(fabs(low), fabs(high)) * 1e-6, 1e-12);
    if (!(high - low > least)) { /* one value: room on both sides */
        double room = fmax(fabs(high) / 2, 1e-9);
        low -= room;
        high += room;
    }
    return (axis){low, high, nice_step(high - low), from, to};
}

static double place(const axis *a, double value)
{
    return a->from + (value - a->low) / (a->high - a->low) * (a->to - a->from);
}

/* Beyond that differences overflow. */
static bool is_drawn(const lm_curve *l, size_t i)
{
    return fabs(l->value[i]) < 1e100 && fabs(l->step[i]) < 1e100;
}

/* Smallest and largest of the lines; false where there is no point. */
static bool range_of(const lm_chart *c, bool of_steps, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int k = 0; k < c->count; k++) {
        for (size_t i = 0; i < c->lines[k]->count; i++) {
            double v = of_steps ? c->lines[k]->step[i] : c->lines[k]->value[i];
            if (is_drawn(c->lines[k], i)) {
                *low = fmin(*low, v);
                *high = fmax(*high, v);
            }
        }
    }
    return *low <= *high;
}

static void print_axes(const axis *x, const axis *y, const char *unit, lm_buf *out)
{
    lm_buf_puts(out, "<g class=\"grid\">");
    for (double v = ceil(y->low / y->step) * y->step; v <= y->high + y->step * 1e-6; v += y->step)
        lm_buf_printf(out, "<path d=\"M%d %.1fH%d\"/>", LEFT, place(y, v), WIDTH - RIGHT);
    lm_buf_puts(out, "</g><g class=\"ticks\">");
    for (double v = ceil(y->low / y->step) * y->step; v <= y->high + y->step * 1e-6; v += y->step)
        lm_buf_printf(out, "<text x=\"%d\" y=\"%.1f\" class=\"end\">%.6g</text>", LEFT - 6, place(y, v) + 4,
                      fabs(v) < y->step * 1e-6 ? 0 : v);
    for (double v = ceil(x->low / x->step) * x->step; v <= x->high + x->step * 1e-6; v += x->step)
        lm_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" class=\"mid\">%.6g</text>", place(x, v),
                      HEIGHT - BOTTOM + 16, v);
    lm_buf_printf(out, "<text x=\"%d\" y=\"%d\" class=\"mid\">%s</text></g>", (LEFT + WIDTH - RIGHT) / 2,
                  HEIGHT - 3, unit);
}

/* ------------------------------------------------------------------ lines */

/* Of more points than can be seen every so-manieth, and the last. */
static void print_line(const lm_curve *l, int number, const axis *x, const axis *y, bool points, lm_buf *out)
{
    size_t every = l->count / DRAWN + 1;
    bool pen = false;
    lm_buf_printf(out, "<path class=\"line c%d\" d=\"", number);
    for (size_t i = 0; i < l->count; i++) {
        if (i % every && i + 1 < l->count)
            continue;
        if (is_drawn(l, i))
            lm_buf_printf(out, "%s%.1f %.1f", pen ? "L" : "M", place(x, l->step[i]), place(y, l->value[i]));
        pen = is_drawn(l, i);
    }
    lm_buf_puts(out, "\"/>");
    for (size_t i = 0; i < l->count && points && l->count <= LISTED; i++) {
        if (is_drawn(l, i))
            lm_buf_printf(out, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", number,
                          place(x, l->step[i]), place(y, l->value[i]));
    }
}

static void print_legend(const lm_chart *c, lm_buf *out)
{
    lm_buf_puts(out, "<ul class=\"legend\">");
    for (int k = 0; k < c->count; k++) {
        const lm_curve *l = c->lines[k];
        lm_buf_printf(out,
                      "<li><svg width=\"28\" height=\"10\" aria-hidden=\"true\"><path class=\"line c%d\" "
                      "d=\"M0 5H28\"/></svg>",
                      k);
        lm_html_text(c->names[k], out);
        if (l->count)
            lm_buf_printf(out, ": last %.4g", l->value[l->count - 1]);
        lm_buf_puts(out, "</li>");
    }
    lm_buf_puts(out, "</ul>");
}

/* The points of all lines, for those who cannot see the picture. */
static void print_values(const lm_chart *c, lm_buf *out)
{
    lm_buf_puts(out, "<details><summary>Values</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                     "aria-label=\"Values\">");
    for (int k = 0; k < c->count; k++) {
        const lm_curve *l = c->lines[k];
        size_t every = l->count / LISTED + 1;
        lm_buf_puts(out, "<table><caption>");
        lm_html_text(c->names[k], out);
        lm_buf_printf(
            out,
            "</caption><thead><tr><th scope=\"col\">%s</th><th scope=\"col\">value</th></tr></thead><tbody>",
            c->unit);
        for (size_t i = 0; i < l->count; i++) {
            if (i % every == 0 || i + 1 == l->count)
                lm_buf_printf(out, "<tr><td class=\"n\">%.6g</td><td class=\"n\">%.6g</td></tr>", l->step[i],
                              l->value[i]);
        }
        lm_buf_puts(out, "</tbody></table>");
    }
    lm_buf_puts(out, "</div></details>");
}

void lm_chart_print(const lm_chart *c, lm_buf *out)
{
    double first, last, low, high;
    if (!range_of(c, true, &first, &last) || !range_of(c, false, &low, &high))
        return;
    axis x = axis_of(first, last, LEFT, WIDTH - RIGHT);
    axis y =
        axis_of(c->low < c->high ? c->low : low, c->low < c->high ? c->high : high, HEIGHT - BOTTOM, TOP);
    lm_buf_puts(out, "<figure><figcaption>");
    lm_html_text(c->title, out);
    lm_buf_printf(out, "</figcaption><svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                  WIDTH, HEIGHT);
    lm_html_text(c->title, out);
    lm_buf_printf(out, ": from %.4g to %.4g over %s %.6g to %.6g\">", low, high, c->unit, first, last);
    print_axes(&x, &y, c->unit, out);
    for (int k = 0; k < c->count; k++)
        print_line(c->lines[k], k, &x, &y, c->points, out);
    lm_buf_puts(out, "</svg>");
    print_legend(c, out);
    print_values(c, out);
    lm_buf_puts(out, "</figure>\n");
}
