/* score --choices: how often a model finds the right answer of several most probable. */
#ifndef LM_METRICS_SCORE_CHOICES_H
#define LM_METRICS_SCORE_CHOICES_H

#include "metrics/score.h"

bool lm_score_choices(const lm_score_options *o, lm_status *st);

#endif
