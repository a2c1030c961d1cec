/* The text of an answer while its tokens come: what is complete of it. A character may be several tokens. */
#ifndef LM_GENERATE_RUNNING_TEXT_H
#define LM_GENERATE_RUNNING_TEXT_H

#include "text/tokenizer.h"

/* Zero-initialise; free `text`. */
typedef struct lm_running_text {
    lm_buf text;     /* whole characters, of tokens [0, shown) */
    int from, shown; /* tokens [from, shown) were decoded last: the next one's text depends on them */
} lm_running_text;

/* Takes in the tokens [r->shown, count) of ids; special ones are no text. */
bool lm_running_text_add(lm_running_text *r, const lm_tokenizer *t, const int32_t *ids, int count, lm_status *st);

/* Tokens as text, appended to out: special ones are none, nor are those that the tokenizer lacks, with which models fill up their
 * vocabulary. */
bool lm_text_of_tokens(const lm_tokenizer *t, const int32_t *ids, int count, lm_buf *out, lm_status *st);

/* Where the first of `strings` begins in the text, as far as it does not lie in its first `from` bytes; SIZE_MAX = nowhere. */
size_t lm_find_stop(lm_str text, size_t from, const char *const *strings, int count);
/* Bytes at the start of the text that can be part of none of them, whatever follows. */
size_t lm_before_stop(lm_str text, const char *const *strings, int count);

#endif
