/* The model of a run: its objective, its classes, its network. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ objective and classes */

bool lm_run_choose_objective(lm_run *r, lm_status *st)
{
    const char *name = r->spec->objective;
    if (!name && lm_data_spool(r->data)) {
        lm_tokens_row row;
        lm_spool_row(lm_data_spool(r->data), 0, &row);
        name = row.multi_label ? "multilabel" : row.has_label_float ? "regress" : "classify";
        lm_info("task: %s, by the labels (--task says otherwise)", name);
    }
    if (!name)
        return lm_fail(st, LM_USAGE,
                       "a single pass over a pipe cannot look at the labels first: give --task");
    r->objective = lm_objective_find(name);
    return r->objective ? true : lm_fail(st, LM_USAGE, "%s: no such objective", name);
}

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
    lm_labels_sort(r->labels);
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
    if (most < 0 || most > 1 << 20)
        return lm_fail(st, LM_FAILED, "labels up to %d: class ids count from 0 without large gaps", most);
    r->targets.classes = most + 1;
    return true;
}

static bool collect_classes(lm_run *r, lm_status *st)
{
    const lm_spool *spool = lm_data_spool(r->data);
    lm_tokens_row row = {0};
    if (r->spec->labels)
        r->labels = lm_labels_parse(r->spec->labels, st);
    if (!lm_ok(st))
        return false;
    if (!spool && !r->labels)
        return lm_fail(st, LM_USAGE,
                       "a single pass over a pipe cannot collect the classes first: give --labels");
    if (spool)
        lm_spool_row(spool, 0, &row);
    if (spool && !r->labels && row.has_label_id)
        return count_ids(r, spool, st);
    if (!r->labels) {
        r->labels = lm_labels_new();
        if (!collect_words(r, spool, st))
            return false;
    }
    r->targets.labels = r->labels;
    r->targets.classes = lm_labels_count(r->labels);
    return true;
}

/* The names that the stream has for the columns of `multi_label`; NULL where it has none. */
static lm_labels *named_classes(const lm_run *r, size_t columns)
{
    json_t *list = json_object_get(lm_data_preamble(r->data), "labels"), *name;
    size_t i;
    if (!columns || json_array_size(list) != columns)
        return NULL;
    lm_labels *labels = lm_labels_new();
    json_array_foreach(list, i, name) if (json_is_string(name))
        lm_labels_add(labels, (lm_str){json_string_value(name), json_string_length(name)});
    if ((size_t)lm_labels_count(labels) == columns)
        return labels;
    lm_labels_free(labels);
    return NULL;
}

bool lm_run_collect_labels(lm_run *r, lm_status *st)
{
    lm_tokens_row row = {0};
    const lm_spool *spool = lm_data_spool(r->data);
    switch (r->objective->row) {
    case LM_TARGET_SPAN:
    case LM_TARGET_NONE:
        r->targets.classes = 0;
        return true;
    case LM_TARGET_VALUE:
        r->targets.classes = 1;
        return true;
    case LM_TARGET_CLASSES:
        if (spool)
            lm_spool_row(spool, 0, &row);
        if (r->spec->labels)
            r->labels = lm_labels_parse(r->spec->labels, st);
        else
            r->labels = named_classes(r, row.classes);
        r->targets.classes = r->labels ? lm_labels_count(r->labels) : (int)row.classes;
        if (lm_ok(st) && r->targets.classes == 0)
            lm_fail(st, LM_FAILED,
                    "no multi_label column in the input, and no --labels: say which classes there are");
        return lm_ok(st);
    case LM_TARGET_CLASS:
        if (r->objective->tokens == LM_TOKENS_MASKED) {
            r->targets.classes = 2; /* next sentence or not: 0, 1 */
            return true;
        }
        if (!collect_classes(r, st))
            return false;
        if (r->targets.classes < 2)
            return lm_fail(st, LM_FAILED,
                           "one class only%s%s: nothing can be learned from that: look at the labels",
                           r->labels ? ": " : "", r->labels ? lm_labels_name(r->labels, 0) : "");
        return true;
    }
    return true;
}

/* ------------------------------------------------------------------ network */

const char *const lm_model_sizes[] = {"tiny", "mini", "small", "medium", "base", NULL};

/* Google's BERT miniatures (Turc et al. 2019, arXiv 1908.08962): heads are 64 wide, the inner layer four
 * times. */
static const struct {
    int layers, width;
} sizes[] = {{2, 128}, {4, 256}, {4, 512}, {8, 512}, {12, 768}};

/* The family's own defaults are the plugin's business. */
static lm_config *family_config(const char *architecture, lm_status *st)
{
    lm_config *c = lm_config_parse(lm_str_of("{}"), architecture, st);
    if (c)
        lm_config_set_string(c, "model_type", architecture);
    return c;
}

