#include "augment/overlap/overlap.h"

#include "augment/overlap/anchors.h"
#include "augment/overlap/cuts.h"
#include "stream/sorted.h"

#include <stdlib.h>
#include <xxhash.h>

/* All texts of n bytes or more, one after the other, with a byte between them that is in no text. Places (lm_cuts) are offsets in it,
 * so that a window is n bytes that begin at a place and have no such byte among them.
 *
 * A window is a repeat if the same bytes are a window at a place n or more to the left. Such two have the same anchor
 * (anchors.h), and so windows need to be compared only where texts share one; anchors are what is sorted. */
enum { BETWEEN = 0xFF, LEAST_BYTES = 16, MOST_BYTES = 1 << 16 };

typedef struct finder {
    size_t n;
    lm_scratch scratch;
    lm_scratch_array texts;
    lm_sorter *sorter; /* {key, place} of the anchors */
    lm_stretches repeats; /* of runs, to be marked */
    lm_cuts cuts;
} finder;

/* ------------------------------------------------------------------ looking at records */

typedef struct room {
    lm_anchors anchors; /* of the batch; places count from its first text */
} room;

static uint64_t places_of(const finder *f, lm_str text)
{
    return text.len < f->n ? 0 : text.len + 1;
}

static bool finder_observe(void *self, void *room_, const lm_drafts *batch, lm_status *st)
{
    (void)st;
    const finder *f = self;
    room *r = room_;
    uint64_t place = 0;
    lm_anchors_clear(&r->anchors);
    for (size_t i = 0; i < batch->count; i++) {
        for (int k = 0; k < batch->items[i]->text_count; k++) {
            lm_str text = batch->items[i]->texts[k];
            lm_anchors_add(&r->anchors, text, place, f->n);
            place += places_of(f, text);
        }
    }
    return true;
}

static bool keep_text(finder *f, lm_str text, uint64_t place, lm_status *st)
{
    if (!lm_scratch_reserve(&f->scratch, &f->texts, place + text.len + 1, st))
        return false;
    unsigned char *to = (unsigned char *)f->texts.data + place;
    memcpy(to, text.data, text.len);
    to[text.len] = BETWEEN;
    lm_scratch_touch(&f->scratch, 1 + text.len / 4096);
    return true;
}

static bool finder_collect(void *self, void *room_, const lm_drafts *batch, lm_status *st)
{
    finder *f = self;
    room *r = room_;
    uint64_t first = f->cuts.places;
    for (size_t i = 0; i < batch->count; i++) {
        const lm_draft *d = batch->items[i];
        uint64_t place = f->cuts.places, places = 0;
        for (int k = 0; k < d->text_count; k++) {
            uint64_t own = places_of(f, d->texts[k]);
            if (own && !keep_text(f, d->texts[k], place + places, st))
                return false;
            places += own;
        }
        if (!lm_cuts_enter(&f->cuts, places, st))
            return false;
    }
    for (size_t i = 0; i < r->anchors.count; i++)
        r->anchors.items[i].low += first;
    for (size_t i = 0; i < r->anchors.repeats.count; i++)
        lm_stretches_add(&f->repeats, r->anchors.repeats.items[i].from + first, r->anchors.repeats.items[i].to + first);
    return lm_sorter_add(f->sorter, r->anchors.items, r->anchors.count, st);
}

/* ------------------------------------------------------------------ comparing windows */

/* A place where some anchor stands. */
typedef struct member {
    uint64_t hash; /* of the bytes around it that are being compared */
    uint64_t at;
} member;

