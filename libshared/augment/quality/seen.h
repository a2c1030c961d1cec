/* What has been seen before in one text, by 64-bit hashes: two that differ are taken for the same once in 2^64 pairs. */
#ifndef LM_AUGMENT_SEEN_H
#define LM_AUGMENT_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; free with lm_seen_free. */
typedef struct lm_seen {
    struct lm_seen_slot {
        uint64_t key;          /* 0 = empty */
        uint32_t count, first; /* how often, and the number of the first */
    } *slots;
    size_t cap, mask, used;
} lm_seen;

void lm_seen_begin(lm_seen *s, size_t expected); /* forgets all; about so many different ones will come */
void lm_seen_grow(lm_seen *s);
/* The slot of a key, entered with a count of 0 where it is new; valid until the next call. */
static inline struct lm_seen_slot *lm_seen_slot(lm_seen *s, uint64_t key)
{
    key += key == 0;
    size_t at = (key ^ key >> 32) & s->mask;
    while (s->slots[at].key && s->slots[at].key != key)
        at = (at + 1) & s->mask;
    if (s->slots[at].key)
        return &s->slots[at];
    if (2 * s->used > s->mask) {
        lm_seen_grow(s);
        return lm_seen_slot(s, key);
    }
    s->used++;
    s->slots[at].key = key;
    return &s->slots[at];
}
/* Enters it; true where it was there. */
static inline bool lm_seen_again(lm_seen *s, uint64_t key)
{
    return lm_seen_slot(s, key)->count++ > 0;
}
void lm_seen_free(lm_seen *s);

#endif
