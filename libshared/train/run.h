/* A training run, from the command line to the published model: what pretrain and finetune have in common.
 *
 * The order of things: what can fail early does (options, output, model, tokenizer); the input is read;
 * classes are collected; the model is made; every row is checked; then the steps; then the model appears
 * under its final name. A run that stops for any reason leaves what stood there before. */
#ifndef LM_TRAIN_RUN_H
#define LM_TRAIN_RUN_H

#include "base/tool.h"
#include "stream/spool.h"
#include "train/parallel/communicator.h"
#include "train/options.h"
#include "train/policy/policy.h"
#include "train/preference/preference.h"
#include "train/teaching/teaching.h"

#include <jansson.h>

/* What came of a run, where it is asked for. Zero-initialise. */
typedef struct lm_run_result {
    bool began;         /* the first step was taken; before that a failure is nothing that other options mend */
    uint64_t steps;
    double seconds;     /* of this process */
    double train_loss;  /* of the steps before the last evaluation; NaN where there was none */
    json_t *evaluation; /* entry of the log about the weights that were written; NULL = none. The caller's */
} lm_run_result;

typedef struct lm_run_spec {
    const lm_common *common;
    const lm_train_options *options;
    const char *objective; /* a name of train/objectives/objective.h; NULL = follows from the labels, or */
    bool by_family;        /* is what the model's family is pretrained with */
    bool random_weights;      /* the network of -m, but not its weights */
    lm_communicator *communicator; /* of process 0 of several; NULL = the only one */
    const lm_teaching_options *teaching; /* what is learned from a teacher; NULL = there is none */
    const lm_preference_options *preference; /* answers are compared or judged; NULL = no */
    const lm_policy_spec *policy; /* the model answers, and answers are rewarded; NULL = no */
    const lm_spool *shared; /* the rows, where they have been read already; NULL = the operands */
    lm_run_result *result;  /* filled in; NULL = nobody asks */
} lm_run_spec;

/* The whole run. */
bool lm_train_run(const lm_run_spec *spec, lm_status *st);

#endif
