/* What a run leaves behind: checkpoints, and the model. */
#include "config.h"

#include "train/run_internal.h"

#include "base/atomic.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/quantise/types.h"
#include "stream/json_tree.h"
#include "train/checkpoint.h"
#include "train/kept.h"
#include "train/optimizer/optimizer_options.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_FORMAT = 2 };
static const char best_file[] = "best.safetensors", average_file[] = "average.safetensors";

/* ------------------------------------------------------------------ options that decide the result */

/* What the schedule has beside its name, as far as it is not as usual. */
static void add_schedule(const lm_run *r, json_t *all)
{
    const lm_train_options *o = r->o;
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"min-lr-rate", o->min_rate}, {"cycles", o->cycles}, {"power", o->power},
                   {"decay-steps", (double)o->decay_steps}, {"lr-decay-rate", r->schedule.decay_rate},
                   {"lr-decay-every", (double)r->schedule.decay_every}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value > 0)
            json_object_set_new(all, numbers[i].name, json_real(numbers[i].value));
    if (o->warmup_shape != LM_SHAPE_LINEAR)
        json_object_set_new(all, "warmup-type", json_string(lm_schedule_shapes[o->warmup_shape]));
    if (r->schedule.kind == LM_SCHEDULE_STABLE_DECAY)
        json_object_set_new(all, "decay-type", json_string(lm_schedule_shapes[o->decay_shape]));
}

json_t *lm_run_options(const lm_run *r)
{
    const lm_train_options *o = r->o;
    json_t *all = json_pack(
        "{s:s, s:f, s:I, s:I, s:I, s:f, s:s, s:I, s:f, s:b, s:b, s:I}",
        "objective", r->objective->name, "epochs", o->epochs, "max-steps", (json_int_t)o->max_steps,
        "batch-size", (json_int_t)o->batch_size, "gradient-accumulation", (json_int_t)o->accumulation,
        "learning-rate", o->learning_rate, "schedule", lm_schedule_names[o->schedule], "warmup-steps",
        (json_int_t)r->schedule.warmup, o->adapting ? "model-dropout" : "dropout", o->dropout,
        "shuffle", o->shuffle, "group-by-length", o->by_length, "shuffle-window", (json_int_t)o->shuffle_window);
    if (o->batch_tokens > 0)
        json_object_set_new(all, "batch-tokens", json_integer((json_int_t)o->batch_tokens));
    lm_optimizer_options_add(o, all);
    add_schedule(r, all);
    json_object_set_new(all, "seed", json_integer((json_int_t)r->spec->common->seed));
    lm_run_freeze_options(r, all);
    if (r->teaching)
        lm_teaching_run_options(r->teaching, all);
    if (r->preferring)
        lm_preferring_run_options(r->preferring, all);
    if (r->policy)
        lm_policy_run_options(r->policy, all);
    lm_run_adapter_options(r, all);
    if (lm_train_options_make_new(o)) {
        char *words = lm_new_model_words(o->new_model);
        json_object_set_new(all, "architecture", json_string(words));
        free(words);
    }
    if (o->keep_best) { /* then evaluation chooses what is written */
        json_object_set_new(all, "eval-steps", json_integer((json_int_t)o->eval_steps));
        json_object_set_new(all, "best-metric", json_string(lm_train_metric(r->o)));
        json_object_set_new(all, "patience", json_integer((json_int_t)o->patience));
    }
    json_object_set_new(all, "keep-best", json_boolean(o->keep_best));
    if (r->class_weight) {
        json_t *weights = json_array();
        for (int c = 0; c < r->targets.classes; c++)
            json_array_append_new(weights, json_real((double)r->class_weight[c]));
        json_object_set_new(all, "class-weight", weights);
    }
    if (o->focal_gamma > 0)
        json_object_set_new(all, "focal-gamma", json_real(o->focal_gamma));
    if (o->l2_sp > 0)
        json_object_set_new(all, "l2-sp", json_real(o->l2_sp));
    if (o->qat) {
        json_object_set_new(all, "qat", json_string(lm_quantise_types[o->qat].name));
        json_object_set_new(all, "qat-from", json_integer((json_int_t)o->qat_from));
    }
    if (o->frac > 0)
        json_object_set_new(all, "frac", json_real(o->frac));
    if (o->max_train_samples > 0)
        json_object_set_new(all, "max-train-samples", json_integer((json_int_t)o->max_train_samples));
    if (r->mix.weights) {
        lm_buf words = {0};
        for (size_t i = 0; i < r->mix.inputs.count; i++)
            lm_buf_printf(&words, "%s%s=%.9g", i ? " " : "", r->mix.inputs.items[i], r->mix.weights[i]);
        json_object_set_new(all, "mix", json_string(lm_buf_cstr(&words)));
        lm_buf_free(&words);
    }
    if (o->replay)
        json_object_set_new(all, "replay", json_string(o->replay));
    lm_run_example_options(r, all);
    lm_run_denoising_options(r, all);
    json_object_set_new(all, "label-smoothing", json_real(o->label_smoothing));
    if (lm_objective_has_classes(r->objective))
        json_object_set_new(all, "skip-unknown", json_boolean(r->o->skip_unknown));
    return all;
}

