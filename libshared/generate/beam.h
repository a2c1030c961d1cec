/* Beam search: of all beginnings of an answer the `beams` likeliest go on at each step, until none of them can become better than
 * those that have ended. In every respect that of transformers (num_beams, length_penalty, early_stopping,
 * num_return_sequences):
 *   - an ended answer of n tokens, that which ends it included, has the score (sum of log-probabilities) / n^length_penalty;
 *   - of a step's likeliest beams * max(2, 1 + stop_count) continuations those that end count among the ended answers where they
 *     are of the first `beams`, and the first `beams` of the others go on;
 *   - what biases, penalties and constraints do, they do to log-probabilities, and these are added up as they then are.
 * Temperature and filters are for choice by chance and do nothing here. */
#ifndef LM_GENERATE_BEAM_H
#define LM_GENERATE_BEAM_H

#include "generate/generate.h"

/* When there are `beams` ended answers, is it over? */
typedef enum lm_beam_early {
    LM_BEAM_HEURISTIC, /* where the best that goes on, ended now, would be worse than all of them (False) */
    LM_BEAM_FIRST,     /* yes (True) */
    LM_BEAM_NEVER      /* where nothing that goes on could become better at any length ("never") */
} lm_beam_early;

typedef struct lm_beam_options {
    int beams;             /* num_beams */
    double length_penalty; /* 1: the mean log-probability; 0: the sum; above 1 prefers longer answers */
    lm_beam_early early;
} lm_beam_options;

/* As lm_generate, which see, with o->samples answers to each request, the best first: at most `beams`; fewer where a constraint
 * allows no more. lm_answer.score is the one above, lm_answer.sample the place. o->batch counts rows: a request takes `beams` of them. */
bool lm_beam_search(lm_model *m, const lm_generate_options *o, const lm_beam_options *b, const lm_generate_calls *calls,
                    lm_status *st);

#endif