static int by_hash(const void *a_, const void *b_)
{
    const member *a = a_, *b = b_;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* The bytes from `left` before a place to `right` behind it (of which `inside` are known to be of its text), as far as its text
 * goes. */
static lm_stretch around(const finder *f, uint64_t at, size_t left, size_t right, size_t inside)
{
    const unsigned char *texts = f->texts.data;
    size_t before = left < at ? left : at;
    const unsigned char *edge = memrchr(texts + at - before, BETWEEN, before);
    lm_stretch s = {edge ? (uint64_t)(edge + 1 - texts) : at - before, at + right};
    if (right > inside) {
        uint64_t end = at + right < f->cuts.places ? at + right : f->cuts.places;
        edge = memchr(texts + at + inside, BETWEEN, end - at - inside);
        s.to = edge ? (uint64_t)(edge - texts) : end;
    }
    return s;
}

static void swap(member *a, member *b)
{
    member m = *a;
    *a = *b;
    *b = m;
}

/* Members that have the same bytes around them as far as the windows [at - d, at - d + n) for d in [least, most] reach, also where a text
 * ends: all these windows of all but the first are repeats. Marks them, and moves those that are left to the front. */
static size_t mark_equal(finder *f, member *m, size_t count, size_t least, size_t most)
{
    const unsigned char *texts = f->texts.data;
    size_t k = lm_anchor_length(f->n), left = 0;
    for (size_t i = 0; i < count; i++) {
        lm_stretch s = around(f, m[i].at, most, f->n - least, k);
        uint64_t edges = (m[i].at - s.from) << 32 | (s.to - m[i].at);
        m[i].hash = XXH3_64bits_withSeed(texts + s.from, s.to - s.from, edges);
    }
    qsort(m, count, sizeof *m, by_hash);
    for (size_t i = 0, end; i < count; i = end) {
        const member first = m[i];
        lm_stretch s = around(f, first.at, most, f->n - least, k);
        for (end = i + 1; end < count && m[end].hash == first.hash;)
            end++;
        for (size_t j = i; j < end; j++) {
            uint64_t step = m[j].at - first.at;
            lm_stretch t = around(f, m[j].at, most, f->n - least, k);
            bool equal = step >= f->n && t.from - s.from == step && t.to - s.to == step &&
                         memcmp(texts + s.from, texts + t.from, s.to - s.from) == 0;
            if (!equal)
                swap(&m[left++], &m[j]);
            else if (s.to - s.from >= f->n)
                lm_cuts_mark(&f->cuts, t.from, t.to);
        }
    }
    return left;
}

/* Sorts by what all windows with d in [least, most] have in common, and moves members that have no such window to the end. */
static size_t sort_by_core(const finder *f, member *m, size_t count, size_t least, size_t most)
{
    const unsigned char *texts = f->texts.data;
    size_t k = lm_anchor_length(f->n), size = f->n - most + least, whole = 0;
    for (size_t i = 0; i < count; i++) {
        lm_stretch s = around(f, m[i].at, least, f->n - most, k);
        if (s.to - s.from < size)
            continue;
        m[i].hash = XXH3_64bits(texts + s.from, size);
        swap(&m[whole++], &m[i]);
    }
    qsort(m, whole, sizeof *m, by_hash);
    return whole;
}

/* Marks the repeats among windows that begin d bytes before a member, for d in [least, most]. What is equal around is settled at once;
 * of what remains, only members that agree in the common part of the windows can agree in one of them, and for these
 * the two halves of [least, most] are looked at in turn. */
static void compare(finder *f, member *m, size_t count, size_t least, size_t most)
{
    count = mark_equal(f, m, count, least, most);
    if (least == most)
        return;
    count = sort_by_core(f, m, count, least, most);
    size_t middle = (least + most) / 2;
    for (size_t i = 0, end; i < count; i = end) {
        uint64_t hash = m[i].hash;
        for (end = i + 1; end < count && m[end].hash == hash;)
            end++;
        if (end - i < 2)
            continue;
        compare(f, m + i, end - i, least, middle);
        compare(f, m + i, end - i, middle + 1, most);
    }
}

/* ------------------------------------------------------------------ all anchors */

/* Groups of places with the same anchor, until there is work for all threads. */
typedef struct groups {
    member *members;
    size_t count, cap;
    size_t *ends;
    size_t group_count, group_cap;
} groups;

static void compare_groups(finder *f, groups *g)
{
    enum { WORTH_IT = 4096 };
#pragma omp parallel for schedule(dynamic, 16) if (g->count >= WORTH_IT)
    for (size_t i = 0; i < g->group_count; i++) {
        size_t from = i ? g->ends[i - 1] : 0;
        compare(f, g->members + from, g->ends[i] - from, 0, f->n - lm_anchor_length(f->n));
    }
    lm_scratch_touch(&f->scratch, g->count);
    g->count = g->group_count = 0;
}

static bool finder_settle(void *self, lm_status *st)
{
    enum { AT_ONCE = 1 << 16 };
    finder *f = self;
    if (!lm_cuts_ready(&f->cuts, st) || !lm_sorter_finish(f->sorter, st))
        return false;
    for (size_t i = 0; i < f->repeats.count; i++)
        lm_cuts_mark(&f->cuts, f->repeats.items[i].from, f->repeats.items[i].to);
    groups g = {0};
    lm_wide one, next;
    bool more = lm_sorter_next(f->sorter, &next);
    while (more) {
        size_t from = g.count;
        one = next;
        do {
            LM_GROW(g.members, g.count, g.cap);
            g.members[g.count++] = (member){0, next.low};
        } while ((more = lm_sorter_next(f->sorter, &next)) && next.high == one.high);
        if (g.count - from < 2) {
            g.count = from;
            continue;
        }
        LM_GROW(g.ends, g.group_count, g.group_cap);
        g.ends[g.group_count++] = g.count;
        if (g.count >= AT_ONCE)
            compare_groups(f, &g);
    }
    compare_groups(f, &g);
    free(g.members);
    free(g.ends);
    lm_sorter_free(f->sorter);
    f->sorter = NULL;
    lm_scratch_free(&f->scratch, &f->texts);
    return true;
}

/* ------------------------------------------------------------------ cutting */

static void cuts_of_text(void *self, lm_str text, uint64_t *place, lm_stretches *out)
{
    const finder *f = self;
    uint64_t first = *place, end = first + text.len;
    if (!places_of(f, text))
        return;
    *place = end + 1;
    for (uint64_t to = first, from; (from = lm_cuts_next(&f->cuts, to, end, true)) < end;) {
        to = lm_cuts_next(&f->cuts, from, end, false);
        lm_stretches_add(out, from - first, to - first);
    }
}

static bool finder_apply(void *self, void *room_, lm_drafts *batch, lm_status *st)
{
    (void)room_;
    (void)st;
    finder *f = self;
    lm_cuts_apply(&f->cuts, cuts_of_text, f, batch);
    return true;
}

static void finder_report(const void *self, lm_buf *out)
{
    lm_cuts_report(&((const finder *)self)->cuts, out);
}

/* ------------------------------------------------------------------ beginning and end */

static void room_free(void *room_)
{
    room *r = room_;
    lm_anchors_free(&r->anchors);
    free(r);
}

static void finder_close(void *self)
{
    finder *f = self;
    lm_scratch_free(&f->scratch, &f->texts);
    lm_cuts_free(&f->cuts);
    lm_scratch_end(&f->scratch);
    lm_sorter_free(f->sorter);
    free(f->repeats.items);
    free(f);
}

static void *finder_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    int64_t n;
    if (!lm_parse_count(value, &n) || n < LEAST_BYTES || n > MOST_BYTES) {
        lm_fail(st, LM_USAGE, "--dedup-substring %s: how many bytes are a repeat? Give a number from %d to %d, 100 say", value,
                LEAST_BYTES, MOST_BYTES);
        return NULL;
    }
    finder *f = lm_calloc(1, sizeof *f);
    f->n = (size_t)n;
    lm_scratch_begin(&f->scratch, o->memory / 2);
    f->sorter = lm_sorter_new(o->memory / 2);
    f->cuts = (lm_cuts){.name = "dedup-substring", .scratch = &f->scratch};
    return f;
}

const lm_operation_kind lm_dedup_substring_kind = {
    .name = "dedup-substring",
    .open = finder_open,
    .close = finder_close,
    .room_bytes = sizeof(room),
    .room_free = room_free,
    .observe = finder_observe,
    .collect = finder_collect,
    .settle = finder_settle,
    .apply = finder_apply,
    .report = finder_report,
};