static json_t *classes_of(const lm_run *r)
{
    json_t *names = json_array();
    for (int i = 0; r->labels && i < lm_labels_count(r->labels); i++)
        json_array_append_new(names, json_string(lm_labels_name(r->labels, i)));
    return names;
}

static char *option_text(const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    return text ? text : lm_strdup("not given");
}

static bool same_option(const lm_run *r, const char *name, const json_t *then, const json_t *now, lm_status *st)
{
    const json_t *was = json_object_get(then, name), *is = json_object_get(now, name);
    if (was && is ? json_equal(was, is) : was == is)
        return true;
    char *a = option_text(was), *b = option_text(is);
    lm_fail(st, LM_USAGE, "--resume: the run in %s has --%s %s, and now it is %s: a run that goes on keeps its options",
            r->o->checkpoint, name, a, b);
    free(a);
    free(b);
    return false;
}

static bool same_options(const lm_run *r, lm_status *st)
{
    static const char follows[] = "warmup-steps"; /* from others, which are named first */
    json_t *now = lm_run_options(r), *then = json_object_get(r->state, "options"), *value;
    json_t *names = json_copy(now);
    const char *name;
    json_object_update_missing(names, then);
    json_object_foreach(names, name, value)
        if (strcmp(name, follows) != 0 && !same_option(r, name, then, now, st))
            break;
    if (lm_ok(st))
        same_option(r, follows, then, now, st);
    json_decref(names);
    json_decref(now);
    json_t *classes = classes_of(r);
    if (lm_ok(st) && !json_equal(classes, json_object_get(r->state, "classes")))
        lm_fail(st, LM_USAGE,
                "--resume: the run in %s has other classes, or another order of them: give the same "
                "--labels",
                r->o->checkpoint);
    json_decref(classes);
    return lm_ok(st);
}

/* ------------------------------------------------------------------ checkpoints */

static json_t *state_of(const lm_run *r)
{
    char digest[17];
    snprintf(digest, sizeof digest, "%016" PRIx64, lm_data_digest(r->data));
    json_t *state =
        json_pack("{s:i, s:I, s:I, s:s, s:I, s:o, s:o, s:o}", "format", STATE_FORMAT, "step", (json_int_t)r->step,
                  "total_steps", (json_int_t)(r->total_steps == UINT64_MAX ? 0 : r->total_steps), "data_xxh3",
                  digest, "micro_tokens", (json_int_t)r->micro_tokens, "options", lm_run_options(r), "log",
                  lm_runlog_state(r->log), "sums", lm_run_sums(r));
    json_object_set_new(state, "classes", classes_of(r));
    json_object_set_new(state, "guard", lm_guard_state(&r->guard));
    json_object_set_new(state, "watch", lm_watch_state(&r->watch));
    json_object_set_new(state, "evaluated", json_integer((json_int_t)r->evaluated));
    json_object_set_new(state, "recompute", json_boolean(r->recompute));
    return state;
}

typedef bool (*file_writer)(const lm_run *r, int fd, const char *name, lm_status *st);

static bool write_states(const lm_run *r, int fd, const char *name, lm_status *st)
{
    return lm_optimizer_save(r->optimizer, fd, name, st);
}

static bool write_best(const lm_run *r, int fd, const char *name, lm_status *st)
{
    return lm_kept_write(r, r->best, fd, name, st);
}

static bool write_average(const lm_run *r, int fd, const char *name, lm_status *st)
{
    return lm_kept_write(r, r->average, fd, name, st);
}

static bool write_file(const lm_run *r, const char *dir, const char *file, file_writer write, lm_status *st)
{
    char *name = lm_format("%s/%s", dir, file);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 ? write(r, fd, name, st) : lm_fail_errno(st, LM_FAILED, "%s", name);
    if (fd >= 0 && close(fd) != 0 && ok)
        ok = lm_fail_errno(st, LM_FAILED, "%s", name);
    free(name);
    return ok;
}

