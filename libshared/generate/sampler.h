/* From logits to the next token.
 *
 * What happens to the logits of a step, in this order:
 *   1. what may not come is taken out: `allowed` and `never` of the step, biases of -INFINITY;
 *   2. logit bias is added (the logit_bias of OpenAI's and llama.cpp's servers, SequenceBiasLogitsProcessor of transformers with
 *      sequences of one token);
 *   3. the chain, by default as transformers has it: penalties, temperature, top-k, top-p, min-p, typical.
 * Then the token is the likeliest one where the temperature is 0, else one is drawn from the softmax of what is left. Of equal
 * logits the smallest id comes first everywhere, so the answer depends on the logits and the step alone.
 *
 * Each filter works on what those before it have left, at least one token, its probabilities scaled to sum to 1:
 *   penalties    repetition r (Keskar et al. 2019, CTRL): a logit > 0 of a token that came before is divided by r, others are
 *                multiplied (transformers' repetition_penalty, llama.cpp's --repeat-penalty); then frequency * (how often it came) +
 *                presence are subtracted (OpenAI's, llama.cpp's). Counted are the last `penalty_last` tokens of prompt and answer,
 *                of all of which transformers and 64 of which llama.cpp take.
 *   temperature  logits are divided by it
 *   top-k        the k likeliest (exactly k, as llama.cpp; transformers keeps those that are equal to the k-th, too)
 *   top-p        the fewest of the likeliest that have probability p together (Holtzman et al. 2020)
 *   min-p        those at least min_p times as likely as the likeliest (Nguyen et al. 2024)
 *   typical      the fewest of those whose -log p is nearest to the entropy that have probability p together
 *                (Meister et al. 2023)
 *   top-n-sigma  those whose logit is at most n standard deviations of all logits below the largest (Tang et al. 2024)
 */
#ifndef LM_GENERATE_SAMPLER_H
#define LM_GENERATE_SAMPLER_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum lm_filter {
    LM_FILTER_PENALTIES = 1,
    LM_FILTER_TEMPERATURE,
    LM_FILTER_TOP_K,
    LM_FILTER_TOP_P,
    LM_FILTER_MIN_P,
    LM_FILTER_TYPICAL,
    LM_FILTER_TOP_N_SIGMA
} lm_filter;

enum { LM_FILTERS_MAX = 16 };

typedef struct lm_logit_bias {
    int32_t id;
    float add; /* -INFINITY: it never comes */
} lm_logit_bias;

/* How tokens are chosen. lm_sampling_init sets what changes nothing: the likeliest token, no filter. */
typedef struct lm_sampling {
    double temperature;  /* 0 = the likeliest, whatever the filters say */
    int64_t top_k;       /* 0 = all */
    double top_p;        /* 1 = all */
    double min_p;        /* 0 = all */
    double typical;      /* 1 = all */
    double top_n_sigma;  /* 0 = all */
    double repetition;   /* 1 = none */
    double presence, frequency;  /* 0 = none */
    int64_t penalty_last;        /* tokens that count; -1 = all, 0 = none */
    const lm_logit_bias *bias;   /* the caller's; of an id that is there twice the sum */
    int bias_count;
    uint8_t order[LM_FILTERS_MAX]; /* the chain, of lm_filter; a filter that is not in it does nothing */
    int order_count;
    int top_logprobs;    /* how many of the likeliest tokens are reported */
    bool logprobs;       /* the chosen token's log-probability is wanted; top_logprobs > 0 says so, too */
    uint64_t seed;
} lm_sampling;

void lm_sampling_init(lm_sampling *s);
/* `text` into s->order: names of filters between commas or semicolons, "penalties,temperature,top-k,top-p,min-p,typical,
 * top-n-sigma" ("-" and "_" are one; llama.cpp's typ_p and "temp" are known), or for all of them "hf" (that order) or
 * "llama" (penalties, top-n-sigma, top-k, typical, top-p, min-p, temperature). False: LM_USAGE. */
bool lm_sampling_order(lm_sampling *s, const char *text, lm_status *st);
/* That numbers are in their ranges and ids of the bias below `columns` (0 = not known yet). False: LM_USAGE. */
bool lm_sampling_check(const lm_sampling *s, int columns, lm_status *st);

/* Where a token is to come. The random number of a step is a function of (seed, sample, record, position), so the answer
 * does not depend on what else is in the batch. */
typedef struct lm_sampler_step {
    const int32_t *history;  /* [history_count] prompt and answer up to here, for the penalties */
    int history_count;
    uint64_t record;         /* number of the request */
    uint64_t sample;         /* of several answers to one request */
    uint64_t position;       /* of the token in the answer */
    const uint64_t *allowed; /* bit i%64 of word i/64: token i may come; NULL = every one */
    const int32_t *never;    /* [never_count] ids that may not come (an end before --min-new-tokens) */
    int never_count;
} lm_sampler_step;

typedef struct lm_token_logprob {
    int32_t id;
    float logprob;
} lm_token_logprob;

/* Log-probabilities are natural and the model's own: of the softmax of its logits, before anything above happened to them. */
typedef struct lm_choice {
    int32_t id;
    float logprob;               /* 0 where none were asked for */
    const lm_token_logprob *top; /* [top_count] likeliest first; the sampler's, until its next call */
    int top_count;
} lm_choice;

/* A sampler is scratch memory, for one thread at a time. `how` stays the caller's and outlives it. NULL: lm_sampling_check
 * says what is wrong. */
typedef struct lm_sampler lm_sampler;

lm_sampler *lm_sampler_new(const lm_sampling *how, int columns, lm_status *st);
void lm_sampler_free(lm_sampler *s);

/* The next token. logits [columns] are not changed. Fails where logits are not numbers, and where nothing may come. */
bool lm_sampler_choose(lm_sampler *s, const float *logits, const lm_sampler_step *step, lm_choice *out, lm_status *st);

/* The log-probability of a token, and the likeliest ones, without a choice (of a prompt's tokens). */
lm_choice lm_sampler_report(lm_sampler *s, const float *logits, int32_t id);

/* For a beam: the likeliest tokens, at most `most`, by their log-probabilities after biases and penalties, which are done to
 * log-probabilities as transformers does; no temperature, no filter. Returns how many; 0 = failed as lm_sampler_choose. */
int lm_sampler_best(lm_sampler *s, const float *logits, const lm_sampler_step *step, int most, lm_token_logprob *out,
                    lm_status *st);

/* What lm_sampler_choose would draw from: the tokens that are left with their probabilities, which sum to 1 (one token of
 * probability 1 where the temperature is 0). The sampler's, until its next call. */
typedef struct lm_candidates {
    const int32_t *ids;
    const double *probability;
    int count;
} lm_candidates;

bool lm_sampler_candidates(lm_sampler *s, const float *logits, const lm_sampler_step *step, lm_candidates *out, lm_status *st);
/* The token that 64 random bits stand for: where they, as a number in [0,1), lie among the probabilities added up. */
int32_t lm_candidates_draw(const lm_candidates *c, uint64_t word);

#endif
