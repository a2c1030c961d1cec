#include "train/step_rows.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

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
    free(s->span);
    free(s->target_splits);
    free(s->target_ids);
    free(s->target_positions);
    free(s->target_label);
    lm_arena_free(s->room);
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
    s->span = lm_realloc(s->span, 2 * cap, sizeof *s->span);
    s->target_splits = lm_realloc(s->target_splits, cap + 1, sizeof *s->target_splits);
    if (columns(t))
        s->row_value = lm_realloc(s->row_value, cap * (size_t)columns(t), sizeof *s->row_value);
}

static int grown(int cap, int64_t wanted)
{
    return (int)(wanted > 2 * (int64_t)cap ? wanted : 2 * (int64_t)cap);
}

static void grow_tokens(lm_step_rows *s, int64_t tokens)
{
    if (tokens <= s->token_cap)
        return;
    size_t cap = (size_t)(s->token_cap = grown(s->token_cap, tokens));
    s->ids = lm_realloc(s->ids, cap, sizeof *s->ids);
    s->types = lm_realloc(s->types, cap, sizeof *s->types);
    s->positions = lm_realloc(s->positions, cap, sizeof *s->positions);
    s->token_label = lm_realloc(s->token_label, cap, sizeof *s->token_label);
}

static void grow_targets(lm_step_rows *s, int64_t tokens)
{
    if (tokens <= s->target_cap)
        return;
    size_t cap = (size_t)(s->target_cap = grown(s->target_cap, tokens));
    s->target_ids = lm_realloc(s->target_ids, cap, sizeof *s->target_ids);
    s->target_positions = lm_realloc(s->target_positions, cap, sizeof *s->target_positions);
    s->target_label = lm_realloc(s->target_label, cap, sizeof *s->target_label);
}

void lm_step_rows_begin(lm_step_rows *s, const lm_targets *t, int rows, int64_t tokens)
{
    grow_rows(s, t, rows > 0 ? rows : 1);
    grow_tokens(s, tokens > 0 ? tokens : 1);
    if (!s->room)
        s->room = lm_arena_new(0);
    s->rows = s->tokens = s->target_tokens = 0;
    s->row_splits[0] = s->target_splits[0] = 0;
    s->token_count = s->row_count = 0;
    s->weighted = false;
}

/* What a target counts for, as torch's mean of a weighted cross-entropy counts it. */
static float class_weight(const lm_targets *t, int32_t class)
{
    return class == LM_IGNORE ? 0 : t->class_weight ? t->class_weight[class] : 1;
}

static bool add_row_target(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t number,
                           float weight, lm_status *st)
{
    int r = s->rows;
    switch (t->objective->row) {
    case LM_TARGET_CLASS:
        if (!lm_targets_class(t, row, number, &s->row_class[r], st))
            return false;
        s->row_count += weight * class_weight(t, s->row_class[r]);
        break;
    case LM_TARGET_VALUE:
        if (!lm_targets_value(row, number, &s->row_value[r], st))
            return false;
        s->row_count += weight;
        break;
    case LM_TARGET_CLASSES:
        lm_targets_several(t, row, s->row_value + (size_t)r * (size_t)t->classes);
        s->row_count += (double)weight * t->classes;
        break;
    case LM_TARGET_SPAN:
        lm_targets_span(row, s->span + 2 * (size_t)r);
        s->row_count += s->span[2 * (size_t)r] != LM_IGNORE ? weight : 0;
        break;
    case LM_TARGET_NONE:
        break;
    }
    return true;
}

/* The second stack reads its target shifted by one, behind the token that it starts from (Sutskever et al. 2014, arXiv
 * 1409.3215; transformers' shift_tokens_right). */
static int add_second_stack(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row)
{
    int n = (int)row->target_len, at = s->target_tokens;
    int count = lm_targets_tokens(t, row, s->target_label + at);
    for (int i = 0; i < n; i++) {
        s->target_ids[at + i] = i ? row->target_ids[i - 1] : t->start_id;
        s->target_positions[at + i] = i;
    }
    s->target_tokens += n;
    return count;
}

static bool add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t number, int64_t place,
                lm_status *st)
{
    lm_token_target kind = t->objective->tokens;
    bool second = kind == LM_TOKENS_TARGETS;
    if ((int64_t)s->tokens + (int64_t)row->len > INT32_MAX / 2 ||
        (second && (int64_t)s->target_tokens + (int64_t)row->target_len > INT32_MAX / 2))
        return lm_fail(st, LM_FAILED, "a batch of more than %d tokens: lower --batch-size", INT32_MAX / 2);
    grow_rows(s, t, s->rows + 1);
    grow_tokens(s, (int64_t)s->tokens + (int64_t)row->len);
    if (second)
        grow_targets(s, (int64_t)s->target_tokens + (int64_t)row->target_len);
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
    int count = second                   ? add_second_stack(s, t, row)
                : kind != LM_TOKENS_NONE ? lm_targets_tokens(t, row, s->token_label + s->tokens)
                                         : 0;
    double counted = count;
    if (kind == LM_TOKENS_TAGS && t->class_weight) {
        counted = 0;
        for (size_t i = 0; i < row->len; i++)
            counted += (double)class_weight(t, s->token_label[(size_t)s->tokens + i]);
    }
    s->token_count += (double)weight * counted;
    s->tokens += (int)row->len;
    s->row_splits[++s->rows] = s->tokens;
    s->target_splits[s->rows] = s->target_tokens;
    return true;
}

bool lm_step_rows_add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t epoch,
                      uint64_t number, int64_t place, lm_status *st)
{
    lm_tokens_row learned;
    lm_targets_row(t, row, epoch, number, s->room, &learned);
    bool ok = add(s, t, &learned, number, place, st);
    lm_arena_reset(s->room);
    return ok;
}
