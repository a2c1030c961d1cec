/* Short words. Merges of one word wait for memory, those of several at once do not; and nothing here depends on a branch that cannot be
 * foreseen. */
#include "text/models/bpe.h"

/* The next merge is that of the smallest key: rank and place of its left symbol, as the bits of a float, since these are compared alike,
 * and the smallest of several is an instruction everywhere. */
enum { PLACES = LM_BPE_SHORT + 2, FIRST_KEY = 0x00800000, NO_KEY = FIRST_KEY + LM_NO_MERGE * PLACES };
_Static_assert(PLACES == 64 && NO_KEY + (int64_t)LM_NO_MERGE * PLACES < 0x7F800000, "places are bits of a number, keys finite floats");

static inline int32_t key_of(uint32_t rank, size_t place)
{
    return (int32_t)(FIRST_KEY + rank * PLACES + (uint32_t)place);
}

/* Of all keys of a short word, however few are in use: how many there are is another number for each word, and cannot be foreseen. */
#ifdef __SSE2__
static inline int32_t smallest(const lm_bpe_short *w)
{
    const float *at = (const float *)(const void *)w->keys;
    __m128 best = _mm_load_ps(at), other = _mm_load_ps(at + 4);
    for (size_t i = 8, n = w->n > PLACES / 2 ? PLACES : PLACES / 2; i < n; i += 8) {
        best = _mm_min_ps(best, _mm_load_ps(at + i));
        other = _mm_min_ps(other, _mm_load_ps(at + i + 4));
    }
    best = _mm_min_ps(best, other);
    best = _mm_min_ps(best, _mm_movehl_ps(best, best));
    best = _mm_min_ss(best, _mm_shuffle_ps(best, best, 1));
    return _mm_cvtsi128_si32(_mm_castps_si128(best));
}
#else
static inline int32_t smallest(const lm_bpe_short *w)
{
    int32_t best = NO_KEY;
    for (size_t i = 0; i < PLACES; i++)
        best = w->keys[i] < best ? w->keys[i] : best;
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

/* What two neighbours become: where that is said, if it is, which is asked of memory before it is looked at. */
typedef struct question {
    const lm_merge_slot *slot;
    unsigned some, full; /* some: the group has a slot of that tag; full: and none that is free */
    uint32_t left, right;
} question;

static inline question ask(const lm_bpe *b, const lm_bpe_short *w, size_t left, size_t right)
{
    uint64_t hash = lm_merge_hash(w->id[left], w->id[right]);
    size_t group = (hash >> b->shift) * LM_MERGE_GROUP;
    unsigned same = lm_merge_group(b->tags + group, lm_merge_tag(hash)), free = lm_merge_group(b->tags + group, 0);
    unsigned some = same != 0;
    size_t at = (group + (size_t)__builtin_ctz(same | 1u << (LM_MERGE_GROUP - 1))) & (0 - (size_t)some);
    __builtin_prefetch(&b->slots[at]);
    return (question){&b->slots[at], some, free == 0, (uint32_t)left, (uint32_t)right};
}

/* The key, which is what lm_merge_find finds. Where the first group does not tell, which is seldom, the rest is looked at. */
static inline void answer(const lm_bpe *b, lm_bpe_short *w, const question *q)
{
    int32_t l = w->id[q->left], r = w->id[q->right];
    lm_merge_slot slot = *q->slot;
    unsigned is = (unsigned)lm_merge_is(slot, l, r) & q->some;
    if (__builtin_expect(is < (q->some | q->full), 0)) {
        const lm_merge_slot *m = lm_merge_find(b, l, r);
        is = m != NULL;
        slot = m ? *m : 0;
    }
    uint32_t rank = lm_merge_rank(slot);
    w->keys[q->left] = key_of(rank | (is ^ 1) << LM_MERGE_RANK_BITS, q->left);
    __builtin_prefetch(b->merged + rank);
}

static void begin(lm_bpe_short *w, size_t n)
{
    w->n = n;
    w->id[0] = w->id[n + 1] = LM_NO_TOKEN;
    w->alive = (UINT64_C(2) << (n + 1)) - 1;
    for (size_t i = 0; i < PLACES; i++)
        w->keys[i] = NO_KEY;
}

/* Makes the next merge, and asks what becomes of its neighbours; false: there is none. */
static inline bool step(const lm_bpe *b, lm_bpe_short *w, question q[2])
{
    int32_t best = smallest(w);
    if (best >= NO_KEY)
        return false;
    size_t left = (size_t)best % PLACES, right = next_alive(w->alive, left);
    w->id[left] = b->merged[(size_t)(best - FIRST_KEY) / PLACES];
    w->alive &= ~(UINT64_C(1) << right);
    w->keys[right] = NO_KEY;
    q[0] = ask(b, w, left, next_alive(w->alive, left));
    q[1] = ask(b, w, last_alive(w->alive, left), left);
    return true;
}

void lm_bpe_merge_short(const lm_bpe *b, lm_bpe_short *words, size_t count)
{
    struct lane {
        lm_bpe_short *word;
        question q[2];
    } lanes[LM_BPE_AT_ONCE];
    size_t n = count < LM_BPE_AT_ONCE ? count : LM_BPE_AT_ONCE, next = n;
    for (size_t i = 0; i < n; i++)
        lanes[i].word = &words[i];
    while (n) {
        for (size_t i = n; i-- > 0;)
            while (!step(b, lanes[i].word, lanes[i].q)) {
                if (next == count) {
                    lanes[i] = lanes[--n];
                    break;
                }
                lanes[i].word = &words[next++];
            }
        for (size_t i = 0; i < n; i++) {
            answer(b, lanes[i].word, &lanes[i].q[0]);
            answer(b, lanes[i].word, &lanes[i].q[1]);
        }
    }
}

void lm_bpe_short_bytes(const lm_bpe *b, lm_str word, lm_bpe_short *w)
{
    const unsigned char *bytes = (const unsigned char *)word.data;
    begin(w, word.len);
    for (size_t i = 0; i < word.len; i++)
        w->id[i + 1] = b->symbols[bytes[i]];
    for (size_t i = 0; i + 1 < word.len; i++)
        w->keys[i + 1] = key_of(b->pairs[bytes[i] * 256 + bytes[i + 1]], i + 1);
}

static void tell(const lm_bpe_short *w, lm_short_tokens *out)
{
    uint64_t left = w->alive >> 1 & ((UINT64_C(1) << w->n) - 1);
    out->ends = (uint32_t)(w->alive >> 2);
    out->n = 0;
    for (; left; left &= left - 1)
        out->ids[out->n++] = w->id[1 + __builtin_ctzll(left)];
}

/* So many are read before they are merged. */
enum { WORDS = 3 * LM_BPE_AT_ONCE };

void lm_bpe_merge_bytes(const lm_bpe *b, const lm_str *words, size_t count, lm_short_tokens *const *out)
{
    lm_bpe_short w[WORDS];
    for (size_t from = 0, n; from < count; from += n) {
        n = count - from < WORDS ? count - from : WORDS;
        for (size_t k = 0; k < n; k++)
            lm_bpe_short_bytes(b, words[from + k], &w[k]);
        lm_bpe_merge_short(b, w, n);
        for (size_t k = 0; k < n; k++)
            tell(&w[k], out[from + k]);
    }
}

void lm_bpe_short_symbols(const lm_bpe *b, const lm_symbol *symbols, size_t n, lm_bpe_short *w)
{
    begin(w, n);
    for (size_t i = 0; i < n; i++)
        w->id[i + 1] = symbols[i].id;
    for (size_t i = 1; i < n; i++) {
        question q = ask(b, w, i, i + 1);
        answer(b, w, &q);
    }
}

void lm_token_model_encode_short(const lm_token_model *m, const lm_str *words, size_t count, lm_model_scratch *scratch,
                                 lm_short_tokens *out)
{
    lm_bpe_short w[WORDS];
    lm_symbol symbols[LM_BPE_SHORT];
    for (size_t from = 0, n; from < count; from += n) {
        n = count - from < WORDS ? count - from : WORDS;
        for (size_t k = 0; k < n; k++)
            lm_bpe_short_symbols(m->own, symbols, lm_bpe_symbols(m, words[from + k], scratch, symbols), &w[k]);
        lm_bpe_merge_short(m->own, w, n);
        for (size_t k = 0; k < n; k++)
            tell(&w[k], &out[from + k]);
    }
}

void lm_bpe_merge_symbols(const lm_bpe *b, const lm_symbol *symbols, size_t n, lm_token_list *out)
{
    lm_bpe_short w;
    lm_bpe_short_symbols(b, symbols, n, &w);
    lm_bpe_merge_short(b, &w, 1);
    int32_t end = 0;
    for (size_t place = 1, k = 0, next; place <= n; place = next) {
        next = next_alive(w.alive, place);
        while (k + 1 < next)
            end += symbols[k++].len;
        lm_token_push(out, w.id[place], end);
    }
}
