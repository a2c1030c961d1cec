/* Bounds on measures: --fail-under and --fail-over. */
#ifndef LM_METRICS_GATES_H
#define LM_METRICS_GATES_H

#include "base/options.h"
#include "metrics/report.h"

/* Zero-initialise. */
typedef struct lm_gates {
    struct lm_gate {
        char *name;
        double bound;
        bool at_most;
    } *items;
    size_t count, cap;
} lm_gates;

/* NAME=VALUE each; LM_USAGE where it is not. */
bool lm_gates_read(lm_gates *g, const lm_strings *under, const lm_strings *over, lm_status *st);
void lm_gates_free(lm_gates *g);

/* What a program has written appears if all has gone well (else it is discarded: `out` is done with, or NULL), and after that a
 * gate that is not met says so: LM_GATE, or LM_USAGE where the report has no such measure. */
bool lm_gates_publish(const lm_gates *g, const lm_report *report, lm_output_file *out, lm_status *st);

#endif
