#include "augment/dedup/seen.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Half of the memory is for the largest table (and its half, while it is filled anew), a quarter for the filter. */
enum { FIRST_SLOTS = 1 << 10, FAN_IN = 8, LOOKS_BETWEEN = 1 << 16 };

struct lm_seen {
    lm_wide *slots; /* open addressing; all zero: free */
    size_t slot_count, most_slots, used;
    uint64_t *filter; /* NULL: there are no runs */
    size_t filter_words;
    lm_runs runs;
    size_t looks; /* into runs, since what is resident of them was given back */
};

static size_t power_of_two_within(size_t n)
{
    size_t p = 1;
    while (p <= n / 2)
        p *= 2;
    return p;
}

lm_seen *lm_seen_new(size_t memory)
{
    lm_seen *s = lm_calloc(1, sizeof *s);
    s->most_slots = power_of_two_within(memory / 2 / sizeof *s->slots);
    if (s->most_slots < FIRST_SLOTS)
        s->most_slots = FIRST_SLOTS;
    s->filter_words = s->most_slots * sizeof *s->slots / 2 / sizeof *s->filter;
    s->slot_count = FIRST_SLOTS;
    s->slots = lm_calloc(s->slot_count, sizeof *s->slots);
    s->runs.fan_in = FAN_IN;
    return s;
}

void lm_seen_free(lm_seen *s)
{
    if (!s)
        return;
    free(s->slots);
    free(s->filter);
    lm_runs_free(&s->runs);
    free(s);
}

bool lm_seen_on_disk(const lm_seen *s)
{
    return s->runs.count > 0;
}

static bool is_free(lm_wide slot)
{
    return !slot.high && !slot.low;
}

/* The slot that has the key, or the free one where it belongs. The table is never full. */
static lm_wide *slot_of(const lm_seen *s, lm_wide key)
{
    size_t i = key.high & (s->slot_count - 1);
    while (!is_free(s->slots[i]) && !lm_key_same(s->slots[i], key))
        i = (i + 1) & (s->slot_count - 1);
    return &s->slots[i];
}

void lm_seen_expect(const lm_seen *s, lm_wide key)
{
    __builtin_prefetch(&s->slots[key.high & (s->slot_count - 1)]);
}

static void grow(lm_seen *s)
{
    lm_wide *old = s->slots;
    size_t count = s->slot_count;
    s->slot_count *= 2;
    s->slots = lm_calloc(s->slot_count, sizeof *s->slots);
    for (size_t i = 0; i < count; i++)
        if (!is_free(old[i]))
            *slot_of(s, old[i]) = old[i];
    free(old);
}

/* The word of the filter that knows of a key, and the bits there: by the high word's upper half (its lower one finds the
 * slot), and by the key's part of the low word. */
static uint64_t *filter_word(const lm_seen *s, lm_wide key)
{
    return &s->filter[(key.high >> 32) * s->filter_words >> 32];
}

static uint64_t filter_bits(lm_wide key)
{
    uint64_t bits = 0;
    for (int from = 40; from < 64; from += 6)
        bits |= (uint64_t)1 << (key.low >> from & 63);
    return bits;
}

static bool spill(lm_seen *s, lm_status *st)
{
    if (!s->filter)
        s->filter = lm_calloc(s->filter_words, sizeof *s->filter);
    size_t n = 0;
    for (size_t i = 0; i < s->slot_count; i++) {
        lm_wide x = s->slots[i];
        if (!is_free(x)) {
            s->slots[n++] = x;
            *filter_word(s, x) |= filter_bits(x);
        }
    }
    lm_wide_sort(s->slots, n);
    bool ok = lm_runs_add(&s->runs, s->slots, n, st);
    memset(s->slots, 0, s->slot_count * sizeof *s->slots);
    s->used = 0;
    return ok;
}

static const lm_wide *find_in_runs(lm_seen *s, lm_wide key)
{
    if (!s->filter || filter_bits(key) & ~*filter_word(s, key))
        return NULL;
    if (++s->looks >= LOOKS_BETWEEN) {
        lm_runs_let_go(&s->runs);
        s->looks = 0;
    }
    for (size_t i = 0; i < s->runs.count; i++) {
        const lm_wide *x = lm_run_find(&s->runs.items[i], key);
        if (x && lm_key_same(*x, key))
            return x;
    }
    return NULL;
}

/* No key is all zero: a slot that is, is free. */
static lm_wide storable(lm_wide key)
{
    return key.high ? key : (lm_wide){1, key.low};
}

int lm_seen_or_add(lm_seen *s, lm_wide key, uint64_t *number, lm_status *st)
{
    key = storable(key);
    lm_wide *slot = slot_of(s, key);
    const lm_wide *found = is_free(*slot) ? find_in_runs(s, key) : slot;
    if (found) {
        *number = lm_key_number(*found);
        return 1;
    }
    if (4 * (s->used + 1) > 3 * s->slot_count) {
        if (s->slot_count < s->most_slots)
            grow(s);
        else if (!spill(s, st))
            return -1;
        slot = slot_of(s, key);
    }
    *slot = (lm_wide){key.high, key.low | *number};
    s->used++;
    return 0;
}

bool lm_seen_has(lm_seen *s, lm_wide key)
{
    key = storable(key);
    return !is_free(*slot_of(s, key)) || find_in_runs(s, key);
}
