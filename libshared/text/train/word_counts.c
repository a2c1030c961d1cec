#include "text/train/word_counts.h"

#include "base/memory.h"
#include "text/train/string_sort.h"

#include <stdlib.h>
#include <xxhash.h>

void lm_word_counts_free(lm_word_counts *c)
{
    lm_buf_free(&c->bytes);
    free(c->words);
    free(c->slots);
    *c = (lm_word_counts){0};
}

static void make_room(lm_word_counts *c)
{
    if (2 * (c->n + 1) <= c->slot_count)
        return;
    free(c->slots);
    c->slot_count = c->slot_count ? 2 * c->slot_count : 1 << 14;
    c->slots = lm_malloc(c->slot_count, sizeof *c->slots);
    memset(c->slots, 0xff, c->slot_count * sizeof *c->slots);
    for (size_t k = 0; k < c->n; k++) {
        lm_str w = lm_word_counts_word(c, k);
        size_t i = XXH3_64bits(w.data, w.len) & (c->slot_count - 1);
        while (c->slots[i] >= 0)
            i = (i + 1) & (c->slot_count - 1);
        c->slots[i] = (int32_t)k;
    }
}

/* The slot where a word is, or would be. */
static size_t slot_of(const lm_word_counts *c, lm_str word, uint64_t hash)
{
    size_t i = hash & (c->slot_count - 1);
    for (; c->slots[i] >= 0; i = (i + 1) & (c->slot_count - 1)) {
        const lm_counted_word *w = &c->words[c->slots[i]];
        if (w->tag == (uint32_t)(hash >> 32) && lm_str_equal(lm_word_counts_word(c, (size_t)c->slots[i]), word))
            break;
    }
    return i;
}

int32_t lm_word_counts_number(lm_word_counts *c, lm_str word)
{
    make_room(c);
    uint64_t hash = XXH3_64bits(word.data, word.len);
    size_t i = slot_of(c, word, hash);
    if (c->slots[i] >= 0)
        return c->slots[i];
    LM_GROW(c->words, c->n, c->cap);
    c->words[c->n] = (lm_counted_word){c->bytes.len, (uint32_t)word.len, (uint32_t)(hash >> 32), 0};
    lm_buf_append(&c->bytes, word.data, word.len);
    c->slots[i] = (int32_t)c->n;
    return (int32_t)c->n++;
}

int32_t lm_word_counts_find(const lm_word_counts *c, lm_str word)
{
    return c->n ? c->slots[slot_of(c, word, XXH3_64bits(word.data, word.len))] : -1;
}

size_t lm_word_counts_memory(const lm_word_counts *c)
{
    return c->bytes.len + c->n * (sizeof *c->words + sizeof(lm_sort_item)) + c->slot_count * sizeof *c->slots;
}