static bool write_state(const lm_run *r, const char *dir, lm_status *st)
{
    char *file = lm_format("%s/state.json", dir), *known = lm_format("%s/trainer_state.json", dir);
    lm_buf text = {0};
    json_t *state = state_of(r);
    lm_run_trainer_state(r, true, &text);
    bool ok = lm_json_write(file, state, st) && lm_file_write(known, text.data, text.len, st);
    json_decref(state);
    lm_buf_free(&text);
    free(file);
    free(known);
    return ok;
}

/* What stands before the weights: of an adapter, whose tokenizer is the model's, less. */
static bool write_config(const lm_run *r, lm_bundle_writer *to, const lm_save_options *save, lm_status *st)
{
    if (r->o->adapting)
        return lm_run_write_adapter_config(r, to, st);
    return lm_model_write_config(r->model, to, save, st) && lm_tokenizer_source_copy(&r->tokenizer, to, st);
}

static bool write_weights(const lm_run *r, lm_bundle_writer *to, const lm_save_options *save, lm_status *st)
{
    return r->o->adapting ? lm_adapter_write_weights(r->model, to, save, st) : lm_model_write_weights(r->model, to, save, st);
}

static bool write_checkpoint(void *context, const char *dir, lm_status *st)
{
    const lm_run *r = context;
    lm_bundle_writer *model = lm_bundle_into(dir);
    if (!write_config(r, model, NULL, st) || !write_weights(r, model, NULL, st)) {
        lm_bundle_discard(model, st);
        return false;
    }
    if (!lm_bundle_publish(model, st) || !write_file(r, dir, "optimizer.safetensors", write_states, st) ||
        (lm_run_has_values(r) && !write_file(r, dir, LM_VALUES_FILE, lm_run_write_values, st)) ||
        (r->best && !write_file(r, dir, best_file, write_best, st)) ||
        (r->average && !write_file(r, dir, average_file, write_average, st)))
        return false;
    return write_state(r, dir, st);
}

/* Says which checkpoint there still is. */
static bool not_saved(const lm_run *r, lm_status *st)
{
    lm_status why = *st;
    lm_status_clear(st);
    if (r->saved_step == UINT64_MAX)
        return lm_fail(st, why.code, "no checkpoint of step %" PRIu64 ": %s", r->step, why.message);
    return lm_fail(st, why.code, "no checkpoint of step %" PRIu64 ": %s; the one of step %" PRIu64 " is kept: --resume goes on "
                   "from it", r->step, why.message, r->saved_step);
}

bool lm_run_checkpoint(lm_run *r, lm_status *st)
{
    if (!lm_checkpoint_save(r->o->checkpoint, r->step, (int)r->o->keep, write_checkpoint, r, st))
        return not_saved(r, st);
    r->saved_step = r->step;
    if (r->tokenizer.path && r->resume_path && strcmp(r->tokenizer.path, r->resume_path) == 0) {
        /* the checkpoint that the run went on from will be removed in its turn: its tokenizer is in the new
         * one too */
        free(r->tokenizer.path);
        free(r->resume_path);
        r->resume_path = lm_checkpoint_path(r->o->checkpoint, r->step);
        r->tokenizer.path = lm_strdup(r->resume_path);
    }
    lm_debug("checkpoint of step %" PRIu64 " saved", r->step);
    return true;
}

/* Whether a state.json that was read is one that a run can go on from. */
static bool check_state(const lm_run *r, const char *file, uint64_t step, lm_status *st)
{
    const json_t *s = r->state;
    json_int_t of = json_integer_value(json_object_get(s, "step"));
    if (json_integer_value(json_object_get(s, "format")) != STATE_FORMAT)
        return lm_fail(st, LM_FAILED, "%s: of another version of lmutils: finish the run with that one", file);
    if (of < 0 || (uint64_t)of != step)
        return lm_fail(st, LM_FAILED, "%s: is of step %lld: give its directory that name", file, (long long)of);
    if (!json_is_object(json_object_get(s, "options")) || !json_is_array(json_object_get(r->trainer_state, "log_history")) ||
        json_integer_value(json_object_get(s, "micro_tokens")) <= 0)
        return lm_fail(st, LM_FAILED, "%s: is not the state of a run: remove the directory", file);
    return true;
}

