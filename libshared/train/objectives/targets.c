#include "train/objectives/targets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ of a whole row */

/* A class that the model does not have: no loss where that is wanted, else what lm_fail says. */
#define UNKNOWN(t, class, ...) \
    ((t)->skip_unknown ? (*(class) = LM_IGNORE, true) : lm_fail(st, LM_FAILED, __VA_ARGS__))

bool lm_targets_class(const lm_targets *t, const lm_tokens_row *row, uint64_t number, int32_t *class,
                      lm_status *st)
{
    unsigned long long at = number + 1;
    *class = LM_IGNORE;
    if (row->has_label_word && t->labels) {
        *class = lm_labels_find(t->labels, row->label_word);
        if (*class < 0)
            return UNKNOWN(t, class,
                           "row %llu: label '%.*s' is none of the model's %d: correct it, name all with --labels, or "
                           "leave such rows out with --skip-unknown",
                           at, (int)row->label_word.len, row->label_word.data, lm_labels_count(t->labels));
        return true;
    }
    if (row->has_label_word) {
        char *end, text[32];
        snprintf(text, sizeof text, "%.*s", (int)row->label_word.len, row->label_word.data);
        long value = strtol(text, &end, 10);
        if (row->label_word.len >= sizeof text || end == text || *end || value < 0 || value >= t->classes)
            return UNKNOWN(t, class, "row %llu: label '%.*s' is no class from 0 to %d: correct it", at,
                           (int)row->label_word.len, row->label_word.data, t->classes - 1);
        *class = (int32_t)value;
        return true;
    }
    if (!row->has_label_id)
        return lm_fail(st, LM_FAILED, "row %llu: no label: name its column with tok --label", at);
    if (row->label_id != LM_IGNORE && (row->label_id < 0 || row->label_id >= t->classes))
        return UNKNOWN(t, class, "row %llu: label %d is not from 0 to %d: correct it", at, row->label_id,
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

/* Classes of the stream that tags and several labels are numbers of. */
static int stream_classes(const lm_targets *t)
{
    return t->class_of ? t->stream_classes : t->classes;
}

void lm_targets_several(const lm_targets *t, const lm_tokens_row *row, float *value)
{
    for (int c = 0; c < t->classes; c++)
        value[c] = 0;
    for (int c = 0; c < stream_classes(t); c++) {
        int32_t class = t->class_of ? t->class_of[c] : c;
        if (row->multi_label[c] && class != LM_IGNORE)
            value[class] = 1;
    }
}

void lm_targets_span(const lm_tokens_row *row, int32_t span[2])
{
    for (int i = 0; i < 2; i++)
        span[i] = row->answer ? row->answer[i] : LM_IGNORE;
}

static bool check_span(const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    if (!row->answer)
        return lm_fail(st, LM_FAILED, "row %llu: no answer column: name the field of the answers with tok --answer",
                       at);
    int32_t first = row->answer[0], last = row->answer[1];
    if (first == LM_IGNORE && last == LM_IGNORE)
        return true;
    if (first < 0 || last < first || (size_t)last >= row->len)
        return lm_fail(st, LM_FAILED, "row %llu: an answer from token %d to %d, of %zu: make the tokens again", at,
                       first, last, row->len);
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
        if (row->classes != (size_t)stream_classes(t))
            return lm_fail(st, LM_FAILED,
                           "row %llu: multi_label has %zu classes, and %d are expected: use one list of "
                           "classes",
                           at, row->classes, stream_classes(t));
        return true;
    case LM_TARGET_SPAN:
        return check_span(row, at, st);
    case LM_TARGET_NONE:
        break;
    }
    return true;
}

/* ------------------------------------------------------------------ of its tokens */

/* The model's class for a tag of the stream. */
static int32_t tag_class(const lm_targets *t, int32_t tag)
{
    if (tag < 0 || (t->class_of && tag >= t->stream_classes))
        return LM_IGNORE;
    int32_t class = t->class_of ? t->class_of[tag] : tag;
    return class >= 0 && class < t->classes ? class : LM_IGNORE;
}

static bool check_tags(const lm_targets *t, const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    int tags = stream_classes(t);
    if (!row->tags)
        return lm_fail(st, LM_FAILED,
                       "row %llu: no tags column: give tok a tag for each word (--input-format conll, or lists)", at);
    for (size_t i = 0; i < row->len; i++)
        if (row->tags[i] != LM_IGNORE && (row->tags[i] < 0 || (row->tags[i] >= tags && !t->skip_unknown)))
            return lm_fail(st, LM_FAILED, "row %llu: token %zu has tag %d, and there are 0 to %d: correct it", at, i + 1,
                           row->tags[i], tags - 1);
    return true;
}

static bool check_masks(const lm_targets *t, const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    const lm_masking *m = &t->masking;
    if (lm_mask_by_words(m) && !row->mlm_labels && !row->word_ids && !m->continues)
        return lm_fail(st, LM_FAILED,
                       "row %llu: nothing tells where words begin, which --%s needs: the vocabulary has no pieces with ##, and "
                       "the stream no word_ids column: make it with tok --word-ids",
                       at, m->whole_words ? "whole-word-mask" : "masking spanbert");
    for (size_t i = 0; row->mlm_labels && i < row->len; i++)
        if (row->mlm_labels[i] != LM_IGNORE &&
            (row->mlm_labels[i] < 0 || row->mlm_labels[i] >= t->vocab_size))
            return lm_fail(st, LM_FAILED,
                           "row %llu: mlm_labels: %d is no token of the vocabulary of %d: use the "
                           "model's tokenizer",
                           at, row->mlm_labels[i], t->vocab_size);
    return true;
}

/* Rows that get their targets by what is hidden of them. */
static bool check_spans(const lm_targets *t, const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    int hidden, spans = t->objective->noise == LM_NOISE_SPANS ? lm_span_count(&t->spans, (int)row->len, &hidden) : 0;
    return spans <= t->spans.sentinel_count ||
           lm_fail(st, LM_FAILED,
                   "row %llu: %zu tokens have %d hidden spans, and the tokenizer has %d <extra_id_...> for them: make shorter "
                   "rows (tok --max-length), or longer spans (--mean-span-length)",
                   at, row->len, spans, t->spans.sentinel_count);
}

static bool check_token_targets(const lm_targets *t, const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    char where[48];
    switch (t->objective->tokens) {
    case LM_TOKENS_MASKED:
        return check_masks(t, row, at, st);
    case LM_TOKENS_TAGS:
        return check_tags(t, row, at, st);
    case LM_TOKENS_NEXT:
        if (t->objective->masked_loss && t->objective->answers != LM_ANSWERS_SAMPLED &&
            t->objective->noise == LM_NOISE_NONE && !row->loss_mask)
            return lm_fail(st, LM_FAILED,
                           "row %llu: no loss_mask column, which says what is an answer: make the tokens with tok --chat, "
                           "or learn all of the text with --task clm",
                           at);
        return true;
    case LM_TOKENS_TARGETS:
        if (!row->target_ids && t->objective->noise != LM_NOISE_NONE)
            return check_spans(t, row, at, st);
        if (!row->target_ids)
            return lm_fail(st, LM_FAILED,
                           "row %llu: no target_ids column, which is the text to be written: name its field with tok --target, or "
                           "learn from the text alone (pretrain --objective span-corruption)",
                           at);
        if (row->target_len > INT32_MAX / 4)
            return lm_fail(st, LM_FAILED, "row %llu: a target of %zu tokens: shorten it", at, row->target_len);
        snprintf(where, sizeof where, "row %llu: target_ids", at);
        return lm_tokens_check_ids(row->target_ids, row->target_len, t->vocab_size, where, st);
    case LM_TOKENS_NONE:
        break;
    }
    return true;
}

/* Whether the objective hides something of this row, and the row has not been made so already. */
static bool is_to_hide(const lm_objective *o, const lm_tokens_row *row)
{
    return o->noise != LM_NOISE_NONE && !(o->tokens == LM_TOKENS_MASKED    ? (const void *)row->mlm_labels
                                          : o->tokens == LM_TOKENS_TARGETS ? (const void *)row->target_ids
                                                                           : (const void *)row->loss_mask);
}

static void mask(const lm_targets *t, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room)
{
    int32_t *ids = lm_arena_alloc(room, row->len + 1, sizeof *ids);
    int32_t *label = lm_arena_alloc(room, row->len + 1, sizeof *label);
    if (row->len)
        memcpy(ids, row->ids, row->len * sizeof *ids);
    lm_mask_row(&t->masking, epoch, number, (int)row->len, ids, row->word_ids, label, room);
    row->ids = ids;
    row->mlm_labels = label;
}

void lm_targets_row(const lm_targets *t, const lm_tokens_row *row, uint64_t epoch, uint64_t number, lm_arena *room,
                    lm_tokens_row *out)
{
    const lm_objective *o = t->objective;
    *out = *row;
    if (!is_to_hide(o, row))
        return;
    if (o->noise == LM_NOISE_MASKS)
        mask(t, epoch, number, out, room);
    else if (o->noise == LM_NOISE_SPANS)
        lm_corrupt_spans(&t->spans, epoch, number, out, room);
    else if (o->tokens == LM_TOKENS_TARGETS)
        lm_split_prefix(&t->spans, epoch, number, out, room);
    else
        lm_mask_prefix(&t->spans, epoch, number, out, room);
}

void lm_targets_lengths(const lm_targets *t, const lm_tokens_row *row, uint32_t *tokens, uint32_t *target)
{
    const lm_objective *o = t->objective;
    bool second = o->tokens == LM_TOKENS_TARGETS;
    int n = (int)row->len, input = n, written = second ? (int)row->target_len : 0;
    if (second && is_to_hide(o, row) && o->noise == LM_NOISE_SPANS) {
        lm_span_lengths(&t->spans, n, &input, &written);
    } else if (second && is_to_hide(o, row)) { /* on average */
        input = n / 2 + 1;
        written = n - n / 2 + 1;
    }
    *tokens = (uint32_t)input;
    *target = (uint32_t)written;
}

/* The last tokens of a packed row's texts have no next one. */
static int part_texts(const lm_tokens_row *row, int32_t *label)
{
    int parted = 0;
    size_t end = 0;
    for (size_t k = 0; k + 1 < row->seq_count; k++) {
        end += (size_t)row->seq_lengths[k];
        if (end && label[end - 1] != LM_IGNORE) {
            label[end - 1] = LM_IGNORE;
            parted++;
        }
    }
    return parted;
}

int lm_targets_tokens(const lm_targets *t, const lm_tokens_row *row, int32_t *label)
{
    const lm_objective *o = t->objective;
    size_t n = o->tokens == LM_TOKENS_TARGETS ? row->target_len : row->len;
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        bool next = o->tokens == LM_TOKENS_NEXT && i + 1 < n && (!o->masked_loss || (row->loss_mask && row->loss_mask[i + 1]));
        label[i] = o->tokens == LM_TOKENS_TARGETS ? row->target_ids[i]
                   : o->tokens == LM_TOKENS_MASKED ? row->mlm_labels[i]
                   : o->tokens == LM_TOKENS_TAGS  ? tag_class(t, row->tags[i])
                   : next                         ? row->ids[i + 1]
                                                  : LM_IGNORE;
        count += label[i] != LM_IGNORE;
    }
    return o->tokens == LM_TOKENS_NEXT ? count - part_texts(row, label) : count;
}