static void set_sizes(lm_config *c, const lm_new_model *n, int vocabulary, int pad_id)
{
    int size = n->size >= 0 ? n->size : 1;
    bool sized = n->size >= 0 || !n->config;
    int64_t width = n->width ? n->width : sized ? sizes[size].width : lm_config_int(c, "hidden_size", 768);
    int64_t layers = n->layers ? n->layers : sized ? sizes[size].layers : 0;
    int64_t heads = n->heads ? n->heads : sized || n->width ? (width >= 64 ? width / 64 : 1) : 0;
    int64_t inner = n->inner ? n->inner : sized || n->width ? 4 * width : 0;
    lm_config_set_int(c, "hidden_size", width);
    if (layers)
        lm_config_set_int(c, "num_hidden_layers", layers);
    if (heads)
        lm_config_set_int(c, "num_attention_heads", heads);
    if (inner)
        lm_config_set_int(c, "intermediate_size", inner);
    if (n->max_length)
        lm_config_set_int(c, "max_position_embeddings", n->max_length);
    if (vocabulary)
        lm_config_set_int(c, "vocab_size", vocabulary);
    if (pad_id >= 0)
        lm_config_set_int(c, "pad_token_id", pad_id);
}

static lm_config *new_config(const lm_run *r, lm_status *st)
{
    const lm_new_model *n = &r->spec->new_model;
    const lm_tokenizer_info *info = lm_data_tokenizer(r->data);
    lm_config *c = n->config ? lm_config_read(n->config, st) : family_config(n->architecture, st);
    if (!c)
        return NULL;
    if (!r->tokenizer.size && !n->config)
        lm_fail(st, LM_FAILED,
                "the stream names no tokenizer, so the new model's vocabulary is not known: name one "
                "with --tokenizer DIR, or give --config FILE with vocab_size");
    set_sizes(c, n, r->tokenizer.size, info->pad_id);
    lm_config_failed(c, st);
    if (lm_ok(st))
        return c;
    lm_config_free(c);
    return NULL;
}

/* Names that families have for their dropouts. */
static void set_dropout(lm_config *c, double p, lm_status *st)
{
    static const char *const keys[] = {"hidden_dropout_prob",
                                       "attention_probs_dropout_prob",
                                       "dropout",
                                       "attention_dropout",
                                       "seq_classif_dropout",
                                       "embd_pdrop",
                                       "resid_pdrop",
                                       "attn_pdrop",
                                       "dropout_rate"};
    bool any = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!lm_config_has(c, keys[i]))
            continue;
        lm_config_set_float(c, keys[i], p);
        any = true;
    }
    if (lm_config_has(c, "classifier_dropout"))
        lm_config_set_float(c, "classifier_dropout", p);
    if (!any)
        lm_fail(st, LM_FAILED, "--dropout: the model's config.json names no dropout: put it there");
}

/* A head with as many outputs is taken over; that is rarely meant where the classes are others. */
static void compare_classes(const lm_config *c, const char *const *names, int n)
{
    bool same = true;
    for (int i = 0; i < n && same; i++)
        same = lm_config_label(c, i) && strcmp(lm_config_label(c, i), names[i]) == 0;
    if (!same && lm_config_label(c, n - 1) && !lm_config_label(c, n))
        lm_warn(
            "the model was trained for %d other classes (%s ...): its head is the start for these (%s ...)",
            n, lm_config_label(c, 0), names[0]);
}

static void set_classes(lm_run *r, lm_config *c, bool has_head)
{
    int n = r->targets.classes;
    char **made = NULL;
    if (!r->labels) {
        made = lm_calloc((size_t)n, sizeof *made);
        for (int i = 0; i < n; i++)
            made[i] = lm_format("LABEL_%d", i);
    }
    const char *const *names = made ? (const char *const *)made : lm_labels_names(r->labels);
    if (has_head)
        compare_classes(c, names, n);
    lm_config_set_labels(c, names, n);
    for (int i = 0; made && i < n; i++)
        free(made[i]);
    free(made);
}

bool lm_run_make_model(lm_run *r, lm_status *st)
{
    const lm_run_spec *s = r->spec;
    const char *from = r->resume_path ? r->resume_path : s->common->model;
    lm_model_options options = {.task = r->objective->head,
                                .plugin_path = s->common->plugin,
                                .seed = (uint64_t)s->common->seed,
                                .allow_missing_head = !r->resume_path,
                                .random_weights = s->random_weights && !r->resume_path};
    lm_config *c;
    if (from) {
        char *file = lm_format("%s/config.json", from);
        c = lm_config_read(file, st);
        free(file);
    } else {
        c = new_config(r, st);
    }
    if (!c)
        return false;
    if (!r->resume_path) {
        if (r->o->dropout >= 0)
            set_dropout(c, r->o->dropout, st);
        if (strcmp(r->objective->head, "classify") == 0)
            set_classes(r, c, !s->random_weights && lm_config_has(c, "id2label"));
        if (r->objective->problem_type)
            lm_config_set_string(c, "problem_type", r->objective->problem_type);
    }
    if (!lm_ok(st)) {
        lm_config_free(c);
        return false;
    }
    if (from) {
        options.config = c;
        r->model = lm_model_open(from, &options, st);
    } else {
        r->model = lm_model_create(c, &options, st);
    }
    if (!r->model)
        return false;
    r->targets.vocab_size = r->model->arch.vocab_size;
    r->targets.type_vocab_size = r->model->arch.type_vocab_size;
    r->targets.max_length = r->model->arch.max_length;
    return true;
}
