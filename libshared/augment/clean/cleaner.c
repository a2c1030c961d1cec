/* Steps as operations. */
#include "augment/clean/clean.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { STEPS_MAX = 6 };

typedef struct cleaner {
    const char *name;
    lm_clean_step steps[STEPS_MAX];
    size_t count;
    atomic_uint_fast64_t records, changed, changed_by[STEPS_MAX];
} cleaner;

void lm_clean_room_free(lm_clean_room *room)
{
    lm_pieces_free(&room->pieces);
    for (int i = 0; i < 2; i++)
        lm_buf_free(&room->made[i]);
    lm_buf_free(&room->spare);
}

static void room_free(void *room)
{
    lm_clean_room_free(room);
    free(room);
}

static bool add_step(cleaner *c, const char *name, lm_clean_setup *setup, const char *value, lm_status *st)
{
    lm_clean_step *step = &c->steps[c->count++];
    step->name = name;
    return setup(step, value, st);
}

static void *open_one(const char *name, lm_clean_setup *setup, const char *value, lm_status *st)
{
    cleaner *c = lm_calloc(1, sizeof *c);
    c->name = name;
    if (add_step(c, name, setup, value, st))
        return c;
    free(c);
    return NULL;
}

/* Does all steps; true and *text is the new one, in one of the room's buffers, where something came of them. Marks the steps
 * in `by`. */
static bool clean_text(const cleaner *c, lm_clean_room *room, lm_str *text, bool *by)
{
    bool changed = false;
    int free_one = 0;
    for (size_t k = 0; k < c->count; k++) {
        lm_buf *out = &room->made[free_one];
        out->len = 0;
        if (!c->steps[k].clean(&c->steps[k], room, *text, out) || lm_str_equal(lm_buf_str(out), *text))
            continue;
        *text = lm_buf_str(out);
        free_one = 1 - free_one;
        changed = by[k] = true;
    }
    return changed;
}

static bool apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)st;
    cleaner *c = self;
    uint64_t changed = 0, changed_by[STEPS_MAX] = {0};
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        bool by[STEPS_MAX] = {0}, any = false;
        for (int t = 0; t < d->text_count; t++) {
            lm_str text = d->texts[t];
            if (!clean_text(c, room, &text, by))
                continue;
            d->texts[t] = (lm_str){lm_arena_strndup(batch->arena, text.data, text.len), text.len};
            any = true;
        }
        changed += any;
        for (size_t k = 0; k < c->count; k++)
            changed_by[k] += by[k];
    }
    atomic_fetch_add_explicit(&c->records, batch->count, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->changed, changed, memory_order_relaxed);
    for (size_t k = 0; k < c->count; k++)
        atomic_fetch_add_explicit(&c->changed_by[k], changed_by[k], memory_order_relaxed);
    return true;
}

static void report(const void *self, lm_buf *out)
{
    const cleaner *c = self;
    lm_buf_printf(out, "%s: %" PRIu64 " of %" PRIu64 " records changed", c->name, (uint64_t)c->changed, (uint64_t)c->records);
    for (size_t k = 0; c->count > 1 && k < c->count; k++)
        lm_buf_printf(out, "%s%s %" PRIu64, k ? ", " : ": ", c->steps[k].name, (uint64_t)c->changed_by[k]);
    lm_buf_putc(out, '\n');
}

/* ---------------------------------------------------------------- the operations */

static void *open_clean(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)value, (void)o, (void)place;
    cleaner *c = lm_calloc(1, sizeof *c);
    c->name = "clean";
    if (add_step(c, "fix-mojibake", lm_clean_mojibake, "", st) && add_step(c, "normalize", lm_clean_normalize, "nfc", st) &&
        add_step(c, "strip-html", lm_clean_html, "", st) && add_step(c, "strip-control", lm_clean_control, "", st) &&
        add_step(c, "squeeze", lm_clean_squeeze, "", st) && add_step(c, "whitespace", lm_clean_whitespace, "", st))
        return c;
    free(c);
    return NULL;
}

#define OPEN(function, option, setup)                                                                                        \
    static void *function(const char *value, const lm_augment_options *o, int place, lm_status *st)                          \
    {                                                                                                                        \
        (void)o, (void)place;                                                                                                \
        return open_one(option, setup, value, st);                                                                           \
    }
OPEN(open_mojibake, "fix-mojibake", lm_clean_mojibake)
OPEN(open_normalize, "normalize", lm_clean_normalize)
OPEN(open_html, "strip-html", lm_clean_html)
OPEN(open_markup, "strip-markup", lm_clean_markup)
OPEN(open_urls, "mask-urls", lm_clean_urls)
OPEN(open_emails, "mask-emails", lm_clean_emails)
OPEN(open_phones, "mask-phones", lm_clean_phones)
OPEN(open_control, "strip-control", lm_clean_control)
OPEN(open_squeeze, "squeeze", lm_clean_squeeze)
OPEN(open_whitespace, "whitespace", lm_clean_whitespace)

#define CLEANER(option, opened_by)                                                                                           \
    {                                                                                                                        \
        .name = option, .open = opened_by, .close = free, .room_bytes = sizeof(lm_clean_room), .room_free = room_free,       \
        .apply = apply, .report = report                                                                                     \
    }
const lm_operation_kind lm_clean_kind = CLEANER("clean", open_clean);
const lm_operation_kind lm_fix_mojibake_kind = CLEANER("fix-mojibake", open_mojibake);
const lm_operation_kind lm_normalize_kind = CLEANER("normalize", open_normalize);
const lm_operation_kind lm_strip_html_kind = CLEANER("strip-html", open_html);
const lm_operation_kind lm_strip_markup_kind = CLEANER("strip-markup", open_markup);
const lm_operation_kind lm_mask_urls_kind = CLEANER("mask-urls", open_urls);
const lm_operation_kind lm_mask_emails_kind = CLEANER("mask-emails", open_emails);
const lm_operation_kind lm_mask_phones_kind = CLEANER("mask-phones", open_phones);
const lm_operation_kind lm_strip_control_kind = CLEANER("strip-control", open_control);
const lm_operation_kind lm_squeeze_kind = CLEANER("squeeze", open_squeeze);
const lm_operation_kind lm_whitespace_kind = CLEANER("whitespace", open_whitespace);