/* ------------------------------------------------------------------ answers that are compared or judged */

int lm_targets_answers(const lm_targets *t, const lm_tokens_row *row, lm_tokens_row answers[2])
{
    if (t->objective->answers != LM_ANSWERS_PAIRED) {
        answers[0] = *row;
        return 1;
    }
    answers[0] = lm_tokens_answer_row(row, &row->chosen);
    answers[1] = lm_tokens_answer_row(row, &row->rejected);
    return 2;
}

/* Tokens of an answer; those that nothing comes before are predicted by nothing. */
static size_t answer_length(const lm_tokens_row *answer)
{
    size_t count = 0;
    for (size_t i = 1; i < answer->len; i++)
        count += answer->loss_mask[i] != 0;
    return count;
}

/* Nothing is learned from an answer without tokens, nor from two that are the same. */
static bool any_answer(const lm_targets *t, const lm_tokens_row *row)
{
    lm_tokens_row a[2];
    if (t->objective->answers == LM_ANSWERS_SAMPLED)
        return row->len > 0;
    int n = lm_targets_answers(t, row, a);
    for (int i = 0; i < n; i++)
        if (!answer_length(&a[i]))
            return false;
    return n < 2 || a[0].len != a[1].len || memcmp(a[0].ids, a[1].ids, a[0].len * sizeof *a[0].ids) != 0;
}

