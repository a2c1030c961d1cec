/* What a run trains, and from which step on. */
#include "train/freezing/frozen.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const lm_freeze_options everything = LM_FREEZE_OPTIONS_NONE;

static const lm_freeze_options *options_of(const lm_run *r)
{
    return r->o->freeze ? r->o->freeze : &everything;
}

size_t lm_run_trained(const lm_run *r, bool ever, size_t *tensors)
{
    size_t elements = 0, n = 0;
    int stage = ever ? r->freezing->stages - 1 : r->stage;
    for (size_t i = 0; i < r->freezing->count; i++) {
        if (!lm_freezing_trains(r->freezing, i, stage))
            continue;
        elements += lm_params_at(r->model->params, i)->elements;
        n++;
    }
    if (tensors)
        *tensors = n;
    return elements;
}

/* The lowest level of which a stage trains something. */
static int lowest_level(const lm_freezing *f, int stage)
{
    int lowest = INT32_MAX;
    for (size_t i = 0; i < f->count; i++)
        if (lm_freezing_trains(f, i, stage) && f->of[i].level < lowest)
            lowest = f->of[i].level;
    return lowest;
}

int lm_run_lowest_level(const lm_run *r)
{
    return lowest_level(r->freezing, r->stage);
}

static void say_what_is_trained(const lm_run *r)
{
    const lm_freezing *f = r->freezing;
    size_t tensors, all = 0;
    uint64_t every = lm_freezing_steps(f, r->steps_per_epoch);
    char name[32];
    for (size_t i = 0; i < f->count; i++)
        all += lm_params_at(r->model->params, i)->elements;
    size_t trained = lm_run_trained(r, true, &tensors);
    if (tensors < f->count)
        lm_info("%zu of %zu parameter tensors are frozen: %zu of %zu numbers are trained", f->count - tensors,
                f->count, trained, all);
    if (f->stages < 2)
        return;
    lm_level_name(r->model, lowest_level(f, 0), name);
    lm_info("gradual unfreezing: %s first, then a level more every %" PRIu64 " steps", name, every);
    if (r->total_steps != UINT64_MAX && (r->total_steps - 1) / every < (uint64_t)f->stages - 1) {
        lm_level_name(r->model, lowest_level(f, f->stages - 1), name);
        lm_warn("the run ends after %" PRIu64 " steps, before %s is trained, which would be at step %" PRIu64
                ": lower --unfreeze-every, or train for longer",
                r->total_steps, name, (uint64_t)(f->stages - 1) * every + 1);
    }
}

bool lm_run_choose_trained(lm_run *r, lm_status *st)
{
    r->freezing = lm_freezing_new(r->model, options_of(r), st);
    if (!r->freezing)
        return false;
    lm_run_adapter_rates(r);
    if (lm_freezing_steps(r->freezing, r->steps_per_epoch) == UINT64_MAX)
        return lm_fail(st, LM_USAGE,
                       "--unfreeze-every %s: a single pass over a pipe has no known length: give a number of "
                       "steps",
                       options_of(r)->unfreeze_every);
    for (size_t i = 0; i < r->freezing->count; i++)
        lm_debug("parameter %s%s", lm_params_at(r->model->params, i)->name,
                 r->freezing->of[i].stage < 0 ? " (frozen)" : "");
    say_what_is_trained(r);
    /* what a run takes is measured with everything that it will ever train */
    bool measured = r->o->memory > 0 || r->o->plan;
    r->stage = measured ? r->freezing->stages - 1 : lm_run_stage_before(r);
    return lm_run_check_least(r, st) && lm_freezing_apply(r->freezing, r->model->params, r->stage, st);
}

int lm_run_stage_before(const lm_run *r)
{
    return lm_freezing_stage(r->freezing, r->steps_per_epoch, r->step ? r->step - 1 : 0);
}

bool lm_run_set_stage(lm_run *r, int stage, lm_status *st)
{
    if (stage == r->stage)
        return true;
    r->stage = stage;
    return lm_freezing_apply(r->freezing, r->model->params, stage, st) &&
           lm_optimizer_follow(r->optimizer, st);
}

