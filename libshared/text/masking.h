/* Masked language modelling: which tokens of a row are hidden, and by what. */
#ifndef LM_TEXT_MASKING_H
#define LM_TEXT_MASKING_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { LM_IGNORE = -100 }; /* a label that carries no loss */

/* How tokens are chosen. Special tokens never are. */
typedef enum lm_mask_recipe {
    /* Each token with a probability of its own, as transformers' DataCollatorForLanguageModeling; with whole words
     * each word, by what is drawn at its first token. A row may have none. */
    LM_MASK_EACH,
    /* As Google's create_pretraining_data.py: of n tokens, special ones counted, min(most, max(1, round(n probability))),
     * a half to the even, from the front of a shuffled list of tokens; or of words, of which one that is too long for
     * what is left is passed over. */
    LM_MASK_NUMBER,
    /* SpanBERT (Joshi et al. 2019, arXiv 1907.10529, section 3.1): spans of l words, l from a geometric distribution
     * (p = 0.2) cut off at 10, from the beginning of the word that a token drawn among those left belongs to, until
     * ceil(n probability) of the n tokens that are not special are hidden. What replaces them is drawn for all of a
     * span at once. */
    LM_MASK_SPANS
} lm_mask_recipe;

/* Names of the recipes, in their order; NULL-terminated (a choice option's list). Pairs of another name and ours. */
extern const char *const lm_mask_recipe_names[], *const lm_mask_recipe_synonyms[];

/* Of the chosen tokens a share becomes the mask token and another a token drawn uniformly from the whole vocabulary; the
 * others stay (Devlin et al. 2018, arXiv 1810.04805, section 3.1: 80, 10 and 10 %). */
typedef struct lm_masking {
    lm_mask_recipe recipe;
    double probability;      /* that a token is chosen, or the share that is */
    double replaced, random; /* the shares: 0.8, 0.1 */
    bool whole_words;
    int most;   /* chosen tokens of a row, of LM_MASK_NUMBER; 0 = no limit */
    int copies; /* a row is masked in so many ways, one in each epoch, and then in these again; 0 = anew in every epoch */
    int mask_id, vocab_size;
    const int *special; /* ids that are never chosen */
    int special_count;
    const uint8_t *continues; /* [vocab_size] 1: this token goes on with a word (##ing); NULL = not known */
    uint64_t seed;
} lm_masking;

/* Whether it matters where words begin. */
static inline bool lm_mask_by_words(const lm_masking *how)
{
    return how->whole_words || how->recipe == LM_MASK_SPANS;
}

/* Masks n tokens in place and fills label: the original id where the token was chosen, LM_IGNORE elsewhere. Returns the
 * number chosen. What is drawn is a function of (seed, epoch, row), and of the token where each is drawn by itself; `row`
 * is the row's number in the training data. words: [n] which word of its text each token belongs to (the stream's
 * word_ids), or NULL: `continues` tells then, and where it is NULL too, each token is a word. Special tokens end words.
 * `room`: for scratch, which is given back. */
int lm_mask_row(const lm_masking *how, uint64_t epoch, uint64_t row, int n, int32_t *ids, const int32_t *words,
                int32_t *label, lm_arena *room);
/* Whether a row has a token that may be chosen. */
bool lm_mask_any(const lm_masking *how, int n, const int32_t *ids);

#endif
