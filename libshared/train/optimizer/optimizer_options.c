#include "train/optimizer/optimizer_options.h"

#include <math.h>
#include <stddef.h>

/* By name: what it is, its states where nothing else is asked for, and what it makes use of. */
static const struct {
    lm_optimizer_kind kind;
    lm_state_form states;
    double beta1, beta2; /* 0: has none */
    bool epsilon;        /* and a correction of the means */
    bool momentum;
} optimizers[] = {
    {LM_OPTIMIZER_ADAMW, LM_STATE_F32, 0.9, 0.999, true, false},
    {LM_OPTIMIZER_ADAM, LM_STATE_F32, 0.9, 0.999, true, false},
    {LM_OPTIMIZER_SGD, LM_STATE_F32, 0, 0, false, true},
    {LM_OPTIMIZER_ADAFACTOR, LM_STATE_F32, 0, 0, false, true},
    {LM_OPTIMIZER_LION, LM_STATE_F32, 0.9, 0.99, false, false},
    {LM_OPTIMIZER_ADAMW, LM_STATE_8BIT, 0.9, 0.999, true, false},
    {LM_OPTIMIZER_LION, LM_STATE_8BIT, 0.9, 0.99, false, false},
};

const char *const lm_optimizer_names[] = {"adamw", "adam", "sgd", "adafactor", "lion", "adamw-8bit", "lion-8bit", NULL};
const char *const lm_optimizer_synonyms[] = {
    "adamw_torch",       "adamw",      "adamw_torch_fused", "adamw",      "adamw_hf",         "adamw",
    "adamw_apex_fused",  "adamw",      "adamw_torch_xla",   "adamw",      "paged_adamw",      "adamw",
    "paged_adamw_32bit", "adamw",      "adamw_8bit",        "adamw-8bit", "adamw_bnb_8bit",   "adamw-8bit",
    "adamw_torch_8bit",  "adamw-8bit", "paged_adamw_8bit",  "adamw-8bit", "lion_32bit",       "lion",
    "paged_lion_32bit",  "lion",       "lion_8bit",         "lion-8bit",  "paged_lion_8bit",  "lion-8bit",
    NULL};
const char *const lm_state_type_names[] = {"auto", "f32", "bf16", "8bit", NULL};
const char *const lm_state_type_synonyms[] = {"float32", "f32", "fp32", "f32", "bfloat16", "bf16", "int8", "8bit", NULL};

static lm_state_form states_of(const lm_train_options *o)
{
    return o->state_type ? (lm_state_form)(o->state_type - 1) : optimizers[o->optimizer].states;
}

lm_optimizer_options lm_optimizer_options_of(const lm_train_options *o, uint64_t seed)
{
    return (lm_optimizer_options){.kind = optimizers[o->optimizer].kind,
                                  .states = states_of(o),
                                  .beta1 = o->beta1 >= 0 ? o->beta1 : optimizers[o->optimizer].beta1,
                                  .beta2 = o->beta2 >= 0 ? o->beta2 : optimizers[o->optimizer].beta2,
                                  .epsilon = o->epsilon >= 0 ? o->epsilon : 1e-8,
                                  .momentum = o->momentum,
                                  .nesterov = o->nesterov,
                                  .clip_threshold = o->clip_threshold > 0 ? o->clip_threshold : 1,
                                  .decay_rate = o->factor_decay != 0 ? -fabs(o->factor_decay) : -0.8,
                                  .scale_parameter = o->scale_parameter,
                                  .weight_decay = o->weight_decay,
                                  .l1 = o->l1,
                                  .l2 = o->l2,
                                  .max_value = o->max_grad_value,
                                  .bias_correction = !o->no_bias_correction,
                                  .seed = seed};
}

