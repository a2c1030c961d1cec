/* Blocks of text records: what is known of a member before its blocks are parsed. */
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/blocks_internal.h"

#include <stdlib.h>

/* ---------------------------------------------------------------------------------------------------- readers */

void lm_reader_know(lm_records *r, const lm_records *state)
{
    r->options = state->options;
    r->format = state->format;
    r->file = state->file;
    r->names = state->names;
    r->columns = state->columns;
    r->columns_line = state->columns_line;
    r->header = state->header;
    r->guessed = state->guessed;
    r->text = state->text;
    r->pair = state->pair;
    r->label = state->label;
    r->id = state->id;
    r->answer = state->answer;
    r->target = state->target;
    r->weight = state->weight;
}

void lm_reader_begin(lm_records *r, lm_str bytes, uint64_t line)
{
    lm_reader_end(r);
    r->in = lm_input_memory(bytes.data, bytes.len, r->file);
    r->keeps = true;
    r->valid = lm_utf8_valid(bytes.data, bytes.len);
    r->rejects = -1;
    r->next_line = line;
    if (!r->arena)
        r->arena = lm_arena_new(0);
    lm_arena_reset(r->arena);
}

void lm_reader_end(lm_records *r)
{
    lm_input_close(r->in);
    r->in = NULL;
}

void lm_reader_free(lm_records *r)
{
    lm_reader_end(r);
    lm_arena_free(r->arena);
    lm_buf_free(&r->clean);
    lm_buf_free(&r->members);
    free(r->cells);
    free(r->fields);
    free(r->spans.items);
}

/* ---------------------------------------------------------------------------------------------------- forms */

/* A list of selectors of its own, whose spellings and names are those of the options. */
static void own_selectors(lm_selectors *s)
{
    lm_selector *items = s->count ? lm_malloc(s->count, sizeof *items) : NULL;
    for (size_t i = 0; i < s->count; i++)
        items[i] = s->items[i];
    s->items = items;
    s->cap = s->count;
}

lm_form *lm_form_new(lm_blocks *b, const lm_records *state)
{
    lm_form *f = lm_calloc(1, sizeof *f);
    lm_records *r = &f->state;
    lm_reader_know(r, state);
    own_selectors(&r->text);
    own_selectors(&r->pair);
    own_selectors(&r->label);
    own_selectors(&r->id);
    own_selectors(&r->answer);
    own_selectors(&r->target);
    own_selectors(&r->weight);
    f->framed = b->options.framed && state->format != LM_FORMAT_LMS;
    f->format = b->options.framed ? LM_FORMAT_LMS : state->format;
    f->extra = b->options.extra;
    f->line_end = "\n";
    f->next = b->forms;
    b->forms = f;
    return f;
}

void lm_form_free(lm_form *f)
{
    free(f->state.text.items);
    free(f->state.pair.items);
    free(f->state.label.items);
    free(f->state.id.items);
    free(f->state.answer.items);
    free(f->state.target.items);
    free(f->state.weight.items);
    lm_reader_free(&f->state);
    lm_buf_free(&f->head);
    free(f);
}

/* What goes out has one form, and a table one header. */
static bool check_form(const lm_form *f, lm_status *st)
{
    const lm_form *first = f;
    while (first->next)
        first = first->next;
    const lm_records *now = &f->state, *then = &first->state;
    if (f->format != first->format)
        return lm_fail(st, LM_FAILED, "%s: it is %s, and %s is %s: records go out in the form that they came in, which has to be "
                       "one: give --framed, or bring all into one with lms --plain", now->file, lm_format_names[now->format],
                       then->file, lm_format_names[then->format]);
    if (f->extra && f->format == LM_FORMAT_TEXT)
        return lm_fail(st, LM_FAILED, "%s: plain lines have no place for `%s`: give --framed", now->file, f->extra);
    if (!lm_is_table(f->format) || now->columns == 0 || then->columns == 0)
        return true;
    bool same = now->columns == then->columns && !now->header == !then->header;
    for (size_t i = 0; same && now->header && i < now->columns; i++)
        same = lm_str_equal(now->header[i], then->header[i]);
    return same || lm_fail(st, LM_FAILED, "%s: its columns are not those of %s, and what goes out has one header: run them one "
                           "by one, or give --framed", now->file, then->file);
}

/* Reads the first records of a member until all is known that has to be guessed: its header, its fields. */
static void scout(lm_form *f, lm_str bytes, uint64_t line, size_t *skip)
{
    lm_records *r = &f->state;
    lm_text_record t;
    lm_take take = LM_TAKE_BAD;
    bool unwanted;
    lm_reader_begin(r, bytes, line);
    while (!r->guessed && take != LM_TAKE_END && take != LM_TAKE_FAILED) {
        lm_status ignored = LM_STATUS_INIT; /* whoever parses the block meets it again */
        bool had_header = r->header != NULL;
        size_t from = (size_t)lm_input_offset(r->in);
        take = lm_records_take(r, &t, &unwanted, &ignored);
        if (!r->header || had_header)
            continue;
        *skip = r->header_end;
        lm_buf_append(&f->head, bytes.data + from, *skip - from);
    }
    lm_reader_end(r);
}

/* Where the extra field of a table is: in the column of its name, or behind the last. */
static void place_column(lm_form *f)
{
    const lm_records *r = &f->state;
    f->extra_column = r->columns;
    for (size_t i = 0; r->header && f->extra && i < r->columns; i++)
        if (lm_str_is(r->header[i], f->extra))
            f->extra_column = i;
}

bool lm_form_find(lm_blocks *b, struct lm_block_inside *n, lm_status *st)
{
    lm_str bytes = lm_buf_str(&n->bytes);
    n->skip = 0;
    if (!b->form || !b->form->state.guessed) {
        lm_form *before = b->form;
        b->form = lm_form_new(b, before ? &before->state : b->head);
        const char *lf = bytes.len ? memchr(bytes.data, '\n', bytes.len) : NULL;
        if (lf && lf > bytes.data && lf[-1] == '\r')
            b->form->line_end = "\r\n";
        scout(b->form, bytes, n->line, &n->skip);
        place_column(b->form);
        if (before)
            lm_buf_append(&b->form->head, before->head.data, before->head.len);
        if (!check_form(b->form, st))
            return false;
        if (!b->headed && b->form->head.len)
            b->headed = b->form;
    }
    n->form = b->form;
    return true;
}
