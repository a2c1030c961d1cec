/* A batch on its way through the operations of a stage. */
#include "augment/run.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PART_BYTES = 8 << 20, ITEM_BYTES = 512 /* what a copy takes beside its text, about */ };

static bool is_ordered(const lm_operation_kind *k)
{
    return k->observe || k->follow;
}

static void *room_of(const lm_augment_run_state *r, lm_augment_batch *b, size_t i)
{
    const lm_augment_step *s = &r->steps[i];
    if (!b->rooms)
        b->rooms = lm_calloc(r->step_count, sizeof *b->rooms);
    if (!b->rooms[i])
        b->rooms[i] = lm_operation_room(s->kind, s->self);
    return b->rooms[i];
}

void lm_augment_batch_free(const lm_augment_run_state *r, lm_augment_batch *b)
{
    for (size_t i = 0; b->rooms && i < r->step_count; i++)
        if (b->rooms[i])
            r->steps[i].kind->room_free(b->rooms[i]);
    free(b->rooms);
    free(b->tallies);
    lm_augment_forget(&b->part);
    lm_augment_forget(&b->all);
    free(b->all.items);
    free(b->part.items);
    free(b->kept.items);
    free(b->copies.items);
    lm_buf_free(&b->out);
    lm_block_free(&b->block);
    lm_arena_free(b->arena);
}

/* ---------------------------------------------------------------- one operation */

static void add_draft(lm_drafts *to, lm_draft *d)
{
    LM_GROW(to->items, to->count, to->cap);
    to->items[to->count++] = d;
}

/* The records that are kept of `items`, and the copies among them. */
static void gather(lm_augment_batch *b, const lm_augment_items *items)
{
    b->kept.count = b->copies.count = 0;
    b->kept.arena = b->copies.arena = b->arena;
    for (size_t i = 0; i < items->count; i++) {
        lm_draft *d = &items->items[i]->draft;
        if (d->dropped)
            continue;
        add_draft(&b->kept, d);
        if (d->copy)
            add_draft(&b->copies, d);
    }
}

static bool is_for_copies(const lm_augment_run_state *r, size_t i)
{
    return r->steps[i].kind->varies && r->copying && !(i == r->to && i == r->fan_out); /* which are still to be made there */
}

static lm_drafts *given_to(const lm_augment_run_state *r, lm_augment_batch *b, size_t i)
{
    return is_for_copies(r, i) ? &b->copies : &b->kept;
}

const lm_drafts *lm_augment_given(const lm_augment_run_state *r, const lm_augment_batch *b, size_t i)
{
    return is_for_copies(r, i) ? &b->copies : &b->kept;
}

static void count_positions(lm_augment_run_state *r, lm_augment_batch *b, size_t i, const lm_drafts *drafts, bool last)
{
    lm_augment_step *s = &r->steps[i];
    lm_augment_wait_turn(r, &s->counted, b);
    for (size_t k = 0; k < drafts->count; k++)
        drafts->items[k]->position = s->position++;
    if (last)
        lm_augment_give_turn(r, &s->counted, b);
}

static void begin(const lm_augment_run_state *r, const lm_augment_step *s, const lm_drafts *drafts)
{
    for (size_t k = 0; k < drafts->count; k++) {
        lm_augment_item *item = drafts->items[k]->source;
        memcpy(item->before, item->draft.texts, (size_t)item->draft.text_count * sizeof *item->before);
        if (!r->o->provenance || !s->kind->varies)
            continue;
        item->draft.note = &item->note;
        item->noted = item->note.len;
        lm_buf_puts(&item->note, item->note.len ? ",{" : "{");
    }
}

static void end_note(const lm_augment_run_state *r, lm_augment_item *item)
{
    if (item->note.data[item->note.len - 1] == '{')
        item->note.len = item->noted; /* it had nothing to say */
    else
        lm_buf_printf(&item->note, ",\"seed\":%" PRIu64 "}", r->o->seed);
    item->draft.note = NULL;
}

static void end(const lm_augment_run_state *r, lm_augment_batch *b, size_t i, lm_drafts *drafts)
{
    lm_augment_tally *t = &b->tallies[i];
    t->given += drafts->count;
    for (size_t k = 0; k < drafts->count; k++) {
        lm_augment_item *item = drafts->items[k]->source;
        const lm_draft *d = &item->draft;
        bool changed = false;
        for (int n = 0; n < d->text_count; n++)
            changed |= d->texts[n].data != item->before[n].data || d->texts[n].len != item->before[n].len;
        t->changed += changed && !d->dropped;
        t->dropped += d->dropped != NULL;
        if (d->note)
            end_note(r, item);
    }
}

static bool operate(lm_augment_run_state *r, lm_augment_batch *b, size_t i, bool last)
{
    lm_augment_step *s = &r->steps[i];
    lm_drafts *drafts = given_to(r, b, i);
    void *room = room_of(r, b, i);
    bool good = true;
    if (is_ordered(s->kind))
        count_positions(r, b, i, drafts, last);
    begin(r, s, drafts);
    if (s->kind->apply)
        good = s->kind->apply(s->self, room, drafts, &b->st);
    if (s->kind->follow) {
        lm_augment_wait_turn(r, &s->followed, b);
        good = good && !r->stopped && s->kind->follow(s->self, room, drafts, &b->st);
        if (last)
            lm_augment_give_turn(r, &s->followed, b);
    }
    end(r, b, i, drafts);
    return good;
}

