#include "metrics/wording.h"
#include "base/utf8.h"
#include "text/token_view.h"

enum { IGNORED = -100 };

void lm_word_line(lm_str s, lm_buf *out)
{
    size_t from = out->len;
    lm_utf8_replace_invalid(s, out);
    for (size_t i = from; i < out->len; i++) {
        unsigned char c = (unsigned char)out->data[i];
        if (c < 0x20 || c == 0x7f)
            out->data[i] = ' ';
    }
}

/* ------------------------------------------------------------------ texts */

/* Ids as text; where the tokenizer does not know them all there is none. */
static void decode_ids(const lm_wording *w, const int32_t *ids, size_t n, lm_buf *out)
{
    lm_status st = LM_STATUS_INIT;
    lm_buf text = {0};
    if (w->tokenizer && lm_decode(w->tokenizer, ids, n, true, &text, &st))
        lm_word_line(lm_buf_str(&text), out);
    lm_buf_free(&text);
}

/* Tokens from..to of a row. */
static void decode(const lm_wording *w, const lm_tokens_row *row, size_t from, size_t to, lm_buf *out)
{
    decode_ids(w, row->ids + from, to - from, out);
}

void lm_word_text(const lm_wording *w, const lm_tokens_row *row, lm_buf *text, lm_buf *pair)
{
    if (row->text.data) {
        lm_word_line(row->text, text);
        lm_word_line(row->pair, pair);
        return;
    }
    size_t second = 0; /* where the second text begins, by its segment */
    while (second < row->len && !(row->types && row->types[second]))
        second++;
    decode(w, row, 0, second, text);
    decode(w, row, second, row->len, pair);
}

/* ------------------------------------------------------------------ labels */

static void put_word(const char *word, const char *separator, bool *first, lm_buf *out)
{
    if (!*first)
        lm_buf_puts(out, separator);
    *first = false;
    lm_word_line(lm_str_of(word ? word : "?"), out);
}

static void put_classes(const lm_wording *w, const uint8_t *chosen, size_t n, lm_buf *out)
{
    bool first = true;
    for (size_t k = 0; k < n; k++) {
        if (chosen[k])
            put_word(lm_config_label(w->config, (int)k), ", ", &first, out);
    }
}

/* Whether token t is one that people want to see: one with a label; where there are none the first piece of
 * each word, or of masked models the masked ones. */
static bool is_shown(const lm_wording *w, lm_measured kind, const lm_tokens_row *row, size_t t)
{
    if (kind == LM_MEASURE_TOKENS) {
        if (row->mlm_labels)
            return row->mlm_labels[t] != IGNORED;
        return w->tokenizer && row->ids[t] == lm_tokenizer_role(w->tokenizer, "mask");
    }
    if (row->tags)
        return row->tags[t] != IGNORED;
    if (row->word_ids)
        return row->word_ids[t] >= 0 && (t == 0 || row->word_ids[t] != row->word_ids[t - 1]);
    return true;
}

static void put_token(const lm_wording *w, int32_t id, bool *first, lm_buf *out)
{
    lm_buf token = {0};
    if (w->tokenizer && id < lm_tokenizer_size(w->tokenizer))
        lm_token_print(w->tokenizer, id, &token);
    else
        lm_buf_printf(&token, "%d", id);
    put_word(lm_buf_cstr(&token), " ", first, out);
    lm_buf_free(&token);
}

/* The classes (or ids) of the tokens that are shown. `names`: of the classes; NULL = the model's. */
static void put_tokens(const lm_wording *w, lm_measured kind, const lm_tokens_row *row,
                       const int32_t *classes, const json_t *names, lm_buf *out)
{
    bool first = true;
    for (size_t t = 0; t < row->len; t++) {
        if (!is_shown(w, kind, row, t))
            continue;
        if (kind != LM_MEASURE_TAGS)
            put_token(w, classes[t], &first, out);
        else if (names)
            put_word(json_string_value(json_array_get(names, (size_t)classes[t])), " ", &first, out);
        else
            put_word(lm_config_label(w->config, classes[t]), " ", &first, out);
    }
}

