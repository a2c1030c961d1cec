/* A student that begins as some of its teacher's layers. */
#include "train/teaching/narrow.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of --init-from-teacher: each is one of the teacher's; *count of them, malloced. */
static int *parse_layers(const lm_teaching *t, size_t *count, lm_status *st)
{
    int *layers = lm_number_list(t->o->layers, t->model->arch.layers, count);
    if (!layers)
        lm_fail(st, LM_USAGE, "--init-from-teacher %s: give numbers of the teacher's layers, 0 to %d, with commas between",
                t->o->layers, t->model->arch.layers - 1);
    return layers;
}

static bool has_own_blocks(const lm_model *m, lm_status *st)
{
    if (m->arch.decoder_layers || m->arch.groups || m->arch.layer_suffix)
        return lm_fail(st, LM_USAGE, "--init-from-teacher: the layers of %s do not stand by themselves: make the student with -a",
                       m->architecture);
    return true;
}

/* What a new model of another family has of the teacher: its sizes, or those that it is narrowed to. */
static lm_config *of_another_family(const lm_teaching *t, const lm_new_model *asked, const char *plugin_path, int layers,
                                    const lm_new_vocabulary *vocabulary, lm_status *st)
{
    lm_narrow_sizes sizes;
    lm_new_model n = *asked;
    if (!lm_narrow_sizes_of(&sizes, t, asked, st))
        return NULL;
    n.layers = layers;
    n.width = sizes.width;
    n.heads = sizes.heads;
    n.inner = sizes.inner;
    n.max_length = n.max_length ? n.max_length : t->model->arch.max_length;
    return lm_new_model_config(&n, plugin_path, vocabulary, st);
}

/* Of what config.json says of single layers (Gemma's and Qwen's kinds of attention), what is true of those that are taken. */
static bool choose_kinds(lm_config *c, const lm_teaching *t, const int *layers, size_t count, lm_status *st)
{
    static const char types[] = "layer_types", windows[] = "max_window_layers"; /* the latter: from which one on there are windows */
    const json_t *all = lm_config_member(c, types);
    int from = lm_config_int(c, windows, 0), whole = 0;
    const char **chosen = lm_calloc(count, sizeof *chosen);
    for (size_t i = 0; i < count && lm_ok(st); i++) {
        chosen[i] = json_string_value(json_array_get(all, (size_t)layers[i]));
        if (json_is_array(all) && !chosen[i])
            lm_fail(st, LM_FAILED, "%s: config.json: %s has no word for layer %d", t->o->teacher, types, layers[i]);
        if (layers[i] < from && whole++ < (int)i && !json_is_array(all))
            lm_fail(st, LM_USAGE, "--init-from-teacher %s: the layers below %d have other attention than those above: name them first",
                    t->o->layers, from);
    }
    if (lm_ok(st) && json_is_array(all))
        lm_config_set_strings(c, types, chosen, (int)count);
    if (lm_ok(st) && lm_config_has(c, windows))
        lm_config_set_int(c, windows, whole);
    free(chosen);
    return lm_ok(st);
}

static void set_sizes(lm_config *c, const lm_teaching *t, const lm_narrow_sizes *sizes)
{
    if (lm_config_has(c, "embedding_size") && lm_config_int(c, "embedding_size", 0) == t->model->arch.width)
        lm_config_set_int(c, "embedding_size", sizes->width);
    lm_config_set_int(c, "hidden_size", sizes->width);
    lm_config_set_int(c, "num_attention_heads", sizes->heads);
    lm_config_set_int(c, "intermediate_size", sizes->inner);
    if (sizes->kv_heads)
        lm_config_set_int(c, "num_key_value_heads", sizes->kv_heads);
    lm_plugin_rename(t->model->plugin, c);
}