bool lm_run_unfreeze(lm_run *r, lm_status *st)
{
    int stage = lm_freezing_stage(r->freezing, r->steps_per_epoch, r->step), was = r->stage;
    if (stage == was)
        return true;
    if (!lm_run_set_stage(r, stage, st))
        return false;
    char name[32];
    lm_level_name(r->model, lowest_level(r->freezing, stage), name);
    lm_info("step %" PRIu64 ": from here on %s is trained too: %zu numbers", r->step + 1, name,
            lm_optimizer_parameters(r->optimizer));
    return true;
}

/* ------------------------------------------------------------------ --list-parameters */

/* The config of a new model, whose vocabulary is that of --tokenizer or of --config. */
static lm_config *unread_config(const lm_run *r, lm_status *st)
{
    lm_new_vocabulary vocabulary = {.pad = -1, .bos = -1, .eos = -1};
    lm_tokenizer *t = r->o->tokenizer ? lm_tokenizer_open(r->o->tokenizer, st) : NULL;
    if (t)
        vocabulary.size = lm_tokenizer_size(t);
    lm_tokenizer_free(t);
    if (lm_ok(st) && !vocabulary.size && !r->o->new_model->config)
        lm_fail(st, LM_USAGE, "--list-parameters: the new model's vocabulary is not known: name one with --tokenizer DIR");
    return lm_ok(st) ? lm_new_model_config(r->o->new_model, r->spec->common->plugin, &vocabulary, st) : NULL;
}

/* The model as it would be trained, as far as that is known without the rows. */
static lm_model *open_unread(const lm_run *r, lm_status *st)
{
    const lm_run_spec *s = r->spec;
    const lm_objective *objective = lm_objective_find(s->objective ? s->objective : "classify");
    bool fresh = !s->common->model;
    lm_config *c = fresh ? unread_config(r, st) : lm_model_config(s->common->model, st);
    if (!c)
        return NULL;
    lm_labels *labels = r->o->labels ? lm_labels_parse(r->o->labels, st) : NULL;
    if (labels)
        lm_config_set_labels(c, lm_labels_names(labels), lm_labels_count(labels));
    lm_labels_free(labels);
    if (!lm_ok(st)) {
        lm_config_free(c);
        return NULL;
    }
    lm_model_options options = {.task = objective ? objective->head : NULL,
                                .plugin_path = s->common->plugin,
                                .seed = (uint64_t)s->common->seed,
                                .allow_missing_head = true,
                                .config = fresh ? NULL : c};
    return fresh ? lm_model_create(c, &options, st) : lm_model_open(s->common->model, &options, st);
}

bool lm_run_list_parameters(lm_run *r, lm_status *st)
{
    if (!r->spec->common->model && !lm_train_options_make_new(r->o))
        return lm_fail(st, LM_USAGE, "which model? Give -m DIR%s", r->o->new_model ? ", or -a NAME for a new one" : "");
    r->model = open_unread(r, st);
    r->freezing = r->model && lm_run_adapt(r, st) ? lm_freezing_new(r->model, options_of(r), st) : NULL;
    if (!r->freezing)
        return false;
    lm_run_adapter_rates(r);
    lm_buf table = {0};
    lm_freezing_print(r->freezing, r->model, r->o->learning_rate, &table);
    fputs(lm_buf_cstr(&table), stdout);
    lm_buf_free(&table);
    size_t tensors, trained = lm_run_trained(r, true, &tensors);
    lm_info("%zu of %zu parameter tensors are trained: %zu numbers", tensors, r->freezing->count, trained);
    return true;
}

/* ------------------------------------------------------------------ options that decide the result */

static void add_list(json_t *all, const char *name, const lm_strings *items)
{
    json_t *list = json_array();
    for (size_t i = 0; i < items->count; i++)
        json_array_append_new(list, json_string(items->items[i]));
    json_object_set_new(all, name, list);
}

void lm_run_freeze_options(const lm_run *r, json_t *all)
{
    const lm_freeze_options *o = r->o->freeze;
    if (!o)
        return;
    add_list(all, "freeze", &o->freeze);
    add_list(all, "freeze-except", &o->except);
    json_object_set_new(all, "unfreeze-every", json_string(o->unfreeze_every ? o->unfreeze_every : ""));
    json_object_set_new(all, "layer-lr-decay", json_real(o->layer_decay));
    add_list(all, "lr-mult", &o->multipliers);
    json_object_set_new(all, "cache-frozen", json_boolean(o->cache)); /* turns dropout off there */
}
