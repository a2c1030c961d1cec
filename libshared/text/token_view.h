/* Ids of a stream shown as tokens and as text, for lms --view. */
#ifndef LM_TEXT_TOKEN_VIEW_H
#define LM_TEXT_TOKEN_VIEW_H

#include "stream/filters.h"
#include "text/tokenizer.h"

typedef struct lm_token_viewer {
    lm_token_view view; /* for lm_filter.tokens */
    lm_tokenizer *tokenizer;
    const char *path;
} lm_token_viewer;

/* With the tokenizer at `path` (borrowed). Tokens of another tokenizer's are refused. */
bool lm_token_viewer_open(lm_token_viewer *v, const char *path, lm_status *st);
void lm_token_viewer_close(lm_token_viewer *v);

/* Appends the token of an id; one that holds white space or a backslash is quoted and escaped as in JSON. */
void lm_token_print(const lm_tokenizer *t, int id, lm_buf *out);

#endif
