/* How often something happens: every so many steps ("500", "10k") or epochs ("1e", "0.5e"). */
#ifndef LM_TRAIN_PERIOD_H
#define LM_TRAIN_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

/* Zero: never. */
typedef struct lm_period {
    double every;
    bool in_epochs;
} lm_period;

/* False: the text is none. */
bool lm_period_parse(const char *text, lm_period *out);
/* In steps, at least 1; UINT64_MAX where it is epochs and these have no known length (0). */
uint64_t lm_period_steps(lm_period p, uint64_t steps_per_epoch);

#endif
