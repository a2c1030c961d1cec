/* What a run does otherwise where it trains an adapter. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "model/weights.h"
#include "train/adapting.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ what is to be trained */

/* What the options say of an adapter's form, which one that exists has already; NULL: nothing. */
static const char *form_that_is_given(const lm_adapting *a)
{
    const lm_adapter_options *h = &a->how;
    return h->r                     ? "--rank"
           : h->alpha > 0           ? "--alpha"
           : h->target              ? "--target"
           : h->exclude             ? "--exclude"
           : h->modules_to_save     ? "--modules-to-save"
           : h->bias                ? "--bias"
           : h->rslora              ? "--rslora"
           : h->dora                ? "--dora"
           : h->init                ? "--init"
           : h->layers              ? "--layers-to-transform"
           : h->layers_pattern      ? "--layers-pattern"
           : h->rank_pattern.count  ? "--rank-pattern"
           : h->alpha_pattern.count ? "--alpha-pattern"
                                    : NULL;
}

bool lm_adapting_check(const lm_adapting *a, lm_status *st)
{
    bool loftq = a->how.init && strncmp(a->how.init, "loftq", 5) == 0;
    if (loftq && !a->original)
        return lm_fail(st, LM_USAGE, "--init loftq brings a quantised model near to what it was: name that with --original");
    if (a->original && !loftq)
        return lm_fail(st, LM_USAGE, "--original is for --init loftq: give both");
    return true;
}

bool lm_adapting_spares(const char *output, lm_status *st)
{
    static const char *const weights[] = {"model.safetensors", "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        char *file = lm_format("%s/%s", output, weights[i]);
        bool there = lm_bundle_form_of(output) == LM_BUNDLE_DIRECTORY && access(file, F_OK) == 0;
        free(file);
        if (there)
            return lm_fail(st, LM_USAGE, "-o %s: a model stands there, and an adapter would take its place: name another directory",
                           output);
    }
    return true;
}

/* The module of a parameter: "bert.pooler.dense" of "bert.pooler.dense.weight"; of a head the whole of it, "classifier" of
 * "classifier.out_proj.bias". */
static char *module_of(const lm_param *p, bool in_body)
{
    const char *end = in_body ? strrchr(p->name, '.') : strchr(p->name, '.');
    return end ? lm_strndup(p->name, (size_t)(end - p->name)) : lm_strdup(p->name);
}

static bool lists(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = names; (s = strstr(s, name)); s += n)
        if ((s == names || s[-1] == ',') && (s[n] == ',' || !s[n]))
            return true;
    return false;
}

/* The head of a task, whose classes the base does not know as a rule, and whatever else the base does not have. */
static char *modules_to_save(const lm_model *m, const char *asked)
{
    lm_buf names = {0};
    lm_buf_puts(&names, asked ? asked : "");
    for (size_t i = 0; i < lm_params_count(m->params); i++) {
        const lm_param *p = lm_params_at(m->params, i);
        bool in_body = lm_model_in_body(m, p);
        char *name = module_of(p, in_body);
        bool head = !in_body && m->head->columns != LM_COLUMNS_VOCABULARY;
        bool new = p->owned && p->data == p->value;
        if ((new || head) && !lists(lm_buf_cstr(&names), name))
            lm_buf_printf(&names, "%s%s", names.len ? "," : "", name);
        free(name);
    }
    char *result = names.len ? lm_strdup(lm_buf_cstr(&names)) : NULL;
    lm_buf_free(&names);
    return result;
}

/* ------------------------------------------------------------------ the adapter */

static lm_model *open_original(const lm_run *r, lm_status *st)
{
    lm_model_options options = {.task = r->model->head->name, .plugin_path = r->spec->common->plugin, .allow_missing_head = true,
                                .seed = (uint64_t)r->spec->common->seed, .quiet = true};
    return lm_model_open(r->o->adapting->original, &options, st);
}

static bool attach_new(lm_run *r, lm_status *st)
{
    lm_adapter_options how = r->o->adapting->how;
    char *saved = modules_to_save(r->model, how.modules_to_save);
    how.modules_to_save = saved;
    lm_adapter_config *config = lm_adapter_config_new(&how, st);
    free(saved);
    lm_model *original = config && r->o->adapting->original ? open_original(r, st) : NULL;
    if (!lm_ok(st)) {
        lm_adapter_config_free(config);
        return false;
    }
    const char *type = lm_adapter_task_of(r->model->head->name);
    config->task_type = type ? lm_strdup(type) : NULL;
    bool ok = lm_model_adapt(r->model, config, (uint64_t)r->spec->common->seed, original, st);
    lm_model_free(original);
    return ok;
}

static lm_model_adapter *adapter_of(const lm_run *r)
{
    return &r->model->adapters[r->model->adapter_count - 1];
}

/* How an adapter is trained on is anew what the command line says; its form is not. */
static void take_dropout(lm_run *r, double dropout)
{
    lm_model_adapter *adapter = adapter_of(r);
    adapter->config->dropout = dropout;
    for (size_t i = 0; i < adapter->count; i++)
        adapter->parts[i].adapter->dropout = dropout;
}

