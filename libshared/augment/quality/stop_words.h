/* Stop words: how many different ones a text has. */
#ifndef LM_AUGMENT_STOP_WORDS_H
#define LM_AUGMENT_STOP_WORDS_H

#include "augment/quality/words.h"
#include "base/status.h"
#include "text/train/word_counts.h"

typedef struct lm_stop_words {
    lm_word_counts words;
    size_t longest; /* bytes */
} lm_stop_words;

/* Into an empty one: words between blanks, or the lines of a file (words/word_lines.h). */
void lm_stop_words_make(lm_stop_words *s, const char *words);
bool lm_stop_words_read(lm_stop_words *s, const char *path, lm_status *st);
void lm_stop_words_free(lm_stop_words *s);

/* How many different stop words are words of the text (letter by letter, as datatrove compares), up to `most`. `endings`: the
 * end of a word that begins in Hangul is looked at as well, its longest that is a stop word counts. `found`: bits for all words. */
size_t lm_stop_words_count(const lm_stop_words *s, const lm_count_words *w, lm_str text, bool endings, size_t most,
                           uint64_t *found);

#endif
