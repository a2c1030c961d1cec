/* Learning-rate schedules: a factor of the base rate for each optimiser step. Those of transformers are as its
 * optimization.py has them. */
#ifndef LM_TRAIN_SCHEDULE_H
#define LM_TRAIN_SCHEDULE_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum lm_schedule_kind {
    LM_SCHEDULE_LINEAR, /* to the floor at the last step */
    LM_SCHEDULE_COSINE, /* half a cosine, to the floor at the last step */
    LM_SCHEDULE_CONSTANT,
    LM_SCHEDULE_INVERSE_SQRT,    /* 1/sqrt of the steps, on the time scale of the warm-up */
    LM_SCHEDULE_COSINE_RESTARTS, /* half a cosine, again and again */
    LM_SCHEDULE_POLYNOMIAL,      /* a power of what is left */
    LM_SCHEDULE_STABLE_DECAY,    /* constant, and in the last steps down to the floor by `decay_shape` */
    LM_SCHEDULE_SLANTED_TRIANGULAR, /* from the floor up in the warm-up, and down to it at the last step: ULMFiT (Howard and
                                     * Ruder 2018, arXiv 1801.06146, eq. 3), whose cut_frac is the warm-up's share and whose
                                     * ratio is 1/floor */
    LM_SCHEDULE_EXPONENTIAL, /* decay_rate^(steps / decay_every): torch's ExponentialLR where decay_every is 1 */
    LM_SCHEDULE_STEP,        /* decay_rate^floor(steps / decay_every): torch's StepLR */
    LM_SCHEDULE_RELATIVE,    /* Adafactor's relative step, a rate in itself: min(0.01, 1/sqrt t) in update t, from 1 */
    LM_SCHEDULE_RELATIVE_WARMUP /* min(1e-6 t, 1/sqrt t): with warmup_init */
} lm_schedule_kind;

/* How a rate rises in the warm-up, or falls in the last steps of STABLE_DECAY. */
typedef enum lm_schedule_shape { LM_SHAPE_LINEAR, LM_SHAPE_COSINE, LM_SHAPE_SQRT } lm_schedule_shape;

/* Names of the kinds, in their order; NULL-terminated (a choice option's list). Those of transformers: pairs of such a
 * name and ours, NULL-terminated. Names of the shapes, transformers' own. */
extern const char *const lm_schedule_names[], *const lm_schedule_synonyms[], *const lm_schedule_shapes[];

typedef struct lm_schedule {
    lm_schedule_kind kind;
    uint64_t warmup; /* steps during which the factor grows from 0 to 1 */
    uint64_t total;  /* optimiser steps of the whole run; where the factor falls to the floor. UINT64_MAX = not known */
    double floor;    /* the factor at the end, of those that fall to an end; of SLANTED_TRIANGULAR 0 = 1/32 */
    double cycles;   /* of cosines; 0 = a half of one, and with restarts once a half */
    double power;    /* of a polynomial; 0 = 1 */
    uint64_t decay;  /* steps at the end in which STABLE_DECAY falls; 0 = a tenth of all */
    lm_schedule_shape warmup_shape, decay_shape;
    double decay_rate;    /* of EXPONENTIAL and STEP */
    uint64_t decay_every; /* steps */
} lm_schedule;

/* Whether the factor depends on the number of steps of the run. */
bool lm_schedule_has_end(lm_schedule_kind kind);
/* Whether it falls by decay_rate every decay_every steps. */
bool lm_schedule_has_rate(lm_schedule_kind kind);
/* Whether its factors are the rates themselves. */
bool lm_schedule_is_absolute(lm_schedule_kind kind);
/* What its factors are multiplied by: learning_rate, or 1. */
double lm_schedule_peak(lm_schedule_kind kind, double learning_rate);
/* Steps of a warm-up given as a share of the run: ceil(total*ratio), as transformers; of SLANTED_TRIANGULAR
 * floor(total*ratio), as its paper; of one that is absolute 0. */
uint64_t lm_schedule_warmup_steps(lm_schedule_kind kind, double ratio, uint64_t total);
/* The factor of update `step`, from 0. With a warm-up the first update has factor 0, or the floor of SLANTED_TRIANGULAR. */
double lm_schedule_factor(const lm_schedule *s, uint64_t step);

/* The rates of a run of a known length: a plot so many columns wide, or, where that is 0, lines `learning_rate STEP RATE`
 * with tabs between, of the first and the last update, the first one after the warm-up, and others between. Steps count
 * from 1, as in the log. */
void lm_schedule_print(const lm_schedule *s, double rate, int columns, lm_buf *out);

#endif
