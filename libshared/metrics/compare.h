/* Two models on the same rows: whether one is better, or whether the rows just fell so. */
#ifndef LM_METRICS_COMPARE_H
#define LM_METRICS_COMPARE_H

#include "metrics/tally.h"

/* Reads what another model predicts for the rows of the tally (a file of lines as score --tsv writes them:
 * what is predicted, then a tab or the end of the line; a line for each row, in their order), and adds to the
 * report, for each measure of predictions, other_NAME   the other's value delta_NAME   this one's less the
 * other's; with an interval where the report has such p_NAME       how probable a difference as large is
 * where there is none (lm_bootstrap_p; the rows of both are drawn together) Classes, several classes, numbers
 * and tags can be compared. Fails where the lines are not as many as the rows, or one says what the model
 * cannot; `resamples` of the tally's measures have to be given. */
bool lm_compare(lm_tally *t, const char *path, lm_report *r, lm_status *st);

#endif