bool lm_optimizer_options_check(const lm_train_options *o, lm_status *st)
{
    bool means = optimizers[o->optimizer].beta1 > 0, adam = optimizers[o->optimizer].epsilon;
    bool factors = optimizers[o->optimizer].kind == LM_OPTIMIZER_ADAFACTOR;
    const char *idle = o->beta1 >= 0 && !means                                  ? "adam-beta1"
                       : o->beta2 >= 0 && !means                                ? "adam-beta2"
                       : o->epsilon >= 0 && !adam                               ? "adam-epsilon"
                       : o->no_bias_correction && !adam                         ? "adam-no-bias-correction"
                       : o->momentum > 0 && !optimizers[o->optimizer].momentum  ? "momentum"
                       : o->nesterov && optimizers[o->optimizer].kind != LM_OPTIMIZER_SGD ? "nesterov"
                       : o->scale_parameter && !factors                         ? "adafactor-scale-parameter"
                       : o->clip_threshold > 0 && !factors                      ? "adafactor-clip-threshold"
                       : o->factor_decay != 0 && !factors                       ? "adafactor-decay-rate"
                                                                                : NULL;
    if (idle)
        return lm_fail(st, LM_USAGE, "--%s: --optimizer %s has none: leave it out, or choose another optimiser", idle,
                       lm_optimizer_names[o->optimizer]);
    if (o->nesterov && !(o->momentum > 0))
        return lm_fail(st, LM_USAGE, "--nesterov is a way of taking the momentum: give --momentum, such as 0.9");
    if (factors && states_of(o) != LM_STATE_F32)
        return lm_fail(st, LM_USAGE, "--state-dtype %s: adafactor keeps means of rows and columns alone, in f32: leave it out",
                       lm_state_type_names[o->state_type]);
    if (optimizers[o->optimizer].states == LM_STATE_8BIT && states_of(o) != LM_STATE_8BIT)
        return lm_fail(st, LM_USAGE, "--optimizer %s has states of 8 bits, and --state-dtype says %s: leave one of them out",
                       lm_optimizer_names[o->optimizer], lm_state_type_names[o->state_type]);
    return true;
}

void lm_optimizer_options_add(const lm_train_options *o, json_t *all)
{
    const lm_optimizer_options how = lm_optimizer_options_of(o, 0);
    bool adam = optimizers[o->optimizer].epsilon;
    const struct {
        const char *name;
        double value;
        bool used;
    } numbers[] = {{"weight-decay", how.weight_decay, true},
                   {"max-grad-norm", o->max_grad_norm, true},
                   {"max-grad-value", how.max_value, how.max_value > 0},
                   {"l1", how.l1, how.l1 > 0},
                   {"l2", how.l2, how.l2 > 0},
                   {"adam-beta1", how.beta1, how.beta1 > 0},
                   {"adam-beta2", how.beta2, how.beta1 > 0},
                   {"adam-epsilon", how.epsilon, adam},
                   {"momentum", how.momentum, optimizers[o->optimizer].momentum},
                   {"adafactor-clip-threshold", how.clip_threshold, how.kind == LM_OPTIMIZER_ADAFACTOR},
                   {"adafactor-decay-rate", -how.decay_rate, how.kind == LM_OPTIMIZER_ADAFACTOR},
                   {"ema", o->ema, o->ema > 0}};
    const struct {
        const char *name;
        bool value, used;
    } flags[] = {{"adam-no-bias-correction", !how.bias_correction, adam},
                 {"nesterov", how.nesterov, how.kind == LM_OPTIMIZER_SGD},
                 {"adafactor-scale-parameter", how.scale_parameter, how.kind == LM_OPTIMIZER_ADAFACTOR}};
    json_object_set_new(all, "optimizer", json_string(lm_optimizer_names[o->optimizer]));
    if (how.states != LM_STATE_F32)
        json_object_set_new(all, "state-dtype", json_string(lm_state_type_names[how.states + 1]));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].used)
            json_object_set_new(all, numbers[i].name, json_real(numbers[i].value));
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].used)
            json_object_set_new(all, flags[i].name, json_boolean(flags[i].value));
}
