/* Parts of a text, or of all texts one after the other: [from, to). */
#ifndef LM_AUGMENT_OVERLAP_STRETCHES_H
#define LM_AUGMENT_OVERLAP_STRETCHES_H

#include "base/memory.h"

typedef struct lm_stretch {
    uint64_t from, to;
} lm_stretch;

/* Zero-initialise; free `items`. */
typedef struct lm_stretches {
    lm_stretch *items;
    size_t count, cap;
} lm_stretches;

static inline void lm_stretches_add(lm_stretches *s, uint64_t from, uint64_t to)
{
    LM_GROW(s->items, s->count, s->cap);
    s->items[s->count++] = (lm_stretch){from, to};
}

#endif
