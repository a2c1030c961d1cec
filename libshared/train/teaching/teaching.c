#include "train/teaching/internal.h"
#include "train/run_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "graph/distillation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool by_token(const lm_objective *o)
{
    return o->tokens != LM_TOKENS_NONE;
}

/* Whether the teacher's logits of every token of a row are learned; else of those that carry a label: tags, other texts, answers of
 * conversations. */
static bool hears_all(const lm_teaching *t)
{
    const lm_objective *o = t->objective;
    return t->how.soft > 0 && !t->o->masked_only && !o->masked_loss && o->tokens != LM_TOKENS_TARGETS && o->tokens != LM_TOKENS_TAGS;
}

/* ------------------------------------------------------------------ the teacher */

static bool open_teacher(lm_teaching *t, const lm_run *r, lm_status *st)
{
    const lm_model_options how = {.task = r->objective->head, .plugin_path = r->spec->common->plugin, .quiet = true,
                                  .allow_missing_head = t->how.soft <= 0};
    t->model = lm_model_open(t->o->teacher, &how, st);
    if (!t->model)
        return lm_fail_prefix(st, "--teacher");
    t->graph = lm_graph_new(t->model->params);
    return true;
}

/* What a teacher has said of the same records in another stream. */
static bool read_beside(lm_teaching *t, lm_run *r, lm_status *st)
{
    lm_strings one = {(const char *[]){t->o->logits}, 1, 1};
    lm_data_options options = {.inputs = &one, .rows_per_step = 1, .keep = lm_paired_columns};
    t->heard = lm_data_open(&options, st);
    return (t->heard && lm_data_load(t->heard, st) && lm_data_take_logits(r->data, t->heard, st)) || lm_fail_prefix(st, "--logits");
}

static bool find_logits(lm_teaching *t, lm_run *r, lm_status *st)
{
    lm_tokens_row row;
    if (!lm_data_spool(r->data))
        return lm_fail(st, LM_USAGE, "a single pass over a pipe cannot look at the logits first: give --teacher MODEL, or leave "
                       "--shuffle-window out");
    if (t->o->logits && !read_beside(t, r, st))
        return false;
    lm_spool_row(lm_data_spool(r->data), 0, &row);
    if (!row.logits.width)
        return lm_fail(st, LM_USAGE, "no teacher: name one with --teacher MODEL, or bring its logits: score -m TEACHER --emit "
                       "logits --top 64");
    if (row.logits.per_token != by_token(t->objective))
        return lm_fail(st, LM_FAILED, "the rows bring logits of each %s, and %s needs those of each %s: give the teacher the "
                       "head of the task, or say --task", row.logits.per_token ? "token" : "row", t->objective->name,
                       by_token(t->objective) ? "token" : "row");
    bool whole = row.logits.all != NULL;
    if (!whole && (t->objective->row == LM_TARGET_CLASSES || t->objective->row == LM_TARGET_VALUE))
        return lm_fail(st, LM_USAGE, "%s: the rows bring the largest logits alone, and each of them counts here: score --emit logits "
                       "without --top", t->objective->name);
    if (t->objective->noise == LM_NOISE_MASKS && !row.mlm_labels)
        return lm_fail(st, LM_FAILED, "the teacher has read rows without masks, and the student is to see masked ones: mask them "
                       "first, so that both see the same: tok --mlm 0.15");
    if (t->objective->noise != LM_NOISE_NONE && t->objective->noise != LM_NOISE_MASKS)
        return lm_fail(st, LM_USAGE, "%s hides other parts of a row in each epoch, of which no stored logits can be: give "
                       "--teacher MODEL", t->objective->name);
    if (t->heard && row.logits.per_token)
        return lm_fail(st, LM_USAGE, "--logits brings what a teacher says of whole rows; tokens are those of one stream alone");
    t->form = (lm_soft_form){.width = (int)row.logits.width, .whole = whole, .per_token = row.logits.per_token};
    return true;
}

static bool serves(const lm_objective *o, lm_status *st)
{
    if (o->row == LM_TARGET_SPAN || (o->row != LM_TARGET_NONE && by_token(o)))
        return lm_fail(st, LM_USAGE, "--task %s: there is nothing to be learned from a teacher for it here", o->name);
    return true;
}

