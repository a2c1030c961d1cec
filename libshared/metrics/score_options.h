/* Options of score for what is no stream of tokens: their entries in its table. */
#ifndef LM_METRICS_SCORE_OPTIONS_H
#define LM_METRICS_SCORE_OPTIONS_H

#include "metrics/score.h"

enum { LM_SCORE_OPTION_MAX = 80 };

/* Fills table[LM_SCORE_OPTION_MAX] with the program's own entries, which end with a zero one, and these behind them. */
void lm_score_option_table(lm_score_options *o, const lm_option *own, lm_option *table);

#endif
