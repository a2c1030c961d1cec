/* Records that are joined into clusters (union-find). The first record of a cluster is its root, so that the clusters are the
 * same in whatever order pairs come. 16 bytes a record: memory as long as a budget lasts, then a mapped file. */
#ifndef LM_AUGMENT_DEDUP_CLUSTERS_H
#define LM_AUGMENT_DEDUP_CLUSTERS_H

#include "stream/scratch.h"

#include <stdint.h>

typedef struct lm_clusters {
    lm_scratch scratch;
    lm_scratch_array array;
    uint64_t count;
} lm_clusters;

void lm_clusters_begin(lm_clusters *c, size_t memory);
void lm_clusters_end(lm_clusters *c);
/* Another record, by itself; `number` goes along. */
bool lm_clusters_add(lm_clusters *c, uint64_t number, lm_status *st);
uint64_t lm_clusters_root(lm_clusters *c, uint64_t i);
void lm_clusters_join(lm_clusters *c, uint64_t i, uint64_t k);
uint64_t lm_clusters_number(lm_clusters *c, uint64_t i);

enum { LM_LARGEST_CLUSTERS = 5 };

typedef struct lm_clusters_found {
    uint64_t clusters, records; /* of more than one record; the records in these */
    int shown;
    struct lm_cluster {
        uint64_t records, number; /* number: of its root */
    } largest[LM_LARGEST_CLUSTERS]; /* from the largest on, of equal ones the first first */
} lm_clusters_found;

/* What came of it. */
lm_clusters_found lm_clusters_look(lm_clusters *c);

#endif
