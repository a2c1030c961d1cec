/* Learning a unigram language model of pieces (Kudo 2018), as Hugging Face's UnigramTrainer does it: frequent
 * substrings as a seed, then expectation maximisation and pruning in turns, until there are few enough
 * pieces. */
#ifndef LM_TEXT_TRAIN_UNIGRAM_H
#define LM_TEXT_TRAIN_UNIGRAM_H

#include "text/models/tables.h"
#include "text/train/alphabet.h"

typedef struct lm_unigram_options {
    int64_t vocab_size;
    int64_t max_piece_length; /* in characters */
    lm_alphabet_options alphabet;
    const lm_str *head; /* the first tokens of the vocabulary: special ones, bytes; their score is 0 */
    size_t head_count;
    size_t memory;
} lm_unigram_options;

/* Fills the vocabulary and the scores: `head`, then the pieces by falling score. Every letter of the alphabet
 * is a piece; other letters part the words. Sums are made in one order whatever the threads, in double
 * precision. Fails where the alphabet does not fit into the vocabulary.
 *
 * Known differences from the reference: which pieces are dropped for their loss, of 8,000 some 50 to 360, although the
 * losses are those of the formula; and it gives letters that EM has dropped their scores in the order of a hash table
 * that differs from run to run. */
bool lm_learn_unigram(const lm_words *words, const lm_unigram_options *options, lm_token_tables *out,
                      lm_status *st);

#endif
