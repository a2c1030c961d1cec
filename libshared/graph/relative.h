/* The buckets of a bias by distance (lm_attn.relative). Private to graph/. */
#ifndef LM_GRAPH_RELATIVE_H
#define LM_GRAPH_RELATIVE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lm_relative {
    int buckets;
    int most;       /* from this distance on all are in the last bucket */
    bool one_sided; /* keys behind the query are all at distance 0; else half of the buckets are theirs */
} lm_relative;

/* Whether there are buckets such as the formula asks for. */
bool lm_relative_fits(const lm_relative *how);
/* The bucket of distance 0, in room [before + 1 + behind] whose neighbours are those of keys up to `before` places before
 * the query and `behind` behind it. */
const int32_t *lm_relative_buckets(const lm_relative *how, int32_t *room, int before, int behind);

#endif
