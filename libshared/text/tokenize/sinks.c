#include "text/tokenize/sinks.h"

#include "base/atomic.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "text/tokenize/agreement.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_BUFFER = 1 << 16 };

/* ---------------------------------------------------------------- life */

lm_token_sink *lm_token_sink_new(const lm_tokenize_options *o, const lm_tokenizer *t, json_t *upstream,
                                 int fd, const char *name, lm_status *st)
{
    lm_token_sink *s = lm_calloc(1, sizeof *s);
    *s = (lm_token_sink){.o = o, .t = t, .fd = fd, .name = lm_strdup(name)};
    s->via = json_incref(json_object_get(upstream, "via"));
    s->classes = lm_token_classes_new(o, st);
    if (o->form == LM_FORM_STATS && t)
        s->figures = lm_token_figures_new(o, t);
    if (o->mlm > 0)
        s->masks = lm_token_masks_new(o, t, st);
    if (o->pack)
        s->blocks = lm_token_blocks_new(s);
    if (lm_ok(st))
        return s;
    lm_token_sink_free(s);
    return NULL;
}

void lm_token_sink_free(lm_token_sink *s)
{
    if (!s)
        return;
    lm_tokens_writer_free(s->rows);
    lm_lms_writer_free(s->lms);
    lm_token_classes_free(s->classes);
    lm_token_figures_free(s->figures);
    lm_token_blocks_free(s->blocks);
    lm_token_masks_free(s->masks);
    json_decref(s->via);
    lm_buf_free(&s->text);
    free(s->name);
    free(s);
}

/* ---------------------------------------------------------------- a stream of tokens */

static json_t *preamble_of(const lm_token_sink *s)
{
    const lm_tokenizer *t = s->t;
    if (!t)
        return NULL;
    lm_tokenizer_info info = lm_tokenizer_info_of(t, s->o->tokenizer);
    json_t *preamble = lm_tokens_preamble(&info);
    lm_token_classes_preamble(s->classes, preamble);
    return preamble;
}

static bool begin_stream(lm_token_sink *s, lm_status *st)
{
    json_t *preamble = preamble_of(s);
    s->lms = lm_lms_writer_new(s->fd, s->name, LM_KIND_TOKENS, preamble, s->via, s->o->command, st);
    json_decref(preamble);
    return s->lms != NULL;
}

/* With the first row: its stream, or the file that keeps rows until the classes are known. */
static bool begin_rows(lm_token_sink *s, const lm_text_record *r, lm_status *st)
{
    lm_lms_writer *w = NULL;
    if (r && lm_token_classes_wait(s->classes, r))
        w = lm_token_classes_keep(s->classes, s->o->command, st);
    else if (begin_stream(s, st))
        w = s->lms;
    s->rows = w ? lm_tokens_writer_new(w) : NULL;
    return w != NULL;
}

static bool put_label(const lm_token_sink *s, const lm_text_record *r, const lm_encoding *e,
                      lm_tokens_row *row, lm_status *st)
{
    const lm_tokenize_options *o = s->o;
    row->id = r->id;
    row->has_weight = r->has_weight;
    row->weight = r->weight;
    if (r->labels)
        return lm_token_classes_row(s->classes, r, e, row, st);
    if (!r->label.data)
        return true;
    if (o->records.label_type == LM_LABEL_WORD) {
        row->has_label_word = true;
        row->label_word = r->label;
    } else if (o->records.label_type == LM_LABEL_ID) {
        row->has_label_id = true;
        row->label_id = (int32_t)r->label_id;
    } else {
        row->has_label_float = true;
        row->label_float = (float)r->label_float;
    }
    return true;
}

static lm_tokens_answer answer_of(const lm_encoding *e)
{
    return (lm_tokens_answer){.ids = e->ids, .len = (size_t)e->len, .loss_mask = e->loss_mask};
}

