/* What an evaluation found: named values in their order, intervals around them, and what stands behind them.
 */
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
/* The confidence interval of value number i. */
void lm_report_interval(lm_report *r, size_t i, double low, double high);
/* Words about the whole, shown after all values; copied. */
void lm_report_text(lm_report *r, const char *name, const char *text);
/* A member that only the JSON form has (labels, confusion matrix); takes over `value`. */
void lm_report_detail(lm_report *r, const char *name, json_t *value);

size_t lm_report_size(const lm_report *r);
const char *lm_report_at(const lm_report *r, size_t i, double *value); /* NULL past the end */
bool lm_report_is_count(const lm_report *r, size_t i);
bool lm_report_find(const lm_report *r, const char *name, double *value);

/* name TAB value LF; name TAB value TAB low TAB high LF where there is an interval; name TAB text LF. */
void lm_report_print(const lm_report *r, lm_buf *out);
/* A new object: a member a value, intervals as "ci": {name: [low, high]}, texts, details. */
json_t *lm_report_json(const lm_report *r);

#endif
