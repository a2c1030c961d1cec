/* The text of tokens while they come: what is complete of it. A character may be several tokens. */
#ifndef LM_TEXT_RUNNING_TEXT_H
#define LM_TEXT_RUNNING_TEXT_H

#include "text/tokenizer.h"

/* Zero-initialise; free `text`. */
typedef struct lm_running_text {
    lm_buf text;     /* whole characters */
    int from, shown; /* tokens [0, shown) are wholly in it; those from `from` on are decoded with the next */
    size_t taken;    /* bytes of the text of tokens [from, ...) that are in it */
} lm_running_text;

/* Takes in the tokens [r->shown, count) of ids, of which those before the last were given before; special ones are no text. */
bool lm_running_text_add(lm_running_text *r, const lm_tokenizer *t, const int32_t *ids, int count, lm_status *st);

/* Tokens as text, appended to out: special ones are none, nor are those that the tokenizer lacks, with which models fill up their
 * vocabulary. */
bool lm_text_of_tokens(const lm_tokenizer *t, const int32_t *ids, int count, lm_buf *out, lm_status *st);

#endif
