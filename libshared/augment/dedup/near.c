/* --near-dedup: signatures, candidates by sorting the keys of their buckets, clusters. */
#include "augment/augment.h"
#include "augment/dedup/clusters.h"
#include "augment/dedup/dedup.h"
#include "augment/dedup/signature.h"
#include "augment/dedup/simplify.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "stream/lines.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* With a threshold a record is compared with the first records of its candidates that are unlike one another; these are kept
 * to so many of one bucket, for texts made from one pattern would be compared each with each. */
enum { HEADS_MAX = 64 };

typedef struct near_dedup {
    lm_simplifier simplifier;
    lm_minhasher minhasher;
    double threshold; /* below 0: candidates are duplicates */
    lm_sorter *sorter; /* until the clusters are made */
    lm_lines *sets;    /* shingles of each record, in order, where there is a threshold; until the clusters are made */
    lm_clusters clusters;
    lm_clusters_found found;
    bool on_disk;
    uint64_t shorter, next, dropped; /* next: of the records, in the second reading */
} near_dedup;

/* What was found of a batch: the keys of its records that have any, and how many there are of each. */
typedef struct near_room {
    lm_shingles shingles;
    lm_buf text, sets;
    lm_wide *keys;
    size_t key_count, key_cap;
    struct seen_record {
        bool has_keys;
        size_t set; /* shingles */
    } *records;
    size_t record_cap;
} near_room;

/* ------------------------------------------------------------------ the value */

static bool parse_threshold(const char *value, double *threshold)
{
    return lm_parse_float(value, threshold) && *threshold > 0 && *threshold <= 1;
}

bool lm_near_dedup_takes(const char *word)
{
    double threshold;
    return parse_threshold(word, &threshold);
}

/* Texts as similar as that are candidates with this probability. */
static double chance_of_candidates(const lm_minhasher *m, double similarity)
{
    return 1 - pow(1 - pow(similarity, m->hashes), m->buckets);
}

/* ------------------------------------------------------------------ the operation */

static void near_close(void *self)
{
    near_dedup *n = self;
    lm_minhasher_free(&n->minhasher);
    lm_sorter_free(n->sorter);
    lm_lines_free(n->sets);
    lm_clusters_end(&n->clusters);
    free(n);
}

static void *near_open(const char *value, const lm_augment_options *o, int place, lm_status *st)
{
    (void)place;
    double threshold = -1;
    if (*value && !parse_threshold(value, &threshold)) {
        lm_fail(st, LM_USAGE, "--near-dedup: %s is no Jaccard similarity: it is above 0, and 1 at most", value);
        return NULL;
    }
    near_dedup *n = lm_calloc(1, sizeof *n);
    n->threshold = threshold;
    lm_simplifier_init(&n->simplifier, LM_SIMPLIFY_DATATROVE);
    n->minhasher = (lm_minhasher){.ngram = (int)o->near.ngram, .characters = o->near.ngram_of == 1,
                                  .buckets = (int)o->near.buckets, .hashes = (int)o->near.hashes};
    lm_minhasher_init(&n->minhasher, (uint32_t)o->near.seed);
    n->sorter = lm_sorter_new(o->memory / 2);
    lm_clusters_begin(&n->clusters, o->memory / 4);
    if (threshold > 0) {
        n->sets = lm_lines_new(o->memory / 4);
        double chance = chance_of_candidates(&n->minhasher, threshold);
        if (chance < 0.5)
            lm_warn("--near-dedup: texts of similarity %g are found with probability %.2g: more --buckets or fewer --hashes find "
                    "more of them", threshold, chance);
    }
    return n;
}

static void near_room_free(void *room)
{
    near_room *r = room;
    lm_shingles_free(&r->shingles);
    lm_buf_free(&r->text);
    lm_buf_free(&r->sets);
    free(r->keys);
    free(r->records);
    free(r);
}

/* All texts of a record as one, parted by blanks. */
static lm_str simplified(const near_dedup *n, const lm_draft *d, lm_buf *room)
{
    room->len = 0;
    for (int i = 0; i < d->text_count; i++) {
        size_t before = room->len;
        if (before)
            lm_buf_putc(room, ' ');
        size_t from = room->len;
        lm_simplify(&n->simplifier, d->texts[i], room);
        if (room->len == from)
            room->len = before;
    }
    return lm_buf_str(room);
}

static bool near_observe(void *self, void *room, const lm_drafts *batch, lm_status *st)
{
    (void)st;
    const near_dedup *n = self;
    near_room *r = room;
    r->key_count = r->sets.len = 0;
    if (r->record_cap < batch->count) {
        r->record_cap = batch->count;
        r->records = lm_realloc(r->records, r->record_cap, sizeof *r->records);
    }
    for (size_t i = 0; i < batch->count; i++) {
        lm_shingles *s = &r->shingles;
        bool has_keys = lm_minhash_text(&n->minhasher, simplified(n, batch->items[i], &r->text), n->sets, s);
        r->records[i] = (struct seen_record){.has_keys = has_keys};
        for (int bucket = 0; has_keys && bucket < n->minhasher.buckets; bucket++) {
            LM_GROW(r->keys, r->key_count, r->key_cap);
            r->keys[r->key_count++] = lm_minhash_key(&n->minhasher, s, bucket);
        }
        if (n->sets) {
            lm_shingles_make_set(s);
            r->records[i].set = s->count;
            lm_buf_append(&r->sets, s->at, s->count * sizeof *s->at);
        }
    }
    return true;
}

