/* Text in another case, and text replaced: shared by the methods of strings and the filters. */
#ifndef LM_TEXT_CHAT_TEXT_CASE_H
#define LM_TEXT_CHAT_TEXT_CASE_H

#include "text/chat/jinja_internal.h"

typedef enum lm_case {
    LM_CASE_UPPER,
    LM_CASE_LOWER,
    LM_CASE_CAPITALIZE,  /* the first character upper, the others lower */
    LM_CASE_TITLE,       /* str.title: the first letter of every run of letters */
    LM_CASE_TITLE_WORDS, /* Jinja's filter: the first character of every word, apart by space, hyphen or bracket */
    LM_CASE_SWAP
} lm_case;

/* Case of single code points (and ß, which becomes SS); Markup stays Markup. */
lm_value lm_text_in_case(lm_eval *e, lm_value text, lm_case to);
/* At most `most` times; below 0 everywhere. */
lm_value lm_text_replace(lm_eval *e, lm_value text, lm_str old, lm_str new, int64_t most);

#endif
