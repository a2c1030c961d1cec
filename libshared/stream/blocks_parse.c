/* Blocks of text records: the records of a block, and where in them the texts stand. */
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/blocks_internal.h"

#include <stdlib.h>

/* ---------------------------------------------------------------------------------------------------- bytes */

/* Bytes with U+FFFD for what is ill-formed, in the arena; the spans of a row are those of its new bytes. */
static void mend(lm_records *r, lm_source *s)
{
    lm_buf mended = {0};
    lm_utf8_replace_invalid(s->bytes, &mended);
    s->bytes = (lm_str){lm_arena_strndup(r->arena, mended.data, mended.len), mended.len};
    lm_buf_free(&mended);
    if (!lm_is_table(r->format))
        return;
    lm_row_scan scan = lm_row_scan_of(r->format, &r->options);
    scan.spans = &r->spans;
    r->spans.count = 0;
    lm_row_scan_on(&scan, s->bytes, true);
}

/* What stands there without the white space at its end. */
static size_t value_end(lm_str bytes)
{
    while (bytes.len && memchr(" \t\r\n", bytes.data[bytes.len - 1], 4))
        bytes.len--;
    return bytes.len;
}

/* Where a part stands in the bytes of its record. */
static void find_part(const lm_records *r, const lm_source *s, const lm_part *part, size_t *begin, size_t *end)
{
    if (r->format == LM_FORMAT_TEXT) {
        *begin = 0;
        *end = s->bytes.len - (s->bytes.len && s->bytes.data[s->bytes.len - 1] == '\n');
        *end -= *end && s->bytes.data[*end - 1] == '\r';
    } else if (lm_is_table(r->format)) {
        const lm_span *span = &r->spans.items[part->cell];
        *begin = span->begin - span->quoted;
        *end = span->end + span->quoted;
    } else {
        *begin = (size_t)(part->value.data - r->base);
        *end = *begin + part->value.len;
    }
}

/* A field that is named twice is one text. */
static void add_texts(const lm_records *r, lm_source *s, const lm_selectors *chosen)
{
    for (size_t i = 0; i < chosen->part_count; i++) {
        lm_source_text *t = &s->texts[s->text_count];
        bool known = false;
        t->text = chosen->parts[i].text;
        t->changed = false;
        find_part(r, s, &chosen->parts[i], &t->begin, &t->end);
        for (int k = 0; k < s->text_count; k++)
            known |= s->texts[k].begin == t->begin && s->texts[k].end == t->end;
        s->text_count += !known;
    }
}

/* ---------------------------------------------------------------------------------------------------- the extra field */

static void place_in_table(const lm_records *r, const lm_form *f, lm_source *s)
{
    bool own = f->extra_column < r->spans.count;
    const lm_span *span = &r->spans.items[own ? f->extra_column : r->spans.count - 1];
    s->extra_place = own ? LM_EXTRA_CELL : LM_EXTRA_COLUMN;
    s->extra_end = span->end + span->quoted;
    s->extra_begin = own ? span->begin - span->quoted : s->extra_end;
}

/* Before the last byte of an object or array that ends at `end`. */
static void place_at_end(lm_source *s, size_t end, lm_extra_place place)
{
    s->extra_begin = s->extra_end = end - 1;
    s->extra_place = place;
}

/* LMS text has users' fields in an object of their own. */
static void place_in_lms(const char *name, lm_source *s)
{
    size_t end = value_end(s->bytes);
    lm_str fields, value, record = {s->bytes.data, end};
    if (!lm_json_find(record, lm_str_of("fields"), &fields)) {
        place_at_end(s, end, LM_EXTRA_FIELDS);
    } else if (lm_json_find(fields, lm_str_of(name), &value)) {
        s->extra_begin = (size_t)(value.data - s->bytes.data);
        s->extra_end = s->extra_begin + value.len;
        s->extra_place = LM_EXTRA_VALUE;
    } else {
        lm_json j = lm_json_over((lm_str){fields.data + 1, fields.len - 1});
        lm_json_space(&j);
        place_at_end(s, (size_t)(fields.data - s->bytes.data) + fields.len, *j.p == '}' ? LM_EXTRA_FIRST : LM_EXTRA_MEMBER);
    }
}

static bool place_in_json(lm_records *r, const char *name, lm_source *s)
{
    size_t end = value_end(s->bytes);
    char last = s->bytes.data[end - 1];
    lm_selector extra = {.name = lm_str_of(name)};
    const lm_cell *c = last == '}' ? lm_cell_find(r, &extra, NULL) : NULL;
    if (c) {
        s->extra_begin = (size_t)(c->value.data - r->base);
        s->extra_end = s->extra_begin + c->value.len;
        s->extra_place = LM_EXTRA_VALUE;
    } else {
        place_at_end(s, end, last == '}' ? LM_EXTRA_MEMBER : LM_EXTRA_ELEMENT);
    }
    return last != '"';
}

/* ---------------------------------------------------------------------------------------------------- records */

