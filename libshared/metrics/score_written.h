/* score --references, --target: texts that were written, beside those that would have been right. */
#ifndef LM_METRICS_SCORE_WRITTEN_H
#define LM_METRICS_SCORE_WRITTEN_H

#include "metrics/score.h"

bool lm_score_written(const lm_score_options *o, lm_status *st);

#endif
