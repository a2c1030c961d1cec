/* Event files as TensorBoard reads them: scalars of a run over its steps.
 *
 * A file is a sequence of records: length (uint64), masked CRC-32C of these eight bytes, data, masked CRC-32C of the data,
 * all little-endian, where masked is the CRC rotated right by 15 bits plus 0xa282ead8. The data are protocol buffers,
 * tensorflow.Event: wall_time = 1 (double), step = 2 (int64), file_version = 3 ("brain.Event:2", the first record alone),
 * summary = 5 {value = 1 {tag = 1, simple_value = 2 (float)}}, session_log = 7 {status = 1 (START = 1)}. */
#ifndef LM_TRAIN_TENSORBOARD_H
#define LM_TRAIN_TENSORBOARD_H

#include "base/status.h"

#include <jansson.h>
#include <stdint.h>

typedef struct lm_tensorboard lm_tensorboard;

/* Opens DIR/events.out.tfevents.SECONDS.HOST.RUN (and makes DIR). `again`: the run goes on, and what it had logged will be
 * added anew: files in DIR of the same RUN are removed, and a START tells a TensorBoard that is looking on to forget what
 * it has read from them. */
lm_tensorboard *lm_tensorboard_open(const char *dir, const char *run, bool again, lm_status *st);
void lm_tensorboard_free(lm_tensorboard *t);
/* The numbers of an entry of the log (train/reports/runlog.h), each at the entry's `step`, under the tags of transformers'
 * TensorBoardCallback: eval_loss is eval/loss, everything else is train/NAME. `wall`: seconds since 1970. */
bool lm_tensorboard_add(lm_tensorboard *t, double wall, const json_t *entry, lm_status *st);

/* The CRC of Castagnoli's polynomial (RFC 3720, B.4). */
uint32_t lm_crc32c(const void *data, size_t n);

#endif
