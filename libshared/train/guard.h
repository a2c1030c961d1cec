/* Guards: what a step's numbers say about the run, before the step is taken.
 *
 * A loss is a spike where it lies more than `score` standard deviations above the mean of the `window` losses before it:
 * z = (loss - mean)/max(deviation, |mean|/100), where the deviation is that of the window's own (divisor n). It is judged
 * from LM_SPIKE_LEAST losses on. A spike enters the window as the largest loss that would have been none, so that one is
 * not followed by blindness, and a level that stays is accepted after some steps. */
#ifndef LM_TRAIN_GUARD_H
#define LM_TRAIN_GUARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lm_guard_action { LM_GUARD_STOP, LM_GUARD_SKIP, LM_GUARD_WARN } lm_guard_action;
extern const char *const lm_guard_nan_actions[];   /* stop, skip */
extern const char *const lm_guard_spike_actions[]; /* stop, skip, warn */

typedef struct lm_guard_options {
    int on_nan, on_spike;  /* lm_guard_action */
    int on_empty;          /* LM_GUARD_STOP or LM_GUARD_SKIP */
    bool stop_at_zero;     /* a trained tensor that gets no gradient stops the run; else it is said */
    double score;          /* 0 = no loss is a spike */
    int64_t window;
} lm_guard_options;

enum {
    LM_SPIKE_LEAST = 20, /* losses before one is judged */
    LM_NAN_MOST = 20,    /* steps in a row that are skipped because of NaN */
    LM_ZERO_STEPS = 20   /* steps without any gradient until a tensor is called dead */
};

typedef struct lm_guard {
    double *losses; /* [window] a ring */
    int64_t window, count, next;
    double score;
    uint64_t not_finite, spikes, empty; /* steps that were skipped */
    uint64_t warned;                    /* spikes that were not */
    uint64_t nan_in_a_row;
} lm_guard;

void lm_guard_begin(lm_guard *g, double score, int64_t window);
void lm_guard_end(lm_guard *g);
/* The z of a finite loss; 0 before there are enough. Nothing is changed. */
double lm_guard_score(const lm_guard *g, double loss);
/* Takes the loss into the window. */
void lm_guard_add(lm_guard *g, double loss);
uint64_t lm_guard_skipped(const lm_guard *g);

json_t *lm_guard_state(const lm_guard *g); /* for the checkpoint */
void lm_guard_restore(lm_guard *g, const json_t *state);

#endif
