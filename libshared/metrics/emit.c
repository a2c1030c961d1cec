#include "metrics/emit.h"
#include "base/memory.h"

#include <stdlib.h>

enum { NEW_COLUMNS = LM_EMIT_WORDS + 2 }; /* logits may be three columns */

bool lm_emit_read(const lm_strings *given, lm_emit *emit, lm_status *st)
{
    static const struct {
        const char *name;
        unsigned flag;
    } known[LM_EMIT_WORDS] = {{"logits", LM_EMIT_LOGITS},           {"probs", LM_EMIT_PROBS},
                              {"predictions", LM_EMIT_PREDICTIONS}, {"hidden", LM_EMIT_HIDDEN},
                              {"pooled", LM_EMIT_POOLED},           {"loss", LM_EMIT_LOSS},
                              {"logprobs", LM_EMIT_LOGPROBS}};
    for (size_t i = 0; i < given->count; i++) {
        for (const char *word = given->items[i], *end; word; word = *end ? end + 1 : NULL) {
            end = word + strcspn(word, ",");
            lm_str name = {word, (size_t)(end - word)};
            int k = 0;
            while (k < LM_EMIT_WORDS && !lm_str_is(name, known[k].name))
                k++;
            if (k == LM_EMIT_WORDS)
                return lm_fail(st, LM_USAGE,
                               "--emit %.*s: not one of logits, probs, predictions, hidden, pooled, loss, "
                               "logprobs, nor imatrix, which goes alone",
                               (int)name.len, word);
            if (!(emit->flags & known[k].flag))
                emit->order[emit->count++] = known[k].flag;
            emit->flags |= known[k].flag;
        }
    }
    return true;
}

typedef struct columns {
    lm_column items[NEW_COLUMNS];
    size_t count;
} columns;

/* A column with a row for each of the record's rows (splits NULL) or of what these splits part, and `width` elements in it
 * (0 = it has one dimension). */
static bool add(columns *c, const char *name, lm_dtype dtype, const void *data, const char *splits, int64_t rows,
                int64_t width, lm_status *st)
{
    lm_column *column = &c->items[c->count++];
    *column = (lm_column){.name = name, .dtype = dtype, .data = data, .rows = splits};
    column->shape = (lm_shape){width ? 2 : 1, {rows, width}};
    if (!lm_tensor_bytes(dtype, &column->shape, &column->bytes) || column->bytes > LM_LMS_PAYLOAD_MAX)
        return lm_fail(st, LM_FAILED,
                       "%s: %lld times %lld values are too many for one record: make smaller ones with "
                       "lms, or ask for less",
                       name, (long long)rows, (long long)width);
    return true;
}

static bool add_predictions(columns *c, const lm_row_outputs *out, const char *splits, int64_t units, lm_status *st)
{
    if (out->kind == LM_MEASURE_MULTI_LABEL)
        return add(c, "predictions", LM_U8, out->chosen, NULL, out->rows, out->columns, st);
    if (out->kind == LM_MEASURE_VALUES)
        return add(c, "predictions", LM_F32, out->values, NULL, out->rows,
                   out->columns > 1 ? out->columns : 0, st);
    if (out->kind == LM_MEASURE_SPAN)
        return add(c, "predictions", LM_I32, out->spans, NULL, out->rows, 2, st);
    return add(c, "predictions", LM_I32, out->classes, splits, units, 0, st);
}

static bool add_logits(columns *c, const lm_row_outputs *out, const char *splits, int64_t units, lm_status *st)
{
    if (!out->top)
        return add(c, "logits", LM_F32, out->logits, splits, units, out->columns, st);
    return add(c, "logits.index", LM_I32, out->top_index, splits, units, out->top, st) &&
           add(c, "logits.top", LM_F32, out->top_logits, splits, units, out->top, st) &&
           add(c, "logits.rest", LM_F32, out->top_rest, splits, units, 0, st);
}

