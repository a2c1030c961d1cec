/* The page of score --html: one file without scripts, that loads nothing, in light or dark as the reader has
 * it. */
#ifndef LM_METRICS_HTML_H
#define LM_METRICS_HTML_H

#include "metrics/curves.h"
#include "metrics/findings.h"

#include <jansson.h>

typedef struct lm_page {
    const char *model; /* its path */
    const char *architecture;
    const char *command_line;
    uint64_t parameters;
    json_t *report;              /* lm_report_json, with the classes */
    const lm_findings *findings; /* sorted; NULL = none */
    const lm_curves *curves;     /* NULL = none */
    bool texts;                  /* false: rows have none, and the page says how to have them */
} lm_page;

void lm_page_print(const lm_page *p, lm_buf *out);

#endif
