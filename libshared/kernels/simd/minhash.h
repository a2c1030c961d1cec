/* Minima of hashed items: one vector of hash functions at a time, over all items. Part of variant.c. */

typedef uint64_t vl __attribute__((vector_size(4 * LANES)));
typedef int64_t vs __attribute__((vector_size(4 * LANES)));

/* Of `count` hash functions, at most two vectors full: their parameters and minima stay in registers. */
INLINE void minhash_some(const uint64_t *items, size_t n, const uint64_t *a, const uint64_t *b, size_t count, uint64_t *least)
{
    const uint64_t prime = ((uint64_t)1 << 61) - 1;
    vl by[2] = {{0}}, plus[2] = {{0}}, low[2] = {{0}};
    memcpy(by, a, count * sizeof *a);
    memcpy(plus, b, count * sizeof *b);
    memcpy(low, least, count * sizeof *least);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) { /* all values are below 2^63: signed comparisons serve */
            vl x = by[k] * items[i] + plus[k];
            x = (x & prime) + (x >> 61);
            x -= (vl)((vs)x >= (vs)((vl){0} + prime)) & prime;
            vl less = (vl)((vs)x < (vs)low[k]);
            low[k] = (x & less) | (low[k] & ~less);
        }
    }
    memcpy(least, low, count * sizeof *least);
}

static void minhash(const uint64_t *items, size_t n, const uint64_t *a, const uint64_t *b, int hashes, uint64_t *least)
{
    enum { AT_ONCE = LANES };
    size_t count = (size_t)hashes, h = 0;
    for (; h + AT_ONCE <= count; h += AT_ONCE)
        minhash_some(items, n, a + h, b + h, AT_ONCE, least + h);
    if (h < count)
        minhash_some(items, n, a + h, b + h, count - h, least + h);
}
