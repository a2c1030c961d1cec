/* Line charts as inline SVG, for score --html. Colours and letters come from the page's style sheet. */
#ifndef LM_METRICS_CHART_H
#define LM_METRICS_CHART_H

#include "base/buffer.h"
#include "metrics/curves.h"

enum { LM_CHART_LINES = 4 };

typedef struct lm_chart {
    const char *title; /* also what a screen reader says first */
    const char *unit;  /* of x: "step" */
    const lm_curve *lines[LM_CHART_LINES];
    const char *names[LM_CHART_LINES]; /* in the legend */
    int count;
    bool points;      /* also the points of lines of few points are marked */
    double low, high; /* range of y, where low < high; else that of the values */
} lm_chart;

/* Appends a <figure>: chart, legend, and the values as a table that can be unfolded. */
void lm_chart_print(const lm_chart *c, lm_buf *out);

/* Appends s with what HTML takes for markup escaped; s is UTF-8. */
void lm_html_escape(lm_str s, lm_buf *out);
void lm_html_text(const char *s,
                  lm_buf *out); /* ill-formed UTF-8 becomes U+FFFD, control characters spaces */

#endif
