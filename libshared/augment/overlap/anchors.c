#include "augment/overlap/anchors.h"

#include <stdlib.h>

void lm_anchors_clear(lm_anchors *a)
{
    a->count = a->repeats.count = 0;
}

void lm_anchors_free(lm_anchors *a)
{
    free(a->items);
    free(a->repeats.items);
    free(a->ring);
    *a = (lm_anchors){0};
}

/* A well-mixed number for each byte (splitmix64). */
static uint64_t byte_number(unsigned char byte)
{
    uint64_t z = (byte + 1u) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The anchors of one run, or a single one. */
typedef struct run {
    lm_anchors *out;
    const char *text;
    uint64_t place;
    size_t n, k;
    uint64_t key;
    size_t from, last, period; /* offsets of the first and the last anchor; 0: there is one */
    bool skipped;              /* some were left out, up to the last */
} run;

static void put(run *r, size_t at)
{
    LM_GROW(r->out->items, r->out->count, r->out->cap);
    r->out->items[r->out->count++] = (lm_wide){r->key, r->place + at};
}

/* The first place from which the run repeats itself n bytes or more to the left. */
static size_t repeats_from(const run *r)
{
    return r->from + (r->n + r->period - 1) / r->period * r->period;
}

static void end_run(run *r)
{
    if (r->skipped) {
        put(r, r->last); /* windows that reach beyond the run have this one, the rightmost */
        size_t from = repeats_from(r), end = r->last + r->k;
        if (memcmp(r->text + r->from, r->text + from, end - from) == 0)
            lm_stretches_add(&r->out->repeats, r->place + from, r->place + end);
    }
    r->skipped = false;
    r->period = 0;
}

static void anchor(run *r, uint64_t key, size_t at, bool first)
{
    size_t step = at - r->last;
    if (!first && key == r->key && step <= r->k && (r->period == 0 || r->period == step)) {
        r->period = step;
        r->last = at;
        r->skipped = r->skipped || at > repeats_from(r) + r->n;
        if (!r->skipped)
            put(r, at);
        return;
    }
    if (!first)
        end_run(r);
    r->key = key;
    r->from = r->last = at;
    put(r, at);
}

static const uint64_t BASE = 0x9e3779b97f4a7c15u; /* odd */

static void make_tables(lm_anchors *a, size_t k, size_t grams)
{
    for (a->ring_size = 1; a->ring_size < grams;)
        a->ring_size *= 2;
    a->ring = lm_malloc(a->ring_size, sizeof *a->ring);
    uint64_t power = 1;
    for (size_t i = 0; i < k; i++)
        power *= BASE;
    for (int b = 0; b < 256; b++)
        a->out[b] = (a->in[b] = byte_number((unsigned char)b)) * power;
}

void lm_anchors_add(lm_anchors *a, lm_str text, uint64_t place, size_t n)
{
    const size_t k = lm_anchor_length(n), grams = n - k + 1; /* of a window */
    if (text.len < n)
        return;
    if (!a->ring)
        make_tables(a, k, grams);
    const unsigned char *bytes = (const unsigned char *)text.data;
    uint64_t h = 0, least = UINT64_MAX;
    for (size_t i = 0; i + 1 < k; i++)
        h = h * BASE + a->in[bytes[i]];

    run r = {.out = a, .text = text.data, .place = place, .n = n, .k = k};
    const size_t mask = a->ring_size - 1, last = text.len - k;
    size_t at = 0, chosen = SIZE_MAX;
    for (size_t i = 0; i <= last; i++) {
        h = h * BASE + a->in[bytes[i + k - 1]] - (i ? a->out[bytes[i - 1]] : 0);
        a->ring[i & mask] = h;
        if (h <= least) {
            least = h;
            at = i;
        } else if (at + grams <= i) { /* the least one is out of the window: look for it anew */
            at = i + 1 - grams;
            for (size_t j = at + 1; j <= i; j++)
                if (a->ring[j & mask] <= a->ring[at & mask])
                    at = j;
            least = a->ring[at & mask];
        }
        if (i + 1 >= grams && at != chosen) {
            anchor(&r, least, at, chosen == SIZE_MAX);
            chosen = at;
        }
    }
    end_run(&r);
}
