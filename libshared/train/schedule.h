/* Learning-rate schedules: a factor of the base rate for each optimiser step, as transformers'
 * optimization.py has it. */
#ifndef LM_TRAIN_SCHEDULE_H
#define LM_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lm_schedule_kind {
    LM_SCHEDULE_LINEAR, /* to the floor at the last step */
    LM_SCHEDULE_COSINE, /* half a cosine, to the floor at the last step */
    LM_SCHEDULE_CONSTANT,
    LM_SCHEDULE_INVERSE_SQRT,    /* 1/sqrt of the steps, on the time scale of the warm-up */
    LM_SCHEDULE_COSINE_RESTARTS, /* half a cosine, again and again */
    LM_SCHEDULE_POLYNOMIAL,      /* a power of what is left */
    LM_SCHEDULE_STABLE_DECAY     /* constant, and in the last steps half a cosine */
} lm_schedule_kind;

/* Names of the kinds, in their order; NULL-terminated (a choice option's list). Those of transformers: pairs of such a
 * name and ours, NULL-terminated. */
extern const char *const lm_schedule_names[], *const lm_schedule_synonyms[];

typedef struct lm_schedule {
    lm_schedule_kind kind;
    uint64_t warmup; /* steps during which the factor grows from 0 to 1 */
    uint64_t total;  /* optimiser steps of the whole run; where the factor falls to the floor */
    double floor;    /* the factor at the end, of those that fall to an end */
    double cycles;   /* of cosines; 0 = a half of one, and with restarts once a half */
    double power;    /* of a polynomial; 0 = 1 */
    uint64_t decay;  /* steps at the end in which STABLE_DECAY falls; 0 = a tenth of all */
} lm_schedule;

/* Whether the factor depends on the number of steps of the run. */
bool lm_schedule_has_end(lm_schedule_kind kind);
/* Steps of a warm-up given as a share of the run: ceil(total*ratio), as transformers. */
uint64_t lm_schedule_warmup_steps(double ratio, uint64_t total);
/* The factor of update `step`, from 0. With a warm-up the first update has factor 0. */
double lm_schedule_factor(const lm_schedule *s, uint64_t step);

#endif