static bool near_collect(void *self, void *room, const lm_drafts *batch, lm_status *st)
{
    near_dedup *n = self;
    near_room *r = room;
    lm_wide *keys = r->keys;
    const char *set = r->sets.data;
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t position = n->clusters.count;
        if (position >= LM_KEY_NUMBERS)
            return lm_fail(st, LM_FAILED, "--near-dedup takes %" PRIu64 " records at most", LM_KEY_NUMBERS);
        if (!lm_clusters_add(&n->clusters, batch->items[i]->number, st))
            return false;
        if (n->sets) {
            size_t bytes = r->records[i].set * sizeof(uint64_t);
            if (!lm_lines_add(n->sets, (lm_str){set, bytes}, st))
                return false;
            set += bytes;
        }
        if (!r->records[i].has_keys) {
            n->shorter++;
            continue;
        }
        for (int bucket = 0; bucket < n->minhasher.buckets; bucket++)
            keys[bucket].low |= position;
        if (!lm_sorter_add(n->sorter, keys, (size_t)n->minhasher.buckets, st))
            return false;
        keys += n->minhasher.buckets;
    }
    return true;
}

/* ------------------------------------------------------------------ clusters */

/* Records that agree on a bucket, in the order of the input. */
typedef struct candidates {
    lm_wide key;
    uint64_t heads[HEADS_MAX];
    int count;
} candidates;

static double similarity(const near_dedup *n, uint64_t i, uint64_t k)
{
    lm_str a = lm_lines_at(n->sets, i), b = lm_lines_at(n->sets, k);
    return lm_jaccard((const void *)a.data, a.len / sizeof(uint64_t), (const void *)b.data, b.len / sizeof(uint64_t));
}

static void compare(near_dedup *n, candidates *c, uint64_t record)
{
    for (int i = 0; i < c->count; i++) {
        uint64_t head = c->heads[i];
        if (!n->sets || lm_clusters_root(&n->clusters, head) == lm_clusters_root(&n->clusters, record) ||
            similarity(n, head, record) >= n->threshold) {
            lm_clusters_join(&n->clusters, head, record);
            return;
        }
    }
    if (c->count < HEADS_MAX)
        c->heads[c->count++] = record;
}

static bool near_settle(void *self, lm_status *st)
{
    near_dedup *n = self;
    if (!lm_sorter_finish(n->sorter, st) || (n->sets && !lm_lines_finish(n->sets, st)))
        return false;
    candidates c = {.count = 0};
    enum { BETWEEN_CHECKS = 1 << 16 };
    size_t count = 0;
    for (lm_wide x; lm_sorter_next(n->sorter, &x);) {
        if (++count % BETWEEN_CHECKS == 0 && !lm_signal_check(st))
            return false;
        if (!lm_key_same(x, c.key))
            c = (candidates){.key = x};
        compare(n, &c, lm_key_number(x));
    }
    n->on_disk = lm_sorter_on_disk(n->sorter);
    lm_sorter_free(n->sorter);
    lm_lines_free(n->sets);
    n->sorter = NULL;
    n->sets = NULL;
    n->found = lm_clusters_look(&n->clusters);
    return true;
}

static bool near_follow(void *self, void *room, lm_drafts *batch, lm_status *st)
{
    (void)room;
    (void)st;
    near_dedup *n = self;
    for (size_t i = 0; i < batch->count; i++) {
        uint64_t record = n->next++, root = lm_clusters_root(&n->clusters, record);
        if (root == record)
            continue;
        char why[64];
        int len = snprintf(why, sizeof why, "near-dedup: near duplicate of record %" PRIu64,
                           lm_clusters_number(&n->clusters, root));
        batch->items[i]->dropped = lm_arena_strndup(batch->arena, why, (size_t)len);
        n->dropped++;
    }
    return true;
}

static void near_report(const void *self, lm_buf *out)
{
    const near_dedup *n = self;
    const lm_minhasher *m = &n->minhasher;
    lm_buf_printf(out, "near-dedup: %" PRIu64 " of %" PRIu64 " records are near duplicates", n->dropped, n->clusters.count);
    if (n->found.clusters)
        lm_buf_printf(out, ", in %" PRIu64 " cluster%s", n->found.clusters, n->found.clusters > 1 ? "s" : "");
    lm_buf_puts(out, n->on_disk ? " (signatures on disk: see --memory)\n" : "\n");
    for (int i = 0; i < n->found.shown; i++)
        lm_buf_printf(out, "%s%" PRIu64 " like record %" PRIu64 "%s", i ? ", " : "near-dedup: the largest clusters: ",
                      n->found.largest[i].records, n->found.largest[i].number, i + 1 < n->found.shown ? "" : "\n");
    if (n->shorter)
        lm_buf_printf(out, "near-dedup: %" PRIu64 " records have fewer than %d %s and were compared with none\n", n->shorter,
                      m->ngram, lm_ngram_names[m->characters]);
}

const lm_operation_kind lm_near_dedup_kind = {
    .name = "near-dedup",
    .open = near_open,
    .close = near_close,
    .room_bytes = sizeof(near_room),
    .room_free = near_room_free,
    .observe = near_observe,
    .collect = near_collect,
    .settle = near_settle,
    .follow = near_follow,
    .report = near_report,
};
