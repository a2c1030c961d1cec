/* Masked language modelling: which tokens of a row are hidden, and by what. */
#ifndef LM_TRAIN_MASKING_H
#define LM_TRAIN_MASKING_H

#include <stdbool.h>
#include <stdint.h>

enum { LM_IGNORE = -100 }; /* a label that carries no loss */

/* The recipe of transformers' DataCollatorForLanguageModeling (Devlin et al. 2018, arXiv 1810.04805,
 * section 3.1, with each token drawn on its own): a token that is not special is chosen with `probability`;
 * of the chosen ones 80 % become the mask token, 10 % a token drawn uniformly from the whole vocabulary, 10 %
 * stay. */
typedef struct lm_masking {
    double probability;
    int mask_id, vocab_size;
    const int *special; /* ids that are never chosen */
    int special_count;
    uint64_t seed;
} lm_masking;

/* Masks n tokens in place and fills label: the original id where the token was chosen, LM_IGNORE elsewhere.
 * Returns the number chosen. The draw is a function of (seed, epoch, row, token) alone; `row` is the row's
 * number in the training data. */
int lm_mask_row(const lm_masking *how, uint64_t epoch, uint64_t row, int n, int32_t *ids, int32_t *label);

#endif
