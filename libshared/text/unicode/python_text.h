/* Text by code points, as Python's methods of str see it. */
#ifndef LM_TEXT_PYTHON_TEXT_H
#define LM_TEXT_PYTHON_TEXT_H

#include "base/buffer.h"

#include <stdint.h>

bool lm_is_python_space(uint32_t code);       /* str.isspace */
size_t lm_text_place(lm_str s, size_t index); /* byte offset of a code point; s.len beyond the end */
lm_str lm_text_trim(lm_str s, const lm_str *chars, bool left, bool right); /* str.strip; chars NULL: white space */
/* Takes the first line off *rest as str.splitlines does; false where nothing is left. `with_end` (or NULL) is the line and
 * what ends it. */
bool lm_text_take_line(lm_str *rest, lm_str *line, lm_str *with_end);


enum { LM_SIGMA = 0x3A3, LM_FINAL_SIGMA = 0x3C2 };

/* Whether the sigma at text[from..to) ends a word (Final_Sigma of the Unicode standard, 3.13): a cased letter before, none behind,
 * whatever is ignorable between. */
bool lm_is_final_sigma(lm_str text, size_t from, size_t to);
void lm_text_lower(lm_str text, lm_buf *out); /* str.lower, appended */

#endif
