#include "train/objectives/micro_batch.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void lm_micro_batch_free(lm_micro_batch *m)
{
    free(m->row_splits);
    free(m->target_splits);
    free(m->selected);
    free(m->label);
    free(m->weight);
    memset(m, 0, sizeof *m);
}

static void grow(lm_micro_batch *m, const lm_step_rows *s)
{
    int tokens = s->token_cap > s->target_cap ? s->token_cap : s->target_cap;
    if (m->row_cap < s->row_cap) {
        m->row_cap = s->row_cap;
        m->row_splits = lm_realloc(m->row_splits, (size_t)m->row_cap + 1, sizeof *m->row_splits);
        m->target_splits = lm_realloc(m->target_splits, (size_t)m->row_cap + 1, sizeof *m->target_splits);
    }
    if (m->token_cap < tokens) {
        m->token_cap = tokens;
        m->selected = lm_realloc(m->selected, (size_t)m->token_cap, sizeof *m->selected);
        m->label = lm_realloc(m->label, (size_t)m->token_cap, sizeof *m->label);
        m->weight = lm_realloc(m->weight, (size_t)m->token_cap, sizeof *m->weight);
    }
}

static void select_tokens(lm_micro_batch *m, const lm_step_rows *s, const int32_t *splits, const int32_t *labels,
                          int first, int last)
{
    int base = splits[first];
    for (int r = first; r < last; r++) {
        for (int i = splits[r]; i < splits[r + 1]; i++) {
            if (labels[i] == LM_IGNORE)
                continue;
            m->selected[m->count] = i - base;
            m->label[m->count] = labels[i];
            m->weight[m->count++] = s->weight[r];
        }
    }
}

/* What the second stack reads: the same rows, of other lengths. It has no segments. */
static void cut_target(lm_micro_batch *m, const lm_step_rows *s, int first, int last)
{
    int base = s->target_splits[first];
    for (int r = first; r <= last; r++)
        m->target_splits[r - first] = s->target_splits[r] - base;
    m->target = (lm_batch){.rows = last - first,
                           .tokens = s->target_splits[last] - base,
                           .row_splits = m->target_splits,
                           .ids = s->target_ids + base,
                           .types = NULL,
                           .positions = s->target_positions + base};
}

int lm_micro_batch_cut(lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t, int first,
                       int64_t tokens, int rows)
{
    grow(m, s);
    lm_token_target kind = t->objective->tokens;
    const int32_t *splits = s->row_splits, *target = s->target_splits; /* of no tokens where there is no target */
    int last = first + 1, base = splits[first], begun = 1;
    bool pairs = t->objective->answers == LM_ANSWERS_PAIRED; /* whose two rows stay together */
    last += pairs;
    for (; last < s->rows && (int64_t)(splits[last + 1] - base) + (target[last + 1] - target[first]) <= tokens; last++) {
        begun += s->place[last] >> 32 == 0;
        if (begun > rows)
            break;
    }
    last -= pairs && (last - first) % 2;
    for (int r = first; r <= last; r++)
        m->row_splits[r - first] = splits[r] - base;
    m->batch = (lm_batch){.rows = last - first,
                          .tokens = splits[last] - base,
                          .row_splits = m->row_splits,
                          .ids = s->ids + base,
                          .types = s->types + base,
                          .positions = s->positions + base};
    m->target = (lm_batch){0};
    m->place = s->place + first;
    m->first = first;
    m->count = 0;
    if (kind == LM_TOKENS_TARGETS) {
        cut_target(m, s, first, last);
        select_tokens(m, s, target, s->target_label, first, last);
    } else if (kind != LM_TOKENS_NONE) {
        select_tokens(m, s, splits, s->token_label, first, last);
    }
    return last;
}

/* ------------------------------------------------------------------ losses */

static lm_tensor *row_loss(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t, lm_graph *g,
                           lm_outputs out)
{
    const float *weight = s->weighted ? s->weight + m->first : NULL;
    const float *value = s->row_value ? s->row_value + (size_t)m->first * (size_t)t->classes : NULL;
    lm_balance how = {t->class_weight, t->focal_gamma, t->label_smoothing, m->plain};
    lm_tensor *sum;
    if (t->objective->row == LM_TARGET_CLASS)
        sum = lm_balanced_cross_entropy(g, out.row_logits, s->row_class + m->first, weight, &how, NULL);
    else if (t->objective->row == LM_TARGET_CLASSES)
        sum = lm_balanced_binary_cross_entropy(g, out.row_logits, value, weight, &how, NULL);
    else if (t->objective->row == LM_TARGET_SPAN)
        sum = lm_span_cross_entropy(g, out.token_logits, s->span + 2 * (size_t)m->first, weight, NULL);
    else
        sum = lm_squared_error(g, out.row_logits, value, weight, NULL);
    return lm_scale(g, sum, (float)(1 / s->row_count));
}

lm_select lm_micro_batch_select(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t)
{
    lm_target row = t->objective->row;
    bool rows = row != LM_TARGET_NONE && s->row_count > 0, span = rows && row == LM_TARGET_SPAN;
    return (lm_select){.target = t->objective->tokens == LM_TOKENS_TARGETS ? &m->target : NULL,
                       .tokens = span ? NULL : m->selected, /* an answer may be anywhere */
                       .count = span ? m->batch.tokens : m->count,
                       .token_logits = span || (m->count > 0 && s->token_count > 0),
                       .row_logits = rows && !span};
}

lm_tensor *lm_micro_batch_loss_of(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t,
                                  lm_outputs out, lm_graph *g)
{
    lm_tensor *loss = NULL;
    if (t->objective->tokens != LM_TOKENS_NONE && m->count > 0 && s->token_count > 0) {
        const float *weight = s->weighted ? m->weight : NULL;
        lm_balance how = {.smoothing = t->label_smoothing};
        if (t->objective->row == LM_TARGET_NONE)
            how = (lm_balance){t->class_weight, t->focal_gamma, t->label_smoothing, m->plain};
        loss = lm_balanced_cross_entropy(g, out.token_logits, m->label, weight, &how, NULL);
        loss = lm_scale(g, loss, (float)(1 / s->token_count));
    }
    if (t->objective->row != LM_TARGET_NONE && s->row_count > 0) {
        lm_tensor *rows = row_loss(m, s, t, g, out);
        loss = loss ? lm_add(g, loss, rows) : rows;
    }
    return loss;
}

lm_tensor *lm_micro_batch_loss(const lm_micro_batch *m, const lm_step_rows *s, const lm_targets *t,
                               lm_model *model, lm_graph *g)
{
    lm_select select = lm_micro_batch_select(m, s, t);
    if (!select.token_logits && !select.row_logits)
        return NULL;
    return lm_micro_batch_loss_of(m, s, t, lm_model_forward(model, g, &m->batch, &select), g);
}