static bool choose_losses(lm_teaching *t, lm_status *st)
{
    const lm_teaching_options *o = t->o;
    lm_recipe_choose(&t->how, o, t->objective->noise == LM_NOISE_MASKS);
    t->divergence = (lm_divergence)o->divergence;
    if (t->divergence == LM_JSD && (o->beta == 0 || o->beta == 1))
        t->divergence = o->beta == 0 ? LM_FORWARD_KL : LM_REVERSE_KL;
    return lm_recipe_check(&t->how, o, st);
}

lm_teaching *lm_teaching_new(lm_run *r, lm_status *st)
{
    lm_teaching *t = lm_calloc(1, sizeof *t);
    t->o = r->spec->teaching;
    t->objective = r->objective;
    t->run = r;
    if (serves(r->objective, st) && choose_losses(t, st) && (t->o->teacher ? open_teacher(t, r, st) : find_logits(t, r, st)))
        return t;
    lm_teaching_free(t);
    return NULL;
}

void lm_teaching_free(lm_teaching *t)
{
    if (!t)
        return;
    if (t->graph)
        lm_graph_free(t->graph);
    lm_model_free(t->model);
    lm_data_free(t->heard);
    lm_taps_free(t->taps);
    free(t->all_tokens);
    free(t->label);
    free(t->soft_weight);
    free(t->hard_weight);
    free(t->cosine_weight);
    free(t->probability);
    free(t->index);
    free(t->top);
    free(t->rest);
    free(t);
}

lm_graph *lm_teaching_graph(const lm_teaching *t)
{
    return t->graph;
}

lm_labels *lm_teaching_labels(const lm_teaching *t)
{
    const char *first = t->model ? lm_config_label(t->model->config, 0) : NULL;
    if (!first || strcmp(first, "LABEL_0") == 0)
        return NULL;
    lm_labels *labels = lm_labels_new();
    for (int i = 0; i < lm_config_labels(t->model->config); i++)
        lm_labels_add(labels, lm_str_of(lm_config_label(t->model->config, i)));
    return labels;
}

/* ------------------------------------------------------------------ what both have to have in common */

/* Whether an id means the same to both: their tokens are compared one by one, since vocabularies that are padded to other sizes have
 * other digests. */
static bool same_words(const lm_teaching *t, const lm_run *r, lm_status *st)
{
    const lm_tokenizer *mine = r->tokenizer.tokenizer;
    if (!mine || !lm_model_has_tokenizer(t->o->teacher))
        return lm_model_check_tokenizer(t->model, NULL, lm_data_tokenizer(r->data), r->o->force, st);
    lm_tokenizer *theirs = lm_tokenizer_open(t->o->teacher, st);
    if (!theirs)
        return lm_fail_prefix(st, "--teacher");
    int n = lm_tokenizer_size(theirs), other = 0;
    n = n < lm_tokenizer_size(mine) ? n : lm_tokenizer_size(mine);
    while (other < n && lm_str_equal(lm_tokenizer_token(mine, other), lm_tokenizer_token(theirs, other)))
        other++;
    if (other < n && !r->o->force) {
        lm_str a = lm_tokenizer_token(mine, other), b = lm_tokenizer_token(theirs, other);
        lm_fail(st, LM_FAILED, "--teacher %s: id %d is '%.*s' to it, and '%.*s' to the student: they have to have one vocabulary; "
                "what another one says of whole rows can come with the stream (score --emit logits)", t->o->teacher, other,
                (int)b.len, b.data, (int)a.len, a.data);
    }
    lm_tokenizer_free(theirs);
    return lm_ok(st);
}

static int columns_of(const lm_model *m, const lm_objective *o, int classes)
{
    return lm_objective_has_classes(o) ? classes : lm_model_token_columns(m);
}

