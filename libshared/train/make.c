/* The model of a run. */
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ network */

static int role(const lm_run *r, const char *name, int told)
{
    return r->tokenizer.tokenizer ? lm_tokenizer_role(r->tokenizer.tokenizer, name) : told;
}

/* Whether the student begins as some of its teacher's layers. */
static bool begins_as_teacher(const lm_run *r)
{
    return r->teaching && r->spec->teaching->layers && !r->resume_path;
}

static lm_config *new_config(const lm_run *r, lm_status *st)
{
    const lm_new_model *n = r->o->new_model;
    const lm_tokenizer_info *info = lm_data_tokenizer(r->data);
    bool begun = begins_as_teacher(r);
    if (!r->tokenizer.size && !n->config && !begun) {
        lm_fail(st, LM_FAILED,
                "the stream names no tokenizer, so the new model's vocabulary is not known: name one "
                "with --tokenizer DIR, or give --config FILE with vocab_size");
        return NULL;
    }
    lm_new_vocabulary vocabulary = {.size = r->tokenizer.size,
                                    .pad = role(r, "pad", info->pad_id),
                                    .bos = role(r, "bos", info->bos_id),
                                    .eos = role(r, "eos", info->eos_id)};
    const char *plugin = r->spec->common->plugin;
    return begun ? lm_teaching_student_config(r->teaching, n, plugin, &vocabulary, st)
                 : lm_new_model_config(n, plugin, &vocabulary, st);
}

/* Names that families have for their dropouts. */
static void set_dropout(lm_config *c, double p, lm_status *st)
{
    static const char *const keys[] = {"hidden_dropout_prob",
                                       "attention_probs_dropout_prob",
                                       "dropout",
                                       "attention_dropout",
                                       "seq_classif_dropout",
                                       "qa_dropout",
                                       "classifier_dropout_prob",
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

/* The first class of which the model's own head thinks otherwise; n where it has more; -1: they agree. */
static int other_class(const lm_config *c, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (!lm_config_label(c, i) || strcmp(lm_config_label(c, i), names[i]) != 0)
            return i;
    return lm_config_label(c, n) ? n : -1;
}

/* Names that transformers makes up say nothing of what the classes are. */
static bool are_made_up(const lm_config *c, int n)
{
    char name[32];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "LABEL_%d", i);
        if (!lm_config_label(c, i) || strcmp(lm_config_label(c, i), name) != 0)
            return false;
    }
    return !lm_config_label(c, n);
}

/* Whether the model's head, if it has one, goes on with these classes: where they are the same, or it is said that
 * they are. A head of other classes is no good start, even if it has as many of them. */
static bool keeps_head(const lm_run *r, const lm_config *c, const char *const *names, int n, lm_status *st)
{
    bool asked = r->o->has_keep_head, keep = !asked || r->o->keep_head;
    int other = other_class(c, names, n);
    if (!keep || other < 0 || (asked && are_made_up(c, n)))
        return keep;
    const char *was = lm_config_label(c, other);
    if (asked)
        return lm_fail(st, LM_USAGE, "--keep-head: the classes are others: class %d of the model is %s, and here it is %s: "
                       "give --labels in the model's order, or leave --keep-head out", other, was ? was : "none",
                       other < n ? names[other] : "none");
    lm_info("the model's head is dropped: its classes are others (%s ... instead of %s ...)", lm_config_label(c, 0),
            names[0]);
    return false;
}

/* Puts the classes into config.json; *fresh: the model's head is to begin anew. */
static bool set_classes(lm_run *r, lm_config *c, bool *fresh, lm_status *st)
{
    int n = r->targets.classes;
    char **made = NULL;
    if (!r->labels) {
        made = lm_calloc((size_t)n, sizeof *made);
        for (int i = 0; i < n; i++)
            made[i] = lm_format("LABEL_%d", i);
    }
    const char *const *names = made ? (const char *const *)made : lm_labels_names(r->labels);
    bool has_names = r->spec->common->model && !r->spec->random_weights && lm_config_has(c, "id2label");
    *fresh = has_names ? !keeps_head(r, c, names, n, st) : r->o->has_keep_head && !r->o->keep_head;
    lm_config_set_labels(c, names, n);
    for (int i = 0; made && i < n; i++)
        free(made[i]);
    free(made);
    return lm_ok(st);
}

/* What has come of the head. */
static bool check_head(const lm_run *r, bool fresh, lm_status *st)
{
    if (!lm_objective_has_classes(r->objective) || r->resume_path || !r->spec->common->model || r->spec->random_weights)
        return true;
    if (r->model->missing && r->o->has_keep_head && r->o->keep_head)
        return lm_fail(st, LM_USAGE, "--keep-head: %s has no head for %s", r->spec->common->model, r->objective->purpose);
    if (!r->model->missing && !fresh)
        lm_info("the model's head goes on: it has these classes (--no-keep-head begins a new one)");
    return true;
}

bool lm_run_make_model(lm_run *r, lm_status *st)
{
    const lm_run_spec *s = r->spec;
    bool whole = r->resume_path && !r->o->adapting; /* a checkpoint of an adapter has the adapter alone */
    const char *from = whole ? r->resume_path : s->common->model;
    lm_model_options options = {.task = r->objective->head,
                                .plugin_path = s->common->plugin,
                                .seed = (uint64_t)s->common->seed,
                                .allow_missing_head = !whole,
                                .check = r->o->check,
                                .merge_adapters = !r->o->adapting,
                                .random_weights = s->random_weights && !r->resume_path};
    bool begun = begins_as_teacher(r);
    lm_config *c = from ? lm_model_config(from, st) : new_config(r, st);
    if (!c)
        return false;
    if (!whole) {
        if (r->o->dropout >= 0)
            set_dropout(c, r->o->dropout, st);
        if (lm_objective_has_classes(r->objective))
            set_classes(r, c, &options.fresh_head, st);
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
        options.whole_config = begun && !s->options->new_model->architecture;
        r->model = lm_model_create(c, &options, st);
    }
    if (r->model && begun && !lm_teaching_give_weights(r->teaching, r->model, st))
        return false;
    if (!r->model || !check_head(r, options.fresh_head, st) || !lm_run_adapt(r, st))
        return false;
    r->targets.vocab_size = r->model->arch.vocab_size;
    r->targets.type_vocab_size = r->model->arch.type_vocab_size;
    r->targets.max_length = r->model->arch.max_length;
    if (r->objective->tokens == LM_TOKENS_TARGETS)
        r->targets.start_id = r->model->arch.decoder_start_id;
    return true;
}
