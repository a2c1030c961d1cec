/* Records become drafts, and drafts what is written or kept for the next stage. */
#include "augment/run.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/signals.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- in */

int lm_augment_read(lm_augment_run_state *r, lm_augment_batch *b)
{
    if (!lm_signal_check(&b->st))
        return -1;
    if (!r->kept)
        return lm_blocks_next(r->blocks, &b->block, &b->st);
    if (b->ticket >= lm_lines_count(r->kept))
        return 0;
    b->packed = lm_lines_at(r->kept, b->ticket);
    return 1;
}

void lm_augment_forget(lm_augment_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        lm_buf_free(&items->items[i]->note);
    items->count = 0;
}

static void add_item(lm_augment_batch *b, lm_augment_item *item, const lm_source *from, lm_str *texts)
{
    int n = from->text_count;
    item->from = from;
    item->before = texts + n;
    item->draft = (lm_draft){.texts = texts, .text_count = n, .label = from->label, .number = from->number,
                             .dropped = from->why, .source = item};
    for (int i = 0; i < n; i++)
        texts[i] = from->texts[i].text;
    LM_GROW(b->all.items, b->all.count, b->all.cap);
    b->all.items[b->all.count++] = item;
}

/* The drafts of sources, with room for what their texts were. */
static void add_sources(lm_augment_batch *b, const lm_source *sources, size_t count)
{
    size_t texts = 0;
    for (size_t i = 0; i < count; i++)
        texts += 2 * (size_t)sources[i].text_count;
    lm_augment_item *items = lm_arena_alloc(b->arena, count + 1, sizeof *items);
    lm_str *room = lm_arena_alloc(b->arena, texts + 1, sizeof *room);
    memset(items, 0, count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        add_item(b, &items[i], &sources[i], room);
        room += 2 * sources[i].text_count;
    }
}

lm_augment_item *lm_augment_copy(lm_augment_batch *b, const lm_augment_item *from, uint32_t copy)
{
    size_t n = (size_t)from->draft.text_count;
    lm_augment_item *item = lm_arena_alloc(b->arena, 1, sizeof *item + 2 * n * sizeof(lm_str));
    lm_str *texts = (lm_str *)(item + 1);
    *item = (lm_augment_item){.draft = from->draft, .from = from->from, .before = texts + n};
    memcpy(texts, from->draft.texts, n * sizeof *texts);
    item->draft.texts = texts;
    item->draft.copy = copy;
    item->draft.source = item;
    return item;
}

/* ---------------------------------------------------------------- kept for the next stage */

/* What stands before a packed source. */
typedef struct mark {
    uint32_t copy, gone;
    uint64_t note;
} mark;

/* A record that is gone leaves what stood before it. */
static bool is_kept(const lm_augment_item *item)
{
    return !item->draft.dropped || (!item->draft.copy && item->from->lead.len);
}

void lm_augment_pack(lm_augment_batch *b, const lm_augment_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        const lm_augment_item *item = items->items[i];
        lm_source source = *item->from;
        mark m = {item->draft.copy, item->draft.dropped != NULL, item->note.len};
        if (!is_kept(item))
            continue;
        if (item->draft.copy)
            source.lead = (lm_str){NULL, 0};
        lm_buf_append(&b->out, &m, sizeof m);
        lm_buf_append(&b->out, item->note.data, item->note.len);
        lm_source_pack(&source, item->draft.texts, &b->out);
    }
}

static bool unpack_one(lm_augment_batch *b)
{
    mark m;
    lm_source *source = lm_arena_alloc(b->arena, 1, sizeof *source);
    if (b->packed.len < sizeof m)
        return false;
    memcpy(&m, b->packed.data, sizeof m);
    if (b->packed.len - sizeof m < m.note)
        return false;
    lm_str note = {b->packed.data + sizeof m, m.note};
    b->packed = (lm_str){note.data + note.len, b->packed.len - sizeof m - note.len};
    if (!lm_source_unpack(&b->packed, b->arena, source))
        return false;
    add_sources(b, source, 1);
    lm_augment_item *item = b->all.items[b->all.count - 1];
    item->draft.copy = m.copy;
    item->gone = m.gone;
    if (m.gone)
        item->draft.dropped = "";
    lm_buf_append(&item->note, note.data, note.len);
    return true;
}

