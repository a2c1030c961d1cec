/* How an answer is written: a line of text, or a JSON object. */
#ifndef LM_GENERATE_ANSWERS_H
#define LM_GENERATE_ANSWERS_H

#include "generate/fill_mask.h"
#include "generate/prompts.h"

typedef struct lm_answer_form {
    bool json;  /* an object; else the text */
    bool lines; /* line ends in the text become spaces, so that an answer is a line */
    bool echo;  /* the prompt stands before the text */
    bool samples; /* an object says which of several answers it is */
    int top;    /* of the likeliest tokens beside each one whose log-probability is known */
} lm_answer_form;

/* Appends the answer and a line end. */
bool lm_answer_print(const lm_answer *a, const lm_prompt *p, const lm_tokenizer *t, const lm_answer_form *form, lm_buf *out,
                     lm_status *st);
/* The text with the likeliest token in the place of each mask; in an object also those that are likely there. */
bool lm_filled_print(const lm_filled *f, const lm_prompt *p, const lm_tokenizer *t, const lm_answer_form *form, lm_buf *out,
                     lm_status *st);
/* The likeliest tokens take the places of the masks among the prompt's ids. */
void lm_filled_take(const lm_filled *f, const lm_prompt *p, const lm_answer_form *form);
/* What stands before the text: the prompt, and a space where the tokens mean one that the text by itself does not begin with. */
bool lm_answer_echo(const lm_answer *a, const lm_prompt *p, const lm_tokenizer *t, lm_buf *out, lm_status *st);

#endif
