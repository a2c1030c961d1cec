/* Answers to requests: a causal model, or one with a second stack, goes on from what it is given.
 *
 * The engine takes requests as it has room for them, keeps up to `batch` rows going at a time, which join and leave as they
 * begin and end, and hands answers over in the order in which it took the requests. What a row is answered depends on its
 * request, the options and the seed alone: not on the rows beside it, nor on threads.
 *
 *     prompt --lm_decoding--> logits --constraint--> masked --sampler--> a token, with its log-probability
 */
#ifndef LM_GENERATE_GENERATE_H
#define LM_GENERATE_GENERATE_H

#include "generate/sampler.h"
#include "model/model.h"
#include "text/tokenizer.h"

struct lm_constraint; /* generate/constraint/constraint.h: which tokens an answer may go on with */

typedef struct lm_request {
    const int32_t *ids; /* what the answer goes on from; of a model with an encoder what that reads. One token at least */
    int count;
    uint64_t record; /* its number: what it draws by chance is a function of (seed, record, sample, place in the answer) */
    void *tag;       /* the caller's */
} lm_request;

/* Why an answer ends. */
typedef enum lm_answer_end {
    LM_END_STOP,   /* at one of the stop tokens, which is its last then */
    LM_END_STRING, /* at one of the stop strings */
    LM_END_FULL,   /* the constraint is met, and nothing may follow */
    LM_END_LENGTH, /* max_new_tokens */
    LM_END_CONTEXT /* the model takes no more */
} lm_answer_end;

extern const char *const lm_answer_end_names[]; /* "stop", "stop_string", "full", "length", "context" */

/* Log-probabilities are the model's, of all the vocabulary, before anything masks or bends them. */
typedef struct lm_answer {
    const lm_request *request;
    int sample;            /* 0..samples-1 */
    const int32_t *ids;    /* without the prompt */
    int count;
    int text_count;        /* of them make the text: one less than `count` where a stop token ends it */
    lm_answer_end end;
    lm_str text;           /* what they are decoded to, up to a stop string; data NULL where there is no tokenizer */
    double score;          /* of a beam: its sum of log-probabilities with the length penalty; else that sum, where asked for */
    const float *logprobs; /* [count]; NULL unless asked for */
    const lm_token_logprob *top; /* [count][sampling.top_logprobs], best first; NULL unless asked for */
    /* Of each token of the prompt behind those before it; that of the first is NaN. NULL unless asked for. */
    const float *prompt_logprobs;       /* [request->count] */
    const lm_token_logprob *prompt_top; /* [request->count][sampling.top_logprobs] */
} lm_answer;

/* Zero-initialise: greedy, one row at a time. Pointers are borrowed. */
typedef struct lm_generate_options {
    int batch;          /* rows that go on at a time; 0 = 1 */
    int max_new_tokens; /* 0: the answer is empty, and the prompt's log-probabilities are all that comes of it */
    int min_new_tokens; /* no stop token is chosen before */
    int samples;        /* answers to each request; 0 = 1 */
    const int32_t *stop; /* ids that end an answer */
    int stop_count;
    const char *const *stop_strings; /* an answer ends with the token that completes one of them; [stop_string_count] */
    int stop_string_count;
    const lm_tokenizer *tokenizer; /* for the text, and stop strings; or NULL */
    const lm_sampling *sampling; /* with the seed, and which log-probabilities are wanted. NULL = the likeliest token */
    const struct lm_constraint *constraint; /* NULL = none */
    bool prompt_logprobs;
    lm_dtype kept; /* keys and values of what was read: LM_F16 or LM_Q8_0, with less memory; else LM_F32 */
    /* A file with what the model remembers of how prompts begin: read where it is there, else made, of what the first prompts have in
     * common, or of all but the last token of the only one. NULL = none. Not with prompt_logprobs, nor of a model with an encoder */
    const char *prompt_cache;
} lm_generate_options;

/* The caller's side. Requests stay the caller's, ids included, until the last answer to them was handed over. */
typedef struct lm_generate_calls {
    void *context;
    /* *request = the next one. 1; 0 = there is no more; -1 = failed. `wait`: nothing else is to be done, so it may block; else
     * it may say that there is none just now: *request = NULL and 1. */
    int (*next)(void *context, bool wait, const lm_request **request, lm_status *st);
    /* All answers to a request, [samples], in the order of the requests; the answers are taken back after the call. */
    bool (*done)(void *context, const lm_answer *answers, int count, lm_status *st);
    /* After each token of the request that is next in order: its first answer so far. NULL = nobody looks. */
    bool (*token)(void *context, const lm_answer *so_far, lm_status *st);
} lm_generate_calls;

/* Until there are no more requests. Fails with "record R: ..." where a request cannot be answered: empty, or longer than the
 * model takes; the caller who wants to go on then asks lm_generate_room before. */
bool lm_generate(lm_model *m, const lm_generate_options *o, const lm_generate_calls *calls, lm_status *st);

/* Most tokens that a request may have so that one more can be read; INT_MAX = no limit. */
int lm_generate_room(const lm_model *m);

/* What ends an answer of this model: eos_token_id of generation_config.json, else of config.json, else the tokenizer's (which may
 * be NULL). Returns how many, at most `most`. */
int lm_generate_stops(const lm_model *m, const lm_tokenizer *t, int32_t *ids, int most);

#endif
