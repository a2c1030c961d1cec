#include "text/train/string_sort.h"

#include "base/threads.h"

#include <stdbool.h>
#include <string.h>

enum { FEW = 16, FOR_A_TASK = 1 << 14 };

static uint64_t big_endian(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* The bytes of an item from `depth`, as a number; zeros behind its end. */
static uint64_t key_at(const lm_sort_item *x, size_t depth)
{
    size_t left = x->len > depth ? x->len - depth : 0;
    if (left >= sizeof(uint64_t))
        return big_endian(x->data + depth);
    char rest[sizeof(uint64_t)] = {0};
    if (left)
        memcpy(rest, x->data + depth, left);
    return big_endian(rest);
}

/* Of items that agree in the bytes before `depth` and whose keys are those from there. */
static bool before(const lm_sort_item *x, const lm_sort_item *y, size_t depth)
{
    if (x->key != y->key)
        return x->key < y->key;
    size_t least = x->len < y->len ? x->len : y->len;
    int d = least > depth ? memcmp(x->data + depth, y->data + depth, least - depth) : 0;
    return d ? d < 0 : x->len < y->len;
}

static void insertion_sort(lm_sort_item *items, size_t n, size_t depth)
{
    for (size_t i = 1; i < n; i++) {
        lm_sort_item x = items[i];
        size_t k = i;
        for (; k > 0 && before(&x, &items[k - 1], depth); k--)
            items[k] = items[k - 1];
        items[k] = x;
    }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

static void swap(lm_sort_item *x, lm_sort_item *y)
{
    lm_sort_item z = *x;
    *x = *y;
    *y = z;
}

static void sort(lm_sort_item *items, size_t n, size_t depth, bool tasks);

/* Items whose keys are equal: those that end within the key come first, by length, and the others go on with
 * the next bytes. */
static void sort_equal(lm_sort_item *items, size_t n, size_t depth, bool tasks)
{
    size_t longer = n;
    for (size_t i = 0; i < longer;) {
        if (items[i].len > depth + sizeof(uint64_t))
            swap(&items[i], &items[--longer]);
        else
            i++;
    }
    bool same = true; /* lengths differ only where strings end in NULs */
    for (size_t i = 1; i < longer && same; i++)
        same = items[i].len == items[0].len;
    if (!same)
        for (uint32_t len = (uint32_t)depth, at = 0; at < longer; len++)
            for (size_t i = at; i < longer; i++)
                if (items[i].len == len)
                    swap(&items[i], &items[at++]);
    items += longer;
    n -= longer;
    depth += sizeof(uint64_t);
    for (size_t i = 0; i < n; i++)
        items[i].key = key_at(&items[i], depth);
    sort(items, n, depth, tasks);
}

static void sort(lm_sort_item *items, size_t n, size_t depth, bool tasks)
{
    while (n > FEW) {
        uint64_t pivot = median(items[0].key, items[n / 2].key, items[n - 1].key);
        size_t low = 0, high = n;
        for (size_t i = 0; i < high;) {
            if (items[i].key < pivot)
                swap(&items[i++], &items[low++]);
            else if (items[i].key > pivot)
                swap(&items[i], &items[--high]);
            else
                i++;
        }
        lm_sort_item *equal = items + low;
        size_t equals = high - low;
#pragma omp task if (tasks && equals > FOR_A_TASK)
        sort_equal(equal, equals, depth, tasks);
        /* the smaller side first, so that the stack stays small */
        bool left = low < n - high;
        lm_sort_item *first = left ? items : items + high, *rest = left ? items + high : items;
        size_t first_n = left ? low : n - high, rest_n = left ? n - high : low;
#pragma omp task if (tasks && first_n > FOR_A_TASK)
        sort(first, first_n, depth, tasks);
        items = rest;
        n = rest_n;
    }
    insertion_sort(items, n, depth);
}

void lm_string_sort_serial(lm_sort_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        items[i].key = key_at(&items[i], 0);
    sort(items, n, 0, false);
}

void lm_string_sort(lm_sort_item *items, size_t n)
{
    int threads = lm_threads();
#pragma omp parallel num_threads(threads) if (threads > 1 && n > FOR_A_TASK)
    {
#pragma omp for schedule(static)
        for (size_t i = 0; i < n; i++)
            items[i].key = key_at(&items[i], 0);
#pragma omp single
        sort(items, n, 0, true);
    }
}
