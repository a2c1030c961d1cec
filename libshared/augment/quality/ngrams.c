#include "augment/quality/ngrams.h"

#include "base/memory.h"

/* An n-gram's hash is that of its bytes without blanks, wherever its words are cut: a polynomial in an odd base, modulo 2^64. Up to word
 * i it has the sum of byte * base^place in `sum`, and base^-place in `back`, so that any range costs one product. */
struct lm_gram_word {
    uint64_t sum, back;
    uint64_t hash;  /* of the word */
    uint64_t chars; /* of all words before */
};

#define BASE UINT64_C(0x9E3779B97F4A7C15)

static uint64_t mix(uint64_t x) /* the finaliser of MurmurHash3 */
{
    x = (x ^ x >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    x = (x ^ x >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return x ^ x >> 33;
}

lm_ngrams lm_ngrams_of(lm_judging *j)
{
    const lm_count_words *w = lm_judging_words(j);
    if (j->gram_cap <= w->count) {
        j->gram_cap = w->count + w->count / 4 + 64;
        free(j->gram_words);
        j->gram_words = lm_malloc(j->gram_cap, sizeof *j->gram_words);
    }
    uint64_t inverse = BASE; /* Newton: each step doubles the bits that are right */
    for (int i = 0; i < 6; i++)
        inverse *= 2 - BASE * inverse;
    struct lm_gram_word *g = j->gram_words;
    g[0] = (struct lm_gram_word){.back = 1};
    uint64_t power = 1;
    for (size_t i = 0; i < w->count; i++) {
        uint64_t sum = g[i].sum, back = g[i].back;
        const unsigned char *p = (const unsigned char *)j->text.data + w->items[i].from;
        for (const unsigned char *end = p + w->items[i].len; p < end; p++) {
            sum += (*p + UINT64_C(0x51ED270B)) * power;
            power *= BASE;
            back *= inverse;
        }
        g[i].hash = mix((sum - g[i].sum) * g[i].back);
        g[i + 1] = (struct lm_gram_word){.sum = sum, .back = back, .chars = g[i].chars + w->items[i].chars};
    }
    return (lm_ngrams){g, w->count, &j->repeats};
}

size_t lm_ngrams_top(const lm_ngrams *g, size_t n)
{
    if (g->count < n)
        return 0;
    lm_repeats_begin(g->repeats, g->count);
    struct lm_repeats_slot best = {0};
    for (size_t i = 0; i + n <= g->count; i++) {
        uint64_t key = 0;
        for (size_t k = 0; k < n; k++)
            key = key * BASE + g->words[i + k].hash;
        struct lm_repeats_slot *s = lm_repeats_slot(g->repeats, mix(key));
        if (s->count++ == 0)
            s->first = (uint32_t)i;
        if (s->count > best.count || (s->count == best.count && s->first < best.first))
            best = *s;
    }
    return best.count * (size_t)(g->words[best.first + n].chars - g->words[best.first].chars + n - 1);
}

size_t lm_ngrams_repeated(const lm_ngrams *g, size_t n)
{
    if (g->count < n)
        return 0;
    lm_repeats_begin(g->repeats, g->count);
    size_t chars = 0;
    for (size_t i = 0; i + n <= g->count;) {
        const struct lm_gram_word *from = &g->words[i], *to = from + n;
        bool again = lm_repeats_again(g->repeats, mix((to->sum - from->sum) * from->back));
        if (again)
            chars += (size_t)(to->chars - from->chars);
        i += again ? n : 1;
    }
    return chars;
}
