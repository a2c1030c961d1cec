#include "train/objectives/step_rows.h"

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
    free(s->reference);
    free(s->desirable);
    free(s->margin);
    free(s->soft_index);
    free(s->soft_top);
    free(s->soft_rest);
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

/* Room for a teacher's logits of so many units. */
static void grow_soft(lm_step_rows *s, const lm_soft_form *f, size_t units)
{
    s->soft_top = lm_realloc(s->soft_top, units * (size_t)f->width, sizeof *s->soft_top);
    if (f->whole)
        return;
    s->soft_index = lm_realloc(s->soft_index, units * (size_t)f->width, sizeof *s->soft_index);
    s->soft_rest = lm_realloc(s->soft_rest, units, sizeof *s->soft_rest);
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
    if (t->objective->answers != LM_ANSWERS_NONE) {
        s->reference = lm_realloc(s->reference, cap, sizeof *s->reference);
        s->desirable = lm_realloc(s->desirable, cap, sizeof *s->desirable);
        s->margin = lm_realloc(s->margin, cap, sizeof *s->margin);
    }
    if (columns(t))
        s->row_value = lm_realloc(s->row_value, cap * (size_t)columns(t), sizeof *s->row_value);
    if (t->soft.width && !t->soft.per_token)
        grow_soft(s, &t->soft, cap);
}

static int grown(int cap, int64_t wanted)
{
    return (int)(wanted > 2 * (int64_t)cap ? wanted : 2 * (int64_t)cap);
}

static void grow_tokens(lm_step_rows *s, const lm_targets *t, int64_t tokens)
{
    if (tokens <= s->token_cap)
        return;
    size_t cap = (size_t)(s->token_cap = grown(s->token_cap, tokens));
    s->ids = lm_realloc(s->ids, cap, sizeof *s->ids);
    s->types = lm_realloc(s->types, cap, sizeof *s->types);
    s->positions = lm_realloc(s->positions, cap, sizeof *s->positions);
    s->token_label = lm_realloc(s->token_label, cap, sizeof *s->token_label);
    if (t->soft.width && t->soft.per_token)
        grow_soft(s, &t->soft, cap);
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
    grow_tokens(s, t, tokens > 0 ? tokens : 1);
    if (!s->room)
        s->room = lm_arena_new(0);
    s->rows = s->tokens = s->examples = s->target_tokens = 0;
    s->row_splits[0] = s->target_splits[0] = 0;
    s->token_count = s->row_count = s->soft_count = s->all_count = 0;
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

/* Closes the row of the step that ends `tokens` tokens on. */
static void end_row(lm_step_rows *s, int tokens, float weight, int64_t place)
{
    s->weight[s->rows] = weight;
    s->place[s->rows] = place;
    for (int i = 0; i < tokens; i++)
        s->positions[s->tokens + i] = i;
    s->tokens += tokens;
    s->row_splits[++s->rows] = s->tokens;
    s->target_splits[s->rows] = s->target_tokens;
}

/* What the row brings of a teacher; before its end is noted. */
static void add_soft(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row)
{
    const lm_soft_form *f = &t->soft;
    const lm_tokens_logits *l = &row->logits;
    size_t at = (size_t)(f->per_token ? s->tokens : s->rows), units = f->per_token ? row->len : 1;
    size_t width = (size_t)f->width, bytes = units * width * sizeof(float);
    if (!width || !units)
        return;
    memcpy(s->soft_top + at * width, f->whole ? l->all : l->top, bytes);
    if (f->whole)
        return;
    memcpy(s->soft_index + at * width, l->index, bytes);
    memcpy(s->soft_rest + at, l->rest, units * sizeof *l->rest);
}

/* What the row adds to the divisors of a teacher's losses; `labelled`: what carries a label, weighted. */
static void count_soft(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, float weight, double labelled)
{
    size_t tokens = t->objective->tokens == LM_TOKENS_TARGETS ? row->target_len : row->len;
    s->all_count += (double)weight * (double)tokens;
    if (t->objective->tokens == LM_TOKENS_NONE)
        s->soft_count += weight;
    else
        s->soft_count += t->soft.all_tokens ? (double)weight * (double)tokens : labelled;
}

static bool add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t number, int64_t place,
                lm_status *st)
{
    lm_token_target kind = t->objective->tokens;
    bool second = kind == LM_TOKENS_TARGETS;
    if ((int64_t)s->tokens + (int64_t)row->len > INT32_MAX / 2 ||
        (second && (int64_t)s->target_tokens + (int64_t)row->target_len > INT32_MAX / 2))
        return lm_fail(st, LM_FAILED, "a batch of more than %d tokens: lower --batch-size", INT32_MAX / 2);
    bool packed = row->seq_count > 1 && !second && t->objective->row == LM_TARGET_NONE;
    int texts = packed ? (int)row->seq_count : 1;
    grow_rows(s, t, s->rows + texts);
    grow_tokens(s, t, (int64_t)s->tokens + (int64_t)row->len);
    if (second)
        grow_targets(s, (int64_t)s->target_tokens + (int64_t)row->target_len);
    float weight = row->has_weight ? row->weight : 1;
    s->weighted |= weight != 1;
    if (row->len)
        memcpy(s->ids + s->tokens, row->ids, row->len * sizeof *s->ids);
    for (int i = 0; i < (int)row->len; i++)
        s->types[s->tokens + i] = row->types && t->type_vocab_size ? row->types[i] : 0;
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
    if (t->soft.taught)
        count_soft(s, t, row, weight, (double)weight * counted);
    add_soft(s, t, row);
    int64_t begun = 0;
    for (int k = 0; k < texts; k++)
        if (!packed || row->seq_lengths[k])
            end_row(s, packed ? row->seq_lengths[k] : (int)row->len, weight, place | begun++ << 32);
    s->examples++;
    return true;
}

