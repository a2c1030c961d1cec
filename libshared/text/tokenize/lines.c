/* Rows as lines: ids, tokens, JSON. */
#include "text/token_view.h"
#include "text/tokenize/sinks.h"

bool lm_token_has_types(const lm_token_row *row)
{
    const lm_encoding *e = row->e;
    return row->record && (row->record->pair.data || (e->len > 0 && (e->types[0] || e->types[e->len - 1])));
}

/* Made for every token, so without printf. */
static void put_id(int32_t id, lm_buf *out)
{
    char digits[12], *p = digits + sizeof digits;
    uint32_t n = id < 0 ? 0u - (uint32_t)id : (uint32_t)id;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    if (id < 0)
        *--p = '-';
    lm_buf_append(out, p, (size_t)(digits + sizeof digits - p));
}

static void put_numbers(lm_buf *out, const char *name, const int32_t *v, int n)
{
    lm_buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < n; i++)
        lm_buf_printf(out, i ? ",%d" : "%d", (int)v[i]);
    lm_buf_putc(out, ']');
}

static void put_words(lm_buf *b, const char *name, const lm_str *words, size_t n)
{
    lm_buf_printf(b, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        lm_buf_puts(b, i ? "," : "");
        lm_json_string(words[i], b);
    }
    lm_buf_putc(b, ']');
}

/* What stands in the record beside the tokens. */
static void put_record(const lm_token_sink *s, const lm_text_record *r, const lm_encoding *e, lm_buf *b)
{
    if (r->label.data) {
        lm_buf_puts(b, ",\"label\":");
        lm_json_string(r->label, b);
    }
    if (r->labels)
        put_words(b, r->words ? "tags" : "labels", r->labels, r->label_count);
    if (s->o->keep_text) {
        lm_buf_puts(b, ",\"text\":");
        lm_json_string(lm_token_text(r, e), b);
        if (r->pair.data) {
            lm_buf_puts(b, ",\"pair\":");
            lm_json_string(r->pair, b);
        }
        if (r->target.data) {
            lm_buf_puts(b, ",\"target\":");
            lm_json_string(r->target, b);
        }
    }
}

static void put_mask(const lm_encoding *e, lm_buf *b)
{
    if (!e->masked)
        return;
    lm_buf_puts(b, ",\"loss_mask\":[");
    for (int i = 0; i < e->len; i++)
        lm_buf_printf(b, i ? ",%d" : "%d", e->loss_mask[i]);
    lm_buf_putc(b, ']');
}

static void put_answer(const char *name, const lm_encoding *e, lm_buf *b)
{
    lm_buf_printf(b, ",\"%s\":{\"ids\":[", name);
    for (int i = 0; i < e->len; i++)
        lm_buf_printf(b, i ? ",%d" : "%d", (int)e->ids[i]);
    lm_buf_putc(b, ']');
    put_mask(e, b);
    lm_buf_putc(b, '}');
}

static void put_json(const lm_token_sink *s, const lm_token_row *row, lm_buf *b)
{
    const lm_tokenize_options *o = s->o;
    const lm_text_record *r = row->record;
    const lm_encoding *e = row->e;
    lm_buf_printf(b, "{\"row\":%llu", (unsigned long long)row->number);
    if (r && r->id.data) {
        lm_buf_puts(b, ",\"id\":");
        lm_buf_append(b, r->id.data, r->id.len);
    }
    put_numbers(b, "ids", e->ids, e->len);
    lm_buf_puts(b, ",\"tokens\":[");
    for (int i = 0; i < e->len; i++) {
        if (i)
            lm_buf_putc(b, ',');
        lm_json_string(lm_tokenizer_token(s->t, e->ids[i]), b);
    }
    lm_buf_putc(b, ']');
    if (lm_token_has_types(row)) {
        lm_buf_puts(b, ",\"types\":[");
        for (int i = 0; i < e->len; i++)
            lm_buf_printf(b, i ? ",%d" : "%d", e->types[i]);
        lm_buf_putc(b, ']');
    }
    if (o->word_ids)
        put_numbers(b, "word_ids", e->word_ids, e->len);
    if (o->offsets) {
        lm_buf_puts(b, ",\"offsets\":[");
        for (int i = 0; i < e->len; i++)
            lm_buf_printf(b, "%s[%d,%d]", i ? "," : "", (int)e->offsets[2 * i], (int)e->offsets[2 * i + 1]);
        lm_buf_putc(b, ']');
    }
    put_mask(e, b);
    if (row->target)
        put_numbers(b, "target_ids", row->target->ids, row->target->len);
    if (r && r->has_answer) {
        int32_t answer[2];
        lm_token_answer(r, e, lm_tokenizer_role(s->t, "cls"), answer);
        put_numbers(b, "answer", answer, 2);
    }
    if (r && e->chat && e->chat->preference) {
        put_answer("chosen", &e->chat->answers[0]->tokens, b);
        put_answer("rejected", &e->chat->answers[1]->tokens, b);
    }
    if (r && r->has_weight)
        lm_buf_printf(b, ",\"weight\":%.9g", (double)r->weight);
    if (e->truncated || (row->target && row->target->truncated))
        lm_buf_puts(b, ",\"truncated\":true");
    if (row->seq_lengths)
        put_numbers(b, "seq_lengths", row->seq_lengths, (int)row->seq_count);
    if (r)
        put_record(s, r, e, b);
    lm_buf_puts(b, "}\n");
}

static void put_tokens(const lm_token_sink *s, const lm_encoding *e, lm_buf *out)
{
    for (int i = 0; i < e->len; i++) {
        if (i)
            lm_buf_putc(out, ' ');
        if (s->o->form == LM_FORM_PIECES)
            lm_token_print(s->t, e->ids[i], out);
        else
            put_id(e->ids[i], out);
    }
}

void lm_token_line(const lm_token_sink *s, const lm_token_row *row, lm_buf *out)
{
    if (s->o->form == LM_FORM_JSON) {
        put_json(s, row, out);
        return;
    }
    put_tokens(s, row->e, out);
    if (row->target) {
        lm_buf_putc(out, '\t');
        put_tokens(s, row->target, out);
    }
    lm_buf_putc(out, '\n');
}
