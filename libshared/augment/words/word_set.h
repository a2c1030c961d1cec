/* A set of words out of the user's files: stop words, words that stay as they are. Case does not matter. */
#ifndef LM_AUGMENT_WORD_SET_H
#define LM_AUGMENT_WORD_SET_H

#include "base/buffer.h"
#include "base/status.h"
#include "text/train/word_counts.h"

typedef struct lm_word_set {
    lm_word_counts words; /* in lower case */
} lm_word_set;

/* Adds the words of a file, one a line (plain or compressed); blank lines and those that begin with # are none. A line that
 * is not UTF-8 fails. `option` is for messages. */
bool lm_word_set_read(lm_word_set *s, const char *path, const char *option, lm_status *st);
void lm_word_set_add(lm_word_set *s, lm_str word); /* in lower case already */
bool lm_word_set_has(const lm_word_set *s, lm_str lower);
void lm_word_set_free(lm_word_set *s);

#endif
