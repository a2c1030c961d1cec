/* What an evaluation found: named values in their order, intervals around them, and what stands behind them.
 */
#ifndef LM_METRICS_REPORT_H
#define LM_METRICS_REPORT_H

#include "base/atomic.h"
#include "base/buffer.h"

#include <jansson.h>
#include <stdint.h>

typedef struct lm_report lm_report;

lm_report *lm_report_new(void);
void lm_report_free(lm_report *r);

void lm_report_add(lm_report *r, const char *name,
                   double value); /* copied; shown with 6 significant digits */
void lm_report_count(lm_report *r, const char *name, uint64_t value); /* shown whole */
/* The same of one class; they are called WHAT[CLASS]. */
void lm_report_add_class(lm_report *r, const char *what, const char *class, double value);
void lm_report_count_class(lm_report *r, const char *what, const char *class, uint64_t value);
void lm_report_drop_classes(lm_report *r); /* forgets these */
/* The confidence interval of value number i. */
void lm_report_interval(lm_report *r, size_t i, double low, double high);
/* Words about the whole, shown after all values; copied. */
void lm_report_text(lm_report *r, const char *name, const char *text);
/* A member that only the JSON form has (labels, confusion matrix); takes over `value`. */
void lm_report_detail(lm_report *r, const char *name, json_t *value);
json_t *lm_report_detail_of(const lm_report *r, const char *name); /* borrowed; NULL = there is none */
void lm_report_drop_details(lm_report *r);

size_t lm_report_size(const lm_report *r);
const char *lm_report_at(const lm_report *r, size_t i, double *value); /* NULL past the end */
bool lm_report_is_count(const lm_report *r, size_t i);
bool lm_report_find(const lm_report *r, const char *name, double *value);

/* name TAB value LF; name TAB value TAB low TAB high LF where there is an interval; name TAB text LF. */
void lm_report_print(const lm_report *r, lm_buf *out);
/* The detail confusion_matrix as a table for people: a row for each label, a column for each prediction, and how many of
 * the row are right. Nothing where there is none. */
void lm_report_print_confusion(const lm_report *r, lm_buf *out);
/* Writes it to a file as these lines, the confusion matrix below them where it is wanted, or as lm_report_json on one line. */
bool lm_report_write(const lm_report *r, bool json, bool confusion, lm_output_file *out, lm_status *st);
/* A new object: a member a value, intervals as "ci": {name: [low, high]}, texts, details. */
json_t *lm_report_json(const lm_report *r);

#endif
