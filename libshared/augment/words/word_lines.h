/* The lines of a list that somebody wrote: words, thesauri. Compressed files too; a byte order mark, white space at both
 * ends, blank lines and lines that begin with # are passed over. */
#ifndef LM_AUGMENT_WORD_LINES_H
#define LM_AUGMENT_WORD_LINES_H

#include "base/buffer.h"
#include "base/status.h"

#include <stdint.h>

typedef struct lm_word_lines lm_word_lines;

/* `option` is for messages: "--protect". */
lm_word_lines *lm_word_lines_open(const char *path, const char *option, lm_status *st);
void lm_word_lines_close(lm_word_lines *l);
/* The lines from here on are in that encoding. */
bool lm_word_lines_decode(lm_word_lines *l, const char *encoding, lm_status *st);
/* The next line, valid until the next call. False: the end, or failed (a line that is not UTF-8). */
bool lm_word_lines_next(lm_word_lines *l, lm_str *line, lm_status *st);
uint64_t lm_word_lines_number(const lm_word_lines *l); /* of that line, from 1 */

#endif
