/* What a run says of its steps, and keeps of what it has said. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "stream/json_tree.h"
#include "train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double lm_run_epoch(const lm_run *r)
{
    return r->steps_per_epoch ? (double)r->step / (double)r->steps_per_epoch : 0;
}

/* Floating-point operations so far as transformers estimates them: 6 for each token and each parameter that is not an
 * embedding's. */
static double total_flos(const lm_run *r)
{
    double parameters = 0;
    for (size_t i = 0; i < lm_params_count(r->model->params); i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        parameters += p->embedding ? 0 : (double)p->elements;
    }
    return 6 * (double)r->sums.tokens * parameters;
}

/* ------------------------------------------------------------------ steps */

/* What is not finite has no place in JSON: it is null there. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

void lm_run_count(lm_run *r, double loss, bool taken)
{
    double plain = r->plain.rows ? r->plain.sum / (double)r->plain.rows : loss; /* as an evaluation measures it */
    r->tokens_seen += (uint64_t)r->rows.tokens;
    r->rows_seen += (uint64_t)r->rows.examples;
    r->sums.tokens += (uint64_t)r->rows.tokens;
    if (!taken)
        return;
    lm_watch_step(&r->watch, plain);
    r->sums.loss += loss;
    r->sums.plain += plain;
    r->sums.all += loss;
    r->sums.steps++;
    r->sums.taken++;
}

void lm_run_log_step(lm_run *r, double norm, double rate)
{
    double now = lm_now(), seconds = now - r->logged_at, steps = (double)r->sums.steps;
    double loss = r->sums.loss / steps, as_evaluated = r->sums.plain / steps; /* NaN where all steps were skipped */
    double speed = seconds > 0 ? (double)(r->tokens_seen - r->logged_tokens) / seconds : 0;
    json_t *entry = json_pack("{s:o, s:o, s:f, s:f, s:I}", "loss", number(loss), "grad_norm", number(norm), "learning_rate",
                              rate, "epoch", lm_run_epoch(r), "step", (json_int_t)r->step);
    char place[80], plain[40] = "";
    if (r->plain.rows && r->sums.steps) {
        json_object_set_new(entry, "plain_loss", json_real(as_evaluated));
        snprintf(plain, sizeof plain, " (unbalanced %.4f)", as_evaluated);
    }
    if (lm_guard_skipped(&r->guard))
        json_object_set_new(entry, "skipped_steps", json_integer((json_int_t)lm_guard_skipped(&r->guard)));
    if (r->preferring)
        lm_preferring_tell(r->preferring, entry);
    if (r->policy)
        lm_policy_tell(r->policy, entry);
    lm_runlog_add(r->log, entry);
    snprintf(place, sizeof place, "step %" PRIu64, r->step);
    if (r->steps_per_epoch)
        snprintf(place, sizeof place, "step %" PRIu64 "/%" PRIu64 "  epoch %.2f", r->step, r->total_steps,
                 lm_run_epoch(r));
    lm_info("%s  loss %.4f%s  grad norm %.3g  rate %.3g  %.0f tokens/s", place, loss, plain, norm, rate, speed);
    r->sums.loss = r->sums.plain = 0;
    r->sums.steps = 0;
    r->logged_at = now;
    r->logged_tokens = r->tokens_seen;
}

void lm_run_show_progress(const lm_run *r, double loss, double rate)
{
    char note[128];
    if (!lm_progress_due())
        return;
    double seconds = lm_now() - r->started;
    snprintf(note, sizeof note, "loss %.4f lr %.2g %.0f tok/s %.0f MiB", loss, rate,
             seconds > 0 ? (double)r->tokens_seen / seconds : 0, (double)lm_anonymous_memory() / (1 << 20));
    lm_progress_update(r->step, note);
}

void lm_run_log_end(lm_run *r)
{
    uint64_t steps = r->step - r->start_step;
    double seconds = lm_now() - r->started;
    if (steps == 0 || seconds <= 0)
        return;
    lm_runlog_add(r->log, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "train_runtime", seconds,
                                    "train_samples_per_second", (double)r->rows_seen / seconds,
                                    "train_steps_per_second", (double)steps / seconds, "total_flos", total_flos(r),
                                    "train_loss", r->sums.taken ? r->sums.all / (double)r->sums.taken : 0, "epoch", lm_run_epoch(r), "step",
                                    (json_int_t)r->step, "trained_parameters", (json_int_t)lm_run_trained(r, true, NULL)));
    lm_info("%" PRIu64 " steps, %" PRIu64 " rows, %" PRIu64 " tokens in %.1f s: %.0f rows/s, %.0f tokens/s",
            steps, r->rows_seen, r->tokens_seen, seconds, (double)r->rows_seen / seconds,
            (double)r->tokens_seen / seconds);
    lm_run_guard_report(r);
}