static bool fit_columns(lm_teaching *t, const lm_run *r, lm_status *st)
{
    int mine = columns_of(r->model, t->objective, r->targets.classes), theirs = t->form.whole ? t->form.width : mine;
    bool classes = lm_objective_has_classes(t->objective);
    if (t->model)
        theirs = columns_of(t->model, t->objective, lm_config_labels(t->model->config));
    t->columns = mine < theirs ? mine : theirs;
    if (t->how.soft <= 0)
        return true; /* the logits are not listened to */
    if (classes && mine != theirs)
        return lm_fail(st, LM_FAILED, "the teacher has %d classes, and the student %d: name the teacher's with --labels, in its "
                       "order", theirs, mine);
    for (int i = 0; t->model && classes && r->labels && i < mine; i++)
        if (strcmp(lm_labels_name(r->labels, i), lm_config_label(t->model->config, i)) != 0)
            return lm_fail(st, LM_FAILED, "class %d is '%s' to the teacher, and '%s' to the student: give --labels in the teacher's "
                           "order, or leave them out", i, lm_config_label(t->model->config, i), lm_labels_name(r->labels, i));
    if (t->form.width > 0 && t->form.width > t->columns)
        return lm_fail(st, LM_FAILED, "the rows bring %d logits each, and the student has %d: they are of another vocabulary",
                       t->form.width, t->columns);
    return true;
}

bool lm_teaching_fit(lm_teaching *t, lm_run *r, lm_status *st)
{
    lm_targets *to = &r->targets;
    if (r->o->label_smoothing > 0)
        return lm_fail(st, LM_USAGE, "--label-smoothing: what the teacher says is smooth already: leave it out");
    if (by_token(t->objective) && (r->o->class_weight || r->o->focal_gamma > 0))
        return lm_fail(st, LM_USAGE, "--class-weight and --focal-gamma: of whole rows alone, with a teacher: leave them out");
    if (r->spec->communicator)
        return lm_fail(st, LM_USAGE, "a teacher and several processes: run one process, with -j threads");
    if (!t->model && r->examples.kind != LM_INSTANCES_ROWS)
        return lm_fail(st, LM_USAGE, "--packing: the rows bring logits of what they are now: pack them before the teacher reads "
                       "them (tok --pack)");
    if (!t->model && r->replay)
        return lm_fail(st, LM_USAGE, "--replay: its rows bring no logits of a teacher: give --teacher MODEL");
    if ((t->model && !same_words(t, r, st)) || !fit_columns(t, r, st))
        return false;
    if (t->model) {
        const lm_arch *a = &t->model->arch;
        to->vocab_size = a->vocab_size < to->vocab_size ? a->vocab_size : to->vocab_size;
        to->type_vocab_size = a->type_vocab_size > to->type_vocab_size ? a->type_vocab_size : to->type_vocab_size;
        if (a->max_length && (!to->max_length || a->max_length < to->max_length))
            to->max_length = a->max_length;
        bool same = a->width == r->model->arch.width;
        if (!same && t->how.cosine > 0 && t->o->has_cosine)
            return lm_fail(st, LM_USAGE, "--alpha-cos: hidden states of %d and %d numbers have no angle: leave it out", a->width,
                           r->model->arch.width);
        t->how.cosine = same ? t->how.cosine : 0;
    }
    if (lm_recipe_compares_layers(&t->how) && !(t->taps = lm_taps_new(t, r, st)))
        return false;
    t->form.columns = t->columns;
    to->soft = t->form;
    to->soft.taught = true;
    to->soft.all_tokens = hears_all(t);
    return true;
}

/* ------------------------------------------------------------------ losses */

void lm_teaching_select(lm_teaching *t, const lm_micro_batch *m, lm_graph *g, lm_select *select)
{
    select->hidden |= t->how.cosine > 0;
    if (t->taps)
        lm_taps_student(t->taps, g, select);
    if (!by_token(t->objective)) {
        select->row_logits |= t->how.soft > 0;
    } else if (hears_all(t)) {
        select->tokens = NULL;
        select->count = m->batch.tokens;
        select->token_logits = true;
    }
}

