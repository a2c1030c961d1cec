/* Learning by merging the most frequent pair of neighbours again and again (Sennrich et al. 2016), as Hugging
 * Face's BpeTrainer and WordPieceTrainer do it. */
#ifndef LM_TEXT_TRAIN_MERGES_H
#define LM_TEXT_TRAIN_MERGES_H

#include "text/models/tables.h"
#include "text/train/alphabet.h"

typedef struct lm_merges_options {
    int64_t vocab_size;
    int64_t min_frequency;    /* of a pair that is merged */
    int64_t max_token_length; /* tokens that are made are shorter, in characters; 0 = no limit */
    lm_alphabet_options alphabet;
    lm_str prefix;      /* of tokens inside a word: "##", or nothing */
    const lm_str *head; /* the first tokens of the vocabulary: special ones, bytes */
    size_t head_count;
    size_t memory;
} lm_merges_options;

/* Fills the vocabulary and the merges: `head` first, then the letters by code point, those inside words
 * behind the prefix, and what merging makes, until there are vocab_size tokens or no pair is frequent enough.
 * Among equally frequent pairs the one is first whose first, then second, token came into the vocabulary
 * first. Letters outside the alphabet are passed over, as the reference does.
 *
 * Known differences from the reference: it numbers the tokens behind the prefix, and leaves out letters that
 * are equally rare, in the order of a hash table that differs from run to run; and its counts have 32 bits.
 */
bool lm_learn_merges(const lm_words *words, const lm_merges_options *options, lm_token_tables *out,
                     lm_status *st);

#endif
