#include "augment/dedup/clusters.h"

typedef struct node {
    int64_t up;      /* a record of its cluster before it; a root: how many they are, negative */
    uint64_t number;
} node;

void lm_clusters_begin(lm_clusters *c, size_t memory)
{
    *c = (lm_clusters){0};
    lm_scratch_begin(&c->scratch, memory);
}

void lm_clusters_end(lm_clusters *c)
{
    lm_scratch_free(&c->scratch, &c->array);
    lm_scratch_end(&c->scratch);
}

/* What is resident of a file is left to the system: a place that is asked for was asked for shortly before more often than not. */
static node *node_at(lm_clusters *c, uint64_t i)
{
    return (node *)c->array.data + i;
}

bool lm_clusters_add(lm_clusters *c, uint64_t number, lm_status *st)
{
    if (!lm_scratch_reserve(&c->scratch, &c->array, (c->count + 1) * sizeof(node), st))
        return false;
    *node_at(c, c->count++) = (node){-1, number};
    return true;
}

uint64_t lm_clusters_root(lm_clusters *c, uint64_t i)
{
    for (;;) {
        int64_t up = node_at(c, i)->up;
        if (up < 0)
            return i;
        int64_t above = node_at(c, (uint64_t)up)->up;
        if (above < 0)
            return (uint64_t)up;
        node_at(c, i)->up = above; /* paths are halved on the way */
        i = (uint64_t)above;
    }
}

void lm_clusters_join(lm_clusters *c, uint64_t i, uint64_t k)
{
    uint64_t a = lm_clusters_root(c, i), b = lm_clusters_root(c, k);
    if (a == b)
        return;
    uint64_t first = a < b ? a : b, other = a < b ? b : a;
    node_at(c, first)->up += node_at(c, other)->up;
    node_at(c, other)->up = (int64_t)first;
}

uint64_t lm_clusters_number(lm_clusters *c, uint64_t i)
{
    return node_at(c, i)->number;
}

lm_clusters_found lm_clusters_look(lm_clusters *c)
{
    lm_clusters_found f = {0};
    for (uint64_t i = 0; i < c->count; i++) {
        const node *n = node_at(c, i);
        if (n->up >= -1)
            continue;
        uint64_t size = (uint64_t)-n->up;
        f.clusters++;
        f.records += size;
        if (f.shown == LM_LARGEST_CLUSTERS && size <= f.largest[f.shown - 1].records)
            continue;
        f.shown += f.shown < LM_LARGEST_CLUSTERS;
        int k = f.shown - 1;
        for (; k && size > f.largest[k - 1].records; k--)
            f.largest[k] = f.largest[k - 1];
        f.largest[k] = (struct lm_cluster){size, n->number};
    }
    return f;
}