bool lm_run_adapt(lm_run *r, lm_status *st)
{
    const lm_adapting *a = r->o->adapting;
    if (!a)
        return true;
    const char *given = form_that_is_given(a);
    if (!r->model->adapter_count)
        return attach_new(r, st);
    if (given)
        return lm_fail(st, LM_USAGE, "%s: the adapter of -m %s is trained on, and has a form: leave it out, or give -m without "
                       "the adapter", given, r->spec->common->model);
    if (a->has_dropout)
        take_dropout(r, a->how.dropout);
    return true;
}

/* LoRA+, as PEFT divides the parameters. */
void lm_run_adapter_rates(lm_run *r)
{
    const lm_adapting *a = r->o->adapting;
    if (!a || a->b_rate <= 0)
        return;
    double *rates = r->freezing->rates;
    for (size_t i = 0; i < r->freezing->count; i++)
        if (lm_params_at(r->model->params, i)->shape.dims == 1)
            rates[i] *= a->b_rate;
    const lm_model_adapter *adapter = adapter_of(r);
    double peak = lm_schedule_peak(r->schedule.kind, r->o->learning_rate);
    for (size_t k = 0; k < adapter->count; k++) {
        const lm_adapter *part = adapter->parts[k].adapter;
        if (part->place == LM_ADAPTS_TABLE)
            rates[part->a->index] = rates[part->b->index] = peak > 0 ? a->table_rate / peak : 0;
        else
            rates[part->b->index] *= a->b_rate;
    }
}

/* What of adapter_config.json says how the adapter is trained, under PEFT's names, which the options have too. */
void lm_run_adapter_options(const lm_run *r, json_t *all)
{
    static const char *const names[] = {"r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "modules_to_save",
                                        "bias", "use_rslora", "use_dora", "init_lora_weights", "rank_pattern", "alpha_pattern",
                                        "layers_to_transform", "layers_pattern"};
    if (!r->o->adapting)
        return;
    lm_buf text = {0};
    lm_adapter_config_print(adapter_of(r)->config, &text);
    json_t *config = json_loadb(text.data, text.len, 0, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(config, names[i]);
        if (value && !json_is_null(value))
            json_object_set(all, names[i], value);
    }
    json_decref(config);
    lm_buf_free(&text);
    if (r->o->adapting->b_rate > 0) {
        json_object_set_new(all, "lr-ratio", json_real(r->o->adapting->b_rate));
        json_object_set_new(all, "lr-embedding", json_real(r->o->adapting->table_rate));
    }
}

/* ------------------------------------------------------------------ files */

bool lm_run_write_adapter_config(const lm_run *r, lm_bundle_writer *to, lm_status *st)
{
    const char *given = r->o->adapting->base_name;
    char *base = lm_bundle_base(r->spec->common->model);
    bool ok = lm_adapter_write_config(r->model, given ? given : lm_bundle_shown(base), to, st);
    free(base);
    return ok;
}

static bool is_ours(const lm_model *m, size_t i)
{
    return i >= m->adapter_from || lm_adapter_trains(m, lm_params_at(m->params, i));
}

bool lm_run_has_values(const lm_run *r)
{
    const lm_model *m = r->model;
    return r->o->adapting || (m->adapter_from && m->adapter_from < lm_params_count(m->params));
}

bool lm_run_write_values(const lm_run *r, int fd, const char *name, lm_status *st)
{
    size_t count = lm_params_count(r->model->params), n = 0;
    lm_safetensor *tensors = lm_calloc(count, sizeof *tensors);
    for (size_t i = 0; i < count; i++) {
        const lm_param *p = lm_params_at(r->model->params, i);
        if (is_ours(r->model, i))
            tensors[n++] = (lm_safetensor){.name = p->name, .dtype = LM_F32, .shape = p->shape, .data = p->value,
                                           .bytes = p->elements * sizeof *p->value};
    }
    bool ok = lm_safetensors_write(fd, name, tensors, n, st);
    free(tensors);
    return ok;
}

bool lm_run_restore_values(lm_run *r, lm_status *st)
{
    if (!lm_run_has_values(r))
        return true;
    char *name = lm_format("%s/" LM_VALUES_FILE, r->resume_path);
    lm_safetensors *f = lm_safetensors_open(name, st);
    for (size_t i = 0; f && i < lm_params_count(r->model->params) && lm_ok(st); i++) {
        lm_param *p = lm_params_at(r->model->params, i);
        if (!is_ours(r->model, i) || !lm_param_own(p, st))
            continue;
        const lm_safetensor *t = lm_safetensors_find(f, p->name);
        if (t && t->dtype == LM_F32 && lm_shape_equal(&t->shape, &p->shape))
            memcpy(p->value, t->data, t->bytes);
        else
            lm_fail(st, LM_FAILED, "%s: %s: missing or of another shape", name, p->name);
    }
    lm_safetensors_close(f);
    free(name);
    return lm_ok(st);
}
