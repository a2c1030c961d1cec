/* What a run logs: JSON Lines and TensorBoard's event files, with the keys of transformers' log_history (loss, grad_norm,
 * learning_rate, epoch, step, eval_loss, eval_accuracy, train_runtime ...). */
#ifndef LM_TRAIN_RUNLOG_H
#define LM_TRAIN_RUNLOG_H

#include "base/status.h"

#include <jansson.h>
#include <stdint.h>

typedef struct lm_runlog lm_runlog;

/* Where it goes, and what a run that is resumed had logged before: the files begin with that, so that nothing is in them
 * twice. */
typedef struct lm_runlog_options {
    const char *file;        /* JSON Lines; NULL = none */
    const char *tensorboard; /* a directory; NULL = none */
    const json_t *history, *state; /* lm_runlog_history and lm_runlog_state of the run; NULL: it begins */
} lm_runlog_options;

lm_runlog *lm_runlog_open(const lm_runlog_options *how, lm_status *st);
void lm_runlog_free(lm_runlog *l);
/* One entry (taken over); it stands in the files at once. A file that cannot be written is given up with a
 * warning. */
void lm_runlog_add(lm_runlog *l, json_t *entry);
json_t *lm_runlog_history(const lm_runlog *l); /* array of all entries; borrowed */
json_t *lm_runlog_state(const lm_runlog *l);   /* what else a checkpoint keeps of it; the caller's */

/* True at steps 1, 2, 4, 8 ... up to `every`, and then at each multiple of it. */
bool lm_runlog_due(uint64_t step, uint64_t every);
/* Whether a key is about time, and so differs when the same run is run again. */
bool lm_runlog_is_time(const char *key);
/* Whether it says how good the model is in an evaluation, rather than how long that took or how much was evaluated. */
bool lm_runlog_is_measure(const char *key);

#endif
