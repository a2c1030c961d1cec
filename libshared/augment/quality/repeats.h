/* What has been seen before in one text, by 64-bit hashes: two that differ are taken for the same once in 2^64 pairs. */
#ifndef LM_AUGMENT_REPEATS_H
#define LM_AUGMENT_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; free with lm_repeats_free. */
typedef struct lm_repeats {
    struct lm_repeats_slot {
        uint64_t key;          /* 0 = empty */
        uint32_t count, first; /* how often, and the number of the first */
    } *slots;
    size_t cap, mask, used;
} lm_repeats;

void lm_repeats_begin(lm_repeats *s, size_t expected); /* forgets all; about so many different ones will come */
void lm_repeats_grow(lm_repeats *s);
/* The slot of a key, entered with a count of 0 where it is new; valid until the next call. */
static inline struct lm_repeats_slot *lm_repeats_slot(lm_repeats *s, uint64_t key)
{
    key += key == 0;
    size_t at = (key ^ key >> 32) & s->mask;
    while (s->slots[at].key && s->slots[at].key != key)
        at = (at + 1) & s->mask;
    if (s->slots[at].key)
        return &s->slots[at];
    if (2 * s->used > s->mask) {
        lm_repeats_grow(s);
        return lm_repeats_slot(s, key);
    }
    s->used++;
    s->slots[at].key = key;
    return &s->slots[at];
}
/* Enters it; true where it was there. */
static inline bool lm_repeats_again(lm_repeats *s, uint64_t key)
{
    return lm_repeats_slot(s, key)->count++ > 0;
}
void lm_repeats_free(lm_repeats *s);

#endif
