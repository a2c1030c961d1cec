#include "base/best_fit.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };

/* The bins that have room, by how much: a tree over the rooms 0..size, each node with the number of bins below it, to find
 * the smallest room that suffices; and for each room the bins that have it, as a stack. */
typedef struct rooms {
    uint32_t leaves;          /* a power of two above size */
    uint32_t *counts, *heads; /* [2 * leaves], [leaves] */
    uint32_t *below, *room;   /* [bins] the next bin of that room; its room */
} rooms;

static void count_room(rooms *r, uint32_t room, uint32_t by)
{
    for (uint32_t i = r->leaves + room; i >= 1; i /= 2)
        r->counts[i] += by;
}

/* The smallest room of at least `least` that some bin has; NONE if none does. */
static uint32_t find_room(const rooms *r, uint32_t least)
{
    uint32_t i = r->leaves + least;
    if (r->counts[i])
        return least;
    for (; i > 1; i /= 2)
        if (i % 2 == 0 && r->counts[i + 1]) {
            i++;
            while (i < r->leaves)
                i = r->counts[2 * i] ? 2 * i : 2 * i + 1;
            return i - r->leaves;
        }
    return NONE;
}

static uint32_t take_bin(rooms *r, uint32_t room)
{
    uint32_t bin = r->heads[room];
    r->heads[room] = r->below[bin];
    count_room(r, room, UINT32_MAX); /* one less */
    return bin;
}

static void put_bin(rooms *r, uint32_t bin, uint32_t room)
{
    r->room[bin] = room;
    r->below[bin] = r->heads[room];
    r->heads[room] = bin;
    count_room(r, room, 1);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* bin_of[i]: where piece i goes; returns how many bins there are. */
static uint32_t lay(const uint32_t *lengths, uint32_t n, uint32_t size, uint32_t *bin_of)
{
    uint32_t bins = 0;
    rooms r = {.leaves = 1};
    while (r.leaves <= size)
        r.leaves *= 2;
    r.counts = lm_calloc(2 * (size_t)r.leaves, sizeof *r.counts);
    r.heads = lm_malloc(r.leaves, sizeof *r.heads);
    memset(r.heads, 0xff, r.leaves * sizeof *r.heads);
    r.below = lm_malloc((size_t)n + 1, sizeof *r.below);
    r.room = lm_malloc((size_t)n + 1, sizeof *r.room);
    uint64_t *keys = lm_malloc((size_t)n + 1, sizeof *keys);
    for (uint32_t i = 0; i < n; i++)
        keys[i] = (uint64_t)(size - lengths[i]) << 32 | i;
    qsort(keys, n, sizeof *keys, by_key);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t piece = (uint32_t)keys[i], room = find_room(&r, lengths[piece]);
        uint32_t bin = room == NONE ? bins++ : take_bin(&r, room);
        put_bin(&r, bin, (room == NONE ? size : room) - lengths[piece]);
        bin_of[piece] = bin;
    }
    free(keys);
    free(r.counts);
    free(r.heads);
    free(r.below);
    free(r.room);
    return bins;
}

void lm_best_fit(const uint32_t *lengths, uint32_t n, uint32_t size, lm_bins *out)
{
    uint32_t *bin_of = lm_malloc((size_t)n + 1, sizeof *bin_of);
    uint32_t count = lay(lengths, n, size, bin_of), seen = 0;
    uint32_t *place = lm_malloc((size_t)count + 1, sizeof *place); /* of a bin among those in order */
    memset(place, 0xff, ((size_t)count + 1) * sizeof *place);
    *out = (lm_bins){.count = count,
                     .splits = lm_calloc((size_t)count + 2, sizeof *out->splits),
                     .pieces = lm_malloc((size_t)n + 1, sizeof *out->pieces)};
    for (uint32_t i = 0; i < n; i++) {
        if (place[bin_of[i]] == NONE)
            place[bin_of[i]] = seen++;
        out->splits[place[bin_of[i]] + 2]++;
    }
    for (uint32_t b = 2; b <= count; b++) /* splits[b+1]: where bin b's next piece goes */
        out->splits[b] += out->splits[b - 1];
    for (uint32_t i = 0; i < n; i++)
        out->pieces[out->splits[place[bin_of[i]] + 1]++] = i;
    free(place);
    free(bin_of);
}

void lm_bins_free(lm_bins *bins)
{
    free(bins->splits);
    free(bins->pieces);
    *bins = (lm_bins){0};
}
