/* The steps of a run. */
#include "train/freezing/frozen.h"
#include "train/kept.h"
#include "train/parallel/parallel.h"

#include "base/log.h"
#include "base/progress.h"
#include "base/signals.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

double lm_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool lm_run_gradients(lm_run *r, double *loss, lm_status *st)
{
    lm_step step = {
        .training = (!r->preferring && !r->policy) || r->o->dropout >= 0, .taping = true, .recompute = r->recompute,
        .seed = (uint64_t)r->spec->common->seed, .optimiser_step = r->step};
    *loss = 0;
    if (!lm_run_quantise(r, st) || (r->preferring && !lm_preferring_begin(r->preferring, r, &r->rows, st)))
        return false;
    bool whole = r->preferring && lm_preferring_is_whole(r->preferring);
    for (int first = 0; first < r->rows.rows;) {
        if (!lm_signal_check(st))
            return false;
        first = lm_micro_batch_cut(&r->micro, &r->rows, &r->targets, first, whole ? INT64_MAX : r->micro_tokens,
                                   whole ? INT_MAX : (int)lm_train_batch_rows(r->o));
        lm_select select = lm_micro_batch_select(&r->micro, &r->rows, &r->targets);
        if (r->teaching)
            lm_teaching_select(r->teaching, &r->micro, r->graph, &select);
        if (r->preferring)
            lm_preferring_select(r->preferring, &select);
        if (r->policy)
            lm_policy_select(r->policy, &select);
        if (!select.token_logits && !select.row_logits && !select.hidden)
            continue; /* nothing in it carries loss */
        const lm_batch *batch = r->frozen ? lm_frozen_take(r->frozen, r, st) : &r->micro.batch;
        if (!batch)
            return false;
        step.global_row = r->micro.place;
        if (r->parallel && first == r->rows.rows)
            lm_parallel_last_part(r->parallel, &step);
        lm_graph_begin(r->graph, batch, step);
        if (r->frozen)
            lm_frozen_give(r->frozen, r, &select);
        lm_outputs out = lm_model_forward(r->model, r->graph, batch, &select);
        lm_tensor *part = r->policy ? lm_policy_part(r->policy, &r->micro, &r->rows, out, r->graph, st)
                          : r->preferring ? lm_preferring_loss(r->preferring, &r->micro, &r->rows, out, r->graph, st)
                          : r->teaching ? lm_teaching_loss(r->teaching, &r->micro, &r->rows, &r->targets, out, r->graph, st)
                                        : lm_micro_batch_loss_of(&r->micro, &r->rows, &r->targets, out, r->graph);
        if (!part)
            return false;
        lm_graph_backward(r->graph, part, 1);
        *loss += (double)*lm_tensor_read(r->graph, part);
        if (!lm_graph_end(r->graph, st))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ steps */

/* Gradients, and the update, unless a guard passes over the step (*take). */
static bool update(lm_run *r, double *loss, double *norm, double rate, bool *take, lm_status *st)
{
    bool ok = lm_parallel_gradients(r, loss, st);
    *norm = ok ? lm_optimizer_gradient_norm(r->optimizer) : 0;
    ok = ok && lm_run_guard(r, *loss, *norm, take, st);
    if (!ok || !*take) {
        lm_optimizer_zero_gradients(r->optimizer);
        return ok;
    }
    ok = lm_optimizer_update(r->optimizer, rate, lm_clip_coefficient(*norm, r->o->max_grad_norm), st);
    if (r->policy)
        lm_policy_updated(r->policy, rate);
    lm_run_average_step(r);
    return ok;
}

static double rate_now(const lm_run *r)
{
    return lm_schedule_peak(r->schedule.kind, r->o->learning_rate) * lm_schedule_factor(&r->schedule, r->step);
}

/* One optimiser step; *end where the input has no more rows. */
static bool one_step(lm_run *r, bool *end, lm_status *st)
{
    double loss = 0, norm = 0, rate = rate_now(r);
    r->plain = (lm_plain_loss){0};
    r->micro.plain = &r->plain;
    if (!lm_data_step(r->data, r->step, &r->targets, &r->rows, end, st))
        return false;
    if (*end)
        return true;
    if (r->policy && !lm_policy_answer(r->policy, r, st))
        return false;
    if (r->step == r->start_step) {
        lm_run_show_example(r);
        lm_tokenizer_source_close(&r->tokenizer); /* has said what it had to */
    }
    bool take = r->rows.token_count > 0 || r->rows.row_count > 0 || r->rows.soft_count > 0;
    if (!take && !lm_run_guard_empty(r, st))
        return false;
    for (int pass = r->policy ? lm_policy_passes(r->policy) : 1; take && pass > 0; pass--)
        if (!update(r, &loss, &norm, rate, &take, st))
            return false;
    r->step++;
    lm_run_count(r, loss, take);
    if (lm_runlog_due(r->step, (uint64_t)r->o->logging_steps) || r->step == r->total_steps)
        lm_run_log_step(r, norm, rate);
    lm_run_show_progress(r, loss, rate);
    return true;
}

/* Whether something that happens every `steps` (0: after each epoch) is due now. */
static bool is_due(const lm_run *r, int64_t steps)
{
    uint64_t every = steps > 0 ? (uint64_t)steps : r->steps_per_epoch;
    return every && r->step % every == 0;
}

static bool evaluation_is_due(const lm_run *r)
{
    return r->eval && (is_due(r, r->o->eval_steps) || r->step >= r->total_steps) && r->evaluated != r->step;
}

/* What stands between two steps: evaluation and checkpoints. */
static bool between_steps(lm_run *r, lm_status *st)
{
    bool last = r->step >= r->total_steps;
    if (evaluation_is_due(r) && !lm_run_evaluate(r, st))
        return false;
    if (r->stopped_early && !last) {
        lm_info("stopped: %" PRIu64 " evaluations without a better %s than %.4f at step %" PRIu64 " (--patience)",
                r->watch.stale, lm_train_metric(r->o), r->watch.best, r->watch.best_step);
        r->total_steps = r->step;
        return true;
    }
    if (r->o->checkpoint && !last && is_due(r, r->o->save_steps))
        return lm_run_checkpoint(r, st);
    return true;
}

/* A run that stops early says where it can go on. */
static void stop_with_checkpoint(lm_run *r, lm_status *why)
{
    lm_status st = LM_STATUS_INIT;
    if (!r->o->checkpoint)
        return;
    if (r->saved_step != r->step && !lm_run_checkpoint(r, &st)) {
        lm_error("%s", st.message);
        return;
    }
    lm_status told = *why;
    lm_status_clear(why);
    lm_fail(why, told.code, "%s; the checkpoint of step %" PRIu64 " is in %s: --resume goes on from it",
            told.message, r->step, r->o->checkpoint);
}

static void begin_progress(const lm_run *r)
{
    lm_progress_begin("training", "steps", r->total_steps == UINT64_MAX ? 0 : r->total_steps);
}

/* Settles what the next step trains, and has at hand what is frozen below it. */
static bool what_is_trained(lm_run *r, lm_status *st)
{
    if (!lm_run_unfreeze(r, st))
        return false;
    if (!r->frozen || !lm_frozen_due(r->frozen, r->stage))
        return true;
    lm_progress_end();
    bool ok = lm_run_quantise(r, st) && lm_frozen_fill(r->frozen, r, st);
    begin_progress(r);
    r->logged_at = lm_now(); /* the speed that is logged is that of steps */
    return ok;
}

bool lm_run_loop(lm_run *r, lm_status *st)
{
    bool end = false;
    r->started = r->logged_at = lm_now();
    r->start_step = r->step;
    begin_progress(r);
    if (r->step > 0 && evaluation_is_due(r)) /* the run was stopped in the middle of it */
        between_steps(r, st);
    while (lm_ok(st) && r->step < r->total_steps) {
        if (!lm_signal_check(st))
            break;
        if (r->o->max_time > 0 && lm_now() - r->started >= r->o->max_time) {
            lm_fail(st, LM_STOPPED, "stopped after %.0f s as --max-time asked", lm_now() - r->started);
            break;
        }
        if (!what_is_trained(r, st) || !one_step(r, &end, st))
            break;
        if (end) {
            r->total_steps = r->step; /* a pipe is as long as it is */
            between_steps(r, st);
            break;
        }
        between_steps(r, st);
    }
    lm_progress_end();
    lm_run_log_end(r);
    if (lm_parallel_broken(r->parallel, st) || st->code == LM_ENDED || st->code == LM_STOPPED || st->code > LM_SIGNAL)
        stop_with_checkpoint(r, st);
    return lm_ok(st);
}
