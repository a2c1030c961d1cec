#include "metrics/written/grams.h"
#include "base/memory.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

void lm_ids_add(lm_ids *ids, uint32_t id)
{
    LM_GROW(ids->at, ids->n, ids->cap);
    ids->at[ids->n++] = id;
}

/* ------------------------------------------------------------------ pairs */

void lm_pairs_forget(lm_pairs *p)
{
    p->count = 0;
    if (++p->age == 0) { /* so long that slots of the first age would seem new */
        for (size_t i = 0; i < p->size; i++)
            p->slots[i].age = 0;
        p->age = 1;
    }
}

/* The slot of a key, or the free one where it belongs. */
static struct lm_pair_slot *slot_of(const lm_pairs *p, uint64_t key)
{
    uint64_t x = key * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(x ^ x >> 32) & (p->size - 1);
    while (p->slots[at].age == p->age && p->slots[at].key != key)
        at = (at + 1) & (p->size - 1);
    return &p->slots[at];
}

static void grow(lm_pairs *p)
{
    lm_pairs old = *p;
    p->age += p->age == 0;
    p->size = old.size ? 2 * old.size : 256;
    p->slots = lm_calloc(p->size, sizeof *p->slots);
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].age == p->age)
            *slot_of(p, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

static uint64_t key_of(uint32_t a, uint32_t b)
{
    return (uint64_t)a << 32 | b;
}

uint32_t lm_pairs_add(lm_pairs *p, uint32_t a, uint32_t b)
{
    if (2 * (size_t)p->count >= p->size)
        grow(p);
    struct lm_pair_slot *slot = slot_of(p, key_of(a, b));
    if (slot->age != p->age)
        *slot = (struct lm_pair_slot){key_of(a, b), p->count++, p->age};
    return slot->id;
}

uint32_t lm_pairs_find(const lm_pairs *p, uint32_t a, uint32_t b)
{
    const struct lm_pair_slot *slot = p->size ? slot_of(p, key_of(a, b)) : NULL;
    return slot && slot->age == p->age ? slot->id : NONE;
}

void lm_pairs_free(lm_pairs *p)
{
    free(p->slots);
    *p = (lm_pairs){0};
}

uint32_t lm_word_id(lm_pairs *p, const uint32_t *codes, size_t n)
{
    uint32_t id = NONE;
    for (size_t i = 0; i < n; i++)
        id = lm_pairs_add(p, id, codes[i]);
    return id;
}

/* ------------------------------------------------------------------ runs */

static void set_all(lm_ids *ids, size_t n, uint32_t value)
{
    ids->n = 0;
    while (ids->n < n)
        lm_ids_add(ids, value);
}

/* Counts the runs of k of a reference that the text has, too: most[run] is at least as large as what it has of them. */
static void count_reference(lm_grams *g, const lm_ids *reference, int k, uint32_t *run)
{
    size_t runs = (size_t)lm_gram_count(reference->n, k);
    set_all(&g->here, g->pairs.count, 0);
    for (size_t i = 0; i < runs; i++) {
        if (k > 1 && run[i] == NONE)
            continue; /* nor is what begins so */
        run[i] = lm_pairs_find(&g->pairs, run[i], reference->at[i + (size_t)k - 1]);
        if (run[i] == NONE)
            continue;
        uint32_t times = ++g->here.at[run[i]];
        if (times > g->most.at[run[i]])
            g->most.at[run[i]] = times;
    }
}

void lm_grams_match(lm_grams *g, const lm_ids *text, const lm_ids *references, size_t count, int order, int64_t *matches)
{
    size_t all = 0;
    for (size_t r = 0; r < count; r++)
        all += references[r].n;
    set_all(&g->own, text->n, NONE);
    set_all(&g->theirs, all, NONE);
    for (int k = 1; k <= order; k++) {
        size_t runs = (size_t)lm_gram_count(text->n, k), from = 0;
        lm_pairs_forget(&g->pairs);
        g->times.n = 0;
        for (size_t i = 0; i < runs; i++) {
            g->own.at[i] = lm_pairs_add(&g->pairs, g->own.at[i], text->at[i + (size_t)k - 1]);
            if (g->own.at[i] == g->times.n)
                lm_ids_add(&g->times, 0);
            g->times.at[g->own.at[i]]++;
        }
        set_all(&g->most, g->pairs.count, 0);
        for (size_t r = 0; r < count; from += references[r++].n)
            count_reference(g, &references[r], k, g->theirs.at + from);
        matches[k - 1] = 0;
        for (size_t i = 0; i < g->times.n; i++)
            matches[k - 1] += g->times.at[i] < g->most.at[i] ? g->times.at[i] : g->most.at[i];
    }
}

void lm_grams_free(lm_grams *g)
{
    lm_pairs_free(&g->pairs);
    lm_ids *const all[] = {&g->own, &g->theirs, &g->times, &g->here, &g->most};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->at);
    *g = (lm_grams){0};
}
