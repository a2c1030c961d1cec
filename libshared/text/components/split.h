/* Cutting words into smaller ones, with the behaviours of the reference's split. */
#ifndef LM_TEXT_SPLIT_H
#define LM_TEXT_SPLIT_H

#include "text/components/components.h"

typedef struct lm_delimiter {
    unsigned properties; /* characters with any of these */
    uint32_t code;       /* if there are none: this character */
} lm_delimiter;

/* Each delimiter is a match by itself. */
void lm_split_words(lm_pieces *p, lm_delimiter d, lm_split behavior);
/* With `invert` what lies between the matches are the delimiters. */
void lm_split_words_by_pattern(lm_pieces *p, const lm_pattern *pattern, lm_split behavior, bool invert);

/* Puts `code` before the ordinary words whose first character passes the test; it has that character's span.
 */
typedef bool lm_char_test(const void *option, const lm_char *first);
void lm_prepend_words(lm_pieces *p, uint32_t code, lm_char_test *wanted, const void *option);

#endif