/* The part of the text, or of the second one where there are two, between two tokens; nothing for the first
 * token, which says that there is none. */
static void put_span(const lm_wording *w, const lm_tokens_row *row, const int32_t *span, lm_buf *out)
{
    size_t first = (size_t)span[0], last = (size_t)span[1];
    lm_str text = row->pair.data ? row->pair : row->text;
    if (last == 0 || last >= row->len || first > last)
        return;
    int32_t from = row->offsets ? row->offsets[2 * first] : -1,
            to = row->offsets ? row->offsets[2 * last + 1] : -1;
    if (text.data && from >= 0 && from <= to && (size_t)to <= text.len)
        lm_word_line((lm_str){text.data + from, (size_t)(to - from)}, out);
    else
        decode(w, row, first, last + 1, out);
}

static void put_label(const lm_wording *w, lm_measured kind, const lm_tokens_row *row, lm_buf *out)
{
    bool first = true;
    if (row->has_label_word)
        lm_word_line(row->label_word, out);
    else if (row->has_label_float)
        lm_buf_printf(out, "%.6g", (double)row->label_float);
    else if (row->has_label_id && kind == LM_MEASURE_CLASSES && row->label_id != IGNORED)
        put_word(lm_config_label(w->config, row->label_id), "", &first, out);
    else if (row->has_label_id && row->label_id != IGNORED)
        lm_buf_printf(out, "%d", row->label_id);
}

void lm_word_truth(const lm_wording *w, lm_measured kind, const lm_tokens_row *row, lm_buf *out)
{
    switch (kind) {
    case LM_MEASURE_TOKENS:
        if (row->mlm_labels)
            put_tokens(w, kind, row, row->mlm_labels, NULL, out);
        break;
    case LM_MEASURE_TAGS:
        if (row->tags)
            put_tokens(w, kind, row, row->tags, w->tags, out);
        break;
    case LM_MEASURE_MULTI_LABEL:
        if (row->multi_label)
            put_classes(w, row->multi_label, row->classes, out);
        break;
    case LM_MEASURE_SPAN:
        if (row->answer && row->answer[0] != IGNORED)
            put_span(w, row, row->answer, out);
        break;
    case LM_MEASURE_TARGETS:
        decode_ids(w, row->target_ids, row->target_len, out);
        break;
    case LM_MEASURE_NEXT:
        break;
    case LM_MEASURE_NOTHING:
    case LM_MEASURE_CLASSES:
    case LM_MEASURE_VALUES:
        put_label(w, kind, row, out);
        break;
    }
}

void lm_word_prediction(const lm_wording *w, const lm_row_outputs *out, const lm_place *p, lm_buf *to)
{
    size_t columns = (size_t)out->columns, at = (size_t)p->at;
    bool first = true;
    switch (out->kind) {
    case LM_MEASURE_TOKENS:
    case LM_MEASURE_TAGS:
    case LM_MEASURE_NEXT:
        put_tokens(w, out->kind, p->row, out->classes + p->unit, NULL, to);
        break;
    case LM_MEASURE_TARGETS: /* at each place, after the target's tokens before it */
        decode_ids(w, out->classes + p->unit, p->row->target_len, to);
        break;
    case LM_MEASURE_MULTI_LABEL:
        put_classes(w, out->chosen + at * columns, columns, to);
        break;
    case LM_MEASURE_VALUES:
        for (size_t k = 0; k < columns; k++)
            lm_buf_printf(to, "%s%.6g", k ? " " : "", (double)out->values[at * columns + k]);
        break;
    case LM_MEASURE_CLASSES:
        put_word(lm_config_label(w->config, out->classes[at]), "", &first, to);
        break;
    case LM_MEASURE_SPAN:
        put_span(w, p->row, out->spans + 2 * at, to);
        break;
    case LM_MEASURE_NOTHING:
        break;
    }
}
