/* Inside train: what the parts of a run share. */
#ifndef LM_TRAIN_RUN_INTERNAL_H
#define LM_TRAIN_RUN_INTERNAL_H

#include "train/data/data.h"
#include "train/freezing/freeze.h"
#include "train/guard.h"
#include "train/objectives/micro_batch.h"
#include "train/optimizer/optimizer.h"
#include "train/run.h"
#include "train/reports/runlog.h"
#include "train/optimizer/schedule.h"
#include "train/tokenizer_files.h"
#include "train/reports/watch.h"

typedef struct lm_frozen lm_frozen;
typedef struct lm_parallel lm_parallel;

/* Of steps; a checkpoint keeps it. */
typedef struct lm_sums {
    double loss, plain; /* since the last line of the log; plain: as an evaluation measures it */
    uint64_t steps;     /* that these are of */
    double all;         /* loss, of all steps of the run */
    uint64_t taken;     /* steps that this is of: those that had a loss and were not skipped */
    uint64_t tokens;    /* that all have read */
} lm_sums;

/* Anonymous memory, in bytes. */
typedef struct lm_memory {
    int64_t before; /* the optimiser was made */
    int64_t seen;   /* the most at any time so far */
    /* what a run takes, once it is measured: these five make the total */
    int64_t weights, gradients, states, activations, other;
    int64_t later; /* of the total, what is not there before the first step */
    int64_t total;
    int64_t spared; /* of the states, by 8-bit AdamW in place of this optimiser */
} lm_memory;

struct lm_run {
    const lm_run_spec *spec;
    const lm_train_options *o;
    const lm_objective *objective;
    lm_labels *labels; /* of classes that are words; else NULL */
    lm_targets targets, eval_targets;
    int32_t *class_of, *eval_class_of; /* what their class_of points to */
    lm_tokenizer_source tokenizer;
    lm_data *data;
    lm_mix mix; /* --mix */
    lm_instances_options examples; /* what is made of the rows of data, replay and eval */
    int64_t block_size;            /* that was asked for, or is the usual one */
    lm_data *replay; /* --replay; NULL = none */
    double replay_share;
    lm_targets replay_targets;
    int32_t *replay_class_of;
    uint8_t *continues;  /* what the targets' masking and spans point to; NULL = nothing */
    int32_t *sentinels;
    float *class_weight; /* --class-weight; NULL = none */
    lm_model *start;     /* --l2-sp: the model as it was; NULL = not asked for */
    const float **starts; /* [parameters] values that weights decay to; NULL = 0 */
    lm_data *eval;   /* --eval; NULL = none */
    lm_model *model;
    lm_graph *graph;
    lm_optimizer *optimizer;
    lm_freezing *freezing;
    lm_teaching *teaching; /* NULL = there is no teacher */
    lm_preferring *preferring; /* NULL = there are no answers to be preferred */
    lm_policy *policy; /* NULL = nobody rewards */
    lm_frozen *frozen; /* --cache-frozen (train/freezing/frozen.h); NULL = no */
    int stage; /* of unfreezing: what has gradients now */
    lm_parallel *parallel; /* the other processes (train/parallel/parallel.h); NULL = none */
    lm_schedule schedule;
    lm_runlog *log;
    lm_step_rows rows;
    lm_micro_batch micro;
    int64_t micro_tokens;
    bool recompute;
    lm_dtype *qat;  /* --qat: [parameters] what each is to become, LM_F32 = it stays; NULL = not asked for */
    bool qat_begun; /* and is computed with as */
    lm_memory memory;

    uint64_t step;                         /* updates done */
    uint64_t total_steps, steps_per_epoch; /* steps_per_epoch 0 = not known (streaming) */
    uint64_t tokens_seen, rows_seen;
    double started;      /* seconds, monotonic */
    uint64_t start_step; /* where this process began */
    uint64_t saved_step; /* of the newest checkpoint; UINT64_MAX = none */

