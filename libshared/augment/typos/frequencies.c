#include "augment/typos/frequencies.h"

#include "base/memory.h"

#include <stdlib.h>

enum { INDEX_BITS = 16 };

struct lm_frequencies {
    lm_sorter *sorter;
    lm_scratch scratch;
    lm_scratch_array words; /* lm_wide, in order, each hash once */
    size_t count;
    uint64_t total;
    size_t *index; /* for the first bits of a hash: where those begin; and one more */
};

lm_frequencies *lm_frequencies_new(size_t memory)
{
    lm_frequencies *f = lm_calloc(1, sizeof *f);
    f->sorter = lm_sorter_new(memory / 2);
    lm_scratch_begin(&f->scratch, memory / 2);
    f->index = lm_calloc((1 << INDEX_BITS) + 1, sizeof *f->index);
    return f;
}

void lm_frequencies_free(lm_frequencies *f)
{
    if (!f)
        return;
    lm_sorter_free(f->sorter);
    lm_scratch_free(&f->scratch, &f->words);
    lm_scratch_end(&f->scratch);
    free(f->index);
    free(f);
}

bool lm_frequencies_add(lm_frequencies *f, const lm_wide *words, size_t n, lm_status *st)
{
    return lm_sorter_add(f->sorter, words, n, st);
}

static bool keep(lm_frequencies *f, lm_wide word, lm_status *st)
{
    if (!lm_scratch_reserve(&f->scratch, &f->words, (f->count + 1) * sizeof word, st))
        return false;
    ((lm_wide *)f->words.data)[f->count++] = word;
    f->total += word.low;
    f->index[(word.high >> (64 - INDEX_BITS)) + 1] = f->count;
    lm_scratch_touch(&f->scratch, 1);
    return true;
}

bool lm_frequencies_settle(lm_frequencies *f, lm_status *st)
{
    lm_wide word = {0}, next;
    if (!lm_sorter_finish(f->sorter, st))
        return false;
    while (lm_sorter_next(f->sorter, &next)) {
        if (word.low && word.high == next.high) {
            word.low += next.low;
            continue;
        }
        if (word.low && !keep(f, word, st))
            return false;
        word = next;
    }
    if (word.low && !keep(f, word, st))
        return false;
    for (size_t i = 1; i <= 1 << INDEX_BITS; i++)
        if (f->index[i] < f->index[i - 1])
            f->index[i] = f->index[i - 1];
    lm_sorter_free(f->sorter);
    f->sorter = NULL;
    return true;
}

uint64_t lm_frequencies_total(const lm_frequencies *f)
{
    return f->total;
}

uint64_t lm_frequency(const lm_frequencies *f, uint64_t hash)
{
    const lm_wide *words = f->words.data;
    size_t from = f->index[hash >> (64 - INDEX_BITS)], to = f->index[(hash >> (64 - INDEX_BITS)) + 1];
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (words[middle].high == hash)
            return words[middle].low;
        if (words[middle].high < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}
