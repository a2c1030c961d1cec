/* Rows as lines of text: score --tsv. */
#include "metrics/emit.h"

#include <stdlib.h>

/* Numbers that are sorted or read by people: no exponent. */
static void put_fixed(float x, lm_buf *out)
{
    lm_buf_printf(out, "%.6f", (double)x);
}

static void put_short(float x, lm_buf *out)
{
    lm_buf_printf(out, "%.7g", (double)x);
}

/* `units` groups of `width` numbers; spaces between groups, `inner` within. */
static void put_numbers(void (*put)(float, lm_buf *), const float *x, int64_t units, int width, char inner,
                        lm_buf *out)
{
    for (int64_t u = 0; u < units; u++) {
        for (int c = 0; c < width; c++, x++) {
            if (u || c)
                lm_buf_putc(out, c ? inner : ' ');
            put(*x, out);
        }
    }
}

/* INDEX:LOGIT of those that are kept, and rest:LOGIT. */
static void put_top(const lm_row_outputs *o, int64_t unit, int64_t units, char inner, lm_buf *out)
{
    for (int64_t u = unit; u < unit + units; u++) {
        if (u > unit)
            lm_buf_putc(out, ' ');
        for (int k = 0; k < o->top; k++)
            lm_buf_printf(out, "%d:%.7g%c", o->top_index[u * o->top + k],
                          (double)o->top_logits[u * o->top + k], inner);
        lm_buf_printf(out, "rest:%.7g", (double)o->top_rest[u]);
    }
}

static void put_output(unsigned flag, const lm_wording *w, const lm_row_outputs *o, const lm_place *p,
                       lm_buf *out)
{
    int64_t tokens = (int64_t)p->row->len;
    int64_t units = lm_measured_units(o->kind, p->row), unit = p->unit;
    bool targets = o->kind == LM_MEASURE_TARGETS;
    char inner = o->per_token ? ',' : ' ';
    switch (flag) {
    case LM_EMIT_LOGITS:
        if (o->top)
            put_top(o, unit, units, inner, out);
        else
            put_numbers(put_short, o->logits + unit * o->columns, units, o->columns, inner, out);
        break;
    case LM_EMIT_PROBS:
        put_numbers(put_fixed, o->probs + unit * o->columns, units, o->columns, inner, out);
        break;
    case LM_EMIT_PREDICTIONS:
        lm_word_prediction(w, o, p, out);
        break;
    case LM_EMIT_HIDDEN:
        put_numbers(put_short, o->hidden + p->token * o->width, tokens, o->width, ',', out);
        break;
    case LM_EMIT_POOLED:
        put_numbers(put_short, o->pooled + p->at * o->width, 1, o->width, ' ', out);
        break;
    case LM_EMIT_LOSS:
        put_fixed(o->loss[p->at], out);
        break;
    default:
        put_numbers(put_fixed, o->logprobs + (targets ? unit : p->token), targets ? units : tokens, 1, ' ', out);
        break;
    }
}

/* The id that the stream has for the row, else its number. */
static void put_id(const lm_tokens_view *view, int64_t i, uint64_t number, lm_buf *out)
{
    json_t *id = view->id ? json_array_get(view->id, (size_t)i) : NULL;
    if (json_is_string(id)) {
        lm_word_line((lm_str){json_string_value(id), json_string_length(id)}, out);
    } else if (id) {
        char *text = json_dumps(id, JSON_ENCODE_ANY);
        lm_buf_puts(out, text ? text : "");
        free(text);
    } else {
        lm_buf_printf(out, "%llu", (unsigned long long)number);
    }
}

void lm_emit_lines(const lm_emit *emit, const lm_wording *wording, const lm_tokens_view *view,
                   const lm_tokens_row *rows, const lm_row_outputs *out, uint64_t first, lm_buf *lines)
{
    lm_buf text = {0}, pair = {0};
    lm_place p = {.row = rows};
    for (; p.at < out->rows; lm_place_next(&p, out->kind)) {
        for (int k = 0; k < emit->count; k++) {
            put_output(emit->order[k], wording, out, &p, lines);
            lm_buf_putc(lines, '\t');
        }
        put_id(view, p.at, first + (uint64_t)p.at, lines);
        lm_buf_putc(lines, '\t');
        lm_word_truth(wording, out->kind, p.row, lines);
        text.len = pair.len = 0;
        lm_word_text(wording, p.row, &text, &pair);
        lm_buf_printf(lines, "\t%s", lm_buf_cstr(&text));
        if (pair.len)
            lm_buf_printf(lines, "\t%s", lm_buf_cstr(&pair));
        lm_buf_putc(lines, '\n');
    }
    lm_buf_free(&text);
    lm_buf_free(&pair);
}
