#include "augment/overlap/cuts.h"

#include <inttypes.h>
#include <stdlib.h>

void lm_cuts_free(lm_cuts *c)
{
    lm_scratch_free(c->scratch, &c->starts);
    lm_scratch_free(c->scratch, &c->bits);
}

bool lm_cuts_enter(lm_cuts *c, uint64_t places, lm_status *st)
{
    if (!lm_scratch_reserve(c->scratch, &c->starts, (c->records + 1) * sizeof(uint64_t), st))
        return false;
    ((uint64_t *)c->starts.data)[c->records++] = c->places;
    c->places += places;
    lm_scratch_touch(c->scratch, 1);
    return true;
}

bool lm_cuts_ready(lm_cuts *c, lm_status *st)
{
    return lm_scratch_resize(c->scratch, &c->bits, c->places / 8 + 1, st);
}

void lm_cuts_mark(lm_cuts *c, uint64_t from, uint64_t to)
{
    _Atomic unsigned char *bits = c->bits.data;
    for (uint64_t i = from, n; i < to; i += n) {
        n = 8 - i % 8 < to - i ? 8 - i % 8 : to - i;
        unsigned char mask = (unsigned char)(((1u << n) - 1) << i % 8);
        if ((atomic_load_explicit(&bits[i / 8], memory_order_relaxed) & mask) != mask)
            atomic_fetch_or_explicit(&bits[i / 8], mask, memory_order_relaxed);
    }
}

uint64_t lm_cuts_next(const lm_cuts *c, uint64_t from, uint64_t to, bool marked)
{
    const unsigned char *bits = c->bits.data, dull = marked ? 0 : 0xFF;
    while (from < to) {
        if (from % 8 == 0 && to - from >= 8 && bits[from / 8] == dull)
            from += 8;
        else if ((bits[from / 8] >> from % 8 & 1) == marked)
            return from;
        else
            from++;
    }
    return to;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The first character that begins at `at` or before it (or behind it: `step` is -1 or 1). */
static uint64_t character(lm_str text, uint64_t at, int step)
{
    while (at > 0 && at < text.len && ((unsigned char)text.data[at] & 0xC0) == 0x80)
        at += (uint64_t)(int64_t)step;
    return at;
}

static lm_str cut_out(lm_str text, const lm_stretches *cuts, lm_arena *arena)
{
    char *left = lm_arena_alloc(arena, text.len, 1);
    size_t n = 0;
    uint64_t kept = 0; /* what follows is yet to be copied */
    for (size_t i = 0; i < cuts->count; i++) {
        uint64_t from = character(text, cuts->items[i].from, 1), to = character(text, cuts->items[i].to, -1);
        if (from < kept)
            from = kept;
        if (to <= from)
            continue;
        memcpy(left + n, text.data + kept, from - kept);
        n += from - kept;
        kept = to;
    }
    memcpy(left + n, text.data + kept, text.len - kept);
    n += text.len - kept;
    while (kept == text.len && n > 0 && is_blank(left[n - 1]))
        n--;
    return (lm_str){left, n};
}

static bool all_blank(const lm_draft *d)
{
    for (int i = 0; i < d->text_count; i++)
        for (size_t k = 0; k < d->texts[i].len; k++)
            if (!is_blank(d->texts[i].data[k]))
                return false;
    return true;
}

void lm_cuts_apply(lm_cuts *c, lm_cuts_of_text *of_text, void *self, lm_drafts *batch)
{
    uint64_t bytes = 0, cut = 0, changed = 0, dropped = 0;
    lm_stretches cuts = {0};
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        uint64_t place = ((const uint64_t *)c->starts.data)[d->position], before = cut;
        for (int k = 0; k < d->text_count; k++) {
            lm_str text = d->texts[k];
            bytes += text.len;
            cuts.count = 0;
            of_text(self, text, &place, &cuts);
            if (cuts.count)
                d->texts[k] = cut_out(text, &cuts, batch->arena);
            cut += text.len - d->texts[k].len;
        }
        if (cut == before)
            continue;
        changed++;
        if (!all_blank(d))
            continue;
        dropped++;
        size_t room = strlen(c->name) + 40;
        char *why = lm_arena_alloc(batch->arena, room, 1);
        snprintf(why, room, "%s: all of it stood before", c->name);
        d->dropped = why;
    }
    free(cuts.items);
    atomic_fetch_add(&c->bytes, bytes);
    atomic_fetch_add(&c->cut, cut);
    atomic_fetch_add(&c->changed, changed);
    atomic_fetch_add(&c->dropped, dropped);
}

void lm_cuts_report(const lm_cuts *c, lm_buf *out)
{
    lm_buf_printf(out, "%s: %" PRIu64 " of %" PRIu64 " bytes stood before, in %" PRIu64 " of %" PRIu64 " records", c->name,
                  (uint64_t)c->cut, (uint64_t)c->bytes, (uint64_t)c->changed, c->records);
    lm_buf_printf(out, "; nothing is left of %" PRIu64 "\n", (uint64_t)c->dropped);
}
