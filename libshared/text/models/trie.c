#include "text/models/trie.h"

#include "base/memory.h"

#include <stdlib.h>

/* Tokens [from, to) of the sorted ones, which have the first `depth` bytes in common: those of a node. */
typedef struct range {
    int32_t node;
    uint32_t from, to, depth;
} range;

typedef struct builder {
    lm_token_trie *t;
    const lm_vocabulary *v;
    const int32_t *sorted; /* ids */
    range *queue;
    size_t head, count, cap;
    size_t free; /* no node below it is free */
} builder;

void lm_token_trie_free(lm_token_trie *t)
{
    free(t->nodes);
    *t = (lm_token_trie){0};
}

static int by_bytes(const void *a, const void *b, void *vocabulary)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    lm_str s = lm_vocabulary_get(vocabulary, x), t = lm_vocabulary_get(vocabulary, y);
    int order = memcmp(s.data, t.data, s.len < t.len ? s.len : t.len);
    return order ? order : s.len != t.len ? (s.len < t.len ? -1 : 1) : x < y ? -1 : x > y;
}

static void reach(lm_token_trie *t, size_t n)
{
    if (n <= t->n)
        return;
    size_t larger = t->n ? t->n : 1024;
    while (larger < n)
        larger += larger / 2;
    t->nodes = lm_realloc(t->nodes, larger, sizeof *t->nodes);
    for (size_t i = t->n; i < larger; i++)
        t->nodes[i] = (lm_token_trie_node){0, -1, -1};
    t->n = larger;
}

/* A base where there is room for children by these bytes (ascending). */
static size_t find_base(builder *b, const unsigned char *bytes, size_t n)
{
    lm_token_trie *t = b->t;
    while (b->free < t->n && t->nodes[b->free].parent >= 0)
        b->free++;
    size_t first = b->free > bytes[0] ? b->free : (size_t)bytes[0] + 1, taken = 0;
    for (size_t at = first;; at++) { /* at: of the first child */
        size_t base = at - bytes[0], k = 0;
        reach(t, base + 256);
        while (k < n && t->nodes[base + bytes[k]].parent < 0)
            k++;
        taken += t->nodes[at].parent >= 0;
        if (k == n) {
            if (taken > (at - first) * 19 / 20 && at > first + 64) /* hardly anything is free up to here */
                b->free = at;
            return base;
        }
    }
}

static void put_children(builder *b, range r)
{
    unsigned char bytes[256];
    range children[256];
    size_t n = 0;
    while (r.from < r.to && (size_t)b->v->tokens[b->sorted[r.from]].len == r.depth)
        b->t->nodes[r.node].id = b->sorted[r.from++];
    for (uint32_t i = r.from; i < r.to; i++) {
        unsigned char byte = (unsigned char)lm_vocabulary_get(b->v, b->sorted[i]).data[r.depth];
        if (n == 0 || bytes[n - 1] != byte) {
            bytes[n] = byte;
            children[n++] = (range){0, i, i, r.depth + 1};
        }
        children[n - 1].to = i + 1;
    }
    if (n == 0)
        return;
    size_t base = find_base(b, bytes, n);
    b->t->nodes[r.node].base = (int32_t)base;
    for (size_t k = 0; k < n; k++) {
        children[k].node = (int32_t)(base + bytes[k]);
        b->t->nodes[children[k].node].parent = r.node;
        LM_GROW(b->queue, b->count, b->cap);
        b->queue[b->count++] = children[k];
    }
}

void lm_token_trie_build(lm_token_trie *t, const lm_vocabulary *v)
{
    int32_t *sorted = lm_malloc((size_t)v->count + 1, sizeof *sorted);
    uint32_t n = 0;
    for (int id = 0; id < v->size; id++)
        if (v->tokens[id].len > 0)
            sorted[n++] = id;
    qsort_r(sorted, n, sizeof *sorted, by_bytes, (void *)v);
    reach(t, 256);
    t->nodes[0].parent = 0; /* taken, and nobody's child: no base is 0 */
    builder b = {.t = t, .v = v, .sorted = sorted, .free = 1};
    put_children(&b, (range){0, 0, n, 0});
    while (b.head < b.count) {
        put_children(&b, b.queue[b.head++]);
        if (b.head == b.count)
            b.head = b.count = 0;
    }
    free(b.queue);
    free(sorted);
}
