/* The optimiser as options name it. */
#ifndef LM_TRAIN_OPTIMIZER_OPTIONS_H
#define LM_TRAIN_OPTIMIZER_OPTIONS_H

#include "train/optimizer/optimizer.h"
#include "train/options.h"

#include <jansson.h>

/* For choice options: names, and pairs of another spelling (transformers' `optim`) and ours. Of the states' type the first is
 * the optimiser's own. */
extern const char *const lm_optimizer_names[], *const lm_optimizer_synonyms[];
extern const char *const lm_state_type_names[], *const lm_state_type_synonyms[];

/* What the options come to; rates, pull and starts are the caller's to add. */
lm_optimizer_options lm_optimizer_options_of(const lm_train_options *o, uint64_t seed);
/* What the optimiser has no use for would be ignored in silence: LM_USAGE. */
bool lm_optimizer_options_check(const lm_train_options *o, lm_status *st);
/* Adds those that decide the result, by the names of the options. */
void lm_optimizer_options_add(const lm_train_options *o, json_t *all);

#endif
