/* What a run says while it trains: lines for people, a progress line, and JSON Lines with the keys of
 * transformers' log_history (loss, grad_norm, learning_rate, epoch, step, eval_loss, eval_accuracy,
 * train_runtime ...). */
#ifndef LM_TRAIN_RUNLOG_H
#define LM_TRAIN_RUNLOG_H

#include "base/status.h"

#include <jansson.h>
#include <stdint.h>

typedef struct lm_runlog lm_runlog;

/* `path` NULL: no file. `history` (taken over; an array, or NULL) is what a run that is resumed had logged:
 * the file begins with it, so that nothing is in it twice. */
lm_runlog *lm_runlog_open(const char *path, json_t *history, lm_status *st);
void lm_runlog_free(lm_runlog *l);
/* One entry (taken over); it stands in the file at once. A log that cannot be written is given up with a
 * warning. */
void lm_runlog_add(lm_runlog *l, json_t *entry);
json_t *lm_runlog_history(const lm_runlog *l); /* array of all entries; borrowed */

/* True at steps 1, 2, 4, 8 ... up to `every`, and then at each multiple of it. */
bool lm_runlog_due(uint64_t step, uint64_t every);

#endif