/* The record as LMS text, in place of the bytes that it had: its joined text and its pair are its texts. */
static void frame(lm_records *r, const lm_text_record *t, lm_source *s)
{
    lm_str name, value;
    bool first = true;
    r->clean.len = 0;
    lm_text_record_json(t, true, &r->clean);
    lm_buf_putc(&r->clean, '\n');
    s->bytes = (lm_str){lm_arena_strndup(r->arena, r->clean.data, r->clean.len), r->clean.len};
    lm_json j = lm_json_over(s->bytes);
    lm_json_enter(&j, '{');
    while (s->text_count < 2 && lm_json_member(&j, &first, &name, &value) > 0) {
        bool text = lm_str_is(name, "\"text\""), pair = lm_str_is(name, "\"pair\"");
        size_t begin = (size_t)(value.data - s->bytes.data);
        if (!text && (!pair || t->asks))
            break;
        s->texts[s->text_count++] = (lm_source_text){text ? t->text : t->pair, begin, begin + value.len, false};
    }
}

static lm_str label_of(const lm_records *r, const lm_text_record *t)
{
    lm_cell found;
    if (!t->labels)
        return t->label;
    const lm_cell *c = lm_cell_find(r, &r->label.items[0], &found);
    return c && c->json && c->value.data[0] == '[' ? c->value : r->label.parts[0].text;
}

/* A record that can be used becomes a source. False: the run's operations have no use for it, and st says why. */
static bool take_good(lm_records *r, const lm_form *f, const lm_text_record *t, bool asks, lm_source *s, lm_status *st)
{
    if (t->words)
        return lm_fail_record(r, st, "the text is a list of words, which a text that is changed would not fit any more: choose "
                              "another one with --text");
    s->replaced = r->replaced;
    s->label = label_of(r, t);
    s->texts = lm_arena_alloc(r->arena, r->text.part_count + r->pair.part_count, sizeof *s->texts);
    if (f->framed) {
        frame(r, t, s);
    } else {
        if (r->replaced)
            mend(r, s);
        add_texts(r, s, &r->text);
        if (!t->asks && !asks)
            add_texts(r, s, &r->pair);
    }
    if (!f->extra)
        return true;
    if (f->format == LM_FORMAT_LMS)
        place_in_lms(f->extra, s);
    else if (lm_is_table(r->format))
        place_in_table(r, f, s);
    else if (!place_in_json(r, f->extra, s))
        return lm_fail_record(r, st, "a record that is a string has no place for `%s`: give --framed", f->extra);
    return true;
}

/* The bytes of the record in hand, and the blank lines before it; `end`: where the one before ended. */
static void cut_out(const lm_block *block, const lm_records *r, size_t *end, lm_source *s)
{
    const struct lm_block_inside *n = block->inside;
    size_t begin = (size_t)(r->source.data - n->bytes.data), lead = *end;
    if (begin >= n->skip && lead < n->skip)
        lead = n->skip;
    *end = (size_t)lm_input_offset(r->in);
    s->bytes = (lm_str){n->bytes.data + begin, *end - begin};
    if (!n->form->framed)
        s->lead = (lm_str){n->bytes.data + lead, begin - lead};
}

/* The next record. 1, 0 at the end, -1: it ends the run. */
static int take(lm_block *block, size_t *end, lm_status *st)
{
    struct lm_block_inside *n = block->inside;
    lm_records *r = &n->reader;
    const lm_place *place = block->count < n->place_count ? &n->places[block->count] : NULL;
    lm_text_record t;
    bool unwanted;
    if (place) {
        r->number = place->number;
        r->next_line = place->line;
    }
    lm_take take = lm_records_take(r, &t, &unwanted, st);
    if (take == LM_TAKE_END || take == LM_TAKE_FAILED)
        return take == LM_TAKE_END ? 0 : -1;
    LM_GROW(block->sources, block->count, n->source_cap);
    lm_source *s = &block->sources[block->count];
    lm_zero(s, sizeof *s);
    s->form = n->form;
    s->file = r->file;
    s->number = t.number;
    s->line = t.line;
    cut_out(block, r, end, s);
    if (take == LM_TAKE_RECORD && unwanted) {
        char why[128];
        lm_say_unwanted(&t, why);
        s->unwanted = true;
        s->why = lm_arena_strndup(r->arena, why, strlen(why));
        s->bytes = r->source;
    } else if (take != LM_TAKE_RECORD || !take_good(r, n->form, &t, place && place->asks, s, st)) {
        if (!n->rejects || st->code != LM_FAILED)
            return -1;
        s->why = lm_arena_strndup(r->arena, st->message, strlen(st->message));
        s->bytes = r->source;
        s->text_count = 0;
        lm_status_clear(st);
    }
    block->count++;
    return 1;
}

bool lm_block_parse(lm_block *block, lm_status *st)
{
    struct lm_block_inside *n = block->inside;
    int rc = n->form != NULL && block->records;
    size_t end = 0;
    block->count = 0;
    if (!rc)
        return true;
    lm_reader_know(&n->reader, &n->form->state);
    lm_reader_begin(&n->reader, lm_buf_str(&n->bytes), n->line);
    n->reader.number = block->number;
    while (rc > 0)
        rc = take(block, &end, st);
    return rc == 0;
}
