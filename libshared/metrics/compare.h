/* Two models on the same rows: whether one is better, or whether the rows just fell so. */
#ifndef LM_METRICS_COMPARE_H
#define LM_METRICS_COMPARE_H

#include "metrics/tally.h"

/* Both add to the report, for each measure that the other has too,
 *     other_NAME   the other's value
 *     delta_NAME   this one's less the other's; with an interval where the report has such
 *     p_NAME       how probable a difference as large is where there is none (lm_bootstrap_p; the rows of both are drawn
 *                  together)
 * `mine` has been reported on (its outcomes are prepared), and `resamples` of its measures is given. */

/* Of another model's tally of the same rows; fails where they are not the same. `name` is for messages. */
bool lm_compare(lm_tally *mine, lm_tally *other, const char *name, lm_report *r, lm_status *st);
/* Of predictions, one a line, as score --tsv writes them: what is predicted, then a tab or the end of the line; a
 * line for each row, in their order. Only the measures of predictions can be had from it, and only for classes, several
 * classes, numbers and tags. Fails where the lines are not as many as the rows, or one says what the model cannot. */
bool lm_compare_lines(lm_tally *t, lm_input *in, lm_report *r, lm_status *st);

#endif
