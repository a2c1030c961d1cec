/* Denoising for models that write: spans of a text that are to be written (T5, Raffel et al. 2019, arXiv 1910.10683,
 * section 3.1.4), and texts that are to be gone on with (prefix LM, section 3.2.1). As t5/data/preprocessors.py has them.
 *
 * What is drawn is a function of (seed, epoch, row) alone, `row` being the row's number in the training data. */
#ifndef LM_TRAIN_SPANS_H
#define LM_TRAIN_SPANS_H

#include "base/arena.h"
#include "stream/tokens.h"

typedef struct lm_span_noise {
    double density;           /* share of the tokens that is hidden: 0.15 */
    double mean_length;       /* tokens of a hidden span: 3 */
    const int32_t *sentinels; /* that stand for the first span, the second ...: <extra_id_0>, <extra_id_1> ... */
    int sentinel_count;
    int32_t eos_id; /* what texts end with; a row that ends with it already has it taken off before */
    uint64_t seed;
} lm_span_noise;

/* Of n tokens round(n density) are hidden, at least one and at most n - 1, in round(that / mean_length) spans, at least one
 * and at most what is left over can keep apart; halves are rounded to the even. Returns the spans. */
int lm_span_count(const lm_span_noise *how, int n, int *hidden);
/* Tokens that n tokens become: in the input, which has a sentinel in place of each span, and in the target, which has each
 * span behind its sentinel; both end with eos_id. */
void lm_span_lengths(const lm_span_noise *how, int n, int *input, int *target);
/* The most tokens of which no more than `input` come into the input (512: 568), and the *target that they make then (114):
 * random_spans_helper, down to its target that is never longer than the input where half of the tokens are hidden. 0
 * where there is no such number. */
int lm_span_tokens(const lm_span_noise *how, int input, int *target);

/* The row's ids with spans hidden, and its target_ids: the hidden spans. Texts and spans take turns, and the first and the
 * last of these are a text and a span; all ways to cut are equally probable. The new columns lie in `room`; those that go
 * with the old ids are taken away. lm_span_count of the tokens must be at most sentinel_count. */
void lm_corrupt_spans(const lm_span_noise *how, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room);
/* The row's ids are the first k tokens, and its target_ids the others, with eos_id behind each; k is drawn uniformly from
 * 1 to n - 1. */
void lm_split_prefix(const lm_span_noise *how, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room);
/* For a model of one stack: the row keeps its ids and gets a loss_mask in which the first k tokens, of each of its texts, carry
 * no loss. */
void lm_mask_prefix(const lm_span_noise *how, uint64_t epoch, uint64_t number, lm_tokens_row *row, lm_arena *room);

#endif
