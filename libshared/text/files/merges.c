#include "text/files/files.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct candidate {
    int32_t left, right;
    uint32_t left_chars, right_chars, order; /* order: in which Python's stable sort keeps equal ones */
    float score;
} candidate;

/* Python sorts by (score, characters left, characters right), all descending, and keeps the order of equal
 * ones. */
static int by_score(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->left_chars != b->left_chars)
        return a->left_chars > b->left_chars ? -1 : 1;
    if (a->right_chars != b->right_chars)
        return a->right_chars > b->right_chars ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* The pairs of one token, by the id of the left one, then of the right one. */
static int by_ids(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    return (a->right > b->right) - (a->right < b->right);
}

typedef struct candidates {
    candidate *items;
    size_t count, cap;
} candidates;

static void split_token(const lm_token_tables *t, int id, float score, candidates *out)
{
    lm_str token = lm_vocabulary_get(&t->vocabulary, id);
    size_t first = out->count;
    uint32_t chars = 0, all = 0;
    for (size_t i = 0; i < token.len; i++)
        all += ((unsigned char)token.data[i] & 0xC0) != 0x80;
    uint64_t hash = lm_vocabulary_hash_start();
    for (size_t i = 1; i < token.len; i++) {
        hash = lm_vocabulary_hash_byte(hash, (unsigned char)token.data[i - 1]);
        chars += ((unsigned char)token.data[i - 1] & 0xC0) != 0x80;
        if (((unsigned char)token.data[i] & 0xC0) == 0x80)
            continue;
        lm_str head = {token.data, i}, tail = {token.data + i, token.len - i};
        int left = lm_vocabulary_probe(&t->vocabulary, hash, (lm_str){NULL, 0}, head);
        int right = left < 0 ? -1 : lm_vocabulary_find(&t->vocabulary, tail);
        if (right < 0)
            continue;
        LM_GROW(out->items, out->count, out->cap);
        out->items[out->count++] = (candidate){left, right, chars, all - chars, 0, score};
    }
    if (out->count - first > 1)
        qsort(out->items + first, out->count - first, sizeof *out->items, by_ids);
}

void lm_merges_from_scores(lm_token_tables *t, const float *scores)
{
    candidates c = {0};
    for (int id = 0; id < t->vocabulary.size; id++)
        split_token(t, id, scores[id], &c);
    for (size_t i = 0; i < c.count; i++)
        c.items[i].order = (uint32_t)i;
    if (c.count)
        qsort(c.items, c.count, sizeof *c.items, by_score);
    for (size_t i = 0; i < c.count; i++) {
        LM_GROW(t->merges, t->merge_count, t->merge_cap);
        t->merges[t->merge_count++] = (lm_merge){c.items[i].left, c.items[i].right};
    }
    free(c.items);
}

/* The token that a merge makes. */
static int merged(const lm_token_tables *t, const lm_merge *m)
{
    lm_str left = lm_vocabulary_get(&t->vocabulary, m->left),
           right = lm_vocabulary_get(&t->vocabulary, m->right);
    uint64_t hash = lm_vocabulary_hash(lm_vocabulary_hash(lm_vocabulary_hash_start(), left), right);
    return lm_vocabulary_probe(&t->vocabulary, hash, left, right);
}

float *lm_scores_from_merges(const lm_token_tables *t)
{
    size_t size = (size_t)t->vocabulary.size, until = 0;
    size_t *last = lm_calloc(size, sizeof *last); /* behind the token's last merge; 0 = it has none */
    float *scores = lm_calloc(size, sizeof *scores);
    int rank = 0;
    for (size_t i = 0; i < t->merge_count; i++) {
        int id = merged(t, &t->merges[i]);
        if (id >= 0)
            last[id] = i + 1;
    }
    for (size_t i = 0; i < t->merge_count; i++) {
        int id = merged(t, &t->merges[i]);
        if (id < 0)
            continue;
        if (i >= until)
            rank++;
        if (last[id] > until)
            until = last[id];
        scores[id] = (float)(1 - rank);
    }
    for (size_t i = 0; i < size; i++)
        if (!last[i])
            scores[i] = (float)-rank++;
    free(last);
    return scores;
}
