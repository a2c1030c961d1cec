#include "train/run.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "train/freezing/frozen.h"
#include "train/kept.h"
#include "train/optimizer/optimizer_options.h"
#include "train/parallel/parallel.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What can be seen to be wrong before anything is read. */
static bool check_early(const lm_run *r, lm_status *st)
{
    const lm_common *c = r->spec->common;
    if (!lm_train_options_check(r->o, st) || (r->spec->teaching && !lm_teaching_check(r->spec->teaching, st)) ||
        (r->spec->preference && !(lm_preference_check(r->spec->preference, st) && lm_preferring_serves(r, st))) ||
        (r->spec->policy && !(lm_policy_check(r->spec->policy->options, st) && lm_policy_serves(r, st))))
        return false;
    if (!c->output && !r->o->plan)
        return lm_fail(st, LM_USAGE, "no name for what is trained: give -o DIR, -o NAME.tar.zst or the like, or -o - for a "
                       "stream");
    bool fresh = lm_train_options_make_new(r->o);
    if (c->model && fresh)
        return lm_fail(st, LM_USAGE, "-m begins with a model that exists, and -a and --config make a new one: give one of "
                       "them");
    bool begun = r->spec->teaching && r->spec->teaching->layers; /* by the teacher */
    if (begun && (c->model || r->o->new_model->config))
        return lm_fail(st, LM_USAGE, "--init-from-teacher makes the student, and so do -m and --config: give one of them");
    if (!c->model && !fresh && !begun)
        return lm_fail(st, LM_USAGE, "which model? Give -m DIR%s", r->o->new_model ? ", or -a NAME for a new one" : "");
    if (r->o->adapting && c->output && !lm_adapting_spares(c->output, st))
        return false;
    if (r->o->eval && access(r->o->eval, R_OK) != 0)
        return lm_fail_errno(st, LM_FAILED, "%s", r->o->eval);
    if (c->model) {
        lm_config *config = lm_model_config(c->model, st);
        lm_config_free(config);
        if (!config)
            return false;
    }
    if (r->o->plan)
        return true;
    uint64_t ignored;
    if (!lm_parse_shard_size(r->o->shard_size, &ignored, st))
        return false;
    lm_bundle_writer *out = lm_bundle_create(c->output, NULL, st); /* can it be written at all? */
    lm_bundle_discard(out, NULL);
    return out != NULL;
}

/* Whether the rows are trained on as they arrive. It is asked for by a window; without shuffling it is done
 * where nothing needs to be known beforehand: the length of the run, or the classes. */
static bool streams(const lm_run *r)
{
    const lm_train_options *o = r->o;
    const lm_objective *objective = r->spec->objective ? lm_objective_find(r->spec->objective) : r->objective;
    bool endless = !lm_schedule_has_end((lm_schedule_kind)o->schedule);
    if (o->epochs > 1 || o->by_length || o->frac > 0 || o->max_train_samples > 0 || r->spec->shared)
        return false;
    if (o->shuffle)
        return o->shuffle_window > 0;
    return (o->max_steps > 0 || endless) && objective &&
           (o->labels || objective->row == LM_TARGET_VALUE || !lm_objective_has_classes(objective));
}

/* --replay FILE=SHARE. */
static bool open_replay(lm_run *r, lm_status *st)
{
    const char *spec = r->o->replay, *equals = spec ? strrchr(spec, '=') : NULL;
    double share;
    if (!spec)
        return true;
    if (!equals || equals == spec || !lm_parse_float(equals + 1, &share) || !(share > 0 && share <= 100))
        return lm_fail(st, LM_USAGE, "--replay %s: give FILE=SHARE, such as old.lms=0.1 or old.lms=10%%", spec);
    if (share * (double)(r->o->batch_size * r->o->accumulation) > 1 << 24)
        return lm_fail(st, LM_USAGE, "--replay %s: more than %d rows for a step: lower the share, or --batch-size", spec,
                       1 << 24);
    char *name = lm_strndup(spec, (size_t)(equals - spec));
    r->replay = lm_run_read_beside(r, name, st);
    r->replay_share = share;
    free(name);
    return r->replay != NULL;
}

/* Columns of the stream that are read. */
static const char *const *columns_read(const lm_run *r)
{
    if (r->spec->preference)
        return lm_preference_columns;
    const lm_teaching_options *t = r->spec->teaching;
    if (t && t->logits)
        return lm_paired_columns;
    return t && !t->teacher ? lm_distillation_columns : lm_denoising_columns(&r->o->denoising);
}