static bool put_lms(lm_token_sink *s, const lm_token_row *row, lm_status *st)
{
    const lm_tokenize_options *o = s->o;
    const lm_text_record *r = row->record;
    const lm_encoding *e = row->e;
    bool asks = r && r->asks; /* who answers needs the text, and where its tokens stand */
    int32_t answer[2];
    if (!s->rows && !begin_rows(s, r, st))
        return false;
    lm_tokens_row out = {
        .ids = e->ids,
        .len = (size_t)e->len,
        .types = lm_token_has_types(row) ? e->types : NULL,
        .word_ids = o->word_ids ? e->word_ids : NULL,
        .offsets = o->offsets || asks ? e->offsets : NULL,
        .seq_lengths = row->seq_lengths,
        .seq_count = row->seq_count,
        .has_row = true,
        .row = (int32_t)(row->number & INT32_MAX),
        .has_truncated = !row->seq_lengths,
        .truncated = e->truncated,
        .loss_mask = e->masked ? e->loss_mask : NULL,
    };
    const lm_chat_row *talk = r ? e->chat : NULL;
    if (row->target) {
        out.target_ids = row->target->ids;
        out.target_len = (size_t)row->target->len;
        out.truncated |= row->target->truncated;
    }
    if (talk && talk->preference) {
        out.chosen = answer_of(&talk->answers[0]->tokens);
        out.rejected = answer_of(&talk->answers[1]->tokens);
        out.truncated |= talk->answers[0]->tokens.truncated || talk->answers[1]->tokens.truncated;
    }
    if (r && !put_label(s, r, e, &out, st))
        return false;
    if (r && o->documents) {
        out.has_doc = true;
        out.doc = (int32_t)(r->doc & INT32_MAX);
    }
    if (r && !o->no_fields) {
        out.fields = talk ? talk->fields : r->fields;
        out.field_count = talk ? talk->field_count : r->field_count;
    }
    if (r && r->has_answer) {
        lm_token_answer(r, e, lm_tokenizer_role(s->t, "cls"), answer);
        out.answer = answer;
    }
    if (r && (o->keep_text || asks)) {
        out.text = lm_token_text(r, e);
        if (!out.text.data)
            out.text = (lm_str){"", 0};
        out.pair = r->pair;
    }
    if (!s->masks)
        return lm_tokens_writer_add(s->rows, &out, st);
    lm_tokens_row masked = out;
    bool ok = true;
    for (int64_t copy = 0; ok && copy < o->copies; copy++) {
        masked.ids = out.ids;
        lm_token_masks_row(s->masks, row->number, (uint64_t)copy, &masked);
        ok = lm_tokens_writer_add(s->rows, &masked, st);
    }
    return ok;
}

static bool flush_lms(lm_token_sink *s, lm_status *st)
{
    if (!s->rows)
        return begin_rows(s, NULL, st) && lm_lms_write_flush(s->lms, st);
    return !s->lms || /* rows that wait, wait */
           (lm_tokens_writer_flush(s->rows, st) && lm_lms_write_flush(s->lms, st));
}

/* The rows that waited follow the preamble that they waited for. */
static bool end_lms(lm_token_sink *s, lm_status *st)
{
    bool waited = s->rows && !s->lms;
    if (s->rows && lm_ok(st))
        lm_tokens_writer_flush(s->rows, st);
    if (waited && lm_ok(st))
        lm_token_classes_finish(s->classes, st);
    lm_status beginning = LM_STATUS_INIT;
    if (!s->lms && !begin_stream(s, &beginning)) {
        if (lm_ok(st))
            *st = beginning;
        return false;
    }
    if (waited && lm_ok(st))
        lm_token_classes_replay(s->classes, s->lms, st);
    return lm_lms_writer_close(s->lms, st);
}

/* ---------------------------------------------------------------- all forms */

static bool write_text(lm_token_sink *s, lm_status *st)
{
    bool ok = lm_write_all(s->fd, s->text.data, s->text.len, s->name, st);
    s->text.len = 0;
    return ok;
}

bool lm_token_sink_row(lm_token_sink *s, const lm_token_row *row, lm_status *st)
{
    if (s->o->form == LM_FORM_LMS)
        return put_lms(s, row, st);
    lm_token_line(s, row, &s->text);
    return s->text.len < TEXT_BUFFER || write_text(s, st);
}

static bool put_encoding(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e, const lm_encoding *target,
                         lm_status *st)
{
    if (s->figures) {
        lm_token_figures_add(s->figures, r, e);
        return true;
    }
    if (s->blocks)
        return lm_token_blocks_add(s->blocks, e, r->number, st);
    return lm_token_sink_row(s, &(lm_token_row){.record = r, .e = e, .target = target, .number = r->number}, st);
}

bool lm_token_sink_knows(const lm_token_sink *s, const lm_text_record *r, lm_status *why)
{
    return !s->classes || lm_token_classes_know(s->classes, r, why);
}

bool lm_token_sink_put(lm_token_sink *s, const lm_text_record *r, const lm_encoding *e, const lm_encoding *target,
                       lm_status *st)
{
    if (r->flush)
        return s->o->form == LM_FORM_LMS ? flush_lms(s, st) : write_text(s, st);
    bool ok = put_encoding(s, r, e, target, st);
    for (int i = 0; i < e->overflow_count && ok; i++)
        ok = put_encoding(s, r, &e->overflow[i], target, st);
    return ok;
}

bool lm_token_sink_close(lm_token_sink *s, lm_status *st)
{
    if (s->blocks && lm_ok(st))
        lm_token_blocks_finish(s->blocks, st);
    if (s->o->form == LM_FORM_LMS)
        return end_lms(s, st);
    if (s->figures && lm_ok(st))
        lm_token_figures_print(s->figures, lm_terminal_columns(s->fd), &s->text);
    lm_status ignored = LM_STATUS_INIT;
    write_text(s, lm_ok(st) ? st : &ignored);
    return lm_ok(st);
}
