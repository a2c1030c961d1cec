/* --dedup: a set of hashes of the texts that came by. */
#include "augment/augment.h"
#include "augment/dedup/dedup.h"
#include "augment/dedup/seen.h"
#include "augment/dedup/simplify.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { PARTS_TEXTS = 0x1F, PARTS_LABEL = 0x1E }; /* ASCII's unit and record separators */
enum { AHEAD = 8 };                              /* records between a key's being expected and asked for */

typedef struct exact {
    lm_simplifier simplifier; /* ignored 0: texts are compared byte by byte */
    lm_seen *seen;
    uint64_t records, duplicates, conflicts;
} exact;

/* Of a record: its text, and text and label, where it has one. */
typedef struct keys {
    lm_wide text, labelled;
} keys;

typedef struct exact_room {
    keys *keys;
    size_t cap;
    lm_buf text;
} exact_room;

/* ------------------------------------------------------------------ the value */

static const struct ignorable {
    const char *name;
    unsigned bit;
} ignorables[] = {
    {"case", LM_IGNORE_CASE},       {"space", LM_IGNORE_SPACE},     {"punctuation", LM_IGNORE_PUNCTUATION},
    {"numbers", LM_IGNORE_NUMBERS}, {"accents", LM_IGNORE_ACCENTS}, {"none", 0},
};

enum { IGNORABLES = sizeof ignorables / sizeof *ignorables };

static const struct ignorable *ignorable_of(lm_str word)
{
    for (size_t i = 0; i < IGNORABLES; i++)
        if (lm_str_is(word, ignorables[i].name))
            return &ignorables[i];
    return NULL;
}

/* The bits of a list of names; false with the first that is none in *wrong. */
static bool parse_ignored(const char *value, unsigned *bits, lm_str *wrong)
{
    *bits = 0;
    for (const char *at = value;; at++) {
        lm_str word = {at, strcspn(at, ",")};
        const struct ignorable *i = ignorable_of(word);
        if (!i) {
            *wrong = word;
            return false;
        }
        *bits |= i->bit;
        at += word.len;
        if (!*at)
            return true;
    }
}

bool lm_dedup_takes(const char *word)
{
    unsigned bits;
    lm_str wrong;
    return parse_ignored(word, &bits, &wrong);
}

/* ------------------------------------------------------------------ the operation */

static void exact_close(void *self)
{
    exact *e = self;
    lm_seen_free(e->seen);
    free(e);
}

static void *exact_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    unsigned ignored = LM_IGNORE_CASE | LM_IGNORE_SPACE;
    lm_str wrong;
    if (*value && !parse_ignored(value, &ignored, &wrong)) {
        lm_fail(st, LM_USAGE, "--dedup: '%.*s' is nothing that can be ignored: say none, or some of case, space, punctuation, "
                "numbers and accents, with commas between them", (int)wrong.len, wrong.data);
        return NULL;
    }
    exact *e = lm_calloc(1, sizeof *e);
    lm_simplifier_init(&e->simplifier, ignored);
    e->seen = lm_seen_new(o->memory);
    return e;
}

static void exact_room_free(void *room)
{
    exact_room *r = room;
    free(r->keys);
    lm_buf_free(&r->text);
    free(r);
}

static lm_wide key_of(lm_str s)
{
    XXH128_hash_t h = XXH3_128bits(s.data, s.len);
    return lm_key_of(h.high64, h.low64);
}

static keys keys_of(const exact *e, const lm_draft *d, lm_buf *room)
{
    lm_str text = d->texts[0];
    bool as_it_is = !e->simplifier.ignored && d->text_count == 1;
    if (!as_it_is || d->label.data) {
        room->len = 0;
        for (int i = 0; i < d->text_count; i++) {
            if (i)
                lm_buf_putc(room, PARTS_TEXTS);
            if (e->simplifier.ignored)
                lm_simplify(&e->simplifier, d->texts[i], room);
            else
                lm_buf_append(room, d->texts[i].data, d->texts[i].len);
        }
        text = lm_buf_str(room);
    }
    keys k = {.text = key_of(text)};
    if (d->label.data) {
        lm_buf_putc(room, PARTS_LABEL);
        lm_buf_append(room, d->label.data, d->label.len);
        k.labelled = key_of(lm_buf_str(room));
    }
    return k;
}

static bool exact_apply(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)st;
    exact_room *r = room;
    if (r->cap < batch->count) {
        r->cap = batch->count;
        r->keys = lm_realloc(r->keys, r->cap, sizeof *r->keys);
    }
    for (size_t i = 0; i < batch->count; i++)
        r->keys[i] = keys_of(self, batch->items[i], &r->text);
    return true;
}

/* A text that was there has its label, too, where text and label together were there. */
static bool exact_follow(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    exact *e = self;
    const exact_room *r = room;
    for (size_t i = 0; i < batch->count; i++) {
        lm_draft *d = batch->items[i];
        if (i + AHEAD < batch->count) {
            lm_seen_expect(e->seen, r->keys[i + AHEAD].text);
            lm_seen_expect(e->seen, r->keys[i + AHEAD].labelled);
        }
        if (d->number >= LM_KEY_NUMBERS)
            return lm_fail(st, LM_FAILED, "record %" PRIu64 ": --dedup counts to %" PRIu64 ": give a smaller --offset", d->number,
                           LM_KEY_NUMBERS - 1);
        uint64_t number = d->number, same = d->number;
        int was_there = lm_seen_or_add(e->seen, r->keys[i].text, &number, st);
        if (was_there < 0)
            return false;
        e->records++;
        if (!was_there) {
            if (d->label.data && lm_seen_or_add(e->seen, r->keys[i].labelled, &same, st) < 0)
                return false;
            continue;
        }
        bool conflicts = d->label.data && !lm_seen_has(e->seen, r->keys[i].labelled);
        char why[96];
        int n = snprintf(why, sizeof why, "dedup: duplicate of record %" PRIu64 "%s", number,
                         conflicts ? ", which has another label" : "");
        d->dropped = lm_arena_strndup(batch->arena, why, (size_t)n);
        e->duplicates++;
        e->conflicts += conflicts;
    }
    return true;
}

static void exact_report(const void *self, lm_buf *out)
{
    const exact *e = self;
    lm_buf_printf(out, "dedup: %" PRIu64 " of %" PRIu64 " records are duplicates", e->duplicates, e->records);
    if (e->conflicts)
        lm_buf_printf(out, ", %" PRIu64 " of them with another label than the record that stays", e->conflicts);
    lm_buf_puts(out, lm_seen_on_disk(e->seen) ? " (hashes on disk: see --memory)\n" : "\n");
}

const lm_operation_kind lm_dedup_kind = {
    .name = "dedup",
    .open = exact_open,
    .close = exact_close,
    .room_bytes = sizeof(exact_room),
    .room_free = exact_room_free,
    .apply = exact_apply,
    .follow = exact_follow,
    .report = exact_report,
};
