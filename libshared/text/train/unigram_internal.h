/* Inside the training of unigram models. */
#ifndef LM_TEXT_TRAIN_UNIGRAM_INTERNAL_H
#define LM_TEXT_TRAIN_UNIGRAM_INTERNAL_H

#include "stream/scratch.h"
#include "text/train/unigram.h"

enum {
    LM_UNIGRAM_END = 0xFF,     /* the byte behind each unit; in no UTF-8 */
    LM_UNIGRAM_LONGEST = 4096, /* characters of a unit: longer words are learned from in parts */
    LM_UNIGRAM_LANES = 32,     /* parts of the text that are summed apart, and then in their order */
    LM_UNIGRAM_SEEDS = 1000000
};

/* The text as units: words, or what letters outside the alphabet leave of them. */
typedef struct lm_unigram_text {
    lm_scratch *scratch;
    lm_scratch_array bytes, counts; /* counts: uint64_t by unit */
    size_t length, units, characters;
    struct {
        size_t byte, unit;
    } lanes[LM_UNIGRAM_LANES + 1];
} lm_unigram_text;

typedef struct lm_piece {
    size_t start; /* in the pieces' bytes */
    uint32_t len, chars;
    double score; /* a logarithmic probability */
} lm_piece;

/* Piece 0 is the unknown one, which has no bytes. */
typedef struct lm_piece_list {
    lm_buf bytes;
    lm_piece *at;
    size_t n, cap;
} lm_piece_list;

void lm_piece_list_free(lm_piece_list *p);
void lm_piece_list_add(lm_piece_list *p, lm_str piece, double score);
static inline lm_str lm_piece_list_get(const lm_piece_list *p, size_t i)
{
    return (lm_str){p->bytes.data + p->at[i].start, p->at[i].len};
}

/* The letters, and of all substrings that two different characters follow those with the largest product of
 * occurrences in different words and length, up to LM_UNIGRAM_SEEDS in all. */
bool lm_unigram_seeds(const lm_unigram_text *text, const lm_alphabet *alphabet, size_t max_length,
                      lm_piece_list *out, lm_status *st);

/* Pieces as a trie over code points: edges in a hash table. */
typedef struct lm_unigram_model {
    const lm_piece_list *pieces;
    lm_scratch *scratch;
    lm_scratch_array slots, chances; /* chances: exp(score) by piece */
    size_t slot_count, node_count;
    double unk_score;
} lm_unigram_model;

bool lm_unigram_model_make(lm_unigram_model *m, const lm_piece_list *pieces, lm_scratch *scratch,
                           lm_status *st);
void lm_unigram_model_free(lm_unigram_model *m);

/* Adds up over the whole text, by piece: how often each is expected to be used (forward and backward over all
 * segmentations), or is used in the best segmentation. */
bool lm_unigram_expect(const lm_unigram_model *m, const lm_unigram_text *text, double *sums, lm_status *st);
bool lm_unigram_count_best(const lm_unigram_model *m, const lm_unigram_text *text, double *sums,
                           lm_status *st);
/* Memory of one thread. */
typedef struct lm_unigram_lattice lm_unigram_lattice;
lm_unigram_lattice *lm_unigram_lattice_new(void);
void lm_unigram_lattice_free(lm_unigram_lattice *l);
/* The best segmentation of piece `which` into others: their numbers into `path` (room for its length), their
 * score to *score; returns how many, 0 where there is none. */
size_t lm_unigram_alternative(const lm_unigram_model *m, lm_unigram_lattice *l, size_t which, uint32_t *path,
                              double *score);

#endif
