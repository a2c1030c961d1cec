#include "train/data/order.h"

#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 50 }; /* steps that are sorted together (transformers' group_by_length) */

struct lm_order {
    lm_order_options how;
    uint32_t rows, steps;
    uint32_t window; /* rows that are sorted together */
    uint64_t epoch;  /* of what `rows_in_order` holds */
    bool valid;
    uint32_t *rows_in_order;
    uint32_t *begin;   /* [steps+1] where each step begins */
    uint64_t *keys;    /* scratch of the sort: [window] */
    uint32_t *scratch; /* [rows]; of the steps that are dealt [steps] */
    uint32_t *deal;
};

static uint64_t all_tokens(const lm_order *o)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < o->rows; i++)
        sum += o->how.lengths[i];
    return sum;
}

static uint32_t count_steps(const lm_order *o)
{
    if (!o->how.tokens_per_step)
        return (uint32_t)((o->rows + (uint64_t)o->how.rows_per_step - 1) / o->how.rows_per_step);
    uint64_t steps = (all_tokens(o) + o->how.tokens_per_step - 1) / o->how.tokens_per_step;
    return steps < 1 && o->rows ? 1 : steps < o->rows ? (uint32_t)steps : o->rows;
}

lm_order *lm_order_new(uint32_t rows, const lm_order_options *how)
{
    lm_order *o = lm_calloc(1, sizeof *o);
    *o = (lm_order){.how = *how, .rows = rows};
    o->steps = count_steps(o);
    o->rows_in_order = lm_malloc(rows ? rows : 1, sizeof *o->rows_in_order);
    o->begin = lm_malloc((size_t)o->steps + 1, sizeof *o->begin);
    if (!how->by_length)
        return o;
    uint64_t per_step = how->tokens_per_step && rows ? (rows + (uint64_t)o->steps - 1) / o->steps : how->rows_per_step;
    o->window = WINDOW * per_step < rows ? (uint32_t)(WINDOW * per_step) : rows;
    o->keys = lm_malloc((size_t)o->window + 1, sizeof *o->keys);
    o->scratch = lm_malloc((size_t)rows + 1, sizeof *o->scratch);
    o->deal = lm_malloc((size_t)o->steps + 1, sizeof *o->deal);
    return o;
}

void lm_order_free(lm_order *o)
{
    if (!o)
        return;
    free(o->rows_in_order);
    free(o->begin);
    free(o->keys);
    free(o->scratch);
    free(o->deal);
    free(o);
}

uint64_t lm_order_steps(const lm_order *o)
{
    return o->steps;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts rows by descending length, ties in their order. */
static void sort_window(lm_order *o, uint32_t *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        o->keys[i] = (uint64_t)(UINT32_MAX - o->how.lengths[rows[i]]) << 32 | i;
    qsort(o->keys, n, sizeof *o->keys, compare_keys);
    memcpy(o->scratch, rows, n * sizeof *rows);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = o->scratch[(uint32_t)o->keys[i]];
}

/* Where steps begin. By tokens: step i at the first row that begins behind i of o->steps shares, and at least one row
 * behind the step before it and before the one after it. */
static void cut(lm_order *o)
{
    uint64_t all = o->how.tokens_per_step ? all_tokens(o) : 0, before = 0;
    uint32_t row = 0;
    for (uint32_t i = 0; i < o->steps; i++) {
        if (!o->how.tokens_per_step) {
            o->begin[i] = i * o->how.rows_per_step;
            continue;
        }
        uint64_t share = (uint64_t)((unsigned __int128)all * i / o->steps);
        for (; row < o->rows - (o->steps - i) && (before < share || (i && row <= o->begin[i - 1])); row++)
            before += o->how.lengths[o->rows_in_order[row]];
        o->begin[i] = row;
    }
    o->begin[o->steps] = o->rows;
}

/* Deals the steps of each window in shuffled order; one of rows_per_step that is not full stays at the end. */
static void deal_steps(lm_order *o)
{
    bool partial = !o->how.tokens_per_step && o->rows % o->how.rows_per_step != 0;
    uint32_t full = o->steps - partial, to = 0;
    for (uint32_t first = 0; first < full; first += WINDOW) {
        uint32_t n = full - first < WINDOW ? full - first : WINDOW;
        for (uint32_t i = 0; i < n; i++)
            o->deal[first + i] = i;
        lm_random_permutation(lm_random_key(o->how.seed, LM_FOR_SHUFFLE, first / WINDOW + 1), o->epoch, o->deal + first, n);
        for (uint32_t i = 0; i < n; i++)
            o->deal[first + i] += first;
    }
    memcpy(o->scratch, o->rows_in_order, o->rows * sizeof *o->scratch);
    uint32_t *begin = lm_malloc((size_t)o->steps + 1, sizeof *begin);
    memcpy(begin, o->begin, ((size_t)o->steps + 1) * sizeof *begin);
    for (uint32_t i = 0; i < full; i++) {
        uint32_t from = begin[o->deal[i]], n = begin[o->deal[i] + 1] - from;
        memcpy(o->rows_in_order + to, o->scratch + from, n * sizeof *o->scratch);
        o->begin[i] = to;
        to += n;
    }
    free(begin);
}

static void prepare(lm_order *o, uint64_t epoch)
{
    o->epoch = epoch;
    o->valid = true;
    if (o->how.shuffle)
        lm_random_permutation(lm_random_key(o->how.seed, LM_FOR_SHUFFLE, 0), epoch, o->rows_in_order, o->rows);
    else
        for (uint32_t i = 0; i < o->rows; i++)
            o->rows_in_order[i] = i;
    for (uint64_t begin = 0; o->how.by_length && begin < o->rows; begin += o->window)
        sort_window(o, o->rows_in_order + begin, o->rows - begin < o->window ? o->rows - (uint32_t)begin : o->window);
    cut(o);
    if (o->how.by_length && o->how.shuffle)
        deal_steps(o);
}

const uint32_t *lm_order_step(lm_order *o, uint64_t epoch, uint64_t step, uint32_t *count)
{
    if (!o->valid || o->epoch != epoch)
        prepare(o, epoch);
    uint64_t at = step < o->steps ? step : o->steps;
    *count = step < o->steps ? o->begin[at + 1] - o->begin[at] : 0;
    return o->rows_in_order + o->begin[at];
}

uint64_t lm_order_before(const lm_order *o, uint64_t step)
{
    return o->begin[step < o->steps ? step : o->steps];
}
