/* BPE as slow and as plain as can be, beside which the others are tested. */
#ifndef LM_TESTS_PLAIN_BPE_H
#define LM_TESTS_PLAIN_BPE_H

#include "text/models/bpe.h"

#include <string.h>

/* Merging as the paper says it: the best pair, wherever it is first, again and again. */
static inline size_t merge_plainly(const lm_bpe *b, int32_t *ids, size_t n)
{
    for (;;) {
        size_t best = n;
        const lm_merge_slot *with = NULL;
        for (size_t i = 0; i + 1 < n; i++) {
            const lm_merge_slot *m = lm_merge_find(b, ids[i], ids[i + 1]);
            if (m && (!with || lm_merge_rank(*m) < lm_merge_rank(*with))) {
                with = m;
                best = i;
            }
        }
        if (!with)
            return n;
        ids[best] = b->merged[lm_merge_rank(*with)];
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        n--;
    }
}

#endif