static bool open_data(lm_run *r, lm_status *st)
{
    const lm_train_options *o = r->o;
    bool streaming = streams(r);
    if (!streaming && o->shuffle_window > 0)
        return lm_fail(st, LM_USAGE,
                       "--shuffle-window is for a single pass: add --epochs 1, or leave it out to shuffle "
                       "all rows");
    if (!lm_mix_read(&o->mix, &r->spec->common->operands, &r->mix, st))
        return false;
    char *file = o->checkpoint && !streaming ? lm_format("%s/spool.lms", o->checkpoint) : NULL;
    if (file && r->begins_anew)
        unlink(file); /* of a run that failed early, on other rows perhaps */
    lm_data_options options = {.inputs = r->mix.weights ? &r->mix.inputs : &r->spec->common->operands,
                               .weights = r->mix.weights,
                               .spool_file = file,
                               .streaming = streaming,
                               .memory = o->memory > 0 ? (size_t)o->memory / 4 : 0,
                               .window =
                                   (uint32_t)(o->shuffle_window < 1 << 30 ? o->shuffle_window : 1 << 30),
                               .shuffle = o->shuffle,
                               .by_length = o->by_length,
                               .rows_per_step = (uint32_t)(o->batch_size * o->accumulation),
                               .tokens_per_step = (uint64_t)(o->batch_tokens * o->accumulation),
                               .keep = columns_read(r),
                               .seed = (uint64_t)r->spec->common->seed,
                               .share = o->frac,
                               .most = (uint64_t)o->max_train_samples,
                               .shared = r->spec->shared};
    r->data = lm_data_open(&options, st);
    if (!r->data) {
        free(file);
        return false;
    }
    const char *tokenizer = r->resume_path && !o->adapting ? r->resume_path : o->tokenizer, *model = r->spec->common->model;
    if (!model && r->spec->teaching)
        model = r->spec->teaching->teacher;
    bool found = lm_tokenizer_source_find(&r->tokenizer, tokenizer, model, lm_data_tokenizer(r->data), o->force, st) &&
                 lm_data_load(r->data, st) && open_replay(r, st);
    free(file);
    return found;
}

/* By how much, and how often, a rate falls that does so again and again. */
static bool find_decay(lm_run *r, lm_status *st)
{
    const lm_train_options *o = r->o;
    lm_schedule *s = &r->schedule;
    lm_period every = {.every = 1, .in_epochs = true};
    if (!lm_schedule_has_rate(s->kind))
        return true;
    if (o->decay_every)
        lm_period_parse(o->decay_every, &every);
    s->decay_rate = o->decay_rate > 0 ? o->decay_rate : s->kind == LM_SCHEDULE_STEP ? 0.1 : 0.9;
    s->decay_every = lm_period_steps(every, r->steps_per_epoch);
    return s->decay_every != UINT64_MAX ||
           lm_fail(st, LM_USAGE, "--schedule %s: a single pass over a pipe has no known length, and its rate falls after "
                   "each epoch: give --lr-decay-every a number of steps", lm_schedule_names[o->schedule]);
}

static bool count_steps(lm_run *r, lm_status *st)
{
    const lm_train_options *o = r->o;
    r->steps_per_epoch = lm_data_steps(r->data);
    r->total_steps = (uint64_t)o->max_steps;
    if (!o->max_steps && r->steps_per_epoch)
        r->total_steps = (uint64_t)ceil(o->epochs * (double)r->steps_per_epoch - 1e-9);
    r->schedule = (lm_schedule){.kind = (lm_schedule_kind)o->schedule, .floor = o->min_rate, .cycles = o->cycles,
                                .power = o->power, .decay = (uint64_t)o->decay_steps,
                                .warmup_shape = (lm_schedule_shape)o->warmup_shape,
                                .decay_shape = (lm_schedule_shape)o->decay_shape};
    if (!find_decay(r, st))
        return false;
    if (!r->total_steps && r->mix.weights)
        return lm_fail(st, LM_USAGE, "--mix with --shuffle-window begins its files anew again and again: give --max-steps");
    if (!r->total_steps) {
        if (lm_schedule_has_end(r->schedule.kind))
            return lm_fail(st, LM_USAGE,
                           "a single pass over a pipe has no known length, which --schedule %s needs: "
                           "give --max-steps, or --schedule constant",
                           lm_schedule_names[o->schedule]);
        if (o->warmup_steps < 0 && o->warmup_ratio > 0)
            lm_info("no warm-up: the length of the run is not known (--warmup-steps gives one)");
        r->total_steps = UINT64_MAX;
    }
    r->schedule.total = r->total_steps;
    r->schedule.warmup = o->warmup_steps >= 0 ? (uint64_t)o->warmup_steps
                         : r->total_steps == UINT64_MAX
                             ? 0
                             : lm_schedule_warmup_steps(r->schedule.kind, o->warmup_ratio, r->total_steps);
    return true;
}

/* Rows that are mixed in have the model's classes too, perhaps in another order. */
static bool prepare_replay(lm_run *r, lm_status *st)
{
    if (!r->replay)
        return true;
    bool ok = lm_run_targets_of(r, lm_data_preamble(r->replay), "--replay", &r->replay_targets, st);
    r->replay_class_of = (int32_t *)r->replay_targets.class_of;
    return ok && lm_data_check(r->replay, &r->replay_targets, st);
}

