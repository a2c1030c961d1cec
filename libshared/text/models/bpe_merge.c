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
    s[i].rank = m ? m->rank : LM_NO_MERGE;
    s[i].merged = m ? m->id : -1;
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
    s[i].id = s[i].merged;
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

/* A short word: its symbols. What is next is the smallest key; nothing that has to be found by a branch. Before the first symbol and
 * behind the last one stands one that merges with none. */
enum { BEFORE = LM_BPE_SHORT + 1, ROOM = LM_BPE_SHORT + 2, NO_TOKEN = -2 };
typedef struct short_word {
    int32_t key[ROOM]; /* of the merge with the next symbol: rank * LM_BPE_SHORT + place; NO_KEY = none */
    int32_t merged[ROOM], id[ROOM];
    uint8_t next[ROOM], prev[ROOM];
} short_word;

enum { NO_KEY = INT32_MAX, AT_ONCE = 8 };

/* What lm_merge_find finds; whether there is a merge is as good as random, and no branch here depends on it. Where the first group does
 * not tell, which is seldom, the rest is looked at. */
static inline void short_pair(const lm_bpe *b, short_word *w, size_t left, size_t right)
{
    int32_t l = w->id[left], r = w->id[right];
    uint64_t hash = lm_merge_hash(l, r);
    size_t group = (hash >> b->shift) * LM_MERGE_GROUP;
    unsigned same = lm_merge_group(b->tags + group, lm_merge_tag(hash)), free = lm_merge_group(b->tags + group, 0);
    size_t at = (group + (size_t)__builtin_ctz(same | 1u << (LM_MERGE_GROUP - 1))) & (0 - (size_t)(same != 0));
    const lm_merge_slot *m = &b->slots[at];
    bool is = (m->left == l) & (m->right == r) & (same != 0);
    if (__builtin_expect(!is && (same || !free), 0)) {
        m = lm_merge_find(b, l, r);
        is = m != NULL;
        m = m ? m : b->slots;
    }
    int32_t key = (int32_t)(m->rank * LM_BPE_SHORT + left);
    w->key[left] = is ? key : NO_KEY;
    w->merged[left] = m->id;
}

#ifdef __SSE2__
static inline __m128i smaller(__m128i a, __m128i b)
{
    __m128i less = _mm_cmplt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(less, a), _mm_andnot_si128(less, b));
}

static inline int32_t smallest(const int32_t *key, size_t n)
{
    const __m128i *at = (const __m128i *)(const void *)key;
    __m128i best = _mm_loadu_si128(at), other = _mm_loadu_si128(at + 1);
    for (size_t i = AT_ONCE; i < n; i += AT_ONCE) {
        at += 2;
        best = smaller(best, _mm_loadu_si128(at));
        other = smaller(other, _mm_loadu_si128(at + 1));
    }
    best = smaller(best, other);
    best = smaller(best, _mm_shuffle_epi32(best, _MM_SHUFFLE(1, 0, 3, 2)));
    best = smaller(best, _mm_shuffle_epi32(best, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(best);
}
#else
static inline int32_t smallest(const int32_t *key, size_t n)
{
    int32_t best = NO_KEY;
    for (size_t i = 0; i < n; i += AT_ONCE)
        for (size_t k = 0; k < AT_ONCE; k++)
            best = key[i + k] < best ? key[i + k] : best;
    return best;
}
#endif

/* Of n symbols, whose id, key and merged are given. */
static void merge_short(const lm_bpe *b, short_word *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        w->next[i] = (uint8_t)(i + 1);
        w->prev[i + 1] = (uint8_t)i;
    }
    w->prev[0] = BEFORE;
    w->id[n] = w->id[BEFORE] = NO_TOKEN;
    for (size_t i = n; i % AT_ONCE; i++)
        w->key[i] = NO_KEY;
    for (int32_t best; (best = smallest(w->key, n)) != NO_KEY;) {
        size_t left = (size_t)best % LM_BPE_SHORT, right = w->next[left], behind = w->next[right];
        w->id[left] = w->merged[left];
        w->next[left] = (uint8_t)behind;
        w->prev[behind] = (uint8_t)left;
        w->key[right] = NO_KEY;
        short_pair(b, w, left, behind);
        short_pair(b, w, w->prev[left], left);
    }
}

void lm_bpe_merge_bytes(const lm_bpe *b, const unsigned char *bytes, size_t n, lm_token_list *out)
{
    short_word w;
    for (size_t i = 0; i < n; i++) {
        lm_bpe_pair pair = i + 1 < n ? b->pairs[bytes[i] * 256 + bytes[i + 1]] : (lm_bpe_pair){LM_NO_MERGE, -1};
        w.key[i] = pair.rank == LM_NO_MERGE ? NO_KEY : (int32_t)(pair.rank * LM_BPE_SHORT + i);
        w.merged[i] = pair.id;
        w.id[i] = b->symbols[bytes[i]];
    }
    merge_short(b, &w, n);
    for (size_t i = 0; i < n; i = w.next[i])
        lm_token_push(out, w.id[i], w.next[i]);
}

void lm_bpe_merge_symbols(const lm_bpe *b, const lm_symbol *symbols, size_t n, lm_token_list *out)
{
    short_word w;
    for (size_t i = 0; i < n; i++)
        w.id[i] = symbols[i].id;
    w.id[n] = NO_TOKEN;
    for (size_t i = 0; i < n; i++)
        short_pair(b, &w, i, i + 1);
    merge_short(b, &w, n);
    int32_t end = 0;
    for (size_t i = 0, k = 0; i < n; i = w.next[i]) {
        while (k < w.next[i])
            end += symbols[k++].len;
        lm_token_push(out, w.id[i], end);
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
