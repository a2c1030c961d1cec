/* A student that begins as some of its teacher's layers. */
#include "train/teaching/internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "0,2,4": ascending or not, each of them one of `most`; *count of them, malloced. */
static int *parse_layers(const char *list, int most, int *count, lm_status *st)
{
    int *layers = NULL;
    *count = 0;
    for (const char *at = list;; at++) {
        char *end;
        long layer = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || layer < 0 || layer >= most) {
            lm_fail(st, LM_USAGE, "--init-from-teacher %s: give numbers of the teacher's layers, 0 to %d, with commas between", list,
                    most - 1);
            free(layers);
            return NULL;
        }
        layers = lm_realloc(layers, (size_t)*count + 1, sizeof *layers);
        layers[(*count)++] = (int)layer;
        if (!*end)
            return layers;
        at = end;
    }
}

static bool has_own_blocks(const lm_model *m, lm_status *st)
{
    if (m->arch.decoder_layers || m->arch.groups || m->arch.layer_suffix)
        return lm_fail(st, LM_USAGE, "--init-from-teacher: the layers of %s do not stand by themselves: make the student with -a",
                       m->architecture);
    return true;
}

lm_config *lm_teaching_student_config(const lm_teaching *t, lm_status *st)
{
    static const char *const names[] = {"num_hidden_layers", "n_layers", "n_layer", "num_layers"};
    int count;
    int *layers = has_own_blocks(t->model, st) ? parse_layers(t->o->layers, t->model->arch.layers, &count, st) : NULL;
    lm_config *c = layers ? lm_model_config(t->o->teacher, st) : NULL;
    bool set = false;
    for (size_t i = 0; c && i < sizeof names / sizeof *names; i++) {
        if (!lm_config_has(c, names[i]))
            continue;
        lm_config_set_int(c, names[i], count);
        set = true;
    }
    free(layers);
    if (c && !set) {
        lm_fail(st, LM_FAILED, "%s: its config.json does not say how many layers it has", t->o->teacher);
        lm_config_free(c);
        return NULL;
    }
    return c;
}

/* The teacher's parameter for one of the student's: of the block that it begins as. */
static lm_param *source_of(const lm_teaching *t, const lm_model *student, const int *layers, const char *name)
{
    char from[LM_NAME_MAX];
    snprintf(from, sizeof from, "%s", name);
    for (int i = 0; i < student->arch.layers; i++) {
        lm_scope mine = lm_model_block(student, i), theirs = lm_model_block(t->model, layers[i]);
        size_t n = strlen(mine.name);
        if (strncmp(name, mine.name, n) == 0 && name[n] == '.')
            snprintf(from, sizeof from, "%s%s", theirs.name, name + n);
    }
    return lm_params_find(t->model->params, from);
}

bool lm_teaching_give_weights(const lm_teaching *t, lm_model *student, lm_status *st)
{
    int count, missing = 0;
    int *layers = parse_layers(t->o->layers, t->model->arch.layers, &count, st);
    for (size_t i = 0; layers && lm_ok(st) && i < lm_params_count(student->params); i++) {
        lm_param *to = lm_params_at(student->params, i), *from = source_of(t, student, layers, to->name);
        if (!from || !lm_shape_equal(&from->shape, &to->shape)) {
            missing++;
            continue;
        }
        if (lm_param_ready(from, st) && lm_param_own(to, st))
            memcpy(to->value, from->value, to->elements * sizeof *to->value);
    }
    free(layers);
    if (missing)
        lm_info("--init-from-teacher: %d parameters of the student have no like in the teacher, and begin at random", missing);
    return lm_ok(st);
}