/* The teacher's own config.json, with fewer layers, and narrower ones where that is asked for. */
static lm_config *of_its_family(const lm_teaching *t, const lm_new_model *asked, const int *layers, size_t count, lm_status *st)
{
    static const char *const names[] = {"num_hidden_layers", "n_layers", "n_layer", "num_layers"};
    lm_config *c = lm_model_config(t->o->teacher, st);
    bool set = false;
    lm_narrow_sizes sizes;
    for (size_t i = 0; c && i < sizeof names / sizeof *names; i++) {
        if (!lm_config_has(c, names[i]))
            continue;
        lm_config_set_int(c, names[i], (int64_t)count);
        set = true;
    }
    if (!c)
        return NULL;
    if (!set)
        lm_fail(st, LM_FAILED, "%s: its config.json does not say how many layers it has", t->o->teacher);
    if (set && choose_kinds(c, t, layers, count, st) && lm_narrow_sizes_of(&sizes, t, asked, st)) {
        if (sizes.changed)
            set_sizes(c, t, &sizes);
        return c;
    }
    lm_config_free(c);
    return NULL;
}

static bool is_its_family(const lm_teaching *t, const lm_new_model *asked)
{
    const char *family = lm_config_string(t->model->config, "model_type", "");
    return !asked->max_length && (!asked->architecture || strcmp(asked->architecture, family) == 0);
}

lm_config *lm_teaching_student_config(const lm_teaching *t, const lm_new_model *asked, const char *plugin_path,
                                      const lm_new_vocabulary *vocabulary, lm_status *st)
{
    size_t count;
    if (asked->layers || asked->size) {
        lm_fail(st, LM_USAGE, "--init-from-teacher says which layers there are, and they have the teacher's size: leave --layers and "
                "--size out (--width, --heads and --inner make them narrower)");
        return NULL;
    }
    int *layers = has_own_blocks(t->model, st) ? parse_layers(t, &count, st) : NULL;
    lm_config *c = !layers                    ? NULL
                   : is_its_family(t, asked) ? of_its_family(t, asked, layers, count, st)
                                             : of_another_family(t, asked, plugin_path, (int)count, vocabulary, st);
    free(layers);
    return c;
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

/* The teacher's parameter for one of the student's: of the block that it begins as; *block: which of the teacher's, or -1. */
static lm_param *source_of(const lm_teaching *t, const lm_model *student, const int *layers, const char *name, int *block)
{
    *block = -1;
    char from[LM_NAME_MAX];
    snprintf(from, sizeof from, "%s", name);
    for (int i = 0; i < student->arch.layers; i++) {
        lm_scope mine = lm_model_block(student, i), theirs = lm_model_block(t->model, layers[i]);
        size_t n = strlen(mine.name);
        if (strncmp(name, mine.name, n) != 0 || name[n] != '.')
            continue;
        snprintf(from, sizeof from, "%s%s", theirs.name, name + n);
        *block = layers[i];
    }
    if (!lm_params_find(t->model->params, from))
        rename_part(from);
    return lm_params_find(t->model->params, from);
}

/* One of the student's parameters; *given false: the teacher has no like of it. */
static bool give(const lm_teaching *t, lm_narrowing *narrowing, const int *layers, lm_model *student, lm_param *to, bool *given,
                 lm_status *st)
{
    int block;
    lm_param *from = source_of(t, student, layers, to->name, &block);
    *given = from && lm_shape_equal(&from->shape, &to->shape);
    if (!*given)
        return !from || !narrowing || lm_narrowing_give(narrowing, from, block, to, given, st);
    if (lm_param_ready(from, st) && lm_param_own(to, st))
        memcpy(to->value, from->value, to->elements * sizeof *to->value);
    return lm_ok(st);
}

bool lm_teaching_give_weights(const lm_teaching *t, lm_model *student, lm_status *st)
{
    size_t count;
    int missing = 0, *layers = parse_layers(t, &count, st);
    lm_narrowing *narrowing = layers ? lm_narrowing_new(t, student, st) : NULL;
    for (size_t i = 0; lm_ok(st) && i < lm_params_count(student->params); i++) {
        bool given = false;
        if (give(t, narrowing, layers, student, lm_params_at(student->params, i), &given, st))
            missing += !given;
    }
    lm_narrowing_free(narrowing);
    free(layers);
    if (missing)
        lm_info("--init-from-teacher: %d parameters of the student have no like in the teacher, and begin at random", missing);
    return lm_ok(st);
}
