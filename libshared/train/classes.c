/* What a run trains for: its objective, and its classes. */
#include "train/run_internal.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 1 << 20 };

static const lm_plugin *family(const lm_run *r, lm_status *st)
{
    const lm_common *c = r->spec->common;
    if (!c->model)
        return lm_new_model_plugin(r->o->new_model, c->plugin, st);
    lm_config *config = lm_model_config(c->model, st);
    const lm_plugin *plugin = config ? lm_plugin_find(lm_config_string(config, "model_type", ""), c->plugin, st) : NULL;
    lm_config_free(config);
    return plugin;
}

/* The objective of this name whose head the family has: some are learned by models of several kinds. NULL: it has none. */
static const lm_objective *objective_of(const lm_plugin *plugin, const char *name)
{
    const lm_objective *o;
    for (size_t i = 0; (o = lm_objective_at(i)); i++)
        if (strcmp(o->name, name) == 0 && lm_plugin_head_by_task(plugin, o->head))
            return o;
    return NULL;
}

bool lm_run_choose_by_family(lm_run *r, lm_status *st)
{
    static const char *const objectives[] = {"mlm", "clm", "seq2seq"};
    if (!r->spec->by_family)
        return true;
    const lm_plugin *plugin = family(r, st);
    if (r->spec->objective) {
        r->objective = plugin ? objective_of(plugin, r->spec->objective) : NULL;
        return lm_ok(st); /* where it has no such head, the model says which it has */
    }
    for (size_t i = 0; plugin && !r->objective && i < sizeof objectives / sizeof *objectives; i++)
        r->objective = objective_of(plugin, objectives[i]);
    if (plugin && !r->objective)
        lm_fail(st, LM_USAGE, "%s: has no head for text without labels (mlm, clm, seq2seq): it cannot be pretrained",
                plugin->name);
    return lm_ok(st);
}

bool lm_run_choose_objective(lm_run *r, lm_status *st)
{
    if (r->objective)
        return true;
    const char *name = r->spec->objective;
    if (name) {
        r->objective = lm_objective_find(name);
        return r->objective ? true : lm_fail(st, LM_USAGE, "%s: no such objective", name);
    }
    if (!lm_data_spool(r->data))
        return lm_fail(st, LM_USAGE,
                       "a single pass over a pipe cannot look at the labels first: give --task");
    lm_tokens_row row;
    lm_spool_row(lm_data_spool(r->data), 0, &row);
    r->objective = lm_objective_guess(&row);
    if (!r->objective)
        return lm_fail(st, LM_FAILED,
                       "the rows have no label, so there is no task in them: name the labels' field with tok --label, or say "
                       "--task clm or --task mlm to learn from the text itself");
    lm_info("task: %s (%s), by the columns of the stream (--task says otherwise)", r->objective->name,
            r->objective->purpose);
    return true;
}

/* ------------------------------------------------------------------ classes of rows */

static bool collect_words(lm_run *r, const lm_spool *spool, lm_status *st)
{
    uint64_t rows = lm_spool_rows(spool);
    for (uint64_t i = 0; i < rows; i++) {
        lm_tokens_row row;
        lm_spool_row(spool, i, &row);
        if (!row.has_label_word)
            return lm_fail(st, LM_FAILED, "row %" PRIu64 ": no label: name its column with tok --label",
                           i + 1);
        lm_labels_add(r->labels, row.label_word);
    }
    return true;
}

/* Class ids stand in the stream: as many classes as the largest needs. */
static bool count_ids(lm_run *r, const lm_spool *spool, lm_status *st)
{
    uint64_t rows = lm_spool_rows(spool);
    int32_t most = -1;
    for (uint64_t i = 0; i < rows; i++) {
        lm_tokens_row row;
        lm_spool_row(spool, i, &row);
        if (!row.has_label_id)
            return lm_fail(st, LM_FAILED, "row %" PRIu64 ": no label: name its column with tok --label",
                           i + 1);
        most = row.label_id > most ? row.label_id : most;
    }
    if (most < 0 || most >= MOST_CLASSES)
        return lm_fail(st, LM_FAILED, "labels up to %d: class ids count from 0 without large gaps", most);
    r->targets.classes = most + 1 > r->targets.classes ? most + 1 : r->targets.classes;
    return true;
}

static bool collect_classes(lm_run *r, lm_status *st)
{
    const lm_spool *spool = lm_data_spool(r->data);
    lm_tokens_row row = {0};
    if (!spool && !r->labels)
        return lm_fail(st, LM_USAGE,
                       "a single pass over a pipe cannot collect the classes first: give --labels");
    if (spool)
        lm_spool_row(spool, 0, &row);
    const lm_spool *mixed = r->replay ? lm_data_spool(r->replay) : NULL; /* whose classes are the model's as well */
    if (spool && !r->labels && row.has_label_id)
        return count_ids(r, spool, st) &&
               (!mixed || count_ids(r, mixed, st) || lm_fail_prefix(st, "--replay"));
    if (!r->labels) {
        r->labels = lm_labels_new();
        if (!collect_words(r, spool, st))
            return false;
        if (mixed && !collect_words(r, mixed, st))
            return lm_fail_prefix(st, "--replay");
        lm_labels_sort(r->labels);
    }
    r->targets.labels = r->labels;
    r->targets.classes = lm_labels_count(r->labels);
    return true;
}

/* ------------------------------------------------------------------ classes that the stream lists */

