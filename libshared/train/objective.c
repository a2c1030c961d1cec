#include "train/objective.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lm_objective objectives[] = {
    {"mlm", "masked language modelling", "mlm", NULL, LM_TOKENS_MASKED, LM_TARGET_NONE},
    {"pretrain", "masked language modelling and next-sentence prediction", "pretrain", NULL,
     LM_TOKENS_MASKED, LM_TARGET_CLASS},
    {"classify", "one class a row", "classify", "single_label_classification", LM_TOKENS_NONE,
     LM_TARGET_CLASS},
    {"multilabel", "any number of classes a row", "classify", "multi_label_classification",
     LM_TOKENS_NONE, LM_TARGET_CLASSES},
    {"regress", "a number a row", "classify", "regression", LM_TOKENS_NONE, LM_TARGET_VALUE},
};

const lm_objective *lm_objective_at(size_t i)
{
    return i < sizeof objectives / sizeof *objectives ? &objectives[i] : NULL;
}

const lm_objective *lm_objective_find(const char *name)
{
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
        if (strcmp(objectives[i].name, name) == 0)
            return &objectives[i];
    return NULL;
}

/* ------------------------------------------------------------------ targets */

bool lm_targets_class(const lm_targets *t, const lm_tokens_row *row, uint64_t number, int32_t *class,
                      lm_status *st)
{
    unsigned long long at = number + 1;
    *class = LM_IGNORE;
    if (row->has_label_word && t->labels) {
        *class = lm_labels_find(t->labels, row->label_word);
        if (*class < 0)
            return lm_fail(st, LM_FAILED,
                           "row %llu: label '%.*s' is none of the model's %d: correct it, or name "
                           "all with --labels",
                           at, (int)row->label_word.len, row->label_word.data, lm_labels_count(t->labels));
        return true;
    }
    if (row->has_label_word) {
        char *end, text[32];
        snprintf(text, sizeof text, "%.*s", (int)row->label_word.len, row->label_word.data);
        long value = strtol(text, &end, 10);
        if (row->label_word.len >= sizeof text || end == text || *end || value < 0 || value >= t->classes)
            return lm_fail(st, LM_FAILED, "row %llu: label '%.*s' is no class from 0 to %d: correct it", at,
                           (int)row->label_word.len, row->label_word.data, t->classes - 1);
        *class = (int32_t)value;
        return true;
    }
    if (!row->has_label_id)
        return lm_fail(st, LM_FAILED, "row %llu: no label: name its column with tok --label", at);
    if (row->label_id != LM_IGNORE && (row->label_id < 0 || row->label_id >= t->classes))
        return lm_fail(st, LM_FAILED, "row %llu: label %d is not from 0 to %d: correct it", at, row->label_id,
                       t->classes - 1);
    *class = row->label_id;
    return true;
}

bool lm_targets_value(const lm_tokens_row *row, uint64_t number, float *value, lm_status *st)
{
    unsigned long long at = number + 1;
    *value = 0;
    if (row->has_label_float) {
        *value = row->label_float;
    } else if (row->has_label_id) {
        *value = (float)row->label_id;
    } else if (row->has_label_word) {
        char *end, text[64];
        snprintf(text, sizeof text, "%.*s", (int)row->label_word.len, row->label_word.data);
        *value = strtof(text, &end);
        if (row->label_word.len >= sizeof text || end == text || *end)
            return lm_fail(st, LM_FAILED,
                           "row %llu: label '%.*s' is no number: choose --task classify, or correct it", at,
                           (int)row->label_word.len, row->label_word.data);
    } else {
        return lm_fail(st, LM_FAILED, "row %llu: no label: name its column with tok --label", at);
    }
    if (!isfinite(*value))
        return lm_fail(st, LM_FAILED, "row %llu: its label is not finite: correct it", at);
    return true;
}

