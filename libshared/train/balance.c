/* What weighs in a run's loss beside its rows, and what holds its weights where they began. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "train/objectives/class_weight.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 12 }; /* classes whose weights are said */

/* ------------------------------------------------------------------ classes */

/* What a file calls the classes: the words, or their numbers. Malloced, and so are numbers. */
static const char **class_names(const lm_run *r)
{
    const char **names = lm_calloc((size_t)r->targets.classes, sizeof *names);
    for (int c = 0; c < r->targets.classes; c++)
        names[c] = r->labels ? lm_labels_name(r->labels, c) : lm_format("%d", c);
    return names;
}

static void say_weights(const lm_run *r, const char *const *names)
{
    lm_buf line = {0};
    for (int c = 0; c < r->targets.classes && c < SHOWN; c++)
        lm_buf_printf(&line, "%s%s %.4g", c ? ", " : "", names[c], (double)r->class_weight[c]);
    lm_info("class weights: %s%s", lm_buf_cstr(&line), r->targets.classes > SHOWN ? " ..." : "");
    lm_buf_free(&line);
}

static bool weigh_classes(lm_run *r, lm_status *st)
{
    const char *how = r->o->class_weight;
    bool counted = strcmp(how, "auto") == 0 || strcmp(how, "balanced") == 0;
    if (counted && !lm_data_spool(r->data))
        return lm_fail(st, LM_USAGE, "--class-weight %s: a single pass over a pipe cannot count the classes first: give "
                       "the weights in a file", how);
    const char **names = class_names(r);
    r->class_weight = lm_calloc((size_t)r->targets.classes, sizeof *r->class_weight);
    bool ok = counted ? lm_class_weights_auto(r->data, &r->targets, r->class_weight, st)
                      : lm_class_weights_read(how, names, r->targets.classes, r->class_weight, st);
    if (ok)
        say_weights(r, names);
    for (int c = 0; c < r->targets.classes && !r->labels; c++)
        free((char *)names[c]);
    free(names);
    r->targets.class_weight = r->class_weight;
    return ok;
}

/* A class of --labels that no row has is not learned. */
static bool miss_classes(const lm_run *r, lm_status *st)
{
    if (!r->o->labels || !r->labels || !lm_data_spool(r->data))
        return true;
    double *of = lm_calloc((size_t)r->targets.classes, sizeof *of), all;
    bool ok = lm_class_counts(r->data, &r->targets, of, &all, st);
    lm_buf names = {0};
    int missing = 0;
    for (int c = 0; c < r->targets.classes && ok; c++)
        if (of[c] == 0 && ++missing <= SHOWN)
            lm_buf_printf(&names, "%s%s", missing > 1 ? ", " : "", lm_labels_name(r->labels, c));
    if (missing)
        lm_warn("%d of the %d classes of --labels have nothing to learn from in the rows: %s%s", missing, r->targets.classes,
                lm_buf_cstr(&names), missing > SHOWN ? " ..." : "");
    lm_buf_free(&names);
    free(of);
    return ok;
}

bool lm_run_balance(lm_run *r, lm_status *st)
{
    const lm_train_options *o = r->o;
    bool classes = lm_objective_has_classes(r->objective) && r->objective->row != LM_TARGET_VALUE;
    if (!classes && (o->class_weight || o->focal_gamma > 0))
        return lm_fail(st, LM_USAGE, "--%s is about classes, and %s has none: leave it out",
                       o->class_weight ? "class-weight" : "focal-gamma", r->objective->purpose);
    if (o->label_smoothing > 0 && (r->objective->row == LM_TARGET_VALUE || r->objective->row == LM_TARGET_SPAN))
        return lm_fail(st, LM_USAGE, "--label-smoothing is about classes and tokens, and %s has none: leave it out",
                       r->objective->purpose);
    r->targets.focal_gamma = (float)o->focal_gamma;
    if (classes && !miss_classes(r, st))
        return false;
    return !o->class_weight || weigh_classes(r, st);
}

/* ------------------------------------------------------------------ the start */

bool lm_run_find_start(lm_run *r, lm_status *st)
{
    const lm_run_spec *s = r->spec;
    if (!(r->o->l2_sp > 0))
        return true;
    if (!s->common->model || s->random_weights)
        return lm_fail(st, LM_USAGE, "--l2-sp holds the weights near those of a pretrained model: give -m%s",
                       s->random_weights ? " without --random-weights" : "");
    lm_model_options options = {.task = r->objective->head,
                                .plugin_path = s->common->plugin,
                                .allow_missing_head = true,
                                .fresh_head = true,
                                .quiet = true};
    r->start = lm_model_open(s->common->model, &options, st);
    if (!r->start)
        return false;
    r->starts = lm_calloc(lm_params_count(r->model->params), sizeof *r->starts);
    for (size_t i = 0; i < r->model->head_from; i++) {
        const lm_param *mine = lm_params_at(r->model->params, i);
        lm_param *first = lm_params_find(r->start->params, mine->name);
        if (!first || !lm_shape_equal(&first->shape, &mine->shape))
            return lm_fail(st, LM_FAILED, "%s: %s is not that of the model that is trained: give the -m that the run began "
                           "with", s->common->model, mine->name);
        if (!lm_param_ready(first, st))
            return false;
        r->starts[i] = first->value;
    }
    return true;
}
