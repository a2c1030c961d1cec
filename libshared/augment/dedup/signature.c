#include "augment/dedup/signature.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <stdlib.h>
#include <xxhash.h>

/* ------------------------------------------------------------------ numpy's RandomState
 * MT19937 (Matsumoto and Nishimura 1998), and whole numbers within a range by masking and rejection. */

enum { STATE = 624, MIDDLE = 397 };

typedef struct twister {
    uint32_t state[STATE];
    int next;
} twister;

static void twister_seed(twister *t, uint32_t seed)
{
    for (uint32_t i = 0; i < STATE; i++) {
        t->state[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    t->next = STATE;
}

static uint32_t twister_next(twister *t)
{
    if (t->next == STATE) {
        for (int i = 0; i < STATE; i++) {
            uint32_t y = (t->state[i] & 0x80000000u) | (t->state[(i + 1) % STATE] & 0x7fffffffu);
            t->state[i] = t->state[(i + MIDDLE) % STATE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        t->next = 0;
    }
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* In [low, 2^61 - 1). */
static uint64_t twister_below_prime(twister *t, uint64_t low)
{
    const uint64_t prime = ((uint64_t)1 << 61) - 1;
    uint64_t x;
    do {
        x = (uint64_t)twister_next(t) << 32;
        x = (x | twister_next(t)) & prime;
    } while (x > prime - 1 - low);
    return low + x;
}

void lm_minhasher_init(lm_minhasher *m, uint32_t seed)
{
    size_t n = (size_t)m->buckets * (size_t)m->hashes;
    m->a = lm_malloc(n, sizeof *m->a);
    m->b = lm_malloc(n, sizeof *m->b);
    twister t;
    twister_seed(&t, seed);
    for (size_t i = 0; i < n; i++)
        m->a[i] = twister_below_prime(&t, 1);
    for (size_t i = 0; i < n; i++)
        m->b[i] = twister_below_prime(&t, 0);
}

void lm_minhasher_free(lm_minhasher *m)
{
    free(m->a);
    free(m->b);
}

/* ------------------------------------------------------------------ shingles */

void lm_shingles_free(lm_shingles *s)
{
    free(s->at);
    free(s->starts);
    free(s->least);
    *s = (lm_shingles){0};
}

/* Where the next word (or character) behind `at` begins; its own end in *end. */
static size_t next_part(const lm_minhasher *m, lm_str text, size_t at, size_t *end)
{
    if (!m->characters) {
        const char *blank = memchr(text.data + at, ' ', text.len - at);
        *end = blank ? (size_t)(blank - text.data) : text.len;
        return blank ? *end + 1 : *end;
    }
    /* the bytes that follow in the code point; then vowels and final consonants, U+1160 to U+11FF: E1 85 A0 to E1 87 BF */
    const unsigned char *p = (const unsigned char *)text.data;
    for (at++; at < text.len; at++) {
        bool conjoins = p[at] == 0xE1 && text.len - at > 2 &&
                        (p[at + 1] == 0x86 || p[at + 1] == 0x87 || (p[at + 1] == 0x85 && p[at + 2] >= 0xA0));
        if ((p[at] & 0xC0) != 0x80 && !conjoins)
            break;
    }
    *end = at;
    return at;
}

static void hash_some(const lm_minhasher *m, const lm_shingles *s, size_t from)
{
    if (s->count > from)
        lm_minhash(s->at + from, s->count - from, m->a, m->b, m->buckets * m->hashes, s->least);
}

bool lm_minhash_text(const lm_minhasher *m, lm_str text, bool keep_all, lm_shingles *s)
{
    size_t functions = (size_t)m->buckets * (size_t)m->hashes, n = (size_t)m->ngram, parts = 0, hashed = 0;
    if (!s->least) {
        s->least = lm_malloc(functions, sizeof *s->least);
        s->starts = lm_malloc(n, sizeof *s->starts);
    }
    for (size_t i = 0; i < functions; i++)
        s->least[i] = INT64_MAX;
    s->count = 0;
    for (size_t at = 0, next, end; at < text.len; at = next) {
        next = next_part(m, text, at, &end);
        s->starts[parts++ % n] = at;
        if (parts < n)
            continue;
        size_t from = s->starts[parts % n];
        LM_GROW(s->at, s->count, s->cap);
        s->at[s->count++] = XXH64(text.data + from, end - from, 0);
        if (s->count - hashed == LM_SHINGLES_AT_ONCE) {
            hash_some(m, s, hashed);
            s->count = keep_all ? s->count : 0;
            hashed = s->count;
        }
    }
    hash_some(m, s, hashed);
    return parts >= n;
}

lm_wide lm_minhash_key(const lm_minhasher *m, const lm_shingles *s, int bucket)
{
    size_t hashes = (size_t)m->hashes;
    XXH128_hash_t h = XXH3_128bits_withSeed(s->least + (size_t)bucket * hashes, hashes * sizeof *s->least, (uint64_t)bucket);
    return lm_key_of(h.high64, h.low64);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void lm_shingles_make_set(lm_shingles *s)
{
    size_t n = 0;
    if (s->count)
        qsort(s->at, s->count, sizeof *s->at, by_value);
    for (size_t i = 0; i < s->count; i++)
        if (!n || s->at[i] != s->at[n - 1])
            s->at[n++] = s->at[i];
    s->count = n;
}

double lm_jaccard(const uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
    size_t both = 0, i = 0, k = 0;
    while (i < na && k < nb) {
        both += a[i] == b[k];
        size_t before = i;
        i += a[i] <= b[k];
        k += b[k] <= a[before];
    }
    return na + nb > both ? (double)both / (double)(na + nb - both) : 1;
}
