/* Distances between tokens in buckets, for biases of attention (Raffel et al. 2020, arXiv 1910.10683; T5Attention of
 * transformers). */
#include "graph/relative.h"

#include <math.h>

/* Half of the buckets are a distance each; the others grow as its logarithm does, up to `most`. In float, as there: at the
 * ends of the buckets it matters. */
static int bucket_of(int n, int buckets, int most)
{
    int exact = buckets / 2;
    if (n < exact)
        return n;
    if (n >= most)
        return buckets - 1;
    float place = logf((float)n / (float)exact) / (float)log((double)most / exact) * (float)(buckets - exact);
    int b = exact + (int)place;
    return b < buckets - 1 ? b : buckets - 1;
}

bool lm_relative_fits(const lm_relative *how)
{
    int side = how->one_sided ? how->buckets : how->buckets / 2;
    return side >= 2 && how->most > side / 2;
}

const int32_t *lm_relative_buckets(const lm_relative *how, int32_t *room, int before, int behind)
{
    int side = how->one_sided ? how->buckets : how->buckets / 2;
    int32_t *zero = room + before;
    zero[0] = 0;
    for (int n = 1; n <= before || n <= behind; n++) {
        int b = bucket_of(n, side, how->most);
        if (n <= before)
            zero[-n] = b;
        if (n <= behind)
            zero[n] = how->one_sided ? 0 : side + b;
    }
    return zero;
}
