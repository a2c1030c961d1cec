/* Text records written: as JSON, as kind text, and kept in batches. */
#include "base/memory.h"
#include "stream/records.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- JSON */

static void add_name(lm_buf *out, const char *name)
{
    lm_buf_puts(out, ",\"");
    lm_buf_puts(out, name);
    lm_buf_puts(out, "\":");
}

static void add_string(lm_buf *out, const char *name, lm_str value)
{
    add_name(out, name);
    lm_json_string(value, out);
}

static void add_list(lm_buf *out, const char *name, const lm_str *items, size_t count)
{
    add_name(out, name);
    lm_buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        lm_buf_puts(out, i ? "," : "");
        lm_json_string(items[i], out);
    }
    lm_buf_putc(out, ']');
}

static void add_field(lm_buf *out, const lm_field *f)
{
    lm_json_string(f->name, out);
    lm_buf_putc(out, ':');
    lm_buf_append(out, f->json.data, f->json.len);
}

/* Whether a field cannot stand beside `text` because something else has its name. */
static bool clashes(lm_str name)
{
    static const char *const names[] = {"text", "pair", "label", "id", "words", "tags", "labels", NULL};
    for (size_t i = 0; names[i]; i++)
        if (lm_str_is(name, names[i]))
            return true;
    return false;
}

/* Whether field i goes under `fields`: all do in a framed record; else those that clash, and one that is itself called
 * so where there are such. */
static bool goes_under(const lm_text_record *r, size_t i, bool framed)
{
    if (framed || clashes(r->fields[i].name) || (r->target.data && lm_str_is(r->fields[i].name, "target")))
        return true;
    bool some = false;
    for (size_t k = 0; k < r->field_count && lm_str_is(r->fields[i].name, "fields"); k++)
        some |= clashes(r->fields[k].name);
    return some;
}

void lm_text_record_json(const lm_text_record *r, bool framed, lm_buf *out)
{
    size_t begin = out->len;
    if (r->text.data)
        add_string(out, "text", r->text);
    if (r->pair.data)
        add_string(out, "pair", r->pair);
    if (r->target.data)
        add_string(out, "target", r->target);
    if (r->label.data)
        add_string(out, "label", r->label);
    if (r->words)
        add_list(out, "words", r->words, r->word_count);
    if (r->labels)
        add_list(out, r->words ? "tags" : "labels", r->labels, r->label_count);
    if (r->id.data) {
        lm_buf_puts(out, ",\"id\":");
        lm_buf_append(out, r->id.data, r->id.len);
    }
    size_t under = 0;
    for (size_t i = 0; i < r->field_count; i++) {
        if (goes_under(r, i, framed)) {
            under++;
            continue;
        }
        lm_buf_putc(out, ',');
        add_field(out, &r->fields[i]);
    }
    if (under) {
        lm_buf_puts(out, ",\"fields\":{");
        bool first = true;
        for (size_t i = 0; i < r->field_count; i++) {
            if (!goes_under(r, i, framed))
                continue;
            lm_buf_puts(out, first ? "" : ",");
            add_field(out, &r->fields[i]);
            first = false;
        }
        lm_buf_putc(out, '}');
    }
    lm_buf_append(out, r->members.data, r->members.len);
    if (out->len == begin)
        lm_buf_putc(out, '{');
    out->data[begin] = '{'; /* where the first comma is */
    lm_buf_putc(out, '}');
}

bool lm_text_record_write(lm_lms_writer *w, const lm_text_record *r, lm_status *st)
{
    if (r->flush)
        return lm_lms_write_flush(w, st);
    lm_buf json = {0};
    lm_text_record_json(r, true, &json);
    bool ok = lm_lms_write_members(w, (lm_str){json.data + 1, json.len - 2}, 1, NULL, 0, st);
    lm_buf_free(&json);
    return ok;
}

/* ---------------------------------------------------------------------------------------------------- batches */

static lm_str keep(lm_arena *a, lm_str s)
{
    return s.data ? (lm_str){lm_arena_strndup(a, s.data, s.len), s.len} : s;
}

static const lm_str *keep_list(lm_arena *a, const lm_str *items, size_t count)
{
    if (!items)
        return NULL;
    lm_str *kept = lm_arena_alloc(a, count + 1, sizeof *kept);
    for (size_t i = 0; i < count; i++)
        kept[i] = keep(a, items[i]);
    return kept;
}

/* The words, which are slices of the text, as slices of its copy. */
static const lm_str *keep_words(lm_arena *a, const lm_text_record *r, lm_str text)
{
    if (!r->words)
        return NULL;
    lm_str *kept = lm_arena_alloc(a, r->word_count + 1, sizeof *kept);
    for (size_t i = 0; i < r->word_count; i++)
        kept[i] = (lm_str){text.data + (r->words[i].data - r->text.data), r->words[i].len};
    return kept;
}

static void keep_record(lm_text_batch *b, const lm_text_record *r)
{
    LM_GROW(b->items, b->count, b->cap);
    lm_text_record *k = &b->items[b->count++];
    *k = *r;
    k->text = keep(b->arena, r->text);
    k->pair = keep(b->arena, r->pair);
    k->target = keep(b->arena, r->target);
    k->label = keep(b->arena, r->label);
    k->words = keep_words(b->arena, r, k->text);
    k->labels = keep_list(b->arena, r->labels, r->label_count);
    k->id = keep(b->arena, r->id);
    k->members = keep(b->arena, r->members);
    k->source = (lm_str){NULL, 0};
    if (!r->field_count)
        return;
    lm_field *fields = lm_arena_alloc(b->arena, r->field_count, sizeof *fields);
    for (size_t i = 0; i < r->field_count; i++)
        fields[i] = (lm_field){keep(b->arena, r->fields[i].name), keep(b->arena, r->fields[i].json)};
    k->fields = fields;
}

int lm_records_batch(lm_records *r, size_t records, size_t bytes, lm_text_batch *batch, lm_status *st)
{
    lm_text_record one;
    size_t have = 0;
    if (!batch->arena)
        batch->arena = lm_arena_new(0);
    lm_arena_reset(batch->arena);
    batch->count = 0;
    while (batch->count < records && have < bytes) {
        int rc = lm_records_next(r, &one, st);
        if (rc < 0)
            return -1;
        if (rc == 0)
            break;
        keep_record(batch, &one);
        have += one.text.len + one.pair.len + one.target.len;
        if (one.flush)
            break;
    }
    return batch->count > 0;
}

void lm_text_batch_free(lm_text_batch *batch)
{
    lm_arena_free(batch->arena);
    free(batch->items);
    *batch = (lm_text_batch){0};
}