    lm_plain_loss plain;        /* of the step, where its loss is balanced */
    lm_sums sums;
    uint64_t logged_tokens;
    double logged_at;
    lm_guard guard;
    uint8_t *silent; /* [parameters] steps without a gradient, until there was one */

    lm_watch watch;
    float *best;    /* --keep-best: values (train/kept.h) */
    float *average; /* --ema: values (train/kept.h) */
    uint64_t evaluated; /* after which step */
    bool stopped_early; /* --patience has run out */

    char *resume_path; /* checkpoint that the run goes on from; NULL = none */
    bool begins_anew;  /* there is none, not even a damaged one */
    json_t *state, *trainer_state; /* its state.json and trainer_state.json */
    int lock;          /* of --checkpoint DIR; -1 = none */
};

double lm_now(void); /* monotonic seconds */

/* classes.c */
bool lm_run_choose_by_family(lm_run *r, lm_status *st); /* where it is asked for, before the rows are read */
bool lm_run_choose_objective(lm_run *r, lm_status *st);
bool lm_run_collect_labels(lm_run *r, lm_status *st);
/* The targets of rows of another stream (--eval, --replay), whose classes may stand in another order. */
bool lm_run_targets_of(const lm_run *r, json_t *preamble, const char *name, lm_targets *out, lm_status *st);
/* trained.c */
bool lm_run_choose_trained(lm_run *r, lm_status *st);
bool lm_run_set_stage(lm_run *r, int stage, lm_status *st);
int lm_run_stage_before(const lm_run *r);             /* of the step that came last */
bool lm_run_unfreeze(lm_run *r, lm_status *st);       /* what the next step trains */
/* Numbers that are trained now, or ever; *tensors (or NULL): in how many parameters. */
size_t lm_run_trained(const lm_run *r, bool ever, size_t *tensors);
int lm_run_lowest_level(const lm_run *r); /* of which something is trained now (train/freezing/freeze.h) */
bool lm_run_list_parameters(lm_run *r, lm_status *st);
void lm_run_freeze_options(const lm_run *r, json_t *all); /* adds those that decide the result */
/* qat.c */
bool lm_run_choose_quantised(lm_run *r, lm_status *st); /* after the model is made */
/* Before what is computed with weights that may have changed: a step, or an evaluation. */
bool lm_run_quantise(lm_run *r, lm_status *st);
int64_t lm_run_quantised_bytes(const lm_run *r); /* that it will take, and has not yet */
/* guarded.c */
void lm_run_guard_begin(lm_run *r);
/* Before an update: *take tells whether it is to be made. False: the run ends here. */
bool lm_run_guard(lm_run *r, double loss, double norm, bool *take, lm_status *st);
bool lm_run_guard_empty(lm_run *r, lm_status *st); /* the step has nothing that carries a loss */
void lm_run_guard_report(const lm_run *r);         /* what was skipped, at the end */
/* example.c */
/* Warns of rows that teach nothing and of ends that are never taught; fails where no row has anything to learn from. */
bool lm_run_check_loss(lm_run *r, lm_status *st);
/* Logs a row of the step in hand, with what carries loss. */
void lm_run_show_example(const lm_run *r);
/* denoising.c */
bool lm_run_hide(lm_run *r, lm_status *st); /* what the objective hides, into targets */
void lm_run_denoising_options(const lm_run *r, json_t *all); /* adds those that decide the result */
/* adapting.c: of runs that train an adapter */
bool lm_run_adapt(lm_run *r, lm_status *st); /* attaches one that is new; nothing where none is trained */
void lm_run_adapter_rates(lm_run *r);        /* after the parameters have their rates */
void lm_run_adapter_options(const lm_run *r, json_t *all); /* adds those that decide the result */
bool lm_run_write_adapter_config(const lm_run *r, lm_bundle_writer *to, lm_status *st);
/* All numbers of an adapter that the run has made, for its checkpoints: adapter_model.safetensors may hold what comes of them; and
 * those that are of the run alone. */