static bool check_row_target(const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st)
{
    int32_t class;
    float value;
    unsigned long long at = number + 1;
    switch (t->objective->row) {
    case LM_TARGET_CLASS:
        return lm_targets_class(t, row, number, &class, st);
    case LM_TARGET_VALUE:
        return lm_targets_value(row, number, &value, st);
    case LM_TARGET_CLASSES:
        if (!row->multi_label)
            return lm_fail(st, LM_FAILED, "row %llu: no multi_label column: tokenise with several labels",
                           at);
        if (row->classes != (size_t)t->classes)
            return lm_fail(st, LM_FAILED,
                           "row %llu: multi_label has %zu classes, the model %d: use one list of "
                           "classes",
                           at, row->classes, t->classes);
        return true;
    case LM_TARGET_SPAN:
    case LM_TARGET_NONE:
        break;
    }
    return true;
}

bool lm_targets_check(const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st)
{
    unsigned long long at = number + 1;
    char where[32];
    snprintf(where, sizeof where, "row %llu", at);
    if (t->max_length && row->len > (size_t)t->max_length)
        return lm_fail(st, LM_FAILED,
                       "row %llu: %zu tokens, and the model takes %d: tokenise with --max-length %d", at,
                       row->len, t->max_length, t->max_length);
    if (row->len > INT32_MAX / 4)
        return lm_fail(st, LM_FAILED, "row %llu: %zu tokens: tokenise with --max-length", at, row->len);
    if (!lm_tokens_check_ids(row->ids, row->len, t->vocab_size, where, st))
        return false;
    for (size_t i = 0; row->types && t->type_vocab_size && i < row->len; i++)
        if (row->types[i] >= t->type_vocab_size)
            return lm_fail(st, LM_FAILED,
                           "row %llu: segment %d, and the model has %d: use the model's tokenizer", at,
                           row->types[i], t->type_vocab_size);
    for (size_t i = 0; row->mlm_labels && t->objective->tokens == LM_TOKENS_MASKED && i < row->len; i++)
        if (row->mlm_labels[i] != LM_IGNORE &&
            (row->mlm_labels[i] < 0 || row->mlm_labels[i] >= t->vocab_size))
            return lm_fail(st, LM_FAILED,
                           "row %llu: mlm_labels: %d is no token of the vocabulary of %d: use the "
                           "model's tokenizer",
                           at, row->mlm_labels[i], t->vocab_size);
    if (row->has_weight && !(row->weight >= 0 && isfinite(row->weight)))
        return lm_fail(st, LM_FAILED, "row %llu: weight %g: give a finite one that is not negative", at,
                       (double)row->weight);
    return check_row_target(t, row, number, st);
}

/* ------------------------------------------------------------------ the rows of a step */

void lm_step_rows_free(lm_step_rows *s)
{
    free(s->row_splits);
    free(s->ids);
    free(s->types);
    free(s->positions);
    free(s->token_label);
    free(s->place);
    free(s->weight);
    free(s->row_class);
    free(s->row_value);
    memset(s, 0, sizeof *s);
}

static int columns(const lm_targets *t)
{
    lm_target row = t->objective->row;
    return row == LM_TARGET_CLASSES || row == LM_TARGET_VALUE ? t->classes : 0;
}

static void grow_rows(lm_step_rows *s, const lm_targets *t, int rows)
{
    if (rows <= s->row_cap)
        return;
    size_t cap = s->row_cap = rows > 2 * s->row_cap ? rows : 2 * s->row_cap;
    s->row_splits = lm_realloc(s->row_splits, cap + 1, sizeof *s->row_splits);
    s->place = lm_realloc(s->place, cap, sizeof *s->place);
    s->weight = lm_realloc(s->weight, cap, sizeof *s->weight);
    s->row_class = lm_realloc(s->row_class, cap, sizeof *s->row_class);
    if (columns(t))
        s->row_value = lm_realloc(s->row_value, cap * (size_t)columns(t), sizeof *s->row_value);
}