double lm_targets_reference(const lm_tokens_row *row, const lm_tokens_answer *answer)
{
    double sum = 0;
    if (answer && answer->summed)
        return (double)*answer->logprobs;
    for (size_t i = 1; i < row->len; i++)
        sum += row->loss_mask[i] ? (double)row->logprobs[i] : 0;
    return sum;
}

bool lm_targets_desirable(const lm_tokens_row *row, uint64_t number, bool *good, lm_status *st)
{
    static const char *const yes[] = {"true", "1", "desirable", "good", "yes", NULL};
    static const char *const no[] = {"false", "0", "undesirable", "bad", "no", NULL};
    if (row->has_desirable || row->has_label_id) {
        *good = row->has_desirable ? row->desirable != 0 : row->label_id != 0;
        return true;
    }
    for (int i = 0; row->has_label_word && yes[i]; i++) {
        bool is = lm_str_is(row->label_word, yes[i]);
        if (is || lm_str_is(row->label_word, no[i])) {
            *good = is;
            return true;
        }
    }
    unsigned long long at = number + 1;
    if (row->has_label_word)
        return lm_fail(st, LM_FAILED, "row %llu: label '%.*s' does not say whether the answer is a good one: give true or false", at,
                       (int)row->label_word.len, row->label_word.data);
    return lm_fail(st, LM_FAILED, "row %llu: nothing says whether the answer is a good one: name the field with tok --label", at);
}

