/* Inside train: copies of the values of everything that a run trains, now or later, one parameter after the other: those of the
 * best evaluation, and a moving average. */
#ifndef LM_TRAIN_KEPT_H
#define LM_TRAIN_KEPT_H

#include "train/run_internal.h"

/* A copy of the values as they are; NULL: too little memory. The caller frees it. */
float *lm_kept_new(const lm_run *r, const char *what, lm_status *st);
void lm_kept_take(const lm_run *r, float *kept);       /* the values as they are */
void lm_kept_put(const lm_run *r, const float *kept);  /* back in their place */
void lm_kept_swap(const lm_run *r, float *kept);
/* kept = share values + (1 - share) kept, of those that are trained now. */
void lm_kept_blend(const lm_run *r, double share, float *kept);

/* As tensors of a safetensors file, under their names. */
bool lm_kept_write(const lm_run *r, const float *kept, int fd, const char *name, lm_status *st);
/* From that file of the checkpoint that is resumed. NULL: failed. */
float *lm_kept_read(const lm_run *r, const char *file, lm_status *st);

/* --ema. The decay of step t is min(DECAY, (1+t)/(10+t)), so that the first values do not weigh for long. */
bool lm_run_average_begin(lm_run *r, lm_status *st);
void lm_run_average_step(lm_run *r); /* after an update */

#endif