static bool new_columns(columns *c, const lm_row_outputs *out, unsigned emit, lm_status *st)
{
    bool targets = out->kind == LM_MEASURE_TARGETS;
    const char *splits = targets ? "target_ids.splits" : out->per_token ? "ids.splits" : NULL;
    int64_t units = out->units;
    if (emit & LM_EMIT_LOGITS && !add_logits(c, out, splits, units, st))
        return false;
    if (emit & LM_EMIT_PROBS && !add(c, "probs", LM_F32, out->probs, splits, units, out->columns, st))
        return false;
    if (emit & LM_EMIT_PREDICTIONS && !add_predictions(c, out, splits, units, st))
        return false;
    if (emit & LM_EMIT_HIDDEN && !add(c, "hidden", LM_F32, out->hidden, "ids.splits", out->tokens, out->width, st))
        return false;
    if (emit & LM_EMIT_POOLED && !add(c, "pooled", LM_F32, out->pooled, NULL, out->rows, out->width, st))
        return false;
    if (emit & LM_EMIT_LOGPROBS && !add(c, "logprobs", LM_F32, out->logprobs, targets ? splits : "ids.splits",
                                        targets ? units : out->tokens, 0, st))
        return false;
    return !(emit & LM_EMIT_LOSS) || add(c, "loss", LM_F32, out->loss, NULL, out->rows, 0, st);
}

static bool is_replaced(const columns *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->items[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Predictions of a vocabulary or a number are what they are. */
static bool has_words(lm_measured kind)
{
    return kind == LM_MEASURE_CLASSES || kind == LM_MEASURE_MULTI_LABEL || kind == LM_MEASURE_TAGS ||
           kind == LM_MEASURE_SPAN || kind == LM_MEASURE_TARGETS;
}

/* The record's header without what the writer makes. */
static json_t *bare_header(const lm_record *record)
{
    json_t *header = json_copy(lm_record_header(record));
    json_object_del(header, "tensors");
    json_object_del(header, "bytes");
    return header;
}

/* The same, with the predictions as words among its fields. */
static json_t *new_header(const lm_record *record, const lm_tokens_row *rows, const lm_row_outputs *out,
                          unsigned emit, const lm_wording *wording)
{
    json_t *header = bare_header(record);
    if (!(emit & LM_EMIT_PREDICTIONS) || !has_words(out->kind))
        return header;
    json_t *old = json_object_get(header, "fields"),
           *fields = json_is_object(old) ? json_copy(old) : json_object();
    json_t *words = json_array();
    lm_buf word = {0};
    lm_place p = {0};
    for (p.row = rows; p.at < out->rows; lm_place_next(&p, out->kind)) {
        word.len = 0;
        lm_word_prediction(wording, out, &p, &word);
        json_array_append_new(words, json_stringn(word.data ? word.data : "", word.len));
    }
    lm_buf_free(&word);
    json_object_set_new(fields, "prediction", words);
    json_object_set_new(header, "fields", fields);
    return header;
}

/* The record's columns, but for those that are replaced, and the new ones. Takes the header over. */
static bool write_with(lm_lms_writer *w, const lm_record *record, const columns *new, json_t *header, lm_status *st)
{
    lm_column *all = lm_malloc(record->column_count + new->count, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < record->column_count; i++) {
        if (!is_replaced(new, record->columns[i].name))
            all[n++] = record->columns[i];
    }
    for (size_t i = 0; i < new->count; i++)
        all[n++] = new->items[i];
    bool ok = lm_lms_write(w, header, all, n, st);
    json_decref(header);
    free(all);
    return ok;
}

bool lm_emit_record(lm_lms_writer *w, const lm_record *record, const lm_tokens_row *rows,
                    const lm_row_outputs *out, unsigned emit, const lm_wording *wording, lm_status *st)
{
    columns new = {0};
    return new_columns(&new, out, emit, st) && write_with(w, record, &new, new_header(record, rows, out, emit, wording), st);
}

bool lm_emit_answers(lm_lms_writer *w, const lm_record *record, const lm_tokens_view *view, const lm_row_outputs *out, lm_status *st)
{
    columns new = {0};
    const lm_column *ids[2] = {lm_record_column(record, "chosen.ids"), lm_record_column(record, "rejected.ids")};
    int64_t chosen = view->chosen.splits[view->n];
    return add(&new, "chosen.logprobs", LM_F32, out->logprobs, ids[0]->rows ? ids[0]->rows : "chosen.ids.splits", chosen, 0, st) &&
           add(&new, "rejected.logprobs", LM_F32, out->logprobs + chosen, ids[1]->rows ? ids[1]->rows : "rejected.ids.splits",
               out->tokens - chosen, 0, st) &&
           write_with(w, record, &new, bare_header(record), st);
}