json_t *lm_run_sums(const lm_run *r)
{
    json_t *sums = json_pack("{s:f, s:f, s:I, s:f, s:I, s:I}", "loss", r->sums.loss, "plain", r->sums.plain, "steps",
                     (json_int_t)r->sums.steps, "all", r->sums.all, "taken", (json_int_t)r->sums.taken, "tokens",
                     (json_int_t)r->sums.tokens);
    if (r->preferring)
        json_object_set_new(sums, "preference", lm_preferring_sums(r->preferring));
    if (r->policy)
        json_object_set_new(sums, "policy", lm_policy_sums(r->policy));
    return sums;
}

void lm_run_restore_sums(lm_run *r, const json_t *sums)
{
    r->sums = (lm_sums){.loss = json_number_value(json_object_get(sums, "loss")),
                        .plain = json_number_value(json_object_get(sums, "plain")),
                        .steps = (uint64_t)json_integer_value(json_object_get(sums, "steps")),
                        .all = json_number_value(json_object_get(sums, "all")),
                        .taken = (uint64_t)json_integer_value(json_object_get(sums, "taken")),
                        .tokens = (uint64_t)json_integer_value(json_object_get(sums, "tokens"))};
    if (r->preferring)
        lm_preferring_restore(r->preferring, json_object_get(sums, "preference"));
    if (r->policy)
        lm_policy_restore(r->policy, json_object_get(sums, "policy"));
}

/* The newest, or with --keep-best the best one: of the weights that are written. */
json_t *lm_run_evaluation(const lm_run *r)
{
    json_t *history = lm_runlog_history(r->log), *found = NULL, *entry;
    size_t i;
    json_array_foreach(history, i, entry) {
        uint64_t step = (uint64_t)json_integer_value(json_object_get(entry, "step"));
        if (json_object_get(entry, "eval_loss") && (!r->o->keep_best || step == r->watch.best_step))
            found = entry;
    }
    return found;
}

/* ------------------------------------------------------------------ trainer_state.json */

static json_t *without_times(const json_t *history)
{
    json_t *all = json_array(), *entry, *value;
    const char *name;
    size_t i;
    json_array_foreach((json_t *)history, i, entry) {
        json_t *kept = json_object();
        json_object_foreach(entry, name, value)
            if (!lm_runlog_is_time(name))
                json_object_set(kept, name, value);
        json_array_append_new(all, kept);
    }
    return all;
}

/* Of something that is done every `steps`, or after each epoch; 0 = it is not known when. */
static json_t *interval(const lm_run *r, int64_t steps)
{
    return json_integer(steps > 0 ? (json_int_t)steps : (json_int_t)r->steps_per_epoch);
}

/* Where the best evaluation's checkpoint is, or was before others took its place. */
static json_t *best_checkpoint(const lm_run *r)
{
    uint64_t every = r->o->save_steps > 0 ? (uint64_t)r->o->save_steps : r->steps_per_epoch, best = r->watch.best_step;
    if (!r->o->checkpoint || isnan(r->watch.best) || !every || best % every != 0)
        return json_null();
    char *path = lm_checkpoint_path(r->o->checkpoint, best);
    json_t *name = json_string(path);
    free(path);
    return name;
}

void lm_run_trainer_state(const lm_run *r, bool times, lm_buf *out)
{
    const json_t *history = lm_runlog_history(r->log);
    bool best = !isnan(r->watch.best);
    json_t *all = json_pack(
        "{s:o, s:o, s:o, s:f, s:o, s:I, s:b, s:b, s:b, s:o, s:I, s:I, s:I, s:I, s:o, s:{}, s:f, s:I, s:n, s:n}",
        "best_global_step", best ? json_integer((json_int_t)r->watch.best_step) : json_null(), "best_metric",
        best ? json_real(r->watch.best) : json_null(), "best_model_checkpoint", best_checkpoint(r), "epoch", lm_run_epoch(r),
        "eval_steps", interval(r, r->o->eval_steps), "global_step", (json_int_t)r->step, "is_hyper_param_search", 0,
        "is_local_process_zero", 1, "is_world_process_zero", 1, "log_history",
        times ? json_incref((json_t *)history) : without_times(history), "logging_steps", (json_int_t)r->o->logging_steps,
        "max_steps", (json_int_t)(r->total_steps == UINT64_MAX ? 0 : r->total_steps), "num_input_tokens_seen",
        (json_int_t)r->sums.tokens, "num_train_epochs", (json_int_t)ceil(r->o->epochs), "save_steps",
        interval(r, r->o->save_steps), "stateful_callbacks", "total_flos", total_flos(r), "train_batch_size",
        (json_int_t)r->o->batch_size, "trial_name", "trial_params");
    lm_json_style style = lm_json_python;
    style.sorted = false; /* the log keeps its order, and with it the card of a run that is resumed */
    lm_json_print(all, &style, 0, out);
    lm_buf_putc(out, '\n');
    json_decref(all);
}
