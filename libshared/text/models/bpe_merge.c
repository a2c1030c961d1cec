/* Merging the symbols of one word. The heap holds rank << 32 | position, so that the smallest number is the
 * next merge; an entry is out of date when its symbol has another rank by then. */
#include "text/models/bpe.h"

#include "base/random.h"

typedef struct heap {
    uint64_t *at;
    size_t n;
} heap;

/* Four children to a node: half as deep, and they lie in one cache line. */
enum { ARITY = 4 };

static void sift_down(heap *h, size_t i)
{
    uint64_t x = h->at[i];
    for (size_t child; (child = ARITY * i + 1) < h->n; i = child) {
        size_t last = child + ARITY < h->n ? child + ARITY : h->n;
        for (size_t k = child + 1; k < last; k++)
            if (h->at[k] < h->at[child])
                child = k;
        if (x <= h->at[child])
            break;
        h->at[i] = h->at[child];
    }
    h->at[i] = x;
}

static void push(heap *h, uint64_t x)
{
    size_t i = h->n++;
    for (; i > 0 && x < h->at[(i - 1) / ARITY]; i = (i - 1) / ARITY)
        h->at[i] = h->at[(i - 1) / ARITY];
    h->at[i] = x;
}

static uint64_t pop(heap *h)
{
    uint64_t x = h->at[0];
    h->at[0] = h->at[--h->n];
    if (h->n > 1)
        sift_down(h, 0);
    return x;
}

static void make_heap(heap *h)
{
    for (size_t i = h->n > 1 ? (h->n - 2) / ARITY + 1 : 0; i-- > 0;)
        sift_down(h, i);
}

/* Looks up what symbol i would become with the next one. */
static void pair_up(const lm_bpe *b, lm_symbol *s, int32_t i)
{
    const lm_merge_slot *m = s[i].next < 0 ? NULL : lm_merge_find(b, s[i].id, s[s[i].next].id);
    s[i].rank = m ? lm_merge_rank(*m) : LM_NO_MERGE;
}

void lm_bpe_link(const lm_bpe *b, lm_symbol *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s[i].prev = (int32_t)i - 1;
        s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
        pair_up(b, s, (int32_t)i);
    }
}

/* Symbol i takes in the next one; the pairs with its neighbours are looked up anew. */
static void join(const lm_bpe *b, lm_symbol *s, int32_t i)
{
    lm_symbol *right = &s[s[i].next];
    s[i].id = b->merged[s[i].rank];
    s[i].len += right->len;
    s[i].next = right->next;
    right->len = 0;
    right->rank = LM_NO_MERGE;
    if (s[i].next >= 0)
        s[s[i].next].prev = i;
    pair_up(b, s, i);
    if (s[i].prev >= 0)
        pair_up(b, s, s[i].prev);
}

static void push_pair(heap *h, const lm_symbol *s, int32_t i)
{
    if (i >= 0 && s[i].rank != LM_NO_MERGE)
        push(h, (uint64_t)s[i].rank << 32 | (uint32_t)i);
}

/* For short words, looking at all pairs is quicker than a heap. */
static void merge_few(const lm_bpe *b, lm_symbol *s)
{
    for (;;) {
        int32_t best = -1;
        uint32_t rank = LM_NO_MERGE;
        for (int32_t i = 0; i >= 0; i = s[i].next)
            if (s[i].rank < rank) {
                rank = s[i].rank;
                best = i;
            }
        if (best < 0)
            return;
        join(b, s, best);
    }
}

void lm_bpe_merge(const lm_bpe *b, lm_symbol *s, size_t n, uint64_t *room)
{
    enum { FEW = 24 };
    if (n <= FEW) {
        merge_few(b, s);
        return;
    }
    heap h = {room, 0};
    for (size_t i = 0; i < n; i++)
        if (s[i].rank != LM_NO_MERGE)
            h.at[h.n++] = (uint64_t)s[i].rank << 32 | i;
    make_heap(&h);
    while (h.n) {
        uint64_t top = pop(&h);
        int32_t i = (int32_t)(uint32_t)top;
        if (s[i].rank != (uint32_t)(top >> 32))
            continue;
        join(b, s, i);
        push_pair(&h, s, s[i].prev);
        push_pair(&h, s, i);
    }
}

void lm_bpe_merge_some(const lm_bpe *b, lm_symbol *s, size_t n, uint64_t *room, double dropout,
                       lm_model_scratch *scratch)
{
    lm_philox_key key = lm_random_key(scratch->seed, LM_FOR_BPE_DROPOUT, 0);
    heap h = {room, 0};
    uint64_t *skipped = room + 2 * n; /* each of the heap's valid entries is skipped at most once at a time */
    size_t skips = 0;
    for (size_t i = 0; i < n; i++)
        push_pair(&h, s, (int32_t)i);
    while (h.n) {
        uint64_t top = pop(&h);
        int32_t i = (int32_t)(uint32_t)top;
        if (s[i].rank != (uint32_t)(top >> 32))
            continue;
        if ((double)lm_random_float(key, scratch->row, scratch->draws++) < dropout) {
            skipped[skips++] = top;
            continue;
        }
        while (skips)
            push(&h, skipped[--skips]);
        join(b, s, i);
        push_pair(&h, s, s[i].prev);
        push_pair(&h, s, i);
    }
}
