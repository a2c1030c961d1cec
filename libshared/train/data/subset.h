/* A part of the rows, chosen by a hash of their tokens: the same rows whatever their order, the seed and the
 * other options, and those of 1 % are among those of 10 %. */
#ifndef LM_TRAIN_SUBSET_H
#define LM_TRAIN_SUBSET_H

#include "stream/spool.h"

typedef struct lm_subset {
    uint32_t *rows;    /* [count] of the spool, ascending; malloced */
    uint32_t *lengths; /* [count] theirs */
    uint32_t count;
} lm_subset;

/* The rows with the least hashes: ceil(share * rows), at most `most` (0 = no limit), one at least where there
 * are any. Rows of equal tokens go by their number. False: not enough memory. */
bool lm_subset_choose(const lm_spool *spool, double share, uint64_t most, lm_subset *out, lm_status *st);
void lm_subset_free(lm_subset *s);

#endif
