/* Places in a text that are chosen by what stands there: winnowing (Schleimer, Wilkerson and Aiken 2003).
 *
 * Of each window of n bytes the k bytes (k = n / 2) with the least hash, the rightmost of them, are its anchor. Two windows
 * with the same bytes so have the same anchor at the same distance: texts that share n bytes share an anchor, of which there is
 * one in every n / 4 bytes or so.
 *
 * A run, text with a period of up to k bytes (a ruled line, spaces), has an anchor in each period. Of a long one those in its
 * middle are left out: windows there repeat the run itself, which is told instead. */
#ifndef LM_AUGMENT_OVERLAP_ANCHORS_H
#define LM_AUGMENT_OVERLAP_ANCHORS_H

#include "augment/overlap/stretches.h"
#include "base/buffer.h"
#include "stream/sorted.h"

/* Zero-initialise. */
typedef struct lm_anchors {
    lm_wide *items; /* high: hash of the k bytes; low: the place where they begin */
    size_t count, cap;
    lm_stretches repeats; /* parts of runs: every window in them stands in the same run before, n bytes or more to the left */
    uint64_t *ring; /* the hashes of a window */
    size_t ring_size;
    uint64_t in[256], out[256]; /* what a byte adds to a hash, and what it takes along when it leaves */
} lm_anchors;

static inline size_t lm_anchor_length(size_t n)
{
    return n / 2;
}
/* Appends those of a text, whose first byte is at `place`. n >= 8, the same at every call. */
void lm_anchors_add(lm_anchors *a, lm_str text, uint64_t place, size_t n);
void lm_anchors_clear(lm_anchors *a);
void lm_anchors_free(lm_anchors *a);

#endif
