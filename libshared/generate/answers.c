#include "generate/answers.h"
#include "text/running_text.h"

#include <math.h>

/* A tokenizer may drop the space at the beginning of a text, which is none in the middle of one. */
bool lm_answer_echo(const lm_answer *a, const lm_prompt *p, const lm_tokenizer *t, lm_buf *out, lm_status *st)
{
    lm_buf prompt = {0}, all = {0}, alone = {0};
    lm_buf_append(out, p->text.data, p->text.len);
    int last = a->request->count < 4 ? a->request->count : 4, n = a->text_count < 4 ? a->text_count : 4;
    int32_t ids[8];
    memcpy(ids, a->request->ids + a->request->count - last, (size_t)last * sizeof *ids);
    if (n)
        memcpy(ids + last, a->ids, (size_t)n * sizeof *ids);
    bool ok = lm_text_of_tokens(t, ids, last, &prompt, st) && lm_text_of_tokens(t, ids, last + n, &all, st) &&
              lm_text_of_tokens(t, ids + last, n, &alone, st);
    if (ok && all.len == prompt.len + 1 + alone.len && all.data[prompt.len] == ' ')
        lm_buf_putc(out, ' ');
    lm_buf_free(&prompt);
    lm_buf_free(&all);
    lm_buf_free(&alone);
    return ok;
}

static void put_number(lm_buf *out, const char *name, double value)
{
    if (isfinite(value))
        lm_buf_printf(out, ",\"%s\":%.7g", name, value);
    else
        lm_buf_printf(out, ",\"%s\":null", name);
}

static void put_token(lm_buf *out, const lm_tokenizer *t, int32_t id, double logprob)
{
    lm_str token = id < lm_tokenizer_size(t) ? lm_tokenizer_token(t, id) : (lm_str){NULL, 0};
    lm_buf_printf(out, "{\"id\":%d,\"token\":", (int)id);
    lm_json_string((lm_str){token.data ? token.data : "", token.len}, out);
    put_number(out, "logprob", logprob);
}

static void put_top(lm_buf *out, const lm_tokenizer *t, const lm_token_logprob *items, int top)
{
    for (int k = 0; k < top; k++) {
        lm_buf_puts(out, k ? "," : ",\"top\":[");
        put_token(out, t, items[k].id, (double)items[k].logprob);
        lm_buf_putc(out, '}');
    }
    lm_buf_puts(out, top ? "]" : "");
}

/* Tokens with their log-probabilities, and what else was likely there. */
static void put_tokens(lm_buf *out, const char *name, const lm_tokenizer *t, const int32_t *ids, int count, const float *logprobs,
                       const lm_token_logprob *tops, int top)
{
    lm_buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        lm_buf_puts(out, i ? "," : "");
        put_token(out, t, ids[i], (double)logprobs[i]);
        if (isfinite(logprobs[i]))
            put_top(out, t, tops + (size_t)i * (size_t)top, top);
        lm_buf_putc(out, '}');
    }
    lm_buf_putc(out, ']');
}

static double sum_of(const float *logprobs, int from, int count)
{
    double sum = 0;
    for (int i = from; i < count; i++)
        sum += (double)logprobs[i];
    return sum;
}

static void put_member(lm_buf *out, lm_str name, lm_str json)
{
    lm_buf_putc(out, ',');
    lm_json_string(name, out);
    lm_buf_putc(out, ':');
    lm_buf_append(out, json.data, json.len);
}

/* Prompt, text and what else the record has. */
static void begin_object(const lm_prompt *p, lm_str text, lm_buf *out)
{
    lm_buf_puts(out, "{\"prompt\":");
    lm_json_string((lm_str){p->text.data ? p->text.data : "", p->text.len}, out);
    lm_buf_puts(out, ",\"text\":");
    lm_json_string((lm_str){text.data ? text.data : "", text.len}, out);
    if (p->id.data)
        put_member(out, lm_str_of("id"), p->id);
    for (size_t i = 0; i < p->field_count; i++)
        put_member(out, p->fields[i].name, p->fields[i].json);
}

static void print_object(const lm_answer *a, const lm_prompt *p, const lm_tokenizer *t, const lm_answer_form *form, lm_str text,
                         lm_buf *out)
{
    const lm_request *r = a->request;
    begin_object(p, text, out);
    if (form->samples)
        lm_buf_printf(out, ",\"sample\":%d", a->sample);
    lm_buf_printf(out, ",\"finish_reason\":\"%s\"", lm_answer_end_names[a->end]);
    if (a->logprobs || (a->count == 0 && form->top)) {
        put_number(out, "logprob", sum_of(a->logprobs, 0, a->count));
        put_tokens(out, "tokens", t, a->ids, a->count, a->logprobs, a->top, form->top);
    }
    if (a->prompt_logprobs) {
        put_number(out, "prompt_logprob", sum_of(a->prompt_logprobs, 1, r->count));
        put_tokens(out, "prompt_tokens", t, r->ids, r->count, a->prompt_logprobs, a->prompt_top, form->top);
    }
    lm_buf_putc(out, '}');
}

static void put_text(lm_str text, const lm_answer_form *form, lm_buf *out)
{
    size_t from = out->len;
    lm_buf_append(out, text.data, text.len);
    for (size_t i = from; i < out->len && form->lines; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
}

bool lm_answer_print(const lm_answer *a, const lm_prompt *p, const lm_tokenizer *t, const lm_answer_form *form, lm_buf *out,
                     lm_status *st)
{
    lm_buf text = {0};
    bool ok = !form->echo || lm_answer_echo(a, p, t, &text, st);
    lm_buf_append(&text, a->text.data, a->text.len);
    if (form->json) {
        print_object(a, p, t, form, lm_buf_str(&text), out);
    } else {
        put_text(lm_buf_str(&text), form, out);
    }
    lm_buf_putc(out, '\n');
    lm_buf_free(&text);
    return ok;
}

void lm_filled_take(const lm_filled *f, const lm_prompt *p, const lm_answer_form *form)
{
    for (int i = 0; i < f->count; i++)
        p->ids[f->at[i]] = f->top[(size_t)i * (size_t)form->top].id;
}

bool lm_filled_print(const lm_filled *f, const lm_prompt *p, const lm_tokenizer *t, const lm_answer_form *form, lm_buf *out,
                     lm_status *st)
{
    lm_buf text = {0};
    lm_filled_take(f, p, form);
    bool ok = lm_text_of_tokens(t, p->ids, p->request.count, &text, st);
    if (form->json) {
        begin_object(p, lm_buf_str(&text), out);
        lm_buf_puts(out, ",\"masks\":[");
        for (int i = 0; i < f->count; i++) {
            lm_buf_printf(out, "%s{\"position\":%d", i ? "," : "", (int)f->at[i]);
            put_top(out, t, f->top + (size_t)i * (size_t)form->top, form->top);
            lm_buf_putc(out, '}');
        }
        lm_buf_puts(out, "]}");
    } else {
        put_text(lm_buf_str(&text), form, out);
    }
    lm_buf_putc(out, '\n');
    lm_buf_free(&text);
    return ok;
}
