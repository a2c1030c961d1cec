#include "train/data/subset.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct hashed {
    uint64_t hash;
    uint32_t row;
} hashed;

static int by_hash(const void *a, const void *b)
{
    const hashed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

bool lm_subset_choose(const lm_spool *spool, double share, uint64_t most, lm_subset *out, lm_status *st)
{
    uint64_t rows = lm_spool_rows(spool);
    double wanted = ceil(share * (double)rows - 1e-9);
    uint64_t count = wanted < (double)rows ? (uint64_t)wanted : rows;
    count = most && most < count ? most : count;
    count = count == 0 && rows > 0 ? 1 : count;
    *out = (lm_subset){.count = (uint32_t)count};
    hashed *all = lm_try_malloc(rows + 1, sizeof *all, "the hashes of all rows", st);
    if (!all)
        return false;
    for (uint64_t i = 0; i < rows; i++) {
        lm_tokens_row row;
        lm_spool_row(spool, i, &row);
        all[i] = (hashed){XXH3_64bits(row.ids, row.len * sizeof *row.ids), (uint32_t)i};
    }
    qsort(all, rows, sizeof *all, by_hash);
    out->rows = lm_malloc(count + 1, sizeof *out->rows);
    out->lengths = lm_malloc(count + 1, sizeof *out->lengths);
    for (uint64_t i = 0; i < count; i++)
        out->rows[i] = all[i].row;
    free(all);
    qsort(out->rows, count, sizeof *out->rows, ascending);
    for (uint64_t i = 0; i < count; i++)
        out->lengths[i] = lm_spool_lengths(spool)[out->rows[i]];
    return true;
}

void lm_subset_free(lm_subset *s)
{
    free(s->rows);
    free(s->lengths);
    *s = (lm_subset){0};
}
