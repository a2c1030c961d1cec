/* A run, or with --sweep a small grid of runs over the same rows: one for each combination of the values.
 *
 *     --sweep lr=1e-5,3e-5 batch-size=16,32      (or --sweep lr=... --sweep batch-size=...)
 *
 * The input is read once. Each run is what it would be by itself: its model is OUTPUT/NAME, NAME spelling its
 * values, its checkpoints are below CHECKPOINT/NAME, its log is LOG.NAME. A run that diverges is one of the
 * grid; any other failure ends the sweep. At the end (and where it is stopped) a table of tab-separated values
 * goes to standard output, and OUTPUT/best leads to the best model by --best-metric. --resume goes on with the
 * run that was stopped and does not repeat those that were done. */
#ifndef LM_TRAIN_SWEEP_H
#define LM_TRAIN_SWEEP_H

#include "train/run.h"

/* What main does once its command line has been read; `program` has the options that can be swept. */
bool lm_train_program(const lm_run_spec *spec, const lm_program *program, lm_status *st);

#endif