/* lm_soft_read: logits of the tokens that are asked for, from the teacher's hidden states. */
static bool read_logits(void *context, int first, int n, float *logits, lm_status *st)
{
    lm_teaching *t = context;
    lm_arena *arena = lm_graph_arena(t->graph);
    lm_arena_mark mark = lm_arena_mark_get(arena);
    lm_tensor *all = lm_model_token_logits(t->model, t->graph, t->hidden, t->selected + first, n);
    const float *value = all ? lm_tensor_read(t->graph, all) : NULL;
    for (int i = 0; value && i < n; i++)
        memcpy(logits + (size_t)i * (size_t)t->columns, value + (size_t)i * (size_t)all->width,
               (size_t)t->columns * sizeof *logits);
    lm_arena_release(arena, mark);
    return value || lm_fail(st, LM_FAILED, "--teacher: it has no logits for tokens");
}

/* The teacher reads the batch: the hidden states, and the logits of rows. */
static lm_outputs ask(lm_teaching *t, const lm_micro_batch *m)
{
    bool tokens = by_token(t->objective);
    lm_select select = {.target = t->objective->tokens == LM_TOKENS_TARGETS ? &m->target : NULL,
                        .hidden = tokens || t->how.cosine > 0, .row_logits = !tokens && t->how.soft > 0};
    if (t->taps)
        lm_taps_teacher(t->taps, t->graph, &select);
    lm_graph_begin(t->graph, &m->batch, (lm_step){0});
    lm_outputs out = lm_model_forward(t->model, t->graph, &m->batch, &select);
    t->hidden = out.hidden;
    return out;
}

static void grow(lm_teaching *t, int tokens, int rows)
{
    if (tokens > t->token_cap) {
        t->token_cap = tokens;
        t->all_tokens = lm_realloc(t->all_tokens, (size_t)tokens, sizeof *t->all_tokens);
        t->label = lm_realloc(t->label, (size_t)tokens, sizeof *t->label);
        t->hard_weight = lm_realloc(t->hard_weight, (size_t)tokens, sizeof *t->hard_weight);
        t->cosine_weight = lm_realloc(t->cosine_weight, (size_t)tokens, sizeof *t->cosine_weight);
        t->soft_weight = lm_realloc(t->soft_weight, (size_t)tokens, sizeof *t->soft_weight);
        for (int i = 0; i < tokens; i++)
            t->all_tokens[i] = i;
        size_t numbers = (size_t)tokens * (size_t)t->form.width;
        t->index = lm_realloc(t->index, numbers, sizeof *t->index);
        t->top = lm_realloc(t->top, numbers, sizeof *t->top);
        t->rest = lm_realloc(t->rest, (size_t)tokens, sizeof *t->rest);
    }
    if (rows > t->row_cap && t->objective->row == LM_TARGET_CLASSES) {
        t->row_cap = rows;
        t->probability = lm_realloc(t->probability, (size_t)rows * (size_t)t->columns, sizeof *t->probability);
    }
}

/* What the stream says of the units from `first` on. */
static lm_soft_targets stored(const lm_teaching *t, const lm_step_rows *s, int first)
{
    size_t at = (size_t)first * (size_t)t->form.width;
    lm_soft_targets soft = {.columns = t->columns};
    if (t->form.whole) {
        soft.logits = s->soft_top + at;
    } else {
        soft.k = t->form.width;
        soft.index = s->soft_index + at;
        soft.top = s->soft_top + at;
        soft.rest = s->soft_rest + first;
    }
    return soft;
}

/* The same of the tokens that are asked for, n of them. */
static lm_soft_targets stored_tokens(lm_teaching *t, const lm_step_rows *s, int first, int n)
{
    lm_soft_targets all = stored(t, s, first);
    size_t width = (size_t)t->form.width;
    if (t->selected == t->all_tokens)
        return all;
    for (int i = 0; i < n; i++) {
        size_t from = (size_t)t->selected[i] * width, to = (size_t)i * width;
        memcpy(t->top + to, (all.logits ? all.logits : all.top) + from, width * sizeof *t->top);
        if (all.logits)
            continue;
        memcpy(t->index + to, all.index + from, width * sizeof *t->index);
        t->rest[i] = all.rest[t->selected[i]];
    }
    return all.logits ? (lm_soft_targets){.columns = t->columns, .logits = t->top}
                      : (lm_soft_targets){.columns = t->columns, .k = all.k, .index = t->index, .top = t->top, .rest = t->rest};
}