/* ---------------------------------------------------------------- a part, to its end */

/* What was done in vain: the batch passes what others wait for. */
static void pass(lm_augment_run_state *r, lm_augment_batch *b)
{
    for (size_t i = r->from; i < r->step_count && i <= r->to; i++) {
        lm_augment_step *s = &r->steps[i];
        if (is_ordered(s->kind) && s->counted <= b->ticket) {
            lm_augment_wait_turn(r, &s->counted, b);
            lm_augment_give_turn(r, &s->counted, b);
        }
        if (i < r->to && s->kind->follow && s->followed <= b->ticket) {
            lm_augment_wait_turn(r, &s->followed, b);
            lm_augment_give_turn(r, &s->followed, b);
        }
    }
}

static bool observe(lm_augment_run_state *r, lm_augment_batch *b, bool last)
{
    const lm_augment_step *s = &r->steps[r->to];
    lm_drafts *drafts = given_to(r, b, r->to);
    count_positions(r, b, r->to, drafts, last);
    return s->kind->observe(s->self, room_of(r, b, r->to), drafts, &b->st);
}

/* From operation i to the end of the stage. False: failed, and nothing was handed over. */
static bool finish(lm_augment_run_state *r, lm_augment_batch *b, const lm_augment_items *items, size_t i, bool last)
{
    b->out.len = 0;
    b->handed = items;
    gather(b, items);
    for (; i < r->to; i++) {
        if (r->stopped || !operate(r, b, i, last))
            return false;
        gather(b, items);
    }
    if (r->to < r->step_count && !observe(r, b, last))
        return false;
    if (r->to < r->step_count)
        lm_augment_pack(b, items);
    else
        lm_augment_format(r, b, items);
    return true;
}

/* ---------------------------------------------------------------- copies */

static int64_t copies_of(const lm_augment_run_state *r, const lm_augment_item *item)
{
    if (r->copies_by == SIZE_MAX)
        return r->o->copies;
    const lm_augment_step *s = &r->steps[r->copies_by];
    int64_t n = s->kind->copies(s->self, &item->draft);
    return n < 0 ? 0 : n < LM_COPIES_MAX ? n : LM_COPIES_MAX;
}

static size_t weight(const lm_augment_item *item)
{
    size_t n = ITEM_BYTES;
    for (int i = 0; i < item->draft.text_count; i++)
        n += item->draft.texts[i].len;
    return n;
}

static void add_item(lm_augment_items *to, lm_augment_item *item)
{
    LM_GROW(to->items, to->count, to->cap);
    to->items[to->count++] = item;
}

/* One more for the part in hand; a full one goes its way first. */
static bool add_to_part(lm_augment_run_state *r, lm_augment_batch *b, lm_augment_item *item, size_t *bytes,
                        lm_arena_mark *mark)
{
    add_item(&b->part, item);
    *bytes += weight(item);
    if (*bytes < PART_BYTES)
        return true;
    if (!finish(r, b, &b->part, r->fan_out, false))
        return false;
    lm_augment_hand_over(r, b, false);
    lm_augment_forget(&b->part);
    lm_arena_release(b->arena, *mark);
    *bytes = 0;
    return true;
}

/* Behind each record its copies; so many of them at once that memory is bounded, whatever --copies is. */
static bool finish_with_copies(lm_augment_run_state *r, lm_augment_batch *b)
{
    lm_arena_mark mark = lm_arena_mark_get(b->arena);
    size_t bytes = 0;
    b->part.count = 0;
    for (size_t i = 0; i < b->all.count; i++) {
        const lm_augment_item *item = b->all.items[i]; /* stays as it is: a part may end among its copies */
        int64_t n = item->draft.dropped ? 0 : copies_of(r, item);
        for (int64_t k = 0; k <= n; k++)
            if (!add_to_part(r, b, lm_augment_copy(b, item, (uint32_t)k), &bytes, &mark))
                return false;
    }
    return finish(r, b, &b->part, r->fan_out, true);
}

/* ---------------------------------------------------------------- a batch */

static bool take_through(lm_augment_run_state *r, lm_augment_batch *b)
{
    bool copies = r->copying && r->from <= r->fan_out && r->fan_out < r->to;
    if (!copies)
        return finish(r, b, &b->all, r->from, true);
    gather(b, &b->all);
    for (size_t i = r->from; i < r->fan_out; i++) {
        if (r->stopped || !operate(r, b, i, true))
            return false;
        gather(b, &b->all);
    }
    return finish_with_copies(r, b);
}

void lm_augment_batch_work(lm_augment_run_state *r, lm_augment_batch *b)
{
    if (!b->tallies)
        b->tallies = lm_calloc(r->step_count + 1, sizeof *b->tallies);
    lm_augment_forget(&b->part);
    lm_augment_forget(&b->all);
    b->counted = r->kept || !lm_ok(&b->st);
    lm_augment_parse(r, b);
    lm_status reading = b->st; /* what stands before what cannot be read goes its way */
    lm_status_clear(&b->st);
    b->in_vain = !take_through(r, b);
    if (b->in_vain)
        pass(r, b);
    if (lm_ok(&b->st))
        b->st = reading;
    lm_augment_hand_over(r, b, true);
}