bool lm_run_find_checkpoint(lm_run *r, lm_status *st)
{
    uint64_t step;
    r->saved_step = UINT64_MAX;
    r->begins_anew = true;
    if (!r->o->checkpoint)
        return true;
    r->lock = lm_checkpoint_lock(r->o->checkpoint, st);
    if (r->lock < 0)
        return false;
    lm_checkpoint_clear(r->o->checkpoint);
    if (!lm_checkpoint_find(r->o->checkpoint, &r->resume_path, &step, st))
        return false;
    r->begins_anew = !r->o->resume || (!r->resume_path && step == 0);
    if (!r->o->resume && r->resume_path)
        return lm_fail(st, LM_FAILED,
                       "%s stands there from an earlier run: --resume goes on from it; to begin anew, "
                       "remove %s",
                       r->resume_path, r->o->checkpoint);
    if (!r->resume_path)
        return true;
    char *file = lm_format("%s/state.json", r->resume_path), *known = lm_format("%s/trainer_state.json", r->resume_path);
    r->state = lm_json_read(file, 0, st);
    r->trainer_state = r->state ? lm_json_read(known, 0, st) : NULL;
    bool good = r->trainer_state && check_state(r, file, step, st);
    free(file);
    free(known);
    if (!good)
        return false;
    r->step = r->saved_step = step;
    r->micro_tokens = json_integer_value(json_object_get(r->state, "micro_tokens"));
    r->recompute = json_is_true(json_object_get(r->state, "recompute"));
    return lm_ok(st);
}

static bool restore_copies(lm_run *r, lm_status *st)
{
    lm_watch_restore(&r->watch, json_object_get(r->state, "watch"));
    if (r->o->keep_best && !isnan(r->watch.best))
        r->best = lm_kept_read(r, best_file, st);
    if (r->average) {
        free(r->average);
        r->average = lm_kept_read(r, average_file, st);
    }
    return lm_ok(st);
}

bool lm_run_restore(lm_run *r, lm_status *st)
{
    if (!r->resume_path)
        return true;
    if (!same_options(r, st) || !lm_run_restore_values(r, st))
        return false;
    bool end = false;
    for (uint64_t i = 0; !lm_data_spool(r->data) && i < r->step && !end; i++)
        if (!lm_data_step(r->data, i, NULL, NULL, &end, st))
            return false;
    char digest[17];
    snprintf(digest, sizeof digest, "%016" PRIx64, lm_data_digest(r->data));
    const char *was = json_string_value(json_object_get(r->state, "data_xxh3"));
    if (end || !was || strcmp(was, digest) != 0) {
        lm_data_drop_file(r->data);
        return lm_fail(st, LM_FAILED, "--resume: the input is not the one that the run in %s began with: give the "
                       "same rows again", r->o->checkpoint);
    }
    char *name = lm_format("%s/optimizer.safetensors", r->resume_path);
    lm_safetensors *f = lm_safetensors_open(name, st);
    if (f && !lm_optimizer_load(r->optimizer, f, st))
        lm_fail_prefix(st, name);
    lm_safetensors_close(f);
    free(name);
    if (!lm_ok(st) || !restore_copies(r, st))
        return false;
    r->evaluated = (uint64_t)json_integer_value(json_object_get(r->state, "evaluated"));
    lm_guard_restore(&r->guard, json_object_get(r->state, "guard"));
    lm_run_restore_sums(r, json_object_get(r->state, "sums"));
    lm_info("going on from %s", r->resume_path);
    return true;
}

/* ------------------------------------------------------------------ the model */

static bool write_results(const lm_run *r, lm_bundle_writer *to, lm_status *st)
{
    lm_buf state = {0};
    lm_run_trainer_state(r, false, &state);
    bool ok = lm_bundle_put(to, "trainer_state.json", state.data, state.len, st);
    lm_buf_free(&state);
    return ok;
}

/* Weights that were packed are so no more. */
static void say_expanded(const lm_run *r)
{
    size_t count = 0;
    for (size_t i = 0; i < lm_params_count(r->model->params); i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        count += p->quantised && !lm_torch_dtype(p->dtype);
    }
    if (count && !r->o->adapting)
        lm_info("%zu matrices of %s were quantised, and are written as numbers: quant makes them small again", count,
                lm_bundle_name(r->model->bundle));
}

bool lm_run_publish(lm_run *r, lm_status *st)
{
    const lm_common *common = r->spec->common;
    const lm_spool *spool = lm_data_spool(r->data);
    lm_save_options save = {.dtype = (lm_save_dtype)r->o->dtype};
    lm_bundle_options options = {.via = spool ? json_object_get(lm_spool_preamble(spool), "via") : NULL,
                                 .command = common->command_line};
    if (!lm_parse_shard_size(r->o->shard_size, &save.shard_bytes, st))
        return false;
    if (r->average)
        lm_kept_put(r, r->average);
    lm_run_restore_best(r);
    say_expanded(r);
    lm_bundle_writer *out = lm_bundle_create(common->output, &options, st);
    if (out && write_config(r, out, &save, st) && lm_run_write_card(r, out, st) && write_results(r, out, st) &&
        write_weights(r, out, &save, st))
        return lm_bundle_publish(out, st);
    lm_bundle_discard(out, st);
    return false;
}
