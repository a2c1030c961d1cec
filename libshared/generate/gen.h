/* The work of the program gen: prompts in, answers out, one for one and in their order. */
#ifndef LM_GENERATE_GEN_H
#define LM_GENERATE_GEN_H

#include "base/tool.h"
#include "generate/prompts.h"

typedef struct lm_gen_options {
    const lm_common *common; /* model, output, plugin, operands, command line */
    const char *prompt;      /* the only one; NULL = they are read */
    const char *tokenizer;   /* NULL = the model's */
    lm_records_options records;
    const lm_chat_options *chat; /* NULL: texts. Its system and shots are filled in */
    const char *shots;       /* a file of examples; NULL = none */
    int64_t shot_count;      /* of it; 0 = all */
    const char *separator;   /* between examples and prompts */
    bool truncate, force, check;
    int64_t batch, max_new_tokens, min_new_tokens, samples;
    lm_strings stop, stop_tokens; /* strings, and tokens: their ids or what they are called */
    const char *regex, *schema; /* all of an answer matches; it is JSON that the schema describes: a file, or the schema itself */
    bool ignore_eos;         /* go on behind what usually ends an answer */
    bool sample;             /* draw as generation_config.json says, where the sampling does not say otherwise */
    lm_sampling sampling;
    lm_strings logit_bias;   /* TOKEN=NUMBER */
    bool json, echo, logprobs, prompt_logprobs;
    bool tokens;             /* answers are rows of a stream of tokens */
    int64_t top;             /* log-probabilities of so many others */
    int activations;         /* lm_activations */
    int64_t beams;           /* 1 = no beam search */
    double length_penalty;
    int early;               /* lm_beam_early */
    const char *draft;       /* a model that writes ahead; NULL = none */
    int64_t draft_tokens;
    int kept;                /* of lm_kept_names */
    const char *prompt_cache; /* a file; NULL = none */
} lm_gen_options;

extern const char *const lm_beam_early_names[]; /* of lm_beam_early */
extern const char *const lm_kept_names[];       /* "f32", "f16", "q8_0" */

bool lm_gen(const lm_gen_options *o, lm_status *st);

#endif
