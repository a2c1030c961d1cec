/* What Split and Replace look for: a string or a regular expression. */
#ifndef LM_TEXT_PATTERN_H
#define LM_TEXT_PATTERN_H

#include "text/regex/regex.h"

#include <jansson.h>

typedef struct lm_pattern {
    char *text; /* as in the file, for the digest */
    size_t text_len;
    uint32_t *codes; /* of a string that is not empty; else NULL */
    size_t count;
    lm_regex *regex; /* else */
} lm_pattern;

/* From {"String": ...} or {"Regex": ...}. */
bool lm_pattern_read(lm_pattern *p, json_t *spec, const char *what, lm_status *st);
/* GPT-2's expression and the like, which stand in no file. */
bool lm_pattern_read_regex(lm_pattern *p, lm_str regex, const char *what, lm_status *st);
void lm_pattern_free(lm_pattern *p);
void lm_pattern_describe(const lm_pattern *p, lm_buf *out);

/* The matches among characters [from, to) of a text, which is all that the pattern sees. */
typedef struct lm_matches {
    const lm_pattern *pattern;
    lm_pieces *pieces;
    size_t to;
    size_t begin, end; /* of the match that was found last, in characters */
    size_t byte;       /* regex: of the subject, where character `end` begins */
    lm_find find;
} lm_matches;

void lm_matches_begin(lm_matches *m, const lm_pattern *pattern, lm_pieces *pieces, size_t from, size_t to);
bool lm_matches_next(lm_matches *m); /* false: there is no further one */

#endif
