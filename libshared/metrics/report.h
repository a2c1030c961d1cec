/* What an evaluation found: named values in their order, and for classes the table behind them. */
#ifndef LM_METRICS_REPORT_H
#define LM_METRICS_REPORT_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdint.h>

typedef struct lm_report lm_report;

lm_report *lm_report_new(void);
void lm_report_free(lm_report *r);

void lm_report_add(lm_report *r, const char *name,
                   double value); /* copied; shown with 6 significant digits */
void lm_report_count(lm_report *r, const char *name, uint64_t value); /* shown whole */
/* A member that only the JSON form has (labels, confusion matrix); takes over `value`. */
void lm_report_detail(lm_report *r, const char *name, json_t *value);

size_t lm_report_size(const lm_report *r);
const char *lm_report_at(const lm_report *r, size_t i, double *value); /* NULL past the end */
bool lm_report_find(const lm_report *r, const char *name, double *value);

void lm_report_print(const lm_report *r, lm_buf *out); /* name TAB value LF */
json_t *lm_report_json(const lm_report *r);            /* a new object */

#endif
