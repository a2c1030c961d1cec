/* Speculative decoding (Leviathan et al. 2023, Chen et al. 2023): a small model writes a few tokens ahead, and the large one reads
 * them in one step. Of these each is kept that the large one chooses in its place, by chance or not, and the first that it does not
 * choose gives way to its choice.
 *
 * The published rule for choice by chance keeps a token with the probability min(1, p/q), and draws from what p has more than q
 * else: that gives the large model's distribution. Here both models choose with the random number of the place (sampler.h), and
 * what differs is replaced: fewer tokens are kept, but the answer is not one of the same distribution, it is the very text that
 * lm_generate writes without a draft. */
#ifndef LM_GENERATE_SPECULATIVE_H
#define LM_GENERATE_SPECULATIVE_H

#include "generate/generate.h"

typedef struct lm_speculative_options {
    lm_model *draft; /* causal, with the vocabulary of the other, and attention alone, as the other */
    int ahead;       /* tokens that it writes at a time; 0 = 4 */
} lm_speculative_options;

/* What came of it. */
typedef struct lm_speculative_counts {
    uint64_t steps;             /* of the large model, prompts not counted */
    uint64_t drafted, accepted; /* tokens of the small one */
} lm_speculative_counts;

/* As lm_generate, which see, but one request at a time, whatever o->batch. counts: added to; NULL = nobody asks. Fails where the
 * models' vocabularies differ in size, where one has an encoder or keeps states, and where a prompt's log-probabilities are asked
 * for. */
bool lm_speculative(lm_model *m, const lm_generate_options *o, const lm_speculative_options *s, const lm_generate_calls *calls,
                    lm_speculative_counts *counts, lm_status *st);

#endif
