/* Learning-rate schedules: a factor of the base rate for each optimiser step, as transformers'
 * optimization.py has it. */
#ifndef LM_TRAIN_SCHEDULE_H
#define LM_TRAIN_SCHEDULE_H

#include <stdint.h>

typedef enum lm_schedule_kind {
    LM_SCHEDULE_LINEAR, /* to 0 at the last step */
    LM_SCHEDULE_COSINE, /* half a cosine, to 0 at the last step */
    LM_SCHEDULE_CONSTANT,
    LM_SCHEDULE_INVERSE_SQRT, /* 1/sqrt of the steps, on the time scale of the warm-up */
} lm_schedule_kind;

/* Names of the kinds, in their order; NULL-terminated (a choice option's list). */
extern const char *const lm_schedule_names[];

typedef struct lm_schedule {
    lm_schedule_kind kind;
    uint64_t warmup; /* steps during which the factor grows from 0 to 1 */
    uint64_t total;  /* optimiser steps of the whole run; linear and cosine end there */
} lm_schedule;

/* Steps of a warm-up given as a share of the run: ceil(total*ratio), as transformers. */
uint64_t lm_schedule_warmup_steps(double ratio, uint64_t total);
/* The factor of update `step`, from 0. With a warm-up the first update has factor 0. */
double lm_schedule_factor(const lm_schedule *s, uint64_t step);

#endif