static lm_distillation how_of(const lm_teaching *t)
{
    return (lm_distillation){.divergence = t->divergence, .temperature = (float)t->how.temperature, .beta = (float)t->o->beta,
                             .soft = t->soft_weight};
}

/* Probabilities of classes that do not exclude one another. */
static lm_tensor *several(lm_teaching *t, const float *logits, int rows, lm_tensor *x, lm_graph *g)
{
    for (size_t i = 0; i < (size_t)rows * (size_t)t->columns; i++)
        t->probability[i] = 1 / (1 + expf(-logits[i]));
    return lm_binary_cross_entropy(g, x, t->probability, t->soft_weight, NULL);
}

/* What whole rows lose against the teacher. */
static lm_tensor *row_losses(lm_teaching *t, const lm_micro_batch *m, const lm_step_rows *s, lm_outputs out, lm_outputs theirs,
                             lm_graph *g)
{
    int rows = m->batch.rows;
    lm_distillation how = how_of(t);
    for (int r = 0; r < rows; r++)
        t->soft_weight[r] = (float)(t->how.soft * s->weight[m->first + r] / s->soft_count);
    how.teacher = t->model ? (lm_soft_targets){.columns = t->columns, .logits = lm_tensor_read(t->graph, theirs.row_logits)}
                           : stored(t, s, m->first);
    if (t->objective->row == LM_TARGET_CLASSES)
        return several(t, how.teacher.logits, rows, out.row_logits, g);
    if (t->objective->row == LM_TARGET_VALUE)
        return lm_squared_error(g, out.row_logits, how.teacher.logits, t->soft_weight, NULL);
    return lm_distillation_loss(g, out.row_logits, &how);
}

/* Labels and weights of the tokens that are asked for. */
static int weigh_tokens(lm_teaching *t, const lm_micro_batch *m, const lm_step_rows *s)
{
    bool all = hears_all(t);
    double soft = t->how.soft / s->soft_count, hard = s->token_count > 0 ? t->how.hard / s->token_count : 0;
    int n = all ? m->batch.tokens : m->count;
    t->selected = all ? t->all_tokens : m->selected;
    if (all)
        memcpy(t->label, s->token_label + s->row_splits[m->first], (size_t)n * sizeof *t->label);
    else
        memcpy(t->label, m->label, (size_t)n * sizeof *t->label);
    for (int r = 0, i = 0; all && r < m->batch.rows; r++)
        for (; i < m->batch.row_splits[r + 1]; i++)
            t->soft_weight[i] = s->weight[m->first + r];
    for (int i = 0; i < n; i++) {
        double weight = all ? t->soft_weight[i] : m->weight[i];
        t->soft_weight[i] = (float)(weight * soft);
        t->hard_weight[i] = (float)(weight * hard);
    }
    return n;
}

/* What tokens lose against the teacher, and by their labels, whose logits are computed once. */
static lm_tensor *token_losses(lm_teaching *t, const lm_micro_batch *m, const lm_step_rows *s, lm_outputs out, lm_graph *g)
{
    int n = weigh_tokens(t, m, s);
    lm_distillation how = how_of(t);
    how.label = t->label;
    how.hard = t->hard_weight;
    if (t->model) {
        how.teacher.columns = t->columns;
        how.read = read_logits;
        how.context = t;
    } else {
        how.teacher = stored_tokens(t, s, s->row_splits[m->first], n);
    }
    return lm_distillation_loss(g, out.token_logits, &how);
}

static lm_tensor *cosine_loss(lm_teaching *t, const lm_micro_batch *m, const lm_step_rows *s, lm_tensor *hidden, lm_graph *g)
{
    const int32_t *splits = hidden->rows == m->batch.tokens ? m->batch.row_splits : m->target.row_splits;
    for (int r = 0; r < m->batch.rows; r++)
        for (int i = splits[r]; i < splits[r + 1]; i++)
            t->cosine_weight[i] = (float)(t->how.cosine * s->weight[m->first + r] / s->all_count);
    return lm_cosine_loss(g, hidden, lm_tensor_read(t->graph, t->hidden), t->cosine_weight);
}

