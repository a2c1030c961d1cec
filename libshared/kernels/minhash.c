#include "kernels/variant.h"

void lm_minhash(const uint64_t *items, size_t n, const uint64_t *a, const uint64_t *b, int hashes, uint64_t *least)
{
    lm_variant_now()->minhash(items, n, a, b, hashes, least);
}
