/* Answers as a stream of tokens (lmstream(5)): a row for each, prompt and answer, and loss_mask 1 on the answer; or, of a model with an
 * encoder, the prompt with the answer as target_ids; or a text whose masks were filled. */
#ifndef LM_GENERATE_TOKEN_ROWS_H
#define LM_GENERATE_TOKEN_ROWS_H

#include "generate/answers.h"

typedef struct lm_token_rows lm_token_rows;

/* Writes to fd; `name` is for messages. `path`: where the tokenizer was opened. */
lm_token_rows *lm_token_rows_new(int fd, const char *name, const lm_tokenizer *t, const char *path, const char *command, lm_status *st);
/* `target`: the model has an encoder. Log-probabilities go with the tokens where the answer has them; NaN where nobody asked. */
bool lm_token_rows_answer(lm_token_rows *w, const lm_answer *a, const lm_prompt *p, const lm_answer_form *form, bool target,
                          lm_status *st);
bool lm_token_rows_filled(lm_token_rows *w, const lm_filled *f, const lm_prompt *p, const lm_answer_form *form, lm_status *st);
/* What was written so far is for whoever waits for it. */
bool lm_token_rows_flush(lm_token_rows *w, lm_status *st);
/* Ends the stream, in good order or as st says, and frees it. NULL is nothing. */
bool lm_token_rows_close(lm_token_rows *w, lm_status *st);

#endif
