/* Inside generate/: an answer in the making, token by token. */
#ifndef LM_GENERATE_WRITING_H
#define LM_GENERATE_WRITING_H

#include "generate/constraint/constraint.h"
#include "generate/generate.h"
#include "model/decode.h"
#include "text/running_text.h"

/* What all answers have in common. */
typedef struct lm_writing_way {
    const lm_generate_options *o;
    lm_sampling sampling; /* those of the options, or what stands for them */
    bool encodes;         /* the prompt is not a part of the row that goes on */
    bool follows;         /* the text is wanted while it comes, for stop strings or whoever looks on */
} lm_writing_way;

void lm_writing_way_init(lm_writing_way *way, const lm_generate_options *o, bool encodes, int columns, bool shown);

typedef struct lm_writing {
    const lm_request *request;
    int sample;
    int32_t *tokens; /* prompt and answer; of a model with an encoder the answer alone */
    int prompt;      /* of them are the prompt */
    int count, cap;  /* of the answer, and room for it */
    float *logprobs;
    lm_token_logprob *top;
    double score;
    lm_running_text text;
    lm_constraint_state form; /* how far it has come, where there is a constraint */
    bool ended;
    lm_answer_end end;
} lm_writing;

/* "record R: ...": that there is something to go on from, and not too much; and put before a failure. The second returns false. */
bool lm_request_check(const lm_request *r, const lm_model *m, lm_status *st);
bool lm_request_name(const lm_request *r, lm_status *st);

/* What reads the rows, with o->kept. */
lm_decoding *lm_writing_reader(lm_model *m, const lm_generate_options *o, int rows, lm_status *st);

void lm_writing_begin(lm_writing *w, const lm_writing_way *way, const lm_request *r, int sample);
void lm_writing_free(lm_writing *w);
/* Goes on by a token, chosen of logits [columns], and ends with it or not. `room`: how many more the model could read. */
bool lm_writing_go_on(lm_writing *w, const lm_writing_way *way, const float *logits, int room, lm_sampler *sampler,
                      lm_status *st);
/* The two halves of it: what the sampler is to know (as long as nothing is added), and a token that was chosen. */
lm_sampler_step lm_writing_step(const lm_writing *w, const lm_writing_way *way);
bool lm_writing_add(lm_writing *w, const lm_writing_way *way, const lm_choice *choice, int room, lm_status *st);
/* Another that goes on from the same beginning. */
lm_writing lm_writing_copy(const lm_writing *w, const lm_writing_way *way);
/* Of an answer that goes on: what of its text nothing will change. */
lm_answer lm_writing_so_far(const lm_writing *w, const lm_writing_way *way);
void lm_writing_end(lm_writing *w, lm_answer_end end);
/* What is to be said of it; `text` is room for out->text, both as long as the answer is used. */
bool lm_writing_finish(const lm_writing *w, const lm_writing_way *way, lm_answer *out, lm_buf *text, lm_status *st);

#endif
