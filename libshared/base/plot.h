/* A small plot of a curve, in characters: braille dots, two by four of them in each, where the terminal has UTF-8. */
#ifndef LM_BASE_PLOT_H
#define LM_BASE_PLOT_H

#include "base/buffer.h"

typedef struct lm_plot {
    const char *title, *unit; /* a line above it; of x, below it */
    double first, last;       /* x at the left and the right edge */
    int columns, rows;        /* characters: of all, and of the curve alone */
    bool ascii;               /* no characters beyond ASCII */
} lm_plot;

/* Appends it, in lines. `value` is asked for each column of dots; where it gives no finite number there is a gap. The
 * lowest and the highest value stand beside the first and the last row. */
void lm_plot_print(const lm_plot *p, double (*value)(const void *context, double x), const void *context, lm_buf *out);

#endif
