/* Strings that end an answer, which may lie across tokens. */
#ifndef LM_GENERATE_STOP_STRINGS_H
#define LM_GENERATE_STOP_STRINGS_H

#include "base/buffer.h"

/* Where the first of `strings` begins in the text, as far as it does not lie in its first `from` bytes; SIZE_MAX = nowhere. */
size_t lm_find_stop(lm_str text, size_t from, const char *const *strings, int count);
/* Bytes at the start of the text that can be part of none of them, whatever follows. */
size_t lm_before_stop(lm_str text, const char *const *strings, int count);

#endif
