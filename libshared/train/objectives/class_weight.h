/* Weights of classes, against imbalance: what --class-weight says. */
#ifndef LM_TRAIN_CLASS_WEIGHT_H
#define LM_TRAIN_CLASS_WEIGHT_H

#include "train/data/data.h"

/* How often each class occurs in the rows that are trained on, and how many rows or tokens with tags there are in all; a
 * row counts with its own weight. of: [t->classes]. */
bool lm_class_counts(const lm_data *d, const lm_targets *t, double *of, double *all, lm_status *st);

/* Weights from how often each class occurs there:
 * all/(classes n_c), scikit-learn's "balanced", of rows or of tokens with tags; of several classes a row
 * (all - n_c)/n_c, how much more often a class is absent than present (pos_weight of torch's BCEWithLogitsLoss).
 * A class that does not occur has 1. weight: [t->classes]. */
bool lm_class_weights_auto(const lm_data *d, const lm_targets *t, float *weight, lm_status *st);

/* Weights from a file: a line for each class, its name, white space, its weight; or one JSON object. Every class
 * once, and no other; weights are finite and not negative, and one at least is positive. names: [n]. */
bool lm_class_weights_read(const char *file, const char *const *names, int n, float *weight, lm_status *st);

#endif
