#include "generate/token_rows.h"
#include "base/memory.h"
#include "stream/tokens.h"
#include "text/tokenize/agreement.h"

#include <math.h>
#include <stdlib.h>

struct lm_token_rows {
    lm_lms_writer *lms;
    lm_tokens_writer *rows;
    bool waits; /* something was written that was not flushed */
    /* of the row in hand */
    int32_t *ids;
    uint8_t *mask;
    float *logprobs;
    size_t room;
    lm_field *fields;
    size_t field_count, field_cap;
    lm_buf words; /* what fields of ours say */
};

lm_token_rows *lm_token_rows_new(int fd, const char *name, const lm_tokenizer *t, const char *path, const char *command, lm_status *st)
{
    lm_token_rows *w = lm_calloc(1, sizeof *w);
    lm_tokenizer_info info = lm_tokenizer_info_of(t, path);
    json_t *preamble = lm_tokens_preamble(&info);
    w->lms = lm_lms_writer_new(fd, name, LM_KIND_TOKENS, preamble, NULL, command, st);
    json_decref(preamble);
    if (w->lms)
        w->rows = lm_tokens_writer_new(w->lms);
    return w;
}

static void make_room(lm_token_rows *w, size_t tokens)
{
    if (tokens <= w->room)
        return;
    w->room = tokens;
    w->ids = lm_realloc(w->ids, tokens, sizeof *w->ids);
    w->mask = lm_realloc(w->mask, tokens, sizeof *w->mask);
    w->logprobs = lm_realloc(w->logprobs, tokens, sizeof *w->logprobs);
}

static void add_field(lm_token_rows *w, lm_str name, lm_str json)
{
    LM_GROW(w->fields, w->field_count, w->field_cap);
    w->fields[w->field_count++] = (lm_field){name, json};
}

/* The row of a prompt, with what its record has. */
static lm_tokens_row row_of(lm_token_rows *w, const lm_prompt *p)
{
    w->field_count = 0;
    for (size_t i = 0; i < p->field_count; i++)
        add_field(w, p->fields[i].name, p->fields[i].json);
    return (lm_tokens_row){.ids = p->request.ids, .len = (size_t)p->request.count, .has_row = true,
                           .row = (int32_t)(p->request.record & INT32_MAX), .id = p->id};
}

static bool put(lm_token_rows *w, lm_tokens_row *row, lm_status *st)
{
    row->fields = w->fields;
    row->field_count = w->field_count;
    w->waits = true;
    return lm_tokens_writer_add(w->rows, row, st);
}

/* The prompt, and behind it the answer. */
static void join(lm_token_rows *w, const lm_answer *a, lm_tokens_row *row)
{
    size_t before = row->len, n = (size_t)a->count, all = before + n;
    make_room(w, all);
    memcpy(w->ids, row->ids, before * sizeof *w->ids);
    if (n)
        memcpy(w->ids + before, a->ids, n * sizeof *w->ids);
    memset(w->mask, 0, before);
    memset(w->mask + before, 1, n);
    for (size_t i = 0; i < before; i++)
        w->logprobs[i] = a->prompt_logprobs ? a->prompt_logprobs[i] : NAN;
    for (size_t i = 0; i < n; i++)
        w->logprobs[before + i] = a->logprobs ? a->logprobs[i] : NAN;
    row->ids = w->ids;
    row->len = all;
    row->loss_mask = w->mask;
    row->logprobs = a->logprobs || a->prompt_logprobs ? w->logprobs : NULL;
}

bool lm_token_rows_answer(lm_token_rows *w, const lm_answer *a, const lm_prompt *p, const lm_answer_form *form, bool target,
                          lm_status *st)
{
    lm_tokens_row row = row_of(w, p);
    w->words.len = 0;
    lm_buf_printf(&w->words, "\"%s\"%d", lm_answer_end_names[a->end], a->sample);
    size_t end = strlen(lm_answer_end_names[a->end]) + 2;
    add_field(w, lm_str_of("finish_reason"), (lm_str){w->words.data, end});
    if (form->samples)
        add_field(w, lm_str_of("sample"), (lm_str){w->words.data + end, w->words.len - end});
    if (target) {
        row.target_ids = a->ids;
        row.target_len = (size_t)a->count;
    } else {
        join(w, a, &row);
    }
    return put(w, &row, st);
}

bool lm_token_rows_filled(lm_token_rows *w, const lm_filled *f, const lm_prompt *p, const lm_answer_form *form, lm_status *st)
{
    lm_tokens_row row = row_of(w, p);
    lm_filled_take(f, p, form);
    return put(w, &row, st);
}

bool lm_token_rows_flush(lm_token_rows *w, lm_status *st)
{
    bool ok = !w->waits || (lm_tokens_writer_flush(w->rows, st) && lm_lms_write_flush(w->lms, st));
    w->waits = false;
    return ok;
}

bool lm_token_rows_close(lm_token_rows *w, lm_status *st)
{
    if (!w)
        return lm_ok(st);
    if (w->rows && lm_ok(st))
        lm_tokens_writer_flush(w->rows, st);
    if (w->lms)
        lm_lms_writer_close(w->lms, st);
    lm_tokens_writer_free(w->rows);
    lm_lms_writer_free(w->lms);
    free(w->ids);
    free(w->mask);
    free(w->logprobs);
    free(w->fields);
    lm_buf_free(&w->words);
    free(w);
    return lm_ok(st);
}
