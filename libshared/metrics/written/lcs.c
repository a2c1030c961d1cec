#include "metrics/written/kinds.h"

#include "base/memory.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

/* A row of the table has a bit for each word of b: 0 where the length grows by it. All ones is the row before the first. */
struct lm_lcs {
    lm_ids first, next; /* of a word: its first place in b; of a place: the next of its word */
    uint64_t *rows, *mask;
    size_t rows_cap, mask_cap;
    size_t words; /* of a row */
};

lm_lcs *lm_lcs_new(void)
{
    return lm_calloc(1, sizeof(lm_lcs));
}

void lm_lcs_free(lm_lcs *l)
{
    if (!l)
        return;
    free(l->first.at);
    free(l->next.at);
    free(l->rows);
    free(l->mask);
    free(l);
}

static void reserve(uint64_t **at, size_t *cap, size_t n)
{
    if (n <= *cap)
        return;
    *at = lm_realloc(*at, n, sizeof **at);
    *cap = n;
}

/* Room for so many rows, and where the words of b are. */
static void begin(lm_lcs *l, const lm_ids *b, size_t rows)
{
    l->words = b->n / 64 + 1;
    reserve(&l->rows, &l->rows_cap, rows * l->words);
    reserve(&l->mask, &l->mask_cap, l->words);
    memset(l->mask, 0, l->words * sizeof *l->mask);
    l->first.n = 0;
    l->next.n = 0;
    for (size_t i = 0; i < b->n; i++)
        lm_ids_add(&l->next, NONE);
    for (size_t i = b->n; i-- > 0;) {
        while (l->first.n <= b->at[i])
            lm_ids_add(&l->first, NONE);
        l->next.at[i] = l->first.at[b->at[i]];
        l->first.at[b->at[i]] = (uint32_t)i;
    }
}

static uint64_t *row_at(const lm_lcs *l, size_t i)
{
    return l->rows + i * l->words;
}

/* The row behind `from`, of a further word of a; both may be the same. */
static void step(lm_lcs *l, uint32_t word, const uint64_t *from, uint64_t *to)
{
    uint32_t first = word < l->first.n ? l->first.at[word] : NONE;
    for (uint32_t at = first; at != NONE; at = l->next.at[at])
        l->mask[at / 64] |= (uint64_t)1 << at % 64;
    bool carry = false;
    for (size_t i = 0; i < l->words; i++) {
        uint64_t v = from[i], sum;
        bool one = __builtin_add_overflow(v, v & l->mask[i], &sum), two = __builtin_add_overflow(sum, (uint64_t)carry, &sum);
        carry = one || two;
        to[i] = sum | (v & ~l->mask[i]);
    }
    for (uint32_t at = first; at != NONE; at = l->next.at[at])
        l->mask[at / 64] = 0;
}

static size_t grows(const uint64_t *row, size_t at)
{
    return ~row[at / 64] >> at % 64 & 1;
}

/* The length with the first n words of b. */
static size_t length_at(const uint64_t *row, size_t n)
{
    size_t length = 0;
    for (size_t i = 0; i < n / 64; i++)
        length += (size_t)__builtin_popcountll(~row[i]);
    return n % 64 ? length + (size_t)__builtin_popcountll(~row[n / 64] << (64 - n % 64)) : length;
}

size_t lm_lcs_length(lm_lcs *l, const lm_ids *a, const lm_ids *b)
{
    begin(l, b, 1);
    uint64_t *row = row_at(l, 0);
    memset(row, 0xFF, l->words * sizeof *row);
    for (size_t i = 0; i < a->n; i++)
        step(l, a->at[i], row, row);
    return length_at(row, b->n);
}

/* Going back needs all rows, the last first: of every `stride` one is kept, and those behind it are made again. */
void lm_lcs_mark(lm_lcs *l, const lm_ids *a, const lm_ids *b, uint8_t *marks)
{
    size_t stride = 1, made = SIZE_MAX;
    while (stride * stride < a->n)
        stride++;
    size_t kept = a->n / stride + 1;
    begin(l, b, kept + stride + 1);
    uint64_t *again = row_at(l, kept); /* rows made * stride and those behind it */
    memset(row_at(l, 0), 0xFF, l->words * sizeof *l->rows);
    memcpy(again, row_at(l, 0), l->words * sizeof *l->rows);
    for (size_t i = 1; i <= a->n; i++) {
        step(l, a->at[i - 1], again, again);
        if (i % stride == 0)
            memcpy(row_at(l, i / stride), again, l->words * sizeof *l->rows);
    }
    for (size_t i = a->n, k = b->n; i > 0 && k > 0;) {
        size_t block = (i - 1) / stride;
        if (block != made) {
            memcpy(again, row_at(l, block), l->words * sizeof *l->rows);
            for (size_t r = 0; r < stride && block * stride + r < a->n; r++)
                step(l, a->at[block * stride + r], again + r * l->words, again + (r + 1) * l->words);
            made = block;
        }
        const uint64_t *above = again + (i - 1 - block * stride) * l->words, *here = above + l->words;
        size_t up = length_at(above, k), left = length_at(here, k) - grows(here, k - 1);
        if (a->at[i - 1] == b->at[k - 1]) {
            marks[--i] = 1;
            k--;
        } else if (left > up) {
            k--;
        } else {
            i--;
        }
    }
}
