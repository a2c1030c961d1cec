/* Checkpoints: DIR/checkpoint-STEP, each a whole model directory (config.json, model.safetensors, tokenizer
 * files: any program takes it with -m) with what a run needs to go on: optimizer.safetensors, state.json, and
 * MANIFEST, a digest of every file, written last. A checkpoint is built beside its name and renamed; one
 * whose digests do not agree is passed over when a run is resumed. */
#ifndef LM_TRAIN_CHECKPOINT_H
#define LM_TRAIN_CHECKPOINT_H

#include "base/status.h"

#include <stdint.h>

/* Writes the files of a checkpoint but MANIFEST into `path`. */
typedef bool (*lm_checkpoint_writer)(void *context, const char *path, lm_status *st);

/* Makes DIR (and its parents) where it is missing, and DIR/checkpoint-STEP. The oldest beyond `keep` (0 =
 * keep all) are removed once the new one stands. */
bool lm_checkpoint_save(const char *dir, uint64_t step, int keep, lm_checkpoint_writer write, void *context,
                        lm_status *st);

char *lm_checkpoint_path(const char *dir, uint64_t step); /* DIR/checkpoint-STEP, malloced */

/* The newest whole one: *path (malloced) and *step; *path NULL where there is none, and *step that of the newest damaged one, 0
 * without one. Damaged ones are passed over with a warning that names what is wrong. Fails only where DIR cannot be read. */
bool lm_checkpoint_find(const char *dir, char **path, uint64_t *step, lm_status *st);

/* Removes what a killed run has left half made in DIR. */
void lm_checkpoint_clear(const char *dir);

/* Writes MANIFEST over the files of a directory; checks one. */
bool lm_manifest_write(const char *path, lm_status *st);
bool lm_manifest_check(const char *path, lm_status *st);

/* Makes DIR where it is missing, and sees to it that one run at a time writes there. Returns a descriptor: closing it, or
 * the end of the process, gives the directory free again. -1: failed. */
int lm_checkpoint_lock(const char *dir, lm_status *st);

/* mkdir -p. */
bool lm_make_directories(const char *path, lm_status *st);

#endif