/* The answers of a row, as rows of the step. Where nothing is to be learned from them they weigh nothing. */
static bool add_answers(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t number, int64_t place, lm_status *st)
{
    lm_tokens_row answers[2];
    bool pairs = t->objective->answers == LM_ANSWERS_PAIRED, good = false;
    int n = lm_targets_answers(t, row, answers), examples = s->examples;
    float weight = !lm_targets_any(t, row) ? 0 : row->has_weight ? row->weight : 1;
    if (!pairs && !lm_targets_desirable(row, number, &good, st))
        return false;
    for (int k = 0; k < n; k++) {
        int at = s->rows;
        answers[k].has_weight = true;
        answers[k].weight = weight;
        if (!add(s, t, &answers[k], number, place | (int64_t)k << 32, st))
            return false;
        const lm_tokens_answer *from = !pairs ? NULL : k ? &row->rejected : &row->chosen;
        s->reference[at] = t->reference ? (float)lm_targets_reference(&answers[k], from) : 0;
        s->desirable[at] = good;
        s->margin[at] = row->has_label_float ? row->label_float : 0;
    }
    s->row_count += weight;
    s->examples = examples + 1;
    return true;
}

bool lm_step_rows_add(lm_step_rows *s, const lm_targets *t, const lm_tokens_row *row, uint64_t epoch,
                      uint64_t number, int64_t place, lm_status *st)
{
    if (t->objective->answers == LM_ANSWERS_PAIRED || t->objective->answers == LM_ANSWERS_JUDGED)
        return add_answers(s, t, row, number, place, st);
    lm_tokens_row learned;
    lm_targets_row(t, row, epoch, number, s->room, &learned);
    bool ok = add(s, t, &learned, number, place, st);
    lm_arena_reset(s->room);
    return ok;
}

/* ------------------------------------------------------------------ parts of a step, and other processes */

/* What every array has for a row, and for a token of it: all that a step's rows are. */
typedef struct array {
    void *items;
    size_t size;          /* of an item */
    const int32_t *splits; /* an item for each token, by these; NULL = for each row */
} array;

enum { ARRAYS = 12 };

/* The arrays that are filled, but row_splits and target_splits. */
static int arrays_of(const lm_step_rows *s, const lm_targets *t, array list[ARRAYS])
{
    lm_token_target tokens = t->objective->tokens;
    int n = 0;
    list[n++] = (array){s->place, sizeof *s->place, NULL};
    list[n++] = (array){s->weight, sizeof *s->weight, NULL};
    if (t->objective->row == LM_TARGET_CLASS)
        list[n++] = (array){s->row_class, sizeof *s->row_class, NULL};
    if (columns(t))
        list[n++] = (array){s->row_value, (size_t)columns(t) * sizeof *s->row_value, NULL};
    if (t->objective->row == LM_TARGET_SPAN)
        list[n++] = (array){s->span, 2 * sizeof *s->span, NULL};
    list[n++] = (array){s->ids, sizeof *s->ids, s->row_splits};
    list[n++] = (array){s->types, sizeof *s->types, s->row_splits};
    list[n++] = (array){s->positions, sizeof *s->positions, s->row_splits};
    if (tokens != LM_TOKENS_NONE && tokens != LM_TOKENS_TARGETS)
        list[n++] = (array){s->token_label, sizeof *s->token_label, s->row_splits};
    if (tokens == LM_TOKENS_TARGETS) {
        list[n++] = (array){s->target_ids, sizeof *s->target_ids, s->target_splits};
        list[n++] = (array){s->target_positions, sizeof *s->target_positions, s->target_splits};
        list[n++] = (array){s->target_label, sizeof *s->target_label, s->target_splits};
    }
    return n;
}