static bool prepare_targets(lm_run *r, lm_status *st)
{
    r->targets.label_smoothing = (float)r->o->label_smoothing;
    if ((r->spec->preference && !(r->preferring = lm_preferring_new(r, st))) || (r->spec->policy && !(r->policy = lm_policy_new(r, st))))
        return false;
    return lm_run_hide(r, st) && (!r->teaching || lm_teaching_fit(r->teaching, r, st)) &&
           lm_data_check(r->data, &r->targets, st) && lm_run_balance(r, st) && prepare_replay(r, st) &&
           lm_run_check_loss(r, st);
}

bool lm_run_make_optimizer(lm_run *r, lm_status *st)
{
    lm_optimizer_options how = lm_optimizer_options_of(r->o, (uint64_t)r->spec->common->seed);
    how.rates = r->freezing->rates;
    how.pull = r->o->l2_sp;
    how.starts = r->starts;
    lm_optimizer_free(r->optimizer);
    r->memory.before = lm_anonymous_memory();
    r->optimizer = lm_optimizer_new(r->model->params, &how, st);
    return r->optimizer != NULL;
}

static bool prepare(lm_run *r, lm_status *st)
{
    if (!check_early(r, st) || !lm_run_choose_by_family(r, st) || !lm_run_find_checkpoint(r, st) || !open_data(r, st))
        return false;
    if (!lm_run_choose_objective(r, st))
        return false;
    if (r->spec->teaching && !(r->teaching = lm_teaching_new(r, st)))
        return false;
    if (!lm_run_collect_labels(r, st))
        return false;
    if (!lm_run_make_model(r, st) || !lm_run_arrange(r, st) || !count_steps(r, st) || !prepare_targets(r, st) ||
        !lm_run_load_eval(r, st) || !lm_run_choose_trained(r, st) || !lm_run_choose_quantised(r, st) ||
        !lm_run_find_start(r, st))
        return false;
    if (r->teaching)
        lm_teaching_log(r->teaching);
    if (r->preferring)
        lm_preferring_log(r->preferring);
    if (r->policy)
        lm_policy_log(r->policy);
    lm_run_guard_begin(r);
    r->graph = lm_graph_new(r->model->params);
    r->frozen = lm_run_make_optimizer(r, st) ? lm_frozen_new(r, st) : NULL;
    return lm_ok(st) && lm_run_average_begin(r, st) && lm_run_plan_memory(r, st);
}

static void tell_result(const lm_run *r)
{
    *r->spec->result = (lm_run_result){.began = r->started > 0,
                                       .steps = r->step,
                                       .seconds = r->started > 0 ? lm_now() - r->started : 0,
                                       .train_loss = r->watch.last_train,
                                       .evaluation = r->log ? json_incref(lm_run_evaluation(r)) : NULL};
}

static bool run(lm_run *r, lm_status *st)
{
    if (r->o->freeze && r->o->freeze->list)
        return lm_run_list_parameters(r, st);
    if (!prepare(r, st))
        return false;
    if (r->o->plan)
        return lm_run_plan_print(r, st);
    if (!lm_run_set_stage(r, lm_run_stage_before(r), st) || !lm_run_restore(r, st))
        return false;
    lm_runlog_options log = {.file = r->spec->common->log, .tensorboard = r->o->tensorboard,
                             .history = json_object_get(r->trainer_state, "log_history"),
                             .state = json_object_get(r->state, "log")};
    r->log = lm_runlog_open(&log, st);
    if (!r->log || !lm_run_check_metric(r, st))
        return false;
    r->parallel = lm_parallel_new(r, st);
    return lm_ok(st) && lm_run_loop(r, st) && lm_run_publish(r, st);
}

static void free_run(lm_run *r)
{
    lm_parallel_free(r->parallel);
    lm_optimizer_free(r->optimizer);
    lm_freezing_free(r->freezing);
    lm_teaching_free(r->teaching);
    lm_preferring_free(r->preferring);
    lm_policy_free(r->policy);
    lm_frozen_free(r->frozen);
    if (r->graph)
        lm_graph_free(r->graph);
    if (r->model)
        lm_model_free(r->model);
    lm_data_free(r->eval);
    lm_guard_end(&r->guard);
    free(r->silent);
    lm_data_free(r->data);
    lm_mix_free(&r->mix);
    lm_data_free(r->replay);
    free(r->replay_class_of);
    free(r->class_weight);
    free(r->starts);
    free(r->qat);
    lm_model_free(r->start);
    lm_labels_free(r->labels);
    lm_tokenizer_source_free(&r->tokenizer);
    lm_runlog_free(r->log);
    lm_step_rows_free(&r->rows);
    lm_micro_batch_free(&r->micro);
    free(r->class_of);
    free(r->eval_class_of);
    free(r->continues);
    free(r->sentinels);
    free(r->best);
    free(r->average);
    free(r->resume_path);
    json_decref(r->state);
    json_decref(r->trainer_state);
    if (r->lock >= 0)
        close(r->lock);
}

bool lm_train_run(const lm_run_spec *spec, lm_status *st)
{
    lm_run r = {
        .spec = spec, .o = spec->options, .saved_step = UINT64_MAX, .watch = lm_watch_new(), .lock = -1};
    bool ok = run(&r, st);
    if (spec->result)
        tell_result(&r);
    free_run(&r);
    return ok;
}