#define LM_VALUES_FILE "values.safetensors"
bool lm_run_has_values(const lm_run *r); /* what it trains is not all in the files of the model */
bool lm_run_write_values(const lm_run *r, int fd, const char *name, lm_status *st);
bool lm_run_restore_values(lm_run *r, lm_status *st); /* of the checkpoint that is resumed */
/* balance.c */
bool lm_run_balance(lm_run *r, lm_status *st);    /* class weights and the like, into targets */
bool lm_run_find_start(lm_run *r, lm_status *st); /* starts */
/* arrange.c */
bool lm_run_arrange(lm_run *r, lm_status *st); /* what the examples are; after the model is made */
void lm_run_example_options(const lm_run *r, json_t *all); /* adds those that decide the result */
const char *lm_run_example_name(const lm_run *r);          /* several of them: "rows" */
/* run.c */
bool lm_run_make_optimizer(lm_run *r, lm_status *st); /* with states of zero */
/* make.c */
bool lm_run_make_model(lm_run *r, lm_status *st);
/* loop.c */
bool lm_run_loop(lm_run *r, lm_status *st);
/* One pass over a step's rows: loss, and gradients added to the parameters'. */
bool lm_run_gradients(lm_run *r, double *loss, lm_status *st);
/* report.c */
double lm_run_epoch(const lm_run *r); /* read so far; 0 where its length is not known */
/* A step that is done: what it adds to the sums (`taken`: it had a loss and was not skipped); a line of the log; the line on
 * the terminal. */
void lm_run_count(lm_run *r, double loss, bool taken);
void lm_run_log_step(lm_run *r, double norm, double rate);
void lm_run_show_progress(const lm_run *r, double loss, double rate);
void lm_run_log_end(lm_run *r); /* the summary of this process's steps */
json_t *lm_run_sums(const lm_run *r); /* for the checkpoint */
void lm_run_restore_sums(lm_run *r, const json_t *sums);
json_t *lm_run_evaluation(const lm_run *r); /* entry of the log about the weights that are written; NULL = none. Borrowed */
/* trainer_state.json, as transformers' TrainerState; without `times` nothing that differs when the run is run again. */
void lm_run_trainer_state(const lm_run *r, bool times, lm_buf *out);
/* evaluate.c */
/* Reads a stream that is used beside the one to train on: of the same tokenizer, whole. NULL: failed. */
lm_data *lm_run_read_beside(const lm_run *r, const char *file, lm_status *st);
bool lm_run_load_eval(lm_run *r, lm_status *st);
bool lm_run_check_metric(lm_run *r, lm_status *st); /* evaluations have the value of --best-metric */
bool lm_run_evaluate(lm_run *r, lm_status *st);
void lm_run_restore_best(lm_run *r); /* puts the best weights in place, if there are any */
/* card.c */
bool lm_run_write_card(const lm_run *r, lm_bundle_writer *to, lm_status *st);
/* save.c */
bool lm_run_checkpoint(lm_run *r, lm_status *st);
bool lm_run_find_checkpoint(lm_run *r, lm_status *st);
bool lm_run_restore(lm_run *r, lm_status *st); /* optimiser and counts */
bool lm_run_publish(lm_run *r, lm_status *st);
json_t *lm_run_options(const lm_run *r); /* those that decide the result */
/* Evaluates the longest rows of --eval, if there is any, for the memory that it takes; nobody learns of the result. */
bool lm_run_probe_evaluation(lm_run *r, lm_status *st);
/* memory.c */
void lm_run_note_memory(lm_run *r);                       /* looks at it now */
bool lm_run_check_least(const lm_run *r, lm_status *st);  /* weights and gradients are within --memory */
bool lm_run_plan_memory(lm_run *r, lm_status *st);        /* chooses micro_tokens and recompute */
/* plan.c */
bool lm_run_plan_print(lm_run *r, lm_status *st);

#endif
