/* A log of training (finetune --log), as curves over the steps. */
#ifndef LM_METRICS_CURVES_H
#define LM_METRICS_CURVES_H

#include "base/status.h"

#include <stddef.h>

typedef struct lm_curve {
    char *name; /* as in the log: loss, eval_loss, learning_rate, eval_accuracy ... */
    double *step, *value;
    size_t count, step_cap, value_cap;
} lm_curve;

typedef struct lm_curves {
    lm_curve *items;
    size_t count, cap;
} lm_curves;

/* JSON Lines; every number of a line that has a `step` is a point of the curve of its name. Fails, naming the
 * line, where a line is no object, and where no line has a step and a loss. */
lm_curves *lm_curves_read(const char *path, lm_status *st);
void lm_curves_free(lm_curves *c);
const lm_curve *lm_curves_find(const lm_curves *c, const char *name); /* NULL if there is none */

#endif