/* Room for so much, and the totals; row_splits and target_splits are the caller's to fill. */
static void begin_of(lm_step_rows *s, const lm_targets *t, int rows, int tokens, int target_tokens)
{
    lm_step_rows_begin(s, t, rows, tokens);
    grow_targets(s, target_tokens);
    s->rows = rows;
    s->tokens = tokens;
    s->target_tokens = target_tokens;
}

void lm_step_rows_part(const lm_step_rows *s, const lm_targets *t, const int *rows, int count, lm_step_rows *out)
{
    array from[ARRAYS], to[ARRAYS];
    int tokens = 0, target_tokens = 0;
    for (int i = 0; i < count; i++) {
        tokens += s->row_splits[rows[i] + 1] - s->row_splits[rows[i]];
        target_tokens += s->target_splits[rows[i] + 1] - s->target_splits[rows[i]];
    }
    begin_of(out, t, count, tokens, target_tokens);
    out->token_count = s->token_count;
    out->row_count = s->row_count;
    out->weighted = s->weighted;
    int n = arrays_of(s, t, from);
    arrays_of(out, t, to);
    for (int i = 0; i < count; i++) {
        int r = rows[i];
        out->examples += s->place[r] >> 32 == 0;
        out->row_splits[i + 1] = out->row_splits[i] + s->row_splits[r + 1] - s->row_splits[r];
        out->target_splits[i + 1] = out->target_splits[i] + s->target_splits[r + 1] - s->target_splits[r];
        for (int k = 0; k < n; k++) {
            size_t first = (size_t)(from[k].splits ? from[k].splits[r] : r);
            size_t last = (size_t)(from[k].splits ? from[k].splits[r + 1] : r + 1);
            size_t at = (size_t)(to[k].splits ? to[k].splits[i] : i);
            if (last > first)
                memcpy((char *)to[k].items + at * to[k].size, (const char *)from[k].items + first * from[k].size,
                       (last - first) * from[k].size);
        }
    }
}

typedef struct packed {
    int32_t rows, examples, tokens, target_tokens, weighted;
    double token_count, row_count;
} packed;

static size_t bytes_of(const array *a, const packed *p, const lm_step_rows *s)
{
    return a->size * (size_t)(!a->splits ? p->rows : a->splits == s->row_splits ? p->tokens : p->target_tokens);
}

void lm_step_rows_pack(const lm_step_rows *s, const lm_targets *t, lm_buf *out)
{
    packed p = {s->rows, s->examples, s->tokens, s->target_tokens, s->weighted, s->token_count, s->row_count};
    size_t splits = ((size_t)s->rows + 1) * sizeof *s->row_splits;
    array list[ARRAYS];
    int n = arrays_of(s, t, list);
    lm_buf_append(out, &p, sizeof p);
    lm_buf_append(out, s->row_splits, splits);
    lm_buf_append(out, s->target_splits, splits);
    for (int k = 0; k < n; k++)
        if (bytes_of(&list[k], &p, s))
            lm_buf_append(out, list[k].items, bytes_of(&list[k], &p, s));
}

bool lm_step_rows_unpack(lm_step_rows *s, const lm_targets *t, const void *bytes, size_t size, lm_status *st)
{
    static const char what[] = "a part of a step: it is not whole: the processes are not of one version of lmutils";
    packed p;
    if (size < sizeof p)
        return lm_fail(st, LM_FAILED, "%s", what);
    memcpy(&p, bytes, sizeof p);
    if (p.rows < 0 || p.tokens < 0 || p.target_tokens < 0)
        return lm_fail(st, LM_FAILED, "%s", what);
    begin_of(s, t, p.rows, p.tokens, p.target_tokens);
    s->examples = p.examples;
    s->token_count = p.token_count;
    s->row_count = p.row_count;
    s->weighted = p.weighted;
    array list[ARRAYS];
    int n = arrays_of(s, t, list);
    size_t splits = ((size_t)p.rows + 1) * sizeof *s->row_splits, all = sizeof p + 2 * splits;
    for (int k = 0; k < n; k++)
        all += bytes_of(&list[k], &p, s);
    if (all != size)
        return lm_fail(st, LM_FAILED, "%s", what);
    const char *from = (const char *)bytes + sizeof p;
    memcpy(s->row_splits, from, splits);
    memcpy(s->target_splits, from + splits, splits);
    from += 2 * splits;
    for (int k = 0; k < n; from += bytes_of(&list[k++], &p, s))
        if (bytes_of(&list[k], &p, s))
            memcpy(list[k].items, from, bytes_of(&list[k], &p, s));
    return true;
}
