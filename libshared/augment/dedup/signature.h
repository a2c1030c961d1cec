/* MinHash signatures as datatrove makes them (src/datatrove/pipeline/dedup/minhash.py): the shingles of a text are the XXH64 of
 * every n words in a row, its signature the least value that each of buckets x hashes random functions has for one of them, and
 * texts that agree on all the hashes of a bucket are candidates. The functions are numpy's random numbers for the seed.
 *
 * Two texts whose sets of shingles have the Jaccard similarity s agree on a bucket with probability s^hashes. */
#ifndef LM_AUGMENT_DEDUP_SIGNATURE_H
#define LM_AUGMENT_DEDUP_SIGNATURE_H

#include "augment/dedup/key.h"
#include "base/buffer.h"

enum { LM_SHINGLES_AT_ONCE = 256 };

typedef struct lm_minhasher {
    int ngram;       /* words or characters of a shingle */
    bool characters; /* shingles are of these: code points, and Hangul syllables of jamo */
    int buckets, hashes;
    uint64_t *a, *b; /* [buckets * hashes] */
} lm_minhasher;

void lm_minhasher_init(lm_minhasher *m, uint32_t seed); /* the other members are set */
void lm_minhasher_free(lm_minhasher *m);

/* Room for one text at a time. Zero-initialise. */
typedef struct lm_shingles {
    uint64_t *at;       /* the shingles of the text, in its order and with repetitions, where all of them are wanted; */
    size_t count, cap;  /* else the last ones */
    size_t *starts;     /* of the last words */
    uint64_t *least;    /* [buckets * hashes] the signature */
} lm_shingles;

void lm_shingles_free(lm_shingles *s);
/* The signature of a simplified text (words parted by one blank each). False: it has fewer than `ngram` words, and none. */
bool lm_minhash_text(const lm_minhasher *m, lm_str text, bool keep_all, lm_shingles *s);
/* What the candidates of a bucket have in common. */
lm_wide lm_minhash_key(const lm_minhasher *m, const lm_shingles *s, int bucket);
/* Sorts the shingles, and leaves each once. */
void lm_shingles_make_set(lm_shingles *s);
/* Of two sets: the shingles that both have, by those that one of them has. */
double lm_jaccard(const uint64_t *a, size_t na, const uint64_t *b, size_t nb);

#endif
