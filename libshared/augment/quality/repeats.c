#include "augment/quality/repeats.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 64, MOST_AT_ONCE = 1 << 16 };

void lm_repeats_begin(lm_repeats *s, size_t expected)
{
    size_t cap = LEAST;
    while (cap < 2 * expected && cap < MOST_AT_ONCE)
        cap *= 2;
    if (cap > s->cap) {
        free(s->slots);
        s->slots = lm_malloc(cap, sizeof *s->slots);
        s->cap = cap;
    }
    s->mask = cap - 1;
    s->used = 0;
    memset(s->slots, 0, cap * sizeof *s->slots);
}

void lm_repeats_grow(lm_repeats *s)
{
    lm_repeats old = *s;
    s->cap = s->mask = 2 * (old.mask + 1);
    s->mask--;
    s->slots = lm_calloc(s->cap, sizeof *s->slots);
    for (size_t i = 0; i <= old.mask; i++) {
        if (!old.slots[i].key)
            continue;
        size_t at = (old.slots[i].key ^ old.slots[i].key >> 32) & s->mask;
        while (s->slots[at].key)
            at = (at + 1) & s->mask;
        s->slots[at] = old.slots[i];
    }
    free(old.slots);
}

void lm_repeats_free(lm_repeats *s)
{
    free(s->slots);
    *s = (lm_repeats){0};
}
