#include "train/order.h"

#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 50 }; /* steps that are sorted together (transformers' group_by_length) */

struct lm_order {
    uint32_t rows, per_step;
    bool shuffle, by_length;
    const uint32_t *lengths;
    uint64_t seed;
    uint64_t epoch; /* of what `rows_in_order` holds */
    bool valid;
    uint32_t *rows_in_order;
    uint64_t *keys; /* scratch of the sort */
    uint32_t *scratch;
};

lm_order *lm_order_new(uint32_t rows, uint32_t rows_per_step, bool shuffle, bool by_length,
                       const uint32_t *lengths, uint64_t seed)
{
    lm_order *o = lm_calloc(1, sizeof *o);
    *o = (lm_order){.rows = rows,
                    .per_step = rows_per_step,
                    .shuffle = shuffle,
                    .by_length = by_length,
                    .lengths = lengths,
                    .seed = seed};
    o->rows_in_order = lm_malloc(rows ? rows : 1, sizeof *o->rows_in_order);
    if (by_length) {
        size_t window = (size_t)WINDOW * rows_per_step;
        window = window < rows ? window : rows;
        o->keys = lm_malloc(window + 1, sizeof *o->keys);
        o->scratch = lm_malloc(window + 1, sizeof *o->scratch);
    }
    return o;
}

void lm_order_free(lm_order *o)
{
    if (!o)
        return;
    free(o->rows_in_order);
    free(o->keys);
    free(o->scratch);
    free(o);
}

uint64_t lm_order_steps(const lm_order *o)
{
    return (o->rows + (uint64_t)o->per_step - 1) / o->per_step;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts a window by descending length, ties in their order, and deals its steps in shuffled order; the step
 * that is not full stays at the end. */
static void group_window(lm_order *o, uint32_t *rows, uint32_t n, uint64_t window)
{
    for (uint32_t i = 0; i < n; i++)
        o->keys[i] = (uint64_t)(UINT32_MAX - o->lengths[rows[i]]) << 32 | i;
    qsort(o->keys, n, sizeof *o->keys, compare_keys);
    memcpy(o->scratch, rows, n * sizeof *rows);
    uint32_t full = n / o->per_step;
    uint32_t deal[WINDOW];
    for (uint32_t i = 0; i < full; i++)
        deal[i] = i;
    if (o->shuffle && full > 0)
        lm_random_permutation(lm_random_key(o->seed, LM_FOR_SHUFFLE, window + 1), o->epoch, deal, full);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t step = i / o->per_step;
        uint32_t from = step < full ? deal[step] * o->per_step + i % o->per_step : i;
        rows[i] = o->scratch[(uint32_t)o->keys[from]];
    }
}

static void prepare(lm_order *o, uint64_t epoch)
{
    o->epoch = epoch;
    o->valid = true;
    if (o->shuffle)
        lm_random_permutation(lm_random_key(o->seed, LM_FOR_SHUFFLE, 0), epoch, o->rows_in_order, o->rows);
    else
        for (uint32_t i = 0; i < o->rows; i++)
            o->rows_in_order[i] = i;
    if (!o->by_length)
        return;
    uint64_t window = (uint64_t)WINDOW * o->per_step;
    for (uint64_t begin = 0; begin < o->rows; begin += window) {
        uint64_t n = o->rows - begin < window ? o->rows - begin : window;
        group_window(o, o->rows_in_order + begin, (uint32_t)n, begin / window);
    }
}

const uint32_t *lm_order_step(lm_order *o, uint64_t epoch, uint64_t step, uint32_t *count)
{
    if (!o->valid || o->epoch != epoch)
        prepare(o, epoch);
    uint64_t begin = step * o->per_step;
    uint64_t left = begin < o->rows ? o->rows - begin : 0;
    *count = left < o->per_step ? (uint32_t)left : o->per_step;
    return o->rows_in_order + begin;
}
