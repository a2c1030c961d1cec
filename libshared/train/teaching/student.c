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

/* What a new model of another family has of the teacher: its sizes. */
static lm_config *of_another_family(const lm_teaching *t, const lm_new_model *asked, const char *plugin_path, int layers,
                                    const lm_new_vocabulary *vocabulary, lm_status *st)
{
    const lm_arch *a = &t->model->arch;
    lm_new_model n = *asked;
    n.layers = layers;
    n.width = n.width ? n.width : a->width;
    n.heads = n.heads ? n.heads : a->heads;
    n.inner = n.inner ? n.inner : lm_config_int(t->model->config, "intermediate_size", 4 * a->width);
    n.max_length = n.max_length ? n.max_length : a->max_length;
    return lm_new_model_config(&n, plugin_path, vocabulary, st);
}

/* The teacher's own config.json, with fewer layers. */
static lm_config *of_its_family(const lm_teaching *t, int layers, lm_status *st)
{
    static const char *const names[] = {"num_hidden_layers", "n_layers", "n_layer", "num_layers"};
    lm_config *c = lm_model_config(t->o->teacher, st);
    bool set = false;
    for (size_t i = 0; c && i < sizeof names / sizeof *names; i++) {
        if (!lm_config_has(c, names[i]))
            continue;
        lm_config_set_int(c, names[i], layers);
        set = true;
    }
    if (!c || set)
        return c;
    lm_config_free(c);
    lm_fail(st, LM_FAILED, "%s: its config.json does not say how many layers it has", t->o->teacher);
    return NULL;
}

lm_config *lm_teaching_student_config(const lm_teaching *t, const lm_new_model *asked, const char *plugin_path,
                                      const lm_new_vocabulary *vocabulary, lm_status *st)
{
    int count;
    int *layers = has_own_blocks(t->model, st) ? parse_layers(t->o->layers, t->model->arch.layers, &count, st) : NULL;
    if (!layers)
        return NULL;
    free(layers);
    return asked->architecture ? of_another_family(t, asked, plugin_path, count, vocabulary, st) : of_its_family(t, count, st);
}

/* What DistilBERT calls the parts of a BERT. */
static const struct {
    const char *mine, *theirs;
} renamed[] = {
    {"distilbert.", "bert."},
    {".attention.q_lin.", ".attention.self.query."},
    {".attention.k_lin.", ".attention.self.key."},
    {".attention.v_lin.", ".attention.self.value."},
    {".attention.out_lin.", ".attention.output.dense."},
    {".sa_layer_norm.", ".attention.output.LayerNorm."},
    {".ffn.lin1.", ".intermediate.dense."},
    {".ffn.lin2.", ".output.dense."},
    {".output_layer_norm.", ".output.LayerNorm."},
    {"vocab_transform.", "cls.predictions.transform.dense."},
    {"vocab_layer_norm.", "cls.predictions.transform.LayerNorm."},
    {"vocab_projector.bias", "cls.predictions.bias"},
};

static void rename_part(char name[LM_NAME_MAX])
{
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        char *at = strstr(name, renamed[i].mine), rest[LM_NAME_MAX];
        if (!at)
            continue;
        strcpy(rest, at + strlen(renamed[i].mine));
        snprintf(at, (size_t)(LM_NAME_MAX - (at - name)), "%s%s", renamed[i].theirs, rest);
    }
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
    if (!lm_params_find(t->model->params, from))
        rename_part(from);
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
