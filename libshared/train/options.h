/* The options that all trainers share: their values, and their entries in the option table. */
#ifndef LM_TRAIN_OPTIONS_H
#define LM_TRAIN_OPTIONS_H

#include "train/adapting.h"
#include "train/objectives/denoising.h"
#include "train/freezing/freeze.h"
#include "train/guard.h"
#include "train/new_model.h"

typedef struct lm_train_options {
    double epochs;
    int64_t max_steps; /* 0 = by epochs */
    int64_t batch_size, accumulation;
    int64_t batch_tokens; /* 0 = batches have batch_size rows */
    double learning_rate;
    int schedule; /* lm_schedule_kind */
    double min_rate, cycles, power; /* of the schedule; 0 = none, its own, its own */
    int64_t decay_steps;            /* 0 = its own */
    int warmup_shape, decay_shape;  /* lm_schedule_shape */
    double decay_rate;              /* 0 = its own */
    const char *decay_every;        /* lm_period; NULL = an epoch */
    double warmup_ratio;
    int64_t warmup_steps; /* goes before the ratio where it is not negative */
    bool has_learning_rate;         /* given */
    int optimizer, state_type;      /* indices of train/optimizer/optimizer_options.h */
    double weight_decay, l1, l2, max_grad_norm, max_grad_value; /* the last one 0 = no limit */
    double beta1, beta2, epsilon;   /* negative = the optimiser's own */
    bool no_bias_correction;
    double momentum;
    bool nesterov;
    double clip_threshold, factor_decay; /* of Adafactor; 0 = its own */
    bool scale_parameter;
    double ema; /* decay of the average of weights; 0 = none */
    double dropout; /* of the whole model; negative = the model's own */
    bool shuffle, by_length;
    int64_t shuffle_window; /* 0 = all rows */
    int64_t micro_tokens;   /* of a forward pass; 0 = chosen */
    double label_smoothing;
    lm_denoising_options denoising;
    int packing;        /* lm_instance_kind: rows as they stand, wrapped or best fit */
    bool has_packing;
    int64_t block_size; /* most tokens of a packed row or a pair of sentences; 0 = what the model takes */
    bool document_attention; /* the texts of a packed row do not see one another */
    double short_seq_prob; /* of pairs of sentences */
    bool has_short_seq_prob;

    lm_new_model *new_model; /* NULL = the program makes none */
    const char *tokenizer;
    bool force;

    const char *eval;
    int64_t eval_steps; /* 0 = after each epoch */
    bool keep_best;
    const char *best_metric; /* of the evaluation; NULL = loss */
    int64_t patience;        /* evaluations without a better one before the end; 0 = no end */

    double frac;               /* of the rows, chosen by hash; 0 = all */
    int64_t max_train_samples; /* rows, by the same hash; 0 = all */
    const char *replay;        /* FILE=SHARE */
    lm_strings mix;            /* FILE=WEIGHT ...: the inputs, dealt by weight (train/data/mixture.h) */
    bool has_tasks;            /* the program learns one of several tasks */
    int task;                  /* lm_task_objective; 0 = as the columns of the stream are */
    const char *labels;        /* the classes; NULL = from the input */
    bool skip_unknown;         /* labels that are none of these classes carry no loss */
    const char *class_weight;  /* "auto" or a file; NULL = none */
    double focal_gamma;
    int qat;                   /* index of lm_quantise_types: what the model is to be quantised to afterwards; 0 = nothing */
    int64_t qat_from;          /* steps before that is simulated */
    double l2_sp;              /* decay towards the weights of the start; 0 = none */
    bool keep_head, has_keep_head;
    lm_strings sweep;          /* NAME=VALUE,VALUE...: a grid of runs (train/sweep.h) */

    bool check;                /* all weights are looked at before */
    int dtype;                 /* lm_save_dtype */
    const char *shard_size;    /* most bytes of a file of weights */

    const char *checkpoint;
    int64_t save_steps, keep;
    bool resume;
    double max_time; /* seconds; 0 = no limit */

    lm_guard_options guard; /* what ends a run, or is passed over; may be another when it goes on */

    lm_freeze_options *freeze; /* NULL = the program has no such options */
    lm_adapting *adapting;     /* an adapter is trained; NULL = the model itself */

    const char *communicator; /* NULL = by the launcher's environment */

    int64_t memory; /* bytes; 0 = no limit */
    bool recompute; /* blocks are run again in the backward pass */
    const char *tensorboard; /* a directory for event files; NULL = none */
    bool plan;
    int64_t logging_steps;
} lm_train_options;

/* What --help shows where a program sets nothing else. */
extern const lm_train_options lm_train_defaults;

enum { LM_TRAIN_OPTION_MAX = 192 };

/* The entry of -o for a program that trains a model. */
lm_option lm_train_output_option(const char **output);
/* Appends the program's own entries (zero-terminated) and then the shared ones to table[LM_TRAIN_OPTION_MAX];
 * the entries point into `o`. */
void lm_train_option_table(lm_train_options *o, const lm_option *own, lm_option *table);
/* lm_run_spec.objective of a task; NULL = by the stream's columns. */
const char *lm_task_objective(int task);
/* Most rows of a forward pass. */
int64_t lm_train_batch_rows(const lm_train_options *o);
bool lm_train_options_join(const lm_train_options *o); /* rows become others: --packing, --block-size */
/* The metric of --best-metric, without "eval_": "loss". */
const char *lm_train_metric(const lm_train_options *o);
/* Whether a new model is asked for, in place of one that exists. */
bool lm_train_options_make_new(const lm_train_options *o);
/* What the parser cannot see: options that exclude or need one another (LM_USAGE). */
bool lm_train_options_check(const lm_train_options *o, lm_status *st);

#endif