static bool check_reference(const lm_tokens_row *row, const lm_tokens_answer *answer, unsigned long long at, lm_status *st)
{
    if (!(answer ? answer->logprobs : row->logprobs))
        return lm_fail(st, LM_FAILED, "row %llu: no log-probabilities of the reference, which the first row to learn from has: make them "
                       "with score --emit logprobs, or give --ref-model", at);
    double sum = lm_targets_reference(row, answer);
    return isfinite(sum) || lm_fail(st, LM_FAILED, "row %llu: the reference's log-probability is no finite number: make it again", at);
}

/* ------------------------------------------------------------------ the row */

bool lm_targets_any(const lm_targets *t, const lm_tokens_row *row)
{
    const lm_objective *o = t->objective;
    if (o->answers != LM_ANSWERS_NONE)
        return any_answer(t, row);
    lm_status ignored = LM_STATUS_INIT;
    int32_t class = 0;
    bool any = o->row == LM_TARGET_VALUE || o->row == LM_TARGET_CLASSES ||
               (o->row == LM_TARGET_CLASS && lm_targets_class(t, row, 0, &class, &ignored) && class != LM_IGNORE) ||
               (o->row == LM_TARGET_SPAN && row->answer[0] != LM_IGNORE);
    if (is_to_hide(o, row))
        return any || (o->noise == LM_NOISE_MASKS ? lm_mask_any(&t->masking, (int)row->len, row->ids)
                                                  : row->len > (o->tokens == LM_TOKENS_NEXT));
    any = any || (o->tokens == LM_TOKENS_TARGETS && row->target_len) ||
          (o->tokens == LM_TOKENS_NEXT && !o->masked_loss && row->len > 1);
    for (size_t i = 0; i < row->len && !any; i++)
        any = (o->tokens == LM_TOKENS_TAGS && tag_class(t, row->tags[i]) != LM_IGNORE) ||
              (o->tokens == LM_TOKENS_MASKED && row->mlm_labels[i] != LM_IGNORE) ||
              (o->tokens == LM_TOKENS_NEXT && o->masked_loss && i && row->loss_mask[i]);
    return any;
}

