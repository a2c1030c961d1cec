/* Several sources of rows, dealt out by weight (--mix a.lms=0.7 b.lms=0.3).
 *
 * Which source the n-th row is of follows from n and the weights alone: of the first n rows the first source has
 * floor(n w1), of what is left the second one its share among the rest, and so on. So every stretch of rows, be it one
 * step or an epoch, has each source's share to within a row for each source, nothing is drawn, and a run that goes on
 * needs no state.
 *
 * A source is shuffled for each pass over it, and begins anew when it is used up. */
#ifndef LM_TRAIN_MIXTURE_H
#define LM_TRAIN_MIXTURE_H

#include "base/options.h"

#include <stdbool.h>
#include <stdint.h>

enum { LM_MIX_SOURCES = 256 }; /* at most */

/* The option: files and their weights, above 0. Zero-initialise. */
typedef struct lm_mix {
    lm_strings inputs; /* malloced, as its strings are */
    double *weights;   /* [inputs.count] as they were given; NULL = no mixture */
} lm_mix;

/* Reads FILE=WEIGHT from the option's values and then from the operands, which may be given behind it. LM_USAGE where one
 * is none, a file stands there twice or there are more than LM_MIX_SOURCES. */
bool lm_mix_read(const lm_strings *option, const lm_strings *operands, lm_mix *mix, lm_status *st);
void lm_mix_free(lm_mix *mix);

typedef struct lm_mixture lm_mixture;

lm_mixture *lm_mixture_new(const double *weights, size_t count);
void lm_mixture_free(lm_mixture *m);
/* How many of the first n rows are of each source: of[count], whose sum is n. */
void lm_mixture_counts(const lm_mixture *m, uint64_t n, uint64_t *of);
/* Which source row n, from 0, is of. */
size_t lm_mixture_source(const lm_mixture *m, uint64_t n);

/* Where all rows are at hand: source i has rows first[i] to first[i+1]-1, at least one, of these lengths (borrowed). */
void lm_mixture_take_rows(lm_mixture *m, const uint32_t *first, const uint32_t *lengths, bool shuffle, uint64_t seed);
/* Deals an epoch, which has as many rows as there are. */
void lm_mixture_deal(lm_mixture *m, uint64_t epoch);
/* Of the epoch that was dealt last, [rows]: row, its length, and the pass over its source that it is of. */
const uint32_t *lm_mixture_row(const lm_mixture *m);
const uint32_t *lm_mixture_lengths(const lm_mixture *m);
const uint32_t *lm_mixture_pass(const lm_mixture *m);

#endif