lm_tensor *lm_teaching_loss(lm_teaching *t, const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *targets,
                            lm_outputs out, lm_graph *g, lm_status *st)
{
    int tokens = m->batch.tokens > m->target.tokens ? m->batch.tokens : m->target.tokens;
    grow(t, tokens > m->batch.rows ? tokens : m->batch.rows, m->batch.rows);
    lm_outputs theirs = {0};
    if (t->model)
        theirs = ask(t, m);
    if (t->model && !lm_graph_end(t->graph, st)) {
        lm_fail_prefix(st, "--teacher");
        return NULL;
    }
    lm_tensor *loss = NULL;
    bool words = by_token(t->objective), labels = m->count > 0 || s->row_count > 0;
    if (t->how.soft > 0)
        loss = words ? token_losses(t, m, s, out, g) : row_losses(t, m, s, out, theirs, g);
    if (t->how.hard > 0 && labels && (!words || t->how.soft <= 0))
        loss = lm_plus(g, loss, lm_scale(g, lm_micro_batch_loss_of(m, s, targets, out, g), (float)t->how.hard));
    if (t->how.cosine > 0)
        loss = lm_plus(g, loss, cosine_loss(t, m, s, out.hidden, g));
    if (t->taps && !lm_taps_loss(t->taps, m, s, g, &loss, st))
        return NULL;
    if (!loss)
        lm_fail(st, LM_USAGE, "nothing that is compared with the teacher is trained: freeze less");
    return loss;
}

/* ------------------------------------------------------------------ what is said of it */

void lm_teaching_log(const lm_teaching *t)
{
    static const char *const names[] = {"KL(teacher||student)", "KL(student||teacher)", "the divergence of Jensen and Shannon",
                                        "the squared difference of the logits"};
    char *from = t->model ? lm_format("%s", lm_bundle_shown(t->o->teacher))
                          : lm_format("%s's logits (%s%d of each %s)", t->heard ? lm_bundle_shown(t->o->logits) : "the stream",
                                      t->form.whole ? "all " : "the largest ", t->form.width, t->form.per_token ? "token" : "row");
    char *layers = t->taps ? lm_taps_words(t->taps) : lm_strdup("");
    if (t->how.soft > 0)
        lm_info("teacher: %s: %g times %s at temperature %g, %g times the labels' loss%s%s", from, t->how.soft, names[t->divergence],
                t->how.temperature, t->how.hard, t->how.cosine > 0 ? ", and the angles of the last hidden states" : "", layers);
    else
        lm_info("teacher: %s: %g times the labels' loss%s%s", from, t->how.hard,
                t->how.cosine > 0 ? ", the angles of the last hidden states" : "", layers);
    free(layers);
    free(from);
}

void lm_teaching_run_options(const lm_teaching *t, json_t *all)
{
    json_t *of = json_pack("{s:f, s:s, s:f, s:f, s:f}", "temperature", t->how.temperature,
                           "divergence", lm_divergence_names[t->divergence], "alpha-ce", t->how.soft, "alpha-hard", t->how.hard,
                           "alpha-cos", t->how.cosine);
    if (t->taps) {
        json_object_set_new(of, "alpha-relation", json_real(t->how.relation));
        json_object_set_new(of, "alpha-hidden", json_real(t->how.hidden));
        json_object_set_new(of, "alpha-embedding", json_real(t->how.embedding));
        json_object_set_new(of, "layer-map", json_string(t->how.map));
        json_object_set_new(of, "relations", json_string(t->how.relations));
        json_object_set_new(of, "relation-loss", json_string(t->how.scores ? "scores" : "kl"));
        json_object_set_new(of, "hidden-loss", json_string(t->how.first_token ? "first" : "all"));
        json_object_set_new(of, "relation-heads", json_integer((json_int_t)t->o->relation_heads));
    }
    if (t->divergence == LM_JSD)
        json_object_set_new(of, "beta", json_real(t->o->beta));
    if (t->o->teacher)
        json_object_set_new(of, "teacher", json_string(t->o->teacher));
    if (t->o->logits)
        json_object_set_new(of, "logits", json_string(t->o->logits));
    if (t->o->layers)
        json_object_set_new(of, "init-from-teacher", json_string(t->o->layers));
    json_object_update(all, of);
    json_decref(of);
}
