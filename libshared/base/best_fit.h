/* Best-fit decreasing: pieces laid into as few bins of one size as the rule finds (Johnson, Demers, Ullman, Garey and
 * Graham 1974, "Worst-case performance bounds for simple one-dimensional packing algorithms"). */
#ifndef LM_BASE_BEST_FIT_H
#define LM_BASE_BEST_FIT_H

#include <stdint.h>

/* The bins in the order of their first pieces, the pieces of each in theirs. Malloced. */
typedef struct lm_bins {
    uint32_t count;
    uint32_t *splits; /* [count+1] of `pieces` */
    uint32_t *pieces; /* [n] numbers of the pieces, bin by bin */
} lm_bins;

/* The longest piece first, those of one length in their order; each goes where it leaves the least room, among several such
 * bins to the one that came to that room last, or begins a bin. Each length is from 1 to `size`, which is below 2^30, and n
 * below 2^32-1. In O(n log n + n log size). */
void lm_best_fit(const uint32_t *lengths, uint32_t n, uint32_t size, lm_bins *out);
void lm_bins_free(lm_bins *bins);

#endif