/* seq_lengths part all of the row. */
static bool check_texts(const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    size_t sum = 0;
    for (size_t k = 0; k < row->seq_count; k++) {
        if (row->seq_lengths[k] < 0 || (size_t)row->seq_lengths[k] > row->len - sum)
            return lm_fail(st, LM_FAILED, "row %llu: seq_lengths[%zu] is %d, and %zu tokens are left: make the tokens again", at, k,
                           row->seq_lengths[k], row->len - sum);
        sum += (size_t)row->seq_lengths[k];
    }
    return sum == row->len || !row->seq_lengths ||
           lm_fail(st, LM_FAILED, "row %llu: seq_lengths are %zu tokens in all, and the row has %zu: make the tokens again", at, sum,
                   row->len);
}

/* A teacher's logits: of one form in all rows, and of columns that there are. */
static bool check_logits(const lm_targets *t, const lm_tokens_row *row, unsigned long long at, lm_status *st)
{
    const lm_soft_form *f = &t->soft;
    const lm_tokens_logits *l = &row->logits;
    if (!f->width)
        return true;
    if (l->width != (size_t)f->width || l->per_token != f->per_token || (l->all != NULL) != f->whole)
        return lm_fail(st, LM_FAILED, "row %llu: %zu logits of a teacher, where the rows before have %d: all have to come of one "
                       "run of score --emit logits", at, l->width, f->width);
    size_t units = f->per_token ? row->len : 1, n = units * l->width;
    for (size_t i = 0; i < n; i++) {
        if (!f->whole && (l->index[i] < 0 || l->index[i] >= f->columns))
            return lm_fail(st, LM_FAILED, "row %llu: a logit of column %d, and the model has %d: they are of another vocabulary",
                           at, (int)l->index[i], f->columns);
        if (!isfinite(f->whole ? l->all[i] : l->top[i]))
            return lm_fail(st, LM_FAILED, "row %llu: a logit that is no finite number: make them again", at);
    }
    for (size_t i = 0; !f->whole && i < units; i++)
        if (isnan(l->rest[i]) || l->rest[i] == INFINITY)
            return lm_fail(st, LM_FAILED, "row %llu: what `logits.rest` says of the other columns is no number: make them again",
                           at);
    return true;
}

static bool check(const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st)
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
    if (row->has_weight && !(row->weight >= 0 && isfinite(row->weight)))
        return lm_fail(st, LM_FAILED, "row %llu: weight %g: give a finite one that is not negative", at,
                       (double)row->weight);
    return check_texts(row, at, st) && check_logits(t, row, at, st) && check_token_targets(t, row, at, st) &&
           check_row_target(t, row, number, st);
}

static bool check_answer(const lm_targets *t, const lm_tokens_row *row, const lm_tokens_answer *answer, uint64_t number, lm_status *st)
{
    unsigned long long at = number + 1;
    if (!row->loss_mask)
        return lm_fail(st, LM_FAILED, "row %llu: no loss_mask column, which says what is the answer: make the tokens with tok --chat",
                       at);
    return check(t, row, number, st) && (!t->reference || check_reference(row, answer, at, st));
}

bool lm_targets_check(const lm_targets *t, const lm_tokens_row *row, uint64_t number, lm_status *st)
{
    lm_tokens_row a[2];
    bool good;
    switch (t->objective->answers) {
    case LM_ANSWERS_PAIRED:
        if (!row->chosen.ids || !row->rejected.ids)
            return lm_fail(st, LM_FAILED, "row %llu: no chosen.ids and rejected.ids columns: make them with tok --chat, of records with "
                           "`prompt`, `chosen` and `rejected`", (unsigned long long)number + 1);
        lm_targets_answers(t, row, a);
        return (check_answer(t, &a[0], &row->chosen, number, st) || lm_fail_prefix(st, "chosen")) &&
               (check_answer(t, &a[1], &row->rejected, number, st) || lm_fail_prefix(st, "rejected"));
    case LM_ANSWERS_JUDGED:
        return check_answer(t, row, NULL, number, st) && lm_targets_desirable(row, number, &good, st);
    case LM_ANSWERS_SAMPLED:
        if (!row->len || (t->max_length && row->len >= (size_t)t->max_length))
            return lm_fail(st, LM_FAILED, "row %llu: a prompt of %zu tokens, and the model takes %d with its answer: %s",
                           (unsigned long long)number + 1, row->len, t->max_length, row->len ? "make it shorter" : "begin with a token");
        break;
    case LM_ANSWERS_NONE:
        break;
    }
    return check(t, row, number, st);
}