bool lm_augment_parse(lm_augment_run_state *r, lm_augment_batch *b)
{
    if (!b->arena)
        b->arena = lm_arena_new(0);
    lm_arena_reset(b->arena);
    if (!lm_ok(&b->st))
        return false;
    if (!r->kept) {
        bool good = lm_block_parse(&b->block, &b->st);
        add_sources(b, b->block.sources, b->block.count);
        return good;
    }
    while (b->packed.len)
        if (!unpack_one(b))
            return lm_fail(&b->st, LM_FAILED, "what was kept for another reading is damaged: is the disk of $TMPDIR whole?");
    return true;
}

/* ---------------------------------------------------------------- out */

/* False: nothing is left of it. */
static bool write_item(const lm_augment_item *item, lm_buf *list, lm_buf *out)
{
    lm_str extra = {NULL, 0};
    if (item->note.len) {
        list->len = 0;
        lm_buf_putc(list, '[');
        lm_buf_append(list, item->note.data, item->note.len);
        lm_buf_putc(list, ']');
        extra = lm_buf_str(list);
    }
    return lm_source_write(item->from, item->draft.texts, extra, out);
}

void lm_augment_format(const lm_augment_run_state *r, lm_augment_batch *b, const lm_augment_items *items)
{
    lm_buf list = {0};
    b->written = 0;
    for (size_t i = 0; i < items->count; i++) {
        lm_augment_item *item = items->items[i];
        if (!item->draft.copy)
            lm_buf_append(&b->out, item->from->lead.data, item->from->lead.len);
        if (item->draft.dropped || (r->copying && r->o->exclude_original && !item->draft.copy))
            continue;
        if (write_item(item, &list, &b->out))
            b->written++;
        else
            item->draft.dropped = "nothing is left of it";
    }
    lm_buf_free(&list);
}

/* A copy is told of as it would have been written, a record as it came in. */
static bool tell(lm_augment_run_state *r, const lm_augment_item *item, lm_status *st)
{
    lm_source source = *item->from;
    lm_buf list = {0}, written = {0};
    if (item->draft.copy) {
        write_item(item, &list, &written);
        source.bytes = lm_buf_str(&written);
    }
    bool good = lm_blocks_reject(r->blocks, &source, item->draft.dropped, st);
    lm_buf_free(&list);
    lm_buf_free(&written);
    return good;
}

static bool tell_dropped(lm_augment_run_state *r, const lm_augment_items *items, lm_status *st)
{
    for (size_t i = 0; r->o->records.rejects && i < items->count; i++)
        if (items->items[i]->draft.dropped && !items->items[i]->gone && !tell(r, items->items[i], st))
            return false;
    return true;
}

static void add_tallies(lm_augment_run_state *r, lm_augment_batch *b)
{
    for (size_t i = 0; i < r->step_count; i++) {
        r->steps[i].given += b->tallies[i].given;
        r->steps[i].changed += b->tallies[i].changed;
        r->steps[i].dropped += b->tallies[i].dropped;
        b->tallies[i] = (lm_augment_tally){0};
    }
}

static bool put(lm_augment_run_state *r, lm_augment_batch *b, lm_status *st)
{
    if (r->to < r->step_count) {
        lm_augment_step *s = &r->steps[r->to];
        if (s->kind->collect && !s->kind->collect(s->self, b->rooms ? b->rooms[r->to] : NULL, lm_augment_given(r, b, r->to), st))
            return false;
        return lm_lines_add(r->keeping, lm_buf_str(&b->out), st);
    }
    r->written += b->written;
    return lm_blocks_put(r->writer, lm_buf_str(&b->out), st) &&
           (!b->last || r->kept || !b->block.flush || lm_blocks_flush(r->writer, st));
}

bool lm_augment_sink(lm_augment_run_state *r, lm_augment_batch *b, lm_status *st)
{
    if (!b->counted)
        lm_blocks_count(r->blocks, &b->block);
    b->counted = true;
    if (!b->in_vain && (!tell_dropped(r, b->handed, st) || !put(r, b, st)))
        return false;
    add_tallies(r, b);
    lm_progress_update(r->kept ? r->written : lm_blocks_given(r->blocks), NULL);
    return lm_ok(&b->st) || (*st = b->st, false);
}
