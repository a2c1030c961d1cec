/* What a run's evaluations say about it: which was the best, whether the run has stopped getting better, and
 * whether training and evaluation loss part (overfitting). */
#ifndef LM_TRAIN_WATCH_H
#define LM_TRAIN_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lm_watch {
    double train_sum; /* of the steps' losses since the last evaluation */
    uint64_t train_steps;
    double last_train; /* mean of those before the last evaluation; NaN before the first */
    double best; /* value of the metric; NaN before the first */
    uint64_t best_step;
    uint64_t stale;     /* evaluations since the best */
    double least_loss;  /* of all evaluations, and the training loss then */
    double least_train;
    uint64_t least_step;
    uint64_t rising; /* evaluations in a row with more than that */
    bool warned;
} lm_watch;

typedef struct lm_watch_verdict {
    double train_loss; /* mean since the evaluation before; NaN where there was no step */
    bool best;         /* better than all before */
    bool parted;       /* said once: see lm_watch_evaluation */
} lm_watch_verdict;

lm_watch lm_watch_new(void);
void lm_watch_step(lm_watch *w, double loss);
/* An evaluation after `step` with this loss and this value of the metric, of which more is better where
 * `rises`. A NaN is never the best. The losses have parted where two evaluations in a row had more loss than
 * the least so far, and training had less than it had then. */
lm_watch_verdict lm_watch_evaluation(lm_watch *w, uint64_t step, double loss, double value, bool rises);

/* Whether more of this metric is better: all but losses, errors and perplexities. */
bool lm_metric_rises(const char *name);

json_t *lm_watch_state(const lm_watch *w); /* for the checkpoint */
void lm_watch_restore(lm_watch *w, const json_t *state);

#endif
