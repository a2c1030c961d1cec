/* Inside metrics/written/: texts as numbers, a word or a character each, and what two of them have in common. All of it keeps its
 * memory from text to text. Zero-initialise. */
#ifndef LM_METRICS_WRITTEN_GRAMS_H
#define LM_METRICS_WRITTEN_GRAMS_H

#include "base/buffer.h"

#include <stdint.h>

typedef struct lm_ids {
    uint32_t *at;
    size_t n, cap;
} lm_ids;

void lm_ids_add(lm_ids *ids, uint32_t id);

/* A number for each pair of numbers, from 0 on. Forgets in no time. */
typedef struct lm_pairs {
    struct lm_pair_slot {
        uint64_t key;
        uint32_t id, age; /* of another age: free */
    } *slots;
    size_t size; /* a power of two */
    uint32_t count, age;
} lm_pairs;

void lm_pairs_forget(lm_pairs *p);
uint32_t lm_pairs_add(lm_pairs *p, uint32_t a, uint32_t b);        /* its number, a new one if need be */
uint32_t lm_pairs_find(const lm_pairs *p, uint32_t a, uint32_t b); /* UINT32_MAX = it has none */
void lm_pairs_free(lm_pairs *p);

/* A number for each word: of the pairs of its beginnings and their next characters. */
uint32_t lm_word_id(lm_pairs *p, const uint32_t *codes, size_t n);

/* How many runs of k numbers are in a text and in one of the references (Papineni et al. 2002): each as often as it is in both,
 * of the references in that which has most of them. */
typedef struct lm_grams {
    lm_pairs pairs;
    lm_ids own, theirs; /* the number of the run of k that begins at a place */
    lm_ids times, here, most;
} lm_grams;

/* matches[k - 1] for k = 1 ... order. */
void lm_grams_match(lm_grams *g, const lm_ids *text, const lm_ids *references, size_t count, int order, int64_t *matches);
void lm_grams_free(lm_grams *g);

/* Runs of k numbers that a text of n has. */
static inline int64_t lm_gram_count(size_t n, int k)
{
    return n >= (size_t)k ? (int64_t)(n - (size_t)k + 1) : 0;
}

#endif