/* The member of the preamble that names the columns of multi_label, or the classes of tags. */
static json_t *listed_classes(const lm_objective *o, json_t *preamble)
{
    return json_object_get(preamble, o->tokens == LM_TOKENS_TAGS ? "tags" : "labels");
}

/* The names that stand there; NULL where they are none, or not names of all different classes. */
static lm_labels *listed_names(const lm_run *r)
{
    json_t *list = listed_classes(r->objective, lm_data_preamble(r->data)), *name;
    size_t i;
    lm_labels *labels = lm_labels_new();
    json_array_foreach(list, i, name) if (json_is_string(name))
        lm_labels_add(labels, (lm_str){json_string_value(name), json_string_length(name)});
    if (lm_labels_count(labels) && (size_t)lm_labels_count(labels) == json_array_size(list))
        return labels;
    lm_labels_free(labels);
    return NULL;
}

/* Numbers alone: as many classes as the columns, or the largest tag, say. */
static bool count_listed(lm_run *r, lm_status *st)
{
    const lm_spool *spool = lm_data_spool(r->data);
    int32_t most = -1;
    for (uint64_t i = 0; spool && i < lm_spool_rows(spool); i++) {
        lm_tokens_row row;
        lm_spool_row(spool, i, &row);
        for (size_t t = 0; r->objective->tokens == LM_TOKENS_TAGS && row.tags && t < row.len; t++)
            most = row.tags[t] > most ? row.tags[t] : most;
        if (row.multi_label && r->objective->row == LM_TARGET_CLASSES && (int64_t)row.classes > most + 1)
            most = (int32_t)row.classes - 1;
    }
    if (most >= MOST_CLASSES)
        return lm_fail(st, LM_FAILED, "tags up to %d: class ids count from 0 without large gaps", most);
    r->targets.classes = most + 1;
    return true;
}

bool lm_run_targets_of(const lm_run *r, json_t *preamble, const char *name, lm_targets *out, lm_status *st)
{
    json_t *list = r->labels ? listed_classes(r->objective, preamble) : NULL, *class;
    size_t i;
    *out = r->targets;
    out->class_of = NULL;
    out->soft.width = 0; /* a teacher's logits come with the rows that are learned from alone */
    if (!list || (r->objective->tokens != LM_TOKENS_TAGS && r->objective->row != LM_TARGET_CLASSES))
        return true;
    int32_t *map = lm_labels_map(r->labels, list);
    if (!map || json_array_size(list) > MOST_CLASSES) {
        free(map);
        return lm_fail(st, LM_FAILED, "%s: its preamble's list of classes is none", name);
    }
    json_array_foreach(list, i, class) {
        if (map[i] >= 0)
            continue;
        if (!r->targets.skip_unknown)
            lm_fail(st, LM_FAILED, "%s: class '%s' is none of the model's %d: name all with --labels, or leave it out with "
                    "--skip-unknown", name, json_string_value(class), lm_labels_count(r->labels));
        else
            lm_warn("%s: class '%s' is none of the model's %d: it carries no loss", name, json_string_value(class),
                    lm_labels_count(r->labels));
    }
    out->class_of = map;
    out->stream_classes = (int)json_array_size(list);
    return lm_ok(st);
}

static bool take_listed(lm_run *r, lm_status *st)
{
    bool tags = r->objective->tokens == LM_TOKENS_TAGS;
    if (!r->labels)
        r->labels = listed_names(r);
    if (!r->labels && !count_listed(r, st))
        return false;
    if (r->labels)
        r->targets.classes = lm_labels_count(r->labels);
    if (r->targets.classes == 0)
        return lm_fail(st, LM_FAILED, "no %s column in the input, and no --labels: say which classes there are",
                       tags ? "tags" : "multi_label");
    lm_targets mine;
    bool ok = lm_run_targets_of(r, lm_data_preamble(r->data), "the input", &mine, st);
    r->targets.class_of = r->class_of = (int32_t *)mine.class_of;
    r->targets.stream_classes = mine.stream_classes;
    return ok;
}

static bool collect(lm_run *r, lm_status *st)
{
    if (r->o->labels && !(r->labels = lm_labels_parse(r->o->labels, st)))
        return false;
    if (!r->labels && r->teaching)
        r->labels = lm_teaching_labels(r->teaching);
    if (r->objective->tokens == LM_TOKENS_TAGS || r->objective->row == LM_TARGET_CLASSES)
        return take_listed(r, st);
    return collect_classes(r, st);
}

bool lm_run_collect_labels(lm_run *r, lm_status *st)
{
    r->targets.skip_unknown = r->o->skip_unknown;
    r->targets.objective = r->objective;
    if (r->objective->row == LM_TARGET_VALUE || (r->spec->preference && lm_objective_has_classes(r->objective))) {
        r->targets.classes = 1;
    } else if (r->objective->row == LM_TARGET_CLASS && r->objective->tokens != LM_TOKENS_NONE) {
        r->targets.classes = 2; /* next sentence or not: 0, 1 */
    } else if (lm_objective_has_classes(r->objective)) {
        if (!collect(r, st))
            return false;
        if (r->targets.classes < 2 && r->objective->row != LM_TARGET_CLASSES)
            return lm_fail(st, LM_FAILED,
                           "one class only%s%s: nothing can be learned from that: look at the labels",
                           r->labels ? ": " : "", r->labels ? lm_labels_name(r->labels, 0) : "");
    } else {
        r->targets.classes = 0;
        if (r->o->labels)
            return lm_fail(st, LM_USAGE, "--labels: %s has no classes: leave it out", r->objective->name);
    }
    return true;
}