static void grow_tokens(lm_step_rows *s, int64_t tokens)
{
    if (tokens <= s->token_cap)
        return;
    size_t cap = s->token_cap =
        (int)(tokens > 2 * (int64_t)s->token_cap ? tokens : 2 * (int64_t)s->token_cap);
    s->ids = lm_realloc(s->ids, cap, sizeof *s->ids);
    s->types = lm_realloc(s->types, cap, sizeof *s->types);
    s->positions = lm_realloc(s->positions, cap, sizeof *s->positions);
    s->token_label = lm_realloc(s->token_label, cap, sizeof *s->token_label);
}

void lm_step_rows_begin(lm_step_rows *s, const lm_targets *t, int rows, int64_t tokens)
{
    grow_rows(s, t, rows > 0 ? rows : 1);
    grow_tokens(s, tokens > 0 ? tokens : 1);
    s->rows = s->tokens = 0;
    s->row_splits[0] = 0;
    s->token_count = s->row_count = 0;
    s->weighted = false;
}

static void add_masks(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t epoch,
                      uint64_t number, float weight)
{
    int32_t *label = s->token_label + s->tokens;
    int count = 0;
    if (!row->mlm_labels) {
        count = lm_mask_row(&t->masking, epoch, number, (int)row->len, s->ids + s->tokens, label);
    } else {
        memcpy(label, row->mlm_labels, row->len * sizeof *label);
        for (size_t i = 0; i < row->len; i++)
            count += label[i] != LM_IGNORE;
    }
    s->token_count += (double)weight * count;
}

static bool add_row_target(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t number,
                           float weight, lm_status *st)
{
    int r = s->rows;
    switch (t->objective->row) {
    case LM_TARGET_CLASS:
        if (!lm_targets_class(t, row, number, &s->row_class[r], st))
            return false;
        s->row_count += s->row_class[r] != LM_IGNORE ? weight : 0;
        break;
    case LM_TARGET_VALUE:
        if (!lm_targets_value(row, number, &s->row_value[r], st))
            return false;
        s->row_count += weight;
        break;
    case LM_TARGET_CLASSES:
        for (int c = 0; c < t->classes; c++)
            s->row_value[(size_t)r * (size_t)t->classes + (size_t)c] = row->multi_label[c] ? 1 : 0;
        s->row_count += (double)weight * t->classes;
        break;
    case LM_TARGET_SPAN:
    case LM_TARGET_NONE:
        break;
    }
    return true;
}

bool lm_step_rows_add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t epoch,
                      uint64_t number, int64_t place, lm_status *st)
{
    if ((int64_t)s->tokens + (int64_t)row->len > INT32_MAX / 2)
        return lm_fail(st, LM_FAILED, "a batch of more than %d tokens: lower --batch-size", INT32_MAX / 2);
    grow_rows(s, t, s->rows + 1);
    grow_tokens(s, (int64_t)s->tokens + (int64_t)row->len);
    float weight = row->has_weight ? row->weight : 1;
    s->weighted |= weight != 1;
    s->weight[s->rows] = weight;
    s->place[s->rows] = place;
    if (row->len)
        memcpy(s->ids + s->tokens, row->ids, row->len * sizeof *s->ids);
    for (int i = 0; i < (int)row->len; i++) {
        s->types[s->tokens + i] = row->types && t->type_vocab_size ? row->types[i] : 0;
        s->positions[s->tokens + i] = i;
    }
    if (!add_row_target(s, t, row, number, weight, st))
        return false;
    if (t->objective->tokens == LM_TOKENS_MASKED)
        add_masks(s, t, row, epoch, number, weight);
    s->tokens += (int)row->len;
    s->row_splits[++s->rows] = s->tokens;
    return true;
}

/* ------------------------------------------------------------------ micro-batches */

void lm_micro_batch_free(lm_micro_batch *m)
{
    free(m->row_splits);
    free(m->selected);
    free(m->label);
    free(m->weight);
    memset(m, 0, sizeof *m);
}

