/* Short words. Merges of one word wait for memory, those of several at once do not; and nothing here depends on a branch that cannot be
 * foreseen. */
#include "text/models/bpe.h"

/* Symbol i of the word is in place i + 1: before the first and behind the last one stands one that merges with none. The next merge is
 * that of the smallest key. */
enum { PLACES = LM_BPE_SHORT + 2, WORDS = 3, NO_KEY = LM_NO_MERGE * LM_BPE_SHORT };
typedef struct short_word {
    int32_t id[PLACES];
    int32_t keys[1 + PLACES]; /* from the second on: of the merge with the next symbol, rank * LM_BPE_SHORT + i; NO_KEY or more = none */
    uint64_t alive;           /* bits: the places of symbols that no other has taken in */
    size_t n;
} short_word;

#ifdef __SSE2__
static inline __m128i smaller(__m128i a, __m128i b)
{
    __m128i less = _mm_cmplt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(less, a), _mm_andnot_si128(less, b));
}

/* Of all keys, however few are in use: how many there are is another number for each word, and cannot be foreseen. */
static inline int32_t smallest(const int32_t *key)
{
    const __m128i *at = (const __m128i *)(const void *)key;
    __m128i best = _mm_loadu_si128(at), other = _mm_loadu_si128(at + 1);
    for (size_t i = 2; i < LM_BPE_SHORT / 4; i += 2) {
        best = smaller(best, _mm_loadu_si128(at + i));
        other = smaller(other, _mm_loadu_si128(at + i + 1));
    }
    best = smaller(best, other);
    best = smaller(best, _mm_shuffle_epi32(best, _MM_SHUFFLE(1, 0, 3, 2)));
    best = smaller(best, _mm_shuffle_epi32(best, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(best);
}
#else
static inline int32_t smallest(const int32_t *key)
{
    int32_t best = NO_KEY;
    for (size_t i = 0; i < LM_BPE_SHORT; i++)
        best = key[i] < best ? key[i] : best;
    return best;
}
#endif

static inline size_t next_alive(uint64_t alive, size_t place)
{
    return (size_t)__builtin_ctzll(alive & (UINT64_MAX << 1 << place));
}

static inline size_t last_alive(uint64_t alive, size_t place)
{
    return 63 - (size_t)__builtin_clzll(alive & ((UINT64_C(1) << place) - 1));
}

/* The key of two places: what lm_merge_find finds. Where the first group does not tell, which is seldom, the rest is looked at. */
static inline void pair_up(const lm_bpe *b, short_word *w, size_t left, size_t right)
{
    int32_t l = w->id[left], r = w->id[right];
    uint64_t hash = lm_merge_hash(l, r);
    size_t group = (hash >> b->shift) * LM_MERGE_GROUP;
    unsigned same = lm_merge_group(b->tags + group, lm_merge_tag(hash)), free = lm_merge_group(b->tags + group, 0);
    unsigned some = same != 0;
    size_t at = (group + (size_t)__builtin_ctz(same | 1u << (LM_MERGE_GROUP - 1))) & (0 - (size_t)some);
    lm_merge_slot slot = b->slots[at];
    unsigned is = (unsigned)lm_merge_is(slot, l, r) & some;
    if (__builtin_expect(is < (some | (free == 0)), 0)) {
        const lm_merge_slot *m = lm_merge_find(b, l, r);
        is = m != NULL;
        slot = m ? *m : 0;
    }
    uint32_t rank = lm_merge_rank(slot);
    w->keys[left] = (int32_t)((rank | (is ^ 1) << LM_MERGE_RANK_BITS) * LM_BPE_SHORT + (uint32_t)left - 1);
    __builtin_prefetch(b->merged + rank);
}

static void begin(short_word *w, size_t n)
{
    w->n = n;
    w->id[0] = w->id[n + 1] = LM_NO_TOKEN;
    w->alive = (UINT64_C(4) << n) - 1;
    for (size_t i = 0; i < LM_BPE_SHORT; i++)
        w->keys[1 + i] = NO_KEY;
}

static inline bool step(const lm_bpe *b, short_word *w)
{
    int32_t best = smallest(w->keys + 1);
    if (best >= NO_KEY)
        return false;
    size_t left = (size_t)best % LM_BPE_SHORT + 1, right = next_alive(w->alive, left);
    w->id[left] = b->merged[(size_t)best / LM_BPE_SHORT];
    w->alive &= ~(UINT64_C(1) << right);
    w->keys[right] = NO_KEY;
    pair_up(b, w, left, next_alive(w->alive, left));
    pair_up(b, w, last_alive(w->alive, left), left);
    return true;
}

static void merge(const lm_bpe *b, short_word *words, size_t count)
{
    short_word *left[WORDS];
    for (size_t i = 0; i < count; i++)
        left[i] = &words[i];
    while (count)
        for (size_t i = count; i-- > 0;)
            if (!step(b, left[i]))
                left[i] = left[--count];
}

static void begin_bytes(const lm_bpe *b, short_word *w, lm_str word)
{
    const unsigned char *bytes = (const unsigned char *)word.data;
    begin(w, word.len);
    for (size_t i = 0; i < word.len; i++)
        w->id[i + 1] = b->symbols[bytes[i]];
    for (size_t i = 0; i + 1 < word.len; i++)
        w->keys[i + 1] = (int32_t)(b->pairs[bytes[i] * 256 + bytes[i + 1]] * LM_BPE_SHORT + i);
}

static void tell(const short_word *w, lm_short_tokens *out)
{
    uint64_t left = w->alive >> 1 & ((UINT64_C(1) << w->n) - 1);
    out->ends = (uint32_t)(w->alive >> 2);
    out->n = 0;
    for (; left; left &= left - 1)
        out->ids[out->n++] = w->id[1 + __builtin_ctzll(left)];
}

void lm_bpe_merge_bytes(const lm_bpe *b, const lm_str *words, size_t count, lm_short_tokens *const *out)
{
    short_word w[WORDS];
    for (size_t from = 0, n; from < count; from += n) {
        n = count - from < WORDS ? count - from : WORDS;
        for (size_t k = 0; k < n; k++)
            begin_bytes(b, &w[k], words[from + k]);
        merge(b, w, n);
        for (size_t k = 0; k < n; k++)
            tell(&w[k], out[from + k]);
    }
}

void lm_bpe_merge_symbols(const lm_bpe *b, const lm_symbol *symbols, size_t n, lm_token_list *out)
{
    short_word w;
    begin(&w, n);
    for (size_t i = 0; i < n; i++)
        w.id[i + 1] = symbols[i].id;
    for (size_t i = 0; i + 1 < n; i++)
        pair_up(b, &w, i + 1, i + 2);
    merge(b, &w, 1);
    int32_t end = 0;
    for (size_t place = 1, k = 0, next; place <= n; place = next) {
        next = next_alive(w.alive, place);
        while (k + 1 < next)
            end += symbols[k++].len;
        lm_token_push(out, w.id[place], end);
    }
}