static void grow_micro(lm_micro_batch *m, const lm_step_rows *s)
{
    if (m->row_cap < s->row_cap) {
        m->row_cap = s->row_cap;
        m->row_splits = lm_realloc(m->row_splits, (size_t)m->row_cap + 1, sizeof *m->row_splits);
    }
    if (m->token_cap < s->token_cap) {
        m->token_cap = s->token_cap;
        m->selected = lm_realloc(m->selected, (size_t)m->token_cap, sizeof *m->selected);
        m->label = lm_realloc(m->label, (size_t)m->token_cap, sizeof *m->label);
        m->weight = lm_realloc(m->weight, (size_t)m->token_cap, sizeof *m->weight);
    }
}

static void select_tokens(lm_micro_batch *m, const lm_step_rows *s, int first, int last)
{
    int base = s->row_splits[first];
    for (int r = first; r < last; r++) {
        for (int i = s->row_splits[r]; i < s->row_splits[r + 1]; i++) {
            if (s->token_label[i] == LM_IGNORE)
                continue;
            m->selected[m->count] = i - base;
            m->label[m->count] = s->token_label[i];
            m->weight[m->count++] = s->weight[r];
        }
    }
}

int lm_micro_batch_cut(lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t, int first,
                       int64_t tokens, int rows)
{
    grow_micro(m, s);
    int last = first + 1, base = s->row_splits[first];
    while (last < s->rows && last - first < rows && s->row_splits[last + 1] - base <= tokens)
        last++;
    for (int r = first; r <= last; r++)
        m->row_splits[r - first] = s->row_splits[r] - base;
    m->batch = (lm_batch){.rows = last - first,
                          .tokens = s->row_splits[last] - base,
                          .row_splits = m->row_splits,
                          .ids = s->ids + base,
                          .types = s->types + base,
                          .positions = s->positions + base};
    m->place = s->place + first;
    m->first = first;
    m->count = 0;
    if (t->objective->tokens == LM_TOKENS_MASKED)
        select_tokens(m, s, first, last);
    return last;
}

static lm_tensor *row_loss(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t, lm_graph *g,
                           lm_tensor *logits)
{
    const float *weight = s->weighted ? s->weight + m->first : NULL;
    const float *value = s->row_value ? s->row_value + (size_t)m->first * (size_t)t->classes : NULL;
    lm_tensor *sum;
    if (t->objective->row == LM_TARGET_CLASS)
        sum = lm_cross_entropy(g, logits, s->row_class + m->first, weight, t->label_smoothing, NULL);
    else if (t->objective->row == LM_TARGET_CLASSES)
        sum = lm_binary_cross_entropy(g, logits, value, weight, NULL);
    else
        sum = lm_squared_error(g, logits, value, weight, NULL);
    return lm_scale(g, sum, (float)(1 / s->row_count));
}

lm_tensor *lm_micro_batch_loss(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t,
                               lm_model *model, lm_graph *g)
{
    lm_select select = {.tokens = m->selected,
                        .count = m->count,
                        .token_logits = m->count > 0 && s->token_count > 0,
                        .row_logits = t->objective->row != LM_TARGET_NONE && s->row_count > 0};
    if (!select.token_logits && !select.row_logits)
        return NULL;
    lm_outputs out = lm_model_forward(model, g, &m->batch, &select);
    lm_tensor *loss = NULL;
    if (select.token_logits) {
        loss = lm_cross_entropy(g, out.token_logits, m->label, s->weighted ? m->weight : NULL, 0, NULL);
        loss = lm_scale(g, loss, (float)(1 / s->token_count));
    }
    if (select.row_logits) {
        lm_tensor *rows = row_loss(m, s, t, g, out.row_logits);
        loss = loss ? lm_add(g, loss, rows) : rows;
    }
    return loss;
}
